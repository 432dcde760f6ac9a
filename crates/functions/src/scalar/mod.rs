//! Scalar functions, by family. Each family file has its list of declarations and its kernels.

pub mod arithmetic;
pub mod catalog_info;
pub mod compare;
pub mod concat;
pub mod hash;
pub mod math;
pub mod session;
pub mod type_io;
