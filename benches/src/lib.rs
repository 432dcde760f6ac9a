//! Measurements of Quarry: criterion benches of single parts, and the record of side-by-side runs with PostgreSQL 15 in `RESULTS.md`.
#![forbid(unsafe_code)]
