//! `sum` and `avg` of integers: of up to 32 bits in 64, which PostgreSQL lets wrap too, of 64 bits in 128.

use super::fold::Fold;
use super::folding;
use crate::{Body, FunctionDef};
use quarry_common::Result;
use quarry_types::numeric::Numeric;
use quarry_types::oids;

/// Sum and count.
#[derive(Clone, Default)]
struct IntSum<W> {
    sum: W,
    count: i64,
}

macro_rules! int_sum {
    ($state:ident, $t:ty, $wide:ty, $out:ty, $finish:expr) => {
        #[derive(Clone, Default)]
        struct $state(IntSum<$wide>);

        impl Fold for $state {
            type In<'a> = $t;
            type Out = $out;
            const RETRACT: bool = true;
            #[inline(always)]
            fn add(&mut self, value: $t) -> Result<()> {
                self.0.sum = self.0.sum.wrapping_add(value.into());
                self.0.count += 1;
                Ok(())
            }
            // Chunks small enough that the wider type can't overflow.
            fn add_all(&mut self, column: &[$t], n: usize) -> Result<()> {
                for chunk in column[..n].chunks(1 << 16) {
                    let sum = chunk.iter().map(|v| <$wide>::from(*v)).sum::<$wide>();
                    self.0.sum = self.0.sum.wrapping_add(sum);
                }
                self.0.count += n as i64;
                Ok(())
            }
            fn add_valid(&mut self, column: &[$t], valid: &[bool]) -> Result<()> {
                for (chunk, flags) in column.chunks(1 << 16).zip(valid.chunks(1 << 16)) {
                    let pairs = chunk.iter().zip(flags);
                    let sum = pairs.map(|(v, ok)| <$wide>::from(*v) * <$wide>::from(*ok)).sum::<$wide>();
                    self.0.sum = self.0.sum.wrapping_add(sum);
                    self.0.count += flags.iter().map(|ok| i64::from(*ok)).sum::<i64>();
                }
                Ok(())
            }
            fn sub(&mut self, value: $t) -> Result<()> {
                self.0.sum = self.0.sum.wrapping_sub(value.into());
                self.0.count -= 1;
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                self.0.sum = self.0.sum.wrapping_add(other.0.sum);
                self.0.count += other.0.count;
                Ok(())
            }
            fn finish(&self) -> Result<Option<$out>> {
                if self.0.count == 0 { Ok(None) } else { $finish(&self.0) }
            }
        }
    };
}

fn as_int8(s: &IntSum<i64>) -> Result<Option<i64>> {
    Ok(Some(s.sum))
}

fn as_numeric(s: &IntSum<i128>) -> Result<Option<Numeric>> {
    Ok(Some(Numeric::from_i128_scaled(s.sum, 0)))
}

fn average<W: Copy + Into<i128>>(s: &IntSum<W>) -> Result<Option<Numeric>> {
    Numeric::from_i128_scaled(s.sum.into(), 0).div(&Numeric::from_i64(s.count)).map(Some)
}

int_sum!(SumInt2, i16, i64, i64, as_int8);
int_sum!(SumInt4, i32, i64, i64, as_int8);
int_sum!(SumInt8, i64, i128, Numeric, as_numeric);
int_sum!(AvgInt2, i16, i64, Numeric, average);
int_sum!(AvgInt4, i32, i64, Numeric, average);
int_sum!(AvgInt8, i64, i128, Numeric, average);

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2109, "sum", &[oids::INT2], oids::INT8, Body::Aggregate(folding::<SumInt2>())).total(),
    FunctionDef::new(2108, "sum", &[oids::INT4], oids::INT8, Body::Aggregate(folding::<SumInt4>())).total(),
    FunctionDef::new(2107, "sum", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<SumInt8>()))
        .total(),
    FunctionDef::new(2102, "avg", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<AvgInt2>()))
        .total(),
    FunctionDef::new(2101, "avg", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<AvgInt4>()))
        .total(),
    FunctionDef::new(2100, "avg", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<AvgInt8>()))
        .total(),
];
