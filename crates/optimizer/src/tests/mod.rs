//! Plans of typical statements, as EXPLAIN (COSTS OFF) shows them; expectations are PostgreSQL's on the same empty tables.

mod joins;
mod many;
mod rules;
mod shapes;

use crate::{OptimizerEnv, PlannerSettings};
use quarry_catalog::*;
use quarry_common::{Oid, Result};
use quarry_plan::explain::{Explain, ExplainOptions, explain};
use quarry_plan::{ConstantFolder, Expr, Statement};
use quarry_sql::bind::BoundStatement;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage, Transaction};
use quarry_types::{Datum, IoContext, SqlType};
use std::sync::Arc;

/// Widens integers, makes arrays of them, and folds nothing else: the executor is above this crate.
struct NoFolder;

impl ConstantFolder for NoFolder {
    fn fold(&self, e: &Expr) -> Result<Datum> {
        match e {
            Expr::Call { args, ty, .. } if ty.oid == SqlType::INT8.oid => match &args[..] {
                [Expr::Const { value: Datum::I32(n), .. }] => Ok(Datum::I64(i64::from(*n))),
                _ => Err(quarry_common::Error::internal("no evaluator here")),
            },
            Expr::Array { elements, .. } => {
                let mut out = quarry_types::array::ArrayBuilder::new(
                    SqlType::INT4.oid,
                    quarry_types::PhysicalType::I32,
                );
                for e in elements {
                    if let Expr::Const { value, .. } = e {
                        out.push(value);
                    }
                }
                Ok(out.finish_1d()?)
            }
            _ => Err(quarry_common::Error::internal("no evaluator here")),
        }
    }
    fn estimate(&self, _: &Expr) -> Option<Datum> {
        None
    }
}

/// A server in memory with tables `t` (id primary key, a, b text, c; indexed by c) and `u` (id primary key, tid indexed, v).
struct Fixture {
    _storage: Arc<Storage>,
    catalog: Arc<Catalog>,
    storage: Arc<Storage>,
}

const DB: Oid = Oid(5);

impl Fixture {
    fn new() -> Fixture {
        let disk = Arc::new(FaultDisk::new());
        let storage = Storage::create(disk, Config { shared_buffers_bytes: 32 << 20, ..Config::default() })
            .expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        let f = Fixture { _storage: storage.clone(), catalog, storage };
        let txn = f.begin();
        let w = f.catalog.writer(DB, &txn, &SessionView::superuser());
        f.table(
            &w,
            "t",
            &[("id", SqlType::INT4), ("a", SqlType::INT4), ("b", SqlType::TEXT), ("c", SqlType::INT4)],
            &[("t_pkey", 0, true), ("t_c_idx", 3, false)],
        );
        f.table(
            &w,
            "u",
            &[("id", SqlType::INT4), ("tid", SqlType::INT4), ("v", SqlType::INT4)],
            &[("u_pkey", 0, true), ("u_tid_idx", 1, false)],
        );
        drop(w);
        txn.commit().expect("commit");
        f
    }
    fn table(
        &self,
        w: &CatalogWriter,
        name: &str,
        columns: &[(&str, SqlType)],
        indexes: &[(&str, usize, bool)],
    ) {
        let schema = w.schema_oid("public").expect("lookup").expect("public exists");
        let mut r = NewRelation::new(name, schema, RelKind::Table, Oid(10));
        for (i, (n, ty)) in columns.iter().enumerate() {
            let mut c = NewColumn::new(*n, *ty);
            c.not_null = i == 0;
            r.columns.push(c);
        }
        let rel = w.create_relation(&r).expect("create table");
        for (n, column, primary) in indexes {
            let mut i = NewIndex::new(*n, rel.oid);
            let ty = columns[*column].1;
            i.keys.push(IndexKey {
                column: Some(*column),
                expr_sql: None,
                ty,
                opclass: Oid(1978),
                collation: Oid::INVALID,
                descending: false,
                nulls_first: false,
            });
            i.unique = *primary;
            i.primary = *primary;
            w.create_index(&i).expect("create index");
        }
    }
    fn begin(&self) -> Arc<Transaction> {
        Arc::new(self.storage.begin(IsolationLevel::ReadCommitted))
    }
    fn plan(&self, sql: &str) -> Statement {
        self.planned(sql, |b, env| crate::plan(b.plan, b.meta, b.output, b.params, env))
    }
    /// Binds a statement and has it planned.
    fn planned(
        &self,
        sql: &str,
        plan: impl FnOnce(BoundStatement, &OptimizerEnv<'_>) -> quarry_common::Result<Statement>,
    ) -> Statement {
        let txn = self.begin();
        let reader = self.catalog.reader(DB, &txn, &SessionView::superuser());
        let io = IoContext { names: &reader, ..Default::default() };
        let cx = quarry_sql::bind::BindContext {
            reader: &reader,
            io: &io,
            param_types: &[],
            params_allowed: true,
        };
        let stmt = quarry_sql::parse::parse_statements(sql).expect("parses").remove(0).stmt;
        let b = quarry_sql::bind::bind_statement(&stmt, &cx).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let env = OptimizerEnv {
            catalog: &reader,
            settings: PlannerSettings::default(),
            folder: &NoFolder,
            bind_stored: quarry_sql::bind::bind_for_planning,
            hints: None,
        };
        plan(b, &env).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
    fn explain(&self, sql: &str) -> String {
        let statement = self.plan(sql);
        let txn = self.begin();
        let reader = self.catalog.reader(DB, &txn, &SessionView::superuser());
        let io = IoContext { names: &reader, ..Default::default() };
        let options = ExplainOptions { costs: std::env::var("COSTS").is_ok(), ..ExplainOptions::default() };
        let e = Explain {
            statement: &statement,
            options: &options,
            names: &reader,
            io: &io,
            stats: &|_| None,
            triggers: &[],
            query_text: None,
            query_id: None,
            planning_ms: None,
            planning: None,
            execution_ms: 0.0,
        };
        explain(&e).join("\n")
    }
}
