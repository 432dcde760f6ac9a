//! Sequences' state: the one row (last_value, log_cnt, is_called) of their relation (PostgreSQL: sequence.c).
//!
//! Each change is a transaction of its own, so that nextval is never rolled back; a sequence made in the same transaction is
//! changed within that.

use quarry_catalog::SequenceDef;
use quarry_common::{Error, Lsn, Result, err};
use quarry_storage::heap::Heap;
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::txn::Transaction;
use quarry_storage::{LockMode, LockTag, Storage, WaitPolicy};
use std::sync::Arc;

struct State {
    last_value: i64,
    is_called: bool,
}

fn layout() -> RowLayout {
    RowLayout::new(&[Width::Fixed(8), Width::Fixed(8), Width::Fixed(1)])
}

fn heap(storage: &Arc<Storage>, def: &SequenceDef) -> Heap {
    Heap::open(storage, def.storage, None, Arc::new(layout()))
}

/// Stores the first state of a new sequence.
pub fn create_state(storage: &Arc<Storage>, txn: &Transaction, def: &SequenceDef, start: i64) -> Result<()> {
    let mut builder = RowBuilder::new();
    let layout = layout();
    let row = encode(&layout, &mut builder, &State { last_value: start, is_called: false });
    heap(storage, def).insert(txn, row).map(|_| ())
}

fn encode<'b>(layout: &RowLayout, builder: &'b mut RowBuilder, s: &State) -> &'b [u8] {
    builder.begin(layout);
    builder.fixed(&s.last_value.to_le_bytes());
    builder.fixed(&0i64.to_le_bytes());
    builder.fixed(&[s.is_called as u8]);
    builder.finish()
}

/// Changes the state under an exclusive lock of the sequence's own.
fn change<R>(
    storage: &Arc<Storage>,
    txn: &Transaction,
    def: &SequenceDef,
    f: impl FnOnce(&mut State) -> Result<R>,
) -> Result<(R, Option<Lsn>)> {
    // The state's writer is a transaction of its own: a rollback of the caller must not take values back.
    let own = storage.begin(quarry_storage::IsolationLevel::ReadCommitted);
    own.set_read_at_inserted(true);
    let tag = LockTag::Object { class: quarry_common::Oid(2224), oid: def.oid };
    // A sequence made by the caller itself is seen by it alone.
    let visible_to = if heap_is_empty(storage, &own, def)? { txn } else { &own };
    own.lock(tag, LockMode::AccessExclusive, WaitPolicy::Block)?;
    let heap = heap(storage, def);
    let snapshot = visible_to.catalog_snapshot();
    let mut found = None;
    let layout = layout();
    let mut scan = heap.scan(snapshot.clone(), None);
    loop {
        let more = scan.next_page(&mut |tid, body| {
            let row = RowRef::new(&layout, body);
            let last_value = i64::from_le_bytes(row.fixed_array::<8>(0));
            found = Some((tid, State { last_value, is_called: row.fixed(2)[0] != 0 }));
            Ok(())
        })?;
        if !more {
            break;
        }
    }
    let Some((tid, mut state)) = found else { return Err(Error::internal("a sequence has no state")) };
    let out = f(&mut state)?;
    let mut builder = RowBuilder::new();
    let row = encode(&layout, &mut builder, &state);
    let options = quarry_storage::heap::UpdateOptions { hot_allowed: true, key_unchanged: true };
    heap.update(visible_to, &snapshot, tid, row, options, WaitPolicy::Block)?;
    if std::ptr::eq(visible_to, txn) {
        // The next call in the same statement must see the new state.
        txn.advance_command();
    }
    let lsn = own.commit()?;
    Ok((out, lsn))
}

fn heap_is_empty(storage: &Arc<Storage>, own: &Transaction, def: &SequenceDef) -> Result<bool> {
    let mut scan = heap(storage, def).scan(own.catalog_snapshot(), None);
    let mut any = false;
    loop {
        let more = scan.next_page(&mut |_, _| {
            any = true;
            Ok(())
        })?;
        if !more || any {
            return Ok(!any);
        }
    }
}

/// The next value, and the log position that must be durable before a client is told of it; 2200H past the end.
///
/// `name` is for the error.
pub fn nextval(
    storage: &Arc<Storage>,
    txn: &Transaction,
    def: &SequenceDef,
    name: &dyn Fn() -> String,
) -> Result<(i64, Option<Lsn>)> {
    change(storage, txn, def, |s| {
        let next = if !s.is_called {
            s.last_value
        } else {
            match s.last_value.checked_add(def.increment).filter(|v| (def.min..=def.max).contains(v)) {
                Some(v) => v,
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
            }
        };
        *s = State { last_value: next, is_called: true };
        Ok(next)
    })
}

/// Sets the state; the position is as for [`nextval`].
pub fn setval(
    storage: &Arc<Storage>,
    txn: &Transaction,
    def: &SequenceDef,
    value: i64,
    is_called: bool,
) -> Result<Option<Lsn>> {
    change(storage, txn, def, |s| {
        *s = State { last_value: value, is_called };
        Ok(())
    })
    .map(|((), lsn)| lsn)
}
