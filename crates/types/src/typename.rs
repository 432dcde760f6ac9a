//! Types' names as SQL writes them: `character varying(10)`, `timestamp(3) without time zone`, `integer[]`; and the
//! SQL spellings of built-in types.

use crate::io::{ObjectNames, RegKind};
use crate::{SqlType, oids, type_info};
use quarry_common::{Oid, Result, bail};

/// `format_type(oid, typmod)` with a type modifier known (-1: none): a char or bit without length prints under its
/// internal name, since `character` would mean length 1.
pub fn format_type(oid: Oid, typmod: i32, names: &dyn ObjectNames) -> String {
    format(oid, Some(typmod), names)
}

/// `format_type(oid, NULL)`: the name as error messages have it.
pub fn type_name(oid: Oid, names: &dyn ObjectNames) -> String {
    format(oid, None, names)
}

/// The name of an expression's or column's type.
pub fn format_sql_type(ty: SqlType, names: &dyn ObjectNames) -> String {
    format(ty.oid, Some(ty.typmod), names)
}

fn format(oid: Oid, typmod: Option<i32>, names: &dyn ObjectNames) -> String {
    if !oid.is_valid() {
        return "-".into();
    }
    let Some(info) = type_info(oid) else {
        return names.reg_out(RegKind::Type, oid).unwrap_or_else(|| "???".into());
    };
    // int2vector and oidvector are arrays with names of their own.
    if info.is_array() && info.typstorage != 'p' {
        return format(info.element, typmod, names) + "[]";
    }
    let given = typmod.filter(|t| *t >= 0);
    let modifier = given.and_then(|t| info.functions.typmod_out.map(|out| out(t))).unwrap_or_default();
    let plain = |name: &str| format!("{name}{modifier}");
    let unlimited = typmod == Some(-1);
    match oid {
        oids::BOOL => "boolean".into(),
        oids::INT2 => "smallint".into(),
        oids::INT4 => "integer".into(),
        oids::INT8 => "bigint".into(),
        oids::FLOAT4 => "real".into(),
        oids::FLOAT8 => "double precision".into(),
        oids::CHAR => "\"char\"".into(),
        oids::ANY => "\"any\"".into(),
        oids::VARCHAR => plain("character varying"),
        oids::VARBIT => plain("bit varying"),
        oids::BPCHAR if unlimited => "bpchar".into(),
        oids::BPCHAR => plain("character"),
        oids::BIT if unlimited => "\"bit\"".into(),
        oids::BIT => plain("bit"),
        oids::NUMERIC => plain("numeric"),
        oids::INTERVAL => plain("interval"),
        oids::TIME | oids::TIMESTAMP if given.is_none() => format!("{} without time zone", info.name),
        oids::TIMETZ if given.is_none() => "time with time zone".into(),
        oids::TIMESTAMPTZ if given.is_none() => "timestamp with time zone".into(),
        oids::TIMETZ => plain("time"),
        oids::TIMESTAMPTZ => plain("timestamp"),
        _ => plain(&info.name),
    }
}

/// The built-in type that SQL calls by this spelling (lower case, words separated by one blank), where that is not
/// its `pg_type` name. `character` and `char` are bpchar (length 1 if none is given), `"char"` is another type.
pub fn lookup_type_alias(spelling: &str) -> Option<Oid> {
    Some(match spelling {
        "int" | "integer" => oids::INT4,
        "smallint" => oids::INT2,
        "bigint" => oids::INT8,
        "real" => oids::FLOAT4,
        "double precision" | "float" => oids::FLOAT8,
        "decimal" | "dec" => oids::NUMERIC,
        "boolean" => oids::BOOL,
        "char" | "character" | "nchar" | "national char" | "national character" => oids::BPCHAR,
        "character varying"
        | "char varying"
        | "nchar varying"
        | "national char varying"
        | "national character varying" => oids::VARCHAR,
        "bit varying" => oids::VARBIT,
        "time without time zone" => oids::TIME,
        "time with time zone" => oids::TIMETZ,
        "timestamp without time zone" => oids::TIMESTAMP,
        "timestamp with time zone" => oids::TIMESTAMPTZ,
        _ => return None,
    })
}

/// `float(precision)`: real up to 24 bits, double precision up to 53.
pub fn float_type(precision: i32) -> Result<Oid> {
    match precision {
        ..1 => bail!(INVALID_PARAMETER_VALUE, "precision for type float must be at least 1 bit"),
        1..=24 => Ok(oids::FLOAT4),
        25..=53 => Ok(oids::FLOAT8),
        _ => bail!(INVALID_PARAMETER_VALUE, "precision for type float must be less than 54 bits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::NoNames;

    #[test]
    fn names_are_postgresqls() {
        let numeric = crate::numeric::make_typmod(10, 2);
        for (oid, typmod, name) in [
            (oids::INT4, -1, "integer"),
            (oids::INT4_ARRAY, -1, "integer[]"),
            (oids::NUMERIC, numeric, "numeric(10,2)"),
            (oids::NUMERIC_ARRAY, numeric, "numeric(10,2)[]"),
            (oids::NUMERIC, crate::numeric::make_typmod(10, -2), "numeric(10,-2)"),
            (oids::VARCHAR, 14, "character varying(10)"),
            (oids::BPCHAR, 14, "character(10)"),
            (oids::BPCHAR, -1, "bpchar"),
            (oids::BPCHAR_ARRAY, -1, "bpchar[]"),
            (oids::CHAR, -1, "\"char\""),
            (oids::BIT, -1, "\"bit\""),
            (oids::TIMESTAMP, -1, "timestamp without time zone"),
            (oids::TIMETZ, -1, "time with time zone"),
            (oids::INT2VECTOR, -1, "int2vector"),
            (oids::RECORD_ARRAY, -1, "record[]"),
            (Oid(0), -1, "-"),
            (Oid(99_999), -1, "???"),
        ] {
            assert_eq!(format_type(oid, typmod, &NoNames), name);
        }
        assert_eq!(type_name(oids::BPCHAR, &NoNames), "character");
        assert_eq!(lookup_type_alias("dec"), Some(oids::NUMERIC));
        assert_eq!(float_type(24).unwrap(), oids::FLOAT4);
        assert!(float_type(54).is_err());
    }
}
