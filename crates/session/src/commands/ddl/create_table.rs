//! CREATE TABLE: columns, defaults, serial and identity columns, LIKE (PostgreSQL: parse_utilcmd.c, tablecmds.c).

use super::constraints::{self, Pending};
use super::storage_parameters::{self, Owner, options_of};
use super::stored::{expanded, is_at_least};
use super::{Ddl, persistence_of, sequence};
use crate::session::Session;
use quarry_catalog::{
    Identity, LockMode, NewColumn, NewRelation, ObjectAddress, Persistence, Privilege, RelKind, Relation,
    StoredExpr,
};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::Volatility;
use quarry_plan::{Expr, walk};
use quarry_sql::ast::{self, ConstraintKind as C, TableElement};
use quarry_sql::bind::StoredPlace;
use quarry_types::SqlType;

/// The catalog of relations and their columns.
const RELATIONS: Oid = Oid(quarry_catalog::builtin::columns::pg_class::TABLE);

/// A column as a definition gives it.
pub struct ColumnSpec {
    pub column: NewColumn,
    pub default: Option<ast::Expr>,
    /// A default taken over from another table (LIKE).
    pub default_text: Option<StoredExpr>,
    pub generated: Option<ast::Expr>,
    pub identity: Option<(bool, Vec<ast::SequenceOption>)>,
    pub serial: bool,
}

impl ColumnSpec {
    /// 42601 if the column's value would have two sources; `pos` is the second one's.
    fn check_one_source(&self, table: &str, pos: ast::Pos) -> Result<()> {
        let default = self.default.is_some() || self.serial;
        let what = match (default, self.identity.is_some(), self.generated.is_some()) {
            (true, true, _) => "default and identity",
            (true, _, true) => "default and generation expression",
            (_, true, true) => "identity and generation expression",
            _ => return Ok(()),
        };
        let name = &self.column.name;
        Err(at(err!(SYNTAX_ERROR, "both {what} specified for column \"{name}\" of table \"{table}\""), pos))
    }
}

fn at(e: Error, pos: ast::Pos) -> Error {
    match ast::error_position(pos) {
        Some(p) => e.position(p),
        None => e,
    }
}

/// Reads a column's definition; its table-wide constraints go to `pending`.
pub fn column_spec(
    d: &Ddl,
    table: &str,
    c: &ast::ColumnDef,
    pending: &mut Vec<Pending>,
) -> Result<ColumnSpec> {
    let Some(type_name) = &c.type_name else { return Err(Error::unsupported("typed tables")) };
    if !c.fdw_options.is_empty() {
        return Err(Error::unsupported("column options"));
    }
    let serial = match &type_name.names[..] {
        [n] if type_name.array_bounds.is_empty() => match n.as_str() {
            "smallserial" | "serial2" => Some(SqlType::INT2),
            "serial" | "serial4" => Some(SqlType::INT4),
            "bigserial" | "serial8" => Some(SqlType::INT8),
            _ => None,
        },
        [n] if matches!(
            n.as_str(),
            "serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2"
        ) =>
        {
            return Err(at(err!(FEATURE_NOT_SUPPORTED, "array of serial is not implemented"), type_name.pos));
        }
        _ => None,
    };
    let ty = match serial {
        Some(t) => t,
        None => d.type_of(type_name)?,
    };
    let mut column = NewColumn::new(&c.name, ty);
    if !type_name.array_bounds.is_empty() {
        column.dims = Some(type_name.array_bounds.len() as i32);
    }
    if let Some(collation) = &c.collation {
        column.collation = d.w.resolve_collation(&collation.parts, ast::error_position(collation.pos))?;
        if !d.w.type_ref(ty.oid)?.collation.is_valid() {
            let e =
                err!(DATATYPE_MISMATCH, "collations are not supported by type {}", d.w.type_name(ty.oid)?);
            return Err(at(e, collation.pos));
        }
    }
    let mut spec = ColumnSpec {
        column,
        default: None,
        default_text: None,
        generated: None,
        identity: None,
        serial: false,
    };
    let two_defaults = || {
        err!(SYNTAX_ERROR, "multiple default values specified for column \"{}\" of table \"{table}\"", c.name)
    };
    let two_nullnesses = || {
        err!(
            SYNTAX_ERROR,
            "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{table}\"",
            c.name
        )
    };
    // What a serial type says stands nowhere in the text.
    let mut null: Option<bool> = None;
    let mut is_key = false;
    for k in &c.constraints {
        let nullness = |null: &mut Option<bool>, wanted: bool| {
            if *null == Some(!wanted) {
                return Err(at(two_nullnesses(), k.pos));
            }
            *null = Some(wanted);
            Ok(())
        };
        match &k.kind {
            C::Null => nullness(&mut null, true)?,
            C::NotNull => nullness(&mut null, false)?,
            C::Default(e) => {
                if spec.default.is_some() {
                    return Err(at(two_defaults(), k.pos));
                }
                spec.default = Some(e.clone());
            }
            C::Identity { always, options } => {
                if spec.identity.is_some() {
                    let e = err!(
                        SYNTAX_ERROR,
                        "multiple identity specifications for column \"{}\" of table \"{table}\"",
                        c.name
                    );
                    return Err(at(e, k.pos));
                }
                nullness(&mut null, false)?;
                spec.identity = Some((*always, options.clone()));
            }
            C::Generated(e) => {
                if spec.generated.is_some() {
                    let e = err!(
                        SYNTAX_ERROR,
                        "multiple generation clauses specified for column \"{}\" of table \"{table}\"",
                        c.name
                    );
                    return Err(at(e, k.pos));
                }
                spec.generated = Some(e.clone());
            }
            C::Check(_) | C::PrimaryKey(_) | C::Unique(_) | C::ForeignKey(_) => {
                is_key |= matches!(k.kind, C::PrimaryKey(_));
                pending.push(Pending::of_column(k, &c.name));
            }
            C::Exclusion(_) => return Err(Error::unsupported("EXCLUDE constraints")),
        }
        spec.check_one_source(table, k.pos)?;
    }
    if serial.is_some() {
        if spec.default.is_some() {
            return Err(two_defaults());
        }
        spec.serial = true;
        spec.check_one_source(table, ast::NO_POS)?;
        if null == Some(true) {
            return Err(two_nullnesses());
        }
        null = Some(false);
    }
    if let Some((always, _)) = &spec.identity {
        if !matches!(ty, SqlType::INT2 | SqlType::INT4 | SqlType::INT8) {
            bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
        }
        spec.column.identity = Some(if *always { Identity::Always } else { Identity::ByDefault });
    }
    spec.column.not_null = null == Some(false) || is_key;
    // Generation expressions must not refer to columns that have one, whichever comes first.
    spec.column.generated |= spec.generated.is_some();
    Ok(spec)
}

/// Sets a new column's default, generation expression or sequence. The column is in the table.
pub fn finish_column(d: &Ddl, table: Oid, number: i16, spec: &ColumnSpec) -> Result<()> {
    let r = d.relation(table)?;
    let name = &spec.column.name;
    if let Some(text) = &spec.default_text {
        d.w.set_default(table, number, Some(text), spec.column.generated)?;
    }
    if let Some(e) = &spec.default
        && let Some(stored) = default_expr(d, e, spec.column.ty, name)?
    {
        d.w.set_default(table, number, Some(&stored), false)?;
    }
    if let Some(e) = &spec.generated {
        let stored = generation_expr(d, &r, number, e)?;
        d.w.set_default(table, number, Some(&stored), true)?;
    }
    if spec.serial || spec.identity.is_some() {
        let options = spec.identity.as_ref().map_or(&[][..], |(_, o)| o);
        let p = sequence::parameters(d, options, None, spec.column.ty, true)?;
        let (schema, seq_name) = match &p.name {
            Some(n) => (
                match n.schema() {
                    Some(s) => d.w.resolve_schema(s, None)?,
                    None => r.schema,
                },
                n.name().to_string(),
            ),
            None => (r.schema, d.w.choose_relation_name(&r.name, Some(name), "seq", r.schema, false, &[])?),
        };
        let persistence = sequence::identity_persistence(options, r.persistence)?;
        let def = sequence::make(d, &seq_name, schema, persistence, r.owner, &p)?;
        if spec.serial {
            let mut stored = StoredExpr::new(format!("nextval('{}'::regclass)", def.oid));
            stored.refs.push(quarry_catalog::ObjectAddress::relation(def.oid));
            d.w.set_default(table, number, Some(&stored), false)?;
        }
        d.w.set_sequence_owner(def.oid, Some((table, number)), spec.identity.is_some())?;
    }
    Ok(())
}

/// A default to store; none for a plain NULL. One that is cut to a length is kept, as by PostgreSQL (`varchar(5) DEFAULT NULL`):
/// its text is the value before the cut.
pub fn default_expr(d: &Ddl, e: &ast::Expr, ty: SqlType, column: &str) -> Result<Option<StoredExpr>> {
    let bound = d.bind_expr(e, None, Some((ty, column)), StoredPlace::Default)?;
    if !is_null(&bound.expr) {
        return Ok(Some(d.stored(&bound)));
    }
    // A NULL of an interval type has its modifier from the start.
    if ty.oid == quarry_types::oids::INTERVAL {
        return Ok(None);
    }
    let uncut = d.bind_expr(e, None, Some((SqlType::of(ty.oid), column)), StoredPlace::Default)?;
    Ok((ty.typmod >= 0 || uncut.expr.ty().typmod >= 0).then(|| d.stored(&uncut)))
}

/// Whether an expression is the constant NULL.
pub fn is_null(e: &Expr) -> bool {
    matches!(e, Expr::Const { value, .. } if value.is_null())
}

/// A generation expression to store.
pub fn generation_expr(d: &Ddl, r: &Relation, number: i16, e: &ast::Expr) -> Result<StoredExpr> {
    let column = &r.columns[number as usize - 1];
    let bound = d.bind_expr(e, Some(r), Some((column.ty, &column.name)), StoredPlace::Generated)?;
    let mut used = vec![];
    walk::columns_of(&bound.expr, &mut used);
    for id in used {
        let Some((_, n)) = bound.meta.get(id).source else { continue };
        let other = &r.columns[n as usize - 1];
        if n == number || other.generated {
            let e = err!(
                INVALID_OBJECT_DEFINITION,
                "cannot use generated column \"{}\" in column generation expression",
                other.name
            );
            return Err(if n == number {
                e.detail("This would cause the generated column to depend on its own value.")
            } else {
                e.detail("A generated column cannot reference another generated column.")
            });
        }
    }
    if is_at_least(&expanded(&bound.expr), Volatility::Stable) {
        bail!(INVALID_OBJECT_DEFINITION, "generation expression is not immutable");
    }
    Ok(d.stored(&bound))
}

pub fn run(s: &mut Session, c: &ast::CreateTable) -> Result<()> {
    if c.partition_by.is_some() || c.partition_of.is_some() {
        return Err(Error::unsupported("partitioned tables"));
    }
    if !c.inherits.is_empty() {
        return Err(Error::unsupported("table inheritance"));
    }
    if c.of_type.is_some() {
        return Err(Error::unsupported("typed tables"));
    }
    if let Some(m) = &c.access_method
        && m != "heap"
    {
        bail!(UNDEFINED_OBJECT, "access method \"{m}\" does not exist");
    }
    let persistence = persistence_of(c.relation.persistence);
    let temporary = persistence == Persistence::Temporary;
    if c.on_commit != ast::OnCommit::None && !temporary {
        bail!(INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables");
    }
    let mut d = Ddl::new(s)?;
    let schema = d.creation_schema(c.relation.schema.as_deref(), temporary, c.relation.pos)?;
    let persistence =
        if Some(schema) == d.st.session.temp_schema() { Persistence::Temporary } else { persistence };
    let name = &c.relation.name;
    // Without IF NOT EXISTS the name is looked at when the table is made: the columns' own errors come first.
    if c.if_not_exists && d.w.relation_in(schema, name)?.is_some() {
        d.notice(err!(DUPLICATE_TABLE, "relation \"{name}\" already exists, skipping"));
        return Ok(());
    }
    let mut pending = vec![];
    let mut specs = vec![];
    let mut likes = vec![];
    for e in &c.elements {
        match e {
            TableElement::Column(def) => specs.push(column_spec(&d, name, def, &mut pending)?),
            TableElement::Constraint(k) => pending.push(Pending::of_table(k)),
            TableElement::Like(l) => like(&d, l, &mut specs, &mut likes)?,
        }
    }
    // A primary key makes its columns NOT NULL.
    let mut has_primary = false;
    for p in &pending {
        if let C::PrimaryKey(k) = &p.constraint.kind {
            if has_primary {
                let e = err!(
                    INVALID_TABLE_DEFINITION,
                    "multiple primary keys for table \"{name}\" are not allowed"
                );
                return Err(at(e, p.constraint.pos));
            }
            has_primary = true;
            for column in p.column.iter().chain(k.columns.iter().map(|n| &n.value)) {
                if let Some(spec) = specs.iter_mut().find(|s| s.column.name == *column) {
                    spec.column.not_null = true;
                }
            }
        }
    }
    let mut new = NewRelation::new(name, schema, RelKind::Table, d.user());
    new.persistence = persistence;
    new.options = options_of(&c.with, Owner::Table)?;
    let toast_options = storage_parameters::of_toast(&c.with)?;
    new.columns = specs.iter().map(|s| s.column.clone()).collect();
    // Whether a column is generated is known to the table with its expression.
    for column in &mut new.columns {
        column.generated = false;
    }
    for (i, column) in new.columns.iter().enumerate() {
        if new.columns[..i].iter().any(|o| o.name == column.name) {
            let e = err!(DUPLICATE_COLUMN, "column \"{}\" specified more than once", column.name);
            return Err(e);
        }
    }
    let table = d.w.create_relation(&new)?;
    if !toast_options.is_empty() {
        d.w.set_toast_options(table.oid, |_| toast_options.clone())?;
    }
    for (i, spec) in specs.iter().enumerate() {
        finish_column(&d, table.oid, i as i16 + 1, spec)?;
    }
    constraints::add_all(&d, table.oid, &pending, true)?;
    for (l, source) in &likes {
        like_rest(&d, table.oid, l, source)?;
    }
    match c.on_commit {
        ast::OnCommit::Drop => d.st.session.on_commit.lock().push((table.oid, true)),
        ast::OnCommit::DeleteRows => d.st.session.on_commit.lock().push((table.oid, false)),
        ast::OnCommit::None | ast::OnCommit::PreserveRows => {}
    }
    Ok(())
}

type Like<'a> = (&'a ast::TableLike, std::sync::Arc<Relation>);

/// The columns of LIKE's table.
fn like<'a>(
    d: &Ddl,
    l: &'a ast::TableLike,
    specs: &mut Vec<ColumnSpec>,
    likes: &mut Vec<Like<'a>>,
) -> Result<()> {
    let source = d.w.lock_relation(
        &super::parts_of(&l.relation),
        ast::error_position(l.relation.pos),
        LockMode::AccessShare,
    )?;
    if matches!(source.kind, RelKind::Index | RelKind::Sequence | RelKind::Toast) {
        bail!(WRONG_OBJECT_TYPE, "relation \"{}\" is invalid in LIKE clause", source.name);
    }
    d.w.check_relation(&source, Privilege::Select)?;
    for c in source.columns.iter().filter(|c| !c.dropped) {
        let mut column = NewColumn::new(&c.name, c.ty);
        column.collation = c.collation;
        column.not_null = c.not_null;
        let mut spec = ColumnSpec {
            column,
            default: None,
            default_text: None,
            generated: None,
            identity: None,
            serial: false,
        };
        if let Some(i) = c.identity
            && l.identity
        {
            spec.identity = Some((i == Identity::Always, vec![]));
            spec.column.identity = Some(i);
        }
        if let Some(sql) = &c.default_sql {
            if c.generated && l.generated {
                spec.generated = Some(quarry_sql::parse::parse_expr(sql)?);
            } else if !c.generated && l.defaults {
                let bound = d.bind_text(sql, &source, Some(c.ty))?;
                spec.default_text = Some(d.stored(&bound));
            }
        }
        specs.push(spec);
    }
    likes.push((l, source));
    Ok(())
}

/// Constraints, indexes, statistics and columns' comments of LIKE's table.
fn like_rest(d: &Ddl, table: Oid, l: &ast::TableLike, source: &Relation) -> Result<()> {
    use quarry_catalog::ConstraintKind as K;
    if l.constraints {
        for c in &source.constraints {
            if let K::Check { expr_sql } = &c.kind {
                let e = quarry_sql::parse::parse_expr(expr_sql)?;
                constraints::add_check(d, table, Some(&c.name), &e, true, false, false)?;
            }
        }
    }
    if l.indexes {
        for i in &source.indexes {
            let to = d.relation(table)?;
            if i.primary && to.primary_key().is_some() {
                bail!(
                    INVALID_TABLE_DEFINITION,
                    "multiple primary keys for table \"{}\" are not allowed",
                    to.name
                );
            }
            super::index::copy(d, table, source, i)?;
        }
    }
    if l.statistics {
        super::statistics::copy(d, table, source, l.comments)?;
    }
    if l.comments {
        let to = d.relation(table)?;
        for c in source.columns.iter().filter(|c| !c.dropped) {
            if let Some(text) = d.w.comment(RELATIONS, source.oid, i32::from(c.number))?
                && let Some((_, own)) = to.column_named(&c.name)
            {
                d.w.set_comment(ObjectAddress::column(table, own.number), Some(&text))?;
            }
        }
    }
    Ok(())
}
