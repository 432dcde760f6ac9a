//! Finding a match and dividing it among the pattern's parts, in one text.
//!
//! The overall match comes from automata: the first place where one begins, and its longest or shortest end. Dividing goes down the
//! tree ([`super::tree`]). Without back-references a division that the automata allow always succeeds, so each node takes one pass
//! over its share forwards and one backwards. With them a division can fail further down and the next one is tried, as PostgreSQL
//! does; that can take exponential time, which a limit on steps ends.
//!
//! Positions are byte offsets at characters' borders.

use super::dfa::{DEAD, Dfa};
use super::program::{Part, Program};
use super::tree::{CAPTURES, NodeId, Op, REFERS, SHORT};
use super::{Spans, failed};
use crate::SessionEnv;
use crate::scalar::case::lower_char;
use quarry_common::Result;
use std::cell::{Cell, OnceCell};

/// Characters that automata may read while a pattern with back-references is tried.
const READ_MAX: u64 = 1_000_000_000;

/// Characters between two looks for a cancel.
const CHECK_EVERY: u64 = 1 << 16;

/// A set of positions.
struct Bits {
    words: Vec<u64>,
    base: usize,
}

impl Bits {
    fn new(from: usize, to: usize) -> Bits {
        Bits { words: vec![0; (to - from) / 64 + 1], base: from }
    }
    fn insert(&mut self, p: usize) {
        let at = p - self.base;
        self.words[at / 64] |= 1 << (at % 64);
    }
    fn contains(&self, p: usize) -> bool {
        let at = p - self.base;
        self.words[at / 64] >> (at % 64) & 1 == 1
    }
    fn next_from(&self, p: usize) -> Option<usize> {
        let at = p - self.base;
        let mut word = *self.words.get(at / 64)? & (u64::MAX << (at % 64));
        let mut i = at / 64;
        while word == 0 {
            i += 1;
            word = *self.words.get(i)?;
        }
        Some(self.base + i * 64 + word.trailing_zeros() as usize)
    }
}

/// A pattern at work on a text.
pub struct Searcher<'a> {
    program: &'a Program,
    text: &'a str,
    /// Where look-arounds hold, as far as asked for.
    looks: Vec<OnceCell<Bits>>,
    /// Where matches begin, once that is known for the whole text.
    starts: OnceCell<Bits>,
    read: Cell<u64>,
    env: &'a dyn SessionEnv,
    /// Characters passed since a cancel was looked for.
    unchecked: Cell<u64>,
}

impl<'a> Searcher<'a> {
    /// Before anything is read.
    pub fn new(program: &'a Program, text: &'a str, env: &'a dyn SessionEnv) -> Searcher<'a> {
        let looks = program.parsed.looks.iter().map(|_| OnceCell::new()).collect();
        Searcher {
            program,
            text,
            looks,
            starts: OnceCell::new(),
            read: Cell::new(0),
            env,
            unchecked: Cell::new(0),
        }
    }

    /// Accounts for characters read; the error of a cancel that came meanwhile.
    #[inline]
    fn count(&self, chars: usize) -> Result<()> {
        self.read.set(self.read.get() + chars as u64);
        self.pass(chars)
    }

    /// Only looks for a cancel.
    #[inline]
    fn pass(&self, chars: usize) -> Result<()> {
        let unchecked = self.unchecked.get() + chars as u64;
        self.unchecked.set(unchecked);
        if unchecked >= CHECK_EVERY {
            self.unchecked.set(0);
            self.env.check_cancelled()?;
        }
        Ok(())
    }

    /// The character at `p`, as colour and length; at the end its own colour.
    #[inline]
    fn at(&self, p: usize) -> (u16, usize) {
        let colors = &self.program.colors;
        if let Some(b) = self.text.as_bytes().get(p)
            && b.is_ascii()
        {
            return (colors.of_ascii(*b), 1);
        }
        match self.text[p..].chars().next() {
            Some(c) => (colors.of(c), c.len_utf8()),
            None => (colors.count(), 0),
        }
    }

    #[inline]
    fn before(&self, p: usize) -> (u16, usize) {
        let colors = &self.program.colors;
        if let Some(b) = p.checked_sub(1).map(|i| self.text.as_bytes()[i])
            && b.is_ascii()
        {
            return (colors.of_ascii(b), 1);
        }
        match self.text[..p].chars().next_back() {
            Some(c) => (colors.of(c), c.len_utf8()),
            None => (colors.count(), 0),
        }
    }

    fn next(&self, p: usize) -> usize {
        p + self.at(p).1.max(1)
    }

    /// Learns where the look-arounds in `mask` hold.
    fn prepare(&self, mask: u64) -> Result<()> {
        for n in (0..64).filter(|n| mask >> n & 1 == 1) {
            if self.looks[n].get().is_some() {
                continue;
            }
            let looks = self.program.with(Part::Look(n), |d| d.looks())?;
            self.prepare(looks)?;
            let end = self.text.len();
            let mut bits = Bits::new(0, end);
            let visit = |p| {
                bits.insert(p);
                true
            };
            self.program.with(Part::Look(n), |d| {
                if self.program.parsed.looks[n].ahead {
                    self.read_backward(d, end, 0, visit)
                } else {
                    self.read_forward(d, 0, end, visit)
                }
            })??;
            let _ = self.looks[n].set(bits);
        }
        Ok(())
    }

    fn looks_at(&self, mask: u64, p: usize) -> u64 {
        let mut holding = 0;
        let mut rest = mask;
        while rest != 0 {
            let n = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let found = self.looks[n].get().is_some_and(|b| b.contains(p));
            if found == self.program.parsed.looks[n].positive {
                holding |= 1 << n;
            }
        }
        holding
    }

    /// Runs an automaton from `from` up to `to`; `visit` gets each position where a match ends, and says whether to go on.
    fn read_forward(
        &self,
        d: &mut Dfa,
        from: usize,
        to: usize,
        mut visit: impl FnMut(usize) -> bool,
    ) -> Result<()> {
        let colors = &self.program.colors;
        let mask = d.looks();
        let mut state = d.start(colors.kind(self.before(from).0));
        let (mut p, mut counted) = (from, from);
        loop {
            if p - counted >= CHECK_EVERY as usize {
                self.count(p - counted)?;
                counted = p;
            }
            let (color, len) = self.at(p);
            let looks = if mask == 0 { 0 } else { self.looks_at(mask, p) };
            let (accepts, next) = d.step(colors, state, color, looks);
            if accepts && !visit(p) {
                break;
            }
            if next == DEAD || p >= to {
                break;
            }
            state = next;
            p += len;
        }
        self.count(p - counted + 1)
    }

    /// The same from `from` down to `to`.
    fn read_backward(
        &self,
        d: &mut Dfa,
        from: usize,
        to: usize,
        mut visit: impl FnMut(usize) -> bool,
    ) -> Result<()> {
        let colors = &self.program.colors;
        let mask = d.looks();
        let mut state = d.start(colors.kind(self.at(from).0));
        let (mut p, mut counted) = (from, from);
        loop {
            if counted - p >= CHECK_EVERY as usize {
                self.count(counted - p)?;
                counted = p;
            }
            let (color, len) = self.before(p);
            let looks = if mask == 0 { 0 } else { self.looks_at(mask, p) };
            let (accepts, next) = d.step(colors, state, color, looks);
            if accepts && !visit(p) {
                break;
            }
            if next == DEAD || p <= to {
                break;
            }
            state = next;
            p -= len;
        }
        self.count(counted - p + 1)
    }

    fn forward(&self, part: Part, from: usize, to: usize, visit: impl FnMut(usize) -> bool) -> Result<()> {
        self.prepare(self.program.with(part, |d| d.looks())?)?;
        self.program.with(part, |d| self.read_forward(d, from, to, visit))?
    }

    fn backward(&self, part: Part, from: usize, to: usize, visit: impl FnMut(usize) -> bool) -> Result<()> {
        self.prepare(self.program.with(part, |d| d.looks())?)?;
        self.program.with(part, |d| self.read_backward(d, from, to, visit))?
    }

    /// The longest match of a node from `from` that ends at most at `to`.
    fn longest(&self, node: NodeId, from: usize, to: usize) -> Result<Option<usize>> {
        let mut end = None;
        self.forward(Part::Forward(node), from, to, |p| {
            end = Some(p);
            true
        })?;
        Ok(end)
    }

    /// The shortest match of a node from `from` that ends in `least..=to`.
    fn shortest(&self, node: NodeId, from: usize, least: usize, to: usize) -> Result<Option<usize>> {
        let mut end = None;
        self.forward(Part::Forward(node), from, to, |p| {
            end = (p >= least).then_some(p);
            end.is_none()
        })?;
        Ok(end)
    }

    /// Where the first-ending match at or after `from` ends, and from where on it may begin.
    fn first_end(&self, from: usize) -> Result<Option<(usize, usize)>> {
        self.prepare(self.program.with(Part::Search, |d| d.looks())?)?;
        let colors = &self.program.colors;
        let last = colors.kind(self.before(from).0);
        self.program.with(Part::Search, |d| {
            let mask = d.looks();
            let mut state = d.start(last);
            let (mut p, mut fresh, mut counted) = (from, from, from);
            loop {
                if p - counted >= CHECK_EVERY as usize {
                    self.pass(p - counted)?;
                    counted = p;
                }
                if d.is_fresh(state) {
                    fresh = p;
                }
                let (color, len) = self.at(p);
                let looks = if mask == 0 { 0 } else { self.looks_at(mask, p) };
                let (accepts, next) = d.step(colors, state, color, looks);
                if accepts {
                    self.pass(p - counted + 1)?;
                    return Ok(Some((fresh, p)));
                }
                if len == 0 {
                    return Ok(None);
                }
                state = next;
                p += len;
            }
        })?
    }

    /// Whether there is a match at or after `from`.
    pub fn is_match(&self, from: usize) -> Result<bool> {
        if self.program.parsed.references {
            return Ok(self.find(from)?.is_some());
        }
        Ok(self.first_end(from)?.is_some())
    }

    /// The first match that begins at `from` or later.
    pub fn find(&self, from: usize) -> Result<Option<Spans>> {
        let mut spans: Spans = vec![None; self.program.parsed.groups.len()];
        if self.program.parsed.references {
            return self.find_with_references(from, spans);
        }
        let Some((open, close)) = self.first_end(from)? else { return Ok(None) };
        let root = self.program.tree.root;
        let short = self.program.prefers_short();
        let end = self.text.len();
        let mut begin = open;
        // Trying each place could take quadratic time; after some of that, all places are learnt in one pass.
        let allowed = self.read.get() + 4 * (end - open) as u64 + 256;
        while begin <= close {
            if self.read.get() > allowed {
                begin = match self.starts()?.next_from(begin) {
                    Some(b) => b,
                    None => return Ok(None),
                };
            }
            let found =
                if short { self.shortest(root, begin, begin, end)? } else { self.longest(root, begin, end)? };
            if let Some(e) = found {
                spans[0] = Some((begin, e));
                self.divide(root, begin, e, &mut spans)?;
                return Ok(Some(spans));
            }
            begin = self.next(begin);
        }
        Ok(None)
    }

    fn starts(&self) -> Result<&Bits> {
        if let Some(b) = self.starts.get() {
            return Ok(b);
        }
        let mut bits = Bits::new(0, self.text.len());
        self.backward(Part::Starts, self.text.len(), 0, |p| {
            bits.insert(p);
            true
        })?;
        Ok(self.starts.get_or_init(|| bits))
    }

    fn find_with_references(&self, from: usize, mut spans: Spans) -> Result<Option<Spans>> {
        let root = self.program.tree.root;
        let short = self.program.prefers_short();
        let text_end = self.text.len();
        let mut from = from;
        loop {
            let Some((open, close)) = self.first_end(from)? else { return Ok(None) };
            let mut begin = open;
            while begin <= close {
                let mut ends = vec![];
                self.forward(Part::Forward(root), begin, text_end, |p| {
                    ends.push(p);
                    true
                })?;
                if !short {
                    ends.reverse();
                }
                for e in ends {
                    spans.fill(None);
                    if self.divide(root, begin, e, &mut spans)? {
                        spans[0] = Some((begin, e));
                        return Ok(Some(spans));
                    }
                }
                begin = self.next(begin);
            }
            // PostgreSQL doesn't go on at the very end.
            from = self.next(close);
            if from >= text_end {
                return Ok(None);
            }
        }
    }

    /// Divides a node's match among its parts; false: back-references don't allow it.
    fn divide(&self, node: NodeId, begin: usize, end: usize, spans: &mut Spans) -> Result<bool> {
        if self.read.get() > READ_MAX && self.program.parsed.references {
            return Err(failed("regular expression is too complex"));
        }
        let (mut node, mut begin) = (node, begin);
        // Right parts of concatenations without references need no return.
        loop {
            let n = &self.program.tree.nodes[node];
            if n.traits & (CAPTURES | REFERS) == 0 {
                return Ok(true);
            }
            if n.traits & REFERS == 0
                && n.group.is_none()
                && let Op::Concat(left, right) = n.op
            {
                let Some(mid) = self.middle(left, right, begin, end)? else { return Ok(false) };
                self.divide(left, begin, mid, spans)?;
                (node, begin) = (right, mid);
                continue;
            }
            let done = self.divide_once(node, begin, end, spans)?;
            if done && let Some(g) = n.group {
                spans[g] = Some((begin, end));
            }
            return Ok(done);
        }
    }

    fn divide_once(&self, node: NodeId, begin: usize, end: usize, spans: &mut Spans) -> Result<bool> {
        let n = &self.program.tree.nodes[node];
        match &n.op {
            Op::Plain => Ok(true),
            Op::Wrapper(child) => self.divide(*child, begin, end, spans),
            Op::Alternatives(children) => {
                for child in children {
                    if self.longest(*child, begin, end)? == Some(end)
                        && self.divide(*child, begin, end, spans)?
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Op::Concat(left, right) if n.traits & REFERS == 0 => {
                let Some(mid) = self.middle(*left, *right, begin, end)? else { return Ok(false) };
                self.divide(*left, begin, mid, spans)?;
                self.divide(*right, mid, end, spans)
            }
            Op::Concat(left, right) => {
                let before = spans.clone();
                for mid in self.middles(*left, *right, begin, end)? {
                    if self.divide(*left, begin, mid, spans)? && self.divide(*right, mid, end, spans)? {
                        return Ok(true);
                    }
                    spans.clone_from(&before);
                }
                Ok(false)
            }
            Op::Repeat { child, min, .. } if begin == end && *min == 0 => {
                // None would do, but an empty one says more; not if short ones are preferred.
                if self.program.tree.nodes[*child].traits & SHORT != 0 {
                    return Ok(true);
                }
                let before = spans.clone();
                let one = self.longest(*child, begin, end)?.is_some();
                if !(one && self.divide(*child, begin, end, spans)?) {
                    *spans = before;
                }
                Ok(true)
            }
            Op::Repeat { child, max: None, .. } if n.traits & REFERS == 0 => {
                self.repeat_plainly(node, *child, begin, end, spans)
            }
            Op::Repeat { child, min, max } => self.repeat(*child, *min, *max, begin, end, spans),
            Op::Reference { group, min, max } => {
                self.count(end - begin + 1)?;
                Ok(self.refer(*group, *min, *max, begin, end, spans))
            }
        }
    }

    /// Where to cut between two parts.
    fn middle(&self, left: NodeId, right: NodeId, begin: usize, end: usize) -> Result<Option<usize>> {
        let mut fits = Bits::new(begin, end);
        self.backward(Part::Backward(right), end, begin, |p| {
            fits.insert(p);
            true
        })?;
        let short = self.program.tree.nodes[left].traits & SHORT != 0;
        let mut mid = None;
        self.forward(Part::Forward(left), begin, end, |p| {
            if fits.contains(p) {
                mid = Some(p);
            }
            !(short && mid.is_some())
        })?;
        Ok(mid)
    }

    /// All places to cut between two parts, best first.
    fn middles(&self, left: NodeId, right: NodeId, begin: usize, end: usize) -> Result<Vec<usize>> {
        let mut fits = Bits::new(begin, end);
        self.backward(Part::Backward(right), end, begin, |p| {
            fits.insert(p);
            true
        })?;
        let mut all = vec![];
        self.forward(Part::Forward(left), begin, end, |p| {
            if fits.contains(p) {
                all.push(p);
            }
            true
        })?;
        if self.program.tree.nodes[left].traits & SHORT == 0 {
            all.reverse();
        }
        Ok(all)
    }

    /// Any number of repetitions of a text, without references: only the last one's groups count, and each can reach as far as
    /// it likes as long as others can go on from there.
    fn repeat_plainly(
        &self,
        node: NodeId,
        child: NodeId,
        begin: usize,
        end: usize,
        spans: &mut Spans,
    ) -> Result<bool> {
        let mut fits = Bits::new(begin, end);
        self.backward(Part::Backward(node), end, begin, |p| {
            fits.insert(p);
            true
        })?;
        let short = self.program.tree.nodes[child].traits & SHORT != 0;
        let mut at = begin;
        loop {
            let mut next = None;
            self.forward(Part::Forward(child), at, end, |p| {
                if p > at && fits.contains(p) {
                    next = Some(p);
                }
                !(short && next.is_some())
            })?;
            match next {
                None => return Ok(false),
                Some(p) if p == end => return self.divide(child, at, end, spans),
                Some(p) => at = p,
            }
        }
    }

    /// Repetitions in general: ends for all of them first, then each divided; if one can't be, the last end moves.
    fn repeat(
        &self,
        child: NodeId,
        min: u32,
        max: Option<u32>,
        begin: usize,
        end: usize,
        spans: &mut Spans,
    ) -> Result<bool> {
        let node = &self.program.tree.nodes[child];
        let (short, refers) = (node.traits & SHORT != 0, node.traits & REFERS != 0);
        let min = min.max(1) as usize;
        let chars = |from: usize| self.text[from..end].chars().count();
        let most = max.map_or(usize::MAX, |m| m as usize).min(chars(begin)).max(min);
        // An empty repetition is allowed only to reach the least number.
        let may_be_empty = |k: usize, at: usize| k < min && min - k >= chars(at);
        let before = spans.clone();
        // Of each repetition: its end, and the ends still to try.
        struct Try {
            end: usize,
            later: Vec<usize>,
            /// The groups after it was divided.
            spans: Option<Spans>,
        }
        let mut tries: Vec<Try> = vec![];
        // Where a repetition began in vain, by number: without references trying again is useless.
        let mut vain = std::collections::HashSet::new();
        let mut forward = true;
        loop {
            if forward {
                // The ends of the next repetition, worst first.
                let at = tries.last().map_or(begin, |t| t.end);
                let k = tries.len() + 1;
                let mut later = vec![];
                let empty = may_be_empty(k, at);
                if refers || !vain.contains(&(k, at)) {
                    self.forward(Part::Forward(child), at, end, |p| {
                        if (p > at || p == end || empty) && (k < most || p == end) {
                            later.push(p);
                        }
                        true
                    })?;
                }
                if short {
                    later.reverse();
                }
                tries.push(Try { end: at, later, spans: None });
            }
            // The next end of the last repetition that has one.
            let Some(last) = tries.last_mut() else { return Ok(false) };
            let Some(p) = last.later.pop() else {
                tries.pop();
                if !refers {
                    let at = tries.last().map_or(begin, |t| t.end);
                    vain.insert((tries.len() + 1, at));
                }
                forward = false;
                continue;
            };
            (last.end, last.spans) = (p, None);
            forward = p != end;
            if forward {
                continue;
            }
            if tries.len() < min {
                continue;
            }
            let mut all = true;
            for i in 0..tries.len() {
                if tries[i].spans.is_some() {
                    continue;
                }
                let (from, base) = match i.checked_sub(1).map(|i| &tries[i]) {
                    None => (begin, before.clone()),
                    Some(t) => (t.end, t.spans.clone().unwrap_or_else(|| before.clone())),
                };
                // Groups of repetitions before don't stay.
                let mut now = base;
                self.clear(child, &mut now);
                if !self.divide(child, from, tries[i].end, &mut now)? {
                    // Those after it can't help: its own end must move.
                    tries.truncate(i + 1);
                    (all, forward) = (false, false);
                    break;
                }
                tries[i].spans = Some(now);
            }
            if all {
                if let Some(s) = tries.pop().and_then(|t| t.spans) {
                    *spans = s;
                }
                return Ok(true);
            }
        }
    }

    /// Forgets the groups in a node.
    fn clear(&self, node: NodeId, spans: &mut Spans) {
        let n = &self.program.tree.nodes[node];
        if let Some(g) = n.group {
            spans[g] = None;
        }
        match &n.op {
            Op::Plain | Op::Reference { .. } => {}
            Op::Concat(l, r) => {
                self.clear(*l, spans);
                self.clear(*r, spans);
            }
            Op::Alternatives(all) => all.iter().for_each(|c| self.clear(*c, spans)),
            Op::Repeat { child, .. } | Op::Wrapper(child) => self.clear(*child, spans),
        }
    }

    /// Whether a stretch is repetitions of what a group matched.
    fn refer(
        &self,
        group: usize,
        min: u32,
        max: Option<u32>,
        begin: usize,
        end: usize,
        spans: &Spans,
    ) -> bool {
        let Some((from, to)) = spans[group] else { return false };
        let of_group = &self.text[from..to];
        let whole = &self.text[begin..end];
        if of_group.is_empty() || whole.is_empty() {
            return whole.is_empty() && (of_group.is_empty() || min == 0);
        }
        let ignore_case = self.program.parsed.ignore_case;
        let same = |a: char, b: char| a == b || (ignore_case && lower_char(a) == lower_char(b));
        let mut rest = whole.chars();
        let mut count = 0u64;
        while !rest.as_str().is_empty() {
            for c in of_group.chars() {
                if !rest.next().is_some_and(|r| same(c, r)) {
                    return false;
                }
            }
            count += 1;
        }
        count >= u64::from(min) && max.is_none_or(|m| count <= u64::from(m))
    }
}
