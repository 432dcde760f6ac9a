//! Expressions (PostgreSQL: parse_expr.c).

use super::coerce::at;
use super::scope::ExprKind as Place;
use super::{Binder, Scope, Typed};
use crate::ast::{self, ExprKind, Literal, NO_POS, OpName, Pos, SubLinkKind};
use quarry_common::{Error, Result, bail, err};
use quarry_functions::CastContext;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{BoolTest, Expr, SqlValue, SubqueryExpr, SubqueryKind};
use quarry_types::record::shape::{record_type, shape_of};
use quarry_types::{Datum, SqlType, oids};

impl Binder<'_> {
    /// Binds an expression.
    pub(super) fn expr(&mut self, e: &ast::Expr) -> Result<Typed> {
        self.nested(|b| b.expr_inner(e))
    }

    fn expr_inner(&mut self, e: &ast::Expr) -> Result<Typed> {
        let pos = e.pos;
        let expr = match &e.kind {
            ExprKind::ColumnRef { names, star } => return self.column_ref(names, *star, pos),
            ExprKind::Param(n) => self.param(*n, pos)?,
            ExprKind::Const(literal) => self.literal(literal, pos)?,
            ExprKind::TypeCast { arg, type_name } => return self.type_cast(arg, type_name, pos),
            ExprKind::Collate { arg, collation } => return self.collate(arg, collation, pos),
            ExprKind::Op { op, left, right } => return self.operator_expr(op, left.as_deref(), right, pos),
            ExprKind::OpArray { op, left, array, all } => {
                self.array_comparison(op, left, array, *all, pos)?
            }
            ExprKind::Distinct { left, right, negated } => self.distinct(left, right, *negated, pos)?,
            ExprKind::NullIf { left, right } => self.null_if(left, right, pos)?,
            ExprKind::In { left, list, negated } => self.in_list(left, list, *negated, pos)?,
            ExprKind::Like { kind, left, pattern, negated } => {
                let op = OpName::bare(kind.operator(*negated));
                return self.operator_expr(&op, Some(left), pattern, pos);
            }
            ExprKind::Between { arg, low, high, negated, symmetric } => {
                self.between(arg, low, high, *negated, *symmetric, pos)?
            }
            ExprKind::And(args) => Expr::And(self.booleans(args, "AND")?),
            ExprKind::Or(args) => Expr::Or(self.booleans(args, "OR")?),
            ExprKind::Not(arg) => {
                let arg = self.expr(arg)?;
                Expr::Not(Box::new(self.coerce_to_boolean(arg, "NOT")?))
            }
            ExprKind::NullTest { arg, negated } => {
                let arg = self.expr(arg)?;
                let arg = self.settle_unknown(arg)?;
                Expr::IsNull { arg: Box::new(arg.expr), negated: *negated }
            }
            ExprKind::BooleanTest { arg, test } => self.boolean_test(arg, *test)?,
            ExprKind::SubLink(link) => self.sublink(link, pos)?,
            ExprKind::Row { fields, .. } => self.row(fields)?,
            ExprKind::Array(elements) => self.array(elements, None, pos)?,
            ExprKind::Indirection { arg, steps } => return self.indirection(arg, steps, pos),
            ExprKind::Case(case) => self.case(case)?,
            ExprKind::Coalesce(args) => {
                let (args, ty) = self.common_args(args, "COALESCE")?;
                Expr::Coalesce { args, ty }
            }
            ExprKind::MinMax { greatest, args } => {
                let (args, ty) = self.common_args(args, if *greatest { "GREATEST" } else { "LEAST" })?;
                Expr::MinMax { greatest: *greatest, args, ty }
            }
            ExprKind::SqlValue(v) => sql_value(*v),
            ExprKind::FuncCall(call) => return self.call(call, pos),
            ExprKind::Grouping(args) => self.grouping(args, pos)?,
            ExprKind::SetToDefault => {
                return Err(at(err!(SYNTAX_ERROR, "DEFAULT is not allowed in this context"), pos));
            }
            ExprKind::CurrentOf(_) => return Err(at(Error::unsupported("WHERE CURRENT OF"), pos)),
            ExprKind::Xml(_) => return Err(at(Error::unsupported("XML functions"), pos)),
        };
        Ok(Typed { expr, pos: e.location() })
    }

    /// Binds in another part of the statement than the scope's current one.
    pub(super) fn expr_in(&mut self, e: &ast::Expr, place: Place) -> Result<Typed> {
        let before = std::mem::replace(&mut self.scope().kind, place);
        let bound = self.expr(e);
        self.scope().kind = before;
        bound
    }

    /// A WHERE-like condition.
    pub(super) fn condition(&mut self, e: &ast::Expr, place: Place, construct: &str) -> Result<Expr> {
        let bound = self.expr_in(e, place)?;
        self.coerce_to_boolean(bound, construct)
    }

    fn literal(&mut self, literal: &Literal, pos: Pos) -> Result<Expr> {
        let (value, ty) = match literal {
            Literal::Integer(i) => (Datum::I32(*i), SqlType::INT4),
            Literal::Float(text) => match text.parse::<i64>() {
                // Only -2147483648 comes here: its digits alone are no int4.
                Ok(v) if i32::try_from(v).is_ok() => (Datum::I32(v as i32), SqlType::INT4),
                Ok(v) => (Datum::I64(v), SqlType::INT8),
                Err(_) => {
                    let info = self.io.type_ref(oids::NUMERIC)?;
                    (info.input(text, -1, self.io).map_err(|e| at(e, pos))?, SqlType::NUMERIC)
                }
            },
            Literal::String(s) => (Datum::text(s), SqlType::UNKNOWN),
            Literal::BitString(_) => return Err(at(Error::unsupported("type bit"), pos)),
            Literal::Boolean(b) => (Datum::Bool(*b), SqlType::BOOL),
            Literal::Null => (Datum::Null, SqlType::UNKNOWN),
        };
        Ok(Expr::Const { value, ty })
    }

    /// `a`, `t.a`, `s.t.a`, `t.*` (as a whole row here; target lists expand stars themselves).
    fn column_ref(&mut self, names: &[String], star: bool, pos: Pos) -> Result<Typed> {
        let done = |expr| Ok(Typed { expr, pos });
        if let [Scope { kind: Place::Default, items, .. }] = &self.scopes[..]
            && items.is_empty()
        {
            let e = err!(FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression");
            return Err(at(e, pos));
        }
        if star {
            let (schema, table) = match names {
                [t] => (None, t.as_str()),
                [s, t] => (Some(s.as_str()), t.as_str()),
                _ => {
                    return Err(at(err!(SYNTAX_ERROR, "row expansion via \"*\" is not supported here"), pos));
                }
            };
            return match self.find_item(schema, table, pos)? {
                Some(item) => {
                    let row = self.whole_row(item, pos);
                    done(row)
                }
                None => Err(self.no_item(schema, table, pos)),
            };
        }
        match names {
            [name] => {
                if let Some(expr) = self.find_column(name, pos)? {
                    return done(expr);
                }
                if name == "value"
                    && let Some(ty) = self.scope().domain_value
                {
                    return done(Expr::Placeholder { ty });
                }
                if let Some(item) = self.find_item(None, name, pos)? {
                    let row = self.whole_row(item, pos);
                    return done(row);
                }
                Err(self.no_column(None, name, pos))
            }
            [table, name] => self.qualified(None, table, name, pos),
            [schema, table, name] => self.qualified(Some(schema), table, name, pos),
            [_, schema, table, name] => self.qualified(Some(schema), table, name, pos),
            _ => {
                let e = err!(
                    SYNTAX_ERROR,
                    "improper qualified name (too many dotted names): {}",
                    names.join(".")
                );
                Err(at(e, pos))
            }
        }
    }

    fn qualified(&mut self, schema: Option<&str>, table: &str, name: &str, pos: Pos) -> Result<Typed> {
        let Some(item) = self.find_item(schema, table, pos)? else {
            return Err(self.no_item(schema, table, pos));
        };
        if let Some(expr) = self.column_of_item(item, name, pos)? {
            return Ok(Typed { expr, pos });
        }
        // table.function: the whole row as the function's argument.
        if !self.reader.functions(None, name)?.is_empty() {
            let row = self.whole_row(item, pos);
            let arg = Typed { expr: row, pos };
            let as_function = self.call_simple(&[name.to_string()], vec![arg], pos);
            if let Ok(value) = as_function {
                return Ok(value);
            }
        }
        Err(self.no_column(Some(table), name, pos))
    }

    fn type_cast(&mut self, arg: &ast::Expr, name: &ast::TypeName, pos: Pos) -> Result<Typed> {
        let target = self.type_name_to_type(name)?;
        // ARRAY[...]::type[] gives its elements the type at once, so that ARRAY[]::int[] has one.
        if let ExprKind::Array(elements) = &arg.kind
            && self.element_type(target.oid)?.is_some()
        {
            let base = self.base_type(target)?;
            let expr = self.array(elements, Some(base), arg.pos)?;
            let value = Typed { expr, pos: arg.pos };
            let expr = self.coerce_to(value, target, CastContext::Explicit, pos)?;
            return Ok(Typed { expr, pos });
        }
        let value = self.expr(arg)?;
        if value.expr.ty().oid == oids::UNKNOWN
            && let Expr::Const { .. } = value.expr
        {
            let expr = self.coerce_to(value, target, CastContext::Explicit, pos)?;
            return Ok(Typed { expr, pos: arg.location().min(pos) });
        }
        let from = arg.location();
        let expr = self.coerce_to(value, target, CastContext::Explicit, pos)?;
        Ok(Typed { expr, pos: from.min(pos) })
    }

    fn collate(&mut self, arg: &ast::Expr, collation: &[String], pos: Pos) -> Result<Typed> {
        let value = self.expr(arg)?;
        let value = self.settle_unknown(value)?;
        let (category, _) = self.category(self.base_oid(value.expr.ty().oid)?)?;
        if category != 'S' && self.element_type(value.expr.ty().oid)?.is_none() {
            let e = err!(
                DATATYPE_MISMATCH,
                "collations are not supported by type {}",
                self.type_name(value.expr.ty().oid)
            );
            return Err(at(e, pos));
        }
        let name = collation.last().map_or("", String::as_str);
        if collation.len() > 1 {
            self.reader.resolve_collation(collation, ast::error_position(pos))?;
        }
        match name {
            // All of these compare bytes here: the database's own collation is C.UTF-8.
            "C" | "POSIX" | "default" | "ucs_basic" | "C.UTF-8" | "C.utf8" if self.keep_collations => {
                let (ty, arg) = (value.expr.ty(), Box::new(value.expr));
                let kind = quarry_plan::CastKind::Collate(name.to_string());
                Ok(Typed { expr: Expr::Cast { arg, ty, kind, implicit: false }, pos: value.pos })
            }
            "C" | "POSIX" | "default" | "ucs_basic" | "C.UTF-8" | "C.utf8" => Ok(value),
            other => {
                let e = err!(UNDEFINED_OBJECT, "collation \"{other}\" for encoding \"UTF8\" does not exist");
                Err(at(e, pos))
            }
        }
    }

    fn booleans(&mut self, args: &[ast::Expr], construct: &str) -> Result<Vec<Expr>> {
        let mut out = vec![];
        for a in args {
            let bound = self.expr(a)?;
            out.push(self.coerce_to_boolean(bound, construct)?);
        }
        Ok(out)
    }

    fn boolean_test(&mut self, arg: &ast::Expr, test: ast::BooleanTest) -> Result<Expr> {
        let (test, name) = match test {
            ast::BooleanTest::IsTrue => (BoolTest::True, "IS TRUE"),
            ast::BooleanTest::IsNotTrue => (BoolTest::NotTrue, "IS NOT TRUE"),
            ast::BooleanTest::IsFalse => (BoolTest::False, "IS FALSE"),
            ast::BooleanTest::IsNotFalse => (BoolTest::NotFalse, "IS NOT FALSE"),
            ast::BooleanTest::IsUnknown => (BoolTest::Unknown, "IS UNKNOWN"),
            ast::BooleanTest::IsNotUnknown => (BoolTest::NotUnknown, "IS NOT UNKNOWN"),
        };
        let bound = self.expr(arg)?;
        Ok(Expr::IsBool { arg: Box::new(self.coerce_to_boolean(bound, name)?), test })
    }

    fn between(
        &mut self,
        arg: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        symmetric: bool,
        pos: Pos,
    ) -> Result<Expr> {
        let pair = |b: &mut Self, low: &ast::Expr, high: &ast::Expr| -> Result<Expr> {
            let (lower, upper) = if negated { ("<", ">") } else { (">=", "<=") };
            let first = b.operator_expr(&OpName::bare(lower), Some(arg), low, pos)?.expr;
            let second = b.operator_expr(&OpName::bare(upper), Some(arg), high, pos)?.expr;
            Ok(if negated { Expr::Or(vec![first, second]) } else { Expr::And(vec![first, second]) })
        };
        let straight = pair(self, low, high)?;
        if !symmetric {
            return Ok(straight);
        }
        let swapped = pair(self, high, low)?;
        Ok(if negated { Expr::And(vec![straight, swapped]) } else { Expr::Or(vec![straight, swapped]) })
    }

    /// Arguments of COALESCE and the like, brought to one type.
    fn common_args(&mut self, args: &[ast::Expr], construct: &str) -> Result<(Vec<Expr>, SqlType)> {
        let before = self.scope().no_sets.replace(match construct {
            "COALESCE" => "COALESCE",
            "GREATEST" => "GREATEST",
            _ => "LEAST",
        });
        let bound: Result<Vec<Typed>> = args.iter().map(|a| self.expr(a)).collect();
        self.scope().no_sets = before;
        self.unify(bound?, construct)
    }

    /// Brings values to their common type.
    pub(super) fn unify(&mut self, values: Vec<Typed>, construct: &str) -> Result<(Vec<Expr>, SqlType)> {
        let refs: Vec<&Typed> = values.iter().collect();
        let oid = self.common_type(&refs, construct)?;
        let ty = SqlType::with_typmod(oid, self.common_typmod(&refs, oid));
        let out =
            values.into_iter().map(|v| self.coerce_to_common(v, oid, construct)).collect::<Result<_>>()?;
        Ok((out, ty))
    }

    fn case(&mut self, case: &ast::CaseExpr) -> Result<Expr> {
        let before = self.scope().no_sets.replace("CASE");
        let result = self.case_inner(case);
        self.scope().no_sets = before;
        result
    }

    fn case_inner(&mut self, case: &ast::CaseExpr) -> Result<Expr> {
        let operand = match &case.arg {
            Some(arg) => {
                let arg = self.expr(arg)?;
                Some(self.settle_unknown(arg)?)
            }
            None => None,
        };
        let mut conditions = vec![];
        let mut results = vec![];
        for when in &case.whens {
            // A set in a condition is told of as a condition's fault, below.
            let before = self.scope().no_sets.take();
            let condition = match &operand {
                Some(operand) => {
                    let left = Typed { expr: Expr::Placeholder { ty: operand.expr.ty() }, pos: operand.pos };
                    let right = self.expr(&when.condition)?;
                    self.make_operator(&OpName::bare("="), Some(left), right, when.condition.location())?
                }
                None => self.expr(&when.condition)?,
            };
            self.scope().no_sets = before;
            conditions.push(self.coerce_to_boolean(condition, "CASE/WHEN")?);
            results.push(self.expr(&when.result)?);
        }
        // PostgreSQL looks at the ELSE first when it chooses the type.
        let default = match &case.default {
            Some(d) => self.expr(d)?,
            None => Typed { expr: Expr::null(SqlType::UNKNOWN), pos: NO_POS },
        };
        let has_default = case.default.is_some();
        let mut all = vec![default];
        all.extend(results);
        let (mut all, ty) = self.unify(all, "CASE")?;
        let otherwise = all.remove(0);
        let whens = conditions.into_iter().zip(all).collect();
        let otherwise = has_default.then(|| Box::new(otherwise));
        Ok(Expr::Case { operand: operand.map(|o| Box::new(o.expr)), whens, otherwise, ty })
    }

    fn row(&mut self, fields: &[ast::Expr]) -> Result<Expr> {
        let mut out = vec![];
        for f in fields {
            if let ExprKind::ColumnRef { star: true, .. } = &f.kind {
                out.extend(self.expand_star_expr(f)?.into_iter().map(|(_, e)| e));
                continue;
            }
            let bound = self.expr(f)?;
            out.push(self.settle_unknown(bound)?.expr);
        }
        let names: Vec<String> = (1..=out.len()).map(|i| format!("f{i}")).collect();
        let ty = record_type(names.clone(), out.iter().map(Expr::ty).collect());
        Ok(Expr::Row { fields: out, names, ty })
    }

    /// ARRAY[...]; with `target`, its elements are coerced to that array type's element.
    fn array(&mut self, elements: &[ast::Expr], target: Option<SqlType>, pos: Pos) -> Result<Expr> {
        let nested = elements.iter().any(|e| matches!(e.kind, ExprKind::Array(_)));
        let mut bound = vec![];
        for e in elements {
            bound.push(match &e.kind {
                ExprKind::Array(inner) => Typed { expr: self.array(inner, target, e.pos)?, pos: e.pos },
                _ => self.expr(e)?,
            });
        }
        if let Some(array) = target {
            let element = self.element_type(array.oid)?.unwrap_or(oids::TEXT);
            let goal = if nested { array } else { SqlType::with_typmod(element, array.typmod) };
            let elements = bound
                .into_iter()
                .map(|v| {
                    let p = v.pos;
                    self.coerce_to(v, goal, CastContext::Explicit, p)
                })
                .collect::<Result<_>>()?;
            return Ok(Expr::Array { elements, nested, ty: SqlType::of(array.oid) });
        }
        if bound.is_empty() {
            let e = err!(INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].");
            return Err(at(e, pos));
        }
        let (elements, ty) = self.unify(bound, "ARRAY")?;
        // Elements that are arrays themselves become a dimension.
        let is_array = self.element_type(ty.oid)?.is_some();
        let array = if is_array { Some(ty.oid) } else { self.array_type(ty.oid)? };
        match array {
            Some(array) => Ok(Expr::Array { elements, nested: is_array, ty: SqlType::of(array) }),
            None => {
                let e = err!(
                    UNDEFINED_OBJECT,
                    "could not find array type for data type {}",
                    self.type_name(ty.oid)
                );
                Err(at(e, pos))
            }
        }
    }

    fn grouping(&mut self, args: &[ast::Expr], pos: Pos) -> Result<Expr> {
        let bound = args.iter().map(|a| self.expr(a)).collect::<Result<Vec<_>>>()?;
        if bound.len() > 31 {
            return Err(at(err!(TOO_MANY_ARGUMENTS, "GROUPING must have fewer than 32 arguments"), pos));
        }
        let id = self.meta.computed("grouping", SqlType::INT4);
        // Like an aggregate, it belongs to the query whose columns it names.
        let level = self.aggregate_level(&bound.iter().map(|b| &b.expr).collect::<Vec<_>>());
        self.scopes[level].groupings.push((id, bound, pos));
        Ok(Expr::column(id, SqlType::INT4))
    }

    fn sublink(&mut self, link: &ast::SubLink, pos: Pos) -> Result<Expr> {
        if let Some(clause) = self.subquery_forbidden() {
            return Err(at(err!(FEATURE_NOT_SUPPORTED, "cannot use subquery in {clause}"), pos));
        }
        let test = match (&link.test, link.kind) {
            (Some(t), SubLinkKind::Any | SubLinkKind::All) => Some(self.sublink_left(t)?),
            _ => None,
        };
        let bound = self.nested(|b| b.subquery(&link.query))?;
        let output: Vec<_> = bound.output.iter().map(|(id, _, _)| *id).collect();
        let tree = bound.tree.clone().map(|t| std::sync::Arc::new(*t));
        let make = |kind, ty, output| {
            Expr::Subquery(Box::new(SubqueryExpr {
                kind,
                plan: SubqueryPlan::Logical(Box::new(bound.plan.clone())),
                output,
                ty,
                tree: tree.clone(),
            }))
        };
        match link.kind {
            SubLinkKind::Exists => Ok(make(SubqueryKind::Exists, SqlType::BOOL, output)),
            SubLinkKind::Expr => {
                if bound.output.len() != 1 {
                    bail_at(err!(SYNTAX_ERROR, "subquery must return only one column"), pos)?;
                }
                let (_, _, ty) = bound.output[0];
                let ty = if ty.oid == oids::UNKNOWN { SqlType::TEXT } else { ty };
                Ok(make(SubqueryKind::Scalar, ty, output))
            }
            SubLinkKind::Array => {
                if bound.output.len() != 1 {
                    bail_at(err!(SYNTAX_ERROR, "subquery must return only one column"), pos)?;
                }
                let (_, _, ty) = bound.output[0];
                let array = match self.element_type(ty.oid)? {
                    Some(_) => Some(ty.oid),
                    None => self.array_type(ty.oid)?,
                };
                match array {
                    Some(array) => Ok(make(SubqueryKind::Array, SqlType::of(array), output)),
                    None => {
                        let e = err!(
                            UNDEFINED_OBJECT,
                            "could not find array type for data type {}",
                            self.type_name(ty.oid)
                        );
                        Err(at(e, pos))
                    }
                }
            }
            SubLinkKind::Any | SubLinkKind::All => {
                let left = test.ok_or_else(|| Error::internal("quantified subquery without a left side"))?;
                if left.len() != bound.output.len() {
                    let what = if left.len() < bound.output.len() { "many" } else { "few" };
                    bail_at(err!(SYNTAX_ERROR, "subquery has too {what} columns"), pos)?;
                }
                let op = link.op.clone().unwrap_or_else(|| OpName::bare("="));
                let right: Vec<Typed> = bound
                    .output
                    .iter()
                    .map(|(id, _, ty)| Typed { expr: Expr::column(*id, *ty), pos: NO_POS })
                    .collect();
                let tests = self.row_tests(&op, left, right, pos)?;
                let kind = if link.kind == SubLinkKind::Any {
                    SubqueryKind::Any { tests }
                } else {
                    SubqueryKind::All { tests }
                };
                Ok(make(kind, SqlType::BOOL, output))
            }
        }
    }

    /// The left side of a quantified subquery: a row's fields, or one value.
    fn sublink_left(&mut self, e: &ast::Expr) -> Result<Vec<Typed>> {
        match &e.kind {
            ExprKind::Row { fields, .. } => fields.iter().map(|f| self.expr(f)).collect(),
            _ => Ok(vec![self.expr(e)?]),
        }
    }

    /// One boolean test per column, for `(a, b) op ANY (subquery)`.
    fn row_tests(&mut self, op: &OpName, left: Vec<Typed>, right: Vec<Typed>, pos: Pos) -> Result<Vec<Expr>> {
        if left.len() > 1 && !matches!(op.name.as_str(), "=" | "<>" | "!=") {
            // Rows compare column by column from the left: one test over all of them.
            return Ok(vec![self.row_order(op, left, right, pos)?]);
        }
        let mut tests = vec![];
        for (l, r) in left.into_iter().zip(right) {
            let test = self.make_operator(op, Some(l), r, pos)?;
            if test.expr.ty().oid != oids::BOOL {
                bail_at(
                    err!(
                        DATATYPE_MISMATCH,
                        "operator {} must return type boolean, not type {}",
                        op.display(),
                        self.type_name(test.expr.ty().oid)
                    ),
                    pos,
                )?;
            }
            tests.push(test.expr);
        }
        if tests.len() > 1 && op.name != "=" {
            return Ok(vec![Expr::Or(tests)]);
        }
        Ok(tests)
    }

    /// Binds a subquery one level down.
    pub(super) fn subquery(&mut self, query: &ast::Query) -> Result<super::Bound> {
        let ctes = self.ctes.len();
        let bound = self.query(query, None);
        self.ctes.truncate(ctes);
        bound
    }

    fn subquery_forbidden(&mut self) -> Option<&'static str> {
        Some(match self.scope().kind {
            Place::Check | Place::DomainCheck => "check constraint",
            Place::Default => "DEFAULT expression",
            Place::IndexExpression => "index expression",
            Place::IndexPredicate => "index predicate",
            Place::Statistics => "statistics expression",
            Place::Generated => "column generation expression",
            Place::Parameter => "EXECUTE parameter",
            _ => return None,
        })
    }

    /// `x IS [NOT] DISTINCT FROM y`; rows field by field.
    fn distinct(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool, pos: Pos) -> Result<Expr> {
        if let (ExprKind::Row { fields: l, .. }, ExprKind::Row { fields: r, .. }) = (&left.kind, &right.kind)
        {
            if l.len() != r.len() {
                bail_at(err!(SYNTAX_ERROR, "unequal number of entries in row expressions"), pos)?;
            }
            let parts = l
                .iter()
                .zip(r)
                .map(|(l, r)| self.distinct(l, r, negated, pos))
                .collect::<Result<Vec<_>>>()?;
            return Ok(if negated { Expr::And(parts) } else { Expr::Or(parts) });
        }
        // A NULL literal on one side is a null test.
        for (a, b) in [(left, right), (right, left)] {
            if matches!(b.kind, ExprKind::Const(Literal::Null)) {
                let a = self.expr(a)?;
                let a = self.settle_unknown(a)?;
                return Ok(Expr::IsNull { arg: Box::new(a.expr), negated: !negated });
            }
        }
        let (l, r) = (self.expr(left)?, self.expr(right)?);
        let (l, r, equals, operator) =
            self.equality(l, r, pos, "IS DISTINCT FROM requires = operator to yield boolean")?;
        Ok(Expr::IsDistinct { left: Box::new(l), right: Box::new(r), equals, operator, negated })
    }

    fn null_if(&mut self, left: &ast::Expr, right: &ast::Expr, pos: Pos) -> Result<Expr> {
        let (l, r) = (self.expr(left)?, self.expr(right)?);
        let (l, r, equals, operator) =
            self.equality(l, r, pos, "NULLIF requires = operator to yield boolean")?;
        let ty = l.ty();
        Ok(Expr::NullIf { left: Box::new(l), right: Box::new(r), equals, operator, ty })
    }

    /// `left = right` taken apart: coerced sides, function, operator.
    fn equality(
        &mut self,
        left: Typed,
        right: Typed,
        pos: Pos,
        complaint: &str,
    ) -> Result<(Expr, Expr, quarry_plan::FunctionRef, quarry_common::Oid)> {
        let test = self.make_operator(&OpName::bare("="), Some(left), right, pos)?;
        match test.expr {
            Expr::Call {
                function, mut args, form: quarry_plan::CallForm::Operator(operator), ty, ..
            } if ty.oid == oids::BOOL && args.len() == 2 => {
                let r = args.pop().expect("two arguments");
                let l = args.pop().expect("two arguments");
                Ok((l, r, function, operator))
            }
            _ => Err(at(err!(DATATYPE_MISMATCH, "{complaint}"), pos)),
        }
    }
}

/// `return Err(..)` with a position.
pub(super) fn bail_at(e: Error, pos: Pos) -> Result<()> {
    Err(at(e, pos))
}

fn sql_value(v: ast::SqlValueFunction) -> Expr {
    use ast::SqlValueFunction as V;
    let (kind, oid, typmod) = match v {
        V::CurrentDate => (SqlValue::CurrentDate, oids::DATE, -1),
        V::CurrentTime(p) => (SqlValue::CurrentTime, oids::TIMETZ, p.unwrap_or(-1)),
        V::CurrentTimestamp(p) => (SqlValue::CurrentTimestamp, oids::TIMESTAMPTZ, p.unwrap_or(-1)),
        V::LocalTime(p) => (SqlValue::LocalTime, oids::TIME, p.unwrap_or(-1)),
        V::LocalTimestamp(p) => (SqlValue::LocalTimestamp, oids::TIMESTAMP, p.unwrap_or(-1)),
        V::CurrentRole => (SqlValue::CurrentRole, oids::NAME, -1),
        V::CurrentUser => (SqlValue::CurrentUser, oids::NAME, -1),
        V::User => (SqlValue::User, oids::NAME, -1),
        V::SessionUser => (SqlValue::SessionUser, oids::NAME, -1),
        V::CurrentCatalog => (SqlValue::CurrentCatalog, oids::NAME, -1),
        V::CurrentSchema => (SqlValue::CurrentSchema, oids::NAME, -1),
    };
    Expr::SqlValue { kind, ty: SqlType::with_typmod(oid, typmod) }
}

impl Binder<'_> {
    /// `t.*` or `*` as a list of named expressions.
    pub(super) fn expand_star_expr(&mut self, e: &ast::Expr) -> Result<Vec<(String, Expr)>> {
        let ExprKind::ColumnRef { names, .. } = &e.kind else { bail!(SYNTAX_ERROR, "not a star") };
        let (schema, table) = match &names[..] {
            [] => return self.expand_star(e.pos),
            [t] => (None, t.as_str()),
            [s, t] => (Some(s.as_str()), t.as_str()),
            [_, s, t] => (Some(s.as_str()), t.as_str()),
            _ => {
                bail!(SYNTAX_ERROR, "improper qualified name (too many dotted names): {}.*", names.join("."))
            }
        };
        if let Some(item) = self.find_item(schema, table, e.pos)? {
            return Ok(self.expand_item(item, e.pos));
        }
        // A composite column: column.*
        if schema.is_none()
            && let Some(column) = self.find_column(table, e.pos)?
        {
            return self.expand_record(column, e.pos);
        }
        Err(self.no_item(schema, table, e.pos))
    }

    /// The fields of a composite value.
    pub(super) fn expand_record(&mut self, value: Expr, pos: Pos) -> Result<Vec<(String, Expr)>> {
        let ty = value.ty();
        if let Expr::Row { fields, names, .. } = &value {
            return Ok(names.iter().cloned().zip(fields.iter().cloned()).collect());
        }
        if ty.oid == oids::RECORD
            && let Some(shape) = shape_of(ty.typmod)
        {
            let fields = shape.names.iter().zip(shape.types.iter()).enumerate();
            return Ok(fields
                .map(|(index, (name, ty))| {
                    let arg = Box::new(value.clone());
                    (name.clone(), Expr::FieldSelect { arg, index, name: name.clone(), ty: *ty })
                })
                .collect());
        }
        if !self.is_composite(self.base_oid(ty.oid)?)? || ty.oid == oids::RECORD {
            let e = if ty.oid == oids::RECORD {
                err!(UNDEFINED_COLUMN, "record type has not been registered")
            } else {
                err!(
                    WRONG_OBJECT_TYPE,
                    "column notation .* applied to type {}, which is not a composite type",
                    self.type_name(ty.oid)
                )
            };
            return Err(at(e, pos));
        }
        let base = self.base_oid(ty.oid)?;
        let names = self.composite_column_names(base)?;
        let types = self.io.names.composite_columns(base)?;
        Ok(names
            .into_iter()
            .zip(types.iter())
            .enumerate()
            .map(|(index, (name, ty))| {
                (name.clone(), Expr::FieldSelect { arg: Box::new(value.clone()), index, name, ty: *ty })
            })
            .collect())
    }
}

impl Scope {
    /// Whether expressions of this level were given by something that has a position.
    pub(crate) fn position_of(&self, id: quarry_plan::ColumnId) -> Pos {
        self.column_uses.iter().find(|(c, _)| *c == id).map_or(NO_POS, |(_, p)| *p)
    }
}
