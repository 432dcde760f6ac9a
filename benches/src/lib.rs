//! Measurements of Quarry: criterion benches of single parts and side-by-side runs with PostgreSQL 15. None has been taken yet.
#![forbid(unsafe_code)]
