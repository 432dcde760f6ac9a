//! From stored rows to columns.

use crate::ExecEnv;
use quarry_catalog::Relation;
use quarry_common::{Error, Result, Tid};
use quarry_plan::{ColumnId, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::heap::{Heap, PageRows, TupleMeta};
use quarry_storage::row::{FixedColumn, PaddedColumn, RowLayout, RowRef, VarColumn};
use quarry_types::row::{decode_column_into, get_datum};
use quarry_types::{BATCH_ROWS, Batch, Datum, IoContext, PhysicalType, SqlType, Vector, identifiers, record};
use std::sync::Arc;

/// A relation's heap.
pub fn open_heap(env: &ExecEnv, relation: &Relation) -> Result<Heap> {
    let storage = relation
        .storage
        .ok_or_else(|| Error::internal(format!("relation \"{}\" has no storage", relation.name)))?;
    Ok(Heap::open(&env.storage, storage, relation.toast, relation.layout.clone()))
}

/// The snapshot a relation is read under: catalogs show everything that is committed.
pub fn snapshot_for(env: &ExecEnv, relation: &Relation) -> Snapshot {
    if relation.is_catalog { env.txn.catalog_snapshot() } else { env.snapshot.clone() }
}

enum Source {
    Attribute {
        index: usize,
        physical: PhysicalType,
        missing: Option<Datum>,
        place: ColumnPlace,
        /// Numerics that are computed with: whole numbers, where they can be that.
        whole: bool,
    },
    Ctid,
    Xmin,
    Xmax,
    Cmin,
    Cmax,
    TableOid(u32),
    WholeRow,
    /// Nobody reads it.
    Unread,
}

/// Where a stored column is found in most rows.
#[derive(Clone, Copy)]
enum ColumnPlace {
    Fixed(FixedColumn),
    Varying(VarColumn),
    Padded(PaddedColumn),
    /// Each row must be asked.
    Unknown,
}

impl ColumnPlace {
    /// Appends the column of one row; false: the row must be asked.
    #[inline]
    fn push_one(&self, body: &[u8], to: &mut Vector) -> bool {
        let value = match self {
            ColumnPlace::Fixed(column) => column.get(body),
            ColumnPlace::Varying(column) => column.get(body),
            ColumnPlace::Padded(_) | ColumnPlace::Unknown => None,
        };
        value.is_some_and(|bytes| {
            to.push_stored(bytes);
            true
        })
    }

    fn of(layout: &RowLayout, column: usize) -> ColumnPlace {
        let fixed = || FixedColumn::of(layout, column).map(ColumnPlace::Fixed);
        let varying = || VarColumn::of(layout, column).map(ColumnPlace::Varying);
        let padded = || PaddedColumn::of(layout, column).map(ColumnPlace::Padded);
        fixed().or_else(varying).or_else(padded).unwrap_or(ColumnPlace::Unknown)
    }
}

/// A live column of a whole row: index, type, physical type and the value of rows stored before the column was added.
type WholeColumn = (usize, SqlType, PhysicalType, Option<Datum>);

/// Decodes the wanted columns of stored rows.
pub struct RowReader {
    sources: Vec<Source>,
    physicals: Vec<PhysicalType>,
    layout: Arc<RowLayout>,
    /// For whole rows: the columns and the row type.
    whole: Option<(Vec<WholeColumn>, quarry_common::Oid)>,
    needs_meta: bool,
}

impl RowReader {
    pub fn new(
        relation: &Relation,
        columns: &[(ColumnId, ScanColumn)],
        io: &IoContext<'_>,
    ) -> Result<RowReader> {
        let wanted: Vec<ScanColumn> = columns.iter().map(|(_, c)| *c).collect();
        RowReader::of(relation, &wanted, io)
    }

    pub fn of(relation: &Relation, wanted: &[ScanColumn], io: &IoContext<'_>) -> Result<RowReader> {
        let mut sources = Vec::with_capacity(wanted.len());
        let mut physicals = Vec::with_capacity(wanted.len());
        let mut needs_meta = false;
        for column in wanted {
            let (source, physical) = match column {
                ScanColumn::Attribute(i) => {
                    let c = relation
                        .columns
                        .get(*i)
                        .ok_or_else(|| Error::internal("a scan reads a column that the table lacks"))?;
                    let physical = io.type_ref(c.ty.oid)?.physical;
                    let place = ColumnPlace::of(&relation.layout, *i);
                    let missing = c.missing.clone();
                    (Source::Attribute { index: *i, physical, missing, place, whole: false }, physical)
                }
                ScanColumn::Ctid => (Source::Ctid, PhysicalType::I64),
                ScanColumn::Xmin => (Source::Xmin, PhysicalType::U32),
                ScanColumn::Xmax => (Source::Xmax, PhysicalType::U32),
                ScanColumn::Cmin => (Source::Cmin, PhysicalType::U32),
                ScanColumn::Cmax => (Source::Cmax, PhysicalType::U32),
                ScanColumn::TableOid => (Source::TableOid(relation.oid.0), PhysicalType::U32),
                ScanColumn::WholeRow => (Source::WholeRow, PhysicalType::Bytes),
            };
            needs_meta |= matches!(source, Source::Xmin | Source::Xmax | Source::Cmin | Source::Cmax);
            sources.push(source);
            physicals.push(physical);
        }
        let whole = if wanted.contains(&ScanColumn::WholeRow) {
            let mut all = Vec::new();
            for (i, c) in relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped) {
                all.push((i, c.ty, io.type_ref(c.ty.oid)?.physical, c.missing.clone()));
            }
            Some((all, relation.row_type))
        } else {
            None
        };
        Ok(RowReader { sources, physicals, layout: relation.layout.clone(), whole, needs_meta })
    }

    /// The same without the columns that nobody reads: NULL takes their place. For readers of whole pages ([`RowReader::batch`]).
    pub fn without(mut self, is_read: impl Fn(usize) -> bool) -> RowReader {
        for (i, source) in self.sources.iter_mut().enumerate() {
            if !is_read(i) {
                *source = Source::Unread;
            }
        }
        self
    }

    /// The same with these numeric columns as whole numbers, where they can be that: for readers of whole pages.
    pub fn with_whole_numbers(mut self, is_wanted: impl Fn(usize) -> bool) -> RowReader {
        for (i, source) in self.sources.iter_mut().enumerate() {
            if let Source::Attribute { whole, physical: PhysicalType::Bytes, .. } = source {
                *whole = is_wanted(i);
            }
        }
        self
    }

    /// Whether stored columns are decoded.
    pub fn reads_columns(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Attribute { .. }))
    }

    /// Whether rows must come with their system columns.
    pub fn needs_meta(&self) -> bool {
        self.needs_meta
    }
    pub fn physicals(&self) -> &[PhysicalType] {
        &self.physicals
    }
    /// Empty vectors for the columns.
    pub fn vectors(&self, capacity: usize) -> Vec<Vector> {
        let room = |(p, source): (&PhysicalType, &Source)| {
            let none = matches!(source, Source::Unread | Source::Attribute { whole: true, .. });
            Vector::with_capacity(*p, if none { 0 } else { capacity })
        };
        self.physicals.iter().zip(&self.sources).map(room).collect()
    }
    /// The rows that [`RowReader::push_page`] has appended.
    pub fn batch(&self, columns: Vec<Vector>, rows: usize) -> Batch {
        let whole = |(column, source): (Vector, &Source)| match source {
            Source::Unread => Arc::new(Vector::constant(column.physical(), &Datum::Null, rows)),
            _ => Arc::new(column),
        };
        Batch::new(columns.into_iter().zip(&self.sources).map(whole).collect(), rows)
    }

    /// Appends a row to vectors of [`RowReader::vectors`].
    #[inline]
    pub fn push(
        &self,
        heap: &Heap,
        tid: Tid,
        meta: Option<&TupleMeta>,
        body: &[u8],
        out: &mut [Vector],
    ) -> Result<()> {
        let row = RowRef::new(&self.layout, body);
        for (source, to) in self.sources.iter().zip(out) {
            match source {
                Source::Attribute { index, missing, .. } => {
                    if *index >= row.natts() {
                        to.push_datum(missing.as_ref().unwrap_or(&Datum::Null));
                    } else {
                        decode_column_into(&row, *index, to, &mut |v| heap.detoast(v))?;
                    }
                }
                other => to.push_datum(&self.system(other, heap, tid, meta, &row)?),
            }
        }
        Ok(())
    }

    /// Appends the rows of a page to vectors of [`RowReader::vectors`], column by column.
    pub fn push_page(&self, heap: &Heap, rows: &PageRows<'_>, out: &mut [Vector]) -> Result<()> {
        for (source, to) in self.sources.iter().zip(out) {
            let Source::Attribute { index, missing, place, whole, .. } = source else {
                if matches!(source, Source::Unread) {
                    continue;
                }
                for i in 0..rows.len() {
                    let row = RowRef::new(&self.layout, rows.body(i));
                    let meta = self.needs_meta.then(|| rows.meta(i));
                    to.push_datum(&self.system(source, heap, rows.tid(i), meta.as_ref(), &row)?);
                }
                continue;
            };
            if rows.len() == 1 && !whole && place.push_one(rows.body(0), to) {
                continue;
            }
            let mut i = match place {
                ColumnPlace::Fixed(column) => {
                    let values = rows.fixed(*column).map(|place| rows.fixed_values(place, 0));
                    values.map_or(0, |values| to.extend_fixed(values))
                }
                ColumnPlace::Varying(column) => match (rows.varying(*column), whole) {
                    (Some(place), true) => {
                        to.extend_numerics(rows.varying_values_within(place, 0), BATCH_ROWS)
                    }
                    (Some(place), false) => to.extend_stored(rows.varying_values(place, 0)),
                    (None, _) => 0,
                },
                ColumnPlace::Padded(column) => match rows.varying(column.stripped()) {
                    Some(place) => to.extend_padded(rows.varying_values(place, 0), column.characters()),
                    None => 0,
                },
                ColumnPlace::Unknown => 0,
            };
            while i < rows.len() {
                i += match place {
                    ColumnPlace::Fixed(column) => to.extend_stored(rows.values(*column, i)),
                    ColumnPlace::Varying(column) if *whole => {
                        to.extend_numerics(rows.values(*column, i), BATCH_ROWS)
                    }
                    ColumnPlace::Varying(column) => to.extend_stored(rows.values(*column, i)),
                    ColumnPlace::Padded(column) => {
                        to.extend_padded(rows.values(column.stripped(), i), column.characters())
                    }
                    ColumnPlace::Unknown => 0,
                };
                if i == rows.len() {
                    break;
                }
                let row = RowRef::new(&self.layout, rows.body(i));
                if *index >= row.natts() {
                    to.push_datum(missing.as_ref().unwrap_or(&Datum::Null));
                } else {
                    decode_column_into(&row, *index, to, &mut |v| heap.detoast(v))?;
                }
                i += 1;
            }
        }
        Ok(())
    }

    /// A row's values, replacing what `out` held.
    pub fn datums(
        &self,
        heap: &Heap,
        tid: Tid,
        meta: Option<&TupleMeta>,
        body: &[u8],
        out: &mut Vec<Datum>,
    ) -> Result<()> {
        let row = RowRef::new(&self.layout, body);
        out.clear();
        for source in &self.sources {
            out.push(match source {
                Source::Attribute { index, physical, missing, .. } => {
                    if *index >= row.natts() {
                        missing.clone().unwrap_or_default()
                    } else {
                        get_datum(&row, *index, *physical, &mut |v| heap.detoast(v))?
                    }
                }
                other => self.system(other, heap, tid, meta, &row)?,
            });
        }
        Ok(())
    }

    fn system(
        &self,
        source: &Source,
        heap: &Heap,
        tid: Tid,
        meta: Option<&TupleMeta>,
        row: &RowRef<'_>,
    ) -> Result<Datum> {
        let of = |f: fn(&TupleMeta) -> u32| meta.map_or(Datum::Null, |m| Datum::U32(f(m)));
        Ok(match source {
            Source::Attribute { .. } | Source::Unread => Datum::Null,
            Source::Ctid => identifiers::tid_datum(tid),
            Source::Xmin => of(|m| m.xmin.0 as u32),
            Source::Xmax => of(|m| m.xmax.0 as u32),
            Source::Cmin | Source::Cmax => of(|m| m.command.0),
            Source::TableOid(oid) => Datum::U32(*oid),
            Source::WholeRow => {
                let Some((columns, row_type)) = &self.whole else { return Ok(Datum::Null) };
                let mut values = Vec::with_capacity(columns.len());
                for (i, _, physical, missing) in columns {
                    values.push(if *i >= row.natts() {
                        missing.clone().unwrap_or_default()
                    } else {
                        get_datum(row, *i, *physical, &mut |v| heap.detoast(v))?
                    });
                }
                record::from_fields(*row_type, columns.iter().map(|c| c.1.oid).zip(&values))
            }
        })
    }
}
