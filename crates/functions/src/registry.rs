//! All built-in functions, operators and casts, found by OID and by name.

use crate::{
    CastDef, FunctionDef, OperatorDef, aggregate, cast, internal, kept, operator, scalar, table, window,
};
use hashbrown::HashMap;
use quarry_common::Oid;
use std::sync::LazyLock;

/// The families' lists. A new family adds its lists here.
const FUNCTION_LISTS: &[&[FunctionDef]] = &[
    scalar::arithmetic::datetime::FUNCTIONS,
    scalar::arithmetic::float::FUNCTIONS,
    scalar::arithmetic::int::FUNCTIONS,
    scalar::array::FUNCTIONS,
    scalar::binary::FUNCTIONS,
    scalar::bits::FUNCTIONS,
    scalar::case::FUNCTIONS,
    scalar::catalog_info::FUNCTIONS,
    scalar::compare::datetime::FUNCTIONS,
    scalar::compare::float::FUNCTIONS,
    scalar::compare::generic::FUNCTIONS,
    scalar::compare::in_range::FUNCTIONS,
    scalar::compare::int::FUNCTIONS,
    scalar::compare::numeric::FUNCTIONS,
    scalar::compare::text::FUNCTIONS,
    scalar::concat::FUNCTIONS,
    scalar::datetime::FUNCTIONS,
    scalar::encoding::FUNCTIONS,
    scalar::enums::FUNCTIONS,
    scalar::format::FUNCTIONS,
    scalar::hash::FUNCTIONS,
    scalar::identifier::FUNCTIONS,
    scalar::index_maintenance::FUNCTIONS,
    scalar::json::FUNCTIONS,
    scalar::json_build::FUNCTIONS,
    scalar::json_path::FUNCTIONS,
    scalar::json_populate::FUNCTIONS,
    scalar::like::FUNCTIONS,
    scalar::lsn::FUNCTIONS,
    scalar::math::bucket::FUNCTIONS,
    scalar::math::float::FUNCTIONS,
    scalar::math::numeric::FUNCTIONS,
    scalar::number_format::FUNCTIONS,
    scalar::regexp::FUNCTIONS,
    scalar::session::FUNCTIONS,
    scalar::size::FUNCTIONS,
    scalar::string::FUNCTIONS,
    scalar::string_array::FUNCTIONS,
    scalar::text_search::FUNCTIONS,
    scalar::text_search_query::FUNCTIONS,
    scalar::type_io::FUNCTIONS,
    scalar::unicode::FUNCTIONS,
    scalar::value_info::FUNCTIONS,
    cast::datetime::FUNCTIONS,
    cast::json::FUNCTIONS,
    cast::number::FUNCTIONS,
    cast::text::FUNCTIONS,
    aggregate::array_agg::FUNCTIONS,
    aggregate::bits::FUNCTIONS,
    aggregate::count::FUNCTIONS,
    aggregate::float_moments::FUNCTIONS,
    aggregate::hypothetical::FUNCTIONS,
    aggregate::interval_moments::FUNCTIONS,
    aggregate::json_agg::FUNCTIONS,
    aggregate::min_max::FUNCTIONS,
    aggregate::numeric_moments::FUNCTIONS,
    aggregate::ordered_set::FUNCTIONS,
    aggregate::regression::FUNCTIONS,
    aggregate::string_agg::FUNCTIONS,
    aggregate::sum_int::FUNCTIONS,
    window::rank::FUNCTIONS,
    window::value::FUNCTIONS,
    table::json::FUNCTIONS,
    table::json_populate::FUNCTIONS,
    table::series::FUNCTIONS,
    table::statistics::FUNCTIONS,
    table::string::FUNCTIONS,
    table::text_search::FUNCTIONS,
    table::unnest::FUNCTIONS,
];
const OPERATOR_LISTS: &[&[OperatorDef]] = &[
    operator::arithmetic::OPERATORS,
    operator::array::OPERATORS,
    operator::comparison::OPERATORS,
    operator::json::OPERATORS,
    operator::pattern::OPERATORS,
    operator::text_search::OPERATORS,
];
const CAST_LISTS: &[&[CastDef]] = &[cast::table::CASTS];

/// What `CREATE EXTENSION` can make.
pub struct Extension {
    pub name: &'static str,
    pub version: &'static str,
    /// Versions that can be asked for, besides.
    pub earlier: &'static [&'static str],
    pub comment: &'static str,
    /// Those who may create objects in the database may make it; else only superusers.
    pub trusted: bool,
    /// Everybody may call its functions; else only their owner.
    pub public: bool,
    /// Called by name only where the extension has been made.
    pub functions: &'static [FunctionDef],
    /// The same goes for operators.
    pub operators: &'static [OperatorDef],
    pub classes: &'static [ExtensionClass],
    /// The schema that it is in; none: any.
    pub schema: Option<&'static str>,
    /// Commands that make the rest of it, `@extschema@` being its schema. What they make belongs to it.
    pub script: &'static [&'static str],
}

/// An operator class of an extension, with a family of its own that has the same name.
#[derive(Debug)]
pub struct ExtensionClass {
    pub oid: Oid,
    pub family: Oid,
    pub name: &'static str,
    /// The access method.
    pub method: Oid,
    pub input: Oid,
    /// The type of what is stored.
    pub key_type: Oid,
    /// Numbers and operators of the family, both operands of the input type.
    pub operators: &'static [(u16, Oid)],
}

/// Every extension.
pub static EXTENSIONS: &[Extension] = &[
    Extension {
        name: "amcheck",
        version: "1.3",
        earlier: &["1.0", "1.1", "1.2"],
        comment: "functions for verifying relation integrity",
        trusted: false,
        public: false,
        functions: scalar::amcheck::FUNCTIONS,
        operators: &[],
        classes: &[],
        schema: None,
        script: &[],
    },
    Extension {
        name: "pg_trgm",
        version: "1.6",
        earlier: &["1.3", "1.4", "1.5"],
        comment: "text similarity measurement and index searching based on trigrams",
        trusted: true,
        public: true,
        functions: scalar::trigram::FUNCTIONS,
        operators: scalar::trigram::OPERATORS,
        classes: scalar::trigram::CLASSES,
        schema: None,
        script: &[],
    },
    Extension {
        name: "pg_stat_statements",
        version: "1.10",
        earlier: &["1.4", "1.5", "1.6", "1.7", "1.8", "1.9"],
        comment: "track planning and execution statistics of all SQL statements executed",
        trusted: false,
        public: true,
        functions: scalar::statement_statistics::FUNCTIONS,
        operators: &[],
        classes: &[],
        schema: None,
        script: scalar::statement_statistics::SCRIPT,
    },
    Extension {
        name: "quarry",
        version: "1.0",
        earlier: &[],
        comment: "plans that stay",
        trusted: false,
        public: false,
        functions: scalar::plans::FUNCTIONS,
        operators: &[],
        classes: &[],
        schema: Some("quarry"),
        script: scalar::plans::SCRIPT,
    },
];

struct Registry {
    extension_functions_by_name: HashMap<&'static str, Vec<&'static FunctionDef>>,
    function_by_oid: HashMap<Oid, &'static FunctionDef>,
    functions_by_name: HashMap<&'static str, Vec<&'static FunctionDef>>,
    operator_by_oid: HashMap<Oid, &'static OperatorDef>,
    operators_by_name: HashMap<&'static str, Vec<&'static OperatorDef>>,
    extension_operators_by_name: HashMap<&'static str, Vec<&'static OperatorDef>>,
    /// With the builtin ones of the same name, which come first.
    both_operators_by_name: HashMap<&'static str, Vec<&'static OperatorDef>>,
    cast_by_types: HashMap<(Oid, Oid), &'static CastDef>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut r = Registry {
        extension_functions_by_name: HashMap::new(),
        function_by_oid: HashMap::new(),
        functions_by_name: HashMap::new(),
        operator_by_oid: HashMap::new(),
        operators_by_name: HashMap::new(),
        extension_operators_by_name: HashMap::new(),
        both_operators_by_name: HashMap::new(),
        cast_by_types: HashMap::new(),
    };
    for f in functions() {
        let twin = r.function_by_oid.insert(f.oid, f);
        debug_assert!(twin.is_none(), "function OID {} declared twice", f.oid);
        r.functions_by_name.entry(f.name).or_default().push(f);
    }
    for f in EXTENSIONS.iter().flat_map(|e| e.functions) {
        let twin = r.function_by_oid.insert(f.oid, f);
        debug_assert!(twin.is_none(), "function OID {} declared twice", f.oid);
        r.extension_functions_by_name.entry(f.name).or_default().push(f);
    }
    for f in internal::FUNCTIONS.iter().chain(kept::FUNCTIONS) {
        let twin = r.function_by_oid.insert(f.oid, f);
        debug_assert!(twin.is_none(), "function OID {} declared twice", f.oid);
    }
    for o in operators() {
        let twin = r.operator_by_oid.insert(o.oid, o);
        debug_assert!(twin.is_none(), "operator OID {} declared twice", o.oid);
        r.operators_by_name.entry(o.name).or_default().push(o);
    }
    for o in EXTENSIONS.iter().flat_map(|e| e.operators) {
        let twin = r.operator_by_oid.insert(o.oid, o);
        debug_assert!(twin.is_none(), "operator OID {} declared twice", o.oid);
        let builtin = r.operators_by_name.get(o.name).cloned().unwrap_or_default();
        r.extension_operators_by_name.entry(o.name).or_default().push(o);
        r.both_operators_by_name.entry(o.name).or_insert(builtin).push(o);
    }
    for c in casts() {
        r.cast_by_types.insert((c.source, c.target), c);
    }
    r
});

/// Every built-in function.
pub fn functions() -> impl Iterator<Item = &'static FunctionDef> {
    FUNCTION_LISTS.iter().flat_map(|l| l.iter())
}
/// Every built-in operator.
pub fn operators() -> impl Iterator<Item = &'static OperatorDef> {
    OPERATOR_LISTS.iter().flat_map(|l| l.iter())
}
/// Every built-in cast.
pub fn casts() -> impl Iterator<Item = &'static CastDef> {
    CAST_LISTS.iter().flat_map(|l| l.iter())
}
pub fn function(oid: Oid) -> Option<&'static FunctionDef> {
    REGISTRY.function_by_oid.get(&oid).copied()
}
/// Every overload of `name`.
pub fn functions_named(name: &str) -> &'static [&'static FunctionDef] {
    REGISTRY.functions_by_name.get(name).map_or(&[], |v| v)
}
/// Whether an extension makes the function.
pub fn is_extension_function(oid: Oid) -> bool {
    EXTENSIONS.iter().any(|e| e.functions.iter().any(|f| f.oid == oid))
}
/// Whether an extension makes the operator.
pub fn is_extension_operator(oid: Oid) -> bool {
    EXTENSIONS.iter().any(|e| e.operators.iter().any(|o| o.oid == oid))
}
/// Every overload of `name` that some extension makes.
pub fn extension_functions_named(name: &str) -> &'static [&'static FunctionDef] {
    REGISTRY.extension_functions_by_name.get(name).map_or(&[], |v| v)
}
/// Every overload of `name` that some extension makes.
pub fn extension_operators_named(name: &str) -> &'static [&'static OperatorDef] {
    REGISTRY.extension_operators_by_name.get(name).map_or(&[], |v| v)
}
/// Every overload of `name`, builtin and of extensions; empty if no extension has one.
pub fn operators_named_everywhere(name: &str) -> &'static [&'static OperatorDef] {
    REGISTRY.both_operators_by_name.get(name).map_or(&[], |v| v)
}
pub fn operator(oid: Oid) -> Option<&'static OperatorDef> {
    REGISTRY.operator_by_oid.get(&oid).copied()
}
/// Every overload of `name`.
pub fn operators_named(name: &str) -> &'static [&'static OperatorDef] {
    REGISTRY.operators_by_name.get(name).map_or(&[], |v| v)
}
pub fn cast(source: Oid, target: Oid) -> Option<&'static CastDef> {
    REGISTRY.cast_by_types.get(&(source, target)).copied()
}

#[cfg(test)]
mod tests;
