//! Scalar functions, by family. Each family file has its list of declarations and its kernels.

pub mod arithmetic;
pub mod array;
pub mod binary;
pub mod case;
pub mod catalog_info;
pub mod compare;
pub mod concat;
pub mod datetime;
pub mod format;
pub mod hash;
pub mod json;
pub mod json_build;
pub mod json_path;
pub mod like;
pub mod math;
pub mod quote;
pub mod regex;
pub mod regexp;
pub mod session;
pub mod string;
pub mod string_array;
pub mod string_parts;
pub mod type_io;
