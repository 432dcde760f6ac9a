//! From bound expressions to programs.

use super::op::{ConstSet, IndexShape, Subscripted};
use super::{Call, Node, Op, Program};
use crate::build::Builder;
use hashbrown::HashMap;
use quarry_common::{Oid, Result};
use quarry_functions::{FunctionDef, Volatility, internal};
use quarry_plan::{CastKind, ColumnId, Expr, SubscriptIndex};
use quarry_types::{PhysicalType, SqlType, TypeRef, oids};

/// Functions whose argument's errors are values.
fn is_kept(function: Oid) -> bool {
    matches!(function, internal::VALUE_OR_NULL | internal::ERROR_OF_VALUE)
}

/// Which slot of the input each column has.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    slots: HashMap<ColumnId, usize>,
}

impl Layout {
    /// Columns in slot order.
    pub fn new(columns: impl IntoIterator<Item = ColumnId>) -> Layout {
        Layout { slots: columns.into_iter().enumerate().map(|(i, c)| (c, i)).collect() }
    }
    pub fn slot(&self, id: ColumnId) -> Option<usize> {
        self.slots.get(&id).copied()
    }
    pub fn len(&self) -> usize {
        self.slots.len()
    }
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// What calls an expression under compilation has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traits {
    /// Volatile ones that can't be repeated.
    effects: bool,
    /// Ones with values of varying length.
    grows: bool,
}

/// Volatile functions without effects.
fn is_pure(name: &str) -> bool {
    matches!(name, "random" | "clock_timestamp" | "timeofday" | "gen_random_uuid" | "pg_backend_pid")
}

/// IN lists from this length on are looked up by hash.
const HASHED_LIST_MIN: usize = 9;

impl Builder<'_> {
    /// Compiles an expression over columns in this order.
    pub fn expr(&mut self, e: &Expr, layout: &Layout) -> Result<Program> {
        let ty = e.ty();
        let physical = self.physical(ty)?;
        let before = std::mem::take(&mut self.traits);
        let node = self.node(e, layout)?;
        let Traits { effects, grows } = std::mem::replace(&mut self.traits, before);
        Ok(Program { node, ty, physical, effects, grows })
    }
    pub fn exprs<'e>(
        &mut self,
        list: impl IntoIterator<Item = &'e Expr>,
        layout: &Layout,
    ) -> Result<Vec<Program>> {
        list.into_iter().map(|e| self.expr(e, layout)).collect()
    }
    /// How values of a type lie.
    pub fn physical(&self, ty: SqlType) -> Result<PhysicalType> {
        Ok(self.type_ref(ty.oid)?.physical)
    }
    pub fn type_ref(&self, oid: Oid) -> Result<TypeRef> {
        self.io().type_ref(oid)
    }

    fn boxed(&mut self, e: &Expr, layout: &Layout) -> Result<Box<Node>> {
        self.node(e, layout).map(Box::new)
    }
    fn nodes<'e>(&mut self, list: impl IntoIterator<Item = &'e Expr>, layout: &Layout) -> Result<Vec<Node>> {
        list.into_iter().map(|e| self.node(e, layout)).collect()
    }
    fn equality(&mut self, def: &'static FunctionDef, left: SqlType, right: SqlType) -> Box<Call> {
        Box::new(Call {
            def,
            spread: false,
            args: Vec::new(),
            arg_types: Box::new([left, right]),
            ret: SqlType::BOOL,
            physical: PhysicalType::Bool,
        })
    }

    pub(crate) fn node(&mut self, e: &Expr, layout: &Layout) -> Result<Node> {
        let physical = self.physical(e.ty())?;
        Ok(match e {
            Expr::Const { value, .. } => {
                // int4 constants relabelled as oid keep their form until here.
                Node::Const {
                    value: quarry_functions::cast::relabel_datum(value.clone(), physical)?,
                    physical,
                }
            }
            Expr::Column { id, .. } => match layout.slot(*id) {
                Some(slot) => Node::Column { slot },
                None => Node::Outer { id: id.0 as usize, physical },
            },
            Expr::Param { number, .. } => {
                Node::Param { index: (*number as usize).saturating_sub(1), physical }
            }
            Expr::Placeholder { .. } => Node::Placeholder { physical },
            Expr::Call { function, args, .. } if is_kept(function.def().oid) => {
                let [arg] = &args[..] else { return Err(quarry_functions::kernel_arity()) };
                let error = function.def().oid == internal::ERROR_OF_VALUE;
                Node::Kept { arg: self.boxed(arg, layout)?, error, physical }
            }
            Expr::Call { function, args, ty, variadic, .. } => {
                let def = function.def();
                self.traits.effects |= def.volatility == Volatility::Volatile && !is_pure(def.name);
                self.traits.grows |= physical == PhysicalType::Bytes;
                let call = Call {
                    def,
                    spread: *variadic && function.def().variadic == oids::ANY,
                    arg_types: args.iter().map(Expr::ty).collect(),
                    args: self.nodes(args, layout)?,
                    ret: result_type(function.def(), *ty),
                    physical,
                };
                Node::Call(Box::new(call))
            }
            Expr::And(args) => Node::And(self.nodes(args, layout)?),
            Expr::Or(args) => Node::Or(self.nodes(args, layout)?),
            Expr::Not(arg) => Node::Not(self.boxed(arg, layout)?),
            Expr::IsNull { arg, negated } => self.is_null(arg, *negated, layout)?,
            Expr::IsBool { arg, test } => Node::IsBool { arg: self.boxed(arg, layout)?, test: *test },
            Expr::IsDistinct { left, right, equals, negated, .. } => Node::Distinct {
                equal: self.equality(equals.def(), left.ty(), right.ty()),
                left: self.boxed(left, layout)?,
                right: self.boxed(right, layout)?,
                negated: *negated,
            },
            Expr::Case { operand, whens, otherwise, .. } => Node::Case {
                operand: operand.as_ref().map(|o| self.boxed(o, layout)).transpose()?,
                whens: whens
                    .iter()
                    .map(|(w, t)| Ok((self.node(w, layout)?, self.node(t, layout)?)))
                    .collect::<Result<_>>()?,
                otherwise: otherwise.as_ref().map(|o| self.boxed(o, layout)).transpose()?,
                physical,
            },
            Expr::Coalesce { args, .. } => Node::Coalesce { args: self.nodes(args, layout)?, physical },
            Expr::NullIf { left, right, equals, .. } => Node::NullIf {
                equal: self.equality(equals.def(), left.ty(), right.ty()),
                left: self.boxed(left, layout)?,
                right: self.boxed(right, layout)?,
                physical,
            },
            Expr::MinMax { greatest, args, ty } => Node::Op {
                op: Op::MinMax { greatest: *greatest, ty: self.type_ref(ty.oid)? },
                args: self.nodes(args, layout)?,
                physical,
            },
            Expr::Cast { arg, ty, kind, .. } => self.cast(arg, *ty, kind, layout)?,
            Expr::Array { elements, nested, ty } => {
                let element = self.element_of(*ty)?;
                let op =
                    Op::Array { nested: *nested, element, physical: self.physical(SqlType::of(element))? };
                Node::Op { op, args: self.nodes(elements, layout)?, physical }
            }
            Expr::Row { fields, ty, .. } => {
                let op = Op::Row { ty: *ty, fields: fields.iter().map(Expr::ty).collect() };
                Node::Op { op, args: self.nodes(fields, layout)?, physical }
            }
            Expr::FieldSelect { arg, index, .. } => {
                // A field of a row written out needs no record.
                if let Expr::Row { fields, .. } = &**arg
                    && let Some(field) = fields.get(*index)
                {
                    return self.node(field, layout);
                }
                Node::Op { op: Op::Field(*index), args: vec![self.node(arg, layout)?], physical }
            }
            Expr::Subscript { container, indexes, assign, .. } => {
                self.subscript(container, indexes, assign.as_deref(), physical, layout)?
            }
            Expr::ScalarArray { function, left, array, all, .. } => {
                let element = self.element_of(array.ty())?;
                let call = self.equality(function.def(), left.ty(), SqlType::of(element));
                let set = self.const_set(function.def(), left, array, element, *all)?;
                Node::ScalarArray {
                    call,
                    left: self.boxed(left, layout)?,
                    array: self.boxed(array, layout)?,
                    all: *all,
                    set: set.map(Box::new),
                }
            }
            Expr::SqlValue { kind, ty } => {
                let typmod = ty.typmod;
                Node::Op { op: Op::SqlValue { kind: *kind, typmod }, args: Vec::new(), physical }
            }
            Expr::Subquery(s) => Node::Subquery(Box::new(self.subquery(s, layout)?)),
        })
    }

    /// A row is NULL if all its fields are, and NOT NULL if none is.
    fn is_null(&mut self, arg: &Expr, negated: bool, layout: &Layout) -> Result<Node> {
        if let Expr::Row { fields, .. } = arg {
            let tests = self
                .nodes(fields, layout)?
                .into_iter()
                .map(|n| Node::IsNull { arg: Box::new(n), negated })
                .collect();
            return Ok(Node::And(tests));
        }
        Ok(Node::IsNull { arg: self.boxed(arg, layout)?, negated })
    }

    fn element_of(&self, array: SqlType) -> Result<Oid> {
        let info = self.type_ref(array.oid)?;
        match info.base {
            Some(base) if !info.element.is_valid() => Ok(self.type_ref(base.oid)?.element),
            _ => Ok(info.element),
        }
    }

    /// The elements of a long constant list, if equality is the type's own.
    fn const_set(
        &mut self,
        def: &'static FunctionDef,
        left: &Expr,
        array: &Expr,
        element: Oid,
        all: bool,
    ) -> Result<Option<ConstSet>> {
        let Expr::Const { value, .. } = array else { return Ok(None) };
        if all || value.is_null() || def.args != [element, element] || left.ty().oid != element {
            return Ok(None);
        }
        let ty = self.type_ref(element)?;
        let is_equality = def.name.ends_with("eq") && def.volatility == Volatility::Immutable;
        if !is_equality || ty.functions.hash.is_none() {
            return Ok(None);
        }
        if quarry_types::array::ArrayRef::of(value).len() < HASHED_LIST_MIN {
            return Ok(None);
        }
        Ok(Some(ConstSet::new(value, ty)))
    }

    fn cast(&mut self, arg: &Expr, ty: SqlType, kind: &CastKind, layout: &Layout) -> Result<Node> {
        let physical = self.physical(ty)?;
        let op = match kind {
            CastKind::Relabel | CastKind::Collate(_) => {
                return Ok(Node::Relabel { arg: self.boxed(arg, layout)?, physical });
            }
            CastKind::Io => {
                Op::Io { from: self.type_ref(arg.ty().oid)?, to: self.type_ref(ty.oid)?, typmod: ty.typmod }
            }
            CastKind::ArrayElements(element) => {
                let oid = self.element_of(ty)?;
                Op::ArrayElements {
                    element: self.boxed(element, layout)?,
                    oid,
                    physical: self.physical(SqlType::of(oid))?,
                }
            }
            CastKind::Domain { domain_name, not_null, checks } => Op::Domain {
                name: domain_name.clone(),
                not_null: *not_null,
                checks: checks
                    .iter()
                    .map(|(n, c)| Ok((n.clone(), self.node(c, layout)?)))
                    .collect::<Result<_>>()?,
            },
            CastKind::Row => {
                let columns = self.io().names.composite_columns(ty.oid)?;
                let columns =
                    columns.iter().map(|c| Ok((*c, self.type_ref(c.oid)?))).collect::<Result<Vec<_>>>()?;
                Op::RowCast { to: ty.oid, columns }
            }
        };
        Ok(Node::Op { op, args: vec![self.node(arg, layout)?], physical })
    }

    fn subscript(
        &mut self,
        container: &Expr,
        indexes: &[SubscriptIndex],
        assign: Option<&Expr>,
        physical: PhysicalType,
        layout: &Layout,
    ) -> Result<Node> {
        let mut args = vec![self.node(container, layout)?];
        let mut shapes = Vec::with_capacity(indexes.len());
        for index in indexes {
            match index {
                SubscriptIndex::At(e) => {
                    args.push(self.node(e, layout)?);
                    shapes.push(IndexShape::At);
                }
                SubscriptIndex::Slice(lower, upper) => {
                    for e in lower.iter().chain(upper) {
                        args.push(self.node(e, layout)?);
                    }
                    shapes.push(IndexShape::Slice(lower.is_some(), upper.is_some()));
                }
            }
        }
        if let Some(e) = assign {
            args.push(self.node(e, layout)?);
        }
        let ty = container.ty().oid;
        let base = self.type_ref(ty)?.base.map_or(ty, |base| base.oid);
        let (container, element) = match base {
            oids::JSONB => (Subscripted::Jsonb, oids::JSONB),
            oids::NAME => (Subscripted::Name, oids::CHAR),
            _ => (Subscripted::Array, self.element_of(container.ty())?),
        };
        let op = Op::Subscript {
            indexes: shapes,
            assign: assign.is_some(),
            element,
            element_physical: self.physical(SqlType::of(element))?,
            container,
        };
        Ok(Node::Op { op, args, physical })
    }
}

/// What to tell a kernel it returns: its declared type, or the call's where that is polymorphic.
fn result_type(def: &FunctionDef, ty: SqlType) -> SqlType {
    let polymorphic = quarry_types::type_info(def.ret).is_none_or(|t| t.kind == 'p');
    if polymorphic || def.ret == ty.oid { ty } else { SqlType::of(def.ret) }
}
