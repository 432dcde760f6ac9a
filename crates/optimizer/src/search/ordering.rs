//! Orders of paths as lists of numbers: every sort key gets one, equal keys the same, so that comparing orders is comparing numbers.

use super::Search;
use crate::orders::OrderKey;
use quarry_plan::SortKey;
use std::rc::Rc;

/// An order.
#[derive(Default)]
pub(super) struct Order {
    pub keys: Vec<SortKey>,
    /// The numbers of the keys, without constants and repeats.
    pub ids: Vec<u32>,
}

impl Order {
    /// Whether rows in this order are in the other as well.
    pub(super) fn covers(&self, other: &Order) -> bool {
        self.ids.starts_with(&other.ids)
    }

    fn begins_like(&self, ids: &[u32]) -> bool {
        !self.ids.is_empty() && self.ids.first() == ids.first()
    }
}

/// The keys met so far, by number: key, descending, nulls first.
pub(super) type Keys = Vec<(OrderKey, bool, bool)>;

impl Search<'_, '_> {
    pub(super) fn order_of(&mut self, keys: Vec<SortKey>) -> Rc<Order> {
        if keys.is_empty() {
            return self.unordered.clone();
        }
        let mut ids = vec![];
        for k in &keys {
            let key = self.p.order_key(&k.expr);
            if key == OrderKey::Constant {
                continue;
            }
            // An order by what is ordered already, whichever way, adds nothing.
            let of = |id: &u32| self.keys.get(*id as usize).is_some_and(|(have, _, _)| *have == key);
            if ids.iter().any(of) {
                continue;
            }
            let entry = (key, k.descending, k.nulls_first);
            let known = self.keys.iter().position(|have| *have == entry);
            ids.push(known.unwrap_or_else(|| {
                self.keys.push(entry);
                self.keys.len() - 1
            }) as u32);
        }
        Rc::new(Order { keys, ids })
    }

    /// An order, but none if neither the region's reader nor a merge join by one of `merges` could use it.
    pub(super) fn useful_order<'o>(&'o self, order: &'o Rc<Order>, merges: &[u32]) -> &'o Rc<Order> {
        let wanted = |order: &Order| self.wanted.iter().any(|w| order.begins_like(&w.ids));
        match order.ids.first() {
            Some(first) if !merges.contains(first) && !wanted(order) => &self.unordered,
            _ => order,
        }
    }
}
