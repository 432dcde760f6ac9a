//! Function calls: scalar, aggregate, window, set-returning (PostgreSQL: parse_func.c, parse_agg.c).

use super::coerce::{at, position};
use super::resolve::{Candidate, Resolved};
use super::scope::ExprKind as Place;
use super::{Binder, Typed};
use crate::ast::{self, Pos};
use crate::parse;
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::aggregate::AggregateKind;
use quarry_functions::{Body, CastContext, FunctionDef, FunctionKind};
use quarry_plan::{AggregateExpr, ArgumentOrder, CallForm, ColumnId, Expr, FunctionRef, SetCall, walk};
use quarry_types::record::shape::record_type;
use quarry_types::{SqlType, oids};

/// A call whose function is chosen and whose arguments are coerced.
pub(super) struct Call {
    pub def: &'static FunctionDef,
    pub args: Vec<Expr>,
    /// Types the arguments came out with, after polymorphism.
    pub ret: SqlType,
    /// The last argument is the variadic array itself, built here or given by VARIADIC.
    pub variadic: bool,
    pub form: CallForm,
}

impl Binder<'_> {
    pub(super) fn call(&mut self, call: &ast::FuncCall, pos: Pos) -> Result<Typed> {
        // WITHIN GROUP: the sort expressions are the aggregate's own arguments, after the direct ones.
        if call.within_group {
            return self.ordered_set_aggregate(call, pos);
        }
        let args = self.call_args(call, pos)?;
        let first_named = call.args.iter().position(|a| a.name.is_some()).unwrap_or(call.args.len());
        if let Some(late) = call.args[first_named..].iter().find(|a| a.name.is_none()) {
            let e = err!(SYNTAX_ERROR, "positional argument cannot follow named argument");
            return Err(at(e, late.expr.location()));
        }
        let names: Vec<Option<String>> = call.args.iter().map(|a| a.name.clone()).collect();
        let (schema, bare) = super::resolve::split_name(&call.name, pos)?;
        if call.star
            && args.is_empty()
            && !self.is_aggregate_name(&call.name, pos)?
            && !self.reader.functions(schema, bare).map_err(|e| at(e, pos))?.is_empty()
        {
            let e = err!(
                WRONG_OBJECT_TYPE,
                "{}(*) specified, but {} is not an aggregate function",
                call.name.join("."),
                call.name.join(".")
            );
            return Err(at(e, pos));
        }
        // f(column of a composite) may be field selection.
        if let ([arg], true) = (&args[..], call.over.is_none() && !call.distinct && call.filter.is_none())
            && let Some(field) = self.as_field_selection(&call.name, arg)?
        {
            return Ok(Typed { expr: field, pos });
        }
        let resolved = self.resolve_function(&call.name, &args, &names, call.variadic, pos)?;
        match resolved {
            Resolved::Cast(target) => {
                let Some(arg) = args.into_iter().next() else {
                    return Err(Error::internal("cast without argument"));
                };
                let expr = self.coerce_to(arg, target, CastContext::Explicit, pos)?;
                Ok(Typed { expr, pos })
            }
            Resolved::Function(candidate) => {
                let ready = self.prepare(candidate, args, call.variadic, pos)?;
                let expr = self.dispatch(call, ready, pos)?;
                Ok(Typed { expr, pos })
            }
        }
    }

    /// Arguments, bound; inside an aggregate they may not hold aggregates of the same level.
    fn call_args(&mut self, call: &ast::FuncCall, pos: Pos) -> Result<Vec<Typed>> {
        let aggregate = call.over.is_none() && self.is_aggregate_name(&call.name, pos)?;
        let window = call.over.is_some();
        let scope = self.scope();
        let before = (scope.in_aggregate, scope.in_window);
        scope.in_aggregate |= aggregate;
        scope.in_window |= window;
        let bound: Result<Vec<Typed>> = call.args.iter().map(|a| self.expr(&a.expr)).collect();
        let scope = self.scope();
        (scope.in_aggregate, scope.in_window) = before;
        bound
    }

    fn is_aggregate_name(&self, name: &[String], pos: Pos) -> Result<bool> {
        let (schema, name) = super::resolve::split_name(name, pos)?;
        let found = self.reader.functions(schema, name).map_err(|e| at(e, pos))?;
        Ok(found.iter().any(|f| f.kind() == FunctionKind::Aggregate))
    }

    /// `name(composite)` as the composite's field `name`, if it has one.
    fn as_field_selection(&mut self, name: &[String], arg: &Typed) -> Result<Option<Expr>> {
        let [name] = name else { return Ok(None) };
        let ty = arg.expr.ty().oid;
        if ty == oids::UNKNOWN || !self.is_composite(ty)? || ty == oids::RECORD {
            return Ok(None);
        }
        Ok(self
            .expand_record(arg.expr.clone(), arg.pos)?
            .into_iter()
            .find(|(n, _)| n == name)
            .map(|(_, e)| e))
    }

    /// A call by name with bound arguments, for forms that are calls underneath.
    pub(super) fn call_simple(&mut self, name: &[String], args: Vec<Typed>, pos: Pos) -> Result<Typed> {
        let names = vec![None; args.len()];
        match self.resolve_function(name, &args, &names, false, pos)? {
            Resolved::Cast(target) => {
                let Some(arg) = args.into_iter().next() else {
                    return Err(Error::internal("cast without argument"));
                };
                Ok(Typed { expr: self.coerce_to(arg, target, CastContext::Explicit, pos)?, pos })
            }
            Resolved::Function(candidate) => {
                let ready = self.prepare(candidate, args, false, pos)?;
                if ready.def.kind() != FunctionKind::Scalar {
                    return Err(at(
                        err!(WRONG_OBJECT_TYPE, "{} is not a scalar function", ready.def.name),
                        pos,
                    ));
                }
                Ok(Typed { expr: scalar(ready, pos), pos })
            }
        }
    }

    /// Orders, defaults and coerces the arguments of the chosen function.
    pub(super) fn prepare(
        &mut self,
        candidate: Candidate,
        args: Vec<Typed>,
        variadic_call: bool,
        pos: Pos,
    ) -> Result<Call> {
        let def = candidate.def;
        let mut args = args;
        if let Some(order) = &candidate.order {
            let mut placed: Vec<Option<Typed>> = (0..def.args.len()).map(|_| None).collect();
            for (arg, at) in args.into_iter().zip(order) {
                placed[*at] = Some(arg);
            }
            args = vec![];
            for (i, slot) in placed.into_iter().enumerate() {
                args.push(match slot {
                    Some(a) => a,
                    None => self.default_argument(def, i)?,
                });
            }
        } else {
            for i in args.len()..args.len() + candidate.defaults {
                args.push(self.default_argument(def, i)?);
            }
        }
        let actual: Vec<Oid> = args.iter().map(|a| a.expr.ty().oid).collect();
        if variadic_call
            && def.variadic == oids::ANY
            && let Some(last) = args.last()
            && self.element_type(last.expr.ty().oid)?.is_none()
        {
            return Err(at(err!(DATATYPE_MISMATCH, "VARIADIC argument must be an array"), last.pos));
        }
        let (types, ret) = self.settle_polymorphic(&candidate.args, &actual, def.ret, pos)?;
        let mut coerced = vec![];
        for (arg, ty) in args.into_iter().zip(&types) {
            // "any" takes unknown literals as they are; aggregates may have to sort them.
            let settled = *ty == oids::ANY && def.kind() != FunctionKind::Scalar;
            let arg = if settled { self.settle_unknown(arg)? } else { arg };
            coerced.push(self.coerce_type(
                arg,
                SqlType::of(*ty),
                CastContext::Implicit,
                CallForm::ImplicitCast,
            )?);
        }
        let mut variadic = variadic_call;
        if let Some(from) = candidate.variadic_from
            && def.variadic != oids::ANY
        {
            let elements = coerced.split_off(from);
            let element = elements.first().map_or(def.variadic, |e| e.ty().oid);
            let array = self.array_type(element)?.ok_or_else(|| {
                err!(UNDEFINED_OBJECT, "could not find array type for data type {}", self.type_name(element))
            })?;
            coerced.push(Expr::Array { elements, nested: false, ty: SqlType::of(array) });
            variadic = true;
        }
        let mut ret = SqlType::of(ret);
        if ret == SqlType::RECORD && def.out_args.len() > 1 {
            let columns: Vec<(String, SqlType)> =
                def.out_args.iter().map(|(name, ty)| (name.to_string(), SqlType::of(*ty))).collect();
            ret = row_of(&columns);
        }
        let form = match &candidate.order {
            Some(order) if self.record || self.keep_collations => {
                ArgumentOrder::new(order, candidate.positional).map_or(CallForm::Function, CallForm::Named)
            }
            _ => CallForm::Function,
        };
        Ok(Call { def, args: coerced, ret, variadic, form })
    }

    fn default_argument(&mut self, def: &'static FunctionDef, index: usize) -> Result<Typed> {
        let first = def.args.len() - def.defaults.len();
        let Some(sql) = index.checked_sub(first).and_then(|i| def.defaults.get(i)) else {
            return Err(Error::internal(format!("no default for argument {index} of {}", def.name)));
        };
        let parsed = parse::parse_expr(sql)?;
        let mut bound = self.expr(&parsed)?;
        bound.pos = ast::NO_POS;
        Ok(bound)
    }

    fn dispatch(&mut self, call: &ast::FuncCall, ready: Call, pos: Pos) -> Result<Expr> {
        let kind = ready.def.kind();
        let name = call.name.join(".");
        if kind != FunctionKind::Aggregate {
            let misuse = if call.star {
                Some(format!("{name}(*) specified, but {name} is not an aggregate function"))
            } else if call.distinct {
                Some(format!("DISTINCT specified, but {name} is not an aggregate function"))
            } else if !call.order_by.is_empty() {
                Some(format!("ORDER BY specified, but {name} is not an aggregate function"))
            } else if call.filter.is_some() {
                Some(format!("FILTER specified, but {name} is not an aggregate function"))
            } else {
                None
            };
            if let Some(text) = misuse {
                return Err(at(err!(WRONG_OBJECT_TYPE, "{text}"), pos));
            }
        }
        match kind {
            FunctionKind::Aggregate if call.over.is_some() => self.window_call(call, ready, pos),
            FunctionKind::Aggregate => self.aggregate_call(call, ready, vec![], pos),
            FunctionKind::Window if call.over.is_some() => self.window_call(call, ready, pos),
            FunctionKind::Window => {
                Err(at(err!(WRONG_OBJECT_TYPE, "window function {name} requires an OVER clause"), pos))
            }
            _ if call.over.is_some() => {
                let text =
                    format!("OVER specified, but {name} is not a window function nor an aggregate function");
                Err(at(err!(WRONG_OBJECT_TYPE, "{text}"), pos))
            }
            FunctionKind::Set => self.set_call(ready, pos),
            FunctionKind::Scalar => {
                let mut expr = scalar(ready, pos);
                if let (Expr::Call { form, .. }, true) = (&mut expr, call.sql_syntax) {
                    *form = CallForm::SqlSyntax;
                }
                Ok(expr)
            }
        }
    }

    /// percentile_cont(direct) WITHIN GROUP (ORDER BY ...).
    fn ordered_set_aggregate(&mut self, call: &ast::FuncCall, pos: Pos) -> Result<Typed> {
        let direct_count = call.args.len();
        let scope = self.scope();
        let before = std::mem::replace(&mut scope.in_aggregate, true);
        let mut bound = call.args.iter().map(|a| self.expr(&a.expr)).collect::<Result<Vec<_>>>();
        if let Ok(list) = &mut bound {
            for s in &call.order_by {
                match self.expr(&s.expr) {
                    Ok(e) => list.push(e),
                    Err(e) => {
                        self.scope().in_aggregate = before;
                        return Err(e);
                    }
                }
            }
        }
        self.scope().in_aggregate = before;
        let mut args = bound?;
        let names = vec![None; args.len()];
        let candidate = match self.resolve_function(&call.name, &args, &names, call.variadic, pos)? {
            Resolved::Function(c) => c,
            Resolved::Cast(_) => {
                let name = call.name.join(".");
                return Err(at(
                    err!(
                        WRONG_OBJECT_TYPE,
                        "WITHIN GROUP specified, but {name} is not an aggregate function"
                    ),
                    pos,
                ));
            }
        };
        let is_ordered_set = matches!(candidate.def.body, Body::Aggregate(a) if a.is_ordered_set());
        if !is_ordered_set {
            let name = call.name.join(".");
            return Err(at(
                err!(
                    WRONG_OBJECT_TYPE,
                    "{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"
                ),
                pos,
            ));
        }
        if matches!(candidate.def.body, Body::Aggregate(a) if a.kind == AggregateKind::HypotheticalSet) {
            args = self.unify_hypothetical(call, args, direct_count, pos)?;
        }
        let mut ready = self.prepare(candidate, args, call.variadic, pos)?;
        let sorted = ready.args.split_off(direct_count.min(ready.args.len()));
        let direct = std::mem::replace(&mut ready.args, sorted);
        let expr = self.aggregate_call(call, ready, direct, pos)?;
        Ok(Typed { expr, pos })
    }

    /// Brings each direct argument and its sort key to one type (PostgreSQL: unify_hypothetical_args).
    fn unify_hypothetical(
        &mut self,
        call: &ast::FuncCall,
        mut direct: Vec<Typed>,
        direct_count: usize,
        pos: Pos,
    ) -> Result<Vec<Typed>> {
        let keys = direct.split_off(direct_count);
        if direct.len() != keys.len() {
            let name = call.name.join(".");
            let types: Vec<String> =
                direct.iter().chain(&keys).map(|a| self.type_name(a.expr.ty().oid)).collect();
            let e = err!(UNDEFINED_FUNCTION, "function {name}({}) does not exist", types.join(", ")).hint(format!(
                "To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here {}) \
                 must match the number of ordering columns (here {}).",
                direct.len(),
                keys.len()
            ));
            return Err(at(e, pos));
        }
        let mut unified_direct = Vec::with_capacity(direct.len());
        let mut unified_keys = Vec::with_capacity(keys.len());
        for (direct, key) in direct.into_iter().zip(keys) {
            let (direct_pos, key_pos) = (direct.pos, key.pos);
            let (pair, _) = self.unify(vec![key, direct], "WITHIN GROUP")?;
            let [key, direct] = <[Expr; 2]>::try_from(pair).expect("two in, two out");
            unified_direct.push(Typed { expr: direct, pos: direct_pos });
            unified_keys.push(Typed { expr: key, pos: key_pos });
        }
        unified_direct.append(&mut unified_keys);
        Ok(unified_direct)
    }

    /// The scope that an aggregate over these arguments belongs to: that of its innermost column.
    pub(super) fn aggregate_level(&self, exprs: &[&Expr]) -> usize {
        let here = self.scopes.len() - 1;
        let mut columns = vec![];
        for e in exprs {
            walk::columns_of(e, &mut columns);
        }
        let level_of = |id: ColumnId| {
            (0..self.scopes.len()).rev().find(|l| {
                self.scopes[*l].items.iter().any(|item| {
                    let own = item.columns.iter().any(|c| {
                        walk::any(&c.expr, &|e| matches!(e, Expr::Column { id: i, .. } if *i == id))
                    });
                    own || item.system.iter().any(|(_, i, _)| *i == id)
                }) || self.scopes[*l].aggregates.iter().any(|(a, _)| *a == id)
            })
        };
        columns.into_iter().filter_map(level_of).max().unwrap_or(here)
    }

    fn aggregate_call(
        &mut self,
        call: &ast::FuncCall,
        ready: Call,
        direct_args: Vec<Expr>,
        pos: Pos,
    ) -> Result<Expr> {
        let name = call.name.join(".");
        if let Body::Aggregate(a) = ready.def.body
            && a.is_ordered_set()
            && !call.within_group
        {
            return Err(at(
                err!(WRONG_OBJECT_TYPE, "WITHIN GROUP is required for ordered-set aggregate {name}"),
                pos,
            ));
        }
        if ready.args.is_empty() && !call.star && direct_args.is_empty() && !call.within_group {
            let e =
                err!(WRONG_OBJECT_TYPE, "{name}(*) must be used to call a parameterless aggregate function");
            return Err(at(e, pos));
        }
        if call.star && call.distinct {
            return Err(at(err!(SYNTAX_ERROR, "DISTINCT specified with *"), pos));
        }
        let scope = self.scope();
        let before = std::mem::replace(&mut scope.in_aggregate, true);
        let order_by = self.sort_keys_plain(&call.order_by);
        self.scope().in_aggregate = before;
        let order_by = order_by?;
        let filter = match &call.filter {
            Some(f) => {
                let scope = self.scope();
                let before = std::mem::replace(&mut scope.in_aggregate, true);
                let filter = self.condition(f, Place::Filter, "FILTER");
                self.scope().in_aggregate = before;
                Some(filter?)
            }
            None => None,
        };
        let order_by = if call.within_group {
            let mut keys = order_by;
            for (k, a) in keys.iter_mut().zip(&ready.args) {
                k.expr = a.clone();
            }
            keys
        } else {
            order_by
        };
        // ORDER BY means an argument that it names before the argument's implicit coercion.
        let mut order_by = order_by;
        for k in &mut order_by {
            if let Some(a) = ready.args.iter().find(|a| *a != &k.expr && *without_implicit(a) == k.expr) {
                k.expr = a.clone();
            }
        }
        if call.distinct {
            if !order_by.iter().all(|k| ready.args.contains(&k.expr)) {
                let e = err!(
                    INVALID_COLUMN_REFERENCE,
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
                );
                return Err(at(e, call.order_by.first().map_or(pos, |s| s.expr.location())));
            }
            for a in &ready.args {
                self.require_ordering(a.ty().oid, pos, "equality")?;
                if !self.is_sortable(a.ty().oid)? {
                    let ty = self.type_name(a.ty().oid);
                    let e = err!(UNDEFINED_FUNCTION, "could not identify an ordering operator for type {ty}")
                        .detail("Aggregates with DISTINCT must be able to sort their inputs.");
                    return Err(at(e, pos));
                }
            }
        }
        let aggregate = AggregateExpr {
            function: FunctionRef::Builtin(ready.def),
            args: ready.args,
            direct_args,
            distinct: call.distinct,
            order_by,
            filter,
            ty: ready.ret,
            star: call.star,
            variadic: ready.variadic,
        };
        let direct: Vec<&Expr> = aggregate.direct_args.iter().collect();
        let exprs: Vec<&Expr> = walk::aggregate_exprs(&aggregate)
            .filter(|e| !direct.iter().any(|d| std::ptr::eq(*d, *e)))
            .collect();
        let level = self.aggregate_level(&exprs);
        let nested = |e: &Expr| {
            let made = |id: &ColumnId| self.scopes[level].aggregates.iter().any(|(a, _)| a == id);
            walk::any(e, &|e| matches!(e, Expr::Column { id, .. } if made(id)))
        };
        if exprs.iter().chain(&direct).any(|e| nested(e)) {
            return Err(at(err!(GROUPING_ERROR, "aggregate function calls cannot be nested"), pos));
        }
        if level + 1 < self.scopes.len()
            && direct.iter().any(|d| exprs_read(d) && self.aggregate_level(&[d]) > level)
        {
            let text = "outer-level aggregate cannot contain a lower-level variable in its direct arguments";
            return Err(at(err!(GROUPING_ERROR, "{text}"), pos));
        }
        self.check_aggregate_allowed(level, pos)?;
        let ty = aggregate.ty;
        let scope = &mut self.scopes[level];
        if let Some((id, _)) = scope.aggregates.iter().find(|(_, a)| *a == aggregate) {
            return Ok(Expr::column(*id, ty));
        }
        let id = self.meta.computed(ready.def.name, ty);
        let scope = &mut self.scopes[level];
        scope.aggregates.push((id, aggregate));
        scope.column_uses.push((id, pos));
        Ok(Expr::column(id, ty))
    }

    fn check_aggregate_allowed(&mut self, level: usize, pos: Pos) -> Result<()> {
        let scope = &self.scopes[level];
        if scope.in_aggregate && scope.kind != Place::Filter {
            return Err(at(err!(GROUPING_ERROR, "aggregate function calls cannot be nested"), pos));
        }
        let allowed = matches!(
            scope.kind,
            Place::Target
                | Place::Having
                | Place::OrderBy
                | Place::DistinctOn
                | Place::WindowPartition
                | Place::WindowOrder
                | Place::WindowFrame
        );
        if allowed && scope.refers_to_itself {
            let text = "aggregate functions are not allowed in a recursive query's recursive term";
            return Err(at(err!(INVALID_RECURSION, "{text}"), pos));
        }
        if allowed {
            return Ok(());
        }
        let e = match scope.kind {
            Place::FromSubselect => {
                err!(
                    GROUPING_ERROR,
                    "aggregate functions are not allowed in FROM clause of their own query level"
                )
            }
            kind => err!(GROUPING_ERROR, "aggregate functions are not allowed in {}", kind.clause()),
        };
        Err(at(e, pos))
    }

    /// A set-returning call in an expression: a column of a ProjectSet.
    fn set_call(&mut self, ready: Call, pos: Pos) -> Result<Expr> {
        let scope = self.scope();
        if let Some(construct) = scope.no_sets {
            let e = err!(FEATURE_NOT_SUPPORTED, "set-returning functions are not allowed in {construct}")
                .hint("You might be able to move the set-returning function into a LATERAL FROM item.");
            return Err(at(e, pos));
        }
        if scope.in_aggregate {
            let e = err!(
                FEATURE_NOT_SUPPORTED,
                "aggregate function calls cannot contain set-returning function calls"
            )
            .hint("You might be able to move the set-returning function into a LATERAL FROM item.");
            return Err(at(e, pos));
        }
        if scope.in_window {
            let e = err!(
                FEATURE_NOT_SUPPORTED,
                "window function calls cannot contain set-returning function calls"
            )
            .hint("You might be able to move the set-returning function into a LATERAL FROM item.");
            return Err(at(e, pos));
        }
        match scope.kind {
            Place::Target | Place::OrderBy | Place::GroupBy | Place::DistinctOn | Place::InsertTarget => {}
            Place::FromFunction => {
                let e =
                    err!(FEATURE_NOT_SUPPORTED, "set-returning functions must appear at top level of FROM");
                return Err(at(e, pos));
            }
            kind => {
                let e = err!(
                    FEATURE_NOT_SUPPORTED,
                    "set-returning functions are not allowed in {}",
                    kind.clause()
                );
                return Err(at(e, pos));
            }
        }
        let (ty, columns) = self.set_columns(&ready, &[], pos)?;
        let columns: Vec<SqlType> = columns.into_iter().map(|(_, t)| t).collect();
        let name = ready.def.name;
        let call = SetCall { function: FunctionRef::Builtin(ready.def), args: ready.args, columns, row: ty };
        // A call that is sorted or grouped by is the one of the target list.
        if matches!(self.scope().kind, Place::OrderBy | Place::GroupBy | Place::DistinctOn)
            && let Some((id, _)) = self.scope().set_calls.iter().find(|(_, c)| *c == call)
        {
            return Ok(Expr::column(*id, ty));
        }
        let id = self.meta.computed(name, ty);
        self.scope().set_calls.push((id, call));
        Ok(Expr::column(id, ty))
    }

    /// The type of a set-returning (or record-returning) call's rows as one value, and its columns by name.
    pub(super) fn set_columns(
        &mut self,
        ready: &Call,
        definitions: &[(String, SqlType)],
        pos: Pos,
    ) -> Result<(SqlType, Vec<(String, SqlType)>)> {
        let def = ready.def;
        if !definitions.is_empty() {
            if ready.ret.oid != oids::RECORD {
                let e = err!(
                    SYNTAX_ERROR,
                    "a column definition list is only allowed for functions returning \"record\""
                );
                return Err(at(e, pos));
            }
            if !def.out_args.is_empty() {
                let e = err!(
                    SYNTAX_ERROR,
                    "a column definition list is redundant for a function with OUT parameters"
                );
                return Err(at(e, pos));
            }
            return Ok((row_of(definitions), definitions.to_vec()));
        }
        if !def.out_args.is_empty() {
            let actual: Vec<Oid> = ready.args.iter().map(|a| a.ty().oid).collect();
            let mut columns = vec![];
            for (name, ty) in def.out_args {
                let (_, ty) =
                    self.settle_polymorphic(def.args, &actual[..def.args.len().min(actual.len())], *ty, pos)?;
                columns.push((name.to_string(), SqlType::of(ty)));
            }
            let ty = if columns.len() == 1 { columns[0].1 } else { row_of(&columns) };
            return Ok((ty, columns));
        }
        if ready.ret.oid != oids::RECORD && self.is_composite(ready.ret.oid)? {
            let names = self.composite_column_names(ready.ret.oid)?;
            let types = self.io.names.composite_columns(ready.ret.oid)?;
            return Ok((ready.ret, names.into_iter().zip(types.iter().copied()).collect()));
        }
        Ok((ready.ret, vec![(def.name.to_string(), ready.ret)]))
    }

    /// Whether the type has a B-tree operator class, which takes more than values that can be compared (xid).
    pub(super) fn is_sortable(&self, oid: Oid) -> Result<bool> {
        let functions = &self.io.type_ref(self.base_oid(oid)?)?.functions;
        Ok(functions.compare.is_some() && functions.key.is_some())
    }

    /// 42883 unless values of the type can be sorted and compared.
    pub(super) fn require_ordering(&self, oid: Oid, pos: Pos, what: &str) -> Result<()> {
        let info = self.io.type_ref(self.base_oid(oid)?)?;
        let fine = match what {
            "equality" => info.functions.hash.is_some() || info.functions.compare.is_some(),
            _ => self.is_sortable(oid)?,
        };
        if fine {
            return Ok(());
        }
        let e = if what == "equality" {
            err!(
                UNDEFINED_FUNCTION,
                "could not identify an equality operator for type {}",
                self.type_name(oid)
            )
        } else {
            err!(
                UNDEFINED_FUNCTION,
                "could not identify an ordering operator for type {}",
                self.type_name(oid)
            )
            .hint("Use an explicit ordering operator or modify the query.")
        };
        Err(at(e, pos))
    }
}

/// An expression below its implicit coercions.
fn without_implicit(mut e: &Expr) -> &Expr {
    loop {
        e = match e {
            Expr::Cast { arg, implicit: true, .. } => arg,
            Expr::Call { args, form: CallForm::ImplicitCast, .. } if !args.is_empty() => &args[0],
            other => return other,
        };
    }
}

/// Whether an expression reads any column.
fn exprs_read(e: &Expr) -> bool {
    walk::any(e, &|e| matches!(e, Expr::Column { .. }))
}

/// The record type of rows with these columns.
fn row_of(columns: &[(String, SqlType)]) -> SqlType {
    let (names, types) = columns.iter().cloned().unzip();
    record_type(names, types)
}

fn scalar(ready: Call, pos: Pos) -> Expr {
    Expr::Call {
        function: FunctionRef::Builtin(ready.def),
        args: ready.args,
        ty: ready.ret,
        form: ready.form,
        variadic: ready.variadic,
        pos: position(pos),
    }
}
