//! Shapes of anonymous rows: their fields' names and types, known by a number (PostgreSQL: `assign_record_type_typmod`).
//!
//! A shape's number is the modifier of type `record`, and stands in the records themselves, so that a row keeps its names wherever it
//! goes: into arrays, other records, aggregates. The table lives as long as the process and only grows, up to [`SHAPES_MAX`];
//! rows of further shapes have no number, and their fields are called f1, f2 and so on.

use crate::{SqlType, oids};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

/// Most shapes that are remembered.
const SHAPES_MAX: usize = 1 << 16;

/// Names and types of a row's fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    pub names: Arc<[String]>,
    pub types: Arc<[SqlType]>,
}

#[derive(Default)]
struct Shapes {
    numbers: HashMap<Arc<Shape>, i32>,
    shapes: Vec<Arc<Shape>>,
}

static SHAPES: LazyLock<RwLock<Shapes>> = LazyLock::new(RwLock::default);

/// The type `record` of rows with these fields.
pub fn record_type(names: Vec<String>, types: Vec<SqlType>) -> SqlType {
    debug_assert_eq!(names.len(), types.len());
    let shape = Shape { names: names.into(), types: types.into() };
    SqlType::with_typmod(oids::RECORD, number(shape))
}

fn number(shape: Shape) -> i32 {
    // A panic while the lock is held leaves nothing half done: each write is one push and one insert.
    let read = SHAPES.read().unwrap_or_else(|e| e.into_inner());
    if let Some(n) = read.numbers.get(&shape) {
        return *n;
    }
    drop(read);
    let mut table = SHAPES.write().unwrap_or_else(|e| e.into_inner());
    if let Some(n) = table.numbers.get(&shape) {
        return *n;
    }
    let n = table.shapes.len();
    if n >= SHAPES_MAX {
        return -1;
    }
    let shape = Arc::new(shape);
    table.shapes.push(shape.clone());
    table.numbers.insert(shape, n as i32);
    n as i32
}

/// The shape of a modifier of `record`.
pub fn shape_of(typmod: i32) -> Option<Arc<Shape>> {
    let n = usize::try_from(typmod).ok()?;
    SHAPES.read().unwrap_or_else(|e| e.into_inner()).shapes.get(n).cloned()
}
