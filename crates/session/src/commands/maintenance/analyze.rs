//! ANALYZE: samples a table and stores its statistics: of columns, of indexes' expressions, of statistics objects (PostgreSQL:
//! commands/analyze.c, statistics/extended_stats.c).

use crate::query::StatementContext;
use bytes::Bytes;
use quarry_catalog::{
    CatalogWriter, ColumnStats, ExpressionStats, ExtendedStats, LockMode, Relation, StatisticsData,
};
use quarry_common::progress::{Command, analyze as p};
use quarry_common::{BlockNo, Oid, Result, Severity, Tid, err};
use quarry_executor::context::{Cx, Runtime};
use quarry_executor::expr::Program;
use quarry_executor::scan::rows::RowReader;
use quarry_executor::write::compile;
use quarry_optimizer::analyze::{Places, Sample as ColumnSample, column_stats, extended};
use quarry_plan::{ColumnId, Expr, QueryMeta, ScanColumn};
use quarry_sql::ast;
use quarry_sql::bind::{self, BindContext};
use quarry_storage::heap::Heap;
use quarry_storage::stats::Count;
use quarry_types::multivariate::{encode_coefficients, encode_common};
use quarry_types::{Datum, SqlType, TypeRef, oids};
use std::borrow::Cow;
use std::sync::Arc;

/// Sampled rows per unit of the statistics target (PostgreSQL: analyze.c, after Chaudhuri, Motwani and Narasayya 1998).
const ROWS_PER_TARGET: usize = 300;
/// Rows sampled in any case.
const ROWS_MIN: usize = 100;
/// Values at least as wide are of no use to any kind of statistics but tsvector's, and not kept.
const KEPT_BYTES_MAX: usize = 0x10000;
/// What stands for them.
static WIDE: [u8; KEPT_BYTES_MAX] = [0; KEPT_BYTES_MAX];

/// A column, or an expression over the table, of which statistics are wanted.
struct Wanted {
    /// What the statistics are stored under: the table or an index, and the number.
    owner: Oid,
    number: i16,
    ty: SqlType,
    collation: Oid,
    target: usize,
    distinct: Option<f32>,
    info: TypeRef,
    element: Option<TypeRef>,
    source: Source,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    /// An index in the sampled columns.
    Column(usize),
    /// An index in the expressions that are evaluated for each row.
    Expression(usize),
}

/// Samples the table and stores its size and its columns' statistics.
pub fn analyze_table(
    st: &StatementContext,
    oid: Oid,
    columns: &[ast::Name],
    verbose: bool,
    in_background: bool,
) -> Result<()> {
    // Statistics of the statistics would have values of every type side by side.
    const PG_STATISTIC: Oid = Oid(2619);
    if oid == PG_STATISTIC {
        return Ok(());
    }
    let Some(relation) = st.reader.lock_relation_oid(oid, LockMode::ShareUpdateExclusive)? else {
        return Ok(());
    };
    let Some(rel) = relation.storage else { return Ok(()) };
    let progress = st.txn.progress().clone();
    let _running = progress.begin(Command::Analyze, oid);
    let progress = progress.of(Command::Analyze);
    progress.set(p::PHASE, p::ACQUIRING_ROWS);
    let heap = Heap::open(st.session.instance.storage(), rel, relation.toast, relation.layout.clone());
    let plan = Plan::of(st, &relation, columns)?;
    let sample = plan.sample(st, &relation, &heap)?;
    let pages = heap.blocks()?;
    progress.set(p::PHASE, p::COMPUTING);
    if verbose {
        let text = format!("analyzing \"{}.{}\"", relation.schema_name, relation.name);
        st.session.push_notice(Severity::Info, err!(SUCCESSFUL_COMPLETION, "{text}"));
        let e = err!(
            SUCCESSFUL_COMPLETION,
            "\"{}\": scanned {} of {pages} pages, containing {} live rows and {} dead rows; {} rows in sample, {} estimated total rows",
            relation.name,
            sample.pages,
            sample.seen,
            sample.dead,
            sample.rows,
            sample.table_rows
        );
        st.session.push_notice(Severity::Info, e);
    }
    let w = super::super::role::writer(st);
    for wanted in &plan.wanted {
        quarry_functions::SessionEnv::check_cancelled(&*st.session)?;
        let rows = sample.rows_of(&plan, wanted.owner);
        let blocks = sample.blocks(rows);
        let places = Places { blocks: &blocks, read: sample.read };
        let values = sample.values(wanted.source, rows);
        let found = plan.stats_of(wanted, &values, sample.rows_in(rows), places);
        if let Some(stats) = found {
            w.set_column_stats(wanted.owner, wanted.number, wanted.ty, wanted.collation, &stats)?;
        }
    }
    for s in &plan.extended {
        plan.store_extended(st, &w, &relation, s, &sample, in_background)?;
    }
    progress.set(p::PHASE, p::FINALIZING);
    let rows = sample.table_rows as f32;
    w.update_relation_stats(oid, pages, rows, relation.all_visible_pages)?;
    for i in &relation.indexes {
        let part = plan.partial.iter().position(|(index, _)| *index == i.oid);
        let rows = part.map_or(rows, |p| sample.rows_in(Some(p)) as f32);
        w.update_relation_stats(i.oid, st.reader.relation_blocks(Some(i.storage))?, rows, 0)?;
    }
    let dead = match sample.pages {
        0 => 0.0,
        n => (sample.dead as f64 / n as f64 * f64::from(pages)).round(),
    };
    let changed = columns.is_empty().then(|| heap.counters().get(Count::Changed));
    heap.counters().note_analyze(sample.table_rows, dead, changed, crate::clock::now(), in_background);
    Ok(())
}

/// What an ANALYZE is to find out.
struct Plan {
    /// The columns of a sampled row.
    row: Vec<(ColumnId, ScanColumn)>,
    /// What is evaluated for each row.
    expressions: Vec<Expr>,
    /// Partial indexes and which expression is their predicate.
    partial: Vec<(Oid, usize)>,
    wanted: Vec<Wanted>,
    extended: Vec<Object>,
    /// Rows to be sampled.
    rows: usize,
}

/// A statistics object that is to be filled.
struct Object {
    stats: Arc<ExtendedStats>,
    target: usize,
    /// Its columns and expressions, or none if one isn't looked at now.
    parts: Option<Vec<Wanted>>,
}

impl Plan {
    fn of(st: &StatementContext, relation: &Arc<Relation>, columns: &[ast::Name]) -> Result<Plan> {
        let default = st.session.settings().int("default_statistics_target").max(1) as usize;
        let target_of = |own: i32| usize::try_from(own).unwrap_or(default);
        let io = st.io();
        let cx = BindContext { reader: &st.reader, io: &io, param_types: &[], params_allowed: false };
        let mut meta = QueryMeta::default();
        let objects = st.reader.extended_stats(relation.oid)?;
        let partial = relation.indexes.iter().any(|i| i.predicate_sql.is_some());
        let expressions = relation.indexes.iter().any(|i| i.keys.iter().any(|k| k.column.is_none()));
        let (row, indexes) = match columns.is_empty() && (partial || expressions) {
            true => {
                let write = bind::bind_table_write(relation, &mut meta, &cx)?;
                (write.row, write.indexes)
            }
            false => (bind::table_columns(relation, &mut meta), vec![]),
        };
        let mut plan = Plan {
            row,
            expressions: vec![],
            partial: vec![],
            wanted: vec![],
            extended: vec![],
            rows: ROWS_MIN,
        };
        let targets = st.reader.column_targets(relation.oid)?;
        for (i, c) in relation.columns.iter().filter(|c| !c.dropped).enumerate() {
            let told = targets.iter().find(|t| t.number == c.number);
            let target = target_of(told.map_or(-1, |t| t.target));
            if target == 0 || !columns.is_empty() && !columns.iter().any(|n| n.value == c.name) {
                continue;
            }
            let collation = c.collation;
            if let Some(mut w) = Wanted::of(st, relation.oid, c.number, c.ty, collation, Source::Column(i))? {
                w.target = target;
                w.distinct = told.and_then(|t| t.distinct);
                plan.wanted.push(w);
            }
        }
        for bound in &indexes {
            let index = &bound.index;
            if let Some(predicate) = &bound.predicate {
                plan.partial.push((index.oid, plan.expressions.len()));
                plan.expressions.push(predicate.clone());
            }
            if index.keys.iter().all(|k| k.column.is_some()) {
                continue;
            }
            let targets = st.reader.column_targets(index.oid)?;
            for (i, (key, e)) in index.keys.iter().zip(&bound.keys).enumerate() {
                let number = i as i16 + 1;
                let told = targets.iter().find(|t| t.number == number);
                let target = target_of(told.map_or(-1, |t| t.target));
                if key.column.is_some() || target == 0 {
                    continue;
                }
                let source = Source::Expression(plan.expressions.len());
                if let Some(mut w) = Wanted::of(st, index.oid, number, e.ty(), key.collation, source)? {
                    plan.expressions.push(e.clone());
                    w.target = target;
                    w.distinct = told.and_then(|t| t.distinct);
                    plan.wanted.push(w);
                }
            }
        }
        for stats in objects.iter() {
            plan.add_object(st, relation, stats, default, &mut meta)?;
        }
        let most = plan.wanted.iter().map(|w| w.target).chain(plan.extended.iter().map(|e| e.target)).max();
        plan.rows = ROWS_MIN.max(most.unwrap_or(0).saturating_mul(ROWS_PER_TARGET));
        Ok(plan)
    }

    fn add_object(
        &mut self,
        st: &StatementContext,
        relation: &Arc<Relation>,
        stats: &Arc<ExtendedStats>,
        default: usize,
        meta: &mut QueryMeta,
    ) -> Result<()> {
        let def = &stats.def;
        let mut parts = vec![];
        let mut target = def.target;
        for number in &def.columns {
            match self.wanted.iter().find(|w| w.owner == relation.oid && w.number == *number) {
                Some(w) => {
                    if def.target < 0 {
                        target = target.max(w.target as i32);
                    }
                    parts.push(Wanted {
                        owner: def.oid,
                        element: w.element.clone(),
                        info: w.info.clone(),
                        ..*w
                    });
                }
                None => {
                    self.extended.push(Object { stats: stats.clone(), target: 0, parts: None });
                    return Ok(());
                }
            }
        }
        let target = usize::try_from(target).unwrap_or(default);
        if target == 0 {
            return Ok(());
        }
        let io = st.io();
        let cx = BindContext { reader: &st.reader, io: &io, param_types: &[], params_allowed: false };
        for (i, sql) in def.expressions.iter().enumerate() {
            let e = bind::bind_stored_expression(sql, relation, &self.row, None, meta, &cx)?;
            let source = Source::Expression(self.expressions.len());
            let collation = st.reader.type_ref(e.ty().oid)?.collation;
            let number = -1 - i as i16;
            if let Some(mut w) = Wanted::of(st, def.oid, number, e.ty(), collation, source)? {
                w.target = target;
                self.expressions.push(e);
                parts.push(w);
            }
        }
        self.extended.push(Object { stats: stats.clone(), target, parts: Some(parts) });
        Ok(())
    }

    fn stats_of(
        &self,
        w: &Wanted,
        values: &[Datum],
        table_rows: f64,
        places: Places<'_>,
    ) -> Option<ColumnStats> {
        let mut stats = column_stats(&ColumnSample {
            values,
            ty: &w.info,
            element: w.element.as_deref(),
            computed: matches!(w.source, Source::Expression(_)),
            table_rows,
            target: w.target,
            places,
        })?;
        if let Some(distinct) = w.distinct {
            stats.distinct = distinct;
        }
        Some(stats)
    }

    fn store_extended(
        &self,
        st: &StatementContext,
        w: &CatalogWriter,
        relation: &Relation,
        object: &Object,
        sample: &Sample,
        in_background: bool,
    ) -> Result<()> {
        let def = &object.stats.def;
        let Some(parts) = &object.parts else {
            if !in_background {
                let schema = st.reader.schema(def.schema)?.map(|s| s.name.clone()).unwrap_or_default();
                let e = err!(
                    INVALID_OBJECT_DEFINITION,
                    "statistics object \"{schema}.{}\" could not be computed for relation \"{}.{}\"",
                    def.name,
                    relation.schema_name,
                    relation.name
                );
                st.session.push_notice(Severity::Warning, e);
            }
            return Ok(());
        };
        if sample.rows == 0 {
            return Ok(());
        }
        let check = || quarry_functions::SessionEnv::check_cancelled(&*st.session);
        let sampled: Vec<Cow<'_, [Datum]>> = parts.iter().map(|p| sample.values(p.source, None)).collect();
        let columns: Vec<extended::Column<'_>> = parts
            .iter()
            .zip(&sampled)
            .map(|(p, values)| extended::Column { number: p.number, values, ty: &p.info })
            .collect();
        let ordered = columns.iter().all(|c| c.ty.functions.compare.is_some());
        let wanted = |kind: char| def.kinds.contains(&kind) && ordered;
        let mut found = StatisticsData {
            distinct: Datum::Null,
            dependencies: Datum::Null,
            common: Datum::Null,
            expressions: vec![],
        };
        if wanted('d') {
            let items = extended::distinct(&columns, sample.table_rows, &check)?;
            found.distinct = encode_coefficients(&items);
        }
        if wanted('f') {
            let items = extended::dependencies(&columns, &check)?;
            if !items.is_empty() {
                found.dependencies = encode_coefficients(&items);
            }
        }
        if wanted('m') {
            let items = extended::common(&columns, sample.table_rows, object.target, &check)?;
            let types: Vec<_> = columns.iter().map(|c| (c.ty.oid, c.ty.physical)).collect();
            if !items.is_empty() {
                found.common = encode_common(&items, &types)?;
            }
        }
        if def.kinds.contains(&'e') {
            for (p, values) in parts.iter().zip(sampled).filter(|(p, _)| p.number < 0) {
                let places = Places { blocks: &sample.blocks, read: sample.read };
                let stats = self.stats_of(p, &values, sample.table_rows, places);
                found.expressions.push(ExpressionStats::from((p.ty, p.collation, stats)));
            }
        }
        w.set_statistics_data(def, &found)
    }
}

impl Wanted {
    /// None of what can't be compared with each other (anyarray).
    fn of(
        st: &StatementContext,
        owner: Oid,
        number: i16,
        ty: SqlType,
        collation: Oid,
        source: Source,
    ) -> Result<Option<Wanted>> {
        let io = st.io();
        let base = st.reader.base_type(ty)?;
        let info = io.type_ref(base.oid)?;
        if info.kind == 'p' {
            return Ok(None);
        }
        let is_array = info.is_array() && !matches!(info.oid, oids::INT2VECTOR | oids::OIDVECTOR);
        let element = match is_array {
            true => Some(io.type_ref(st.reader.base_type(SqlType::of(info.element))?.oid)?),
            false => None,
        };
        let distinct = None;
        Ok(Some(Wanted { owner, number, ty, collation, target: 0, distinct, info, element, source }))
    }
}

/// Rows of a table, by column.
struct Sample {
    columns: Vec<Vec<Datum>>,
    expressions: Vec<Vec<Datum>>,
    rows: usize,
    /// The block of each row, and the share of the table's blocks that were read.
    blocks: Vec<BlockNo>,
    read: f64,
    /// Rows the whole table is thought to have.
    table_rows: f64,
    /// Pages read, and rows on them.
    pages: usize,
    seen: u64,
    /// Dead versions there.
    dead: u64,
    /// For each partial index, the sampled rows that are in it.
    parts: Vec<Vec<usize>>,
}

impl Sample {
    /// Which of the parts an owner of statistics is about; none: all rows.
    fn rows_of(&self, plan: &Plan, owner: Oid) -> Option<usize> {
        plan.partial.iter().position(|(index, _)| *index == owner)
    }
    /// Rows that the whole table is thought to have in a part.
    fn rows_in(&self, part: Option<usize>) -> f64 {
        match part {
            Some(p) if self.rows > 0 => {
                (self.parts[p].len() as f64 / self.rows as f64 * self.table_rows).ceil()
            }
            _ => self.table_rows,
        }
    }
    /// The blocks of a part's rows.
    fn blocks(&self, part: Option<usize>) -> Vec<BlockNo> {
        match part {
            Some(p) => self.parts[p].iter().map(|row| self.blocks[*row]).collect(),
            None => self.blocks.clone(),
        }
    }
    fn values(&self, source: Source, part: Option<usize>) -> Cow<'_, [Datum]> {
        let all = match source {
            Source::Column(i) => &self.columns[i],
            Source::Expression(i) => &self.expressions[i],
        };
        match part {
            Some(p) => self.parts[p].iter().map(|row| all[*row].clone()).collect(),
            None => Cow::Borrowed(all),
        }
    }
}

impl Plan {
    /// Reads up to `self.rows` random pages and keeps as many random rows of them, in physical order.
    fn sample(&self, st: &StatementContext, relation: &Arc<Relation>, heap: &Heap) -> Result<Sample> {
        let wanted = self.rows;
        let io = st.io();
        let reader = RowReader::new(relation, &self.row, &io)?;
        let pages = heap.blocks()?;
        let random = || quarry_functions::SessionEnv::random(&*st.session);
        // Selection sampling: each page is as likely as any other, and they come in order.
        let mut left = wanted.min(pages as usize);
        let mut chosen: Vec<BlockNo> = vec![];
        for block in 0..pages {
            if left == 0 {
                break;
            }
            if random() * f64::from(pages - block) < left as f64 {
                chosen.push(block);
                left -= 1;
            }
        }
        let mut rows: Vec<(Tid, Vec<u8>)> = vec![];
        let (mut seen, mut dead) = (0u64, 0u64);
        let live = heap.storage().live_snapshots(heap.rel().db);
        let mut scan = heap.scan(st.txn.catalog_snapshot(), Some(0..0));
        let progress = st.txn.progress().of(Command::Analyze);
        progress.set(p::BLOCKS_TOTAL, chosen.len() as i64);
        for (read, block) in chosen.iter().enumerate() {
            progress.set(p::BLOCKS_DONE, read as i64 + 1);
            quarry_functions::SessionEnv::check_cancelled(&*st.session)?;
            dead += heap.dead_on_page(*block, &live)?;
            scan.set_range(*block..*block + 1);
            let mut page = |tid: Tid, body: &[u8]| {
                seen += 1;
                if rows.len() < wanted {
                    rows.push((tid, body.to_vec()));
                } else {
                    // The reservoir: a later row replaces one with falling probability.
                    let at = (random() * seen as f64) as usize;
                    if at < wanted {
                        rows[at] = (tid, body.to_vec());
                    }
                }
                Ok(())
            };
            while scan.next_page(&mut page)? {}
        }
        rows.sort_by_key(|r| r.0);
        let per_page = if chosen.is_empty() { 0.0 } else { seen as f64 / chosen.len() as f64 };
        let mut out = Sample {
            columns: vec![Vec::with_capacity(rows.len()); self.row.len()],
            expressions: vec![Vec::with_capacity(rows.len()); self.expressions.len()],
            rows: rows.len(),
            blocks: rows.iter().map(|(tid, _)| tid.block).collect(),
            read: if pages == 0 { 1.0 } else { chosen.len() as f64 / f64::from(pages) },
            table_rows: (per_page * f64::from(pages)).round(),
            pages: chosen.len(),
            seen,
            dead,
            parts: vec![],
        };
        let env = st.exec_env(Arc::from([]), false);
        let (programs, mut rt): (Vec<Program>, Runtime) = compile(&env, &self.expressions, &self.row)?;
        let tsvector = |column: usize, w: &Wanted| {
            matches!(w.source, Source::Column(c) if c == column) && w.info.oid == oids::TSVECTOR
        };
        let whole: Vec<bool> =
            (0..self.row.len()).map(|i| self.wanted.iter().any(|w| tsvector(i, w))).collect();
        let mut values = vec![];
        for (tid, body) in &rows {
            quarry_functions::SessionEnv::check_cancelled(&*st.session)?;
            reader.datums(heap, *tid, None, body, &mut values)?;
            for (program, column) in programs.iter().zip(&mut out.expressions) {
                let mut cx = Cx::new(&env, &io, &mut rt);
                column.push(kept(program.row(&mut cx, &values)?, false));
            }
            for ((column, value), whole) in out.columns.iter_mut().zip(values.drain(..)).zip(&whole) {
                column.push(kept(value, *whole));
            }
        }
        for (_, predicate) in &self.partial {
            let tests = out.expressions[*predicate].iter().enumerate();
            out.parts.push(tests.filter(|(_, v)| matches!(v, Datum::Bool(true))).map(|(i, _)| i).collect());
        }
        Ok(out)
    }
}

/// A value as the sample keeps it.
fn kept(value: Datum, whole: bool) -> Datum {
    match value {
        Datum::Bytes(b) if !whole && b.len() >= KEPT_BYTES_MAX => Datum::Bytes(Bytes::from_static(&WIDE)),
        v => v,
    }
}
