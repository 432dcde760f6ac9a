//! Subscripts, slices, fields: `a[1]`, `a[2:3]`, `(r).f`, `j['key']`, read and assigned.

use super::coerce::at;
use super::{Binder, Typed};
use crate::ast::{self, Indirection, Pos};
use quarry_common::{Oid, Result, err};
use quarry_functions::CastContext;
use quarry_plan::{Expr, SubscriptIndex};
use quarry_types::record::shape::shape_of;
use quarry_types::{SqlType, oids};

impl Binder<'_> {
    pub(super) fn indirection(&mut self, arg: &ast::Expr, steps: &[Indirection], pos: Pos) -> Result<Typed> {
        let mut value = self.expr(arg)?;
        let start = value.pos;
        let mut i = 0;
        while i < steps.len() {
            match &steps[i] {
                Indirection::Field(name) => {
                    value.expr = self.field(value.expr, name, pos)?;
                    i += 1;
                }
                Indirection::Star => {
                    return Err(at(err!(SYNTAX_ERROR, "row expansion via \"*\" is not supported here"), pos));
                }
                _ => {
                    let from = i;
                    while i < steps.len()
                        && matches!(steps[i], Indirection::Index(_) | Indirection::Slice { .. })
                    {
                        i += 1;
                    }
                    value.expr = self.subscript(value.expr, &steps[from..i], None, pos)?;
                }
            }
        }
        Ok(Typed { expr: value.expr, pos: start })
    }

    fn field(&mut self, value: Expr, name: &str, pos: Pos) -> Result<Expr> {
        let ty = value.ty();
        if let Expr::Row { fields, names, .. } = &value
            && let Some(i) = names.iter().position(|n| n == name)
        {
            if self.record && names.first().is_some_and(|n| n == "f1") {
                let (ty, name) = (fields[i].ty(), name.to_string());
                return Ok(Expr::FieldSelect { arg: Box::new(value), index: i, name, ty });
            }
            return Ok(fields[i].clone());
        }
        // A field of a table's whole row is its column.
        if let Expr::Column { id, .. } = &value
            && let Some(item) = self.item_of_row(*id)
            && let Some(column) = self.column_of_item(item, name, pos)?
        {
            return Ok(column);
        }
        if ty.oid == oids::RECORD {
            if shape_of(ty.typmod).is_some()
                && let Some((_, e)) = self.expand_record(value, pos)?.into_iter().find(|(n, _)| n == name)
            {
                return Ok(e);
            }
            let e = err!(UNDEFINED_COLUMN, "could not identify column \"{name}\" in record data type");
            return Err(at(e, pos));
        }
        let base = self.base_oid(ty.oid)?;
        if !self.is_composite(base)? {
            let e = err!(
                WRONG_OBJECT_TYPE,
                "column notation .{name} applied to type {}, which is not a composite type",
                self.type_name(ty.oid)
            );
            return Err(at(e, pos));
        }
        let found = self.expand_record(value, pos)?.into_iter().find(|(n, _)| n == name);
        match found {
            Some((_, e)) => Ok(e),
            None => {
                let e = err!(
                    UNDEFINED_COLUMN,
                    "column \"{name}\" not found in data type {}",
                    self.type_name(ty.oid)
                );
                Err(at(e, pos))
            }
        }
    }

    /// Reads (or with `assign` replaces) a place in an array or jsonb value.
    pub(super) fn subscript(
        &mut self,
        container: Expr,
        steps: &[Indirection],
        assign: Option<Expr>,
        pos: Pos,
    ) -> Result<Expr> {
        let base = self.base_type(container.ty())?;
        let is_slice = steps.iter().any(|s| matches!(s, Indirection::Slice { .. }));
        let (index_type, ty) = if base.oid == oids::JSONB {
            if is_slice {
                return Err(at(err!(DATATYPE_MISMATCH, "jsonb subscript does not support slices"), pos));
            }
            (None, SqlType::of(oids::JSONB))
        } else {
            match self.subscripted_element(base.oid)? {
                Some(_) if is_slice => (Some(oids::INT4), base),
                Some(element) => (Some(oids::INT4), SqlType::with_typmod(element, base.typmod)),
                None => {
                    let e = err!(
                        DATATYPE_MISMATCH,
                        "cannot subscript type {} because it does not support subscripting",
                        self.type_name(base.oid)
                    );
                    return Err(at(e, pos));
                }
            }
        };
        let mut indexes = vec![];
        for step in steps {
            indexes.push(match step {
                Indirection::Index(e) if is_slice => {
                    // In a slice, a plain index means 1:index.
                    let upper = self.index(e, index_type)?;
                    let one = Expr::Const { value: quarry_types::Datum::I32(1), ty: SqlType::INT4 };
                    SubscriptIndex::Slice(Some(one), Some(upper))
                }
                Indirection::Index(e) => SubscriptIndex::At(self.index(e, index_type)?),
                Indirection::Slice { lower, upper } => {
                    let lower = lower.as_ref().map(|e| self.index(e, index_type)).transpose()?;
                    let upper = upper.as_ref().map(|e| self.index(e, index_type)).transpose()?;
                    SubscriptIndex::Slice(lower, upper)
                }
                Indirection::Field(_) | Indirection::Star => {
                    return Err(at(err!(SYNTAX_ERROR, "field selection is not a subscript"), pos));
                }
            });
        }
        let ty = if assign.is_some() { base } else { ty };
        Ok(Expr::Subscript { container: Box::new(container), indexes, assign: assign.map(Box::new), ty })
    }

    /// What a subscript of a type finds: an array's elements; a name's bytes, which count from 0.
    pub(super) fn subscripted_element(&self, base: Oid) -> Result<Option<Oid>> {
        match base {
            oids::NAME => Ok(Some(oids::CHAR)),
            _ => self.element_type(base),
        }
    }

    /// An index: integer for arrays; integer or text for jsonb.
    fn index(&mut self, e: &ast::Expr, wanted: Option<Oid>) -> Result<Expr> {
        let bound = self.expr(e)?;
        let from = bound.expr.ty().oid;
        let pos = bound.pos;
        let target = match wanted {
            Some(t) => t,
            None if from == oids::UNKNOWN => oids::TEXT,
            None if self.can_coerce(from, oids::INT4, CastContext::Assignment)?
                && self.category(from)?.0 == 'N' =>
            {
                oids::INT4
            }
            None => oids::TEXT,
        };
        if !self.can_coerce(from, target, CastContext::Assignment)? {
            let e = match wanted {
                Some(_) => err!(DATATYPE_MISMATCH, "array subscript must have type integer"),
                None => err!(DATATYPE_MISMATCH, "subscript type {} is not supported", self.type_name(from))
                    .hint("jsonb subscript must be coercible to either integer or text."),
            };
            return Err(at(e, pos));
        }
        self.coerce_to(bound, SqlType::of(target), CastContext::Assignment, pos)
    }
}
