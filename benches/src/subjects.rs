//! What a run measures, in its order: cheap and often wanted first, what needs servers of its own last.

use crate::bench::Bench;
use crate::report::Section;

/// Measures a subject.
type Run = fn(&mut Bench, &mut Section) -> Result<(), String>;

/// A part of a run that can be asked for by itself.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// What `--only` takes.
    pub name: &'static str,
    /// The heading of its table.
    pub title: &'static str,
    /// Measures it.
    pub run: Run,
}

/// All of them.
pub const SUBJECTS: [Subject; 14] = [
    Subject { name: "oltp", title: "Point queries and TPC-B", run: crate::oltp::run },
    Subject { name: "checkpoint", title: "Writers beside a checkpoint", run: crate::checkpoint::run },
    Subject { name: "fairness", title: "Point queries beside a heavy query", run: crate::fairness::run },
    Subject { name: "sysbench", title: "sysbench", run: crate::sysbench::run },
    Subject { name: "connections", title: "Connections", run: crate::connections::run },
    Subject { name: "load", title: "Loading and unloading", run: crate::load::run },
    Subject { name: "indexes", title: "Indexes", run: crate::indexes::run },
    Subject { name: "wide", title: "Aggregates over wide rows", run: crate::wide::run },
    Subject { name: "tpch", title: "TPC-H", run: crate::tpch::run },
    Subject { name: "duckdb", title: "TPC-H against DuckDB", run: crate::duckdb::run },
    Subject { name: "size", title: "Size on disk", run: crate::size::run },
    Subject { name: "memory", title: "Memory of many sorts", run: crate::memory::run },
    Subject { name: "growth", title: "Growth", run: crate::growth::run },
    Subject { name: "restart", title: "Start after kill -9", run: crate::restart::run },
];

/// Those whose names contain one of these words; all without any.
pub fn chosen(only: &[String]) -> Result<Vec<&'static Subject>, String> {
    if let Some(word) = only.iter().find(|word| !SUBJECTS.iter().any(|s| s.name.contains(word.as_str()))) {
        return Err(format!("no subject is called {word}"));
    }
    let wanted = |s: &&Subject| only.is_empty() || only.iter().any(|word| s.name.contains(word.as_str()));
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_subjects() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            chosen(&words).map(|all| all.iter().map(|s| s.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["tpch", "mem"]), Ok(vec!["tpch", "memory"]));
        assert_eq!(names(&[]).map(|all| all.len()), Ok(SUBJECTS.len()));
        assert!(names(&["nothing"]).is_err());
    }
}
