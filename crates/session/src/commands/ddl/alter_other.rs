//! ALTER TABLE actions that change how a table is kept rather than what it holds.

use super::Ddl;
use quarry_catalog::{ConstraintKind, Relation};
use quarry_common::{Error, Result, bail};
use quarry_sql::ast::{AlterTableAction as A, EnableMode, ReplicaIdentity, TriggerSelection};

/// How messages call a switch of triggers and rules.
pub fn verb(enable: EnableMode) -> &'static str {
    match enable {
        EnableMode::Enable => "ENABLE",
        EnableMode::Always => "ENABLE ALWAYS",
        EnableMode::Replica => "ENABLE REPLICA",
        EnableMode::Disable => "DISABLE",
    }
}

/// How messages call the action.
pub fn trigger_action(which: &TriggerSelection, enable: EnableMode) -> String {
    let which = match which {
        TriggerSelection::Name(_) => "",
        TriggerSelection::User => " USER",
        TriggerSelection::All => " ALL",
    };
    format!("{} TRIGGER{which}", verb(enable))
}

/// ENABLE and DISABLE TRIGGER. There are no user-defined triggers; those of foreign keys can't be switched off.
pub fn triggers(r: &Relation, which: &TriggerSelection, enable: EnableMode) -> Result<()> {
    match which {
        TriggerSelection::Name(name) => {
            bail!(UNDEFINED_OBJECT, "trigger \"{name}\" for table \"{}\" does not exist", r.name)
        }
        TriggerSelection::User => Ok(()),
        TriggerSelection::All => {
            let checks = r.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::ForeignKey { .. }));
            if matches!(enable, EnableMode::Disable) && (checks || !r.referenced_by.is_empty()) {
                return Err(Error::unsupported("disabling the triggers of foreign keys"));
            }
            Ok(())
        }
    }
}

/// SET TABLESPACE: everything lies in one place.
pub fn tablespace(name: &str) -> Result<()> {
    match name {
        "pg_default" => Ok(()),
        "pg_global" => {
            bail!(INVALID_PARAMETER_VALUE, "only shared relations can be placed in pg_global tablespace")
        }
        _ => bail!(UNDEFINED_OBJECT, "tablespace \"{name}\" does not exist"),
    }
}

/// REPLICA IDENTITY.
pub fn replica_identity(d: &Ddl, r: &Relation, identity: &ReplicaIdentity) -> Result<()> {
    let name = match identity {
        ReplicaIdentity::Nothing => return d.w.set_replica_identity(r.oid, 'n', None),
        ReplicaIdentity::Full => return d.w.set_replica_identity(r.oid, 'f', None),
        ReplicaIdentity::Default => return d.w.set_replica_identity(r.oid, 'd', None),
        ReplicaIdentity::Index(name) => name,
    };
    let Some(i) = r.indexes.iter().find(|i| i.name == *name) else {
        bail!(UNDEFINED_OBJECT, "index \"{name}\" for table \"{}\" does not exist", r.name)
    };
    if !i.unique {
        bail!(WRONG_OBJECT_TYPE, "cannot use non-unique index \"{name}\" as replica identity");
    }
    if i.deferrable {
        bail!(FEATURE_NOT_SUPPORTED, "cannot use non-immediate index \"{name}\" as replica identity");
    }
    if i.keys.iter().any(|k| k.column.is_none()) {
        bail!(FEATURE_NOT_SUPPORTED, "cannot use expression index \"{name}\" as replica identity");
    }
    if i.predicate_sql.is_some() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot use partial index \"{name}\" as replica identity");
    }
    for c in i.keys.iter().filter_map(|k| r.columns.get(k.column?)) {
        if !c.not_null {
            bail!(
                WRONG_OBJECT_TYPE,
                "index \"{name}\" cannot be used as replica identity because column \"{}\" is nullable",
                c.name
            );
        }
    }
    d.w.set_replica_identity(r.oid, 'i', Some(i.oid))
}

/// 0A000 naming the action.
pub fn unsupported(action: &A) -> Error {
    Error::unsupported(match action {
        A::SetCompression { .. } => "ALTER COLUMN ... SET COMPRESSION",
        A::Inherit(_) | A::NoInherit(_) => "table inheritance",
        A::OfType(_) | A::NotOf => "typed tables",
        A::SetAccessMethod(_) => "ALTER TABLE ... SET ACCESS METHOD",
        A::FdwOptions(_) | A::AlterColumnFdwOptions { .. } => "foreign tables",
        A::AttachPartition { .. } | A::AttachIndex(_) | A::DetachPartition { .. } | A::FinalizeDetach(_) => {
            "partitioned tables"
        }
        A::AddAttribute { .. } | A::DropAttribute { .. } | A::AlterAttributeType { .. } => {
            "ALTER TYPE ... ATTRIBUTE"
        }
        _ => "this ALTER TABLE action",
    })
}
