//! Leaves of plans: tables by several ways, VALUES, functions, common table expressions.

pub mod bitmap;
pub mod cte;
pub mod function;
pub mod index;
pub mod key_value;
pub mod methods;
pub mod range;
pub mod rows;
pub mod seq;
pub mod tid;
pub mod tid_bitmap;
pub mod values;
