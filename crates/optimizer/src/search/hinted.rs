//! What hints say of a region's joins: methods, estimates of rows, and an order.
//!
//! A hint is about the join that has exactly the tables it names, whatever its sides are. An order (`Leading`) is put together first; what
//! it makes is one unit in the search for the rest.

use super::Search;
use crate::hints::{Hint, Kind, RowsChange, Tree, join};
use crate::region::{RelSet, Source};
use quarry_common::{Error, Severity, SqlState};
use quarry_plan::LogicalPlan;

/// The ways to join that aren't switched off.
#[derive(Clone, Copy, Default)]
pub(super) struct JoinSwitches {
    pub nest_loop: bool,
    pub hash: bool,
    pub merge: bool,
    pub memoize: bool,
}

/// A join of the order hinted.
struct Led {
    outer: RelSet,
    inner: RelSet,
    /// The sides are as they are given.
    directed: bool,
}

/// The hints about a region's items.
#[derive(Default)]
pub(super) struct Hinted {
    /// Each with the position of its hint.
    methods: Vec<(RelSet, u8, usize)>,
    memoize: Vec<(RelSet, bool, usize)>,
    rows: Vec<(RelSet, RowsChange, usize)>,
    order: Vec<Led>,
}

impl Search<'_, '_> {
    /// Finds the hints that are about this region.
    pub(super) fn find_hints(&mut self) {
        let Some(hints) = self.p.env.hints else { return };
        let names: Vec<Option<String>> =
            (0..self.region.items.len()).map(|i| self.item_name(i).map(String::from)).collect();
        let mut found = Hinted::default();
        let mut leading: Option<(&Hint, Vec<Led>)> = None;
        for (at, hint) in hints.list().iter().enumerate().filter(|(_, h)| h.is_good()) {
            match &hint.kind {
                Kind::Join { tables, allowed } => {
                    found.methods.extend(self.set_of(hint, tables, &names).map(|set| (set, *allowed, at)));
                }
                Kind::Memoize { tables, on } => {
                    found.memoize.extend(self.set_of(hint, tables, &names).map(|set| (set, *on, at)));
                }
                Kind::Rows { tables, change: Some(change), .. } => {
                    found.rows.extend(self.set_of(hint, tables, &names).map(|set| (set, *change, at)));
                }
                Kind::Leading { tree, list } => {
                    let mut tables = list.iter().map(String::as_str).collect();
                    tree.iter().for_each(|t| t.tables(&mut tables));
                    if self.set_of(hint, &tables, &names).is_none() {
                        continue;
                    }
                    let position = |t: &str| names.iter().position(|n| n.as_deref() == Some(t));
                    let steps = steps(tree.as_ref(), list, &position);
                    hint.set_used();
                    if let Some((before, _)) = leading.replace((hint, steps)) {
                        hints.supersede(before);
                    }
                }
                _ => {}
            }
        }
        found.order = leading.map(|(_, steps)| steps).unwrap_or_default();
        self.hinted = found;
    }

    /// What hints call an item.
    fn item_name(&self, i: usize) -> Option<&str> {
        match &self.region.items[i].source {
            Source::Table(scan) => Some(self.p.hinted_name(scan)),
            Source::Other(plan, _) => match plan.as_ref()? {
                LogicalPlan::SubqueryAlias { alias, .. }
                | LogicalPlan::FunctionScan { alias, .. }
                | LogicalPlan::Values { alias, .. }
                | LogicalPlan::CteScan { alias, .. } => Some(alias),
                _ => None,
            },
        }
    }

    /// The items that a hint names; none if one of them isn't here. A name that several items have is a mistake.
    fn set_of(&self, hint: &Hint, tables: &[impl AsRef<str>], names: &[Option<String>]) -> Option<RelSet> {
        let hints = self.p.env.hints?;
        let mut set: RelSet = 0;
        for table in tables.iter().map(AsRef::as_ref) {
            let mut having = (0..names.len()).filter(|i| names[*i].as_deref() == Some(table));
            let i = having.next()?;
            if having.next().is_some() {
                hints.reject(hint, format!("Relation name \"{table}\" is ambiguous."));
                return None;
            }
            if set >> i & 1 == 1 {
                hints.reject(hint, format!("Relation name \"{table}\" is duplicated."));
                return None;
            }
            set |= 1 << i;
        }
        Some(set)
    }

    /// The ways to join two sets; none if they aren't to be joined with these sides.
    pub(super) fn join_switches(&self, outer: RelSet, inner: RelSet) -> Option<JoinSwitches> {
        let s = &self.p.env.settings;
        let mut out = JoinSwitches {
            nest_loop: s.enable_nestloop,
            hash: s.enable_hashjoin,
            merge: s.enable_mergejoin,
            memoize: s.enable_memoize,
        };
        let h = &self.hinted;
        let all = outer | inner;
        let turned = |l: &Led| l.directed && l.outer == inner && l.inner == outer;
        if h.order.iter().any(turned) {
            return None;
        }
        if let Some((_, allowed, at)) = h.methods.iter().find(|(set, _, _)| *set == all) {
            out.nest_loop = allowed & join::NEST_LOOP != 0;
            out.hash = allowed & join::HASH != 0;
            out.merge = allowed & join::MERGE != 0;
            self.set_used(*at);
        }
        if let Some((_, on, at)) = h.memoize.iter().find(|(set, _, _)| *set == all) {
            out.memoize = *on;
            self.set_used(*at);
        }
        Some(out)
    }

    fn set_used(&self, at: usize) {
        if let Some(hint) = self.p.env.hints.and_then(|h| h.list().get(at)) {
            hint.set_used();
        }
    }

    /// The estimate of a join's rows as the hints have it.
    pub(super) fn hinted_rows(&self, set: RelSet, rows: f64) -> f64 {
        let Some((_, change, at)) = self.hinted.rows.iter().find(|(s, _, _)| *s == set) else { return rows };
        let out = match *change {
            RowsChange::Absolute(n) => n,
            RowsChange::Add(n) => rows + n,
            RowsChange::Subtract(n) => rows - n,
            RowsChange::Multiply(n) => rows * n,
        };
        if let Some(hints) = self.p.env.hints
            && let Some(hint) = hints.list().get(*at)
        {
            hint.set_used();
            if out < 1.0 {
                hints.warn(too_few(hint));
            }
        }
        crate::cost::clamp_rows(out)
    }

    /// What is joined with each other: the items, or what the hinted order makes of them.
    pub(super) fn units(&mut self) -> Vec<RelSet> {
        let mut units: Vec<RelSet> = (0..self.region.items.len()).map(|i| 1 << i).collect();
        let steps: Vec<(RelSet, RelSet)> = self.hinted.order.iter().map(|l| (l.outer, l.inner)).collect();
        for (outer, inner) in steps {
            if !self.join_pair(outer, inner) {
                // Not possible: any order will do.
                self.hinted.order.clear();
                return self.units();
            }
            units.retain(|u| u & (outer | inner) == 0);
            units.push(outer | inner);
        }
        units.sort_by_key(|u| u.trailing_zeros());
        units
    }

    /// The hinted order led nowhere.
    pub(super) fn forget_order(&mut self) {
        self.hinted.order.clear();
    }
}

/// The joins of a hinted order, the innermost first.
fn steps(tree: Option<&Tree>, list: &[String], position: &dyn Fn(&str) -> Option<usize>) -> Vec<Led> {
    let one = |name: &str| position(name).map_or(0, |i| 1 << i);
    let mut out = vec![];
    let Some(tree) = tree else {
        let mut names = list.iter();
        let mut outer: RelSet = names.next().map_or(0, |n| one(n));
        for name in names {
            let inner = one(name);
            out.push(Led { outer, inner, directed: false });
            outer |= inner;
        }
        return out;
    };
    fn add(tree: &Tree, one: &dyn Fn(&str) -> RelSet, out: &mut Vec<Led>) -> RelSet {
        match tree {
            Tree::Table(name) => one(name),
            Tree::Pair(sides) => {
                let sets: Vec<RelSet> = sides.iter().map(|t| add(t, one, out)).collect();
                if let [outer, inner] = sets[..] {
                    out.push(Led { outer, inner, directed: true });
                }
                sets.iter().fold(0, |a, b| a | b)
            }
        }
    }
    add(tree, &one, &mut out);
    out
}

fn too_few(hint: &Hint) -> Error {
    let message = format!(
        "Force estimate to be at least one row, to avoid possible divide-by-zero when interpolating costs : {}",
        hint.text
    );
    Error::new(SqlState::WARNING, message).severity(Severity::Warning)
}
