//! Window functions of a row's place in its partition.

use super::{WindowImpl, WindowPartition};
use crate::{Body, EvalContext, FunctionDef};
use quarry_common::{Result, bail};
use quarry_types::{PhysicalType, Vector, VectorData, oids};

/// For each row the position of the first row of its peer group.
fn first_of_peers(p: &WindowPartition<'_>) -> Vec<usize> {
    let mut first = Vec::with_capacity(p.len);
    for i in 0..p.len {
        let same = i > 0 && p.peers[i] == p.peers[i - 1];
        first.push(if same { first[i - 1] } else { i });
    }
    first
}

fn int8(values: Vec<i64>) -> Result<Vector> {
    Ok(Vector::from_parts(VectorData::I64(values), None))
}

fn float8(values: Vec<f64>) -> Result<Vector> {
    Ok(Vector::from_parts(VectorData::F64(values), None))
}

fn row_number(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    int8((1..=p.len as i64).collect())
}

fn rank(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    int8(first_of_peers(p).into_iter().map(|f| f as i64 + 1).collect())
}

fn dense_rank(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    let mut rank = 0;
    let ranks = (0..p.len).map(|i| {
        rank += i64::from(i == 0 || p.peers[i] != p.peers[i - 1]);
        rank
    });
    int8(ranks.collect())
}

fn percent_rank(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    let others = (p.len as f64 - 1.0).max(1.0);
    float8(first_of_peers(p).into_iter().map(|f| f as f64 / others).collect())
}

fn cume_dist(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    let mut out = vec![0.0; p.len];
    let mut end = p.len;
    for i in (0..p.len).rev() {
        if i + 1 < p.len && p.peers[i] != p.peers[i + 1] {
            end = i + 1;
        }
        out[i] = end as f64 / p.len as f64;
    }
    float8(out)
}

/// Buckets as equal as can be, the larger ones first.
fn ntile(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    let mut out = Vector::with_capacity(PhysicalType::I32, p.len);
    if p.len == 0 {
        return Ok(out);
    }
    if p.args[0].is_null(0) {
        (0..p.len).for_each(|_| out.push_null());
        return Ok(out);
    }
    let buckets = p.args[0].datum(0).as_i32();
    if buckets <= 0 {
        bail!(INVALID_ARGUMENT_FOR_NTILE, "argument of ntile must be greater than zero");
    }
    let (size, larger) = (p.len / buckets as usize, p.len % buckets as usize);
    let in_larger = larger * (size + 1);
    let bucket =
        |i: usize| if i < in_larger { i / (size + 1) } else { larger + (i - in_larger) / size.max(1) };
    Ok(Vector::from_parts(VectorData::I32((0..p.len).map(|i| bucket(i) as i32 + 1).collect()), None))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3100, "row_number", &[], oids::INT8, Body::Window(WindowImpl { compute: row_number }))
        .lax(),
    FunctionDef::new(3101, "rank", &[], oids::INT8, Body::Window(WindowImpl { compute: rank })).lax(),
    FunctionDef::new(3102, "dense_rank", &[], oids::INT8, Body::Window(WindowImpl { compute: dense_rank }))
        .lax(),
    FunctionDef::new(
        3103,
        "percent_rank",
        &[],
        oids::FLOAT8,
        Body::Window(WindowImpl { compute: percent_rank }),
    )
    .lax(),
    FunctionDef::new(3104, "cume_dist", &[], oids::FLOAT8, Body::Window(WindowImpl { compute: cume_dist }))
        .lax(),
    FunctionDef::new(3105, "ntile", &[oids::INT4], oids::INT4, Body::Window(WindowImpl { compute: ntile })),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;
    use crate::context::testing;
    use quarry_types::{Datum, SqlType};

    fn run(f: WindowImpl, peers: &[u32], args: &[Vector]) -> Vec<Datum> {
        let io = testing::io();
        let whole = |_| Frame { start: 0, end: peers.len() };
        let p = WindowPartition { len: peers.len(), args, peers, frame: &whole, ret: SqlType::INT8 };
        let v = (f.compute)(&mut testing::context(&io), &p).expect("no error");
        (0..v.len()).map(|i| v.datum(i)).collect()
    }

    #[test]
    fn places_with_peers() {
        let peers = [0, 0, 1, 2, 2];
        let int8 = |v: &[i64]| v.iter().map(|x| Datum::I64(*x)).collect::<Vec<_>>();
        let float8 = |v: &[f64]| v.iter().map(|x| Datum::F64(*x)).collect::<Vec<_>>();
        assert_eq!(run(WindowImpl { compute: rank }, &peers, &[]), int8(&[1, 1, 3, 4, 4]));
        assert_eq!(run(WindowImpl { compute: dense_rank }, &peers, &[]), int8(&[1, 1, 2, 3, 3]));
        assert_eq!(
            run(WindowImpl { compute: percent_rank }, &peers, &[]),
            float8(&[0.0, 0.0, 0.5, 0.75, 0.75])
        );
        assert_eq!(run(WindowImpl { compute: cume_dist }, &peers, &[]), float8(&[0.4, 0.4, 0.6, 1.0, 1.0]));
    }

    #[test]
    fn tiles() {
        let peers = [0, 1, 2, 3, 4];
        let tiles = |n| {
            run(
                WindowImpl { compute: ntile },
                &peers,
                &[Vector::constant(PhysicalType::I32, &Datum::I32(n), 5)],
            )
        };
        let int4 = |v: [i32; 5]| v.map(Datum::I32).to_vec();
        assert_eq!(tiles(3), int4([1, 1, 2, 2, 3]));
        assert_eq!(tiles(7), int4([1, 2, 3, 4, 5]));
        assert_eq!(tiles(1), int4([1; 5]));
    }
}
