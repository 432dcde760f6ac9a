//! Window calls, WINDOW clauses, frames (PostgreSQL: parse_agg.c, parse_clause.c).

use super::call::Call;
use super::coerce::at;
use super::scope::ExprKind as Place;
use super::{Binder, Typed};
use crate::ast::{self, FrameBound as AstBound, Pos};
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::{CastContext, FunctionKind};
use quarry_plan::expr::{FrameBound, FrameExclude, FrameMode, RangeFunctions};
use quarry_plan::{Expr, FunctionRef, SortKey, WindowCall, WindowFrame, WindowSpec};
use quarry_types::{Datum, SqlType};

impl Binder<'_> {
    pub(super) fn window_call(&mut self, call: &ast::FuncCall, ready: Call, pos: Pos) -> Result<Expr> {
        let Some(over) = &call.over else { return Err(Error::internal("window call without OVER")) };
        if call.distinct {
            return Err(at(
                err!(FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions"),
                pos,
            ));
        }
        if !call.order_by.is_empty() {
            let e = err!(FEATURE_NOT_SUPPORTED, "aggregate ORDER BY is not implemented for window functions");
            return Err(at(e, pos));
        }
        if ready.def.kind() == FunctionKind::Aggregate && ready.args.is_empty() && !call.star {
            let name = call.name.join(".");
            let e =
                err!(WRONG_OBJECT_TYPE, "{name}(*) must be used to call a parameterless aggregate function");
            return Err(at(e, pos));
        }
        self.check_window_allowed(pos)?;
        let filter = match &call.filter {
            Some(f) => Some(self.condition(f, Place::Filter, "FILTER")?),
            None => None,
        };
        let spec = self.window_spec(over)?;
        let ty = ready.ret;
        let window = WindowCall {
            function: FunctionRef::Builtin(ready.def),
            args: ready.args,
            filter,
            ty,
            star: call.star,
        };
        let id = self.meta.computed(ready.def.name, ty);
        self.record_window(id, over);
        let scope = self.scope();
        scope.windows.push((id, spec, window));
        scope.column_uses.push((id, pos));
        Ok(Expr::column(id, ty))
    }

    fn check_window_allowed(&mut self, pos: Pos) -> Result<()> {
        let scope = self.scope();
        if scope.in_window {
            return Err(at(err!(WINDOWING_ERROR, "window function calls cannot be nested"), pos));
        }
        if scope.in_aggregate {
            return Err(at(
                err!(GROUPING_ERROR, "aggregate function calls cannot contain window function calls"),
                pos,
            ));
        }
        match scope.kind {
            Place::Target | Place::OrderBy | Place::DistinctOn => Ok(()),
            Place::WindowPartition | Place::WindowOrder | Place::WindowFrame => {
                Err(at(err!(WINDOWING_ERROR, "window functions are not allowed in window definitions"), pos))
            }
            kind => {
                Err(at(err!(WINDOWING_ERROR, "window functions are not allowed in {}", kind.clause()), pos))
            }
        }
    }

    /// The WINDOW clause entry called `name`.
    fn named_window(&mut self, name: &str, pos: Pos) -> Result<ast::WindowDef> {
        match self.scope().window_defs.iter().find(|w| w.name.as_deref() == Some(name)) {
            Some(w) => Ok(w.clone()),
            None => Err(at(err!(UNDEFINED_OBJECT, "window \"{name}\" does not exist"), pos)),
        }
    }

    pub(super) fn window_spec(&mut self, def: &ast::WindowDef) -> Result<WindowSpec> {
        if def.by_name {
            let name = def.name.clone().unwrap_or_default();
            let named = self.named_window(&name, def.pos)?;
            let mut spec = self.window_spec(&ast::WindowDef { by_name: false, ..named })?;
            spec.name = Some(name);
            return Ok(spec);
        }
        let base = match &def.ref_name {
            Some(name) => {
                let named = self.named_window(name, def.pos)?;
                Some((
                    name.clone(),
                    self.window_spec(&ast::WindowDef { by_name: false, ..named.clone() })?,
                    named,
                ))
            }
            None => None,
        };
        let before = std::mem::replace(&mut self.scope().kind, Place::WindowPartition);
        let in_window = std::mem::replace(&mut self.scope().in_window, false);
        let parts = self.window_parts(def);
        self.scope().kind = before;
        self.scope().in_window = in_window;
        let (mut partition_by, mut order_by) = parts?;
        if let Some((name, base, named)) = base {
            if !partition_by.is_empty() {
                return Err(at(
                    err!(WINDOWING_ERROR, "cannot override PARTITION BY clause of window \"{name}\""),
                    def.pos,
                ));
            }
            if !order_by.is_empty() && !base.order_by.is_empty() {
                return Err(at(
                    err!(WINDOWING_ERROR, "cannot override ORDER BY clause of window \"{name}\""),
                    def.pos,
                ));
            }
            if named.frame.is_some() {
                let e = err!(WINDOWING_ERROR, "cannot copy window \"{name}\" because it has a frame clause");
                return Err(at(e, def.pos));
            }
            partition_by = base.partition_by;
            if order_by.is_empty() {
                order_by = base.order_by;
            }
        }
        let frame = self.frame(def, &order_by)?;
        Ok(WindowSpec { partition_by, order_by, frame, name: None })
    }

    fn window_parts(&mut self, def: &ast::WindowDef) -> Result<(Vec<Expr>, Vec<SortKey>)> {
        let mut partition_by = vec![];
        for e in &def.partition_by {
            let bound = self.expr(e)?;
            let pos = bound.pos;
            let bound = self.settle_unknown(bound)?;
            self.require_ordering(bound.expr.ty().oid, pos, "equality")?;
            if !self.is_sortable(bound.expr.ty().oid)? {
                return Err(err!(FEATURE_NOT_SUPPORTED, "could not implement window PARTITION BY")
                    .detail("Window partitioning columns must be of sortable datatypes."));
            }
            partition_by.push(bound.expr);
        }
        self.scope().kind = Place::WindowOrder;
        let order_by = self.sort_keys_plain(&def.order_by)?;
        Ok((partition_by, order_by))
    }

    fn frame(&mut self, def: &ast::WindowDef, order_by: &[SortKey]) -> Result<WindowFrame> {
        let Some(f) = &def.frame else {
            return Ok(WindowFrame {
                mode: FrameMode::Range,
                start: FrameBound::UnboundedPreceding,
                end: FrameBound::CurrentRow,
                exclude: FrameExclude::NoOthers,
                range_functions: [None, None],
            });
        };
        let mode = match f.mode {
            ast::FrameMode::Range => FrameMode::Range,
            ast::FrameMode::Rows => FrameMode::Rows,
            ast::FrameMode::Groups => FrameMode::Groups,
        };
        if mode == FrameMode::Groups && order_by.is_empty() {
            return Err(at(err!(WINDOWING_ERROR, "GROUPS mode requires an ORDER BY clause"), def.pos));
        }
        check_bounds(f, def.pos)?;
        let has_offset = [&f.start, &f.end]
            .into_iter()
            .any(|b| matches!(b, AstBound::Preceding(_) | AstBound::Following(_)));
        let range_key = match (mode, has_offset) {
            (FrameMode::Range, true) => {
                let [key] = order_by else {
                    let e = err!(
                        WINDOWING_ERROR,
                        "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"
                    );
                    return Err(at(e, def.pos));
                };
                Some(key.expr.ty())
            }
            _ => None,
        };
        let start = self.frame_bound(&f.start, mode, range_key)?;
        let end = self.frame_bound(&f.end, mode, range_key)?;
        let exclude = match f.exclusion {
            ast::FrameExclusion::NoOthers => FrameExclude::NoOthers,
            ast::FrameExclusion::CurrentRow => FrameExclude::CurrentRow,
            ast::FrameExclusion::Group => FrameExclude::Group,
            ast::FrameExclusion::Ties => FrameExclude::Ties,
        };
        let mut functions = |bound: &FrameBound| match (range_key, bound) {
            (Some(key), FrameBound::Preceding(e) | FrameBound::Following(e)) => {
                self.range_functions(key.oid, e.ty().oid, def.pos).map(Some)
            }
            _ => Ok(None),
        };
        let range_functions = [functions(&start)?, functions(&end)?];
        Ok(WindowFrame { mode, start, end, exclude, range_functions })
    }

    fn frame_bound(&mut self, bound: &AstBound, mode: FrameMode, key: Option<SqlType>) -> Result<FrameBound> {
        let mut offset = |e: &ast::Expr| -> Result<Expr> {
            let value = self.expr_in(e, Place::WindowFrame)?;
            let pos = value.pos;
            let has_column = quarry_plan::walk::any(&value.expr, &|e| matches!(e, Expr::Column { .. }));
            let value = match key {
                None => {
                    let construct = if mode == FrameMode::Rows { "ROWS" } else { "GROUPS" };
                    self.coerce_to_specific(value, quarry_types::oids::INT8, construct)?
                }
                Some(key) => {
                    let target = self.range_offset_type(key.oid, value.expr.ty().oid, pos)?;
                    self.coerce_to(value, SqlType::of(target), CastContext::Implicit, pos)?
                }
            };
            // A wrong type is the first error.
            if has_column {
                let word = match mode {
                    FrameMode::Rows => "ROWS",
                    FrameMode::Range => "RANGE",
                    FrameMode::Groups => "GROUPS",
                };
                return Err(at(
                    err!(INVALID_COLUMN_REFERENCE, "argument of {word} must not contain variables"),
                    pos,
                ));
            }
            Ok(value)
        };
        Ok(match bound {
            AstBound::UnboundedPreceding => FrameBound::UnboundedPreceding,
            AstBound::CurrentRow => FrameBound::CurrentRow,
            AstBound::UnboundedFollowing => FrameBound::UnboundedFollowing,
            AstBound::Preceding(e) => FrameBound::Preceding(offset(e)?),
            AstBound::Following(e) => FrameBound::Following(offset(e)?),
        })
    }

    /// The offset's type that PostgreSQL's in_range functions take for a key type.
    fn range_offset_type(&self, key: Oid, given: Oid, pos: Pos) -> Result<Oid> {
        use quarry_types::oids::*;
        let key = self.base_oid(key)?;
        let target = match key {
            INT2 | INT4 | INT8 => match given {
                INT2 | INT4 | INT8 => given,
                _ => key,
            },
            FLOAT4 | FLOAT8 => FLOAT8,
            NUMERIC => NUMERIC,
            DATE | TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ | INTERVAL => INTERVAL,
            other => {
                let e = err!(
                    FEATURE_NOT_SUPPORTED,
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {}",
                    self.type_name(other)
                );
                return Err(at(e, pos));
            }
        };
        if !self.can_coerce(given, target, CastContext::Implicit)? {
            let e = err!(
                FEATURE_NOT_SUPPORTED,
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {} and offset type {}",
                self.type_name(key),
                self.type_name(given)
            )
            .hint("Cast the offset value to an appropriate type.");
            return Err(at(e, pos));
        }
        Ok(target)
    }

    /// key - offset and key + offset as functions.
    fn range_functions(&mut self, key: Oid, offset: Oid, pos: Pos) -> Result<RangeFunctions> {
        let mut function = |name: &str| -> Result<FunctionRef> {
            let left = Typed { expr: Expr::Const { value: Datum::Null, ty: SqlType::of(key) }, pos };
            let right = Typed { expr: Expr::Const { value: Datum::Null, ty: SqlType::of(offset) }, pos };
            match self.make_operator(&ast::OpName::bare(name), Some(left), right, pos)?.expr {
                Expr::Call { function, .. } => Ok(function),
                _ => Err(Error::internal("an operator is a call")),
            }
        };
        Ok(RangeFunctions { subtract: function("-")?, add: function("+")? })
    }
}

/// Frames that can't be: 42P20 with PostgreSQL's texts.
fn check_bounds(f: &ast::WindowFrame, pos: Pos) -> Result<()> {
    let bad = |text: &str| Err(at(err!(WINDOWING_ERROR, "{text}"), pos));
    match (&f.start, &f.end) {
        (AstBound::UnboundedFollowing, _) => bad("frame start cannot be UNBOUNDED FOLLOWING"),
        (_, AstBound::UnboundedPreceding) => bad("frame end cannot be UNBOUNDED PRECEDING"),
        (AstBound::Following(_), AstBound::CurrentRow) if !f.between => {
            bad("frame starting from following row cannot end with current row")
        }
        (AstBound::CurrentRow, AstBound::Preceding(_)) => {
            bad("frame starting from current row cannot have preceding rows")
        }
        (AstBound::Following(_), AstBound::Preceding(_)) => {
            bad("frame starting from following row cannot have preceding rows")
        }
        (AstBound::Following(_), AstBound::CurrentRow) => {
            bad("frame starting from following row cannot have preceding rows")
        }
        _ => Ok(()),
    }
}
