//! Bound expressions and queries as SQL text, spelled as PostgreSQL does (`ruleutils.c`): for EXPLAIN, for stored defaults, checks,
//! index expressions and views, and for the functions that show them.
//!
//! [`Deparser`] is what callers see. Underneath one [`writer::Writer`] writes expressions (`expr`, `call`, `constant`), and queries
//! given as trees (`query`, `from`), for which `names` first gives every FROM item and column a name that is unique where it must be.

mod call;
mod constant;
mod expr;
mod from;
mod names;
mod query;
mod simple;
mod writer;

use crate::tree::QueryTree;
use crate::{AggregateExpr, ColumnId, Expr, QueryMeta, SortKey, WindowCall};
use quarry_catalog::{CatalogReader, Relation, quote_identifier, quote_qualified};
use quarry_functions::registry;
use quarry_types::SqlType;
use quarry_types::io::IoContext;
use writer::{Style, Writer};

/// The schema under which stored texts name relations and types by OID.
pub const BY_OID: &str = "@oid";

/// Names a deparser needs from the catalog.
pub trait DeparseNames {
    /// A type's SQL spelling.
    fn format_type(&self, ty: SqlType) -> String;
    /// A relation's name in FROM, qualified where its name alone would not find it.
    fn relation(&self, relation: &Relation) -> String {
        quote_qualified(&relation.schema_name, &relation.name)
    }
}

impl DeparseNames for CatalogReader {
    fn format_type(&self, ty: SqlType) -> String {
        CatalogReader::format_type(self, ty.oid, ty.typmod).unwrap_or_else(|_| format!("{}", ty.oid.0))
    }
    fn relation(&self, relation: &Relation) -> String {
        match self.is_visible_relation(relation.oid) {
            Ok(Some(true)) => quote_identifier(&relation.name),
            _ => quote_qualified(&relation.schema_name, &relation.name),
        }
    }
}

/// The names of stored texts: types that a user made are named by OID, others so that no search path changes their meaning.
struct StoredNames<'a>(&'a CatalogReader);

impl DeparseNames for StoredNames<'_> {
    fn format_type(&self, ty: SqlType) -> String {
        let shown = DeparseNames::format_type(self.0, ty);
        let Ok(Some(def)) = self.0.type_def(ty.oid) else { return shown };
        if ty.oid.0 >= quarry_common::Oid::FIRST_NORMAL.0 {
            return match &def.kind {
                quarry_catalog::TypeKind::Array { element } => format!("\"{BY_OID}\".\"{element}\"[]"),
                _ => format!("\"{BY_OID}\".\"{}\"", ty.oid),
            };
        }
        // The grammar's own spellings (integer, character varying(3)) always mean the built-in type.
        let plain = quote_identifier(def.name.strip_prefix('_').unwrap_or(&def.name));
        if shown.starts_with(&plain) { format!("pg_catalog.{shown}") } else { shown }
    }
}

/// How much PostgreSQL's pretty-printing does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pretty {
    /// One line, all parentheses: EXPLAIN and stored texts.
    #[default]
    No,
    /// CASE and queries on several lines: `pg_get_expr(..)`, `pg_get_viewdef(..)`.
    Lines,
    /// Also without needless parentheses: their forms with `pretty`.
    Full,
}

/// What deparsing depends on.
pub struct Deparser<'a> {
    pub meta: &'a QueryMeta,
    /// Write `alias.column`.
    pub qualify: bool,
    pub names: &'a dyn DeparseNames,
    /// For the text of constants.
    pub io: &'a IoContext<'a>,
    /// What to write for a column instead of its name (computed columns of lower plan nodes).
    pub columns: Option<&'a dyn Fn(ColumnId) -> Option<String>>,
}

/// An expression as text.
pub fn expr(
    e: &Expr,
    meta: &QueryMeta,
    qualify: bool,
    names: &dyn DeparseNames,
    io: &IoContext<'_>,
) -> String {
    Deparser { meta, qualify, names, io, columns: None }.expr(e)
}

/// An expression as `pg_get_expr` shows it, with `pretty` or without.
pub fn shown_expr(
    e: &Expr,
    meta: &QueryMeta,
    pretty: Pretty,
    names: &dyn DeparseNames,
    io: &IoContext<'_>,
) -> String {
    let d = Deparser { meta, qualify: false, names, io, columns: None };
    let mut w = Writer::new(&d, Style { pretty, stored: false }, 0);
    w.expr(e, false);
    w.out
}

/// A query as `pg_get_viewdef` shows it, without the semicolon. `columns`: names of the view's columns. `wrap`: lines longer than
/// this are broken, 0 after every item.
pub fn shown_query(
    tree: &QueryTree,
    columns: &[String],
    meta: &QueryMeta,
    pretty: Pretty,
    wrap: i32,
    names: &dyn DeparseNames,
    io: &IoContext<'_>,
) -> String {
    let d = Deparser { meta, qualify: true, names, io, columns: None };
    let mut w = Writer::new(&d, Style { pretty, stored: false }, wrap);
    w.view_query(tree, columns);
    w.out
}

/// A query as a view stores it: on one line, relations and types by OID.
pub fn stored_query(
    tree: &QueryTree,
    columns: &[String],
    meta: &QueryMeta,
    reader: &CatalogReader,
    io: &IoContext<'_>,
) -> String {
    let names = StoredNames(reader);
    let d = Deparser { meta, qualify: true, names: &names, io, columns: None };
    let mut w = Writer::new(&d, Style { pretty: Pretty::No, stored: true }, 0);
    w.view_query(tree, columns);
    w.out
}

impl Deparser<'_> {
    fn written(&self, f: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut w = Writer::new(self, Style::default(), 0);
        f(&mut w);
        w.out
    }
    /// An expression as text.
    pub fn expr(&self, e: &Expr) -> String {
        self.written(|w| w.expr(e, false))
    }
    /// Several conditions, joined by AND.
    pub fn conditions(&self, list: &[Expr]) -> String {
        match list {
            [one] => self.expr(one),
            _ => format!("({})", list.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(" AND ")),
        }
    }
    /// A sort key as EXPLAIN shows it.
    pub fn sort_key(&self, k: &SortKey) -> String {
        let mut text = self.expr(&k.expr);
        text += direction(k.descending, k.nulls_first);
        text
    }
    /// An aggregate call.
    pub fn aggregate(&self, a: &AggregateExpr) -> String {
        self.written(|w| w.aggregate(a))
    }
    /// A window call, as EXPLAIN VERBOSE shows it.
    pub fn window_call(&self, c: &WindowCall) -> String {
        self.written(|w| {
            w.window_function(c);
            w.out += " OVER (?)";
        })
    }
    /// A column's name.
    pub fn column(&self, id: ColumnId) -> String {
        if let Some(text) = self.columns.and_then(|f| f(id)) {
            return text;
        }
        if id.0 as usize >= self.meta.len() {
            return format!("?column{}?", id.0);
        }
        let meta = self.meta.get(id);
        match &meta.relation {
            Some(relation) if self.qualify => {
                format!("{}.{}", quote_identifier(relation), quote_identifier(&meta.name))
            }
            _ => quote_identifier(&meta.name),
        }
    }
}

/// What follows a sort key's expression.
fn direction(descending: bool, nulls_first: bool) -> &'static str {
    match (descending, nulls_first) {
        (false, false) => "",
        (false, true) => " NULLS FIRST",
        (true, true) => " DESC",
        (true, false) => " DESC NULLS LAST",
    }
}

/// An operator's name.
pub fn operator_name(oid: quarry_common::Oid) -> &'static str {
    registry::operator(oid).map_or("?", |o| o.name)
}
