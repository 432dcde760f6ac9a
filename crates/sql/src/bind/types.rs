//! Type names to types (PostgreSQL: parse_type.c).

use super::Binder;
use super::coerce::at;
use crate::ast::{self, ExprKind, IntervalFields, Literal};
use quarry_common::{Error, Result, err};
use quarry_types::{SqlType, oids};

impl Binder<'_> {
    /// The type and modifier that a type name means; 42704 if there is none.
    pub(super) fn type_name_to_type(&self, name: &ast::TypeName) -> Result<SqlType> {
        if name.pct_type {
            return self.column_type_reference(name);
        }
        let found = match &name.names[..] {
            [schema, oid] if self.stored && schema == super::view::BY_OID => {
                Some(super::view::oid_name(oid)?)
            }
            names => self.reader.find_type(names).map_err(|e| at(e, name.pos))?,
        };
        let oid = match found {
            Some(oid) => oid,
            None => {
                let e = err!(UNDEFINED_OBJECT, "type \"{}\" does not exist", name.names.join("."));
                return Err(at(e, name.pos));
            }
        };
        let info = self.io.type_ref(oid)?;
        let typmod = if oid == oids::INTERVAL {
            self.warn_of_precision(name, "INTERVAL", "")?;
            interval_typmod(name)?
        } else if name.typmods.is_empty() {
            -1
        } else {
            let Some(parse) = info.functions.typmod_in else {
                let shown = self.type_name(oid);
                return Err(at(
                    err!(SYNTAX_ERROR, "type modifier is not allowed for type \"{shown}\""),
                    name.pos,
                ));
            };
            let texts = typmod_texts(name)?;
            let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
            match oid {
                oids::TIME => self.warn_of_precision(name, "TIME", "")?,
                oids::TIMETZ => self.warn_of_precision(name, "TIME", " WITH TIME ZONE")?,
                oids::TIMESTAMP => self.warn_of_precision(name, "TIMESTAMP", "")?,
                oids::TIMESTAMPTZ => self.warn_of_precision(name, "TIMESTAMP", " WITH TIME ZONE")?,
                _ => {}
            }
            parse(&refs).map_err(|e| at(e, name.pos))?
        };
        if name.array_bounds.is_empty() {
            return Ok(SqlType::with_typmod(oid, typmod));
        }
        match self.array_type(oid)? {
            Some(array) => Ok(SqlType::with_typmod(array, typmod)),
            None => {
                let e = err!(UNDEFINED_OBJECT, "type \"{}[]\" does not exist", name.names.join("."));
                Err(at(e, name.pos))
            }
        }
    }

    /// Warns that seconds have six digits at most, where a type asks for more.
    fn warn_of_precision(&self, name: &ast::TypeName, what: &str, zone: &str) -> Result<()> {
        const PRECISION_MAX: i64 = 6;
        let precision = typmod_texts(name)?.first().and_then(|t| t.parse::<i64>().ok());
        if let Some(p) = precision.filter(|p| *p > PRECISION_MAX) {
            let warning = err!(
                INVALID_PARAMETER_VALUE,
                "{what}({p}){zone} precision reduced to maximum allowed, {PRECISION_MAX}"
            );
            self.io.warn(at(warning, name.pos));
        }
        Ok(())
    }

    /// `table.column%TYPE`.
    fn column_type_reference(&self, name: &ast::TypeName) -> Result<SqlType> {
        let Some((column, relation)) = name.names.split_last() else {
            return Err(Error::internal("%TYPE without a name"));
        };
        if relation.is_empty() {
            let e = err!(SYNTAX_ERROR, "improper %TYPE reference (too few dotted names): {column}");
            return Err(at(e, name.pos));
        }
        let table = self.reader.resolve_relation(relation, ast::error_position(name.pos))?;
        match table.column_named(column) {
            Some((_, c)) => Ok(c.ty),
            None => {
                let e = err!(
                    UNDEFINED_COLUMN,
                    "column \"{column}\" of relation \"{}\" does not exist",
                    table.name
                );
                Err(at(e, name.pos))
            }
        }
    }
}

/// Modifiers as their type's function wants them: texts of constants.
fn typmod_texts(name: &ast::TypeName) -> Result<Vec<String>> {
    name.typmods
        .iter()
        .map(|e| match &e.kind {
            ExprKind::Const(Literal::Integer(i)) => Ok(i.to_string()),
            ExprKind::Const(Literal::Float(s) | Literal::String(s)) => Ok(s.clone()),
            ExprKind::ColumnRef { names, star: false } if names.len() == 1 => Ok(names[0].clone()),
            ExprKind::Op { op, left: None, right } if op.name == "-" => match &right.kind {
                ExprKind::Const(Literal::Integer(i)) => Ok(format!("-{i}")),
                _ => Err(not_constant(name)),
            },
            _ => Err(not_constant(name)),
        })
        .collect()
}

fn not_constant(name: &ast::TypeName) -> Error {
    at(err!(SYNTAX_ERROR, "type modifiers must be simple constants or identifiers"), name.pos)
}

/// An interval type's modifier, in PostgreSQL's packing: range of fields in the upper half, precision in the lower (0xffff: full).
pub fn interval_typmod(name: &ast::TypeName) -> Result<i32> {
    const YEAR: i32 = 1 << 2;
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    let range = name.interval_fields.map(|f| match f {
        IntervalFields::Year => YEAR,
        IntervalFields::Month => MONTH,
        IntervalFields::Day => DAY,
        IntervalFields::Hour => HOUR,
        IntervalFields::Minute => MINUTE,
        IntervalFields::Second => SECOND,
        IntervalFields::YearToMonth => YEAR | MONTH,
        IntervalFields::DayToHour => DAY | HOUR,
        IntervalFields::DayToMinute => DAY | HOUR | MINUTE,
        IntervalFields::DayToSecond => DAY | HOUR | MINUTE | SECOND,
        IntervalFields::HourToMinute => HOUR | MINUTE,
        IntervalFields::HourToSecond => HOUR | MINUTE | SECOND,
        IntervalFields::MinuteToSecond => MINUTE | SECOND,
    });
    let precision = match typmod_texts(name)?.first() {
        None => None,
        Some(text) => match text.parse::<i32>() {
            Ok(p) if p < 0 => {
                return Err(at(
                    err!(INVALID_PARAMETER_VALUE, "INTERVAL({p}) precision must not be negative"),
                    name.pos,
                ));
            }
            Ok(p) => Some(p.min(6)),
            Err(_) => return Err(not_constant(name)),
        },
    };
    Ok(match (range, precision) {
        (None, None) => -1,
        (range, precision) => (range.unwrap_or(FULL_RANGE) << 16) | precision.unwrap_or(FULL_PRECISION),
    })
}
