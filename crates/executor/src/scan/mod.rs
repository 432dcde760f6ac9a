//! Leaves of plans: tables by several ways, VALUES, functions, common table expressions.

mod ahead;
pub mod bitmap;
pub mod cte;
pub mod filters;
pub mod function;
pub mod index;
pub mod key_value;
pub mod methods;
mod narrow;
pub mod page_filter;
mod page_test;
pub mod range;
pub mod rows;
pub mod seq;
pub mod shared;
mod starts;
pub mod tid;
pub mod tid_bitmap;
pub mod values;
