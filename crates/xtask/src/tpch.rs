//! What the measurements on TPC-H share: the queries' files, connections, plans.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::psql::Target;

const PATIENCE: Duration = Duration::from_secs(3600);

pub type Rows = Vec<Vec<Option<String>>>;

/// A query and the name of its file.
pub struct Query {
    pub name: String,
    pub sql: String,
}

/// The queries `q*.sql` of a folder, by name.
pub fn queries(folder: &Path) -> Result<Vec<Query>, String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|f| Some(f.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('q')))
        .collect();
    files.sort();
    let query = |f: &PathBuf| {
        let sql = read(f)?.trim().trim_end_matches(';').to_owned();
        Ok(Query { name: f.file_stem().unwrap_or_default().to_string_lossy().into_owned(), sql })
    };
    files.iter().map(query).collect()
}

pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Statements of a script, each ended by a semicolon at the end of a line.
pub fn statements(script: &str) -> Vec<String> {
    let all = script.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned());
    all.filter(|s| !s.lines().all(|l| l.trim().is_empty() || l.starts_with("--"))).collect()
}

/// A connection whose statements run without help from other processes and without compilation.
pub fn connect(target: &Target, database: &str) -> Result<Client, String> {
    let mut client = Client::connect(target, database, PATIENCE)?;
    must(&mut client, "SET jit = off")?;
    must(&mut client, "SET max_parallel_workers_per_gather = 0")?;
    Ok(client)
}

/// The rows of a statement that must succeed.
pub fn must(client: &mut Client, sql: &str) -> Result<Rows, String> {
    let answer = client.run(sql, Protocol::Simple)?;
    match answer.error {
        Some(e) => Err(format!("{sql}: {}", e.message)),
        None => Ok(answer.rows),
    }
}

/// The lines of EXPLAIN with these options.
pub fn explain(client: &mut Client, options: &str, sql: &str) -> Result<Vec<String>, String> {
    let rows = must(client, &format!("EXPLAIN ({options}) {sql}"))?;
    Ok(rows.into_iter().filter_map(|mut row| row.pop()?).collect())
}

/// The middle one of some numbers.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn scripts() {
        assert_eq!(super::statements("a;\n-- x\nb\n c;\n-- end\n"), ["a", "-- x\nb\n c"]);
        assert_eq!(super::median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
