//! `min` and `max` of every type with an order.

use super::fold::Fold;
use super::grouped::{Batch, PerGroup, column_of, datum_bytes, grouped};
use super::numeric_best::Best;
use super::{Accumulator, AggregateCall, AggregateImpl, folding, order_insensitive};
use crate::scalar::compare::{float, text};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Error, Oid, Result};
use quarry_types::registry::CompareFn;
use quarry_types::{Datum, Vector, oids};
use std::cmp::Ordering;

macro_rules! plain {
    ($state:ident, $t:ty, |$old:ident, $new:ident| $better:expr) => {
        #[derive(Clone, Default)]
        struct $state(Option<$t>);

        impl Fold for $state {
            type In<'a> = $t;
            type Out = $t;
            #[inline(always)]
            fn add(&mut self, $new: $t) -> Result<()> {
                let better = self.0.is_none_or(|$old| $better);
                if better {
                    self.0 = Some($new);
                }
                Ok(())
            }
            fn add_all(&mut self, column: &[$t], n: usize) -> Result<()> {
                let best = column[..n].iter().copied().reduce(|$old, $new| if $better { $new } else { $old });
                best.map_or(Ok(()), |v| self.add(v))
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                other.0.map_or(Ok(()), |v| self.add(v))
            }
            fn finish(&self) -> Result<Option<$t>> {
                Ok(self.0)
            }
        }
    };
}
plain!(MinI16, i16, |old, new| new < old);
plain!(MaxI16, i16, |old, new| new > old);
plain!(MinI32, i32, |old, new| new < old);
plain!(MaxI32, i32, |old, new| new > old);
plain!(MinU32, u32, |old, new| new < old);
plain!(MaxU32, u32, |old, new| new > old);
plain!(MinI64, i64, |old, new| new < old);
plain!(MaxI64, i64, |old, new| new > old);
plain!(MinF32, f32, |old, new| float::cmp(new.into(), old.into()) == Ordering::Less);
plain!(MaxF32, f32, |old, new| float::cmp(new.into(), old.into()) == Ordering::Greater);
plain!(MinF64, f64, |old, new| float::cmp(new, old) == Ordering::Less);
plain!(MaxF64, f64, |old, new| float::cmp(new, old) == Ordering::Greater);

macro_rules! bytes {
    ($state:ident, |$old:ident, $new:ident| $better:expr) => {
        #[derive(Clone, Default)]
        struct $state(Option<Vec<u8>>);

        impl Fold for $state {
            type In<'a> = &'a [u8];
            type Out = Vec<u8>;
            fn add(&mut self, $new: &[u8]) -> Result<()> {
                match &mut self.0 {
                    None => self.0 = Some($new.to_vec()),
                    Some(kept) => {
                        let $old = kept.as_slice();
                        if $better {
                            kept.clear();
                            kept.extend_from_slice($new);
                        }
                    }
                }
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                other.0.as_ref().map_or(Ok(()), |v| self.add(v))
            }
            fn finish(&self) -> Result<Option<Vec<u8>>> {
                Ok(self.0.clone())
            }
            fn heap_bytes(&self) -> usize {
                self.0.as_ref().map_or(0, Vec::capacity)
            }
        }
    };
}
bytes!(MinText, |old, new| new < old);
bytes!(MaxText, |old, new| new > old);
bytes!(MinBpchar, |old, new| text::trimmed(new) < text::trimmed(old));
bytes!(MaxBpchar, |old, new| text::trimmed(new) > text::trimmed(old));

/// Any type, by the order that its registry row gives.
struct ByOrder {
    wanted: Ordering,
    oid: Oid,
    /// Found at first use, where the catalog can be asked.
    known: Option<CompareFn>,
}

impl ByOrder {
    fn make(call: &AggregateCall, wanted: Ordering) -> Result<Box<dyn Accumulator>> {
        let oid = call.arg_types.first().map(|t| t.oid).ok_or_else(kernel_arity)?;
        grouped(ByOrder { wanted, oid, known: None })
    }
    fn order(&mut self, cx: &EvalContext<'_>) -> Result<CompareFn> {
        if let Some(known) = self.known {
            return Ok(known);
        }
        let info = cx.io.type_ref(self.oid)?;
        let compare = info.functions.compare;
        let compare =
            compare.ok_or_else(|| Error::unsupported(format_args!("min and max of type {}", info.name)))?;
        Ok(*self.known.insert(compare))
    }
    fn offer(&self, compare: CompareFn, kept: &mut Datum, value: Datum) {
        // Of equal values the last one stays, as in PostgreSQL: 1.0 and 1.00 differ to the eye.
        if kept.is_null() || compare(kept, &value) != self.wanted {
            *kept = value;
        }
    }
}

impl PerGroup for ByOrder {
    type State = Datum;
    const MERGES: bool = true;
    fn empty(&self) -> Datum {
        Datum::Null
    }
    fn update(&mut self, states: &mut [Datum], cx: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        let &[a] = batch.args else { return Err(kernel_arity()) };
        let compare = self.order(cx)?;
        batch.each(states, |kept, i| {
            if !a.is_null(i) {
                self.offer(compare, kept, a.datum(i));
            }
            Ok(())
        })
    }
    fn learn(&mut self, other: &ByOrder) {
        self.known = self.known.or(other.known);
    }
    fn merge(&mut self, kept: &mut Datum, other: Datum) -> Result<()> {
        if let (Some(compare), false) = (self.known, other.is_null()) {
            self.offer(compare, kept, other);
        }
        Ok(())
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, states: &[Datum]) -> Result<Vector> {
        self.order(cx)?;
        column_of(cx, self.oid, states.iter())
    }
    fn heap_bytes(&self, states: &[Datum]) -> usize {
        states.iter().map(datum_bytes).sum()
    }
}

const MIN_ANY: AggregateImpl = order_insensitive(|call| ByOrder::make(call, Ordering::Less));
const MAX_ANY: AggregateImpl = order_insensitive(|call| ByOrder::make(call, Ordering::Greater));

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2133, "min", &[oids::INT2], oids::INT2, Body::Aggregate(folding::<MinI16>())).total(),
    FunctionDef::new(2132, "min", &[oids::INT4], oids::INT4, Body::Aggregate(folding::<MinI32>())).total(),
    FunctionDef::new(2131, "min", &[oids::INT8], oids::INT8, Body::Aggregate(folding::<MinI64>())).total(),
    FunctionDef::new(2134, "min", &[oids::OID], oids::OID, Body::Aggregate(folding::<MinU32>())).total(),
    FunctionDef::new(2135, "min", &[oids::FLOAT4], oids::FLOAT4, Body::Aggregate(folding::<MinF32>()))
        .total(),
    FunctionDef::new(2136, "min", &[oids::FLOAT8], oids::FLOAT8, Body::Aggregate(folding::<MinF64>()))
        .total(),
    FunctionDef::new(2138, "min", &[oids::DATE], oids::DATE, Body::Aggregate(folding::<MinI32>())).total(),
    FunctionDef::new(2139, "min", &[oids::TIME], oids::TIME, Body::Aggregate(folding::<MinI64>())).total(),
    FunctionDef::new(2142, "min", &[oids::TIMESTAMP], oids::TIMESTAMP, Body::Aggregate(folding::<MinI64>()))
        .total(),
    FunctionDef::new(
        2143,
        "min",
        &[oids::TIMESTAMPTZ],
        oids::TIMESTAMPTZ,
        Body::Aggregate(folding::<MinI64>()),
    )
    .total(),
    FunctionDef::new(2798, "min", &[oids::TID], oids::TID, Body::Aggregate(folding::<MinI64>())).total(),
    FunctionDef::new(2145, "min", &[oids::TEXT], oids::TEXT, Body::Aggregate(folding::<MinText>())).total(),
    FunctionDef::new(2245, "min", &[oids::BPCHAR], oids::BPCHAR, Body::Aggregate(folding::<MinBpchar>()))
        .total(),
    FunctionDef::new(2146, "min", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<Best<false>>()))
        .total(),
    FunctionDef::new(2144, "min", &[oids::INTERVAL], oids::INTERVAL, Body::Aggregate(MIN_ANY)).total(),
    FunctionDef::new(2140, "min", &[oids::TIMETZ], oids::TIMETZ, Body::Aggregate(MIN_ANY)).total(),
    FunctionDef::new(2051, "min", &[oids::ANYARRAY], oids::ANYARRAY, Body::Aggregate(MIN_ANY)),
    FunctionDef::new(4190, "min", &[oids::PG_LSN], oids::PG_LSN, Body::Aggregate(MIN_ANY)).total(),
    FunctionDef::new(5100, "min", &[oids::XID8], oids::XID8, Body::Aggregate(MIN_ANY)).total(),
    FunctionDef::new(2117, "max", &[oids::INT2], oids::INT2, Body::Aggregate(folding::<MaxI16>())).total(),
    FunctionDef::new(2116, "max", &[oids::INT4], oids::INT4, Body::Aggregate(folding::<MaxI32>())).total(),
    FunctionDef::new(2115, "max", &[oids::INT8], oids::INT8, Body::Aggregate(folding::<MaxI64>())).total(),
    FunctionDef::new(2118, "max", &[oids::OID], oids::OID, Body::Aggregate(folding::<MaxU32>())).total(),
    FunctionDef::new(2119, "max", &[oids::FLOAT4], oids::FLOAT4, Body::Aggregate(folding::<MaxF32>()))
        .total(),
    FunctionDef::new(2120, "max", &[oids::FLOAT8], oids::FLOAT8, Body::Aggregate(folding::<MaxF64>()))
        .total(),
    FunctionDef::new(2122, "max", &[oids::DATE], oids::DATE, Body::Aggregate(folding::<MaxI32>())).total(),
    FunctionDef::new(2123, "max", &[oids::TIME], oids::TIME, Body::Aggregate(folding::<MaxI64>())).total(),
    FunctionDef::new(2126, "max", &[oids::TIMESTAMP], oids::TIMESTAMP, Body::Aggregate(folding::<MaxI64>()))
        .total(),
    FunctionDef::new(
        2127,
        "max",
        &[oids::TIMESTAMPTZ],
        oids::TIMESTAMPTZ,
        Body::Aggregate(folding::<MaxI64>()),
    )
    .total(),
    FunctionDef::new(2797, "max", &[oids::TID], oids::TID, Body::Aggregate(folding::<MaxI64>())).total(),
    FunctionDef::new(2129, "max", &[oids::TEXT], oids::TEXT, Body::Aggregate(folding::<MaxText>())).total(),
    FunctionDef::new(2244, "max", &[oids::BPCHAR], oids::BPCHAR, Body::Aggregate(folding::<MaxBpchar>()))
        .total(),
    FunctionDef::new(2130, "max", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<Best<true>>()))
        .total(),
    FunctionDef::new(2128, "max", &[oids::INTERVAL], oids::INTERVAL, Body::Aggregate(MAX_ANY)).total(),
    FunctionDef::new(2124, "max", &[oids::TIMETZ], oids::TIMETZ, Body::Aggregate(MAX_ANY)).total(),
    FunctionDef::new(2050, "max", &[oids::ANYARRAY], oids::ANYARRAY, Body::Aggregate(MAX_ANY)),
    FunctionDef::new(4189, "max", &[oids::PG_LSN], oids::PG_LSN, Body::Aggregate(MAX_ANY)).total(),
    FunctionDef::new(5099, "max", &[oids::XID8], oids::XID8, Body::Aggregate(MAX_ANY)).total(),
    FunctionDef::new(3527, "min", &[oids::ANYENUM], oids::ANYENUM, Body::Aggregate(MIN_ANY)).total(),
    FunctionDef::new(3526, "max", &[oids::ANYENUM], oids::ANYENUM, Body::Aggregate(MAX_ANY)).total(),
];
