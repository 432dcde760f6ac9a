//! Window functions of a row's place in its partition.

use super::{WindowImpl, WindowRows};
use crate::{Body, EvalContext, FunctionDef};
use quarry_common::{Result, bail};
use quarry_types::{Datum, PhysicalType, Vector, VectorData, oids};

fn int8(values: impl Iterator<Item = Result<i64>>) -> Result<Vector> {
    Ok(Vector::from_parts(VectorData::I64(values.collect::<Result<_>>()?), None))
}

fn float8(values: impl Iterator<Item = Result<f64>>) -> Result<Vector> {
    Ok(Vector::from_parts(VectorData::F64(values.collect::<Result<_>>()?), None))
}

fn row_number(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    int8(p.rows.clone().map(|r| Ok(r as i64 + 1)))
}

fn rank(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    int8(p.rows.clone().map(|r| Ok((p.peers)(r)?.start as i64 + 1)))
}

fn dense_rank(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    int8(p.rows.clone().map(|r| Ok(p.groups[r - p.base] as i64 + 1)))
}

fn percent_rank(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    let others = (p.len as f64 - 1.0).max(1.0);
    float8(p.rows.clone().map(|r| Ok((p.peers)(r)?.start as f64 / others)))
}

fn cume_dist(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    float8(p.rows.clone().map(|r| Ok((p.peers)(r)?.end as f64 / p.len as f64)))
}

/// Buckets as equal as can be, the larger ones first. The first row whose argument isn't NULL decides how many, and the rows before
/// it are in none: that row's number plus one is remembered.
fn ntile(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    let mut out = Vector::with_capacity(PhysicalType::I32, p.rows.len());
    let mut buckets = match p.memory.get() {
        0 => None,
        first => Some((first as usize - 1, (p.value)(first as usize - 1)?.as_i32() as usize)),
    };
    for row in p.rows.clone() {
        if buckets.is_none() {
            let n = p.arg(0, row)?;
            if n.is_null() {
                out.push_null();
                continue;
            }
            if n.as_i32() <= 0 {
                bail!(INVALID_ARGUMENT_FOR_NTILE, "argument of ntile must be greater than zero");
            }
            p.memory.set(row as u64 + 1);
            buckets = Some((row, n.as_i32() as usize));
        }
        let Some((first, n)) = buckets else { continue };
        let (size, larger) = (p.len / n, p.len % n);
        let in_larger = larger * (size + 1);
        let i = row - first;
        let bucket = if i < in_larger { i / (size + 1) } else { larger + (i - in_larger) / size.max(1) };
        out.push_datum(&Datum::I32(bucket as i32 + 1));
    }
    Ok(out)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3100, "row_number", &[], oids::INT8, Body::Window(WindowImpl { compute: row_number }))
        .total()
        .lax(),
    FunctionDef::new(3101, "rank", &[], oids::INT8, Body::Window(WindowImpl { compute: rank })).total().lax(),
    FunctionDef::new(3102, "dense_rank", &[], oids::INT8, Body::Window(WindowImpl { compute: dense_rank }))
        .total()
        .lax(),
    FunctionDef::new(
        3103,
        "percent_rank",
        &[],
        oids::FLOAT8,
        Body::Window(WindowImpl { compute: percent_rank }),
    )
    .total()
    .lax(),
    FunctionDef::new(3104, "cume_dist", &[], oids::FLOAT8, Body::Window(WindowImpl { compute: cume_dist }))
        .total()
        .lax(),
    FunctionDef::new(3105, "ntile", &[oids::INT4], oids::INT4, Body::Window(WindowImpl { compute: ntile })),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use crate::window::Frame;
    use quarry_types::SqlType;
    use std::cell::Cell;
    use std::sync::Arc;

    /// Computes in two blocks.
    fn run(f: WindowImpl, groups: &[u64], args: &[Arc<Vector>]) -> Vec<Datum> {
        let io = testing::io();
        let len = groups.len();
        let peers = |r: usize| {
            let (start, end) =
                (groups.partition_point(|g| *g < groups[r]), groups.partition_point(|g| *g <= groups[r]));
            Ok(start..end)
        };
        let value = |r: usize| Ok(args[0].datum(r));
        let memory = Cell::new(0);
        let mut out = Vec::new();
        for rows in [0..len / 2, len / 2..len] {
            let p = WindowRows {
                len,
                rows,
                base: 0,
                args,
                groups,
                peers: &peers,
                frame: &|_| Ok(Frame::whole(0, len)),
                value: &value,
                ask: &|_, _| Ok(()),
                memory: &memory,
                ret: SqlType::INT8,
            };
            let v = (f.compute)(&mut testing::context(&io), &p).expect("no error");
            out.extend((0..v.len()).map(|i| v.datum(i)));
        }
        out
    }

    #[test]
    fn places_with_peers() {
        let groups = [0, 0, 1, 2, 2];
        let int8 = |v: &[i64]| v.iter().map(|x| Datum::I64(*x)).collect::<Vec<_>>();
        let float8 = |v: &[f64]| v.iter().map(|x| Datum::F64(*x)).collect::<Vec<_>>();
        assert_eq!(run(WindowImpl { compute: rank }, &groups, &[]), int8(&[1, 1, 3, 4, 4]));
        assert_eq!(run(WindowImpl { compute: dense_rank }, &groups, &[]), int8(&[1, 1, 2, 3, 3]));
        assert_eq!(
            run(WindowImpl { compute: percent_rank }, &groups, &[]),
            float8(&[0.0, 0.0, 0.5, 0.75, 0.75])
        );
        assert_eq!(run(WindowImpl { compute: cume_dist }, &groups, &[]), float8(&[0.4, 0.4, 0.6, 1.0, 1.0]));
    }

    #[test]
    fn tiles() {
        let groups = [0, 1, 2, 3, 4];
        let tiles = |args: [Option<i32>; 5]| {
            let mut v = Vector::with_capacity(PhysicalType::I32, 5);
            args.iter().for_each(|n| v.push_datum(&n.map_or(Datum::Null, Datum::I32)));
            run(WindowImpl { compute: ntile }, &groups, &[Arc::new(v)])
        };
        let int4 = |v: [i32; 5]| v.map(Datum::I32).to_vec();
        assert_eq!(tiles([Some(3); 5]), int4([1, 1, 2, 2, 3]));
        assert_eq!(tiles([Some(7); 5]), int4([1, 2, 3, 4, 5]));
        assert_eq!(tiles([Some(1); 5]), int4([1; 5]));
        let late = tiles([None, Some(2), None, Some(5), Some(5)]);
        assert_eq!(late, [Datum::Null, Datum::I32(1), Datum::I32(1), Datum::I32(1), Datum::I32(2)]);
    }
}
