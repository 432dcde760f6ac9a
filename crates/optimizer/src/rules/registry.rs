//! The rules by name: which are switched off (`quarry.disabled_rules`), which have changed the statement being planned
//! (`quarry.explain_rules`).
//!
//! A rule is optional: without it a statement means the same. Steps that give a plan its meaning or its columns (privileges' scans,
//! row locks, rechecks, unread columns) have no name here.

use quarry_plan::Cte;
use std::cell::{Cell, RefCell};

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)*) => {
        /// A rewrite that can be switched off.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule),*];

            /// Its name: that of its module in `rules`, where it has one of its own.
            pub fn name(self) -> &'static str {
                match self {
                    $(Rule::$rule => $name,)*
                }
            }
        }
    };
}

rules! {
    /// A table is aggregated before it is joined.
    AggregateEarly = "aggregate_early",
    /// Left joins of which only rows without a partner are wanted become anti joins.
    AntiJoinMissing = "anti_join_missing",
    /// Correlated subqueries are joined although something in them may fail: then they are run as they were written.
    CatchErrors = "catch_errors",
    /// Comparisons with ALL or ANY values of a subquery become ones with the greatest or the least.
    CompareExtremes = "compare_extremes",
    /// Subqueries of RETURNING are computed beside the rows that are written.
    ComputeReturning = "compute_returning",
    /// Errors of a subquery's expressions become values, raised for rows that ask for them.
    DeferErrors = "defer_errors",
    /// Conditions that exclude each other give no row.
    DetectContradictions = "detect_contradictions",
    /// A CHECK constraint excludes a condition (`constraint_exclusion = on`).
    ExcludeByChecks = "exclude_by_checks",
    /// ORs over joins restrict the tables that are joined.
    ExtractRestrictions = "extract_restrictions",
    /// What all branches of an OR have in common is tested once.
    FactorOrs = "factor_ors",
    /// What doesn't depend on rows is evaluated when the statement is planned.
    FoldConstants = "fold_constants",
    /// What equals something equals what that equals.
    InferEqualities = "infer_equalities",
    /// What equals something is compared as that is.
    InferRanges = "infer_ranges",
    /// CTEs that are used once go to their place.
    InlineCtes = "inline_ctes",
    /// Comparisons of one column with constants become one with an array.
    MergeOrs = "merge_ors",
    /// Subqueries of FROM and views go into the query around them.
    PullUpSubqueries = "pull_up_subqueries",
    /// Conditions go into groupings, set operations, windows.
    PushFilters = "push_filters",
    /// LIMIT goes below joins that keep every row once.
    PushLimits = "push_limits",
    /// Columns that others determine tell no groups apart.
    ReduceGroupKeys = "reduce_group_keys",
    /// Outer joins become inner ones.
    ReduceOuterJoins = "reduce_outer_joins",
    /// Sort keys that order nothing go.
    ReduceSortKeys = "reduce_sort_keys",
    /// DISTINCT of rows that differ anyway goes.
    RemoveDistinct = "remove_distinct",
    /// Inner joins go that a foreign key makes void.
    RemoveForeignJoins = "remove_foreign_joins",
    /// Outer joins go that nothing reads.
    RemoveJoins = "remove_joins",
    /// Joins of a table with itself by its key go.
    RemoveSelfJoins = "remove_self_joins",
    /// An OR over a join becomes a union of joins.
    SplitOrs = "split_ors",
    /// min and max are looked up at an index's end.
    TakeIndexEnds = "take_index_ends",
    /// Correlated subqueries are computed for the distinct outer values, by whatever condition.
    UnnestByDomain = "unnest_by_domain",
    /// LATERAL subqueries that aggregate are joined once grouped.
    UnnestLaterals = "unnest_laterals",
    /// EXISTS anywhere in an expression becomes a join with a mark.
    UnnestMarks = "unnest_marks",
    /// NOT IN becomes an anti join that minds NULLs.
    UnnestNotIn = "unnest_not_in",
    /// Correlated scalar subqueries become left joins.
    UnnestScalars = "unnest_scalars",
    /// EXISTS, IN and NOT IN become semi and anti joins.
    UnnestSubqueries = "unnest_subqueries",
    /// IN, ANY and ALL anywhere in an expression become aggregates of the subquery's rows.
    UnnestTests = "unnest_tests",
}

/// A set of rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RuleSet(u64);

const _: () = assert!(Rule::ALL.len() <= 64, "one bit for each rule");

impl RuleSet {
    /// Names between commas; `all` is every rule. An unknown name comes back as the error.
    pub fn parse(text: &str) -> Result<RuleSet, String> {
        let mut set = RuleSet::default();
        for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            if name == "all" {
                set.0 = !0;
                continue;
            }
            match Rule::ALL.iter().find(|r| r.name() == name) {
                Some(rule) => set.0 |= 1 << *rule as u64,
                None => return Err(name.to_string()),
            }
        }
        Ok(set)
    }

    /// Every rule.
    pub fn all() -> RuleSet {
        RuleSet(!0)
    }

    /// One rule.
    pub fn of(rule: Rule) -> RuleSet {
        RuleSet(1 << rule as u64)
    }

    /// The rules of both.
    pub fn and(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 | other.0)
    }

    /// The rules that are in both.
    pub fn common(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 & other.0)
    }

    /// The rules that aren't in the other.
    pub fn without(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 & !other.0)
    }

    /// A set for each rule in it.
    pub fn each(self) -> Vec<RuleSet> {
        (0..64).map(|i| RuleSet(self.0 & 1 << i)).filter(|one| one.0 != 0).collect()
    }

    /// Whether all of the other are in it.
    pub fn has_all(self, other: RuleSet) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the rule is in it.
    pub fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u64 & 1 == 1
    }
}

/// What has been asked for by rewrites that costs must justify: each time the rules that it takes, all of them.
///
/// Rewriting is determined by the answers: where two sets of rules answer all questions alike, they lead to the same plan.
#[derive(Clone, Debug, Default)]
pub struct Questions(Vec<RuleSet>);

impl Questions {
    /// Whether no question was asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether just these rules were asked for.
    pub fn has(&self, asked: RuleSet) -> bool {
        self.0.contains(&asked)
    }

    /// All rules asked for.
    pub fn rules(&self) -> RuleSet {
        self.0.iter().fold(RuleSet::default(), |all, asked| all.and(*asked))
    }

    /// Whether these sets of allowed rules give the same answers.
    pub fn answered_alike(&self, one: RuleSet, other: RuleSet) -> bool {
        self.0.iter().all(|asked| one.has_all(*asked) == other.has_all(*asked))
    }
}

/// The rules of one planning.
#[derive(Debug, Default)]
pub struct Rules {
    disabled: RuleSet,
    fired: Cell<RuleSet>,
    /// The rewrites that costs must justify and that are done.
    costly: RuleSet,
    /// Whether the statement locks or changes rows, and so may read its sources again row by row, with the joins that they have.
    rows_change: bool,
    /// Whether what is rewritten is how a changed row is tested again.
    rechecks: Cell<bool>,
    /// Those that it would have taken.
    asked: RefCell<Questions>,
    /// Whether errors in what is rewritten are caught.
    catches: Cell<bool>,
    /// Common table expressions that catch errors, to be put around the query that reads them.
    catching: RefCell<Vec<Cte>>,
    /// What the plan may cost to be of use, if there is a limit.
    limit: Option<f64>,
    /// Whether the plan may be put off until the statement has been planned in another way.
    may_wait: Cell<bool>,
    /// What it costs at least, where it was put off.
    least: Cell<Option<f64>>,
}

/// Runs `f` with the flag set.
fn set_during<T>(flag: &Cell<bool>, f: impl FnOnce() -> T) -> T {
    let before = flag.replace(true);
    let outcome = f();
    flag.set(before);
    outcome
}

impl Rules {
    pub fn new(disabled: RuleSet, costly: RuleSet, rows_change: bool) -> Rules {
        Rules { disabled, costly, rows_change, ..Rules::default() }
    }

    /// For a plan that is of no use if it costs so much.
    pub fn within(self, limit: f64) -> Rules {
        Rules { limit: Some(limit), ..self }
    }

    /// With what has been done, and asked for, already.
    pub fn after(self, fired: RuleSet, asked: Questions) -> Rules {
        self.fired.set(fired);
        Rules { asked: RefCell::new(asked), ..self }
    }

    /// What has been done so far.
    pub fn done(&self) -> RuleSet {
        self.fired.get()
    }

    /// Whether a plan that has a part of this cost is of no use.
    pub fn is_too_much(&self, cost: f64) -> bool {
        self.limit.is_some_and(|limit| cost >= limit)
    }

    /// What the plan must stay below to be of use.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Whether it is planned for costs only: another plan is there already.
    pub fn is_try(&self) -> bool {
        self.limit.is_some()
    }

    /// Lets the plan be put off.
    pub fn let_wait(&self) {
        self.may_wait.set(true);
    }

    /// Whether the plan, which costs at least so much, is put off: who planned it has no plan then.
    pub fn puts_off(&self, least: f64) -> bool {
        let wait = self.may_wait.get() && least > 0.0;
        if wait {
            self.least.set(Some(least));
        }
        wait
    }

    /// Whether it may still be put off.
    pub fn may_wait(&self) -> bool {
        self.may_wait.get()
    }

    /// What the plan costs at least that was put off.
    pub fn put_off(&self) -> Option<f64> {
        self.least.get()
    }

    /// Whether the rule may be used.
    pub fn allows(&self, rule: Rule) -> bool {
        !self.disabled.has(rule)
    }

    /// Whether the rule may be used here, where it isn't always worth it: the statement is then planned both ways, and costs decide.
    pub fn allows_costly(&self, rule: Rule) -> bool {
        self.allows_all_costly(&[rule])
    }

    /// The same of a rewrite that takes several rules.
    pub fn allows_all_costly(&self, rules: &[Rule]) -> bool {
        if !rules.iter().all(|rule| self.allows(*rule)) {
            return false;
        }
        let needed = RuleSet(rules.iter().fold(0, |set, rule| set | 1 << *rule as u64));
        let mut asked = self.asked.borrow_mut();
        if !asked.0.contains(&needed) {
            asked.0.push(needed);
        }
        self.costly.has_all(needed)
    }

    /// Whether the statement locks or changes rows: rules that change which tables it reads, or how often, leave it alone.
    pub fn rows_change(&self) -> bool {
        self.rows_change
    }

    /// Whether what is rewritten reads a single row again: its subqueries are run for that row, as the row-by-row meaning has it.
    pub fn rechecks(&self) -> bool {
        self.rechecks.get()
    }

    /// Runs `f`, which rewrites how a changed row is tested again.
    pub fn rechecking<T>(&self, f: impl FnOnce() -> T) -> T {
        set_during(&self.rechecks, f)
    }

    /// Whether errors in what is rewritten are caught, so that it may compute more than was asked for.
    pub fn catches(&self) -> bool {
        self.catches.get()
    }

    /// Runs `f`, which rewrites what is computed where errors are caught.
    pub fn catching<T>(&self, f: impl FnOnce() -> T) -> T {
        set_during(&self.catches, f)
    }

    /// Adds a common table expression to the query being rewritten.
    pub fn add_cte(&self, cte: Cte) {
        self.catching.borrow_mut().push(cte);
    }

    /// Those that were added.
    pub fn take_ctes(&self) -> Vec<Cte> {
        self.catching.take()
    }

    /// The rewrites that costs must justify and that other plans are to be had by.
    pub fn asked(&self) -> Questions {
        self.asked.borrow().clone()
    }

    /// Records that the rule has changed the statement.
    pub fn fire(&self, rule: Rule) {
        let mut set = self.fired.get();
        set.0 |= 1 << rule as u64;
        self.fired.set(set);
    }

    /// Runs a rule if it is allowed; it answers whether it has changed something.
    pub fn run(&self, rule: Rule, f: impl FnOnce() -> bool) -> bool {
        let changed = self.allows(rule) && f();
        if changed {
            self.fire(rule);
        }
        changed
    }

    /// The names of the rules that have changed the statement.
    pub fn fired(&self) -> Vec<&'static str> {
        let set = self.fired.get();
        Rule::ALL.iter().filter(|r| set.has(**r)).map(|r| r.name()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_parse() {
        let names: Vec<&str> = Rule::ALL.iter().map(|r| r.name()).collect();
        assert!(names.is_sorted());
        for rule in Rule::ALL {
            let set = RuleSet::parse(rule.name()).unwrap();
            assert!(Rule::ALL.iter().all(|r| set.has(*r) == (r == rule)));
        }
        assert!(RuleSet::parse(" factor_ors, merge_ors ").unwrap().has(Rule::MergeOrs));
        assert!(Rule::ALL.iter().all(|r| RuleSet::parse("all").unwrap().has(*r)));
        assert_eq!(RuleSet::parse("factor_ors,nonsense"), Err("nonsense".to_string()));
    }
}
