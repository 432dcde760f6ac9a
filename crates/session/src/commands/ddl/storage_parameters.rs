//! Storage parameters (`WITH (...)`, `SET (...)`): which there are, for what, and what they may be (PostgreSQL: access/common/reloptions.c).

use quarry_common::settings::parse_bool;
use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast;

/// What has the parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    Table,
    /// Given with the table, in the namespace `toast`.
    Toast,
    /// An index of this method.
    Index(&'static str),
    /// A key of an index: parameters of its operator class, by name.
    OperatorClass(&'static str),
    /// Its values are checked with the view.
    View,
}

enum Kind {
    Bool,
    Int(i64, i64),
    Real(f64, f64),
    /// on, off, auto, or a boolean.
    Cleanup,
    /// Checked elsewhere.
    Any,
}

/// A parameter of this name, if the owner may have it.
fn kind_of(owner: Owner, name: &str) -> Option<Kind> {
    const INT_MAX: i64 = i32::MAX as i64;
    Some(match (owner, name) {
        (Owner::View, "security_barrier" | "security_invoker" | "check_option") => Kind::Any,
        (Owner::View, _) => return None,
        (Owner::Table, "fillfactor") => Kind::Int(10, 100),
        (Owner::Index("btree" | "hash" | "gist" | "spgist"), "fillfactor") => Kind::Int(10, 100),
        (Owner::Index("btree"), "deduplicate_items") => Kind::Bool,
        (Owner::Index("gin"), "fastupdate") | (Owner::Index("brin"), "autosummarize") => Kind::Bool,
        (Owner::Index("gin"), "gin_pending_list_limit") => Kind::Int(64, INT_MAX),
        (Owner::Index("brin"), "pages_per_range") => Kind::Int(1, 131_072),
        (Owner::Index("gist"), "buffering") => Kind::Cleanup,
        (Owner::Index(_), _) => return None,
        (Owner::OperatorClass(c), "values_per_range") if c.ends_with("_minmax_multi_ops") => {
            Kind::Int(8, 256)
        }
        (Owner::OperatorClass(c), "n_distinct_per_range") if c.ends_with("_bloom_ops") => {
            Kind::Real(-1.0, INT_MAX as f64)
        }
        (Owner::OperatorClass(c), "false_positive_rate") if c.ends_with("_bloom_ops") => {
            Kind::Real(0.0001, 0.25)
        }
        (Owner::OperatorClass(_), _) => return None,
        (Owner::Table, "user_catalog_table") => Kind::Bool,
        (Owner::Table, "toast_tuple_target") => Kind::Int(128, 8160),
        (Owner::Table, "parallel_workers") => Kind::Int(0, 1024),
        (Owner::Table, "autovacuum_analyze_threshold") => Kind::Int(0, INT_MAX),
        (Owner::Table, "autovacuum_analyze_scale_factor") => Kind::Real(0.0, 100.0),
        (_, "autovacuum_enabled" | "vacuum_truncate") => Kind::Bool,
        (_, "vacuum_index_cleanup") => Kind::Cleanup,
        (_, "autovacuum_vacuum_threshold") => Kind::Int(0, INT_MAX),
        (_, "autovacuum_vacuum_insert_threshold" | "log_autovacuum_min_duration") => Kind::Int(-1, INT_MAX),
        (_, "autovacuum_vacuum_cost_limit") => Kind::Int(1, 10_000),
        (_, "autovacuum_freeze_min_age" | "autovacuum_multixact_freeze_min_age") => {
            Kind::Int(0, 1_000_000_000)
        }
        (_, "autovacuum_freeze_max_age") => Kind::Int(100_000, 2_000_000_000),
        (_, "autovacuum_multixact_freeze_max_age") => Kind::Int(10_000, 2_000_000_000),
        (_, "autovacuum_freeze_table_age" | "autovacuum_multixact_freeze_table_age") => {
            Kind::Int(0, 2_000_000_000)
        }
        (
            _,
            "autovacuum_vacuum_cost_delay"
            | "autovacuum_vacuum_scale_factor"
            | "autovacuum_vacuum_insert_scale_factor",
        ) => Kind::Real(0.0, 100.0),
        _ => return None,
    })
}

fn check(name: &str, value: &str, kind: Kind) -> Result<()> {
    let outside = |low: String, high: String| {
        err!(INVALID_PARAMETER_VALUE, "value {value} out of bounds for option \"{name}\"")
            .detail(format!("Valid values are between \"{low}\" and \"{high}\"."))
    };
    let invalid =
        |what: &str| err!(INVALID_PARAMETER_VALUE, "invalid value for {what} option \"{name}\": {value}");
    match kind {
        Kind::Any => {}
        Kind::Bool if parse_bool(value).is_some() => {}
        Kind::Bool => return Err(invalid("boolean")),
        Kind::Cleanup if parse_bool(value).is_some() || value.eq_ignore_ascii_case("auto") => {}
        Kind::Cleanup => {
            return Err(invalid("enum").detail("Valid values are \"on\", \"off\", and \"auto\"."));
        }
        Kind::Int(low, high) => match value.trim().parse::<i32>() {
            Ok(n) if (low..=high).contains(&i64::from(n)) => {}
            Ok(_) => return Err(outside(low.to_string(), high.to_string())),
            Err(_) => return Err(invalid("integer")),
        },
        Kind::Real(low, high) => match value.trim().parse::<f64>() {
            Ok(n) if (low..=high).contains(&n) => {}
            Ok(_) => return Err(outside(format!("{low:.6}"), format!("{high:.6}"))),
            Err(_) => return Err(invalid("floating point")),
        },
    }
    Ok(())
}

fn namespace(d: &ast::DefElem, owner: Owner) -> Result<Owner> {
    match (d.namespace.as_deref(), owner) {
        (None, _) => Ok(owner),
        (Some("toast"), Owner::Table) => Ok(Owner::Toast),
        (Some(other), _) => {
            Err(err!(INVALID_PARAMETER_VALUE, "unrecognized parameter namespace \"{other}\""))
        }
    }
}

/// The parameters of `owner` among those of a statement, as `reloptions` has them. Those of its toast table are left out here: see [`of_toast`].
pub fn options_of(with: &[ast::DefElem], owner: Owner) -> Result<Vec<(String, String)>> {
    collect(with, owner, owner)
}

/// Those that a table's statement gives for its toast table.
pub fn of_toast(with: &[ast::DefElem]) -> Result<Vec<(String, String)>> {
    collect(with, Owner::Table, Owner::Toast)
}

fn collect(with: &[ast::DefElem], owner: Owner, wanted: Owner) -> Result<Vec<(String, String)>> {
    let mut out: Vec<(String, String)> = vec![];
    for d in with {
        let of = namespace(d, owner)?;
        if of != wanted {
            continue;
        }
        let name = d.name.to_ascii_lowercase();
        if name == "oids" && of == Owner::Table {
            if d.arg.as_ref().and_then(ast::DefArg::as_bool) == Some(false) {
                continue;
            }
            return Err(Error::unsupported("tables declared WITH OIDS"));
        }
        let Some(kind) = kind_of(of, &name) else {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{}\"", d.name);
        };
        let value = d.arg.as_ref().map_or_else(|| "true".to_string(), ast::DefArg::as_string);
        check(&name, &value, kind)?;
        if out.iter().any(|(n, _)| *n == name) {
            bail!(INVALID_PARAMETER_VALUE, "parameter \"{name}\" specified more than once");
        }
        out.push((name, value));
    }
    Ok(out)
}

/// The parameters of a key's operator class.
pub fn of_operator_class(with: &[ast::DefElem], class: &'static str) -> Result<Vec<(String, String)>> {
    let has_any = class.ends_with("_minmax_multi_ops") || class.ends_with("_bloom_ops");
    if !with.is_empty() && !has_any {
        bail!(INVALID_PARAMETER_VALUE, "operator class {class} has no options");
    }
    let owner = Owner::OperatorClass(class);
    collect(with, owner, owner)
}

/// Names to be reset, of the owner itself or of its toast table.
pub fn names_of(with: &[ast::DefElem], owner: Owner, wanted: Owner) -> Result<Vec<&str>> {
    let mut names = vec![];
    for d in with {
        if namespace(d, owner)? == wanted {
            names.push(d.name.as_str());
        }
    }
    Ok(names)
}

/// `old` with `new` set.
pub fn merged(old: &[(String, String)], new: &[(String, String)]) -> Vec<(String, String)> {
    let kept = old.iter().filter(|(o, _)| !new.iter().any(|(n, _)| n == o)).cloned();
    kept.chain(new.iter().cloned()).collect()
}
