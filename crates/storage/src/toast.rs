//! Long values: compressed with LZ4, then moved out of line into chunks in the table's toast relation.
//!
//! A row over [`THRESHOLD`] first has its longest plain values compressed, then its longest values moved out until it fits. A
//! chunk is a row of the toast relation, which is a heap without layout:
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | value id, as in the pointer |
//! | 8 | 4 + 2 | tid of the next chunk (slot 0: the last) |
//! | 14 | | data |
//!
//! Rules: T1 chunks are written last to first, before the row that points to them, by the same transaction: if it is
//! rolled back they are as dead as the row. T2 the transaction that deletes a row, or updates it so that a pointer goes away, deletes the
//! chunks; a row that keeps the value shares them with its older versions. T3 chunks are read without asking for visibility: whoever sees the
//! row may read them, and they outlive the last snapshot that does. Chunks never move; tids stay good. Where
//! PostgreSQL looks chunks up in an index, they are chained here.

use crate::Storage;
use crate::heap::tuple::{self, HEADER_BYTES, TupleHeader};
use crate::heap::{Heap, page as hp, wal};
use crate::page::slotted::{PayloadWriter, get_u16, get_u32, get_u64, with_scratch};
use crate::row::{RowBuilder, RowLayout, RowRef, ToastPointer, VarValue, blanks};
use crate::txn::Transaction;
use quarry_common::{Error, Result, Tid, bail};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Rows up to this many bytes stay as they are; longer ones are brought down to it if possible.
pub const THRESHOLD: usize = 2000;
/// Values shorter than this stay: their pointer would hardly be shorter.
const VALUE_BYTES_MIN: usize = 40;
const CHUNK_HEADER: usize = 14;
/// Chunk data when four share a page.
const SMALL_CHUNK: usize = (hp::TUPLE_BYTES_MAX - 12) / 4 - HEADER_BYTES - CHUNK_HEADER;
/// Chunk data when it fills a page.
const LARGE_CHUNK: usize = hp::TUPLE_BYTES_MAX - HEADER_BYTES - CHUNK_HEADER;

static NEXT_VALUE: AtomicU64 = AtomicU64::new(0);
static NO_LAYOUT: LazyLock<Arc<RowLayout>> = LazyLock::new(|| Arc::new(RowLayout::new(&[])));

/// Whether a row is long enough to be looked at.
#[inline]
pub fn is_needed(row: &[u8]) -> bool {
    row.len() > THRESHOLD
}

/// A toast relation as the heap it is.
pub fn open(storage: &Arc<Storage>, rel: crate::RelId) -> Heap {
    Heap::open(storage, rel, None, NO_LAYOUT.clone())
}

fn toast_heap(heap: &Heap) -> Option<Heap> {
    heap.toast_rel().map(|rel| open(heap.storage(), rel))
}

enum Value<'a> {
    Stored(VarValue<'a>),
    Compressed(Vec<u8>),
}

impl Value<'_> {
    fn inline_bytes(&self) -> usize {
        match self {
            Value::Stored(VarValue::Plain(b) | VarValue::Padded(b, _) | VarValue::Compressed(b)) => b.len(),
            Value::Stored(VarValue::External(_)) => 0,
            Value::Compressed(b) => b.len(),
        }
    }

    fn as_stored(&self) -> VarValue<'_> {
        match self {
            Value::Stored(v) => *v,
            Value::Compressed(b) => VarValue::Compressed(b),
        }
    }
}

/// A value as it is stored compressed.
fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packed = (plain.len() as u32).to_le_bytes().to_vec();
    packed.extend_from_slice(&lz4_flex::block::compress(plain));
    packed
}

/// Brings a row down to [`THRESHOLD`] bytes if it can be.
pub fn shrink<'r>(heap: &Heap, txn: &Transaction, row: &'r [u8]) -> Result<Cow<'r, [u8]>> {
    let layout = &**heap.layout();
    let r = RowRef::new(layout, row);
    let mut values: Vec<(usize, Value<'_>, bool)> = (0..r.natts())
        .filter(|i| layout.width(*i).is_varying() && !r.is_null(*i))
        .map(|i| (i, Value::Stored(r.var(i)), false))
        .collect();
    let mut size = row.len();
    let mut changed = false;
    // Compress, longest first.
    while size > THRESHOLD {
        let longest = values
            .iter_mut()
            .filter(|(_, v, tried)| {
                !tried && matches!(v, Value::Stored(VarValue::Plain(_) | VarValue::Padded(..)))
            })
            .max_by_key(|(_, v, _)| v.inline_bytes());
        let Some((_, value, tried)) = longest else { break };
        *tried = true;
        let inline = value.inline_bytes();
        if inline < VALUE_BYTES_MIN {
            break;
        }
        let packed = match value.as_stored() {
            VarValue::Plain(plain) => packed(plain),
            VarValue::Padded(text, n) => packed(&blanks::padded(text, n)),
            VarValue::Compressed(_) | VarValue::External(_) => break,
        };
        if packed.len() < inline - inline / 32 {
            size -= inline - packed.len();
            *value = Value::Compressed(packed);
            changed = true;
        }
    }
    // Move out, longest first.
    if size > THRESHOLD
        && let Some(toast) = toast_heap(heap)
    {
        while size > THRESHOLD {
            let Some((_, value, _)) = values.iter_mut().max_by_key(|(_, v, _)| v.inline_bytes()) else {
                break;
            };
            let inline = value.inline_bytes();
            if inline < VALUE_BYTES_MIN {
                break;
            }
            let pointer = match value.as_stored() {
                VarValue::Plain(b) => store(&toast, txn, b, b.len() as u32, false)?,
                VarValue::Padded(text, n) => {
                    let whole = blanks::padded(text, n);
                    let packed = packed(&whole);
                    match packed.len() < whole.len() {
                        true => store(&toast, txn, &packed[4..], whole.len() as u32, true)?,
                        false => store(&toast, txn, &whole, whole.len() as u32, false)?,
                    }
                }
                VarValue::Compressed(b) => store(&toast, txn, &b[4..], get_u32(b, 0), true)?,
                VarValue::External(_) => break,
            };
            *value = Value::Stored(VarValue::External(pointer));
            size -= inline - crate::row::TOAST_POINTER_BYTES;
            changed = true;
        }
    }
    if !changed {
        return Ok(Cow::Borrowed(row));
    }
    let mut b = RowBuilder::new();
    b.begin(layout);
    let mut next = values.iter().peekable();
    for i in 0..r.natts() {
        match next.next_if(|(column, _, _)| *column == i) {
            Some((_, value, _)) => b.var_value(value.as_stored()),
            None => b.copy_column(&r, i),
        }
    }
    Ok(Cow::Owned(b.finish().to_vec()))
}

/// Writes the chunks of a value.
fn store(
    toast: &Heap,
    txn: &Transaction,
    data: &[u8],
    raw_len: u32,
    compressed: bool,
) -> Result<ToastPointer> {
    let number = NEXT_VALUE.fetch_add(1, Ordering::Relaxed);
    let value_id = txn.assign_xid_to_note().0 << 24 | (number & 0xff_ffff);
    let mut cuts = vec![0];
    let mut at = 0;
    while at < data.len() {
        let left = data.len() - at;
        at += left.min(if left > 4 * SMALL_CHUNK { LARGE_CHUNK } else { SMALL_CHUNK });
        cuts.push(at);
    }
    let mut next = Tid { block: 0, slot: 0 };
    let mut body = Vec::with_capacity(LARGE_CHUNK + CHUNK_HEADER);
    for range in cuts.windows(2).rev() {
        body.clear();
        body.w64(value_id).wtid(next).wbytes(&data[range[0]..range[1]]);
        next = toast.insert_body(txn, &body, 0)?;
    }
    Ok(ToastPointer { raw_len, stored_len: data.len() as u32, compressed, value_id, first: next })
}

fn missing(pointer: &ToastPointer) -> Error {
    Error::corrupted(format!("missing chunk for toast value {} at {}", pointer.value_id, pointer.first))
}

/// Appends a value's bytes to `out`.
pub fn fetch(heap: &Heap, value: VarValue<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        VarValue::Plain(b) => out.extend_from_slice(b),
        VarValue::Padded(b, n) => {
            out.extend_from_slice(b);
            out.resize(out.len() + blanks::missing(b, n), b' ');
        }
        VarValue::Compressed(b) => {
            if b.len() < 4 {
                return Err(Error::corrupted("compressed value is too short"));
            }
            decompress(&b[4..], get_u32(b, 0), out)?;
        }
        VarValue::External(pointer) => {
            let Some(rel) = heap.toast_rel() else {
                return Err(Error::internal("the table has no toast relation"));
            };
            if !pointer.compressed {
                return read_chunks(heap.storage(), rel, &pointer, out);
            }
            let mut packed = Vec::with_capacity(pointer.stored_len as usize);
            read_chunks(heap.storage(), rel, &pointer, &mut packed)?;
            decompress(&packed, pointer.raw_len, out)?;
        }
    }
    Ok(())
}

fn decompress(block: &[u8], raw_len: u32, out: &mut Vec<u8>) -> Result<()> {
    // LZ4 can't expand more than 255 times: a longer claim is damage, not a reason to allocate.
    if raw_len as usize / 256 > block.len() {
        return Err(Error::corrupted("compressed value has an impossible length"));
    }
    let at = out.len();
    out.resize(at + raw_len as usize, 0);
    match lz4_flex::block::decompress_into(block, &mut out[at..]) {
        Ok(n) if n == raw_len as usize => Ok(()),
        _ => Err(Error::corrupted("compressed value is damaged")),
    }
}

fn read_chunks(
    storage: &Storage,
    rel: crate::RelId,
    pointer: &ToastPointer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let end = out.len() + pointer.stored_len as usize;
    let mut at = pointer.first;
    while out.len() < end {
        if at.slot == 0 {
            return Err(missing(pointer));
        }
        let page = storage.pool().read(crate::PageId::main(rel, at.block))?;
        let Some(t) = hp::tuple(page.bytes(), at.slot) else { return Err(missing(pointer)) };
        let body = &t[HEADER_BYTES..];
        if body.len() <= CHUNK_HEADER || get_u64(body, 0) != pointer.value_id {
            return Err(missing(pointer));
        }
        let data = &body[CHUNK_HEADER..];
        if out.len() + data.len() > end {
            bail!(DATA_CORRUPTED, "toast value {} is longer than its pointer says", pointer.value_id);
        }
        out.extend_from_slice(data);
        at = Tid { block: get_u32(body, 8), slot: get_u16(body, 12) };
    }
    Ok(())
}

/// What is wrong with an out-of-line value that someone may read: each chunk is there, sizes add up, nothing follows the last chunk.
pub fn check_value(heap: &Heap, pointer: &ToastPointer) -> Option<String> {
    let id = pointer.value_id;
    let Some(rel) = heap.toast_rel() else {
        return Some(format!("toast value {id} has no toast table"));
    };
    if pointer.stored_len == 0 || pointer.stored_len > pointer.raw_len && pointer.compressed {
        return Some(format!(
            "toast value {id} has external size {} and raw size {}",
            pointer.stored_len, pointer.raw_len
        ));
    }
    let wanted = pointer.stored_len as usize;
    let (mut at, mut have, mut chunk) = (pointer.first, 0, 0);
    let mut data = Vec::new();
    while at.slot != 0 {
        if have >= wanted {
            return Some(format!("toast value {id} was expected to end at chunk {}, but goes on", chunk - 1));
        }
        let page = match heap.storage().pool().read(crate::PageId::main(rel, at.block)) {
            Ok(page) => page,
            Err(e) => return Some(format!("toast value {id} chunk {chunk} at {at}: {}", e.message())),
        };
        let body = hp::tuple(page.bytes(), at.slot).and_then(|t| t.get(HEADER_BYTES..));
        let Some(body) = body.filter(|b| b.len() > CHUNK_HEADER && get_u64(b, 0) == id) else {
            return Some(match chunk {
                0 => format!("toast value {id} not found in toast table"),
                n => format!("toast value {id} chunk {n} not found at {at}"),
            });
        };
        let size = body.len() - CHUNK_HEADER;
        if size > LARGE_CHUNK || have + size > wanted {
            return Some(format!(
                "toast value {id} chunk {chunk} has size {size}, but at most {} bytes are missing",
                wanted - have
            ));
        }
        if pointer.compressed {
            data.extend_from_slice(&body[CHUNK_HEADER..]);
        }
        have += size;
        chunk += 1;
        at = Tid { block: get_u32(body, 8), slot: get_u16(body, 12) };
    }
    if have != wanted {
        return Some(format!("toast value {id} ends at chunk {chunk} with {have} of {wanted} bytes"));
    }
    let damaged = pointer.compressed && decompress(&data, pointer.raw_len, &mut Vec::new()).is_err();
    damaged.then(|| format!("toast value {id} cannot be decompressed to {} bytes", pointer.raw_len))
}

/// Deletes values whose row version this transaction has just ended. Latches one page at a time; the caller holds none.
pub fn delete_values(heap: &Heap, txn: &Transaction, pointers: &[ToastPointer]) -> Result<()> {
    if pointers.is_empty() {
        return Ok(());
    }
    let Some(toast) = toast_heap(heap) else { return Ok(()) };
    let xid = txn.assign_xid_to_note();
    let mut deleted = 0;
    for pointer in pointers {
        let mut at = pointer.first;
        while at.slot != 0 {
            let mut page = toast.storage().pool().write(toast.page_id(at.block))?;
            let Some(t) = hp::tuple(page.bytes(), at.slot) else { return Err(missing(pointer)) };
            let body = &t[HEADER_BYTES..];
            if body.len() <= CHUNK_HEADER || get_u64(body, 0) != pointer.value_id {
                return Err(missing(pointer));
            }
            let next = Tid { block: get_u32(body, 8), slot: get_u16(body, 12) };
            let h = TupleHeader::read(t);
            if !(h.may_be_ended() && txn.is_mine(h.xmax)) {
                with_scratch(|payload| {
                    let (command, paired) = txn.end_in(&h);
                    let (vm, bits) = (toast.vm_of(&page), tuple::XMAX_KEY | paired);
                    wal::SetXmax { vm, slot: at.slot, bits, xmax: xid, command }.write(payload);
                    toast.log(txn, xid, wal::SET_XMAX, payload, &mut page)
                })?;
                deleted += 1;
            }
            at = next;
        }
    }
    txn.count(toast.rel(), &toast.state, |a| a.deleted += deleted);
    Ok(())
}
