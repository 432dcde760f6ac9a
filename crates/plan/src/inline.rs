//! Calls of functions that PostgreSQL writes in SQL and puts their bodies in place of: `text || value` and `value || text`, which are
//! `textcat` of the value's text. The parts may then be constant, or immutable, where the call as a whole need not be.

use crate::{CallForm, CastKind, Expr, FunctionRef, walk};
use quarry_common::Oid;
use quarry_functions::{CastMethod, registry};
use quarry_types::{SqlType, oids};

const TEXTCAT: Oid = Oid(1258);
const TEXTANYCAT: Oid = Oid(2003);
const ANYTEXTCAT: Oid = Oid(2004);
/// `||` of two texts.
const TEXT_CONCATENATION: Oid = Oid(654);

/// The expression that a call stands for; none for all others.
pub fn expand(e: &Expr) -> Option<Expr> {
    let Expr::Call { function, args, form: CallForm::Operator(_), pos, .. } = e else { return None };
    let value = match function.def().oid {
        TEXTANYCAT => 1,
        ANYTEXTCAT => 0,
        _ => return None,
    };
    let mut args = args.clone();
    let slot = args.get_mut(value)?;
    *slot = as_text(slot.clone())?;
    Some(Expr::Call {
        function: FunctionRef::Builtin(registry::function(TEXTCAT)?),
        args,
        ty: SqlType::TEXT,
        form: CallForm::Operator(TEXT_CONCATENATION),
        variadic: false,
        pos: *pos,
    })
}

/// Puts in place whatever can be, anywhere in an expression.
pub fn expand_all(e: &mut Expr) {
    walk::rewrite(e, &mut |e| {
        if let Some(expanded) = expand(e) {
            *e = expanded;
        }
    });
}

/// `value::text`.
fn as_text(value: Expr) -> Option<Expr> {
    let cast = registry::cast(value.ty().oid, oids::TEXT);
    match cast.map(|c| (c.method, c.function)) {
        Some((CastMethod::Function, function)) => Some(Expr::Call {
            function: FunctionRef::Builtin(registry::function(function)?),
            args: vec![value],
            ty: SqlType::TEXT,
            form: CallForm::ExplicitCast,
            variadic: false,
            pos: Default::default(),
        }),
        Some((CastMethod::Binary, _)) => None,
        Some((CastMethod::InOut, _)) | None => {
            let arg = Box::new(value);
            Some(Expr::Cast { arg, ty: SqlType::TEXT, kind: CastKind::Io, implicit: false })
        }
    }
}
