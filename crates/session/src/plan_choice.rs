//! Which plan a prepared statement runs with: one for any values (generic) or one for its values (custom) (PostgreSQL: plancache.c,
//! `choose_custom_plan`).
//!
//! The first five runs have custom plans. From then on PostgreSQL's rule of costs decides: the generic plan, if it is estimated to cost less
//! than the custom ones did on average, what their planning takes included. That rule makes a plan for each run where the generic plan's
//! estimate is but a guess about values that nobody knows (`doc @> $1`), though all of these plans are the same. So there is a second rule:
//!
//! * **Alike.** If the custom plans all had one shape ([`crate::plan_shape`]) and the generic plan has it too, the generic plan is used
//!   whatever its estimate is. Planning again would find it again.
//! * **Watched.** Such a plan may yet be wrong for values that haven't come. A custom plan is made for comparison after 16 runs, after 32 more
//!   and so on, at most 1,024 apart (so that it costs a run less than a tenth of a microsecond), and for any values whose run has touched
//!   eight times the pages that a run with a known plan ever has. The first one that has another shape ends this: from there on costs
//!   decide, as in PostgreSQL.
//! * **Forgotten.** When the plans have to be made anew (schema, statistics), what is known of shapes goes with them.
//!
//! Nothing of this looks at values or estimates before a run: a statement that is watched costs what one that isn't does.

use crate::query::CachedPlan;
use crate::templates::Sizes;
use quarry_types::Datum;
use std::sync::Arc;

/// Custom plans made before a generic one is considered.
const CUSTOM_PLANS_FIRST: u64 = 5;
/// Runs with the generic plan before a custom one is made for comparison: at first, and at most.
const RUNS_TO_PROBE: u32 = 16;
const RUNS_TO_PROBE_MAX: u32 = 1024;
/// A run that touches so many times the pages that runs with known plans do was perhaps one for another plan.
const PAGES_FACTOR: u64 = 8;
/// Runs that touch less are never worth another plan.
const PAGES_MIN: u64 = 64;

/// What `plan_cache_mode` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanCacheMode {
    Auto,
    ForceGeneric,
    ForceCustom,
}

impl PlanCacheMode {
    /// By the setting's value.
    pub fn of(text: &str) -> PlanCacheMode {
        match text {
            "force_generic_plan" => PlanCacheMode::ForceGeneric,
            "force_custom_plan" => PlanCacheMode::ForceCustom,
            _ => PlanCacheMode::Auto,
        }
    }
}

/// What is to be done for a run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Choice {
    Generic,
    Custom,
    /// The generic plan, if a custom one for these values (none: the run's own) has its shape.
    Probe(Option<Arc<[Datum]>>),
}

/// What shapes the custom plans had that were made since the last change of the schema.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Shapes {
    #[default]
    None,
    One {
        shape: u64,
        plans: u64,
    },
    Several,
}

/// The plans of one prepared statement.
#[derive(Default)]
pub struct PlanCache {
    generic: Option<Arc<CachedPlan>>,
    generic_shape: Option<u64>,
    custom_plans: u64,
    generic_plans: u64,
    custom_cost_sum: f64,
    generic_cost: Option<f64>,
    shapes: Shapes,
    /// The version of the schema that they were made under.
    version: u64,
    /// Runs until the next comparison, and between the last two.
    runs_left: u32,
    distance: u32,
    /// Most pages that a run with a plan of the known shape has touched.
    pages_max: u64,
    /// The values of a run that touched many more.
    suspect: Option<(Arc<[Datum]>, u64)>,
    /// Serves all sessions that send the statement's text.
    shared: bool,
    /// For which sizes of tables the generic plan of a shared statement was made.
    sizes: Option<Sizes>,
}

impl PlanCache {
    /// Of a statement that any session may use.
    pub(crate) fn of_all_sessions() -> PlanCache {
        PlanCache { shared: true, ..PlanCache::default() }
    }
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }
    pub(crate) fn generic(&self) -> Option<Arc<CachedPlan>> {
        self.generic.clone()
    }
    pub(crate) fn sizes(&self) -> Option<&Sizes> {
        self.sizes.as_ref()
    }
    /// `pg_prepared_statements.generic_plans` and `custom_plans`.
    pub fn counts(&self) -> (u64, u64) {
        (self.generic_plans, self.custom_plans)
    }

    /// Whether costs speak for a custom plan.
    fn is_custom_cheaper(&self) -> bool {
        let average = self.custom_cost_sum / self.custom_plans as f64;
        self.generic_cost.is_some_and(|cost| cost >= average)
    }

    /// Whether the generic plan is what each custom plan was.
    fn is_alike(&self) -> bool {
        matches!(self.shapes, Shapes::One { shape, plans }
            if plans >= CUSTOM_PLANS_FIRST && self.generic_shape == Some(shape))
    }

    /// Plans are asked for under this version of the schema: what older ones were like is forgotten.
    pub(crate) fn follow(&mut self, version: u64) {
        if self.version != version {
            self.version = version;
            self.shapes = Shapes::None;
        }
    }

    /// What to run with these values under `plan_cache_mode`. A generic plan that isn't there yet is to be made, and this asked again.
    pub(crate) fn choose(&mut self, mode: PlanCacheMode, params: &[Datum]) -> Choice {
        if params.is_empty() || mode == PlanCacheMode::ForceGeneric {
            return Choice::Generic;
        }
        if mode == PlanCacheMode::ForceCustom || self.custom_plans < CUSTOM_PLANS_FIRST {
            return Choice::Custom;
        }
        if !self.is_custom_cheaper() {
            return Choice::Generic;
        }
        if !self.is_alike() {
            return Choice::Custom;
        }
        if let Some((values, _)) = &self.suspect {
            return Choice::Probe(Some(values.clone()));
        }
        match self.runs_left.checked_sub(1) {
            Some(left) => {
                self.runs_left = left;
                Choice::Generic
            }
            None => Choice::Probe(None),
        }
    }

    /// Whether the pages that runs touch are to be told.
    pub(crate) fn is_watching(&self) -> bool {
        self.generic_cost.is_none() || self.is_custom_cheaper() && self.is_alike()
    }

    /// A generic plan was made; it is kept unless the transaction's own changes of the schema are in it.
    pub(crate) fn made_generic(
        &mut self,
        plan: &Arc<CachedPlan>,
        shape: u64,
        sizes: Option<Sizes>,
        keep: bool,
    ) {
        self.generic = keep.then(|| plan.clone());
        self.sizes = sizes.filter(|_| self.shared);
        self.generic_cost = Some(plan.statement.plan.total_cost);
        self.generic_shape = Some(shape);
        self.distance = RUNS_TO_PROBE;
        self.runs_left = RUNS_TO_PROBE;
        self.suspect = None;
    }

    /// The generic plan is run.
    pub(crate) fn used_generic(&mut self) {
        self.generic_plans += 1;
    }

    /// A custom plan is run; its cost includes its planning.
    pub(crate) fn used_custom(&mut self, shape: u64, cost: f64) {
        self.custom_plans += 1;
        self.custom_cost_sum += cost;
        self.shapes = match self.shapes {
            Shapes::None => Shapes::One { shape, plans: 1 },
            Shapes::One { shape: known, plans } if known == shape => Shapes::One { shape, plans: plans + 1 },
            Shapes::One { .. } | Shapes::Several => Shapes::Several,
        };
    }

    /// A custom plan was made for comparison. Whether it is the generic plan.
    pub(crate) fn probed(&mut self, shape: u64) -> bool {
        let suspect = self.suspect.take();
        if self.generic_shape != Some(shape) {
            self.shapes = Shapes::Several;
            return false;
        }
        match suspect {
            Some((_, pages)) => self.pages_max = self.pages_max.max(pages),
            None => {
                self.distance = (self.distance * 2).min(RUNS_TO_PROBE_MAX);
                self.runs_left = self.distance;
            }
        }
        true
    }

    /// A run has come to its end.
    pub(crate) fn ran(&mut self, plan: &Arc<CachedPlan>, params: &Arc<[Datum]>, pages: u64) {
        let is_generic = self.generic.as_ref().is_some_and(|g| Arc::ptr_eq(g, plan));
        if !is_generic {
            self.pages_max = self.pages_max.max(pages);
        } else if self.suspect.is_none() && pages > PAGES_FACTOR * self.pages_max.max(PAGES_MIN) {
            self.suspect = Some((params.clone(), pages));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIKE: u64 = 1;
    const OTHER: u64 = 2;
    const AUTO: PlanCacheMode = PlanCacheMode::Auto;

    fn params() -> Arc<[Datum]> {
        Arc::from([Datum::I32(1)])
    }

    /// After five custom plans of cost 1 and these shapes; the generic plan costs 100 and has the shape `ALIKE`.
    fn cache(shapes: [u64; 5]) -> (PlanCache, Arc<CachedPlan>) {
        let mut c = PlanCache::default();
        for shape in shapes {
            assert_eq!(c.choose(AUTO, &params()), Choice::Custom);
            c.used_custom(shape, 1.0);
        }
        assert_eq!(c.choose(AUTO, &params()), Choice::Generic, "its cost isn't known yet");
        let generic = Arc::new(CachedPlan::of_cost(100.0));
        c.made_generic(&generic, ALIKE, None, true);
        (c, generic)
    }

    #[test]
    fn costs_decide_between_plans_that_differ() {
        for shapes in [[ALIKE, ALIKE, OTHER, ALIKE, ALIKE], [OTHER; 5]] {
            let (mut c, _) = cache(shapes);
            assert_eq!(c.choose(AUTO, &params()), Choice::Custom);
            assert_eq!(c.choose(PlanCacheMode::ForceGeneric, &params()), Choice::Generic);
            assert_eq!(c.choose(AUTO, &[]), Choice::Generic);
            c.custom_cost_sum = 1000.0;
            assert_eq!(c.choose(AUTO, &params()), Choice::Generic);
            assert!(!c.is_watching());
        }
    }

    #[test]
    fn plans_that_are_alike_are_compared_now_and_then() {
        let (mut c, generic) = cache([ALIKE; 5]);
        let mut runs = vec![];
        for run in 1..4000 {
            if c.choose(AUTO, &params()) == Choice::Probe(None) {
                runs.push(run);
                assert!(c.probed(ALIKE));
            }
        }
        assert_eq!(runs, [17, 50, 115, 244, 501, 1014, 2039, 3064], "each after twice as many, up to 1,024");
        assert_eq!(c.choose(PlanCacheMode::ForceCustom, &params()), Choice::Custom);
        while c.choose(AUTO, &params()) == Choice::Generic {}
        assert!(!c.probed(OTHER));
        assert_eq!(c.choose(AUTO, &params()), Choice::Custom, "costs decide");
        // Until all plans are made anew.
        c.follow(7);
        for _ in 0..5 {
            assert_eq!(c.choose(AUTO, &params()), Choice::Custom);
            c.used_custom(ALIKE, 1.0);
        }
        c.made_generic(&generic, ALIKE, None, true);
        assert_eq!(c.choose(AUTO, &params()), Choice::Generic);
    }

    #[test]
    fn values_of_large_runs_are_planned_for() {
        let (mut c, generic) = cache([ALIKE; 5]);
        let custom = Arc::new(CachedPlan::of_cost(1.0));
        c.ran(&custom, &params(), 100);
        c.ran(&generic, &params(), 800);
        assert_eq!(c.choose(AUTO, &params()), Choice::Generic, "not large enough");
        let large: Arc<[Datum]> = Arc::from([Datum::I32(2)]);
        c.ran(&generic, &large, 801);
        let Choice::Probe(Some(values)) = c.choose(AUTO, &params()) else { panic!("it is tried") };
        assert!(Arc::ptr_eq(&values, &large));
        assert!(c.probed(ALIKE));
        assert_eq!(c.choose(AUTO, &params()), Choice::Generic);
        c.ran(&generic, &large, 6000);
        assert_eq!(c.choose(AUTO, &params()), Choice::Generic, "runs of that size are known");
        c.ran(&generic, &large, 6409);
        assert!(matches!(c.choose(AUTO, &params()), Choice::Probe(Some(_))));
        assert!(!c.probed(OTHER));
        assert_eq!(c.choose(AUTO, &params()), Choice::Custom);
    }
}
