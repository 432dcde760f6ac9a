//! Items as bytes: leaf entries, posting lists, pivots, and the separator of two neighbours.

use super::{BARE, COMPRESSED, HAS_TID, Item, Link, PACKED, PAYLOAD_PACKED, POSTING};
use crate::index::btree::key::{Key, Packed};
use crate::index::btree::posting;
use crate::page::slotted::{put_u16, put_u32};
use quarry_common::Tid;

fn push_tid(out: &mut Vec<u8>, tid: Tid) {
    out.extend_from_slice(&tid.block.to_le_bytes());
    out.extend_from_slice(&tid.slot.to_le_bytes());
}

fn key_head(key: &Key<'_>) -> u16 {
    key.bytes().len() as u16 | if key.is_packed() { PACKED } else { 0 }
}

/// Bytes of a leaf entry.
pub fn leaf_item_len(key: &Key<'_>, payload: &Packed<'_>) -> usize {
    let heads = if payload.bytes().is_empty() { 2 } else { 4 };
    heads + key.bytes().len() + payload.bytes().len() + 6
}

/// Makes a leaf entry.
pub fn leaf_item(key: &Key<'_>, payload: &Packed<'_>, tid: Tid) -> Vec<u8> {
    let mut out = Vec::with_capacity(leaf_item_len(key, payload));
    write_leaf_item(key, payload, tid, &mut out);
    out
}

/// Appends a leaf entry.
pub fn write_leaf_item(key: &Key<'_>, payload: &Packed<'_>, tid: Tid, out: &mut Vec<u8>) {
    if payload.bytes().is_empty() {
        out.extend_from_slice(&(key_head(key) | BARE).to_le_bytes());
        out.extend_from_slice(key.bytes());
    } else {
        let packed = if payload.is_packed() { PAYLOAD_PACKED } else { 0 };
        out.extend_from_slice(&key_head(key).to_le_bytes());
        out.extend_from_slice(&(payload.bytes().len() as u16 | packed).to_le_bytes());
        out.extend_from_slice(key.bytes());
        out.extend_from_slice(payload.bytes());
    }
    push_tid(out, tid);
}

/// Makes a posting list of rising tids, or a plain entry of one.
pub fn posting_item(key: &Key<'_>, tids: &[Tid]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + key.bytes().len() + tids.len() * 6);
    write_posting_item(key, tids, &mut out);
    out
}

/// Appends a posting list of rising tids, or a plain entry of one.
pub fn write_posting_item(key: &Key<'_>, tids: &[Tid], out: &mut Vec<u8>) {
    if let [one] = tids {
        return write_leaf_item(key, &Packed::payload(&[]), *one, out);
    }
    out.extend_from_slice(&(key_head(key) | POSTING).to_le_bytes());
    out.extend_from_slice(&(tids.len() as u16).to_le_bytes());
    out.extend_from_slice(key.bytes());
    for t in tids {
        push_tid(out, *t);
    }
}

/// Makes a compressed posting list of rising packed tids ([`posting::pack`]), or a plain entry of one.
pub fn compressed_item(key: &Key<'_>, tids: &[u64]) -> Vec<u8> {
    let (first, last) = match tids {
        [one] => return leaf_item(key, &Packed::payload(&[]), posting::unpack(*one)),
        [first, .., last] => (*first, *last),
        [] => (0, 0),
    };
    let mut out = Vec::with_capacity(18 + key.bytes().len() + tids.len() * 2);
    out.extend_from_slice(&(key_head(key) | COMPRESSED).to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(key.bytes());
    out.extend_from_slice(&(tids.len() as u16).to_le_bytes());
    posting::push_differences(&mut out, tids);
    push_tid(&mut out, posting::unpack(first));
    push_tid(&mut out, posting::unpack(last));
    let behind_key = (out.len() - 4 - key.bytes().len()) as u16;
    put_u16(&mut out, 2, behind_key);
    out
}

/// The same posting list with only these of its tids, at least one. It is not longer.
pub fn with_fewer_tids(item: &Item<'_>, stay: &[Tid]) -> Vec<u8> {
    if !item.is_compressed() {
        return posting_item(&item.key(), stay);
    }
    let packed: Vec<u64> = stay.iter().map(|t| posting::pack(*t)).collect();
    compressed_item(&item.key(), &packed)
}

/// Makes a pivot.
pub fn pivot_item(key: &Key<'_>, tid: Option<Tid>, child: Link) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + key.bytes().len());
    let head = key_head(key) | if tid.is_some() { HAS_TID } else { 0 };
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(&child.block.to_le_bytes());
    out.extend_from_slice(&child.generation.to_le_bytes());
    out.extend_from_slice(key.bytes());
    if let Some(t) = tid {
        push_tid(&mut out, t);
    }
    out
}

/// The pivot below everything.
pub fn lowest_pivot(child: Link) -> Vec<u8> {
    pivot_item(&Key::plain(&[]), None, child)
}

/// The same pivot pointing elsewhere.
pub fn pivot_with_child(pivot: &Item<'_>, child: Link) -> Vec<u8> {
    let mut out = pivot.bytes().to_vec();
    put_u32(&mut out, 2, child.block);
    put_u32(&mut out, 6, child.generation);
    out
}

/// A short pivot that is above `left` (its last tid) and not above `right` (its first). It is at most 6 bytes longer than the key of
/// either as stored, whatever packing makes of a part of a key.
pub fn separator(left: &Item<'_>, right: &Item<'_>) -> Vec<u8> {
    let none = Link { block: 0, generation: 0 };
    let (l, r) = (left.key(), right.key());
    let (lh, rh) = (l.prefix(), r.prefix());
    let common = lh.iter().zip(rh).take_while(|(a, b)| a == b).count();
    if common < lh.len().min(rh.len()) || (common < rh.len() && !l.is_packed()) {
        return pivot_item(&Key::plain(&rh[..common + 1]), None, none);
    }
    let (whole_l, whole_r) = (l.lenient(), r.lenient());
    let common = whole_l.iter().zip(whole_r.iter()).take_while(|(a, b)| a == b).count();
    if common == whole_r.len() {
        // Equal keys (a longer left key would sort after the right one).
        return pivot_item(&r, Some(right.first_tid()), none);
    }
    let cut = Packed::key(&whole_r[..common + 1]);
    // As near above the left entry as can be.
    let after_left = left.last_tid().to_u64() + 1;
    match (after_left < 1 << 48).then(|| Tid::from_u64(after_left)) {
        _ if cut.bytes().len() <= l.bytes().len().min(r.bytes().len()) => {
            pivot_item(&cut.as_key(), None, none)
        }
        Some(tid) if l.bytes().len() < r.bytes().len() => pivot_item(&l, Some(tid), none),
        _ => pivot_item(&r, None, none),
    }
}
