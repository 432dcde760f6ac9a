//! Growth: rates as the data grows, and with a buffer pool of a quarter of the data.

use crate::bench::{Bench, in_turn};
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};

/// Megabytes of pgbench's tables and indexes at scale 1, about.
const SCALE_MEGABYTES: u32 = 15;
/// Rounds: each scale is a load of its own, and a curve needs fewer than a ratio.
const ROUNDS_MAX: usize = 3;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let scales = bench.pick([1, 10, 100, 300], [1, 10, 20, 30]);
    let mut curve = vec![];
    for scale in scales {
        curve.push(at(bench, section, scale, &format!("scale {scale}")));
    }
    let scale = scales[2];
    let buffers = format!("{}MB", scale * SCALE_MEGABYTES / 4);
    bench.peers.configure(&[("shared_buffers", &buffers)])?;
    curve.push(at(bench, section, scale, &format!("scale {scale}, shared_buffers {buffers}")));
    bench.peers.configure(&[])?;
    for scale in scales {
        bench.drop_pgbench_database(scale)?;
    }
    // One row at a time is written at scale 1, so that TPC-B's curve begins after it.
    let last = scales.len() - 1;
    for (what, index, from) in [("select", 0, 0), ("TPC-B", 1, 1)] {
        for (to, name) in
            [(last, format!("scale {}", scales[last])), (scales.len(), "a quarter in buffers".to_owned())]
        {
            let title = format!("{what}: rate at {name} / at scale {}", scales[from]);
            let mut fall = Figure::rate(title, "share").times(1.0);
            if let (Some(begin), Some(end)) = (curve[from], curve[to]) {
                fall.add([0, 1].map(|side| end[index][side] / begin[index][side]));
                section.extend([fall]);
            }
        }
    }
    section.notes.push("8 clients; selects prepared, TPC-B durable. Falls are of the medians: 1 or more is asked of `times better`.".to_owned());
    Ok(())
}

/// Medians of both rates on both sides at one scale, which the section gets too.
fn at(bench: &mut Bench, section: &mut Section, scale: u32, name: &str) -> Option<[[f64; 2]; 2]> {
    let figures = match bench.pgbench_database(scale) {
        Ok(database) => measured(bench, &database, name),
        Err(e) => vec![Figure::without(name, e.into())],
    };
    let medians = match figures.as_slice() {
        [select, tpcb] => Some([select.medians(), tpcb.medians()]),
        _ => None,
    };
    section.extend(figures);
    medians
}

fn measured(bench: &Bench, database: &str, name: &str) -> Vec<Figure> {
    let figures =
        [Figure::rate(format!("select, {name}"), "tx/s"), Figure::rate(format!("TPC-B, {name}"), "tx/s")];
    let measure = |side: Side| -> Result<[f64; 2], Trouble> {
        bench.sql(side, database, "CHECKPOINT")?;
        let select = bench.pgbench(side, database, &["-S", "-M", "prepared", "-c", "8"])?.rate;
        let tpcb = bench.pgbench(side, database, &["-c", "8"])?.rate;
        bench.sql(side, database, "CHECKPOINT")?;
        Ok([select, tpcb])
    };
    in_turn(bench.options.rounds().min(ROUNDS_MAX), figures, measure)
}
