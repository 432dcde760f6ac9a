//! Stored texts that name an enum's label or a row's field outlive its renaming.
//!
//! Views' queries and tables' expressions are kept as text. Those that may name what is about to be renamed are bound while the old
//! name is there, and written anew when the new one is (PostgreSQL's stored trees hold OIDs and numbers instead).

use super::Ddl;
use super::stored::Bound;
use quarry_catalog::{ConstraintKind, RelKind, Relation, StoredExpr, quote_identifier};
use quarry_common::{Oid, Result};
use quarry_plan::deparse;
use quarry_sql::bind::{self, ViewDefinition};
use std::sync::Arc;

/// A table's expressions with the texts they have.
type BoundTexts = Vec<(String, Bound)>;

/// Bound texts, to be written anew.
pub struct StoredTexts {
    views: Vec<(Arc<Relation>, ViewDefinition)>,
    tables: Vec<(Arc<Relation>, BoundTexts)>,
}

impl StoredTexts {
    /// Texts that may have the constant `label`.
    pub fn naming(d: &Ddl, label: &str) -> Result<StoredTexts> {
        // In an array's text a label may be quoted in several ways.
        let plain = label.chars().all(|c| c.is_alphanumeric() || c == '_');
        StoredTexts::find(d, &|sql| if plain { sql.contains(label) } else { sql.contains('\'') })
    }
    /// Texts that may read the field `name` of a row.
    pub fn with_fields(d: &Ddl, name: &str) -> Result<StoredTexts> {
        let field = format!(".{}", quote_identifier(name));
        StoredTexts::find(d, &|sql| sql.contains(&field) && (sql.contains(").") || sql.contains("].")))
    }

    fn find(d: &Ddl, wanted: &dyn Fn(&str) -> bool) -> Result<StoredTexts> {
        let mut out = StoredTexts { views: vec![], tables: vec![] };
        for r in d.w.all_relations(&['r', 'v', 'm'])? {
            if r.oid.0 < Oid::FIRST_NORMAL.0 {
                continue;
            }
            if let (RelKind::View | RelKind::MaterializedView, Some(sql)) = (r.kind, &r.view_sql) {
                if wanted(sql) {
                    let definition = d.with_binder(|cx| bind::bind_stored_view(sql, cx))?;
                    out.views.push((r, definition));
                }
                continue;
            }
            let mut bound = vec![];
            for sql in expressions(&r).filter(|sql| wanted(sql)) {
                bound.push((sql.clone(), d.bind_text(sql, &r, None)?));
            }
            if !bound.is_empty() {
                out.tables.push((r, bound));
            }
        }
        Ok(out)
    }

    /// Writes the texts with the names of now.
    pub fn store(self, d: &Ddl) -> Result<()> {
        for (view, definition) in self.views {
            let names: Vec<String> = view.columns.iter().map(|c| c.name.clone()).collect();
            let io = quarry_types::io::IoContext { names: d.w.reader(), ..d.st.io.clone() };
            let sql = deparse::stored_query(&definition.tree, &names, &definition.meta, d.w.reader(), &io);
            d.w.set_view_text(view.oid, &sql)?;
        }
        for (table, bound) in self.tables {
            let anew: Vec<(String, StoredExpr)> =
                bound.into_iter().map(|(old, b)| (old, d.stored(&b))).collect();
            d.w.rewrite_expressions(table.oid, &|sql| {
                anew.iter().find(|(old, _)| old == sql).map(|(_, new)| StoredExpr {
                    sql: new.sql.clone(),
                    pretty: new.pretty.clone(),
                    refs: vec![],
                })
            })?;
        }
        Ok(())
    }
}

/// The texts of a table's defaults, checks, index expressions and predicates.
fn expressions(r: &Relation) -> impl Iterator<Item = &String> {
    let defaults = r.columns.iter().filter_map(|c| c.default_sql.as_ref());
    let checks = r.constraints.iter().filter_map(|c| match &c.kind {
        ConstraintKind::Check { expr_sql, .. } => Some(expr_sql),
        _ => None,
    });
    let indexes = r
        .indexes
        .iter()
        .flat_map(|i| i.keys.iter().filter_map(|k| k.expr_sql.as_ref()).chain(i.predicate_sql.as_ref()));
    defaults.chain(checks).chain(indexes)
}
