//! What the same rows take on disk: tables and indexes, after a load, and after updates.

use crate::bench::Bench;
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;
use crate::tpch;

const SIZES: &str =
    "SELECT coalesce(sum(pg_table_size(oid)), 0) || ' ' || coalesce(sum(pg_indexes_size(oid)), 0)
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let scale = bench.pick(50, 10);
    let figures = match bench.pgbench_database(scale) {
        Ok(database) => sizes(bench, &format!("pgbench at scale {scale}"), &database),
        Err(e) => Err(e.into()),
    };
    section.take("pgbench", figures);
    let figures = match tpch::loaded(bench) {
        Ok(tpch) => sizes(bench, &format!("TPC-H scale {}", tpch.scale), tpch::DATABASE),
        Err(e) => Err(e.into()),
    };
    section.take("TPC-H", figures);
    section.notes.push("pgbench's tables are those that the subjects before have left.".to_owned());
    Ok(())
}

fn sizes(bench: &Bench, name: &str, database: &str) -> Result<Vec<Figure>, Trouble> {
    let mut figures = [
        Figure::cost(format!("{name}: tables and indexes"), "MB").times(1.0 / 0.9),
        Figure::cost(format!("{name}: tables"), "MB"),
        Figure::cost(format!("{name}: indexes"), "MB"),
    ];
    let mut values = [[0.0; 2]; 3];
    for side in Side::BOTH {
        let (tables, indexes) = parse(&tools::value(&bench.target(side)?, database, SIZES)?)?;
        [tables + indexes, tables, indexes]
            .into_iter()
            .zip(&mut values)
            .for_each(|(v, of)| of[side as usize] = v);
    }
    figures.iter_mut().zip(values).for_each(|(figure, values)| figure.add(values));
    Ok(figures.into())
}

/// Megabytes of tables and of indexes.
fn parse(text: &str) -> Result<(f64, f64), String> {
    let number = |part: &str| part.parse::<f64>().ok().map(|bytes| bytes / 1e6);
    let both = text.split_once(' ').and_then(|(tables, indexes)| Some((number(tables)?, number(indexes)?)));
    both.ok_or_else(|| format!("sizes are {text}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        assert_eq!(super::parse("1500000 250000"), Ok((1.5, 0.25)));
        assert!(super::parse("1500000").is_err());
    }
}
