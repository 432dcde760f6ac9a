//! ALTER TABLE and its relatives (PostgreSQL: tablecmds.c). Actions run in PostgreSQL's passes: drops, type changes, new
//! columns, properties of columns, constraints.

use super::constraints::{self, Pending};
use super::create_table::{column_spec, finish_column};
use super::storage_parameters::{self, Owner, merged, names_of, options_of};
use super::stored::is_at_least;
use super::{Ddl, alter_column, alter_other, behavior_of, parts_of, persistence};
use crate::session::Session;
use quarry_catalog::{ConstraintKind, LockMode, ObjectAddress, Persistence, RelKind, Relation};
use quarry_common::{Result, bail, err};
use quarry_functions::Volatility;
use quarry_sql::ast::{self, AlterTableAction as A, ObjectKind};
use quarry_sql::bind::StoredPlace;

pub fn run(s: &mut Session, a: &ast::AlterTable) -> Result<()> {
    let d = Ddl::new(s)?;
    let parts = parts_of(&a.relation);
    if a.if_exists && d.w.find_relation(&parts)?.is_none() {
        d.notice(err!(SUCCESSFUL_COMPLETION, "relation \"{}\" does not exist, skipping", a.relation.name));
        return Ok(());
    }
    let mode = a.actions.iter().map(lock_of).max().unwrap_or(LockMode::AccessExclusive);
    let r = d.lock_own(&parts, mode)?;
    d.st.session.check_not_in_use(&r, "ALTER TABLE")?;
    let fits = match a.kind {
        ObjectKind::Index => r.kind == RelKind::Index,
        ObjectKind::Sequence => r.kind == RelKind::Sequence,
        ObjectKind::View => r.kind == RelKind::View,
        ObjectKind::MatView => r.kind == RelKind::MaterializedView,
        ObjectKind::Type => r.kind == RelKind::CompositeType,
        _ => true,
    };
    if !fits {
        let noun = a.kind.sql().to_lowercase();
        let article = if noun.starts_with('i') { "an" } else { "a" };
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {noun}", r.name);
    }
    persistence::check_once(&r, &a.actions)?;
    let mut order: Vec<&A> = a.actions.iter().collect();
    order.sort_by_key(|action| pass(action));
    // New types are looked at before anything is changed, as the columns are then.
    for action in &a.actions {
        if let A::AlterColumnType { column, type_name, collation, using, .. } = action {
            needs_table(&r, "ALTER COLUMN ... SET DATA TYPE")?;
            alter_column::new_value(&d, &r, &column.value, type_name, collation.as_ref(), using.as_ref())?;
        }
    }
    let before = r;
    for action in order {
        let r = d.relation(before.oid)?;
        if let A::AlterColumnType { column, .. } = action
            && let (Some((_, old)), Some((_, now))) =
                (before.column_named(&column.value), r.column_named(&column.value))
            && old.ty != now.ty
        {
            bail!(FEATURE_NOT_SUPPORTED, "cannot alter type of column \"{}\" twice", column.value);
        }
        apply(&d, &r, action)?;
    }
    for (table, column) in d.not_null.take() {
        let r = d.relation(table)?;
        quarry_executor::write::validate_not_null(&d.env(), &r, column)?;
    }
    Ok(())
}

/// What an action needs of its table (PostgreSQL: AlterTableGetLockLevel).
fn lock_of(a: &A) -> LockMode {
    match a {
        A::SetStatistics { .. }
        | A::SetColumnOptions { .. }
        | A::ResetColumnOptions { .. }
        | A::SetOptions(_)
        | A::ResetOptions(_)
        | A::ClusterOn(_)
        | A::SetWithoutCluster
        | A::ValidateConstraint(_)
        | A::AttachPartition { .. } => LockMode::ShareUpdateExclusive,
        A::AddConstraint(c) if matches!(c.kind, ast::ConstraintKind::ForeignKey(_)) => {
            LockMode::ShareRowExclusive
        }
        A::Trigger { .. } => LockMode::ShareRowExclusive,
        _ => LockMode::AccessExclusive,
    }
}

fn pass(a: &A) -> u8 {
    match a {
        A::DropColumn { .. } | A::DropConstraint { .. } => 0,
        A::DropNotNull(_) | A::DropIdentity { .. } | A::DropExpression { .. } => 0,
        A::ColumnDefault { default: None, .. } => 0,
        A::AlterColumnType { .. } => 1,
        A::AddColumn { .. } => 2,
        A::SetNotNull(_) | A::SetIdentity { .. } => 3,
        A::AddConstraint(c)
            if matches!(c.kind, ast::ConstraintKind::PrimaryKey(_) | ast::ConstraintKind::Unique(_)) =>
        {
            4
        }
        A::AddConstraint(_) | A::AddIdentity { .. } | A::ColumnDefault { .. } => 5,
        _ => 6,
    }
}

pub fn needs_table(r: &Relation, what: &str) -> Result<()> {
    if r.kind == RelKind::Table {
        return Ok(());
    }
    Err(err!(WRONG_OBJECT_TYPE, "ALTER action {what} cannot be performed on relation \"{}\"", r.name).detail(
        format!(
            "This operation is not supported for {}.",
            match r.kind {
                RelKind::View => "views",
                RelKind::Index => "indexes",
                RelKind::Sequence => "sequences",
                RelKind::CompositeType => "composite types",
                RelKind::MaterializedView => "materialized views",
                _ => "this kind of relation",
            }
        ),
    ))
}

/// Whether every table has a column of this name.
pub fn is_system_column(name: &str) -> bool {
    system_number(name).is_some()
}

/// The `attnum` of a system column.
pub fn system_number(name: &str) -> Option<i16> {
    let at = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"].iter().position(|n| *n == name)?;
    Some(-1 - at as i16)
}

/// The column's index; 42703 without.
pub fn column_of(r: &Relation, name: &str) -> Result<usize> {
    match r.column_named(name) {
        Some((i, _)) => Ok(i),
        None if is_system_column(name) => {
            bail!(FEATURE_NOT_SUPPORTED, "cannot alter system column \"{name}\"")
        }
        None => bail!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", r.name),
    }
}

fn apply(d: &Ddl, r: &std::sync::Arc<Relation>, action: &A) -> Result<()> {
    match action {
        A::AddColumn { column, if_not_exists, .. } => {
            needs_table(r, "ADD COLUMN")?;
            add_column(d, r, column, *if_not_exists)
        }
        A::DropColumn { column, if_exists, behavior } => {
            if is_system_column(&column.value) {
                bail!(FEATURE_NOT_SUPPORTED, "cannot drop system column \"{}\"", column.value);
            }
            if *if_exists && r.column_named(&column.value).is_none() {
                d.notice(err!(
                    SUCCESSFUL_COMPLETION,
                    "column \"{}\" of relation \"{}\" does not exist, skipping",
                    column.value,
                    r.name
                ));
                return Ok(());
            }
            needs_table(r, "DROP COLUMN")?;
            let i = column_of(r, &column.value)?;
            let object = ObjectAddress::column(r.oid, r.columns[i].number);
            for n in d.w.drop_objects(&[object], behavior_of(*behavior))? {
                d.notice(n);
            }
            Ok(())
        }
        A::ColumnDefault { column, default } => {
            alter_column::set_default(d, r, column_of(r, &column.value)?, default.as_ref())
        }
        A::SetNotNull(c) => {
            needs_table(r, "ALTER COLUMN ... SET NOT NULL")?;
            let i = column_of(r, &c.value)?;
            if !r.columns[i].not_null {
                d.not_null.borrow_mut().push((r.oid, i));
                d.w.set_not_null(r.oid, r.columns[i].number, true)?;
            }
            Ok(())
        }
        A::DropNotNull(c) => {
            needs_table(r, "ALTER COLUMN ... DROP NOT NULL")?;
            let i = column_of(r, &c.value)?;
            if r.columns[i].identity.is_some() {
                bail!(
                    SYNTAX_ERROR,
                    "column \"{}\" of relation \"{}\" is an identity column",
                    c.value,
                    r.name
                );
            }
            if r.primary_key().is_some_and(|p| p.keys.iter().any(|k| k.column == Some(i))) {
                bail!(INVALID_TABLE_DEFINITION, "column \"{}\" is in a primary key", c.value);
            }
            d.w.set_not_null(r.oid, r.columns[i].number, false)
        }
        A::DropExpression { column, if_exists } => {
            let i = column_of(r, &column.value)?;
            if !r.columns[i].generated {
                if *if_exists {
                    d.notice(err!(
                        SUCCESSFUL_COMPLETION,
                        "column \"{}\" of relation \"{}\" is not a stored generated column, skipping",
                        column.value,
                        r.name
                    ));
                    return Ok(());
                }
                bail!(
                    OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "column \"{}\" of relation \"{}\" is not a stored generated column",
                    column.value,
                    r.name
                );
            }
            d.w.set_default(r.oid, r.columns[i].number, None, false)
        }
        A::SetStatistics { column, number, value } => {
            let column = column.as_ref().map(|c| c.value.as_str());
            super::statistics::set_column_target(d, r, column, *number, *value)
        }
        A::SetColumnOptions { column, options } => {
            super::statistics::set_column_settings(d, r, &column.value, options)
        }
        A::ResetColumnOptions { column, options } => {
            super::statistics::reset_column_settings(d, r, &column.value, options)
        }
        A::SetStorage { column, storage } => {
            let i = column_of(r, &column.value)?;
            let letter = match storage.to_ascii_lowercase().as_str() {
                "plain" => 'p',
                "external" => 'e',
                "extended" => 'x',
                "main" => 'm',
                _ => bail!(INVALID_PARAMETER_VALUE, "invalid storage type \"{storage}\""),
            };
            d.w.set_column_options(r.oid, r.columns[i].number, None, Some(letter))
        }
        A::AddIdentity { column, always, options } => {
            alter_column::add_identity(d, r, &column.value, *always, options)
        }
        A::SetIdentity { column, options } => alter_column::set_identity(d, r, &column.value, options),
        A::DropIdentity { column, if_exists } => alter_column::drop_identity(d, r, &column.value, *if_exists),
        A::AlterColumnType { column, type_name, collation, using, .. } => {
            needs_table(r, "ALTER COLUMN ... SET DATA TYPE")?;
            alter_column::set_type(d, r, &column.value, type_name, collation.as_ref(), using.as_ref())
        }
        A::AddConstraint(c) => {
            needs_table(r, "ADD CONSTRAINT")?;
            if let Some(name) = &c.name
                && r.constraints.iter().any(|o| o.name == *name)
                && (!matches!(c.kind, ast::ConstraintKind::PrimaryKey(_) | ast::ConstraintKind::Unique(_))
                    || d.w.relation_in(r.schema, name)?.is_none())
            {
                bail!(DUPLICATE_OBJECT, "constraint \"{name}\" for relation \"{}\" already exists", r.name);
            }
            constraints::add(d, r.oid, &Pending::of_table(c), false)
        }
        A::AlterConstraint { name, deferrable, initially_deferred } => {
            let c = constraint(d, r, name)?;
            if !matches!(c.kind, ConstraintKind::ForeignKey { .. }) {
                bail!(
                    WRONG_OBJECT_TYPE,
                    "constraint \"{name}\" of relation \"{}\" is not a foreign key constraint",
                    r.name
                );
            }
            d.w.set_constraint_deferrable(c.oid, *deferrable, *initially_deferred)
        }
        A::ValidateConstraint(name) => validate(d, r, name),
        A::DropConstraint { name, if_exists, behavior } => {
            needs_table(r, "DROP CONSTRAINT")?;
            let Some(c) = d.w.constraint_named(r.oid, name)? else {
                if *if_exists {
                    d.notice(err!(
                        SUCCESSFUL_COMPLETION,
                        "constraint \"{name}\" of relation \"{}\" does not exist, skipping",
                        r.name
                    ));
                    return Ok(());
                }
                bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of relation \"{}\" does not exist", r.name)
            };
            if let ConstraintKind::ForeignKey { ref_table, .. } = c.kind
                && let Some(referenced) = d.w.lock_relation_oid(ref_table, LockMode::AccessExclusive)?
            {
                d.st.session.check_not_in_use(&referenced, "ALTER TABLE")?;
            }
            for n in d.w.drop_objects(&[ObjectAddress::constraint(c.oid)], behavior_of(*behavior))? {
                d.notice(n);
            }
            Ok(())
        }
        A::OwnerTo(role) => {
            let owner = d.role(role)?;
            super::rename::check_new_owner(d, owner, Some(r.schema))?;
            d.w.set_owner(ObjectAddress::relation(r.oid), owner)
        }
        A::SetOptions(options) => {
            let owner = owner_of(d, r)?;
            let all = merged(&r.options, &options_of(options, owner)?);
            if owner == Owner::Table {
                let toast = storage_parameters::of_toast(options)?;
                if !toast.is_empty() {
                    d.w.set_toast_options(r.oid, |old| merged(old, &toast))?;
                }
            }
            if r.kind == RelKind::View {
                super::view::check_options(d, r, &all)?;
            }
            d.w.set_options(r.oid, &all)
        }
        A::ResetOptions(options) => {
            let without = |old: &[(String, String)], names: &[&str]| -> Vec<(String, String)> {
                old.iter()
                    .filter(|(o, _)| !names.iter().any(|n| n.eq_ignore_ascii_case(o)))
                    .cloned()
                    .collect()
            };
            let owner = owner_of(d, r)?;
            let names = names_of(options, owner, owner)?;
            if owner == Owner::Table {
                let toast = names_of(options, owner, Owner::Toast)?;
                if !toast.is_empty() {
                    d.w.set_toast_options(r.oid, |old| without(old, &toast))?;
                }
            }
            d.w.set_options(r.oid, &without(&r.options, &names))
        }
        A::SetLogged => persistence::set(d, r, Persistence::Permanent),
        A::SetUnlogged => persistence::set(d, r, Persistence::Unlogged),
        A::ClusterOn(index) => match r.indexes.iter().find(|i| i.name == *index) {
            Some(i) => {
                super::super::maintenance::check_order(i)?;
                d.w.set_clustered(r.oid, Some(i.oid))
            }
            None => bail!(UNDEFINED_OBJECT, "index \"{index}\" for table \"{}\" does not exist", r.name),
        },
        A::SetWithoutCluster => d.w.set_clustered(r.oid, None),
        A::SetWithoutOids => Ok(()),
        // Switched on without being enforced it would show rows that must not be seen.
        A::RowSecurity(true) | A::ForceRowSecurity(true) => {
            bail!(FEATURE_NOT_SUPPORTED, "row-level security is not supported")
        }
        A::RowSecurity(false) => d.w.set_row_security(r.oid, Some(false), None),
        A::ForceRowSecurity(false) => d.w.set_row_security(r.oid, None, Some(false)),
        A::ReplicaIdentity(i) => alter_other::replica_identity(d, r, i),
        A::Trigger { which, enable } => {
            needs_table(r, &alter_other::trigger_action(which, *enable))?;
            alter_other::triggers(r, which, *enable)
        }
        A::Rule { name, enable } => {
            needs_table(r, &format!("{} RULE", alter_other::verb(*enable)))?;
            bail!(UNDEFINED_OBJECT, "rule \"{name}\" for relation \"{}\" does not exist", r.name)
        }
        A::SetTablespace(name) => alter_other::tablespace(name),
        other => Err(alter_other::unsupported(other)),
    }
}

fn constraint(d: &Ddl, r: &Relation, name: &str) -> Result<std::sync::Arc<quarry_catalog::ConstraintDef>> {
    match d.w.constraint_named(r.oid, name)? {
        Some(c) => Ok(c),
        None => bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of relation \"{}\" does not exist", r.name),
    }
}

fn validate(d: &Ddl, r: &std::sync::Arc<Relation>, name: &str) -> Result<()> {
    let c = constraint(d, r, name)?;
    match &c.kind {
        ConstraintKind::Check { expr_sql } => {
            if !c.validated {
                let bound = d.bind_text(expr_sql, r, Some(quarry_types::SqlType::BOOL))?;
                quarry_executor::write::validate_check(&d.env(), r, &bound.row, name, &bound.expr)?;
            }
        }
        ConstraintKind::ForeignKey { .. } => {
            if !c.validated {
                quarry_executor::write::validate_foreign_key(&d.env(), r, &c)?;
            }
        }
        _ => {
            bail!(
                WRONG_OBJECT_TYPE,
                "constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint",
                r.name
            )
        }
    }
    if c.validated { Ok(()) } else { d.w.set_constraint_validated(c.oid) }
}

fn add_column(d: &Ddl, r: &std::sync::Arc<Relation>, c: &ast::ColumnDef, if_not_exists: bool) -> Result<()> {
    if r.column_named(&c.name).is_some() {
        if if_not_exists {
            d.notice(err!(
                DUPLICATE_COLUMN,
                "column \"{}\" of relation \"{}\" already exists, skipping",
                c.name,
                r.name
            ));
            return Ok(());
        }
        bail!(DUPLICATE_COLUMN, "column \"{}\" of relation \"{}\" already exists", c.name, r.name);
    }
    let mut pending = vec![];
    let mut spec = column_spec(d, &r.name, c, &mut pending)?;
    let wants_not_null = spec.column.not_null || spec.identity.is_some();
    let mut rewrite = spec.generated.is_some() || spec.serial || spec.identity.is_some();
    let mut has_value = rewrite;
    // A default that is the same for every row need not be stored in the rows there are.
    if let Some(e) = &spec.default {
        let bound = d
            .bind_expr(e, None, Some((spec.column.ty, &c.name)), StoredPlace::Default)
            .map_err(super::without_position)?;
        if is_at_least(&bound.expr, Volatility::Volatile) {
            rewrite = true;
            has_value = true;
        } else {
            let value = quarry_executor::eval::eval_const(&bound.expr, &d.env())?;
            if !value.is_null() {
                has_value = true;
                spec.column.missing = Some(value);
            }
        }
    }
    let mut new = spec.column.clone();
    new.not_null = false;
    let identity = new.identity.take();
    new.generated = false;
    let number = d.w.add_column(r.oid, &new)?;
    finish_column(d, r.oid, number, &spec).map_err(super::without_position)?;
    if rewrite {
        alter_column::rewrite_added(d, r, r.oid, number)?;
    }
    if wants_not_null {
        let now = d.relation(r.oid)?;
        if !has_value || !rewrite {
            quarry_executor::write::validate_not_null(&d.env(), &now, number as usize - 1)?;
        }
        d.w.set_not_null(r.oid, number, true)?;
    }
    if identity.is_some() {
        d.w.set_identity(r.oid, number, identity)?;
    }
    constraints::add_all(d, r.oid, &pending, false)
}

fn owner_of(d: &Ddl, r: &Relation) -> Result<Owner> {
    Ok(match r.kind {
        RelKind::View => Owner::View,
        RelKind::Index => Owner::Index(d.w.index(r.oid)?.map_or("btree", |(_, i)| i.method)),
        _ => Owner::Table,
    })
}
