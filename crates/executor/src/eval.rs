//! Evaluating an expression without any row: constants, defaults, EXECUTE's arguments.

use crate::ExecEnv;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::Layout;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr};
use quarry_types::Datum;

/// The value of an expression that reads no columns.
pub fn eval_const(e: &Expr, env: &ExecEnv) -> Result<Datum> {
    let io = env.io();
    let mut b = Builder::new(&io, false);
    let program = b.expr(e, &Layout::default())?;
    let mut rt = b.finish();
    program.row(&mut Cx::new(env, &io, &mut rt), &[])
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
        let mut row = [Datum::Null];
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            row[0] = (*value).clone();
            out.push(matches!(program.row(&mut cx, &row).ok()?, Datum::Bool(true)));
        }
        Some(out)
    }
}
