//! How kernels read their arguments: one trait, implemented for what a closure may take.

use quarry_types::array::ArrayRef;
use quarry_types::datetime::{Interval, TimeTz};
use quarry_types::numeric::NumericRef;
use quarry_types::{Datum, Vector, VectorData};

/// A kernel's argument type. Columns are opened once per batch and then read by row number.
pub trait Arg<'a>: Clone {
    /// Any stored value may be computed with, also one under NULL or outside the selection.
    const TOTAL: bool = false;
    /// NULL is seen by the kernel (`Option`, [`Datum`]); otherwise NULL in means NULL out.
    const NULLABLE: bool = false;
    type Column: Copy;
    /// Opens the first `stored` values.
    fn open(v: &'a Vector, stored: usize) -> Self::Column;
    fn at(column: Self::Column, i: usize) -> Self;
    fn of(d: &'a Datum) -> Self;
}

macro_rules! plain {
    ($t:ty, $variant:ident, $as:ident) => {
        impl<'a> Arg<'a> for $t {
            const TOTAL: bool = true;
            type Column = &'a [$t];
            #[inline(always)]
            fn open(v: &'a Vector, stored: usize) -> &'a [$t] {
                match v.data() {
                    VectorData::$variant(c) => &c[..stored],
                    _ => wrong(stringify!($t), v),
                }
            }
            #[inline(always)]
            fn at(column: &'a [$t], i: usize) -> $t {
                column[i]
            }
            #[inline(always)]
            fn of(d: &'a Datum) -> $t {
                d.$as()
            }
        }
    };
}
plain!(bool, Bool, as_bool);
plain!(i16, I16, as_i16);
plain!(i32, I32, as_i32);
plain!(u32, U32, as_u32);
plain!(i64, I64, as_i64);
plain!(f32, F32, as_f32);
plain!(f64, F64, as_f64);

/// The plan's types guarantee the physical form; another one is a bug of the binder.
#[cold]
fn wrong(wanted: &str, v: &Vector) -> ! {
    panic!("kernel wants {wanted}, was given {:?}", v.physical())
}

impl<'a> Arg<'a> for [u8; 16] {
    const TOTAL: bool = true;
    type Column = &'a [[u8; 16]];
    #[inline(always)]
    fn open(v: &'a Vector, stored: usize) -> Self::Column {
        match v.data() {
            VectorData::B16(c) => &c[..stored],
            _ => wrong("sixteen bytes", v),
        }
    }
    #[inline(always)]
    fn at(column: Self::Column, i: usize) -> Self {
        column[i]
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        *d.as_b16()
    }
}

impl<'a> Arg<'a> for &'a [u8] {
    type Column = &'a quarry_types::BytesColumn;
    #[inline(always)]
    fn open(v: &'a Vector, _: usize) -> Self::Column {
        match v.data() {
            VectorData::Bytes(c) => c,
            _ => wrong("bytes", v),
        }
    }
    #[inline(always)]
    fn at(column: Self::Column, i: usize) -> Self {
        column.get(i)
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        d.as_bytes()
    }
}

/// Text: `&[u8]` that is known to be UTF-8. Kernels that need no characters take `&[u8]`, which costs less.
impl<'a> Arg<'a> for &'a str {
    type Column = &'a quarry_types::BytesColumn;
    #[inline(always)]
    fn open(v: &'a Vector, stored: usize) -> Self::Column {
        <&[u8]>::open(v, stored)
    }
    #[inline(always)]
    fn at(column: Self::Column, i: usize) -> Self {
        std::str::from_utf8(column.get(i)).expect("text values are checked when they enter")
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        d.as_str()
    }
}

/// NULL as `None`: for functions that are not strict in this argument.
impl<'a, A: Arg<'a>> Arg<'a> for Option<A> {
    const NULLABLE: bool = true;
    type Column = (A::Column, Option<&'a [bool]>);
    #[inline(always)]
    fn open(v: &'a Vector, stored: usize) -> Self::Column {
        (A::open(v, stored), v.validity())
    }
    #[inline(always)]
    fn at((column, valid): Self::Column, i: usize) -> Self {
        if valid.is_none_or(|v| v[i]) { Some(A::at(column, i)) } else { None }
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        if d.is_null() { None } else { Some(A::of(d)) }
    }
}

/// Any value, also NULL: for polymorphic arguments (types are in [`crate::EvalContext::arg_types`]).
impl<'a> Arg<'a> for Datum {
    const NULLABLE: bool = true;
    type Column = &'a Vector;
    #[inline(always)]
    fn open(v: &'a Vector, _: usize) -> &'a Vector {
        v
    }
    #[inline(always)]
    fn at(column: &'a Vector, i: usize) -> Datum {
        column.datum(i)
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Datum {
        d.clone()
    }
}

impl<'a> Arg<'a> for NumericRef<'a> {
    type Column = &'a quarry_types::BytesColumn;
    #[inline(always)]
    fn open(v: &'a Vector, stored: usize) -> Self::Column {
        <&[u8]>::open(v, stored)
    }
    #[inline(always)]
    fn at(column: Self::Column, i: usize) -> Self {
        NumericRef::new(column.get(i))
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        NumericRef::new(d.as_bytes())
    }
}

/// Values whose stored form is sixteen bytes.
macro_rules! sixteen {
    ($t:ty) => {
        impl<'a> Arg<'a> for $t {
            const TOTAL: bool = true;
            type Column = &'a [[u8; 16]];
            #[inline(always)]
            fn open(v: &'a Vector, stored: usize) -> Self::Column {
                <[u8; 16]>::open(v, stored)
            }
            #[inline(always)]
            fn at(column: Self::Column, i: usize) -> Self {
                <$t>::from_bytes(&column[i])
            }
            #[inline(always)]
            fn of(d: &'a Datum) -> Self {
                <$t>::from_bytes(d.as_b16())
            }
        }
    };
}
sixteen!(Interval);
sixteen!(TimeTz);

/// Any value but NULL: for strict polymorphic arguments.
#[derive(Clone, Debug)]
pub struct Value(pub Datum);

impl<'a> Arg<'a> for Value {
    type Column = &'a Vector;
    #[inline(always)]
    fn open(v: &'a Vector, _: usize) -> &'a Vector {
        v
    }
    #[inline(always)]
    fn at(column: &'a Vector, i: usize) -> Value {
        Value(column.datum(i))
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Value {
        Value(d.clone())
    }
}

impl<'a> Arg<'a> for ArrayRef<'a> {
    type Column = &'a quarry_types::BytesColumn;
    #[inline(always)]
    fn open(v: &'a Vector, stored: usize) -> Self::Column {
        <&[u8]>::open(v, stored)
    }
    #[inline(always)]
    fn at(column: Self::Column, i: usize) -> Self {
        ArrayRef::new(column.get(i))
    }
    #[inline(always)]
    fn of(d: &'a Datum) -> Self {
        ArrayRef::of(d)
    }
}
