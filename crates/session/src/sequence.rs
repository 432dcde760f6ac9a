//! nextval, setval, currval, lastval and the values a session has in hand (PostgreSQL: sequence.c).
//!
//! The state lies on the sequence's page ([`quarry_storage::sequence`]), which is changed in place: no transaction, and a log record only
//! every [`LOGGED_AHEAD`] values. ALTER SEQUENCE and TRUNCATE ... RESTART IDENTITY give the sequence a new file instead, so that they
//! can be rolled back; values in hand are of one file and end with it.

use crate::context::SessionContext;
use hashbrown::HashMap;
use quarry_catalog::{CatalogReader, LockMode, Persistence, Privilege, RelKind, Relation, SequenceDef};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_storage::sequence::{Sequence, SequenceChange, SequenceState};
use quarry_storage::txn::Transaction;
use quarry_storage::{RelId, Storage};
use std::sync::Arc;

/// Values that a log record covers beyond those it is written for: so many are skipped by a crash.
const LOGGED_AHEAD: i64 = 32;

/// A sequence as the catalog has it, which is asked once: all of this holds as long as the schema has the version, for transactions
/// that haven't changed it themselves.
struct Known {
    /// Read before the rest.
    schema_version: u64,
    relation: Arc<Relation>,
    def: Arc<SequenceDef>,
    /// Who may take values, as far as that was asked.
    taker: Option<Oid>,
}

/// What a session knows of a sequence it has used.
struct InHand {
    known: Option<Arc<Known>>,
    /// The file that the values are from.
    storage: RelId,
    /// What currval answers; none: nextval hasn't been called, only setval.
    last: Option<i64>,
    /// The next values are `last + increment` up to this one.
    cached: i64,
    increment: i64,
}

/// The sequences a session has used.
#[derive(Default)]
pub struct Sequences {
    used: HashMap<Oid, InHand>,
    /// For lastval.
    last_used: Option<Oid>,
}

/// Stores the first state of a new sequence file.
pub fn create_state(
    storage: &Arc<Storage>,
    txn: &Transaction,
    rel: RelId,
    state: SequenceState,
) -> Result<()> {
    Sequence::open(storage, rel).create(txn, &state)
}

/// The state of a sequence that nothing was taken from.
pub fn fresh(start: i64) -> SequenceState {
    SequenceState { last_value: start, log_count: 0, is_called: false }
}

/// What a call of nextval gets: the value, and the last of those that the session may give out after it.
struct Taken {
    value: i64,
    cached: i64,
}

/// Takes `def.cache` values out of a sequence.
fn take(
    state: &SequenceState,
    def: &SequenceDef,
    must_log: bool,
    name: &dyn Fn() -> String,
) -> Result<SequenceChange<Taken>> {
    let (mut next, mut last, mut value) = (state.last_value, state.last_value, state.last_value);
    let mut taken = i64::from(!state.is_called);
    let mut fetch = def.cache - taken;
    let mut log = state.log_count;
    let logs = log < fetch || !state.is_called || must_log;
    if logs {
        fetch = fetch.saturating_add(LOGGED_AHEAD);
        log = fetch;
    }
    while fetch > 0 {
        next = match next.checked_add(def.increment).filter(|v| (def.min..=def.max).contains(v)) {
            Some(v) => v,
            // Values in hand are enough.
            None if taken > 0 => break,
            None if def.cycle && def.increment > 0 => def.min,
            None if def.cycle => def.max,
            None => {
                let (what, bound) =
                    if def.increment > 0 { ("maximum", def.max) } else { ("minimum", def.min) };
                return Err(err!(
                    SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
                    "nextval: reached {what} value of sequence \"{}\" ({bound})",
                    name()
                ));
            }
        };
        fetch -= 1;
        if taken < def.cache {
            log -= 1;
            taken += 1;
            last = next;
            if taken == 1 {
                value = next;
            }
        }
    }
    let live = SequenceState { last_value: last, log_count: log - fetch, is_called: true };
    let logged = logs.then_some(SequenceState { last_value: next, log_count: 0, is_called: true });
    Ok(SequenceChange { result: Taken { value, cached: last }, live, logged })
}

impl SessionContext {
    /// Opens a sequence for use; held against ALTER and DROP until the transaction ends.
    fn open_sequence(&self, oid: Oid) -> Result<(Arc<CatalogReader>, Arc<Relation>, Arc<SequenceDef>)> {
        let reader = self.reader()?;
        let Some(relation) = reader.lock_relation_oid(oid, LockMode::RowExclusive)? else {
            return Err(Error::internal(format!("could not open relation with OID {oid}")));
        };
        if relation.kind != RelKind::Sequence {
            bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", relation.name);
        }
        match reader.sequence(oid)? {
            Some(def) => Ok((reader, relation, def)),
            None => Err(Error::internal(format!("cache lookup failed for sequence {oid}"))),
        }
    }
    /// Opens a sequence to take a value, locked as [`Self::open_sequence`] does it. `check`: if the user may, else 42501.
    fn open_to_take(&self, oid: Oid, check: bool) -> Result<Arc<Known>> {
        let reader = self.reader()?;
        let own = reader.has_own_ddl();
        let user = reader.session().user;
        let known = self.sequences.lock().used.get(&oid).and_then(|h| h.known.clone());
        if let Some(known) = known.filter(|k| {
            !own && k.schema_version == reader.schema_version() && (!check || k.taker == Some(user))
        }) {
            reader.lock_oid_only(oid, LockMode::RowExclusive)?;
            // Waiting may have let a change of the schema through.
            if known.schema_version == reader.schema_version() {
                return Ok(known);
            }
        }
        let schema_version = reader.schema_version();
        let (reader, relation, def) = self.open_sequence(oid)?;
        if check {
            check_privilege(&reader, &relation, &[Privilege::Usage, Privilege::Update])?;
        }
        let known = Arc::new(Known { schema_version, relation, def, taker: check.then_some(user) });
        if !own && let Some(h) = self.sequences.lock().used.get_mut(&oid) {
            h.known = Some(known.clone());
        }
        Ok(known)
    }
    /// nextval; `check`: as the user calls it, rather than for an identity column.
    pub(crate) fn take_value(&self, oid: Oid, check: bool) -> Result<i64> {
        let known = self.open_to_take(oid, check)?;
        let Known { relation, def, .. } = &*known;
        self.check_writable(relation, "nextval()")?;
        let mut sequences = self.sequences.lock();
        let sequences = &mut *sequences;
        sequences.last_used = Some(oid);
        let mut used = sequences.used.get_mut(&oid);
        if let Some(h) = &mut used
            && h.storage == def.storage
            && let Some(last) = h.last
            && last != h.cached
        {
            let value = last.wrapping_add(h.increment);
            h.last = Some(value);
            return Ok(value);
        }
        let page = Sequence::open(self.instance.storage(), def.storage);
        let name = || relation.name.clone();
        let (taken, lsn) = page.change(|state, must_log| take(state, def, must_log, &name))?;
        self.note_side_lsn(lsn);
        let (storage, last, increment) = (def.storage, Some(taken.value), def.increment);
        match used {
            Some(h) => {
                *h = InHand { known: h.known.take(), storage, last, cached: taken.cached, increment };
            }
            None => {
                let in_hand = InHand { known: None, storage, last, cached: taken.cached, increment };
                sequences.used.insert(oid, in_hand);
            }
        }
        Ok(taken.value)
    }
    pub(crate) fn current_value(&self, oid: Oid) -> Result<i64> {
        let (reader, relation, _) = self.open_sequence(oid)?;
        check_privilege(&reader, &relation, &[Privilege::Select, Privilege::Usage])?;
        match self.sequences.lock().used.get(&oid).and_then(|h| h.last) {
            Some(value) => Ok(value),
            None => bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "currval of sequence \"{}\" is not yet defined in this session",
                relation.name
            ),
        }
    }
    pub(crate) fn last_value(&self) -> Result<i64> {
        let undefined =
            || err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session");
        let last_used = self.sequences.lock().last_used;
        let Some(oid) = last_used else { return Err(undefined()) };
        if self.reader()?.relation(oid)?.is_none() {
            return Err(undefined());
        }
        let (reader, relation, _) = self.open_sequence(oid)?;
        check_privilege(&reader, &relation, &[Privilege::Select, Privilege::Usage])?;
        self.sequences.lock().used.get(&oid).and_then(|h| h.last).ok_or_else(undefined)
    }
    pub(crate) fn set_value(&self, oid: Oid, value: i64, is_called: bool) -> Result<()> {
        let (reader, relation, def) = self.open_sequence(oid)?;
        check_privilege(&reader, &relation, &[Privilege::Update])?;
        self.check_writable(&relation, "setval()")?;
        if value < def.min || value > def.max {
            bail!(
                NUMERIC_VALUE_OUT_OF_RANGE,
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                relation.name,
                def.min,
                def.max
            );
        }
        let state = SequenceState { last_value: value, log_count: 0, is_called };
        let page = Sequence::open(self.instance.storage(), def.storage);
        let ((), lsn) =
            page.change(|_, _| Ok(SequenceChange { result: (), live: state, logged: Some(state) }))?;
        self.note_side_lsn(lsn);
        let mut sequences = self.sequences.lock();
        let known = sequences.used.get(&oid).and_then(|h| h.last);
        let last = if is_called { Some(value) } else { known };
        // No values are in hand any more.
        let cached = last.unwrap_or(value);
        sequences.used.insert(
            oid,
            InHand { known: None, storage: def.storage, last, cached, increment: def.increment },
        );
        Ok(())
    }
    /// 25006 in a read-only transaction, which may change temporary sequences only.
    fn check_writable(&self, sequence: &Relation, function: &str) -> Result<()> {
        if sequence.persistence != Persistence::Temporary && self.digested(|d| d.transaction_read_only) {
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {function} in a read-only transaction");
        }
        Ok(())
    }
    /// A sequence was changed by this session: what it has in hand is outdated, currval stays.
    pub(crate) fn drop_values_in_hand(&self, oid: Oid) {
        if let Some(h) = self.sequences.lock().used.get_mut(&oid) {
            h.cached = h.last.unwrap_or(h.cached);
        }
    }
}

/// 42501 unless the user has one of the privileges.
fn check_privilege(reader: &CatalogReader, sequence: &Relation, any_of: &[Privilege]) -> Result<()> {
    let user = reader.session().user;
    for p in any_of {
        if reader.has_relation_privilege(sequence, user, *p)? {
            return Ok(());
        }
    }
    bail!(INSUFFICIENT_PRIVILEGE, "permission denied for sequence {}", sequence.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::SqlType;

    fn def(increment: i64, min: i64, max: i64, cache: i64, cycle: bool) -> SequenceDef {
        let storage = RelId::new(Oid(1), 2);
        SequenceDef { oid: Oid(1), storage, ty: SqlType::INT8, start: 1, increment, min, max, cache, cycle }
    }
    fn run(d: &SequenceDef, calls: usize) -> (Vec<i64>, SequenceState, usize) {
        let (mut state, mut out, mut records) = (fresh(d.start), vec![], 0);
        for _ in 0..calls {
            let Ok(c) = take(&state, d, false, &String::new) else { break };
            out.push(c.result.value);
            records += usize::from(c.logged.is_some());
            state = c.live;
        }
        (out, state, records)
    }

    #[test]
    fn a_record_covers_many_values() {
        // As PostgreSQL: log_cnt is 32 after the first value, 32 again after the 34th.
        let d = def(1, 1, i64::MAX, 1, false);
        let (values, state, records) = run(&d, 1);
        assert_eq!((values, state.log_count, records), (vec![1], 32, 1));
        let (_, state, records) = run(&d, 33);
        assert_eq!((state.last_value, state.log_count, records), (33, 0, 1));
        let (_, state, records) = run(&d, 34);
        assert_eq!((state.last_value, state.log_count, records), (34, 32, 2));
        // A crash goes on behind everything that could have been given out.
        let c = take(&fresh(1), &d, false, &String::new).unwrap();
        assert_eq!(c.logged.unwrap().last_value, 33);
    }

    #[test]
    fn bounds_and_cycles() {
        assert_eq!(run(&def(2, 1, 5, 1, false), 9).0, [1, 3, 5]);
        assert_eq!(run(&def(2, 1, 5, 1, true), 5).0, [1, 3, 5, 1, 3]);
        assert_eq!(run(&def(1, 1, 5, 3, false), 9).0, [1, 4]);
        let d = SequenceDef { start: -1, ..def(-2, -6, -1, 1, true) };
        assert_eq!(run(&d, 5).0, [-1, -3, -5, -1, -3]);
    }
}
