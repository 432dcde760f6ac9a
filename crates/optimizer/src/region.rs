//! A FROM clause taken apart: its items, the conditions between them, and the outer joins that restrict the join order.
//!
//! Inner joins and filters are flattened; any other join becomes a rule ([`Special`]) that says what its sides must have (PostgreSQL:
//! `SpecialJoinInfo`); the rules are applied in `search::legal`.

use crate::exprs::{binary, columns, commuted, equality, is_equality, is_volatile};
use crate::planner::Planner;
use crate::rules::Rule;
use crate::scan::TableScan;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, walk};

/// A set of relations of the region, by position.
pub type RelSet = u128;

/// Most items of one region; of more, some are planned as a region within.
const REGION_MAX: usize = 120;

/// The default value of `join_collapse_limit` and `from_collapse_limit` leaves the order open: the search has limits of its own. A
/// smaller one keeps to the order as written.
const COLLAPSE_LIMIT_OPEN: usize = 8;

/// Where an item's rows come from.
#[allow(clippy::large_enum_variant)]
pub enum Source {
    Table(TableScan),
    Other(Option<LogicalPlan>, Vec<Expr>),
}

/// An item of FROM.
pub struct Item {
    pub source: Source,
    pub columns: Vec<ColumnId>,
    /// Items it reads columns of (LATERAL).
    pub lateral: RelSet,
    /// Columns whose values no two rows share, of a subquery.
    pub key: Option<Vec<ColumnId>>,
}

/// A condition.
pub struct Clause {
    pub expr: Expr,
    /// Items it reads.
    pub refs: RelSet,
    /// Items that must be joined before it can be tested.
    pub required: RelSet,
    /// The share of the rows that conditions which follow from it have chosen on single items already.
    pub chosen: f64,
}

impl Clause {
    /// A condition that can be tested wherever the items that it reads are.
    pub fn new(expr: Expr, refs: RelSet) -> Clause {
        Clause { expr, refs, required: refs, chosen: 1.0 }
    }
}

/// A Left, Full, Semi or Anti join.
pub struct Special {
    pub kind: JoinKind,
    /// What its left side must have; of a full join, all that it has.
    pub min_left: RelSet,
    /// Its right side as written, and what of it must be there: the rest are left joins that can be done later.
    pub right: RelSet,
    pub min_right: RelSet,
    /// What left joins written above it may add to its right side before.
    pub absorb: RelSet,
    pub on: Vec<Expr>,
    pub on_refs: Vec<RelSet>,
}

impl Special {
    /// The items whose columns the join may set to NULL.
    pub fn nullable(&self) -> RelSet {
        match self.kind {
            JoinKind::Left => self.right,
            JoinKind::Full => self.min_left | self.right,
            _ => 0,
        }
    }
}

/// The joins of a FROM clause as they are written.
pub enum Shape {
    Item(usize),
    Join { special: Option<usize>, left: Box<Shape>, right: Box<Shape> },
}

/// A part of a FROM clause.
struct Part {
    set: RelSet,
    /// Without what left joins add whose conditions fail for NULLs, so that they can as well be done later.
    core: RelSet,
    shape: Shape,
}

/// Columns that are equal in every row of the region.
pub struct Class {
    pub members: Vec<(ColumnId, usize)>,
    pub constant: Option<Expr>,
    /// The share of the rows that a condition on one of them keeps which others have taken over.
    pub range_share: f64,
    /// These conditions.
    pub ranges: Vec<Expr>,
}

/// The whole.
pub struct Region {
    pub shape: Shape,
    pub items: Vec<Item>,
    pub clauses: Vec<Clause>,
    pub specials: Vec<Special>,
    pub classes: Vec<Class>,
    /// Conditions that read none of the region's columns.
    pub gate: Vec<Expr>,
    /// Items still to come from right sides, while left sides are taken apart.
    reserved: usize,
}

impl Region {
    /// Takes a FROM tree apart.
    pub fn of(plan: LogicalPlan, planner: &mut Planner<'_>) -> quarry_common::Result<Region> {
        let mut r = Region {
            shape: Shape::Item(0),
            items: vec![],
            clauses: vec![],
            specials: vec![],
            classes: vec![],
            gate: vec![],
            reserved: 0,
        };
        r.shape = r.collect(plan, planner, true)?.shape;
        r.find_laterals();
        r.equivalences(planner);
        crate::rules::infer_ranges::run(&mut r, planner);
        crate::rules::extract_restrictions::run(&mut r, planner);
        r.hand_out_filters(planner);
        Ok(r)
    }

    fn refs(&self, e: &Expr) -> RelSet {
        self.refs_of(&columns(e))
    }
    fn refs_of(&self, ids: &[ColumnId]) -> RelSet {
        let mut out = 0;
        for (i, item) in self.items.iter().enumerate() {
            if ids.iter().any(|id| item.columns.contains(id)) {
                out |= 1 << i;
            }
        }
        out
    }
    /// Whether a condition reads both an outer join's made-up side and something else: it is about the join's result and can
    /// neither be used inside that side nor tell that columns are equal there.
    pub fn delayed(&self, refs: RelSet) -> bool {
        let about = |side: RelSet| side & refs != 0 && refs & !side != 0;
        self.specials.iter().any(|s| match s.kind {
            JoinKind::Left => about(s.right),
            JoinKind::Full => about(s.right) || about(s.min_left),
            _ => false,
        })
    }
    /// The items a condition over `refs` needs, given the outer joins among `within`.
    fn required(&self, refs: RelSet, within: RelSet) -> RelSet {
        let mut out = refs;
        loop {
            let before = out;
            for s in &self.specials {
                let inside = s.right & within == s.right;
                // A LATERAL item beside the join reads its result.
                let beside = s.right & within == 0 && (s.kind != JoinKind::Full || s.min_left & within == 0);
                if (inside || beside) && s.nullable() & out != 0 {
                    out |= s.right | s.min_left;
                }
            }
            if out == before {
                return out;
            }
        }
    }
    /// As `required`, for a condition that is tested below the outer join whose right side is `side`.
    pub fn required_inside(&self, refs: RelSet, side: RelSet) -> RelSet {
        let mut out = refs;
        loop {
            let before = out;
            for s in &self.specials {
                let inner = s.right & side == s.right && s.right != side;
                if inner && s.nullable() & out != 0 {
                    out |= s.right | s.min_left;
                }
            }
            if out == before {
                return out;
            }
        }
    }
    /// The items that item `i`, which reads columns of `refs`, needs: a left join's right columns must be joined (and come out NULL)
    /// first, unless the item is part of that right side.
    fn required_beside(&self, refs: RelSet, i: usize) -> RelSet {
        let mut out = refs;
        loop {
            let before = out;
            for s in &self.specials {
                if s.nullable() >> i & 1 == 0 && s.nullable() & out != 0 {
                    out |= s.right | s.min_left;
                }
            }
            if out == before {
                return out;
            }
        }
    }
    /// The items that what a join's condition reads of its left side `within` needs, given the columns for whose NULLs it fails. A
    /// left join for whose made-up rows it fails may come later; it learns so.
    fn required_left(
        &mut self,
        join: (JoinKind, RelSet),
        refs: RelSet,
        strict: RelSet,
        within: RelSet,
    ) -> RelSet {
        let (kind, right) = join;
        let mut out = refs;
        loop {
            let before = out;
            for s in self.specials.iter_mut().filter(|s| s.right & within == s.right) {
                if s.nullable() & out == 0 {
                    continue;
                }
                if kind == JoinKind::Left && s.kind == JoinKind::Left && strict & s.min_right != 0 {
                    s.absorb |= right;
                } else {
                    out |= s.right | s.min_left;
                }
            }
            if out == before {
                return out;
            }
        }
    }
    /// Adds a condition; gives the items it needs.
    fn add(&mut self, expr: Expr, within: RelSet, top: bool) -> RelSet {
        let mut all = 0;
        for e in expr.into_conjuncts() {
            let refs = self.refs(&e);
            if refs == 0 && top && !is_volatile(&e) {
                self.gate.push(e);
                continue;
            }
            let required = if refs == 0 || is_volatile(&e) { within } else { self.required(refs, within) };
            all |= required;
            if !self.clauses.iter().any(|c| c.expr == e && c.required == required) {
                self.clauses.push(Clause { required, ..Clause::new(e, refs) });
            }
        }
        all
    }

    fn collect(&mut self, plan: LogicalPlan, p: &mut Planner<'_>, top: bool) -> quarry_common::Result<Part> {
        match plan {
            LogicalPlan::Filter { input, mut predicates } => {
                let mut part = self.collect(*input, p, top)?;
                for e in &mut predicates {
                    p.plan_subqueries(e)?;
                }
                for e in predicates {
                    part.core |= self.add(e, part.set, top);
                }
                Ok(part)
            }
            LogicalPlan::Join { kind: JoinKind::Right, left, right, on } => {
                self.collect(LogicalPlan::Join { kind: JoinKind::Left, left: right, right: left, on }, p, top)
            }
            LogicalPlan::Join { kind, left, right, on } => self.collect_join(kind, *left, *right, on, p, top),
            LogicalPlan::Scan { relation, alias, columns } => {
                let ids = columns.iter().map(|(id, _)| *id).collect();
                self.item(Source::Table(TableScan { relation, alias, columns, filter: vec![] }), ids)
            }
            other => {
                let ids = walk::output_columns(&other);
                self.item(Source::Other(Some(other), vec![]), ids)
            }
        }
    }

    /// Whether a join's sides can be taken apart.
    fn has_room(&self, left: &LogicalPlan, right: &LogicalPlan) -> bool {
        self.items.len() + self.reserved + leaves(left) + leaves(right) <= REGION_MAX
    }

    fn collect_join(
        &mut self,
        kind: JoinKind,
        left: LogicalPlan,
        right: LogicalPlan,
        mut on: Vec<Expr>,
        p: &mut Planner<'_>,
        top: bool,
    ) -> quarry_common::Result<Part> {
        for e in &mut on {
            p.plan_subqueries(e)?;
        }
        p.outer_joins |= matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full);
        // FROM lists and CROSS JOIN have no conditions of their own: they are always taken apart.
        let limit = p.env.settings.join_collapse_limit;
        let listed = kind == JoinKind::Inner && on.is_empty();
        let written = limit < COLLAPSE_LIMIT_OPEN && !listed && leaves(&left) + leaves(&right) > limit;
        // In a FROM list, what has several items was a subquery.
        let limit = p.env.settings.from_collapse_limit;
        let nested = limit < COLLAPSE_LIMIT_OPEN && listed && leaves(&left) + leaves(&right) > limit;
        let whole = |side: &LogicalPlan| nested && matches!(side, LogicalPlan::Filter { .. });
        let beside = leaves(&right);
        let apart = (whole(&left), nested && beside > 1);
        let (left_whole, right_whole) = if written || self.has_room(&left, &right) {
            (written, written)
        } else {
            // The left side is taken apart as far as there is room, what is left of it is planned by itself.
            (self.items.len() + self.reserved + beside + 1 >= REGION_MAX, beside > REGION_MAX / 4)
        };
        let (left_whole, right_whole) = (left_whole || apart.0, right_whole || apart.1);
        let full = kind == JoinKind::Full;
        let taken = if right_whole { 1 } else { beside };
        self.reserved += taken;
        let l = self.side(left, p, top && !matches!(kind, JoinKind::Anti | JoinKind::Full), left_whole)?;
        self.reserved -= taken;
        let before = self.clauses.len();
        let r = self.side(right, p, top && kind == JoinKind::Inner, right_whole)?;
        let set = l.set | r.set;
        if kind == JoinKind::Inner {
            let mut core = l.core | r.core;
            for e in on {
                core |= self.add(e, set, top);
            }
            let shape = Shape::Join { special: None, left: Box::new(l.shape), right: Box::new(r.shape) };
            return Ok(Part { set, core, shape });
        }
        // Conditions of a LATERAL right side that read the left side are about pairs of rows.
        let mut mine = vec![];
        let mut at = before;
        while let Some(c) = self.clauses.get(at) {
            if c.refs & !r.set != 0 {
                mine.push(self.clauses.remove(at).expr);
            } else {
                at += 1;
            }
        }
        let mut min_right = if kind == JoinKind::Left { r.core } else { r.set };
        for e in on.into_iter().flat_map(Expr::into_conjuncts) {
            let refs = self.refs(&e);
            if !full && refs != 0 && refs & !r.set == 0 && !is_volatile(&e) {
                min_right |= self.add(e, r.set, false);
            } else if kind == JoinKind::Semi && refs != 0 && refs & !l.set == 0 && !is_volatile(&e) {
                self.add(e, l.set, false);
            } else {
                mine.push(e);
            }
        }
        let on_refs: Vec<RelSet> = mine.iter().map(|e| self.refs(e)).collect();
        let all_refs = on_refs.iter().fold(0, |a, b| a | b);
        min_right |= self.required(all_refs & r.set, r.set);
        let mut left_refs = all_refs & l.set;
        for (i, item) in self.items.iter().enumerate() {
            if r.set >> i & 1 == 1
                && let Source::Other(Some(plan), _) = &item.source
            {
                left_refs |= self.refs_of(&walk::free_columns(plan)) & l.set;
            }
        }
        let mut strict = vec![];
        mine.iter().for_each(|e| crate::exprs::nonnullable(e, true, &mut strict));
        let strict = self.refs_of(&strict) & l.set;
        let mut min_left = self.required_left((kind, r.set), left_refs, strict, l.set);
        if min_left == 0 || full {
            min_left = l.set;
        }
        let core = if kind == JoinKind::Left && strict != 0 { l.core } else { set };
        let special = Some(self.specials.len());
        self.specials.push(Special { kind, min_left, right: r.set, min_right, absorb: 0, on: mine, on_refs });
        // Nothing above reads a semi or anti join's right side, but the join as a whole has it: an enclosing join's
        // right side is complete only when this one is done.
        let shape = Shape::Join { special, left: Box::new(l.shape), right: Box::new(r.shape) };
        Ok(Part { set, core, shape })
    }

    /// A side of a join; `whole`: as one item, planned by itself.
    fn side(
        &mut self,
        plan: LogicalPlan,
        p: &mut Planner<'_>,
        top: bool,
        whole: bool,
    ) -> quarry_common::Result<Part> {
        if whole && leaves(&plan) > 1 {
            let ids = walk::output_columns(&plan);
            return self.item(Source::Other(Some(plan), vec![]), ids);
        }
        self.collect(plan, p, top)
    }

    fn item(&mut self, source: Source, columns: Vec<ColumnId>) -> quarry_common::Result<Part> {
        let at = self.items.len();
        if at >= RelSet::BITS as usize {
            return Err(quarry_common::Error::internal("a region is larger than its limit"));
        }
        let key = match &source {
            Source::Other(Some(plan), _) => crate::unique::key_of(plan),
            _ => None,
        };
        self.items.push(Item { source, columns, lateral: 0, key });
        Ok(Part { set: 1 << at, core: 1 << at, shape: Shape::Item(at) })
    }

    fn find_laterals(&mut self) {
        for i in 0..self.items.len() {
            if let Source::Other(Some(plan), _) = &self.items[i].source {
                let set = self.refs_of(&walk::free_columns(plan)) & !(1 << i);
                self.items[i].lateral = self.required_beside(set, i);
            }
        }
    }

    fn rel_of(&self, id: ColumnId) -> Option<usize> {
        self.items.iter().position(|i| i.columns.contains(&id))
    }

    /// Classes of equal columns from plain equalities; join conditions that follow from them are dropped and made anew where needed.
    fn equivalences(&mut self, p: &mut Planner<'_>) {
        let mut taken = vec![];
        for (i, c) in self.clauses.iter().enumerate() {
            if c.required != c.refs || self.delayed(c.refs) {
                continue;
            }
            let Some((op, Expr::Column { id: a, ty: ta }, Expr::Column { id: b, ty: tb })) = binary(&c.expr)
            else {
                continue;
            };
            if !is_equality(op) || !op.merges || ta.oid != tb.oid || a == b {
                continue;
            }
            if equality(Expr::column(*a, *ta), Expr::column(*b, *tb)).is_none() {
                continue;
            }
            let (Some(ra), Some(rb)) = (self.rel_of(*a), self.rel_of(*b)) else { continue };
            let (a, b) = (*a, *b);
            let x = self.classes.iter().position(|k| k.members.iter().any(|m| m.0 == a));
            let y = self.classes.iter().position(|k| k.members.iter().any(|m| m.0 == b));
            match (x, y) {
                (Some(x), Some(y)) if x != y => {
                    let moved = std::mem::take(&mut self.classes[y].members);
                    self.classes[x].members.extend(moved);
                }
                (Some(_), Some(_)) => {}
                (Some(x), None) => self.classes[x].members.push((b, rb)),
                (None, Some(y)) => self.classes[y].members.push((a, ra)),
                (None, None) => {
                    let members = vec![(a, ra), (b, rb)];
                    self.classes.push(Class { members, constant: None, range_share: 1.0, ranges: vec![] });
                }
            }
            p.make_equal(a, b);
            if ra != rb {
                taken.push(i);
            }
        }
        self.classes.retain(|k| !k.members.is_empty());
        for i in taken.into_iter().rev() {
            self.clauses.remove(i);
        }
        // Columns of one item that are equal to the same column elsewhere: the item itself must test that.
        for class in &self.classes {
            for (n, (b, rel)) in class.members.iter().enumerate() {
                let Some((a, _)) = class.members[..n].iter().find(|m| m.1 == *rel) else { continue };
                let (ta, tb) = (p.meta.get(*a).ty, p.meta.get(*b).ty);
                if let Some(e) = equality(Expr::column(*a, ta), Expr::column(*b, tb))
                    && !self.clauses.iter().any(|c| c.expr == e || commuted(&c.expr).is_some_and(|c| c == e))
                {
                    self.clauses.push(Clause::new(e, 1 << *rel));
                }
            }
        }
        if !p.rules.allows(Rule::InferEqualities) {
            return;
        }
        // col = constant (or parameter, or outer column): all of the class.
        let mut derived = vec![];
        for class in &mut self.classes {
            for c in &self.clauses {
                if c.required != c.refs || c.refs.count_ones() != 1 {
                    continue;
                }
                let Some((op, l, r)) = binary(&c.expr) else { continue };
                if !is_equality(op) {
                    continue;
                }
                let (column, value) = match (l, r) {
                    (Expr::Column { id, .. }, v) if class.members.iter().any(|m| m.0 == *id) => (*id, v),
                    (v, Expr::Column { id, .. }) if class.members.iter().any(|m| m.0 == *id) => (*id, v),
                    _ => continue,
                };
                let reads_region =
                    columns(value).iter().any(|id| self.items.iter().any(|i| i.columns.contains(id)));
                if value.ty().oid != p.meta.get(column).ty.oid || reads_region || is_volatile(value) {
                    continue;
                }
                class.constant = Some(value.clone());
                for (id, rel) in &class.members {
                    if *id != column
                        && let Some(e) = equality(Expr::column(*id, p.meta.get(*id).ty), value.clone())
                    {
                        derived.push(Clause::new(e, 1 << *rel));
                    }
                }
                break;
            }
        }
        // Through a left join: what the left column equals, matching right columns equal too.
        for s in &self.specials {
            if !matches!(s.kind, JoinKind::Left | JoinKind::Semi) {
                continue;
            }
            for e in &s.on {
                let Some((op, Expr::Column { id: a, ty }, Expr::Column { id: b, ty: tb })) = binary(e) else {
                    continue;
                };
                if !is_equality(op) || ty.oid != tb.oid {
                    continue;
                }
                for (outer, inner) in [(*a, *b), (*b, *a)] {
                    let (Some(ro), Some(ri)) = (self.rel_of(outer), self.rel_of(inner)) else { continue };
                    if s.right >> ri & 1 == 0 || s.right >> ro & 1 == 1 {
                        continue;
                    }
                    let value = self.clauses.iter().chain(&derived).find_map(|c| {
                        let (o, l, r) = binary(&c.expr)?;
                        let single = c.required == 1 << ro && is_equality(o);
                        match (l, r) {
                            (Expr::Column { id, .. }, v)
                                if single && *id == outer && !crate::exprs::has_columns(v) =>
                            {
                                Some(v.clone())
                            }
                            _ => None,
                        }
                    });
                    if let Some(v) = value
                        && v.ty().oid == ty.oid
                        && let Some(e) = equality(Expr::column(inner, *ty), v)
                    {
                        let refs = 1 << ri;
                        let required = self.required_inside(refs, s.right);
                        derived.push(Clause { required, ..Clause::new(e, refs) });
                        break;
                    }
                }
            }
        }
        for d in derived {
            if !self.clauses.iter().any(|c| c.expr == d.expr) {
                p.rules.fire(Rule::InferEqualities);
                self.clauses.push(d);
            }
        }
    }

    /// Conditions on one item go to that item.
    fn hand_out_filters(&mut self, p: &mut Planner<'_>) {
        let mut rest = vec![];
        for c in std::mem::take(&mut self.clauses) {
            if c.required.count_ones() == 1 {
                let i = c.required.trailing_zeros() as usize;
                match &mut self.items[i].source {
                    Source::Table(t) => t.filter.push(c.expr),
                    Source::Other(_, filter) => filter.push(c.expr),
                }
            } else {
                rest.push(c);
            }
        }
        self.clauses = rest;
        for (i, item) in self.items.iter_mut().enumerate() {
            if let Source::Table(scan) = &item.source
                && p.scan_is_empty(scan)
            {
                // Outer, semi and anti joins have an answer without rows on the right, full joins without those on either side, inner
                // joins haven't.
                if !self.specials.iter().any(|s| (s.right | s.nullable()) >> i & 1 == 1) {
                    self.gate.push(Expr::bool_const(false));
                }
                let output = item.columns.clone();
                item.source = Source::Other(Some(LogicalPlan::Empty { output }), vec![]);
            }
        }
    }
}

/// Items of a FROM tree.
fn leaves(plan: &LogicalPlan) -> usize {
    match plan {
        LogicalPlan::Filter { input, .. } => leaves(input),
        LogicalPlan::Join { left, right, .. } => leaves(left) + leaves(right),
        _ => 1,
    }
}
