//! Verifying a tree that nobody is changing: every page's order, links between siblings, separators between levels.

use super::BTree;
use super::page::{self as bp, Link};
use quarry_common::Result;

impl BTree {
    /// Verifies order and structure; nothing else may change the tree meanwhile. Gives the number of entries.
    pub fn check(&self) -> Result<u64> {
        let pool = self.storage().pool();
        let (root, top) = self.read_root()?;
        let blocks = pool.blocks(self.page_id(0).rel, crate::Fork::Main)? as u64;
        let mut leftmost =
            Link { block: root, generation: bp::generation(pool.read(self.page_id(root))?.bytes()) };
        let mut entries = 0;
        // The children that the level above names: links and lower bounds.
        let mut expected: Option<Vec<(Link, Vec<u8>, u64)>> = None;
        for level in (0..=top).rev() {
            let mut children: Vec<(Link, Vec<u8>, u64)> = Vec::new();
            let mut named = expected.as_ref().map(|e| e.iter().peekable());
            let mut low: Option<(Vec<u8>, u64)> = None;
            let mut incomplete = false;
            let mut link = leftmost;
            let mut seen = 0u64;
            loop {
                seen += 1;
                if seen > blocks {
                    return Err(self.corrupted("sibling links go in a circle"));
                }
                let page = pool.read(self.page_id(link.block))?;
                let p: &[u8] = page.bytes();
                let at = |what: String| self.corrupted(format_args!("block {}: {what}", link.block));
                if page.is_new() || bp::generation(p) != link.generation || bp::level(p) != level {
                    return Err(at(format!("it is not the page of level {level} that a link names")));
                }
                if bp::has_flag(p, bp::DELETED) {
                    return Err(at("a link leads to a deleted page".into()));
                }
                bp::check(p).map_err(at)?;
                let at = |what: &str| self.corrupted(format_args!("block {}: {what}", link.block));
                let first = bp::first_data(p);
                if let Some((key, ord)) = &low
                    && level == 0
                    && first < bp::slot_count(p)
                {
                    let it = bp::item(p, first);
                    if it.key().cmp_plain(key).then(it.first_ord().cmp(ord)).is_lt() {
                        return Err(at("its first entry is below its left sibling's high key"));
                    }
                }
                match named.as_mut().map(|n| n.peek().copied()) {
                    Some(Some((l, key, ord))) if *l == link => {
                        let ok = match &low {
                            None => key.is_empty(),
                            Some((k, o)) => k == key && o == ord,
                        };
                        if !ok && !incomplete {
                            return Err(at(
                                "its separator in the parent differs from its left sibling's high key",
                            ));
                        }
                        if let Some(n) = named.as_mut() {
                            n.next();
                        }
                    }
                    Some(_) if !incomplete => return Err(at("the parent has no entry for it")),
                    _ => {}
                }
                for slot in first..bp::slot_count(p) {
                    let it = bp::item(p, slot);
                    if level == 0 {
                        entries += it.tid_count() as u64;
                    } else {
                        // The first separator of a page is kept in the parent, as the page's own lower bound.
                        let (key, ord) = match (&low, slot == first) {
                            (Some((k, o)), true) => (k.clone(), *o),
                            _ => (it.key().unpacked()?.into_owned(), it.pivot_ord()),
                        };
                        children.push((it.child(), key, ord));
                    }
                }
                incomplete = bp::has_flag(p, bp::INCOMPLETE_SPLIT);
                low = match bp::high_key(p) {
                    Some(h) => Some((h.key().unpacked()?.into_owned(), h.pivot_ord())),
                    None => None,
                };
                if bp::is_rightmost(p) {
                    break;
                }
                link = bp::right(p);
            }
            if named.is_some_and(|mut n| n.next().is_some()) {
                return Err(self.corrupted(format_args!("level {level} lacks pages that its parents name")));
            }
            if level > 0 {
                leftmost = match children.first() {
                    Some((l, _, _)) => *l,
                    None => return Err(self.corrupted(format_args!("level {level} has no entries"))),
                };
                expected = Some(children);
            }
        }
        Ok(entries)
    }
}
