//! Memoize: a cache of a parameterised inner path's rows by its parameters (PostgreSQL: `get_memoize_path`, `cost_memoize_rescan`).

use super::build::path_columns;
use super::pair::Joined;
use super::{Path, Search, Step};
use crate::cost::{self, measured};
use crate::region::RelSet;
use quarry_plan::{ColumnId, Expr, JoinKind};
use std::rc::Rc;

/// Bytes that an entry takes beside its rows, and each row beside its values, as PostgreSQL counts them.
const ENTRY_BYTES: f64 = 48.0;
const ROW_BYTES: f64 = 16.0;

/// What the rows of a path are cached by.
#[derive(Clone)]
pub(super) struct CacheKeys {
    columns: Rc<[ColumnId]>,
    /// Combinations of their values in their tables; infinity: nothing is known of them, each call may have its own.
    groups: f64,
}

impl Search<'_, '_> {
    /// The cache of an inner path under an outer one, if the parameters can be its keys.
    pub(super) fn memoized(
        &mut self,
        inner: &Rc<Path>,
        outer: &Rc<Path>,
        outer_set: RelSet,
        join: Joined<'_>,
    ) -> Option<Rc<Path>> {
        // All rows of an entry are read when it is made; of these joins only the first is wanted.
        let stops = !join.inner_unique && matches!(join.kind, JoinKind::Semi | JoinKind::Anti);
        if outer.rows < 2.0 || stops || inner.params & !outer_set != 0 {
            return None;
        }
        if join.inner_unique && inner.applied.len() < join.pair.on.len() {
            return None;
        }
        let at = (Rc::as_ptr(inner), outer.rows.to_bits());
        if let Some(known) = self.memos.get(&at) {
            return known.clone();
        }
        let made = self.make_memo(inner, outer.rows).map(Rc::new);
        self.memos.insert(at, made.clone());
        made
    }

    /// What a path is cached by; none if it can't be.
    fn cache_keys(&mut self, inner: &Rc<Path>) -> Option<CacheKeys> {
        if let Some((_, known)) = self.cache_keys.get(&Rc::as_ptr(inner)) {
            return known.clone();
        }
        let found = self.find_cache_keys(inner);
        // The path is kept with them, so that its address stays its own.
        self.cache_keys.insert(Rc::as_ptr(inner), (inner.clone(), found.clone()));
        found
    }

    fn find_cache_keys(&mut self, inner: &Path) -> Option<CacheKeys> {
        let columns = self.parameters(inner)?;
        let exprs: Vec<Expr> = columns.iter().map(|id| Expr::column(*id, self.p.meta.get(*id).ty)).collect();
        let hashable =
            |e: &Expr| self.p.env.catalog.type_ref(e.ty().oid).is_ok_and(|t| t.functions.hash.is_some());
        if columns.is_empty() || !exprs.iter().all(hashable) {
            return None;
        }
        let refs: Vec<&Expr> = exprs.iter().collect();
        let guessed = exprs.iter().any(|e| self.p.is_guessed(e));
        let groups = if guessed { f64::INFINITY } else { self.p.group_count(&refs, f64::INFINITY) };
        Some(CacheKeys { columns, groups })
    }

    fn make_memo(&mut self, inner: &Rc<Path>, calls: f64) -> Option<Path> {
        let keys = self.cache_keys(inner)?;
        let distinct = keys.groups.min(calls).max(1.0);
        let s = &self.p.env.settings;
        let entry = inner.rows * (cost::row_bytes(inner.width) + ROW_BYTES) + ENTRY_BYTES;
        let fit = (s.hash_mem() / entry).floor().max(1.0);
        let evicted = 1.0 - fit.min(distinct) / distinct;
        let hits = ((calls - distinct) / calls) * (fit / distinct.max(fit));
        let restart = (measured::RESTART * (1.0 - hits) + measured::MEMOIZED) * s.cpu_tuple_cost;
        let again = inner.total * (1.0 - hits)
            + restart
            + s.cpu_operator_cost
            + s.cpu_tuple_cost * evicted
            + s.cpu_operator_cost / 10.0 * evicted * inner.rows
            + s.cpu_tuple_cost
            + s.cpu_operator_cost * inner.rows;
        let again_startup = inner.startup * (1.0 - hits) + s.cpu_tuple_cost;
        Some(Path {
            step: Step::Memoize(inner.clone(), keys.columns, (again_startup, again)),
            rows: inner.rows,
            width: inner.width,
            startup: inner.startup + s.cpu_tuple_cost,
            total: inner.total + s.cpu_tuple_cost,
            order: self.unordered.clone(),
            params: inner.params,
            applied: inner.applied.clone(),
            reads: Default::default(),
            steady: Default::default(),
        })
    }

    /// The region's columns that a path reads and doesn't make; none if it may give other rows each time.
    fn parameters(&self, path: &Path) -> Option<Rc<[ColumnId]>> {
        let reads = path.reads.get_or_init(|| {
            let (mut read, mut steady) = (vec![], true);
            path_columns(self.p, path, &mut read, &mut steady);
            if !steady {
                return None;
            }
            read.sort_unstable();
            read.dedup();
            let outside = |id: &ColumnId| {
                super::graph::members(path.params).any(|i| self.region.items[i].columns.contains(id))
            };
            read.retain(outside);
            Some(read.into())
        });
        reads.clone()
    }
}
