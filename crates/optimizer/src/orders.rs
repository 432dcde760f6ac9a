//! Orders of rows: which sort keys say the same, and how much of an order is already there.
//!
//! Join search compares the orders of paths all the time, and nearly all keys are columns: those are compared by number, without
//! building an expression.

use crate::exprs::strip_relabel;
use crate::planner::Planner;
use quarry_plan::{ColumnId, Expr, SortKey, walk};

/// How far definitions of computed columns are followed.
const DEFINITIONS_MAX: usize = 32;

/// A sort key as orders compare it.
#[derive(PartialEq)]
pub enum OrderKey {
    /// Orders nothing.
    Constant,
    Column(ColumnId),
    Computed(Expr),
}

impl Planner<'_> {
    /// An expression as orders compare it: computed columns spelled out, equal columns as one.
    pub fn canonical(&self, e: &Expr) -> Expr {
        let mut out = strip_relabel(e).clone();
        self.canonicalise(&mut out, 0);
        out
    }

    fn canonicalise(&self, e: &mut Expr, depth: usize) {
        if let Expr::Column { id, .. } = e {
            if let Some(def) = self.definitions.get(id)
                && depth < DEFINITIONS_MAX
            {
                *e = strip_relabel(def).clone();
                return self.canonicalise(e, depth + 1);
            }
            let at = self.representative(*id);
            *e = Expr::column(at, self.meta.get(at).ty);
            return;
        }
        if let Expr::Call { pos, .. } = e {
            *pos = Default::default();
        }
        walk::for_each_child_mut(e, &mut |c| self.canonicalise(c, depth));
    }

    /// A key as orders compare it.
    pub fn order_key(&self, e: &Expr) -> OrderKey {
        let mut e = strip_relabel(e);
        for _ in 0..DEFINITIONS_MAX {
            match e {
                Expr::Column { id, .. } => match self.definitions.get(id) {
                    // An outer join may have made it NULL in some rows.
                    Some(Expr::Const { .. }) if self.outer_joins => {
                        return OrderKey::Column(self.representative(*id));
                    }
                    Some(definition) => e = strip_relabel(definition),
                    None => return OrderKey::Column(self.representative(*id)),
                },
                Expr::Const { .. } => return OrderKey::Constant,
                _ => break,
            }
        }
        OrderKey::Computed(self.canonical(e))
    }

    /// The column that stands for all that are equal to this one.
    fn representative(&self, mut id: ColumnId) -> ColumnId {
        while let Some(next) = self.equal.get(&id) {
            id = *next;
        }
        id
    }

    /// Records that two columns are equal from here up.
    pub fn make_equal(&mut self, a: ColumnId, b: ColumnId) {
        let (a, b) = (self.representative(a), self.representative(b));
        if a != b {
            self.equal.insert(a.max(b), a.min(b));
        }
    }

    /// How many leading keys of `wanted` rows ordered by `have` are already in.
    pub fn common_order(&self, have: &[SortKey], wanted: &[SortKey]) -> usize {
        let mut matched = 0;
        let mut seen: Vec<OrderKey> = vec![];
        let mut have = have.iter().map(|h| (h, self.order_key(&h.expr))).peekable();
        for w in wanted {
            let key = self.order_key(&w.expr);
            if key == OrderKey::Constant || seen.contains(&key) {
                matched += 1;
                continue;
            }
            // Keys that repeat or are constant order nothing.
            while have.next_if(|(_, h)| *h == OrderKey::Constant || seen.contains(h)).is_some() {}
            let same = |(h, k): &(&SortKey, OrderKey)| {
                h.descending == w.descending && h.nulls_first == w.nulls_first && *k == key
            };
            if have.next_if(same).is_none() {
                break;
            }
            seen.push(key);
            matched += 1;
        }
        matched
    }
}
