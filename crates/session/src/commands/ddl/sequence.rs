//! CREATE and ALTER SEQUENCE, and the sequences of serial and identity columns (PostgreSQL: sequence.c).

use super::{Ddl, parts_of, persistence_of, wrong_kind};
use crate::session::Session;
use quarry_catalog::{LockMode, NewSequence, Persistence, RelKind, SequenceDef};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_sql::ast::{self, SequenceOption, SequenceOptionKind as K};
use quarry_storage::sequence::{Sequence, SequenceState};
use quarry_types::{SqlType, oids};
use std::sync::Arc;

/// A sequence's parameters as options set them.
pub struct Parameters {
    pub ty: SqlType,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
    /// RESTART: the value to go on with.
    pub restart: Option<i64>,
    pub owned_by: Option<ast::QualifiedName>,
    pub name: Option<ast::QualifiedName>,
}

fn number(text: &str) -> Result<i64> {
    text.parse()
        .map_err(|_| err!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type bigint"))
}

fn range_of(ty: SqlType) -> (i64, i64) {
    match ty.oid {
        oids::INT2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        oids::INT4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Works out parameters; `old`: of the sequence that is altered.
pub fn parameters(
    d: &Ddl,
    options: &[SequenceOption],
    old: Option<&SequenceDef>,
    default_type: SqlType,
    identity: bool,
) -> Result<Parameters> {
    let mut seen: Vec<std::mem::Discriminant<K>> = vec![];
    for o in options {
        let kind = std::mem::discriminant(&o.kind);
        if seen.contains(&kind) {
            let e = err!(SYNTAX_ERROR, "conflicting or redundant options");
            return Err(match ast::error_position(o.pos) {
                Some(p) => e.position(p),
                None => e,
            });
        }
        seen.push(kind);
    }
    let mut p = Parameters {
        ty: old.map_or(default_type, |o| o.ty),
        start: 0,
        increment: old.map_or(1, |o| o.increment),
        min: 0,
        max: 0,
        cache: old.map_or(1, |o| o.cache),
        cycle: old.is_some_and(|o| o.cycle),
        restart: None,
        owned_by: None,
        name: None,
    };
    let (mut min, mut max, mut start) = (old.map(|o| o.min), old.map(|o| o.max), old.map(|o| o.start));
    let mut restart: Option<Option<i64>> = None;
    let (mut reset_min, mut reset_max) = (old.is_none(), old.is_none());
    for o in options {
        if let K::As(t) = &o.kind {
            let ty = d.type_of(t)?;
            if !matches!(ty.oid, oids::INT2 | oids::INT4 | oids::INT8) {
                if identity {
                    bail!(
                        INVALID_PARAMETER_VALUE,
                        "identity column type must be smallint, integer, or bigint"
                    );
                }
                bail!(INVALID_PARAMETER_VALUE, "sequence type must be smallint, integer, or bigint");
            }
            if let Some(old) = old {
                // Bounds that were the old type's become the new one's.
                let (low, high) = range_of(old.ty);
                if (old.increment > 0 && old.max == high) || (old.increment < 0 && old.max == -1) {
                    reset_max = true;
                }
                if (old.increment < 0 && old.min == low) || (old.increment > 0 && old.min == 1) {
                    reset_min = true;
                }
            }
            p.ty = ty;
        }
    }
    for o in options {
        match &o.kind {
            K::As(_) => {}
            K::Increment(v) => {
                p.increment = number(v)?;
                if p.increment == 0 {
                    bail!(INVALID_PARAMETER_VALUE, "INCREMENT must not be zero");
                }
            }
            K::Cache(v) => {
                p.cache = number(v)?;
                if p.cache <= 0 {
                    bail!(INVALID_PARAMETER_VALUE, "CACHE ({}) must be greater than zero", p.cache);
                }
            }
            K::Cycle(v) => p.cycle = *v,
            // An identity column's: see `identity_persistence`.
            K::Logged(_) if identity && old.is_none() => {}
            K::Logged(logged) => {
                let option = if *logged { "logged" } else { "unlogged" };
                return Err(Error::internal(format!("option \"{option}\" not recognized")));
            }
            K::MaxValue(v) => match v {
                Some(v) => {
                    max = Some(number(v)?);
                    reset_max = false;
                }
                None => reset_max = true,
            },
            K::MinValue(v) => match v {
                Some(v) => {
                    min = Some(number(v)?);
                    reset_min = false;
                }
                None => reset_min = true,
            },
            K::OwnedBy(n) => {
                if identity {
                    bail!(SYNTAX_ERROR, "invalid sequence option");
                }
                p.owned_by = Some(n.clone());
            }
            K::SequenceName(n) => p.name = Some(n.clone()),
            K::Start(v) => start = Some(number(v)?),
            K::Restart(v) => restart = Some(v.as_deref().map(number).transpose()?),
        }
    }
    let (low, high) = range_of(p.ty);
    if reset_max {
        max = Some(if p.increment > 0 { high } else { -1 });
    }
    if reset_min {
        min = Some(if p.increment > 0 { 1 } else { low });
    }
    p.max = max.unwrap_or(high);
    p.min = min.unwrap_or(1);
    let type_name = d.w.type_name(p.ty.oid)?;
    if p.max < low || p.max > high {
        bail!(
            INVALID_PARAMETER_VALUE,
            "MAXVALUE ({}) is out of range for sequence data type {type_name}",
            p.max
        );
    }
    if p.min < low || p.min > high {
        bail!(
            INVALID_PARAMETER_VALUE,
            "MINVALUE ({}) is out of range for sequence data type {type_name}",
            p.min
        );
    }
    if p.min >= p.max {
        bail!(INVALID_PARAMETER_VALUE, "MINVALUE ({}) must be less than MAXVALUE ({})", p.min, p.max);
    }
    p.start = start.unwrap_or(if p.increment > 0 { p.min } else { p.max });
    check_bounds("START", p.start, p.min, p.max)?;
    p.restart = restart.map(|r| r.unwrap_or(p.start));
    if let Some(r) = p.restart {
        check_bounds("RESTART", r, p.min, p.max)?;
    }
    Ok(p)
}

/// How an identity column's sequence is kept: as its table, or as its options say.
pub fn identity_persistence(options: &[SequenceOption], table: Persistence) -> Result<Persistence> {
    let mut persistence = table;
    for o in options {
        let K::Logged(logged) = o.kind else { continue };
        if table == Persistence::Temporary {
            let e = err!(INVALID_TABLE_DEFINITION, "cannot set logged status of a temporary sequence");
            return Err(match ast::error_position(o.pos) {
                Some(p) => e.position(p),
                None => e,
            });
        }
        persistence = if logged { Persistence::Permanent } else { Persistence::Unlogged };
    }
    Ok(persistence)
}

/// Makes a sequence with its first state.
pub fn make(
    d: &Ddl,
    name: &str,
    schema: Oid,
    persistence: Persistence,
    owner: Oid,
    p: &Parameters,
) -> Result<Arc<SequenceDef>> {
    let def = d.w.create_sequence(&NewSequence {
        name: name.to_string(),
        schema,
        owner,
        persistence,
        ty: p.ty,
        start: p.start,
        increment: p.increment,
        min: p.min,
        max: p.max,
        cache: p.cache,
        cycle: p.cycle,
    })?;
    let state = crate::sequence::fresh(p.start);
    crate::sequence::create_state(d.st.session.instance.storage(), &d.st.txn, def.storage, state)?;
    d.st.txn.advance_command();
    Ok(def)
}

pub fn create(s: &mut Session, c: &ast::CreateSequence) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let persistence = persistence_of(c.sequence.persistence);
    let temporary = persistence == Persistence::Temporary;
    let schema = d.creation_schema(c.sequence.schema.as_deref(), temporary, ast::NO_POS)?;
    if c.if_not_exists && d.w.relation_in(schema, &c.sequence.name)?.is_some() {
        d.notice(err!(DUPLICATE_TABLE, "relation \"{}\" already exists, skipping", c.sequence.name));
        return Ok(());
    }
    let p = parameters(&d, &c.options, None, SqlType::INT8, false)?;
    let def = make(&d, &c.sequence.name, schema, persistence, d.user(), &p)?;
    set_owned_by(&d, def.oid, p.owned_by.as_ref())
}

fn set_owned_by(d: &Ddl, sequence: Oid, owned_by: Option<&ast::QualifiedName>) -> Result<()> {
    let Some(name) = owned_by else { return Ok(()) };
    if name.parts.len() == 1 {
        if name.name() != "none" {
            return Err(err!(SYNTAX_ERROR, "invalid OWNED BY option")
                .hint("Specify OWNED BY table.column or OWNED BY NONE."));
        }
        return d.w.set_sequence_owner(sequence, None, false);
    }
    // Locked, so that nobody drops it before the sequence depends on it.
    let parts = &name.parts[..name.parts.len() - 1];
    d.w.resolve_relation_strict(parts, None)?;
    let table = d.w.lock_relation(parts, None, LockMode::AccessShare)?;
    let seq = d.relation(sequence)?;
    if !matches!(table.kind, RelKind::Table | RelKind::View) {
        bail!(WRONG_OBJECT_TYPE, "sequence cannot be owned by relation \"{}\"", table.name);
    }
    if table.owner != seq.owner {
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must have same owner as table it is linked to");
    }
    if table.schema != seq.schema {
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must be in same schema as table it is linked to");
    }
    let Some((_, column)) = table.column_named(name.name()) else {
        bail!(UNDEFINED_COLUMN, "column \"{}\" of relation \"{}\" does not exist", name.name(), table.name)
    };
    d.w.set_sequence_owner(sequence, Some((table.oid, column.number)), false)
}

pub fn alter(s: &mut Session, c: &ast::AlterSequence) -> Result<()> {
    let d = Ddl::new(s)?;
    let parts = parts_of(&c.sequence);
    if c.if_exists && d.w.find_relation(&parts)?.is_none() {
        d.notice(err!(SUCCESSFUL_COMPLETION, "relation \"{}\" does not exist, skipping", c.sequence.name));
        return Ok(());
    }
    let r = d.lock_own(&parts, LockMode::ShareRowExclusive)?;
    if r.kind != RelKind::Sequence {
        return Err(wrong_kind(&r, "sequence"));
    }
    change(&d, r.oid, &c.options, false)
}

/// Applies options to an existing sequence. Anything but its owner goes with a new file, so that a rollback brings the old state back.
pub fn change(d: &Ddl, sequence: Oid, options: &[SequenceOption], identity: bool) -> Result<()> {
    let Some(old) = d.w.sequence(sequence)? else {
        bail!(UNDEFINED_TABLE, "sequence with OID {sequence} does not exist")
    };
    let p = parameters(d, options, Some(&old), old.ty, identity)?;
    if options.iter().any(|o| !matches!(o.kind, K::OwnedBy(_) | K::SequenceName(_))) {
        let storage = d.st.session.instance.storage();
        let state = match p.restart {
            Some(value) => crate::sequence::fresh(value),
            None => SequenceState { log_count: 0, ..Sequence::open(storage, old.storage).read()? },
        };
        check_bounds("RESTART", state.last_value, p.min, p.max)?;
        let file = d.w.new_storage(sequence)?;
        crate::sequence::create_state(storage, &d.st.txn, file, state)?;
        d.w.alter_sequence(&SequenceDef {
            ty: p.ty,
            start: p.start,
            increment: p.increment,
            min: p.min,
            max: p.max,
            cache: p.cache,
            cycle: p.cycle,
            ..(*old).clone()
        })?;
    }
    d.st.session.drop_values_in_hand(sequence);
    set_owned_by(d, sequence, p.owned_by.as_ref())
}

/// SET LOGGED and UNLOGGED: a new file of the other kind, in the same state.
pub fn set_persistence(d: &Ddl, sequence: Oid, wanted: Persistence) -> Result<()> {
    let Some(old) = d.w.sequence(sequence)? else { return Ok(()) };
    if d.relation(sequence)?.persistence == wanted {
        return Ok(());
    }
    let storage = d.st.session.instance.storage();
    let state = Sequence::open(storage, old.storage).read()?;
    d.w.set_persistence(sequence, wanted)?;
    let file = d.w.new_storage(sequence)?;
    crate::sequence::create_state(storage, &d.st.txn, file, state)
}

/// TRUNCATE ... RESTART IDENTITY: a new file with the start value.
pub fn restart(d: &Ddl, sequence: Oid) -> Result<()> {
    d.w.lock_relation_oid(sequence, LockMode::AccessExclusive)?;
    let Some(def) = d.w.sequence(sequence)? else { return Ok(()) };
    let file = d.w.new_storage(sequence)?;
    let state = crate::sequence::fresh(def.start);
    crate::sequence::create_state(d.st.session.instance.storage(), &d.st.txn, file, state)?;
    d.st.session.drop_values_in_hand(sequence);
    Ok(())
}

fn check_bounds(what: &str, value: i64, min: i64, max: i64) -> Result<()> {
    if value < min {
        bail!(INVALID_PARAMETER_VALUE, "{what} value ({value}) cannot be less than MINVALUE ({min})");
    }
    if value > max {
        bail!(INVALID_PARAMETER_VALUE, "{what} value ({value}) cannot be greater than MAXVALUE ({max})");
    }
    Ok(())
}
