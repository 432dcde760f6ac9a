//! How kernels give back their results: one trait, implemented for what a closure may answer.

use bytes::Bytes;
use quarry_common::Result;
use quarry_types::datetime::{Interval, TimeTz};
use quarry_types::numeric::Numeric;
use quarry_types::{BytesColumn, Datum, Vector, VectorData};

/// Validity flags under construction; absent: no NULLs so far.
pub type Validity = Option<Vec<bool>>;

/// A kernel's result type: a plain value, an owned string, or one of those in `Option` (NULL) or `Result`.
pub trait Res: Sized {
    /// Whether it may be an error.
    const FALLIBLE: bool = false;
    /// Whether it may be NULL though no argument is.
    const NULLABLE: bool = false;
    /// The column being filled by position.
    type Store;
    /// Bytes that values of varying length take in the column so far.
    #[inline(always)]
    fn heap_bytes(_: &Self::Store) -> usize {
        0
    }
    /// Room for `n` values.
    fn store(n: usize) -> Self::Store;
    fn put(self, store: &mut Self::Store, valid: &mut Validity, i: usize) -> Result<()>;
    /// All of `0..n` at once, where nothing is skipped.
    #[inline(always)]
    fn fill(n: usize, valid: &mut Validity, mut f: impl FnMut(usize) -> Self) -> Result<Self::Store> {
        let mut store = Self::store(n);
        for i in 0..n {
            f(i).put(&mut store, valid, i)?;
        }
        Ok(store)
    }
    fn column(store: Self::Store) -> VectorData;
    fn into_datum(self) -> Result<Datum>;
    /// A vector from a filled store.
    fn vector(store: Self::Store, valid: Validity) -> Vector {
        Vector::from_parts(Self::column(store), valid)
    }
}

macro_rules! plain {
    ($t:ty, $variant:ident, $zero:expr) => {
        impl Res for $t {
            type Store = Vec<$t>;
            #[inline(always)]
            fn store(n: usize) -> Vec<$t> {
                vec![$zero; n]
            }
            #[inline(always)]
            fn put(self, store: &mut Vec<$t>, _: &mut Validity, i: usize) -> Result<()> {
                store[i] = self;
                Ok(())
            }
            // An exact-size collect lets the compiler vectorise the kernel.
            #[inline(always)]
            fn fill(n: usize, _: &mut Validity, f: impl FnMut(usize) -> Self) -> Result<Vec<$t>> {
                Ok((0..n).map(f).collect())
            }
            fn column(store: Vec<$t>) -> VectorData {
                VectorData::$variant(store)
            }
            #[inline(always)]
            fn into_datum(self) -> Result<Datum> {
                Ok(Datum::$variant(self))
            }
        }
    };
}
plain!(bool, Bool, false);
plain!(i16, I16, 0);
plain!(i32, I32, 0);
plain!(u32, U32, 0);
plain!(i64, I64, 0);
plain!(f32, F32, 0.0);
plain!(f64, F64, 0.0);
plain!([u8; 16], B16, [0; 16]);

macro_rules! varying {
    ($t:ty, $v:ident => $bytes:expr, $datum:expr) => {
        impl Res for $t {
            type Store = BytesColumn;
            #[inline(always)]
            fn heap_bytes(store: &BytesColumn) -> usize {
                store.heap_bytes()
            }
            fn store(n: usize) -> BytesColumn {
                let mut c = BytesColumn::with_capacity(n);
                c.resize(n);
                c
            }
            #[inline(always)]
            fn put(self, store: &mut BytesColumn, _: &mut Validity, i: usize) -> Result<()> {
                let $v = &self;
                let bytes: &[u8] = $bytes;
                super::check_value_size(bytes.len())?;
                store.set(i, bytes);
                Ok(())
            }
            fn column(store: BytesColumn) -> VectorData {
                VectorData::Bytes(store)
            }
            fn into_datum(self) -> Result<Datum> {
                let $v = self;
                let bytes: Bytes = $datum;
                super::check_value_size(bytes.len())?;
                Ok(Datum::Bytes(bytes))
            }
        }
    };
}
varying!(String, v => v.as_bytes(), Bytes::from(v));
varying!(Vec<u8>, v => v, Bytes::from(v));
varying!(Bytes, v => v, v);
varying!(&str, v => v.as_bytes(), Bytes::copy_from_slice(v.as_bytes()));
varying!(&[u8], v => v, Bytes::copy_from_slice(v));
varying!(std::borrow::Cow<'_, str>, v => v.as_bytes(), Bytes::from(v.into_owned()));
varying!(std::borrow::Cow<'_, [u8]>, v => v, Bytes::from(v.into_owned()));

/// None is NULL.
impl<T: Res> Res for Option<T> {
    const FALLIBLE: bool = T::FALLIBLE;
    const NULLABLE: bool = true;
    type Store = T::Store;
    #[inline(always)]
    fn heap_bytes(store: &T::Store) -> usize {
        T::heap_bytes(store)
    }
    fn store(n: usize) -> T::Store {
        T::store(n)
    }
    #[inline(always)]
    fn put(self, store: &mut T::Store, valid: &mut Validity, i: usize) -> Result<()> {
        match self {
            Some(v) => v.put(store, valid, i),
            None => {
                // The position is beyond the flags only while `fill` makes its first NULL.
                mark_null(valid, i);
                Ok(())
            }
        }
    }
    fn fill(n: usize, valid: &mut Validity, mut f: impl FnMut(usize) -> Self) -> Result<Self::Store> {
        let mut store = Self::store(n);
        for i in 0..n {
            match f(i) {
                Some(v) => v.put(&mut store, valid, i)?,
                None => valid.get_or_insert_with(|| vec![true; n])[i] = false,
            }
        }
        Ok(store)
    }
    fn column(store: T::Store) -> VectorData {
        T::column(store)
    }
    fn into_datum(self) -> Result<Datum> {
        self.map_or(Ok(Datum::Null), T::into_datum)
    }
}

fn mark_null(valid: &mut Validity, i: usize) {
    valid.as_mut().expect("loops give nullable results their flags")[i] = false;
}

impl<T: Res> Res for Result<T> {
    const FALLIBLE: bool = true;
    const NULLABLE: bool = T::NULLABLE;
    type Store = T::Store;
    #[inline(always)]
    fn heap_bytes(store: &T::Store) -> usize {
        T::heap_bytes(store)
    }
    fn store(n: usize) -> T::Store {
        T::store(n)
    }
    #[inline(always)]
    fn put(self, store: &mut T::Store, valid: &mut Validity, i: usize) -> Result<()> {
        self?.put(store, valid, i)
    }
    fn column(store: T::Store) -> VectorData {
        T::column(store)
    }
    fn into_datum(self) -> Result<Datum> {
        self?.into_datum()
    }
}

varying!(Numeric, v => v.as_bytes(), Bytes::copy_from_slice(v.as_bytes()));

macro_rules! sixteen {
    ($t:ty) => {
        impl Res for $t {
            type Store = Vec<[u8; 16]>;
            fn store(n: usize) -> Self::Store {
                vec![[0; 16]; n]
            }
            #[inline(always)]
            fn put(self, store: &mut Self::Store, _: &mut Validity, i: usize) -> Result<()> {
                store[i] = self.to_bytes();
                Ok(())
            }
            fn column(store: Self::Store) -> VectorData {
                VectorData::B16(store)
            }
            fn into_datum(self) -> Result<Datum> {
                Ok(Datum::B16(self.to_bytes()))
            }
        }
    };
}
sixteen!(Interval);
sixteen!(TimeTz);
