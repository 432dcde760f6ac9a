//! Replacing items of a page.

use super::*;
use std::ops::Range;

/// One replacement: at slot `at`, `remove` items go and `items` come.
#[derive(Clone, Debug, Default)]
pub struct Splice {
    pub at: usize,
    pub remove: usize,
    pub items: Vec<Vec<u8>>,
}

impl Splice {
    /// Bytes by which the page's contents grow; negative: shrink.
    pub fn growth(&self, p: &[u8]) -> isize {
        let added: usize = self.items.iter().map(|i| i.len() + 2).sum();
        let gone: usize = (self.at..self.at + self.remove).map(|s| item(p, s).bytes().len() + 2).sum();
        added as isize - gone as isize
    }
}

fn damaged(what: &str) -> Error {
    Error::new(
        quarry_common::SqlState::INDEX_CORRUPTED,
        format!("B-tree change does not fit its page: {what}"),
    )
}

fn squeeze(p: &mut [u8]) {
    let copy: [u8; PAGE_SIZE] = (&p[..PAGE_SIZE]).try_into().expect("a page");
    let (inner, high_key) = (level(p) > 0, first_data(p));
    let mut upper = ITEMS_END;
    // Items that lie next to each other already are moved together.
    let mut run = ITEMS_END..ITEMS_END;
    let move_run = |p: &mut [u8], run: &Range<usize>, to: usize| {
        if run.start != to {
            p[to..to + run.len()].copy_from_slice(&copy[run.clone()]);
        }
    };
    for slot in 0..slot_count(&copy) {
        let from = offset(&copy, slot);
        let len = Item::at(&copy, from, inner || slot < high_key).bytes().len();
        if from + len != run.start {
            move_run(p, &run, upper);
            run.end = from + len;
        }
        run.start = from;
        upper -= len;
        put_u16(p, PAGE_HEADER + slot * 2, upper as u16);
    }
    move_run(p, &run, upper);
    put_u16(p, UPPER, upper as u16);
    put_u64(p, GARBAGE, 0);
}

/// Free bytes below which an item that is replaced leaves no garbage: a page that is nearly full would have to be squeezed almost every
/// time.
const SCARCE: usize = 512;

/// Puts `new` into the place of the item in `slot`, moving those that lie below it by the difference; false, and nothing done, if there is
/// no room for that.
fn overwrite(p: &mut [u8], slot: usize, new: &[u8]) -> bool {
    let (lower, upper) = (get_u16(p, LOWER) as usize, get_u16(p, UPPER) as usize);
    let (from, old) = (offset(p, slot), item(p, slot).bytes().len());
    let to = (from + old).wrapping_sub(new.len());
    let grown = new.len() as isize - old as isize;
    if from < upper || from + old > ITEMS_END || upper < lower || grown > (upper - lower) as isize {
        return false;
    }
    if grown != 0 {
        let moved = upper.wrapping_add_signed(-grown);
        p.copy_within(upper..from, moved);
        let slots = PAGE_HEADER..PAGE_HEADER + slot_count(p) * 2;
        for place in p[slots].chunks_exact_mut(2) {
            let at = u16::from_le_bytes([place[0], place[1]]);
            let below = (at as usize) < from;
            let at = if below { at.wrapping_add_signed(-grown as i16) } else { at };
            place.copy_from_slice(&at.to_le_bytes());
        }
        put_u16(p, PAGE_HEADER + slot * 2, to as u16);
        put_u16(p, UPPER, moved as u16);
    }
    p[to..to + new.len()].copy_from_slice(new);
    true
}

/// Replaces the items of slots `at..at + remove` by `items` (their bytes).
pub fn splice(p: &mut [u8], at: usize, remove: usize, items: &[&[u8]]) -> Result<()> {
    let count = slot_count(p);
    if at + remove > count {
        return Err(damaged("no such slots"));
    }
    // What the log says goes onto the page only if it can be read back.
    let is_item =
        |it: &&[u8]| Item::parse(it, true).is_some() || (level(p) == 0 && Item::parse(it, false).is_some());
    if !items.iter().all(is_item) {
        return Err(damaged("no item"));
    }
    let gone: usize = (at..at + remove).map(|s| item(p, s).bytes().len()).sum();
    let added: usize = items.iter().map(|i| i.len()).sum();
    let grown = added + items.len() * 2;
    if grown > free(p) + gone + remove * 2 {
        return Err(damaged("no space"));
    }
    let hole = (get_u16(p, UPPER) as usize).saturating_sub(get_u16(p, LOWER) as usize);
    if remove == 1
        && let [new] = items
        && (hole < new.len() || free(p) < SCARCE)
        && overwrite(p, at, new)
    {
        return Ok(());
    }
    // Take the old slots out.
    let tail = PAGE_HEADER + (at + remove) * 2..PAGE_HEADER + count * 2;
    if remove > 0 {
        p.copy_within(tail, PAGE_HEADER + at * 2);
        put_u16(p, LOWER, (PAGE_HEADER + (count - remove) * 2) as u16);
        let garbage = get_u64(p, GARBAGE) + gone as u64;
        put_u64(p, GARBAGE, garbage);
    }
    let hole = (get_u16(p, UPPER) - get_u16(p, LOWER)) as usize;
    if hole < grown {
        squeeze(p);
    }
    // Put the new ones in.
    let count = count - remove;
    if !items.is_empty() {
        p.copy_within(PAGE_HEADER + at * 2..PAGE_HEADER + count * 2, PAGE_HEADER + (at + items.len()) * 2);
        let mut upper = get_u16(p, UPPER) as usize;
        for (i, it) in items.iter().enumerate() {
            upper -= it.len();
            p[upper..upper + it.len()].copy_from_slice(it);
            put_u16(p, PAGE_HEADER + (at + i) * 2, upper as u16);
        }
        put_u16(p, UPPER, upper as u16);
        put_u16(p, LOWER, (PAGE_HEADER + (count + items.len()) * 2) as u16);
    }
    Ok(())
}

/// Puts an item behind the last one of a page that nothing has been removed from.
#[inline]
pub fn append(p: &mut [u8], item: &[u8]) -> Result<()> {
    let (lower, upper) = (get_u16(p, LOWER) as usize, get_u16(p, UPPER) as usize);
    if lower + 2 + item.len() > upper || upper > ITEMS_END {
        return Err(damaged("no space"));
    }
    let at = upper - item.len();
    p[at..upper].copy_from_slice(item);
    put_u16(p, lower, at as u16);
    put_u16(p, LOWER, lower as u16 + 2);
    put_u16(p, UPPER, at as u16);
    Ok(())
}

/// Gives the page a high key, replacing the one it may have, and its right sibling.
pub fn set_high_key(p: &mut [u8], pivot: &[u8], to: Link) -> Result<()> {
    drop_high_key(p)?;
    splice(p, 0, 0, &[pivot])?;
    set_right(p, to);
    Ok(())
}

/// Makes the page rightmost: no high key, no right sibling.
pub fn drop_high_key(p: &mut [u8]) -> Result<()> {
    if !is_rightmost(p) {
        splice(p, 0, 1, &[])?;
        set_right(p, Link::NONE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::btree::key::{Key, Packed};

    fn tid(n: u32) -> Tid {
        Tid { block: n, slot: 1 }
    }

    #[test]
    fn splices_keep_a_page_sound() {
        let mut p = vec![0u8; PAGE_SIZE];
        init(&mut p, 0, 0, Link::NONE);
        let mut model: Vec<Vec<u8>> = Vec::new();
        let (mut x, mut in_places) = (12345u64, 0);
        for round in 0..6000 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let n = (x >> 33) as usize;
            if n.is_multiple_of(7) && !model.is_empty() {
                // The entry becomes a list, or goes on as a longer or a shorter one.
                let at = n % model.len();
                let tids: Vec<Tid> = (0..2 + n as u32 / 7 % 12).map(|i| tid(round + i)).collect();
                let it = posting_item(&item(&p, at).key(), &tids);
                let old = item(&p, at).bytes().len();
                let hole = (get_u16(&p, UPPER) - get_u16(&p, LOWER)) as usize;
                let garbage = get_u64(&p, GARBAGE);
                let in_place = free(&p) < SCARCE && it.len() <= old + hole;
                if splice(&mut p, at, 1, &[&it]).is_ok() {
                    model[at] = it;
                    assert!(!in_place || get_u64(&p, GARBAGE) == garbage, "round {round}: garbage grows");
                    in_places += u32::from(in_place);
                }
            } else if !n.is_multiple_of(3) || model.is_empty() {
                let key = format!("{:05}{}", n % 50_000, "x".repeat(n % 60)).into_bytes();
                let it = leaf_item(&Key::plain(&key), &Packed::payload(b""), tid(round));
                let target = Target::new(&key, ord::of(tid(round)));
                let at = lower_bound_leaf(&p, &target);
                if free(&p) < it.len() + 2 {
                    assert!(splice(&mut p, at, 0, &[&it]).is_err());
                    continue;
                }
                splice(&mut p, at, 0, &[&it]).expect("fits");
                model.insert(at, it);
            } else {
                let at = n % model.len();
                splice(&mut p, at, 1, &[]).expect("there");
                model.remove(at);
            }
            check(&p).expect("sound");
        }
        let got: Vec<Vec<u8>> = (0..slot_count(&p)).map(|s| item(&p, s).bytes().to_vec()).collect();
        assert_eq!(got, model);
        assert!(in_places > 50, "{in_places}");
    }
}
