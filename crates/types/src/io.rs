//! What text and binary input and output depend on besides the value: settings, the clock, names in the catalog.
//!
//! An [`IoContext`] is made once per statement (or per test) and borrowed by every input and output function.

use crate::datetime::TimeZone;
use crate::{Datum, SqlType, TypeInfo};
use quarry_common::{Error, Oid, Result, Severity};
use std::ops::Deref;
use std::sync::Arc;

/// First half of the `DateStyle` setting: how dates and timestamps are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateStyle {
    #[default]
    Iso,
    Sql,
    Postgres,
    German,
}

/// Second half of the `DateStyle` setting: how an ambiguous date is read, and printed outside ISO style.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateOrder {
    Ymd,
    Dmy,
    #[default]
    Mdy,
}

/// The `IntervalStyle` setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IntervalStyle {
    #[default]
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

/// The `bytea_output` setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ByteaOutput {
    #[default]
    Hex,
    Escape,
}

/// Everything an input or output function may ask for.
#[derive(Clone)]
pub struct IoContext<'a> {
    pub date_style: DateStyle,
    pub date_order: DateOrder,
    pub interval_style: IntervalStyle,
    pub time_zone: Arc<TimeZone>,
    pub bytea_output: ByteaOutput,
    /// -15..=3; above 0 floats print their shortest exact form.
    pub extra_float_digits: i32,
    /// Whether an unquoted NULL in an array's text is a null.
    pub array_nulls: bool,
    /// Start of the transaction, microseconds since 2000-01-01 UTC: what 'now' and 'today' mean.
    pub now_us: i64,
    pub names: &'a dyn ObjectNames,
    /// Where warnings go; none: they are dropped.
    pub notices: Option<&'a dyn NoticeSink>,
}

/// Takes warnings, to be sent to the client.
pub trait NoticeSink: Send + Sync {
    fn notice(&self, severity: Severity, notice: Error);
}

impl Default for IoContext<'_> {
    /// PostgreSQL's default settings, UTC, no catalog, the clock at 2000-01-01.
    fn default() -> Self {
        IoContext {
            date_style: DateStyle::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            time_zone: TimeZone::utc(),
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            array_nulls: true,
            now_us: 0,
            names: &NoNames,
            notices: None,
        }
    }
}

/// The `reg*` type whose names are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegKind {
    Proc,
    Procedure,
    Oper,
    Operator,
    Class,
    Type,
    Namespace,
    Role,
    Config,
    Dictionary,
    Collation,
}

impl RegKind {
    /// The type's name: "regclass" and so on.
    pub fn type_name(self) -> &'static str {
        match self {
            RegKind::Proc => "regproc",
            RegKind::Procedure => "regprocedure",
            RegKind::Oper => "regoper",
            RegKind::Operator => "regoperator",
            RegKind::Class => "regclass",
            RegKind::Type => "regtype",
            RegKind::Namespace => "regnamespace",
            RegKind::Role => "regrole",
            RegKind::Config => "regconfig",
            RegKind::Dictionary => "regdictionary",
            RegKind::Collation => "regcollation",
        }
    }
}

/// A type's description: built in, or held by the catalog's cache.
#[derive(Clone)]
pub enum TypeRef {
    Builtin(&'static TypeInfo),
    User(Arc<TypeInfo>),
}

impl Deref for TypeRef {
    type Target = TypeInfo;
    fn deref(&self) -> &TypeInfo {
        match self {
            TypeRef::Builtin(t) => t,
            TypeRef::User(t) => t,
        }
    }
}

/// What the catalog answers to input and output functions, on any thread. Every method has a default that answers 0A000, so that
/// an implementation covers what it has.
pub trait ObjectNames: Send + Sync {
    /// The object that `text` names, with PostgreSQL's error if there is none. "-" and plain numbers are dealt with
    /// by the caller.
    fn reg_in(&self, kind: RegKind, text: &str) -> Result<Oid> {
        let _ = text;
        Err(Error::unsupported(format_args!("input of type {} by name", kind.type_name())))
    }
    /// The object's name as the type prints it (quoted and qualified as needed); none: print the number.
    fn reg_out(&self, kind: RegKind, oid: Oid) -> Option<String> {
        let _ = (kind, oid);
        None
    }
    /// A user-defined type (OID from 10000): enum, composite, domain, or an array of those. See
    /// [`crate::registry::user_enum`] and its neighbours for how to make one.
    fn user_type(&self, oid: Oid) -> Result<Arc<TypeInfo>> {
        Err(Error::unsupported(format_args!("type with OID {oid}")))
    }
    /// The label of an enum value.
    fn enum_label(&self, value: Oid) -> Result<String> {
        let _ = value;
        Err(Error::unsupported("output of an enum"))
    }
    /// The value of an enum label; 22P02 `invalid input value for enum color: "x"` if there is none.
    fn enum_value(&self, enum_type: Oid, label: &str) -> Result<Oid> {
        let _ = (enum_type, label);
        Err(Error::unsupported("input of an enum"))
    }
    /// The values of an enum, in their order.
    fn enum_values(&self, enum_type: Oid) -> Result<Vec<Oid>> {
        let _ = enum_type;
        Err(Error::unsupported("the values of an enum"))
    }
    /// The live columns of a composite type, in order.
    fn composite_columns(&self, composite: Oid) -> Result<Arc<[SqlType]>> {
        let _ = composite;
        Err(Error::unsupported("input of a composite type"))
    }
    /// The column names of a composite type, or of the anonymous row type known by this modifier of `record`; none: f1, f2 ...
    fn column_names(&self, row: SqlType) -> Option<Arc<[String]>> {
        let _ = row;
        None
    }
    /// A domain's base type (not itself a domain); none if `oid` is no domain.
    fn domain_base(&self, oid: Oid) -> Result<Option<SqlType>> {
        let _ = oid;
        Ok(None)
    }
    /// Checks a value against a domain's constraints, as input of the domain does.
    fn check_domain(&self, domain: Oid, value: &Datum) -> Result<()> {
        let _ = (domain, value);
        Ok(())
    }
}

/// An [`ObjectNames`] that knows no names.
pub struct NoNames;

impl ObjectNames for NoNames {}

impl IoContext<'_> {
    /// Sends a warning, if anyone listens.
    pub fn warn(&self, warning: Error) {
        if let Some(sink) = self.notices {
            sink.notice(Severity::Warning, warning);
        }
    }
    /// The type with this OID, built in or user-defined.
    pub fn type_ref(&self, oid: Oid) -> Result<TypeRef> {
        match crate::registry::type_info(oid) {
            Some(t) => Ok(TypeRef::Builtin(t)),
            None => Ok(TypeRef::User(self.names.user_type(oid)?)),
        }
    }
}
