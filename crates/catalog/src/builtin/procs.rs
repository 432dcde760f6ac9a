//! PostgreSQL's built-in functions as `pg_proc` has them, those included that have no kernel here: type I/O, estimators, access method
//! handlers, transition functions, whose work the server does by other means, and functions that can't be called yet.
//!
//! `data/pg_proc.tsv` has, in COPY text form: oid, name, language, cost, rows, variadic type, support function, kind, security definer,
//! leakproof, strict, returns set, volatility, parallel safety, number of arguments, of defaults, result, arguments, all arguments, their
//! modes, their names, defaults (as [`crate::stored`] joins them), source, library, OIDs of the roles that may execute it (none: all).

use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_functions::{FunctionDef, Volatility, registry};
use std::sync::LazyLock;

/// The data file.
pub(super) const FACTS: &str = include_str!("data/pg_proc.tsv");

/// What code asks of a function that may have no kernel.
#[derive(Debug)]
pub struct ListedProc {
    pub oid: Oid,
    pub name: &'static str,
    pub args: Vec<Oid>,
    pub defaults: usize,
    pub variadic: bool,
}

static LEAKPROOF: LazyLock<hashbrown::HashSet<u32>> = LazyLock::new(|| {
    let number = |t: &str| t.parse().expect("the data file has numbers here");
    let rows = FACTS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|f| f[9] == "t").map(|f| number(f[0])).collect()
});

/// Whether a function tells nothing of its arguments but by its result (`pg_proc.proleakproof`).
pub fn is_leakproof(function: Oid) -> bool {
    LEAKPROOF.contains(&function.0)
}

/// Who may run a function where several threads work for one statement (`pg_proc.proparallel`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParallelSafety {
    /// Any thread.
    Safe,
    /// The session's own thread: it asks for what only that has.
    Restricted,
    /// Nobody: it changes what the threads share.
    Unsafe,
}

impl ParallelSafety {
    /// As `pg_proc.proparallel` has it.
    pub fn letter(self) -> char {
        match self {
            ParallelSafety::Safe => 's',
            ParallelSafety::Restricted => 'r',
            ParallelSafety::Unsafe => 'u',
        }
    }
}

static PARALLEL: LazyLock<HashMap<Oid, ParallelSafety>> = LazyLock::new(|| {
    let listed = FACTS.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let oid = fields.next()?.parse().ok()?;
        let safety = match fields.nth(12)? {
            "s" => ParallelSafety::Safe,
            "r" => ParallelSafety::Restricted,
            _ => ParallelSafety::Unsafe,
        };
        Some((Oid(oid), safety))
    });
    listed.collect()
});

/// `pg_proc.proparallel`. A function that PostgreSQL doesn't have goes by its volatility: what may have effects is nobody's.
pub fn parallel_safety(function: &FunctionDef) -> ParallelSafety {
    match PARALLEL.get(&function.oid) {
        Some(safety) => *safety,
        None if function.volatility == Volatility::Volatile => ParallelSafety::Unsafe,
        None => ParallelSafety::Safe,
    }
}

static PROCS: LazyLock<Vec<ListedProc>> = LazyLock::new(|| {
    let number = |t: &str| t.parse().expect("the data file has numbers here");
    let listed = FACTS.lines().map(|line| {
        let f: Vec<&'static str> = line.split('\t').collect();
        ListedProc {
            oid: Oid(number(f[0])),
            name: f[1],
            args: f[17].split_ascii_whitespace().map(|t| Oid(number(t))).collect(),
            defaults: number(f[15]) as usize,
            variadic: f[5] != "0",
        }
    });
    let mut all: Vec<ListedProc> = listed.collect();
    let known = all.len();
    for f in registry::functions() {
        if all[..known].binary_search_by_key(&f.oid, |p| p.oid).is_err() {
            all.push(ListedProc {
                oid: f.oid,
                name: f.name,
                args: f.args.to_vec(),
                defaults: f.defaults.len(),
                variadic: f.variadic.is_valid(),
            });
        }
    }
    all.sort_by_key(|p| p.oid);
    all
});

static BY_NAME: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (i, p) in PROCS.iter().enumerate() {
        map.entry(p.name).or_default().push(i);
    }
    map
});

/// Costs that aren't 1, by function.
static COSTS: LazyLock<HashMap<Oid, f64>> = LazyLock::new(|| {
    let listed = FACTS.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let oid = fields.next()?.parse().ok()?;
        let cost = fields.nth(2)?.parse().ok()?;
        Some((Oid(oid), cost))
    });
    listed.filter(|(_, cost)| *cost != 1.0).collect()
});

/// `pg_proc.procost`: what a call costs, in units of `cpu_operator_cost`.
pub fn proc_cost(oid: Oid) -> f64 {
    COSTS.get(&oid).copied().unwrap_or(1.0)
}

/// All of them, by rising OID.
pub fn listed_procs() -> &'static [ListedProc] {
    &PROCS
}

/// The one with this OID.
pub fn listed_proc(oid: Oid) -> Option<&'static ListedProc> {
    PROCS.binary_search_by_key(&oid, |p| p.oid).ok().map(|i| &PROCS[i])
}

/// Those with a name, by rising OID.
pub fn procs_named(name: &str) -> impl Iterator<Item = &'static ListedProc> + use<> {
    BY_NAME.get(name).into_iter().flatten().map(|i| &PROCS[*i])
}

/// The OID of a function by its name alone; invalid for "" and unknown names.
pub fn proc_named(name: &str) -> Oid {
    procs_named(name).next().map_or(Oid::INVALID, |p| p.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read() {
        assert_eq!(proc_cost(proc_named("to_tsvector")), 100.0);
        assert_eq!(proc_cost(proc_named("int4in")), 1.0);
    }

    #[test]
    fn parallel_safety_is_declared() {
        let of = |name| registry::functions_named(name).first().map(|f| parallel_safety(f));
        assert_eq!(of("abs"), Some(ParallelSafety::Safe));
        assert_eq!(of("random"), Some(ParallelSafety::Restricted));
        assert_eq!(of("nextval"), Some(ParallelSafety::Unsafe));
        assert_eq!(of("clock_timestamp"), Some(ParallelSafety::Safe));
        assert_eq!(of("current_schema"), Some(ParallelSafety::Unsafe));
    }

    #[test]
    fn type_functions_are_found() {
        assert_eq!(proc_named("int4in"), Oid(42));
        assert_eq!(proc_named("array_in"), Oid(750));
        assert_eq!(proc_named(""), Oid::INVALID);
        assert_eq!(listed_proc(Oid(42)).map(|p| p.name), Some("int4in"));
        for t in quarry_types::registry::all_types() {
            assert!(proc_named(t.procs.input).is_valid(), "{t:?}");
        }
    }

    #[test]
    fn kernels_have_the_arguments_that_are_listed() {
        for f in registry::functions() {
            if let Some(p) = listed_proc(f.oid) {
                assert_eq!((p.name, &p.args[..]), (f.name, f.args), "function {}", f.oid);
            }
        }
    }
}
