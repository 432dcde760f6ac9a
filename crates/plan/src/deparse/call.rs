//! Calls: functions, SQL's own call syntax, aggregates, window functions (PostgreSQL: get_func_expr and its neighbours).

use super::constant::Label;
use super::direction;
use super::writer::Writer;
use crate::expr::{FrameBound, FrameExclude, FrameMode};
use crate::tree::{Computed, WindowText};
use crate::{AggregateExpr, ArgumentOrder, CallForm, Expr, FunctionRef, SortKey, WindowCall, WindowSpec};
use quarry_catalog::quote_identifier;
use quarry_common::Oid;
use quarry_functions::scalar::session::IDENTITY_VALUE;
use quarry_functions::{Body, kept, registry};
use quarry_types::Datum;

/// Whether this takes an identity column's next value: a node of its own in PostgreSQL, which shows the sequence without its type.
fn is_identity_value(function: &FunctionRef) -> bool {
    std::ptr::eq(function.def(), &IDENTITY_VALUE)
}

impl Writer<'_> {
    fn function_name(&mut self, function: &FunctionRef) {
        self.out += &quote_identifier(function.def().name);
    }

    /// `name(args)`.
    pub(super) fn function_call(&mut self, e: &Expr) {
        let Expr::Call { function, args, variadic, form, .. } = e else { return };
        if let CallForm::Named(order) = form {
            self.function_name(function);
            self.out.push('(');
            self.named_arguments(function, args, order);
            self.out.push(')');
            return;
        }
        let given = self.given(function, args);
        self.function_name(function);
        self.out.push('(');
        if let (true, [Expr::Const { value, ty }]) = (is_identity_value(function), &args[..]) {
            self.constant(value, *ty, Label::Never);
            self.out.push(')');
            return;
        }
        self.arguments(&args[..given], *variadic);
        self.out.push(')');
    }

    /// Arguments as they were written, some by name.
    fn named_arguments(&mut self, function: &FunctionRef, args: &[Expr], order: &ArgumentOrder) {
        for (i, (place, by_name)) in order.places().enumerate() {
            let Some(arg) = args.get(place) else { continue };
            if i > 0 {
                self.out += ", ";
            }
            if let (true, Some(name)) = (by_name, function.def().arg_names.get(place)) {
                self.out += &quote_identifier(name);
                self.out += " => ";
            }
            self.expr(arg, true);
        }
    }

    /// Arguments; an array that collects the last ones of a call is shown as VARIADIC, or taken apart if nobody wrote it.
    fn arguments(&mut self, args: &[Expr], variadic: bool) {
        for (i, a) in args.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            if variadic && i + 1 == args.len() {
                self.out += "VARIADIC ";
            }
            self.expr(a, true);
        }
    }

    /// How many arguments to show: the last ones are left out where they are the function's defaults.
    fn given(&mut self, function: &FunctionRef, args: &[Expr]) -> usize {
        let def = function.def();
        let mut given = args.len();
        if args.len() != def.args.len() {
            return given;
        }
        for default in def.defaults.iter().rev() {
            let Some(Expr::Const { value, ty }) = given.checked_sub(1).map(|i| &args[i]) else { break };
            let text = self.apart(|w| w.constant(value, *ty, Label::Never));
            let default = default.split("::").next().unwrap_or(default);
            if !text.eq_ignore_ascii_case(default) {
                break;
            }
            given -= 1;
        }
        given
    }

    /// A call in SQL's own syntax; false if this function has none.
    pub(super) fn sql_syntax(&mut self, e: &Expr) -> bool {
        let Expr::Call { function, args, .. } = e else { return false };
        let args = &args[..self.given(function, args)];
        let mut put = |parts: &[(&str, Option<&Expr>)], close: &str| {
            for (word, arg) in parts {
                self.out += word;
                if let Some(a) = arg {
                    self.expr(a, false);
                }
            }
            self.out += close;
            true
        };
        match (function.def().name, args) {
            ("timezone", [zone, time]) => {
                self.out.push('(');
                self.inside(time, false, e);
                self.out += " AT TIME ZONE ";
                self.inside(zone, false, e);
                self.out.push(')');
                true
            }
            ("overlaps", [a, b, c, d]) => {
                put(&[("((", Some(a)), (", ", Some(b)), (") OVERLAPS (", Some(c)), (", ", Some(d))], "))")
            }
            ("extract", [Expr::Const { value: Datum::Bytes(field), .. }, from]) => {
                let field = String::from_utf8_lossy(field).into_owned();
                put(&[("EXTRACT(", None), (&field, None), (" FROM ", Some(from))], ")")
            }
            ("is_normalized", [arg]) => put(&[("(", Some(arg))], " IS NORMALIZED)"),
            ("is_normalized", [arg, Expr::Const { value: Datum::Bytes(form), .. }]) => {
                let form = String::from_utf8_lossy(form).into_owned();
                put(&[("(", Some(arg)), (" IS ", None), (&form, None)], " NORMALIZED)")
            }
            ("normalize", [arg]) => put(&[("NORMALIZE(", Some(arg))], ")"),
            ("normalize", [arg, Expr::Const { value: Datum::Bytes(form), .. }]) => {
                let form = String::from_utf8_lossy(form).into_owned();
                put(&[("NORMALIZE(", Some(arg)), (", ", None), (&form, None)], ")")
            }
            ("pg_collation_for", [arg]) => put(&[("COLLATION FOR (", Some(arg))], ")"),
            ("overlay", [a, b, c]) => {
                put(&[("OVERLAY(", Some(a)), (" PLACING ", Some(b)), (" FROM ", Some(c))], ")")
            }
            ("overlay", [a, b, c, d]) => put(
                &[("OVERLAY(", Some(a)), (" PLACING ", Some(b)), (" FROM ", Some(c)), (" FOR ", Some(d))],
                ")",
            ),
            ("position", [a, b]) => put(&[("POSITION((", Some(b)), (") IN (", Some(a))], "))"),
            ("substring", [a, b]) if b.ty().oid == quarry_types::oids::INT4 => {
                put(&[("SUBSTRING(", Some(a)), (" FROM ", Some(b))], ")")
            }
            ("substring", [a, b, c]) => {
                let similar = c.ty().oid == quarry_types::oids::TEXT;
                let (first, second) = if similar { (" SIMILAR ", " ESCAPE ") } else { (" FROM ", " FOR ") };
                put(&[("SUBSTRING(", Some(a)), (first, Some(b)), (second, Some(c))], ")")
            }
            (name @ ("btrim" | "ltrim" | "rtrim"), [a, rest @ ..]) => {
                let side = match name {
                    "btrim" => "TRIM(BOTH ",
                    "ltrim" => "TRIM(LEADING ",
                    _ => "TRIM(TRAILING ",
                };
                match rest {
                    [] => put(&[(side, None), ("FROM ", Some(a))], ")"),
                    [chars, ..] => put(&[(side, Some(chars)), (" FROM ", Some(a))], ")"),
                }
            }
            _ => false,
        }
    }

    /// What a column of a query stands for.
    pub(super) fn computed(&mut self, c: &Computed) {
        match c {
            Computed::Aggregate(a) => self.aggregate(a),
            Computed::Window(spec, call, text) => {
                self.window_function(call);
                self.out += " OVER ";
                match &spec.name {
                    Some(name) => self.out += &quote_identifier(name),
                    None => self.window_spec(spec, text),
                }
            }
            Computed::Set(call) => {
                self.function_name(&call.function);
                self.named_list("(", &call.args);
            }
            Computed::Grouping(args) => self.named_list("GROUPING(", args),
        }
    }

    pub(super) fn aggregate(&mut self, a: &AggregateExpr) {
        self.function_name(&a.function);
        self.out.push('(');
        if let Some(run) = kept_aggregate(a) {
            // What is said of the call is said of the aggregate that it runs.
            self.aggregate(&AggregateExpr { function: run, direct_args: vec![], filter: None, ..a.clone() });
            self.out.push(')');
            self.filter(a.filter.as_ref());
            return;
        }
        if a.distinct {
            self.out += "DISTINCT ";
        }
        if matches!(a.function.def().body, Body::Aggregate(b) if b.is_ordered_set()) {
            self.list(&a.direct_args);
            self.out += ") WITHIN GROUP (ORDER BY ";
            self.sort_keys(&a.order_by);
        } else {
            if a.star {
                self.out.push('*');
            } else {
                self.arguments(&a.args, a.variadic);
            }
            if !a.order_by.is_empty() {
                self.out += " ORDER BY ";
                self.sort_keys(&a.order_by);
            }
        }
        self.out.push(')');
        self.filter(a.filter.as_ref());
    }

    fn filter(&mut self, filter: Option<&Expr>) {
        if let Some(f) = filter {
            self.out += " FILTER (WHERE ";
            self.expr(f, false);
            self.out.push(')');
        }
    }

    pub(super) fn window_function(&mut self, c: &WindowCall) {
        self.function_name(&c.function);
        self.out.push('(');
        if c.star {
            self.out.push('*');
        } else {
            self.list(&c.args);
        }
        self.out.push(')');
        self.filter(c.filter.as_ref());
    }

    pub(super) fn sort_keys(&mut self, keys: &[SortKey]) {
        for (i, k) in keys.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            self.sort_expr(&k.expr);
            self.out += direction(k.descending, k.nulls_first);
        }
    }

    /// An expression of ORDER BY, GROUP BY and the like: a bare constant would be a position, a bare call may be misread.
    pub(super) fn sort_expr(&mut self, e: &Expr) {
        let brackets = match e {
            Expr::Const { value, ty } => return self.constant(value, *ty, Label::Always),
            Expr::Column { id, .. } if self.is_name(*id) => false,
            Expr::Column { .. } => true,
            Expr::Call { form, .. } => self.sparing() || !matches!(form, CallForm::Operator(_)),
            _ => self.sparing(),
        };
        if brackets {
            self.out.push('(');
        }
        self.expr(e, true);
        if brackets {
            self.out.push(')');
        }
    }

    /// A window in parentheses (get_rule_windowspec).
    pub(super) fn window_spec(&mut self, spec: &WindowSpec, text: &WindowText) {
        let mut parts: Vec<String> = vec![];
        if let Some(base) = &text.base {
            parts.push(quote_identifier(base));
        } else if !spec.partition_by.is_empty() {
            parts.push(self.apart(|w| {
                w.out += "PARTITION BY ";
                for (i, e) in spec.partition_by.iter().enumerate() {
                    if i > 0 {
                        w.out += ", ";
                    }
                    w.sort_expr(e);
                }
            }));
        }
        if !spec.order_by.is_empty() && !text.order_copied {
            parts.push(self.apart(|w| {
                w.out += "ORDER BY ";
                w.sort_keys(&spec.order_by);
            }));
        }
        if let Some(between) = text.frame {
            parts.push(self.apart(|w| w.frame(spec, between)));
        }
        self.out.push('(');
        self.out += &parts.join(" ");
        self.out.push(')');
    }

    fn frame(&mut self, spec: &WindowSpec, between: bool) {
        self.out += match spec.frame.mode {
            FrameMode::Range => "RANGE ",
            FrameMode::Rows => "ROWS ",
            FrameMode::Groups => "GROUPS ",
        };
        if between {
            self.out += "BETWEEN ";
        }
        self.frame_bound(&spec.frame.start);
        if between {
            self.out += " AND ";
            self.frame_bound(&spec.frame.end);
        }
        self.out += match spec.frame.exclude {
            FrameExclude::NoOthers => "",
            FrameExclude::CurrentRow => " EXCLUDE CURRENT ROW",
            FrameExclude::Group => " EXCLUDE GROUP",
            FrameExclude::Ties => " EXCLUDE TIES",
        };
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.out += "UNBOUNDED PRECEDING",
            FrameBound::CurrentRow => self.out += "CURRENT ROW",
            FrameBound::UnboundedFollowing => self.out += "UNBOUNDED FOLLOWING",
            FrameBound::Preceding(e) => {
                self.expr(e, false);
                self.out += " PRECEDING";
            }
            FrameBound::Following(e) => {
                self.expr(e, false);
                self.out += " FOLLOWING";
            }
        }
    }
}

/// The aggregate that another runs to keep its errors.
fn kept_aggregate(a: &AggregateExpr) -> Option<FunctionRef> {
    match &a.direct_args[..] {
        [Expr::Const { value: Datum::U32(oid), .. }] if kept::runs_another(a.function.def().oid) => {
            Some(FunctionRef::Builtin(registry::function(Oid(*oid))?))
        }
        _ => None,
    }
}
