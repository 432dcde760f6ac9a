//! Which expressions need no parentheses inside which (PostgreSQL: isSimpleNode).

use super::operator_name;
use crate::{CallForm, CastKind, Expr};

/// Whether `e` reads the same without parentheses as a part of `parent`.
pub(super) fn is_simple(e: &Expr, parent: &Expr) -> bool {
    match e {
        Expr::Const { .. } | Expr::Column { .. } | Expr::Param { .. } | Expr::Placeholder { .. } => true,
        Expr::Call { form: CallForm::Operator(_), args, .. }
            if matches!(args[..], [Expr::Row { .. }, Expr::Row { .. }]) =>
        {
            false
        }
        Expr::Call { form: CallForm::Operator(_), .. } => match parent {
            Expr::Call { form: CallForm::Operator(_), .. } => is_simple_operand(e, parent),
            _ => encloses(parent, true),
        },
        // Written as name(..) or name[..], or between keywords of their own.
        Expr::Call { .. }
        | Expr::Subscript { .. }
        | Expr::Array { .. }
        | Expr::Row { .. }
        | Expr::Coalesce { .. }
        | Expr::MinMax { .. }
        | Expr::NullIf { .. }
        | Expr::SqlValue { .. }
        | Expr::Case { .. } => true,
        Expr::Cast { kind: CastKind::Collate(_), .. } => false,
        Expr::FieldSelect { .. } => !matches!(parent, Expr::FieldSelect { .. }),
        Expr::Cast { arg, .. } => is_simple(arg, e),
        Expr::IsNull { .. } | Expr::IsBool { .. } | Expr::Subquery(_) => encloses(parent, true),
        Expr::IsDistinct { negated: false, .. } => encloses(parent, true),
        // NOT binds looser than the test it negates.
        Expr::IsDistinct { negated: true, .. } | Expr::Not(_) | Expr::And(_) => match parent {
            Expr::And(_) | Expr::Or(_) => true,
            other => encloses(other, false),
        },
        Expr::Or(_) => match parent {
            Expr::Or(_) => true,
            other => encloses(other, false),
        },
        Expr::ScalarArray { .. } => false,
    }
}

/// Whether a parent has brackets of its own around its parts, or (`boolean`) binds looser as AND, OR and NOT do.
fn encloses(parent: &Expr, boolean: bool) -> bool {
    match parent {
        Expr::Call { form, .. } => matches!(form, CallForm::Function | CallForm::Named(_)),
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => boolean,
        Expr::Subscript { .. }
        | Expr::Array { .. }
        | Expr::Row { .. }
        | Expr::Coalesce { .. }
        | Expr::MinMax { .. }
        | Expr::NullIf { .. }
        | Expr::Case { .. } => true,
        _ => false,
    }
}

/// `+ - * / %` between two operands.
fn arithmetic(e: &Expr) -> Option<char> {
    match e {
        Expr::Call { form: CallForm::Operator(oid), args, .. } if args.len() == 2 => {
            let name = operator_name(*oid);
            let mut chars = name.chars();
            chars.next().filter(|c| chars.next().is_none() && "+-*/%".contains(*c))
        }
        _ => None,
    }
}

/// Operators inside operators: only arithmetic whose precedence decides.
fn is_simple_operand(e: &Expr, parent: &Expr) -> bool {
    let (Some(inner), Some(outer)) = (arithmetic(e), arithmetic(parent)) else { return false };
    let high = |c| "*/%".contains(c);
    let is_left = matches!(parent, Expr::Call { args, .. } if std::ptr::eq(&args[0], e));
    match (high(inner), high(outer)) {
        (true, false) => true,
        (false, true) => false,
        _ => is_left,
    }
}
