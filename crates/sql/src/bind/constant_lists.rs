//! Long VALUES lists of an INSERT that hold nothing but constants: read straight into the columns' vectors.
//!
//! A list of thousands of rows is data, not expressions: nothing is made of a value but the value. Whatever is out of the ordinary
//! (another kind of expression, a type that isn't one of the plain ones, a constant that its column refuses) sends the whole statement
//! the general way, so that values and errors are the same.

use super::Binder;
use super::insert::Assigned;
use crate::ast::{self, ExprKind, Literal, Overriding};
use quarry_catalog::Relation;
use quarry_plan::ValueRows;
use quarry_types::io::TypeRef;
use quarry_types::{BATCH_ROWS, Batch, Datum, SqlType, Vector, oids};
use std::sync::Arc;

/// Values below which the general way is as good: its plans can be kept for other constants.
const VALUES_MIN: usize = 256;

impl Binder<'_> {
    /// The lists as batches of values; none if the general way must see them.
    pub(super) fn constant_lists(
        &self,
        relation: &Relation,
        assigned: &[Assigned<'_>],
        rows: &[Vec<ast::Expr>],
        ins: &ast::Insert,
    ) -> Option<ValueRows> {
        let width = rows.first()?.len();
        let overriding = ins.overriding;
        if rows.len() * width < VALUES_MIN || self.check_width(ins, assigned, width, ast::NO_POS).is_err() {
            return None;
        }
        let columns = assigned[..width]
            .iter()
            .map(|a| {
                let column = &relation.columns[a.column];
                self.check_assignable(column, overriding, ast::NO_POS).ok()?;
                let plain = !(overriding == Some(Overriding::User) && column.identity.is_some());
                let ty = self
                    .io
                    .type_ref(column.ty.oid)
                    .ok()
                    .filter(|_| plain && oids::is_self_contained(column.ty.oid))?;
                Some((column.ty, ty))
            })
            .collect::<Option<Vec<_>>>()?;
        let batches = rows.chunks(BATCH_ROWS).map(|chunk| self.constant_batch(&columns, chunk));
        Some(ValueRows::Constant { batches: batches.collect::<Option<_>>()?, len: rows.len() })
    }

    fn constant_batch(&self, columns: &[(SqlType, TypeRef)], rows: &[Vec<ast::Expr>]) -> Option<Batch> {
        let vector = |(_, ty): &(SqlType, TypeRef)| Vector::with_capacity(ty.physical, rows.len());
        let mut vectors: Vec<Vector> = columns.iter().map(vector).collect();
        for row in rows {
            if row.len() != columns.len() {
                return None;
            }
            for ((value, (wanted, ty)), out) in row.iter().zip(columns).zip(&mut vectors) {
                let ExprKind::Const(literal) = &value.kind else { return None };
                self.push_constant(literal, *wanted, ty, out)?;
            }
        }
        Some(Batch::new(vectors.into_iter().map(Arc::new).collect(), rows.len()))
    }

    /// A constant assigned to a column of type `wanted`.
    fn push_constant(
        &self,
        literal: &Literal,
        wanted: SqlType,
        ty: &TypeRef,
        out: &mut Vector,
    ) -> Option<()> {
        let value = match literal {
            Literal::Null => Datum::Null,
            Literal::Boolean(b) => (wanted.oid == oids::BOOL).then_some(Datum::Bool(*b))?,
            Literal::Integer(i) => match wanted.oid {
                oids::INT4 => Datum::I32(*i),
                oids::INT8 => Datum::I64(i64::from(*i)),
                oids::INT2 => Datum::I16(i16::try_from(*i).ok()?),
                oids::FLOAT8 => Datum::F64(f64::from(*i)),
                oids::NUMERIC => ty.input(&i.to_string(), wanted.typmod, self.io).ok()?,
                _ => return None,
            },
            Literal::Float(text) => match wanted.oid {
                oids::INT8 => Datum::I64(text.parse().ok()?),
                oids::NUMERIC => ty.input(text, wanted.typmod, self.io).ok()?,
                _ => return None,
            },
            Literal::String(text) => match wanted.oid {
                oids::TEXT | oids::VARCHAR if wanted.typmod < 0 => {
                    out.push_stored(text.as_bytes());
                    return Some(());
                }
                _ => ty.input(text, wanted.typmod, self.io).ok()?,
            },
            Literal::BitString(_) => return None,
        };
        out.push_datum(&value);
        Some(())
    }
}
