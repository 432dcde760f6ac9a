//! CREATE and ALTER STATISTICS, and what ANALYZE is told about columns (PostgreSQL: commands/statscmds.c, `ATExecSetStatistics`).

use super::Ddl;
use super::alter_table::column_of;
use crate::session::Session;
use quarry_catalog::builtin::columns::pg_statistic_ext;
use quarry_catalog::{LockMode, ObjectAddress, Privilege, RelKind, Relation, StatisticsDef};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_plan::Expr;
use quarry_sql::ast;
use quarry_sql::bind::StoredPlace;

/// Most columns and expressions of a statistics object.
const COLUMNS_MAX: usize = 8;
const TARGET_MAX: i32 = 10_000;
const KINDS: [(&str, char); 3] = [("ndistinct", 'd'), ("dependencies", 'f'), ("mcv", 'm')];

pub fn create(s: &mut Session, c: &ast::CreateStatistics) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let relation = match &c.relations[..] {
        [ast::TableRef::Relation(r)] => r,
        [_] => {
            bail!(FEATURE_NOT_SUPPORTED, "CREATE STATISTICS only supports relation names in the FROM clause")
        }
        _ => bail!(FEATURE_NOT_SUPPORTED, "only a single relation is allowed in CREATE STATISTICS"),
    };
    let parts: Vec<&String> =
        relation.catalog.iter().chain(&relation.schema).chain([&relation.name]).collect();
    let r = d.w.lock_relation(&parts, None, LockMode::ShareUpdateExclusive)?;
    if !matches!(r.kind, RelKind::Table | RelKind::MaterializedView) {
        let nouns = match r.kind {
            RelKind::View => "views",
            RelKind::Index => "indexes",
            RelKind::Sequence => "sequences",
            RelKind::CompositeType => "composite types",
            _ => "this kind of relation",
        };
        return Err(err!(WRONG_OBJECT_TYPE, "cannot define statistics for relation \"{}\"", r.name)
            .detail(format!("This operation is not supported for {nouns}.")));
    }
    d.check_change(&r)?;
    let schema = d.creation_schema(c.name.schema(), false, ast::NO_POS)?;
    let name = c.name.name();
    if d.w.statistics_in_schema(name, schema)?.is_some() {
        if c.if_not_exists {
            d.notice(err!(DUPLICATE_OBJECT, "statistics object \"{name}\" already exists, skipping"));
            return Ok(());
        }
        bail!(DUPLICATE_OBJECT, "statistics object \"{name}\" already exists");
    }
    if c.elements.len() > COLUMNS_MAX {
        bail!(TOO_MANY_COLUMNS, "cannot have more than {COLUMNS_MAX} columns in statistics");
    }
    let (mut columns, mut expressions): (Vec<i16>, Vec<Expr>) = (vec![], vec![]);
    let mut stored = vec![];
    for e in &c.elements {
        match e {
            ast::IndexKey::Column(name) => columns.push(column(&d, &r, name)?),
            ast::IndexKey::Expr(e) => {
                let bound = d.bind_expr(e, Some(&r), None, StoredPlace::Statistics)?;
                // (a) is the column itself.
                let source = match &bound.expr {
                    Expr::Column { id, .. } => bound.meta.get(*id).source,
                    _ => None,
                };
                if let Some((_, number)) = source {
                    columns.push(column(&d, &r, &r.columns[number as usize - 1].name)?);
                    continue;
                }
                if c.elements.len() > 1 {
                    let ty = bound.expr.ty();
                    let base = d.w.base_type(ty)?;
                    if d.w.type_ref(base.oid)?.functions.compare.is_none() {
                        bail!(
                            FEATURE_NOT_SUPPORTED,
                            "expression cannot be used in multivariate statistics because its type {} has no default btree operator class",
                            d.w.type_name(ty.oid)?
                        );
                    }
                }
                stored.push(d.stored(&bound));
                expressions.push(bound.expr);
            }
        }
    }
    let single = expressions.len() == 1 && columns.is_empty();
    if single && !c.kinds.is_empty() {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "when building statistics on a single expression, statistics kinds may not be specified"
        );
    }
    let mut asked = vec![];
    for k in &c.kinds {
        match KINDS.iter().find(|(name, _)| name == k) {
            Some((_, letter)) => asked.push(*letter),
            None => bail!(SYNTAX_ERROR, "unrecognized statistics kind \"{k}\""),
        }
    }
    let wanted = |letter: &char| (asked.is_empty() || asked.contains(letter)) && !single;
    let mut kinds: Vec<char> = KINDS.iter().map(|k| k.1).filter(wanted).collect();
    if !expressions.is_empty() {
        kinds.push('e');
    }
    if c.elements.len() < 2 && !single {
        bail!(INVALID_OBJECT_DEFINITION, "extended statistics require at least 2 columns");
    }
    columns.sort_unstable();
    if columns.windows(2).any(|w| w[0] == w[1]) {
        bail!(DUPLICATE_COLUMN, "duplicate column name in statistics definition");
    }
    // Columns of different bindings differ in their ids: what is stored is compared.
    if (1..stored.len()).any(|i| stored[..i].iter().any(|o| o.sql == stored[i].sql)) {
        bail!(DUPLICATE_COLUMN, "duplicate expression in statistics definition");
    }
    let def = StatisticsDef {
        oid: Oid::INVALID,
        name: name.to_owned(),
        schema,
        owner: d.user(),
        relation: r.oid,
        target: -1,
        columns,
        kinds,
        expressions: stored.iter().map(|e| e.sql.clone()).collect(),
    };
    d.w.create_statistics(&def, &stored)?;
    Ok(())
}

/// LIKE INCLUDING STATISTICS: the same objects on a table with the same column names; `comments`: theirs, too.
pub fn copy(d: &Ddl, table: Oid, source: &Relation, comments: bool) -> Result<()> {
    let r = d.relation(table)?;
    for stats in d.w.extended_stats(source.oid)?.iter() {
        let def = &stats.def;
        let (mut columns, mut names) = (vec![], vec![]);
        for number in &def.columns {
            let own = source.columns.iter().find(|c| c.number == *number);
            let Some((_, c)) = own.and_then(|c| r.column_named(&c.name)) else {
                return Err(Error::internal("LIKE lost a column"));
            };
            columns.push(c.number);
            names.push(c.name.clone());
        }
        columns.sort_unstable();
        let mut stored = vec![];
        for sql in &def.expressions {
            stored.push(d.stored(&d.bind_text(sql, &r, None)?));
            names.push("expr".to_owned());
        }
        let new = StatisticsDef {
            oid: Oid::INVALID,
            name: d.w.choose_statistics_name(&r.name, r.schema, &names)?,
            schema: r.schema,
            owner: d.user(),
            relation: r.oid,
            target: -1,
            columns,
            kinds: def.kinds.clone(),
            expressions: stored.iter().map(|e| e.sql.clone()).collect(),
        };
        let oid = d.w.create_statistics(&new, &stored)?;
        if comments && let Some(text) = d.w.comment(Oid(pg_statistic_ext::TABLE), def.oid, 0)? {
            d.w.set_comment(ObjectAddress::new(pg_statistic_ext::TABLE, oid), Some(&text))?;
        }
    }
    Ok(())
}

/// The number of a column that statistics can be about.
fn column(d: &Ddl, r: &Relation, name: &str) -> Result<i16> {
    match r.column_named(name) {
        Some((_, c)) => {
            let base = d.w.base_type(c.ty)?;
            if d.w.type_ref(base.oid)?.functions.compare.is_none() {
                bail!(
                    FEATURE_NOT_SUPPORTED,
                    "column \"{name}\" cannot be used in statistics because its type {} has no default btree operator class",
                    d.w.type_name(c.ty.oid)?
                );
            }
            Ok(c.number)
        }
        None if matches!(name, "ctid" | "xmin" | "cmin" | "xmax" | "cmax" | "tableoid") => {
            bail!(FEATURE_NOT_SUPPORTED, "statistics creation on system columns is not supported")
        }
        None => bail!(UNDEFINED_COLUMN, "column \"{name}\" does not exist"),
    }
}

/// A statistics target as it is stored.
fn target(d: &Ddl, value: i32) -> Result<i32> {
    if value < -1 {
        bail!(INVALID_PARAMETER_VALUE, "statistics target {value} is too low");
    }
    if value > TARGET_MAX {
        let e = err!(INVALID_PARAMETER_VALUE, "lowering statistics target to {TARGET_MAX}");
        d.st.session.push_notice(Severity::Warning, e);
    }
    Ok(value.min(TARGET_MAX))
}

/// The object a command names, which must be the user's.
pub fn owned(d: &Ddl, name: &ast::QualifiedName) -> Result<StatisticsDef> {
    let def = d.w.resolve_statistics(&name.parts)?;
    d.w.check_owner(def.owner, "statistics object", &name.display())?;
    Ok(def)
}

/// ALTER STATISTICS ... SET STATISTICS.
pub fn alter(s: &mut Session, c: &ast::AlterStatistics) -> Result<()> {
    let d = Ddl::new(s)?;
    let value = target(&d, c.target)?;
    if c.if_exists && d.w.find_statistics(&c.name.parts)?.is_none() {
        let text = format!("statistics object \"{}\" does not exist, skipping", c.name.display());
        d.notice(err!(SUCCESSFUL_COMPLETION, "{text}"));
        return Ok(());
    }
    let def = owned(&d, &c.name)?;
    d.w.set_statistics_target(&def, value)
}

/// 42710 if a schema has an object of this name.
fn check_free(d: &Ddl, name: &str, schema: Oid) -> Result<()> {
    if d.w.statistics_in_schema(name, schema)?.is_none() {
        return Ok(());
    }
    let schema = d.w.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
    bail!(DUPLICATE_OBJECT, "statistics object \"{name}\" already exists in schema \"{schema}\"")
}

pub fn rename(d: &Ddl, name: &ast::QualifiedName, new: &str) -> Result<()> {
    let def = owned(d, name)?;
    check_free(d, new, def.schema)?;
    d.w.rename_statistics(&def, new)
}

pub fn set_schema(d: &Ddl, name: &ast::QualifiedName, schema: &str) -> Result<()> {
    let def = owned(d, name)?;
    let schema = d.w.resolve_schema(schema, None)?;
    if schema == def.schema {
        return Ok(());
    }
    d.w.check_schema(schema, Privilege::Create)?;
    check_free(d, &def.name, schema)?;
    d.w.set_statistics_schema(&def, schema)
}

/// What DROP STATISTICS means; none: it isn't there and needn't be.
pub fn to_drop(d: &Ddl, name: &ast::QualifiedName, if_exists: bool) -> Result<Option<ObjectAddress>> {
    if if_exists && d.w.find_statistics(&name.parts)?.is_none() {
        let missing = match name.schema() {
            Some(s) if d.w.schema_oid(s)?.is_none() => format!("schema \"{s}\""),
            _ => format!("statistics object \"{}\"", name.display()),
        };
        d.notice(err!(SUCCESSFUL_COMPLETION, "{missing} does not exist, skipping"));
        return Ok(None);
    }
    let def = owned(d, name)?;
    Ok(Some(ObjectAddress::new(pg_statistic_ext::TABLE, def.oid)))
}

/// ALTER TABLE and INDEX ... ALTER COLUMN ... SET STATISTICS; an index's column may go by its number.
pub fn set_column_target(
    d: &Ddl,
    r: &Relation,
    column: Option<&str>,
    number: Option<i32>,
    value: i32,
) -> Result<()> {
    let value = target(d, value)?;
    let i = match (column, number) {
        (Some(name), _) => column_of(r, name)?,
        (None, Some(n)) if r.kind != RelKind::Index => {
            let _ = n;
            bail!(FEATURE_NOT_SUPPORTED, "cannot refer to non-index column by number")
        }
        (None, n) => match n.and_then(|n| usize::try_from(n - 1).ok()).filter(|i| *i < r.columns.len()) {
            Some(i) => i,
            None => bail!(
                UNDEFINED_COLUMN,
                "column number {} of relation \"{}\" does not exist",
                n.unwrap_or_default(),
                r.name
            ),
        },
    };
    if let Some((_, index)) = d.w.index(r.oid)? {
        let name = &r.columns[i].name;
        match index.keys.get(i) {
            Some(k) if k.column.is_none() => {}
            Some(_) => {
                let e = err!(
                    FEATURE_NOT_SUPPORTED,
                    "cannot alter statistics on non-expression column \"{name}\" of index \"{}\"",
                    r.name
                );
                return Err(e.hint("Alter statistics on table column instead."));
            }
            None => bail!(
                FEATURE_NOT_SUPPORTED,
                "cannot alter statistics on included column \"{name}\" of index \"{}\"",
                r.name
            ),
        }
    }
    d.w.set_column_options(r.oid, r.columns[i].number, Some(value), None)
}

/// ALTER COLUMN ... SET (n_distinct = ...).
pub fn set_column_settings(d: &Ddl, r: &Relation, column: &str, options: &[ast::DefElem]) -> Result<()> {
    let i = column_of(r, column)?;
    let mut new: Vec<(String, String)> = vec![];
    for o in options {
        let name = o.name.to_ascii_lowercase();
        if !matches!(name.as_str(), "n_distinct" | "n_distinct_inherited") || o.namespace.is_some() {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{}\"", o.name);
        }
        let value = o.arg.as_ref().map_or_else(|| "true".to_owned(), ast::DefArg::as_string);
        match value.parse::<f64>() {
            Ok(v) if v >= -1.0 => {}
            Ok(_) => {
                let e = err!(INVALID_PARAMETER_VALUE, "value {value} out of bounds for option \"{name}\"");
                return Err(
                    e.detail(format!("Valid values are between \"-1.000000\" and \"{:.6}\".", f64::MAX))
                );
            }
            Err(_) => {
                bail!(INVALID_PARAMETER_VALUE, "invalid value for floating point option \"{name}\": {value}")
            }
        }
        if new.iter().any(|(n, _)| *n == name) {
            bail!(INVALID_PARAMETER_VALUE, "parameter \"{name}\" specified more than once");
        }
        new.push((name, value));
    }
    d.w.change_column_settings(r.oid, r.columns[i].number, |old| {
        let kept = old.into_iter().filter(|o| !new.iter().any(|(n, _)| is_option(o, n)));
        kept.chain(new.iter().map(|(n, v)| format!("{n}={v}"))).collect()
    })
}

/// ALTER COLUMN ... RESET (n_distinct).
pub fn reset_column_settings(d: &Ddl, r: &Relation, column: &str, options: &[ast::DefElem]) -> Result<()> {
    let i = column_of(r, column)?;
    if options.iter().any(|o| o.arg.is_some()) {
        bail!(SYNTAX_ERROR, "RESET must not include values for parameters");
    }
    d.w.change_column_settings(r.oid, r.columns[i].number, |old| {
        old.into_iter().filter(|o| !options.iter().any(|n| is_option(o, &n.name))).collect()
    })
}

fn is_option(stored: &str, name: &str) -> bool {
    stored.split_once('=').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
}
