//! Operators, row comparisons, IN lists, ANY and ALL over arrays (PostgreSQL: parse_oper.c, parse_expr.c).

use super::coerce::{at, position};
use super::{Binder, Typed};
use crate::ast::{self, ExprKind, OpName, Pos, SubLinkKind};
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::{CastContext, OperatorDef, registry};
use quarry_plan::total::cannot_fail;
use quarry_plan::volatility::is_volatile;
use quarry_plan::{CallForm, Expr, FunctionRef};
use quarry_types::{SqlType, oids};

impl Binder<'_> {
    pub(super) fn operator_expr(
        &mut self,
        op: &OpName,
        left: Option<&ast::Expr>,
        right: &ast::Expr,
        pos: Pos,
    ) -> Result<Typed> {
        if let Some(left) = left {
            if let (ExprKind::Row { fields: l, .. }, ExprKind::Row { fields: r, .. }) =
                (&left.kind, &right.kind)
            {
                let l = l.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>>>()?;
                let r = r.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>>>()?;
                let expr = self.row_comparison(op, l, r, pos)?;
                return Ok(Typed { expr, pos });
            }
            // (a, b) = (SELECT x, y ...)
            if let (ExprKind::Row { fields, .. }, ExprKind::SubLink(link)) = (&left.kind, &right.kind)
                && link.kind == SubLinkKind::Expr
            {
                return self.row_against_subquery(op, fields, link, pos);
            }
        }
        if let Some(left) = left
            && self.reader.session().transform_null_equals
            && op.schema.is_empty()
            && op.name == "="
        {
            let is_null = |e: &ast::Expr| matches!(e.kind, ExprKind::Const(ast::Literal::Null));
            // One side is the bare NULL: the test is of the other.
            let tested = if is_null(right) { Some(left) } else { is_null(left).then_some(right) };
            if let Some(tested) = tested {
                let test = ExprKind::NullTest { arg: Box::new(tested.clone()), negated: false };
                return self.expr(&ast::Expr { kind: test, pos });
            }
        }
        let l = left.map(|e| self.expr(e)).transpose()?;
        let r = self.expr(right)?;
        let mut made = self.make_operator(op, l, r, pos)?;
        made.pos = left.map_or(pos, |l| l.location().min(pos));
        Ok(made)
    }

    fn row_against_subquery(
        &mut self,
        op: &OpName,
        fields: &[ast::Expr],
        link: &ast::SubLink,
        pos: Pos,
    ) -> Result<Typed> {
        let l = fields.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>>>()?;
        let bound = self.subquery(&link.query)?;
        if self.record {
            return Err(at(Error::unsupported("a row compared with a subquery in a view"), pos));
        }
        if bound.output.len() != l.len() {
            let what = if l.len() < bound.output.len() { "many" } else { "few" };
            return Err(at(err!(SYNTAX_ERROR, "subquery has too {what} columns"), pos));
        }
        // One row at most: compare as `op ANY`, except that no row means NULL; a scalar subquery over each test keeps that.
        let r = bound.output.iter().map(|(id, _, ty)| Typed { expr: Expr::column(*id, *ty), pos }).collect();
        let test = self.row_comparison(op, l, r, pos)?;
        let id = self.meta.computed("?column?", SqlType::BOOL);
        let plan =
            quarry_plan::LogicalPlan::Project { input: Box::new(bound.plan), targets: vec![(id, test)] };
        let expr = Expr::Subquery(Box::new(quarry_plan::SubqueryExpr {
            kind: quarry_plan::SubqueryKind::Scalar,
            plan: quarry_plan::expr::SubqueryPlan::Logical(Box::new(plan)),
            output: vec![id],
            ty: SqlType::BOOL,
            tree: None,
        }));
        Ok(Typed { expr, pos })
    }

    /// Resolves the operator and coerces its arguments.
    pub(super) fn make_operator(
        &mut self,
        op: &OpName,
        left: Option<Typed>,
        right: Typed,
        pos: Pos,
    ) -> Result<Typed> {
        let (lt, rt) = (left.as_ref().map(|l| l.expr.ty().oid), right.expr.ty().oid);
        let def = self.resolve_operator(op, lt, rt, pos)?;
        let expr = self.operator_call(def, left, right, pos)?;
        Ok(Typed { expr, pos })
    }

    fn operator_call(
        &mut self,
        def: &'static OperatorDef,
        left: Option<Typed>,
        right: Typed,
        pos: Pos,
    ) -> Result<Expr> {
        let function = operator_function(def)?;
        let declared: Vec<Oid> = if left.is_some() { vec![def.left, def.right] } else { vec![def.right] };
        let given: Vec<Typed> = left.into_iter().chain([right]).collect();
        let actual: Vec<Oid> = given.iter().map(|g| g.expr.ty().oid).collect();
        let (types, ret) = self.settle_polymorphic(&declared, &actual, def.ret, pos)?;
        let args = given
            .into_iter()
            .zip(types)
            .map(|(g, t)| self.coerce_type(g, SqlType::of(t), CastContext::Implicit, CallForm::ImplicitCast))
            .collect::<Result<Vec<_>>>()?;
        let ty = SqlType::of(ret);
        Ok(Expr::Call {
            function,
            args,
            ty,
            form: CallForm::Operator(def.oid),
            variadic: false,
            pos: position(pos),
        })
    }

    /// `(a, b) op (c, d)`.
    pub(super) fn row_comparison(
        &mut self,
        op: &OpName,
        left: Vec<Typed>,
        right: Vec<Typed>,
        pos: Pos,
    ) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(at(err!(SYNTAX_ERROR, "unequal number of entries in row expressions"), pos));
        }
        if left.is_empty() {
            return Err(at(err!(FEATURE_NOT_SUPPORTED, "cannot compare rows of zero length"), pos));
        }
        if left.len() == 1 {
            let (l, r) = (left.into_iter().next(), right.into_iter().next());
            let (Some(l), Some(r)) = (l, r) else { return Err(Error::internal("row of one without it")) };
            return Ok(self.make_operator(op, Some(l), r, pos)?.expr);
        }
        match op.name.as_str() {
            "=" | "<>" | "!=" => {
                let tests = left
                    .into_iter()
                    .zip(right)
                    .map(|(l, r)| Ok(self.make_operator(op, Some(l), r, pos)?.expr))
                    .collect::<Result<Vec<_>>>()?;
                Ok(if op.name == "=" { Expr::And(tests) } else { Expr::Or(tests) })
            }
            "<" | "<=" | ">" | ">=" => self.row_order(op, left, right, pos),
            _ => {
                let e = err!(
                    FEATURE_NOT_SUPPORTED,
                    "could not determine interpretation of row comparison operator {}",
                    op.name
                )
                .hint("Row comparison operators must be associated with btree operator families.");
                Err(at(e, pos))
            }
        }
    }

    /// Row ordering spelled out: `a < c OR (a = c AND b < d)`; the strict operator decides all but the last column. Where `b` or `d` may
    /// fail they are computed only if the columns before are equal, and what is volatile is computed once:
    /// `CASE WHEN a = c THEN b < d ELSE a < c END`, `CASE ROW(a, c) WHEN .f1 = .f2 THEN b < d WHEN .f1 < .f2 THEN true ...`.
    pub(super) fn row_order(
        &mut self,
        op: &OpName,
        left: Vec<Typed>,
        right: Vec<Typed>,
        pos: Pos,
    ) -> Result<Expr> {
        if self.record {
            return self.recorded_row_order(op, left, right, pos);
        }
        let strict = OpName::bare(if op.name.starts_with('<') { "<" } else { ">" });
        let mut pairs: Vec<(Typed, Typed)> = left.into_iter().zip(right).collect();
        let Some((l, r)) = pairs.pop() else { return Err(Error::internal("row comparison without columns")) };
        let mut expr = self.make_operator(op, Some(l), r, pos)?.expr;
        while let Some((l, r)) = pairs.pop() {
            let decided = self.make_operator(&strict, Some(l.clone()), r.clone(), pos)?.expr;
            if let (true, Expr::Call { args, .. }) = (is_volatile(&decided), &decided)
                && let [a, b] = &args[..]
            {
                expr = self.ordered_once([a.clone(), b.clone()], &strict, expr, pos)?;
                continue;
            }
            let equal = self.make_operator(&OpName::bare("="), Some(l), r, pos)?.expr;
            let fails = !cannot_fail(&expr, &[])
                && quarry_plan::walk::any(&expr, &|e| matches!(e, Expr::Column { .. } | Expr::Subquery(_)));
            expr = match fails {
                true => {
                    let (whens, otherwise) = (vec![(equal, expr)], Some(Box::new(decided)));
                    Expr::Case { operand: None, whens, otherwise, ty: SqlType::BOOL }
                }
                false => Expr::Or(vec![decided, Expr::And(vec![equal, expr])]),
            };
        }
        Ok(expr)
    }

    /// Two values' order, or where they are equal the rest's; each is computed once.
    fn ordered_once(&mut self, sides: [Expr; 2], strict: &OpName, rest: Expr, pos: Pos) -> Result<Expr> {
        let names = ["f1", "f2"];
        let [l, r] = [0, 1].map(|index: usize| {
            let arg = Box::new(Expr::Placeholder { ty: SqlType::RECORD });
            let (name, ty) = (names[index].to_string(), sides[index].ty());
            Typed { expr: Expr::FieldSelect { arg, index, name, ty }, pos }
        });
        let mut test = |op: &OpName| -> Result<Expr> {
            Ok(self.make_operator(op, Some(l.clone()), r.clone(), pos)?.expr)
        };
        let opposite = OpName::bare(if strict.name == "<" { ">" } else { "<" });
        let whens = vec![
            (test(&OpName::bare("="))?, rest),
            (test(strict)?, Expr::bool_const(true)),
            (test(&opposite)?, Expr::bool_const(false)),
        ];
        let names = names.map(String::from).to_vec();
        let pair = Expr::Row { fields: sides.to_vec(), names, ty: SqlType::RECORD };
        Ok(Expr::Case { operand: Some(Box::new(pair)), whens, otherwise: None, ty: SqlType::BOOL })
    }

    /// A row ordering as it is written: the first columns' operator over both rows.
    fn recorded_row_order(
        &mut self,
        op: &OpName,
        left: Vec<Typed>,
        right: Vec<Typed>,
        pos: Pos,
    ) -> Result<Expr> {
        let (mut l, mut r, mut first) = (vec![], vec![], None);
        for (a, b) in left.into_iter().zip(right) {
            let mut test = self.make_operator(op, Some(a), b, pos)?.expr;
            if let Expr::Call { args, .. } = &mut test {
                r.extend(args.pop());
                l.extend(args.pop());
            }
            first.get_or_insert(test);
        }
        let row = |fields: Vec<Expr>| {
            let names = (1..=fields.len()).map(|i| format!("f{i}")).collect();
            Expr::Row { fields, names, ty: SqlType::RECORD }
        };
        match first {
            Some(Expr::Call { function, ty, form, variadic, pos, .. }) => {
                Ok(Expr::Call { function, args: vec![row(l), row(r)], ty, form, variadic, pos })
            }
            _ => Err(Error::internal("a row comparison without columns")),
        }
    }

    /// `left op ANY/ALL (array)`.
    pub(super) fn array_comparison(
        &mut self,
        op: &OpName,
        left: &ast::Expr,
        array: &ast::Expr,
        all: bool,
        pos: Pos,
    ) -> Result<Expr> {
        let l = self.expr(left)?;
        let r = self.expr(array)?;
        self.make_array_comparison(op, l, r, all, pos)
    }

    pub(super) fn make_array_comparison(
        &mut self,
        op: &OpName,
        left: Typed,
        array: Typed,
        all: bool,
        pos: Pos,
    ) -> Result<Expr> {
        let array_type = array.expr.ty().oid;
        let element = match array_type {
            oids::UNKNOWN => oids::UNKNOWN,
            other => match self.element_type(other)? {
                Some(e) => e,
                None => {
                    return Err(at(
                        err!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side"),
                        pos,
                    ));
                }
            },
        };
        let def = self.resolve_operator(op, Some(left.expr.ty().oid), element, pos)?;
        if def.ret != oids::BOOL {
            return Err(at(
                err!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires operator to yield boolean"),
                pos,
            ));
        }
        let function = operator_function(def)?;
        let actual = [left.expr.ty().oid, element];
        let (types, _) = self.settle_polymorphic(&[def.left, def.right], &actual, def.ret, pos)?;
        let goal = match self.array_type(types[1])? {
            Some(a) => a,
            None => {
                let e = err!(
                    UNDEFINED_OBJECT,
                    "could not find array type for data type {}",
                    self.type_name(types[1])
                );
                return Err(at(e, pos));
            }
        };
        let left =
            self.coerce_type(left, SqlType::of(types[0]), CastContext::Implicit, CallForm::ImplicitCast)?;
        let array =
            self.coerce_type(array, SqlType::of(goal), CastContext::Implicit, CallForm::ImplicitCast)?;
        Ok(Expr::ScalarArray {
            function,
            operator: def.oid,
            left: Box::new(left),
            array: Box::new(array),
            all,
        })
    }

    /// `left [NOT] IN (list)`: one comparison with an array where all elements can share a type, else a chain.
    pub(super) fn in_list(
        &mut self,
        left: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        pos: Pos,
    ) -> Result<Expr> {
        let op = OpName::bare(if negated { "<>" } else { "=" });
        if matches!(left.kind, ExprKind::Row { .. }) {
            let tests = list
                .iter()
                .map(|e| Ok(self.operator_expr(&op, Some(left), e, pos)?.expr))
                .collect::<Result<Vec<_>>>()?;
            return Ok(chain(tests, negated));
        }
        let l = self.expr(left)?;
        let mut constant = vec![];
        let mut rest = vec![];
        for e in list {
            let bound = self.expr(e)?;
            let has_column = quarry_plan::walk::any(&bound.expr, &|e| {
                matches!(e, Expr::Column { .. } | Expr::Subquery(_))
            });
            let is_row = matches!(bound.expr, Expr::Row { .. });
            if has_column || is_row { rest.push(bound) } else { constant.push(bound) }
        }
        let mut tests = vec![];
        if constant.len() > 1 {
            let mut all: Vec<&Typed> = vec![&l];
            all.extend(constant.iter());
            // Types that don't match are compared one by one, so that each gets its own error or operator.
            if let Ok(shared) = self.common_type(&all, "IN")
                && shared != oids::RECORD
                && let Some(array) = self.array_type(shared)?
            {
                let elements = constant
                    .drain(..)
                    .map(|v| self.coerce_to_common(v, shared, "IN"))
                    .collect::<Result<Vec<_>>>()?;
                let array = Expr::Array { elements, nested: false, ty: SqlType::of(array) };
                let array = Typed { expr: array, pos };
                tests.push(self.make_array_comparison(&op, l.clone(), array, negated, pos)?);
            }
        }
        for r in constant.into_iter().chain(rest) {
            let test = self.make_operator(&op, Some(l.clone()), r, pos)?;
            tests.push(self.coerce_to_boolean(test, "IN")?);
        }
        Ok(chain(tests, negated))
    }
}

fn chain(mut tests: Vec<Expr>, all: bool) -> Expr {
    match tests.len() {
        1 => tests.remove(0),
        _ if all => Expr::And(tests),
        _ => Expr::Or(tests),
    }
}

fn operator_function(def: &OperatorDef) -> Result<FunctionRef> {
    match registry::function(def.function) {
        Some(f) => Ok(FunctionRef::Builtin(f)),
        None => Err(Error::unsupported(format_args!("operator {}", def.name))),
    }
}
