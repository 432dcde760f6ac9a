//! TPC-H: the data on both servers, and the 22 queries against PostgreSQL at its best.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::bench::{Bench, progress};
use crate::copy::copy_in;
use crate::peers::Side;
use crate::queries::{self, Goals, Query};
use crate::report::Section;
use crate::tools;

/// The database that holds it.
pub const DATABASE: &str = "tpch";
/// Its tables.
pub const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// PostgreSQL's settings that are tried for each query.
const PEER_SETTINGS: [&[&str]; 4] = [
    &["SET random_page_cost = 1.1", "SET jit = off"],
    &["SET random_page_cost = 1.1", "SET jit = on"],
    &["SET random_page_cost = 4", "SET jit = off"],
    &["SET random_page_cost = 4", "SET jit = on"],
];

/// TPC-H's files, once both servers have the data.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The folder with the .tbl files.
    pub data: PathBuf,
    /// The queries.
    pub queries: Vec<Query>,
    /// Statements that make the tables.
    pub schema: Vec<String>,
    /// The scale of the data.
    pub scale: String,
}

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let tpch = loaded(bench)?;
    let title = format!("TPC-H scale {}", tpch.scale);
    let goals = Goals { mean: 5.0, each: Some(1.5) };
    section.notes.push(
        "PostgreSQL has, for each query, the fastest of random_page_cost 1.1 and 4, jit on and off; its parallel workers are on."
            .to_owned(),
    );
    queries::measure(bench, section, DATABASE, (&title, &tpch.queries, goals), &PEER_SETTINGS)
}

/// Has both servers hold the data.
pub fn loaded(bench: &mut Bench) -> Result<Loaded, String> {
    if let Some(loaded) = &bench.tpch {
        return Ok(loaded.clone());
    }
    let folder =
        bench.options.tpch.clone().ok_or("--tpch FOLDER (schema.sql, indexes.sql, q*.sql) is not given")?;
    let schema = tools::statements(&read(&folder.join("schema.sql"))?);
    let indexes = tools::statements(&read(&folder.join("indexes.sql"))?);
    let queries = queries_of(&folder)?;
    let given =
        bench.options.tpch_data.clone().or_else(|| folder.join("lineitem.tbl").exists().then_some(folder));
    let (data, scale) = match given {
        Some(data) => (data, "of the given files".to_owned()),
        None => {
            let scale = bench.pick(1.0, 0.1);
            (generate(bench.dir.path(), scale)?, scale.to_string())
        }
    };
    bench.database(DATABASE)?;
    for side in Side::BOTH {
        progress(&format!("{side:?}: TPC-H's data"));
        let target = bench.target(side)?;
        for statement in &schema {
            tools::sql(&target, DATABASE, statement)?;
        }
        for table in TABLES {
            let path = data.join(format!("{table}.tbl"));
            let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            copy_in(&target, DATABASE, &format!("COPY {table} FROM STDIN WITH (DELIMITER '|')"), file)?;
        }
        for statement in &indexes {
            tools::sql(&target, DATABASE, statement)?;
        }
        tools::sql(&target, DATABASE, "VACUUM ANALYZE")?;
        tools::sql(&target, DATABASE, "CHECKPOINT")?;
    }
    let loaded = Loaded { data, queries, schema, scale };
    bench.tpch = Some(loaded.clone());
    Ok(loaded)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The queries `q*.sql` of a folder, by name.
fn queries_of(folder: &Path) -> Result<Vec<Query>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('q')))
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    let query = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Query { name, sql: read(path)?.trim().trim_end_matches(';').to_owned() })
    };
    files.iter().map(query).collect()
}

/// Makes the .tbl files at a scale.
fn generate(dir: &Path, scale: f64) -> Result<PathBuf, String> {
    let folder = dir.join("tpch");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    progress(&format!("TPC-H's files at scale {scale}"));
    let file = |table: &str| folder.join(format!("{table}.tbl"));
    write(&file("region"), RegionGenerator::new(scale, 1, 1))?;
    write(&file("nation"), NationGenerator::new(scale, 1, 1))?;
    write(&file("supplier"), SupplierGenerator::new(scale, 1, 1))?;
    write(&file("customer"), CustomerGenerator::new(scale, 1, 1))?;
    write(&file("part"), PartGenerator::new(scale, 1, 1))?;
    write(&file("partsupp"), PartSuppGenerator::new(scale, 1, 1))?;
    write(&file("orders"), OrderGenerator::new(scale, 1, 1))?;
    write(&file("lineitem"), LineItemGenerator::new(scale, 1, 1))?;
    Ok(folder)
}

/// Writes rows without the delimiter at their ends, which COPY would take for one more column.
fn write(path: &Path, rows: impl IntoIterator<Item: std::fmt::Display>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    for row in rows {
        let line = row.to_string();
        writeln!(out, "{}", line.strip_suffix('|').unwrap_or(&line)).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_testkit::temp::TempDir;

    #[test]
    fn files_have_no_delimiter_at_the_ends_of_lines() {
        let dir = TempDir::new("tpch");
        let path = dir.path().join("nation.tbl");
        write(&path, NationGenerator::new(0.01, 1, 1)).expect("the folder can be written");
        let text = read(&path).expect("it is there");
        assert_eq!(text.lines().count(), 25);
        assert!(text.starts_with("0|ALGERIA|0|") && text.lines().all(|l| l.split('|').count() == 4));
    }
}
