//! Compiled expressions.
//!
//! [`Program`] is made once per execution from a bound expression: columns are slots of the input, or ids of enclosing
//! rows. It runs over batches ([`Program::eval`], [`Program::positions`]) or over one row of datums ([`Program::row`]).
//! AND, OR, CASE and COALESCE compute only the rows that need it.

mod batch;
pub mod compile;
mod kept;
mod op;
mod row;
mod scatter;
mod slices;
mod subscript;

pub use compile::Layout;
pub(crate) use compile::Traits;
pub(crate) use op::Op;
pub(crate) use scatter::scatter;

use crate::context::Cx;
use quarry_common::Result;
use quarry_functions::FunctionDef;
use quarry_plan::BoolTest;
use quarry_types::{Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector};
use std::sync::Arc;

/// A compiled expression.
pub struct Program {
    pub(crate) node: Node,
    pub ty: SqlType,
    pub physical: PhysicalType,
    /// It can't be begun again.
    effects: bool,
    /// Its calls make values of varying length.
    grows: bool,
}

/// What a node of a program computes.
pub(crate) enum Node {
    Const {
        value: Datum,
        physical: PhysicalType,
    },
    Column {
        slot: usize,
    },
    Outer {
        id: usize,
        physical: PhysicalType,
    },
    Param {
        index: usize,
        physical: PhysicalType,
    },
    Placeholder {
        physical: PhysicalType,
    },
    Call(Box<Call>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    IsNull {
        arg: Box<Node>,
        negated: bool,
    },
    IsBool {
        arg: Box<Node>,
        test: BoolTest,
    },
    /// `equal` compares arguments that aren't NULL.
    Distinct {
        left: Box<Node>,
        right: Box<Node>,
        equal: Box<Call>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Node>>,
        whens: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
        physical: PhysicalType,
    },
    Coalesce {
        args: Vec<Node>,
        physical: PhysicalType,
    },
    NullIf {
        left: Box<Node>,
        right: Box<Node>,
        equal: Box<Call>,
        physical: PhysicalType,
    },
    Relabel {
        arg: Box<Node>,
        physical: PhysicalType,
    },
    ScalarArray {
        call: Box<Call>,
        left: Box<Node>,
        array: Box<Node>,
        all: bool,
        set: Option<Box<op::ConstSet>>,
    },
    /// A function of its evaluated arguments, row by row.
    Op {
        op: Op,
        args: Vec<Node>,
        physical: PhysicalType,
    },
    /// An expression that may fail: its value or NULL, or (`error`) its error as a value or NULL.
    Kept {
        arg: Box<Node>,
        error: bool,
        physical: PhysicalType,
    },
    Subquery(Box<crate::subplan::SubqueryNode>),
}

/// A call of a scalar function.
pub(crate) struct Call {
    pub def: &'static FunctionDef,
    /// Called with VARIADIC and an array for `VARIADIC "any"`: its elements are the arguments.
    pub spread: bool,
    pub args: Vec<Node>,
    pub arg_types: Box<[SqlType]>,
    pub ret: SqlType,
    pub physical: PhysicalType,
}

/// The rows a node is computed for.
#[derive(Clone, Copy)]
pub(crate) struct Input<'b> {
    pub columns: &'b [Arc<Vector>],
    pub rows: Rows<'b>,
    pub placeholder: Option<&'b Arc<Vector>>,
}

impl Program {
    /// The value for each row of the batch that counts; other positions hold anything.
    pub fn eval(&self, cx: &mut Cx<'_>, batch: &Batch) -> Result<Arc<Vector>> {
        self.eval_rows(cx, &batch.columns, batch.rows())
    }
    /// The value for one row.
    pub fn row(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<Datum> {
        self.node.row(cx, row, None)
    }
    /// The same where the value lies somewhere already.
    #[inline]
    pub(crate) fn value<'v>(&'v self, cx: &Cx<'v>, row: &'v [Datum]) -> Option<&'v Datum> {
        self.node.value(cx, row)
    }
    /// Whether a condition is true (not false, not NULL) of one row.
    pub fn row_is_true(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<bool> {
        Ok(matches!(self.row(cx, row)?, Datum::Bool(true)))
    }
    /// The positions of the rows of which a condition is true.
    pub fn positions(&self, cx: &mut Cx<'_>, batch: &Batch) -> Result<Vec<u32>> {
        let v = self.eval(cx, batch)?;
        Ok(true_positions(&v, batch.rows()))
    }
    /// Whether it has effects, so that it can't be begun again.
    pub(crate) fn has_effects(&self) -> bool {
        self.effects
    }
    /// Whether its calls make values of varying length.
    pub(crate) fn grows(&self) -> bool {
        self.grows
    }
    /// The slot if the program only reads an input column.
    pub fn slot(&self) -> Option<usize> {
        match self.node {
            Node::Column { slot } => Some(slot),
            _ => None,
        }
    }
    /// The value if it is a constant.
    pub fn constant(&self) -> Option<&Datum> {
        match &self.node {
            Node::Const { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// Positions of `rows` whose flag is true.
pub fn true_positions(v: &Vector, rows: Rows<'_>) -> Vec<u32> {
    let quarry_types::VectorData::Bool(flags) = v.data() else { return Vec::new() };
    let mut out = Vec::with_capacity(rows.count());
    if v.is_constant() {
        if flags[0] && !v.is_null(0) {
            out.extend(rows.iter().map(|i| i as u32));
        }
        return out;
    }
    match v.validity() {
        None => out.extend(rows.iter().filter(|i| flags[*i]).map(|i| i as u32)),
        Some(valid) => out.extend(rows.iter().filter(|i| flags[*i] && valid[*i]).map(|i| i as u32)),
    }
    out
}

/// A type for comparing and hashing values, kept with the programs that need it.
pub type KeyType = TypeRef;
