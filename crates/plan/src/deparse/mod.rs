//! Bound expressions as SQL text, spelled as PostgreSQL does (`ruleutils.c`, without pretty-printing): for EXPLAIN and for
//! stored defaults, checks and index expressions.

mod constant;

use crate::expr::SubqueryPlan;
use crate::{
    AggregateExpr, BoolTest, CallForm, CastKind, ColumnId, Expr, QueryMeta, SortKey, SqlValue, SubqueryKind,
    SubscriptIndex, WindowCall,
};
use quarry_catalog::{CatalogReader, quote_identifier};
use quarry_functions::registry;
use quarry_types::SqlType;
use quarry_types::io::IoContext;

/// Names a deparser needs from the catalog.
pub trait DeparseNames {
    /// A type's SQL spelling.
    fn format_type(&self, ty: SqlType) -> String;
}

impl DeparseNames for CatalogReader {
    fn format_type(&self, ty: SqlType) -> String {
        CatalogReader::format_type(self, ty.oid, ty.typmod).unwrap_or_else(|_| format!("{}", ty.oid.0))
    }
}

/// What deparsing depends on.
pub struct Deparser<'a> {
    pub meta: &'a QueryMeta,
    /// Write `alias.column`.
    pub qualify: bool,
    pub names: &'a dyn DeparseNames,
    /// For the text of constants.
    pub io: &'a IoContext<'a>,
    /// What to write for a column instead of its name (computed columns of lower plan nodes).
    pub columns: Option<&'a dyn Fn(ColumnId) -> Option<String>>,
}

/// An expression as text.
pub fn expr(
    e: &Expr,
    meta: &QueryMeta,
    qualify: bool,
    names: &dyn DeparseNames,
    io: &IoContext<'_>,
) -> String {
    Deparser { meta, qualify, names, io, columns: None }.expr(e)
}

impl Deparser<'_> {
    /// An expression as text.
    pub fn expr(&self, e: &Expr) -> String {
        let mut out = String::new();
        self.write(e, false, &mut out);
        out
    }
    /// Several conditions, joined by AND.
    pub fn conditions(&self, list: &[Expr]) -> String {
        match list {
            [one] => self.expr(one),
            _ => format!("({})", list.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(" AND ")),
        }
    }
    /// A sort key as EXPLAIN shows it.
    pub fn sort_key(&self, k: &SortKey) -> String {
        let mut text = self.expr(&k.expr);
        if k.descending {
            text += " DESC";
            if !k.nulls_first {
                text += " NULLS LAST";
            }
        } else if k.nulls_first {
            text += " NULLS FIRST";
        }
        text
    }
    /// An aggregate call.
    pub fn aggregate(&self, a: &AggregateExpr) -> String {
        let mut out = format!("{}(", quote_identifier(a.function.def().name));
        if a.distinct {
            out += "DISTINCT ";
        }
        let ordered_set = !a.direct_args.is_empty()
            || a.function.def().args.is_empty() && !a.order_by.is_empty() && a.args.is_empty() && !a.star;
        if ordered_set {
            out += &self.list(&a.direct_args);
            out += ") WITHIN GROUP (ORDER BY ";
            out += &a.order_by.iter().map(|k| self.sort_key(k)).collect::<Vec<_>>().join(", ");
        } else {
            if a.star {
                out.push('*');
            } else {
                out += &self.list(&a.args);
            }
            if !a.order_by.is_empty() {
                out += " ORDER BY ";
                out += &a.order_by.iter().map(|k| self.sort_key(k)).collect::<Vec<_>>().join(", ");
            }
        }
        out.push(')');
        if let Some(f) = &a.filter {
            out += &format!(" FILTER (WHERE {})", self.expr(f));
        }
        out
    }
    /// A window call, as EXPLAIN VERBOSE shows it.
    pub fn window_call(&self, c: &WindowCall) -> String {
        let args = if c.star { "*".into() } else { self.list(&c.args) };
        let mut out = format!("{}({args})", quote_identifier(c.function.def().name));
        if let Some(f) = &c.filter {
            out += &format!(" FILTER (WHERE {})", self.expr(f));
        }
        out + " OVER (?)"
    }
    fn list(&self, args: &[Expr]) -> String {
        args.iter()
            .map(|a| {
                let mut s = String::new();
                self.write(a, true, &mut s);
                s
            })
            .collect::<Vec<_>>()
            .join(", ")
    }
    /// A column's name.
    pub fn column(&self, id: ColumnId) -> String {
        if let Some(text) = self.columns.and_then(|f| f(id)) {
            return text;
        }
        if id.0 as usize >= self.meta.len() {
            return format!("?column{}?", id.0);
        }
        let meta = self.meta.get(id);
        match &meta.relation {
            Some(relation) if self.qualify => {
                format!("{}.{}", quote_identifier(relation), quote_identifier(&meta.name))
            }
            _ => quote_identifier(&meta.name),
        }
    }

    fn write(&self, e: &Expr, implicit: bool, out: &mut String) {
        match e {
            Expr::Const { value, ty } => constant::write(self, value, *ty, out),
            Expr::Column { id, .. } => *out += &self.column(*id),
            Expr::Param { number, .. } => *out += &format!("${number}"),
            Expr::Call { function, args, form, ty, variadic, .. } => match (form, &args[..]) {
                (CallForm::Operator(oid), [left, right]) => {
                    out.push('(');
                    self.write(left, true, out);
                    *out += &format!(" {} ", operator_name(*oid));
                    self.write(right, true, out);
                    out.push(')');
                }
                (CallForm::Operator(oid), [arg]) => {
                    *out += &format!("({} ", operator_name(*oid));
                    self.write(arg, true, out);
                    out.push(')');
                }
                (CallForm::ImplicitCast, [arg, ..]) if !implicit => self.write(arg, false, out),
                (CallForm::ImplicitCast | CallForm::ExplicitCast, [arg, ..]) => self.cast(arg, *ty, out),
                _ => {
                    *out += &quote_identifier(function.def().name);
                    out.push('(');
                    for (i, a) in args.iter().enumerate() {
                        if i > 0 {
                            *out += ", ";
                        }
                        if *variadic && i + 1 == args.len() {
                            *out += "VARIADIC ";
                        }
                        self.write(a, true, out);
                    }
                    out.push(')');
                }
            },
            Expr::And(parts) => self.joined(parts, " AND ", out),
            Expr::Or(parts) => self.joined(parts, " OR ", out),
            Expr::Not(arg) => {
                *out += "(NOT ";
                self.write(arg, false, out);
                out.push(')');
            }
            Expr::IsNull { arg, negated } => {
                out.push('(');
                self.write(arg, true, out);
                *out += if *negated { " IS NOT NULL)" } else { " IS NULL)" };
            }
            Expr::IsBool { arg, test } => {
                out.push('(');
                self.write(arg, false, out);
                *out += match test {
                    BoolTest::True => " IS TRUE)",
                    BoolTest::NotTrue => " IS NOT TRUE)",
                    BoolTest::False => " IS FALSE)",
                    BoolTest::NotFalse => " IS NOT FALSE)",
                    BoolTest::Unknown => " IS UNKNOWN)",
                    BoolTest::NotUnknown => " IS NOT UNKNOWN)",
                };
            }
            Expr::IsDistinct { left, right, negated, .. } => {
                let open = if *negated { "(NOT (" } else { "(" };
                *out += open;
                self.write(left, true, out);
                *out += " IS DISTINCT FROM ";
                self.write(right, true, out);
                *out += if *negated { "))" } else { ")" };
            }
            Expr::Case { operand, whens, otherwise, .. } => {
                *out += "CASE";
                if let Some(o) = operand {
                    out.push(' ');
                    self.write(o, true, out);
                }
                for (when, then) in whens {
                    *out += " WHEN ";
                    match (operand, when) {
                        (Some(_), Expr::Call { args, form: CallForm::Operator(_), .. })
                            if args.len() == 2 && has_placeholder(&args[0]) =>
                        {
                            self.write(&args[1], false, out)
                        }
                        _ => self.write(when, false, out),
                    }
                    *out += " THEN ";
                    self.write(then, true, out);
                }
                *out += " ELSE ";
                match otherwise {
                    Some(o) => self.write(o, true, out),
                    None => *out += &format!("NULL::{}", self.names.format_type(e.ty())),
                }
                *out += " END";
            }
            Expr::Placeholder { .. } => *out += "VALUE",
            Expr::Coalesce { args, .. } => *out += &format!("COALESCE({})", self.list(args)),
            Expr::NullIf { left, right, .. } => {
                *out += "NULLIF(";
                self.write(left, true, out);
                *out += ", ";
                self.write(right, true, out);
                out.push(')');
            }
            Expr::MinMax { greatest, args, .. } => {
                *out += if *greatest { "GREATEST(" } else { "LEAST(" };
                *out += &self.list(args);
                out.push(')');
            }
            Expr::Cast { arg, ty, kind, implicit: is_implicit } => {
                if *is_implicit && !implicit && !matches!(kind, CastKind::Row) {
                    self.write(arg, false, out);
                } else {
                    self.cast(arg, *ty, out);
                }
            }
            Expr::Array { elements, ty, .. } => {
                *out += &format!("ARRAY[{}]", self.list(elements));
                if elements.is_empty() {
                    *out += &format!("::{}", self.names.format_type(*ty));
                }
            }
            Expr::Row { fields, .. } => *out += &format!("ROW({})", self.list(fields)),
            Expr::FieldSelect { arg, name, .. } => {
                out.push('(');
                self.write(arg, true, out);
                *out += &format!(").{}", quote_identifier(name));
            }
            Expr::Subscript { container, indexes, .. } => {
                let bare = matches!(&**container, Expr::Column { .. } | Expr::Subscript { .. });
                if !bare {
                    out.push('(');
                }
                self.write(container, true, out);
                if !bare {
                    out.push(')');
                }
                for index in indexes {
                    out.push('[');
                    match index {
                        SubscriptIndex::At(e) => self.write(e, false, out),
                        SubscriptIndex::Slice(low, high) => {
                            if let Some(e) = low {
                                self.write(e, false, out);
                            }
                            out.push(':');
                            if let Some(e) = high {
                                self.write(e, false, out);
                            }
                        }
                    }
                    out.push(']');
                }
            }
            Expr::ScalarArray { operator, left, array, all, .. } => {
                out.push('(');
                self.write(left, true, out);
                *out += &format!(" {} {} (", operator_name(*operator), if *all { "ALL" } else { "ANY" });
                self.write(array, true, out);
                *out += "))";
            }
            Expr::SqlValue { kind, ty } => {
                *out += match kind {
                    SqlValue::CurrentDate => "CURRENT_DATE",
                    SqlValue::CurrentTime => "CURRENT_TIME",
                    SqlValue::CurrentTimestamp => "CURRENT_TIMESTAMP",
                    SqlValue::LocalTime => "LOCALTIME",
                    SqlValue::LocalTimestamp => "LOCALTIMESTAMP",
                    SqlValue::CurrentUser => "CURRENT_USER",
                    SqlValue::CurrentRole => "CURRENT_ROLE",
                    SqlValue::User => "USER",
                    SqlValue::SessionUser => "SESSION_USER",
                    SqlValue::CurrentCatalog => "CURRENT_CATALOG",
                    SqlValue::CurrentSchema => "CURRENT_SCHEMA",
                };
                let timed = matches!(
                    kind,
                    SqlValue::CurrentTime
                        | SqlValue::CurrentTimestamp
                        | SqlValue::LocalTime
                        | SqlValue::LocalTimestamp
                );
                if timed && ty.typmod >= 0 {
                    *out += &format!("({})", ty.typmod);
                }
            }
            Expr::Subquery(s) => match &s.plan {
                SubqueryPlan::Logical(_) => *out += "(SELECT ...)",
                SubqueryPlan::Physical { params, hashed, number, .. } => {
                    let quantified = matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. });
                    if params.is_empty() && !quantified {
                        *out += &format!("${}", number - 1);
                    } else {
                        *out += &format!("({}SubPlan {number})", if *hashed { "hashed " } else { "" });
                    }
                }
            },
        }
    }
    fn joined(&self, parts: &[Expr], word: &str, out: &mut String) {
        out.push('(');
        for (i, p) in parts.iter().enumerate() {
            if i > 0 {
                *out += word;
            }
            self.write(p, false, out);
        }
        out.push(')');
    }
    fn cast(&self, arg: &Expr, ty: SqlType, out: &mut String) {
        if let Expr::Const { value, ty: from } = arg {
            constant::write_bare(self, value, *from, out);
        } else {
            out.push('(');
            self.write(arg, false, out);
            out.push(')');
        }
        *out += &format!("::{}", self.names.format_type(ty));
    }
}

fn has_placeholder(e: &Expr) -> bool {
    crate::walk::any(e, &|e| matches!(e, Expr::Placeholder { .. }))
}

/// An operator's name.
pub fn operator_name(oid: quarry_common::Oid) -> &'static str {
    registry::operator(oid).map_or("?", |o| o.name)
}
