//! `bool_and`, `bool_or`, `every`, `bit_and`, `bit_or`, `bit_xor`.

use super::fold::Fold;
use super::folding;
use crate::{Body, FunctionDef};
use quarry_common::Result;
use quarry_types::oids;

macro_rules! fold_with {
    ($state:ident, $t:ty, $op:tt) => {
        #[derive(Clone, Default)]
        struct $state(Option<$t>);

        impl Fold for $state {
            type In<'a> = $t;
            type Out = $t;
            #[inline(always)]
            fn add(&mut self, value: $t) -> Result<()> {
                self.0 = Some(self.0.map_or(value, |v| v $op value));
                Ok(())
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
fold_with!(BoolOr, bool, |);
fold_with!(And2, i16, &);
fold_with!(And4, i32, &);
fold_with!(And8, i64, &);
fold_with!(Or2, i16, |);
fold_with!(Or4, i32, |);
fold_with!(Or8, i64, |);
fold_with!(Xor2, i16, ^);
fold_with!(Xor4, i32, ^);
fold_with!(Xor8, i64, ^);
fold_with!(BoolAnd, bool, &);

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2517, "bool_and", &[oids::BOOL], oids::BOOL, Body::Aggregate(folding::<BoolAnd>()))
        .total(),
    FunctionDef::new(2519, "every", &[oids::BOOL], oids::BOOL, Body::Aggregate(folding::<BoolAnd>())).total(),
    FunctionDef::new(2518, "bool_or", &[oids::BOOL], oids::BOOL, Body::Aggregate(folding::<BoolOr>()))
        .total(),
    FunctionDef::new(2236, "bit_and", &[oids::INT2], oids::INT2, Body::Aggregate(folding::<And2>())).total(),
    FunctionDef::new(2238, "bit_and", &[oids::INT4], oids::INT4, Body::Aggregate(folding::<And4>())).total(),
    FunctionDef::new(2240, "bit_and", &[oids::INT8], oids::INT8, Body::Aggregate(folding::<And8>())).total(),
    FunctionDef::new(2237, "bit_or", &[oids::INT2], oids::INT2, Body::Aggregate(folding::<Or2>())).total(),
    FunctionDef::new(2239, "bit_or", &[oids::INT4], oids::INT4, Body::Aggregate(folding::<Or4>())).total(),
    FunctionDef::new(2241, "bit_or", &[oids::INT8], oids::INT8, Body::Aggregate(folding::<Or8>())).total(),
    FunctionDef::new(6164, "bit_xor", &[oids::INT2], oids::INT2, Body::Aggregate(folding::<Xor2>())).total(),
    FunctionDef::new(6165, "bit_xor", &[oids::INT4], oids::INT4, Body::Aggregate(folding::<Xor4>())).total(),
    FunctionDef::new(6166, "bit_xor", &[oids::INT8], oids::INT8, Body::Aggregate(folding::<Xor8>())).total(),
];
