//! Expressions (PostgreSQL: get_rule_expr).

use super::constant::Label;
use super::operator_name;
use super::simple::is_simple;
use super::writer::{ITEM, Writer};
use crate::expr::SubqueryPlan;
use crate::{
    BoolTest, CallForm, CastKind, ColumnId, Expr, SqlValue, SubqueryExpr, SubqueryKind, SubscriptIndex,
};
use quarry_catalog::quote_identifier;
use quarry_types::{SqlType, oids};

impl Writer<'_> {
    /// An expression; `implicit`: casts that nobody wrote are shown too.
    pub(super) fn expr(&mut self, e: &Expr, implicit: bool) {
        match e {
            Expr::Const { value, ty } => self.constant(value, *ty, Label::IfNeeded),
            Expr::Column { id, .. } => self.column(*id),
            Expr::Param { number, .. } => self.out += &format!("${number}"),
            Expr::Call { form, args, ty, .. } => match (form, &args[..]) {
                // An ordering of rows.
                (CallForm::Operator(oid), [left @ Expr::Row { .. }, right @ Expr::Row { .. }]) => {
                    self.out.push('(');
                    self.expr(left, true);
                    self.out += &format!(" {} ", operator_name(*oid));
                    self.expr(right, true);
                    self.out.push(')');
                }
                (CallForm::Operator(oid), [left, right]) => self.infix(left, operator_name(*oid), right, e),
                (CallForm::Operator(oid), [arg]) => {
                    self.open();
                    self.out += operator_name(*oid);
                    self.out.push(' ');
                    self.inside(arg, true, e);
                    self.close();
                }
                (CallForm::ImplicitCast, [arg, ..]) if !implicit => self.inside(arg, false, e),
                (CallForm::ImplicitCast | CallForm::ExplicitCast, [arg, ..]) => self.cast(arg, *ty, e),
                (CallForm::SqlSyntax, _) if self.sql_syntax(e) => {}
                _ => self.function_call(e),
            },
            Expr::And(parts) => self.joined(parts, " AND ", e),
            Expr::Or(parts) => self.joined(parts, " OR ", e),
            Expr::Not(arg) => {
                self.open();
                self.out += "NOT ";
                self.inside(arg, false, e);
                self.close();
            }
            Expr::IsNull { arg, negated } => {
                self.open();
                self.inside(arg, true, e);
                self.out += if *negated { " IS NOT NULL" } else { " IS NULL" };
                self.close();
            }
            Expr::IsBool { arg, test } => {
                self.open();
                self.inside(arg, false, e);
                self.out += match test {
                    BoolTest::True => " IS TRUE",
                    BoolTest::NotTrue => " IS NOT TRUE",
                    BoolTest::False => " IS FALSE",
                    BoolTest::NotFalse => " IS NOT FALSE",
                    BoolTest::Unknown => " IS UNKNOWN",
                    BoolTest::NotUnknown => " IS NOT UNKNOWN",
                };
                self.close();
            }
            Expr::IsDistinct { left, right, negated, .. } => {
                if *negated {
                    self.open();
                    self.out += "NOT ";
                }
                self.infix(left, "IS DISTINCT FROM", right, e);
                if *negated {
                    self.close();
                }
            }
            Expr::Case { operand, whens, otherwise, .. } => {
                self.case(operand.as_deref(), whens, otherwise.as_deref(), e)
            }
            Expr::Placeholder { .. } => self.out += "VALUE",
            Expr::Coalesce { args, .. } => self.named_list("COALESCE(", args),
            Expr::NullIf { left, right, .. } => {
                self.out += "NULLIF(";
                self.expr(left, true);
                self.out += ", ";
                self.expr(right, true);
                self.out.push(')');
            }
            Expr::MinMax { greatest, args, .. } => {
                self.named_list(if *greatest { "GREATEST(" } else { "LEAST(" }, args)
            }
            Expr::Cast { arg, kind: CastKind::Collate(name), .. } => {
                self.open();
                self.inside(arg, implicit, e);
                self.out += " COLLATE ";
                self.out += &quote_identifier(name);
                self.close();
            }
            // Any row is a record as it is.
            Expr::Cast { arg, ty, kind: CastKind::Relabel, implicit: true }
                if matches!(ty.oid, oids::RECORD | oids::RECORD_ARRAY) =>
            {
                self.expr(arg, implicit)
            }
            // A row carries its type itself.
            Expr::Cast { arg, ty, kind: CastKind::Relabel, implicit: false }
                if matches!(**arg, Expr::Row { .. }) && ty.oid != oids::RECORD =>
            {
                self.expr(arg, implicit);
                self.type_label(*ty);
            }
            Expr::Cast { arg, ty, kind, implicit: hidden } => {
                if *hidden && !implicit && !matches!(kind, CastKind::Row) {
                    self.inside(arg, false, e);
                } else {
                    self.cast(arg, *ty, e);
                }
            }
            Expr::Array { elements, ty, .. } => {
                self.out += "ARRAY[";
                self.list(elements);
                self.out.push(']');
                if elements.is_empty() {
                    self.type_label(*ty);
                }
            }
            Expr::Row { fields, names, .. } => self.row(fields, names),
            Expr::FieldSelect { arg, index, name, .. } => {
                // The field's name may have changed since the expression was bound.
                let ty = arg.ty();
                let names = (ty.oid != oids::RECORD).then(|| self.d.io.names.column_names(ty)).flatten();
                let name = names.as_ref().and_then(|n| n.get(*index)).unwrap_or(name);
                let bare = matches!(&**arg, Expr::Subscript { .. } | Expr::FieldSelect { .. });
                self.bracketed(arg, !bare);
                self.out.push('.');
                self.out += &quote_identifier(name);
            }
            Expr::Subscript { container, indexes, .. } => {
                let bare = match &**container {
                    Expr::Column { id, .. } => self.is_name(*id),
                    Expr::Subscript { .. } | Expr::FieldSelect { .. } => true,
                    _ => false,
                };
                self.bracketed(container, !bare);
                indexes.iter().for_each(|i| self.subscript(i));
            }
            Expr::ScalarArray { operator, left, array, all, .. } => {
                self.open();
                self.inside(left, true, e);
                self.out += &format!(" {} {} (", operator_name(*operator), if *all { "ALL" } else { "ANY" });
                self.inside(array, true, e);
                self.out.push(')');
                self.close();
            }
            Expr::SqlValue { kind, ty } => self.sql_value(*kind, *ty),
            Expr::Subquery(s) => self.subquery(s),
        }
    }

    /// A part of `parent`, in parentheses if it needs them.
    pub(super) fn inside(&mut self, e: &Expr, implicit: bool, parent: &Expr) {
        let bare = !self.sparing() || is_simple(e, parent);
        if !bare {
            self.out.push('(');
        }
        self.expr(e, implicit);
        if !bare {
            self.out.push(')');
        }
    }

    fn bracketed(&mut self, e: &Expr, brackets: bool) {
        if brackets {
            self.out.push('(');
        }
        self.expr(e, true);
        if brackets {
            self.out.push(')');
        }
    }

    fn infix(&mut self, left: &Expr, operator: &str, right: &Expr, parent: &Expr) {
        self.open();
        self.inside(left, true, parent);
        self.out.push(' ');
        self.out += operator;
        self.out.push(' ');
        self.inside(right, true, parent);
        self.close();
    }

    fn joined(&mut self, parts: &[Expr], word: &str, parent: &Expr) {
        self.open();
        for (i, p) in parts.iter().enumerate() {
            if i > 0 {
                self.out += word;
            }
            self.inside(p, false, parent);
        }
        self.close();
    }

    /// Expressions between commas.
    pub(super) fn list(&mut self, args: &[Expr]) {
        for (i, a) in args.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            self.expr(a, true);
        }
    }

    pub(super) fn named_list(&mut self, head: &str, args: &[Expr]) {
        self.out += head;
        self.list(args);
        self.out.push(')');
    }

    fn case(&mut self, operand: Option<&Expr>, whens: &[(Expr, Expr)], otherwise: Option<&Expr>, e: &Expr) {
        self.keyword("CASE", 0, ITEM, 0);
        if let Some(o) = operand {
            self.out.push(' ');
            self.expr(o, true);
        }
        for (when, then) in whens {
            self.case_word("WHEN ");
            match (operand, when) {
                (Some(_), Expr::Call { args, form: CallForm::Operator(_), .. })
                    if args.len() == 2 && has_placeholder(&args[0]) =>
                {
                    self.expr(&args[1], false)
                }
                _ => self.expr(when, false),
            }
            self.out += " THEN ";
            self.expr(then, true);
        }
        self.case_word("ELSE ");
        match otherwise {
            Some(o) => self.expr(o, true),
            None => {
                self.out += "NULL";
                self.type_label(e.ty());
            }
        }
        if !self.lines() {
            self.out.push(' ');
        }
        self.keyword("END", -ITEM, 0, 0);
    }

    fn case_word(&mut self, word: &str) {
        if !self.lines() {
            self.out.push(' ');
        }
        self.keyword(word, 0, 0, 0);
    }

    /// An expression where `t.*` alone would stand for several columns.
    pub(super) fn top_level(&mut self, e: &Expr, implicit: bool) {
        let whole = match e {
            Expr::Column { id, .. } => self.names.rows.contains_key(id),
            Expr::Row { fields, names, .. } => self.whole_item(fields, names).is_some(),
            _ => false,
        };
        self.expr(e, implicit);
        if whole {
            self.type_label(e.ty());
        }
    }

    /// The FROM item whose whole row this is.
    fn whole_item(&self, fields: &[Expr], names: &[String]) -> Option<&String> {
        if fields.is_empty() || names.iter().enumerate().all(|(i, n)| *n == format!("f{}", i + 1)) {
            return None;
        }
        let same = |ids: &[ColumnId]| {
            ids.len() == fields.len()
                && ids.iter().zip(fields).all(|(id, f)| matches!(f, Expr::Column { id: c, .. } if c == id))
        };
        self.names.items.iter().find(|(ids, _)| same(ids)).map(|(_, name)| name)
    }

    fn row(&mut self, fields: &[Expr], names: &[String]) {
        if let Some(item) = self.whole_item(fields, names) {
            let item = item.clone();
            self.out += &item;
            self.out += ".*";
            return;
        }
        self.out += "ROW(";
        for (i, f) in fields.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            self.top_level(f, true);
        }
        self.out.push(')');
    }

    fn subscript(&mut self, index: &SubscriptIndex) {
        self.out.push('[');
        match index {
            SubscriptIndex::At(e) => self.expr(e, false),
            SubscriptIndex::Slice(low, high) => {
                if let Some(e) = low {
                    self.expr(e, false);
                }
                self.out.push(':');
                if let Some(e) = high {
                    self.expr(e, false);
                }
            }
        }
        self.out.push(']');
    }

    /// `arg::type` (get_coercion_expr).
    pub(super) fn cast(&mut self, arg: &Expr, ty: SqlType, parent: &Expr) {
        match arg {
            // A length coercion of a constant: its own label would say the same twice.
            Expr::Const { value, ty: from } if from.oid == ty.oid && from.typmod == -1 => {
                self.constant(value, *from, Label::Never)
            }
            _ => {
                self.open();
                self.inside(arg, false, parent);
                self.close();
            }
        }
        self.type_label(ty);
    }

    fn sql_value(&mut self, kind: SqlValue, ty: SqlType) {
        self.out += match kind {
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
            self.out += &format!("({})", ty.typmod);
        }
    }

    /// Whether a column is written as a name, not as what computes it.
    pub(super) fn is_name(&self, id: ColumnId) -> bool {
        !self.names.computed.contains_key(&id)
    }

    pub(super) fn column(&mut self, id: ColumnId) {
        if let Some(text) = self.names.columns.get(&id) {
            self.out += text;
        } else if let Some(item) = self.names.rows.get(&id) {
            self.out += item;
            self.out += ".*";
        } else if let Some(c) = self.names.computed.get(&id) {
            let c = c.clone();
            self.computed(&c);
        } else {
            let text = self.d.column(id);
            self.out += &text;
        }
    }

    /// A subquery (get_sublink_expr), or the name EXPLAIN knows its plan by.
    fn subquery(&mut self, s: &SubqueryExpr) {
        if let Some(tree) = &s.tree {
            self.out += if s.kind == SubqueryKind::Array { "ARRAY(" } else { "(" };
            let mut inner = false;
            match &s.kind {
                SubqueryKind::Exists => self.out += "EXISTS ",
                SubqueryKind::Any { tests } | SubqueryKind::All { tests } => {
                    let operator = self.quantified_left(tests);
                    let any = matches!(s.kind, SubqueryKind::Any { .. });
                    self.out += &match operator {
                        Some("=") | None if any => " IN ".to_string(),
                        other => format!(" {} {} ", other.unwrap_or("="), if any { "ANY" } else { "ALL" }),
                    };
                }
                SubqueryKind::Scalar | SubqueryKind::Array | SubqueryKind::Row => inner = true,
            }
            if !inner {
                self.out.push('(');
            }
            self.nested_query(tree, false);
            self.out += if inner { ")" } else { "))" };
            return;
        }
        match &s.plan {
            SubqueryPlan::Logical(_) => self.out += "(SELECT ...)",
            SubqueryPlan::Physical { params, hashed, number, .. } => {
                let quantified = matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. });
                self.out += &if params.is_empty() && !quantified {
                    format!("${}", number - 1)
                } else {
                    format!("({}SubPlan {number})", if *hashed { "hashed " } else { "" })
                };
            }
        }
    }

    /// The left side of `left op ANY (..)`, taken from the tests; the operator.
    fn quantified_left(&mut self, tests: &[Expr]) -> Option<&'static str> {
        let mut left = vec![];
        let mut operator = None;
        tests.iter().for_each(|t| compared(t, &mut left, &mut operator));
        match &left[..] {
            [one] => self.expr(one, true),
            several => {
                self.out.push('(');
                for (i, e) in several.iter().enumerate() {
                    if i > 0 {
                        self.out += ", ";
                    }
                    self.expr(e, true);
                }
                self.out.push(')');
            }
        }
        operator
    }
}

/// The left operands and the operator in a comparison with a subquery's columns: one test a column, their disjunction, or one
/// ordering of rows.
fn compared<'e>(test: &'e Expr, left: &mut Vec<&'e Expr>, operator: &mut Option<&'static str>) {
    match test {
        Expr::Call { args, form: CallForm::Operator(oid), .. } if args.len() == 2 => {
            match &args[..] {
                [Expr::Row { fields, .. }, Expr::Row { .. }] => left.extend(fields),
                _ => left.push(&args[0]),
            }
            *operator = Some(operator_name(*oid));
        }
        Expr::Or(parts) => parts.iter().for_each(|p| compared(p, left, operator)),
        Expr::Cast { arg, .. } => compared(arg, left, operator),
        _ => {}
    }
}

fn has_placeholder(e: &Expr) -> bool {
    match e {
        Expr::Placeholder { .. } => true,
        Expr::Cast { arg, implicit: true, .. } => has_placeholder(arg),
        Expr::Call { args, form: CallForm::ImplicitCast, .. } => args.first().is_some_and(has_placeholder),
        _ => false,
    }
}
