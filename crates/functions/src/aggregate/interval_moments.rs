//! `sum` and `avg` of interval; `sum` and `avg` of time go by its cast to interval.

use super::fold::Fold;
use super::folding;
use crate::{Body, FunctionDef};
use quarry_common::Result;
use quarry_types::datetime::Interval;
use quarry_types::oids;

macro_rules! interval_state {
    ($state:ident, |$s:ident| $finish:expr) => {
        #[derive(Clone, Default)]
        struct $state {
            sum: Interval,
            count: i64,
        }

        impl Fold for $state {
            type In<'a> = Interval;
            type Out = Interval;
            const RETRACT: bool = true;
            fn add(&mut self, value: Interval) -> Result<()> {
                self.sum = self.sum.add(value)?;
                self.count += 1;
                Ok(())
            }
            fn sub(&mut self, value: Interval) -> Result<()> {
                self.sum = self.sum.sub(value)?;
                self.count -= 1;
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                self.sum = self.sum.add(other.sum)?;
                self.count += other.count;
                Ok(())
            }
            fn finish(&self) -> Result<Option<Interval>> {
                let $s = self;
                if $s.count == 0 { Ok(None) } else { $finish.map(Some) }
            }
        }
    };
}
interval_state!(Sum, |s| Ok(s.sum));
interval_state!(Avg, |s| s.sum.div(s.count as f64));

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2113, "sum", &[oids::INTERVAL], oids::INTERVAL, Body::Aggregate(folding::<Sum>())),
    FunctionDef::new(2106, "avg", &[oids::INTERVAL], oids::INTERVAL, Body::Aggregate(folding::<Avg>())),
];
