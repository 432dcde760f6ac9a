//! Evaluating an expression without any row: constants, defaults, EXECUTE's arguments.

use crate::ExecEnv;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::Layout;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr};
use quarry_types::{Batch, Datum, Vector};
use std::sync::Arc;

/// The value of an expression that reads no columns.
pub fn eval_const(e: &Expr, env: &ExecEnv) -> Result<Datum> {
    let io = env.io();
    let mut b = Builder::new(&io, false);
    let program = b.expr(e, &Layout::default())?;
    let mut rt = b.finish();
    program.row(&mut Cx::new(env, &io, &mut rt), &[])
}

/// Values as a column, if they have the form that an expression reads it in.
fn vector_of(e: &Expr, column: ColumnId, values: &[&Datum]) -> Option<Vector> {
    let mut ty = None;
    quarry_plan::walk::visit(e, &mut |e| match e {
        Expr::Column { id, ty: own } if *id == column => ty = Some(own.oid),
        _ => {}
    });
    let physical = quarry_types::type_info(ty?)?.physical;
    let mut out = Vector::with_capacity(physical, values.len());
    for value in values {
        if !value.is_null() && value.physical() != Some(physical) {
            return None;
        }
        out.push_datum(value);
    }
    Some(out)
}

/// Evaluates expressions for the planner.
pub struct Folder<'a> {
    env: &'a ExecEnv,
}

impl<'a> Folder<'a> {
    pub fn new(env: &'a ExecEnv) -> Folder<'a> {
        Folder { env }
    }
}

impl quarry_plan::folder::ConstantFolder for Folder<'_> {
    fn fold(&self, e: &Expr) -> Result<Datum> {
        eval_const(e, self.env)
    }
    fn estimate(&self, e: &Expr) -> Option<Datum> {
        let given = self.env.params.len();
        // A plan for any values of its parameters.
        if quarry_plan::walk::any(e, &|e| matches!(e, Expr::Param { number, .. } if *number as usize > given))
        {
            return None;
        }
        eval_const(e, self.env).ok()
    }
    fn holds_for(&self, condition: &Expr, column: ColumnId, values: &[&Datum]) -> Option<Vec<bool>> {
        let given = self.env.params.len();
        let open = |e: &Expr| matches!(e, Expr::Param { number, .. } if *number as usize > given);
        if quarry_plan::walk::any(condition, &open) {
            return None;
        }
        let io = self.env.io();
        let mut b = Builder::new(&io, false);
        let program = b.expr(condition, &Layout::new([column])).ok()?;
        let mut rt = b.finish();
        let mut cx = Cx::new(self.env, &io, &mut rt);
        if let Some(vector) = vector_of(condition, column, values) {
            let batch = Batch::new(vec![Arc::new(vector)], values.len());
            let mut out = vec![false; values.len()];
            for at in program.positions(&mut cx, &batch).ok()? {
                *out.get_mut(at as usize)? = true;
            }
            return Some(out);
        }
        let mut row = [Datum::Null];
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            row[0] = (*value).clone();
            out.push(matches!(program.row(&mut cx, &row).ok()?, Datum::Bool(true)));
        }
        Some(out)
    }
}
