//! Coercion: which type becomes which, when, and by what expression (PostgreSQL: parse_coerce.c; manual chapter 10).

use super::{Binder, Typed};
use crate::ast::{NO_POS, Pos, error_position};
use quarry_catalog::TypeKind;
use quarry_common::{Error, Oid, Result, Severity, err};
use quarry_functions::{CastContext, CastMethod, registry};
use quarry_plan::{CallForm, CallPos, CastKind, Expr, FunctionRef};
use quarry_types::io::NoticeSink;
use quarry_types::{Datum, IoContext, SqlType, oids};

/// How a value of one type becomes another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pathway {
    /// Nothing to do but the label.
    Relabel,
    Function(FunctionRef),
    Io,
    /// Element by element.
    Array,
}

/// Whether `oid` is one of the polymorphic pseudo-types.
pub(super) fn is_polymorphic(oid: Oid) -> bool {
    matches!(
        oid,
        oids::ANYELEMENT
            | oids::ANYARRAY
            | oids::ANYNONARRAY
            | oids::ANYENUM
            | oids::ANYRANGE
            | oids::ANYMULTIRANGE
            | oids::ANYCOMPATIBLE
            | oids::ANYCOMPATIBLEARRAY
            | oids::ANYCOMPATIBLENONARRAY
            | oids::ANYCOMPATIBLERANGE
            | oids::ANYCOMPATIBLEMULTIRANGE
    )
}

impl Binder<'_> {
    /// A domain's base type; other types as they are.
    pub(super) fn base_type(&self, ty: SqlType) -> Result<SqlType> {
        // Smaller OIDs are types of the registry, none of them a domain.
        if ty.oid < Oid(10000) {
            return Ok(ty);
        }
        self.reader.base_type(ty)
    }
    pub(super) fn base_oid(&self, oid: Oid) -> Result<Oid> {
        Ok(self.base_type(SqlType::of(oid))?.oid)
    }
    /// `typcategory` of a type and whether it is preferred in it.
    pub(super) fn category(&self, oid: Oid) -> Result<(char, bool)> {
        let info = self.io.type_ref(oid)?;
        Ok((info.category, info.preferred))
    }
    /// The element type of an array type (of a domain over one, too).
    pub(super) fn element_type(&self, oid: Oid) -> Result<Option<Oid>> {
        let info = self.io.type_ref(self.base_oid(oid)?)?;
        Ok((info.is_array() && info.typlen == -1).then_some(info.element))
    }
    /// The array type over `oid`.
    pub(super) fn array_type(&self, oid: Oid) -> Result<Option<Oid>> {
        let info = self.io.type_ref(oid)?;
        Ok(Some(info.array).filter(|a| a.is_valid()))
    }
    pub(super) fn is_composite(&self, oid: Oid) -> Result<bool> {
        Ok(oid == oids::RECORD || self.io.type_ref(oid)?.kind == 'c')
    }
    pub(super) fn type_name(&self, oid: Oid) -> String {
        self.reader.format_type(oid, -1).unwrap_or_else(|_| oid.to_string())
    }

    /// The way from `source` to `target` in a context, or none. Both differ and neither is unknown or polymorphic.
    pub(super) fn find_pathway(
        &self,
        source: Oid,
        target: Oid,
        context: CastContext,
    ) -> Result<Option<Pathway>> {
        let (source, target) = (self.base_oid(source)?, self.base_oid(target)?);
        if source == target {
            return Ok(Some(Pathway::Relabel));
        }
        if let Some(cast) = registry::cast(source, target) {
            if context < cast.context {
                return Ok(None);
            }
            return Ok(match cast.method {
                CastMethod::Binary => Some(Pathway::Relabel),
                CastMethod::InOut => Some(Pathway::Io),
                CastMethod::Function => {
                    registry::function(cast.function).map(|f| Pathway::Function(FunctionRef::Builtin(f)))
                }
            });
        }
        if let (Some(from), Some(to)) = (self.element_type(source)?, self.element_type(target)?)
            && !matches!(target, oids::OIDVECTOR | oids::INT2VECTOR)
            && self.find_pathway(from, to, context)?.is_some()
        {
            return Ok(Some(Pathway::Array));
        }
        // Assignment to string types, and explicit casts from them, go through text.
        if context >= CastContext::Assignment && self.category(target)?.0 == 'S' {
            return Ok(Some(Pathway::Io));
        }
        if context == CastContext::Explicit && self.category(source)?.0 == 'S' {
            return Ok(Some(Pathway::Io));
        }
        Ok(None)
    }

    /// Whether a value of type `source` can become `target`.
    pub(super) fn can_coerce(&self, source: Oid, target: Oid, context: CastContext) -> Result<bool> {
        if source == target || target == oids::ANY || source == oids::UNKNOWN {
            return Ok(true);
        }
        if is_polymorphic(target) {
            return Ok(match target {
                oids::ANYARRAY | oids::ANYCOMPATIBLEARRAY => {
                    self.element_type(source)?.is_some() || source == oids::ANYARRAY
                }
                oids::ANYNONARRAY | oids::ANYCOMPATIBLENONARRAY => self.element_type(source)?.is_none(),
                oids::ANYENUM => self.io.type_ref(self.base_oid(source)?)?.kind == 'e',
                oids::ANYRANGE | oids::ANYCOMPATIBLERANGE => self.io.type_ref(source)?.kind == 'r',
                oids::ANYMULTIRANGE | oids::ANYCOMPATIBLEMULTIRANGE => self.io.type_ref(source)?.kind == 'm',
                _ => true,
            });
        }
        if source == oids::RECORD && self.is_composite(target)? {
            return Ok(true);
        }
        if target == oids::RECORD && self.is_composite(source)? {
            return Ok(true);
        }
        if target == oids::RECORD_ARRAY
            && let Some(element) = self.element_type(source)?
            && self.is_composite(element)?
        {
            return Ok(true);
        }
        Ok(self.find_pathway(source, target, context)?.is_some())
    }

    /// Whether `source` values can be used as `target` without any change (IsBinaryCoercible).
    pub(super) fn is_binary_coercible(&self, source: Oid, target: Oid) -> Result<bool> {
        if source == target
            || target == oids::ANY
            || target == oids::ANYELEMENT
            || target == oids::ANYCOMPATIBLE
        {
            return Ok(true);
        }
        let source = self.base_oid(source)?;
        if source == target {
            return Ok(true);
        }
        if matches!(target, oids::ANYARRAY | oids::ANYCOMPATIBLEARRAY) {
            return Ok(self.element_type(source)?.is_some());
        }
        if target == oids::ANYENUM {
            return Ok(self.io.type_ref(source)?.kind == 'e');
        }
        if target == oids::RECORD {
            return self.is_composite(source);
        }
        Ok(registry::cast(source, target)
            .is_some_and(|c| c.method == CastMethod::Binary && c.context == CastContext::Implicit))
    }

    /// 42846 or 42804, by context, for a coercion that doesn't exist.
    fn cannot_cast(&self, from: Oid, to: Oid, pos: Pos) -> Error {
        let e = err!(CANNOT_COERCE, "cannot cast type {} to {}", self.type_name(from), self.type_name(to));
        at(e, pos)
    }

    /// Coerces to a type and modifier; errors where there is no way (42846).
    pub(super) fn coerce_to(
        &mut self,
        value: Typed,
        target: SqlType,
        context: CastContext,
        pos: Pos,
    ) -> Result<Expr> {
        let source = value.expr.ty().oid;
        let explicit = context == CastContext::Explicit;
        if !self.can_coerce(source, target.oid, context)? {
            let e = self.cannot_cast(source, target.oid, if pos == NO_POS { value.pos } else { pos });
            return Err(e);
        }
        let form = if explicit { CallForm::ExplicitCast } else { CallForm::ImplicitCast };
        let mut expr = self.coerce_type(value, target, context, form)?;
        if explicit && source != target.oid && target.typmod >= 0 && expr.ty().typmod != target.typmod {
            // The cast that is written is the one with the modifier.
            hide_cast(&mut expr);
        }
        self.coerce_typmod(expr, target, form)
    }

    /// Coerces to a type (its modifier only matters to literals of intervals and to domains); the way must exist.
    pub(super) fn coerce_type(
        &mut self,
        value: Typed,
        target: SqlType,
        context: CastContext,
        form: CallForm,
    ) -> Result<Expr> {
        let source = value.expr.ty();
        if source.oid == target.oid || target.oid == oids::ANY || is_polymorphic(target.oid) {
            return Ok(value.expr);
        }
        if source.oid == oids::UNKNOWN {
            return self.coerce_unknown(value, target, form);
        }
        // COLLATE stays outermost.
        if let Expr::Cast { arg, kind: kind @ CastKind::Collate(_), .. } = value.expr {
            let inner = Typed { expr: *arg, pos: value.pos };
            let arg = Box::new(self.coerce_type(inner, target, context, form)?);
            return Ok(Expr::Cast { ty: arg.ty(), arg, kind, implicit: false });
        }
        let explicit = form == CallForm::ExplicitCast;
        let base = self.base_type(target)?;
        if base.oid != target.oid {
            let inner = self.coerce_type(value, base, context, form)?;
            let inner = self.coerce_typmod(inner, base, form)?;
            return self.coerce_to_domain(inner, target, !explicit);
        }
        if source.oid == oids::RECORD && self.is_composite(target.oid)? {
            return self.coerce_record(value, target, context);
        }
        if matches!(target.oid, oids::RECORD | oids::RECORD_ARRAY) {
            return Ok(Expr::Cast {
                arg: Box::new(value.expr),
                ty: target,
                kind: CastKind::Relabel,
                implicit: !explicit,
            });
        }
        let ty = SqlType::of(target.oid);
        Ok(match self.find_pathway(source.oid, target.oid, context)? {
            Some(Pathway::Relabel) => {
                Expr::Cast { arg: Box::new(value.expr), ty, kind: CastKind::Relabel, implicit: !explicit }
            }
            Some(Pathway::Io) => {
                Expr::Cast { arg: Box::new(value.expr), ty, kind: CastKind::Io, implicit: !explicit }
            }
            Some(Pathway::Function(function)) => {
                let mut args = vec![value.expr];
                let wanted = function.def().args.len();
                if wanted >= 2 {
                    args.push(Expr::Const { value: Datum::I32(target.typmod), ty: SqlType::INT4 });
                }
                if wanted >= 3 {
                    args.push(Expr::bool_const(explicit));
                }
                // The function has applied the modifier already if it takes one.
                let ty = if wanted >= 2 { target } else { ty };
                Expr::Call { function, args, ty, form, variadic: false, pos: position(value.pos) }
            }
            Some(Pathway::Array) => {
                let (Some(from), Some(to)) = (self.element_type(source.oid)?, self.element_type(target.oid)?)
                else {
                    return Err(self.cannot_cast(source.oid, target.oid, value.pos));
                };
                let element = Typed { expr: Expr::Placeholder { ty: SqlType::of(from) }, pos: value.pos };
                let element_target = SqlType::with_typmod(to, target.typmod);
                let element = self.coerce_type(element, element_target, context, form)?;
                let element = self.coerce_typmod(element, element_target, form)?;
                let kind = CastKind::ArrayElements(Box::new(element));
                Expr::Cast { arg: Box::new(value.expr), ty: target, kind, implicit: !explicit }
            }
            None => return Err(self.cannot_cast(source.oid, target.oid, value.pos)),
        })
    }

    /// An unknown literal becomes a value of the type now; any other unknown expression through text.
    fn coerce_unknown(&mut self, value: Typed, target: SqlType, form: CallForm) -> Result<Expr> {
        let base = self.base_type(target)?;
        // Only intervals need the modifier to be read right; for other types the length is applied afterwards.
        let input_typmod = if base.oid == oids::INTERVAL { base.typmod } else { -1 };
        let ty = SqlType::with_typmod(base.oid, input_typmod);
        let expr = match &value.expr {
            Expr::Const { value: Datum::Null, .. } => Expr::null(ty),
            Expr::Const { value: text, .. } => {
                let info = self.io.type_ref(base.oid)?;
                let notices = self.io.notices.map(|sink| LocatedNotices { sink, pos: value.pos });
                let notices = notices.as_ref().map(|n| n as &dyn NoticeSink);
                let io = IoContext { notices, ..self.io.clone() };
                let datum = info.input(text.as_str(), input_typmod, &io).map_err(|e| at(e, value.pos))?;
                Expr::Const { value: datum, ty }
            }
            Expr::Param { number, ty } if ty.oid == oids::UNKNOWN => {
                let number = *number;
                self.set_param_type(number, base, value.pos)?;
                Expr::Param { number, ty: SqlType::of(base.oid) }
            }
            _ => {
                let implicit = form != CallForm::ExplicitCast;
                Expr::Cast {
                    arg: Box::new(value.expr),
                    ty: SqlType::of(base.oid),
                    kind: CastKind::Io,
                    implicit,
                }
            }
        };
        if base.oid != target.oid {
            let expr = self.coerce_typmod(expr, base, form)?;
            return self.coerce_to_domain(expr, target, form != CallForm::ExplicitCast);
        }
        Ok(expr)
    }

    /// Applies a type modifier by the type's length-coercion function, where it has one.
    pub(super) fn coerce_typmod(&mut self, expr: Expr, target: SqlType, form: CallForm) -> Result<Expr> {
        if target.typmod < 0 || expr.ty().typmod == target.typmod || expr.ty().oid != target.oid {
            return Ok(expr);
        }
        if let Expr::Const { value: Datum::Null, .. } = expr {
            return Ok(Expr::null(target));
        }
        if let Some(element) = self.element_type(target.oid)? {
            let inner = Expr::Placeholder { ty: SqlType::of(element) };
            let coerced =
                self.coerce_typmod(inner.clone(), SqlType::with_typmod(element, target.typmod), form)?;
            if coerced == inner {
                return Ok(expr);
            }
            let kind = CastKind::ArrayElements(Box::new(coerced));
            let implicit = form != CallForm::ExplicitCast;
            return Ok(Expr::Cast { arg: Box::new(expr), ty: target, kind, implicit });
        }
        let Some(function) =
            registry::cast(target.oid, target.oid).and_then(|c| registry::function(c.function))
        else {
            return Ok(expr);
        };
        let mut args = vec![expr, Expr::Const { value: Datum::I32(target.typmod), ty: SqlType::INT4 }];
        if function.args.len() >= 3 {
            args.push(Expr::bool_const(form == CallForm::ExplicitCast));
        }
        Ok(Expr::Call {
            function: FunctionRef::Builtin(function),
            args,
            ty: target,
            form,
            variadic: false,
            pos: CallPos::default(),
        })
    }

    /// Wraps a value of the base type in the domain's checks (those of the domains it is made of included).
    pub(super) fn coerce_to_domain(&mut self, value: Expr, domain: SqlType, implicit: bool) -> Result<Expr> {
        let mut conditions = vec![];
        let mut must_be_present = false;
        let mut name = None;
        let mut at_type = domain.oid;
        let base = value.ty();
        while let Some(def) = self.reader.type_def(at_type)? {
            let TypeKind::Domain { base: next, not_null, checks, .. } = &def.kind else { break };
            name.get_or_insert_with(|| def.name.clone());
            must_be_present |= *not_null;
            for (check_name, sql) in checks {
                conditions.push((check_name.clone(), self.bind_domain_check(sql, base)?));
            }
            at_type = next.oid;
        }
        let kind = CastKind::Domain {
            domain_name: name.unwrap_or_default(),
            not_null: must_be_present,
            checks: conditions,
        };
        Ok(Expr::Cast { arg: Box::new(value), ty: domain, kind, implicit })
    }

    /// ROW(...) or a record into a named composite type, field by field.
    fn coerce_record(&mut self, value: Typed, target: SqlType, context: CastContext) -> Result<Expr> {
        let columns = self.io.names.composite_columns(target.oid)?;
        let Expr::Row { fields, .. } = value.expr else {
            return Ok(Expr::Cast {
                arg: Box::new(value.expr),
                ty: target,
                kind: CastKind::Row,
                implicit: false,
            });
        };
        if fields.len() != columns.len() {
            let what = if fields.len() < columns.len() { "few" } else { "many" };
            let e = self.cannot_cast(oids::RECORD, target.oid, value.pos);
            return Err(e.detail(format!("Input has too {what} columns.")));
        }
        let names = self.composite_column_names(target.oid)?;
        let fields = fields
            .into_iter()
            .zip(columns.iter())
            .enumerate()
            .map(|(i, (field, ty))| {
                let from = field.ty().oid;
                if !self.can_coerce(from, ty.oid, context)? {
                    let detail = format!(
                        "Cannot cast type {} to {} in column {}.",
                        self.type_name(from),
                        self.type_name(ty.oid),
                        i + 1
                    );
                    return Err(self.cannot_cast(oids::RECORD, target.oid, value.pos).detail(detail));
                }
                self.coerce_to(Typed { expr: field, pos: value.pos }, *ty, context, value.pos)
            })
            .collect::<Result<Vec<_>>>()?;
        let row = Expr::Row { fields, names, ty: target };
        if context == CastContext::Explicit && (self.record || self.keep_collations) {
            // The row is written with its cast.
            let (arg, kind) = (Box::new(row), CastKind::Relabel);
            return Ok(Expr::Cast { arg, ty: target, kind, implicit: false });
        }
        Ok(row)
    }

    /// Coerces to boolean: "argument of WHERE must be type boolean, not type integer".
    pub(super) fn coerce_to_boolean(&mut self, value: Typed, construct: &str) -> Result<Expr> {
        self.coerce_to_specific(value, oids::BOOL, construct)
    }

    /// Whether a set-returning call of this level is in an expression.
    fn returns_set(&self, e: &Expr) -> bool {
        let Some(scope) = self.scopes.last() else { return false };
        !scope.set_calls.is_empty()
            && quarry_plan::walk::any(
                e,
                &|e| matches!(e, Expr::Column { id, .. } if scope.set_calls.iter().any(|(c, _)| c == id)),
            )
    }

    /// Coerces to one type by assignment rules, naming the construct in errors.
    pub(super) fn coerce_to_specific(&mut self, value: Typed, target: Oid, construct: &str) -> Result<Expr> {
        let source = value.expr.ty().oid;
        let pos = value.pos;
        if self.returns_set(&value.expr) {
            let e = err!(DATATYPE_MISMATCH, "argument of {construct} must not return a set");
            return Err(at(e, pos));
        }
        if source != target {
            if !self.can_coerce(source, target, CastContext::Assignment)? {
                let e = err!(
                    DATATYPE_MISMATCH,
                    "argument of {construct} must be type {}, not type {}",
                    self.type_name(target),
                    self.type_name(source)
                );
                return Err(at(e, pos));
            }
            return self.coerce_to(value, SqlType::of(target), CastContext::Assignment, pos);
        }
        Ok(value.expr)
    }

    /// The one type that several expressions can share (UNION, CASE, VALUES, ...); `construct` is for the error.
    pub(super) fn common_type(&self, values: &[&Typed], construct: &str) -> Result<Oid> {
        let first = values.first().map_or(oids::UNKNOWN, |v| v.expr.ty().oid);
        if first != oids::UNKNOWN && values.iter().all(|v| v.expr.ty().oid == first) {
            return Ok(first);
        }
        let mut chosen: Option<(Oid, char, bool)> = None;
        for v in values {
            let oid = self.base_oid(v.expr.ty().oid)?;
            if oid == oids::UNKNOWN || chosen.is_some_and(|c| c.0 == oid) {
                continue;
            }
            let (category, preferred) = self.category(oid)?;
            match chosen {
                None => chosen = Some((oid, category, preferred)),
                Some((c, c_category, _)) if c_category != category => {
                    let e = err!(
                        DATATYPE_MISMATCH,
                        "{construct} types {} and {} cannot be matched",
                        self.type_name(c),
                        self.type_name(oid)
                    );
                    return Err(at(e, v.pos));
                }
                Some((c, _, c_preferred)) => {
                    if !c_preferred
                        && self.can_coerce(c, oid, CastContext::Implicit)?
                        && !self.can_coerce(oid, c, CastContext::Implicit)?
                    {
                        chosen = Some((oid, category, preferred));
                    }
                }
            }
        }
        Ok(chosen.map_or(oids::TEXT, |c| c.0))
    }

    /// The modifier shared by all, or -1.
    pub(super) fn common_typmod(&self, values: &[&Typed], ty: Oid) -> i32 {
        let mut types = values.iter().map(|v| v.expr.ty());
        match types.next() {
            Some(first) if first.oid == ty && types.all(|t| t == first) => first.typmod,
            _ => -1,
        }
    }

    /// Coerces to a type that `common_type` chose: "UNION could not convert type x to y" where that fails.
    pub(super) fn coerce_to_common(&mut self, value: Typed, target: Oid, construct: &str) -> Result<Expr> {
        let source = value.expr.ty().oid;
        if source == target {
            return Ok(value.expr);
        }
        let pos = value.pos;
        if !self.can_coerce(source, target, CastContext::Implicit)? {
            let e = err!(
                CANNOT_COERCE,
                "{construct} could not convert type {} to {}",
                self.type_name(source),
                self.type_name(target)
            );
            return Err(at(e, pos));
        }
        self.coerce_type(value, SqlType::of(target), CastContext::Implicit, CallForm::ImplicitCast)
    }
}

/// Marks a cast as one that nobody wrote.
fn hide_cast(e: &mut Expr) {
    match e {
        Expr::Cast { implicit, .. } => *implicit = true,
        Expr::Call { form: form @ CallForm::ExplicitCast, .. } => *form = CallForm::ImplicitCast,
        _ => {}
    }
}

/// Adds the place of the literal that is read to its notices.
struct LocatedNotices<'a> {
    sink: &'a dyn NoticeSink,
    pos: Pos,
}

impl NoticeSink for LocatedNotices<'_> {
    fn notice(&self, severity: Severity, notice: Error) {
        self.sink.notice(severity, at(notice, self.pos));
    }
}

/// Adds a position unless an inner one is there.
pub(super) fn at(e: Error, pos: Pos) -> Error {
    match error_position(pos) {
        Some(p) => e.position_if_none(p),
        None => e,
    }
}

/// A position as expressions keep it.
pub(super) fn position(pos: Pos) -> CallPos {
    CallPos((pos != NO_POS).then_some(pos))
}
