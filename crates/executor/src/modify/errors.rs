//! The texts of constraint violations.

use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Error, SqlState, err};
use quarry_types::io::IoContext;
use quarry_types::{Datum, SqlType};

/// Longest value shown in a detail, in bytes (PostgreSQL: maxfieldlen of ExecBuildSlotValueDescription).
const SHOWN_BYTES_MAX: usize = 64;

/// A value as details show it.
pub fn shown(value: &Datum, ty: SqlType, io: &IoContext<'_>) -> String {
    if value.is_null() {
        return "null".into();
    }
    match io.type_ref(ty.oid).and_then(|t| t.output_string(value, io)) {
        Ok(text) => text,
        Err(_) => "?".into(),
    }
}

/// `(1, abc, null)`.
pub fn row_text(row: &[Datum], types: &[SqlType], io: &IoContext<'_>) -> String {
    let values: Vec<String> = row
        .iter()
        .zip(types)
        .map(|(v, ty)| {
            let mut text = shown(v, *ty, io);
            if text.len() > SHOWN_BYTES_MAX {
                let mut cut = SHOWN_BYTES_MAX;
                while !text.is_char_boundary(cut) {
                    cut -= 1;
                }
                text.truncate(cut);
                text.push_str("...");
            }
            text
        })
        .collect();
    format!("({})", values.join(", "))
}

/// 23502.
pub fn null_violation(
    relation: &Relation,
    column: &str,
    row: &[Datum],
    types: &[SqlType],
    io: &IoContext<'_>,
) -> Error {
    err!(
        NOT_NULL_VIOLATION,
        "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
        relation.name
    )
    .detail(format!("Failing row contains {}.", row_text(row, types, io)))
    .schema(&relation.schema_name)
    .table(&relation.name)
    .column(column)
}

/// 23514.
pub fn check_violation(
    relation: &Relation,
    constraint: &str,
    row: &[Datum],
    types: &[SqlType],
    io: &IoContext<'_>,
) -> Error {
    err!(
        CHECK_VIOLATION,
        "new row for relation \"{}\" violates check constraint \"{constraint}\"",
        relation.name
    )
    .detail(format!("Failing row contains {}.", row_text(row, types, io)))
    .schema(&relation.schema_name)
    .table(&relation.name)
    .constraint(constraint)
}

/// 44000.
pub fn view_violation(view: &str, row: &[Datum], types: &[SqlType], io: &IoContext<'_>) -> Error {
    err!(WITH_CHECK_OPTION_VIOLATION, "new row violates check option for view \"{view}\"")
        .detail(format!("Failing row contains {}.", row_text(row, types, io)))
}

/// `(a, b)=(1, 2)` of an index key.
pub fn key_text(relation: &Relation, index: &IndexDef, keys: &[Datum], io: &IoContext<'_>) -> String {
    let names: Vec<String> = index
        .keys
        .iter()
        .map(|k| match (k.column, &k.expr_sql) {
            (Some(c), _) => quarry_catalog::quote_identifier(&relation.columns[c].name),
            (None, Some(sql)) => sql.clone(),
            (None, None) => String::new(),
        })
        .collect();
    let values: Vec<String> = keys.iter().zip(&index.keys).map(|(v, k)| shown(v, k.ty, io)).collect();
    format!("({})=({})", names.join(", "), values.join(", "))
}

/// 23505.
pub fn unique_violation(relation: &Relation, index: &IndexDef, keys: &[Datum], io: &IoContext<'_>) -> Error {
    err!(UNIQUE_VIOLATION, "duplicate key value violates unique constraint \"{}\"", index.name)
        .detail(format!("Key {} already exists.", key_text(relation, index, keys, io)))
        .schema(&relation.schema_name)
        .table(&relation.name)
        .constraint(&index.name)
}

/// Names the table in the B-tree's 54000 for an entry that is too long; other errors stay as they are.
pub fn index_row_too_long(mut e: Error, relation: &Relation, index: &IndexDef) -> Error {
    if e.sqlstate() != SqlState::PROGRAM_LIMIT_EXCEEDED {
        return e;
    }
    let Some(detail) = e.fields_mut().detail.take() else { return e };
    e.detail(format!("{detail} in relation \"{}\".", relation.name))
        .schema(&relation.schema_name)
        .table(&relation.name)
        .constraint(&index.name)
}

/// 40001, for REPEATABLE READ.
pub fn concurrent_update() -> Error {
    err!(T_R_SERIALIZATION_FAILURE, "could not serialize access due to concurrent update")
}

/// 40001, for REPEATABLE READ.
pub fn concurrent_delete() -> Error {
    err!(T_R_SERIALIZATION_FAILURE, "could not serialize access due to concurrent delete")
}
