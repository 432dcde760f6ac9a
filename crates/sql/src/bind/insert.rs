//! INSERT (PostgreSQL: analyze.c, rewriteHandler.c for defaults, plancat.c for ON CONFLICT inference).

use super::change_view::{Change, ViewTarget};
use super::coerce::at;
use super::scope::{ExprKind as Place, NsItem, SYSTEM_COLUMNS, Scope};
use super::{Binder, Bound, Typed};
use crate::ast::{self, ConflictAction, ConflictTarget, InsertSource, NO_POS, Overriding, Pos, QueryBody};
use quarry_catalog::builtin::oids::{BTREE_AM, PG_CATALOG};
use quarry_catalog::builtin::opclass::{OpClass, opclass, opclass_named};
use quarry_catalog::{Identity, IndexKey, LockMode, RelKind, Relation};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::CastContext;
use quarry_plan::{
    BoundIndex, CallForm, ColumnId, ColumnMeta, Expr, FunctionRef, LogicalPlan, OnConflict, OnConflictAction,
    Returning, ScanColumn, TableWrite,
};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

/// A column that INSERT gives a value, perhaps only a part of it.
pub(super) struct Assigned<'q> {
    /// Index in the relation's columns.
    pub(super) column: usize,
    pub(super) steps: &'q [ast::Indirection],
    pub(super) pos: Pos,
}

/// Columns, by index, and what they become.
type Assignments = Vec<(usize, Expr)>;
/// Columns that a statement answers.
type OutputColumns = Vec<(ColumnId, String, SqlType)>;

impl Binder<'_> {
    pub(super) fn insert(&mut self, ins: &ast::Insert) -> Result<Bound> {
        let visible = self.ctes.len();
        let bound = self.insert_inner(ins);
        self.ctes.truncate(visible);
        bound
    }

    fn insert_inner(&mut self, ins: &ast::Insert) -> Result<Bound> {
        let ctes = match &ins.with {
            Some(w) => self.with_clause(w)?,
            None => vec![],
        };
        let named = self.write_target(&ins.relation, "insert into")?;
        let alias = ins.relation.alias.as_ref().map_or(named.name.clone(), |a| a.name.clone());
        let mut assigned = self.insert_columns(ins, &named)?;
        let view = match named.kind {
            RelKind::View => Some(self.view_target(&named, Change::Insert)?),
            _ => None,
        };
        if let Some(v) = &view {
            if ins.columns.is_empty() && v.has_read_only_columns() {
                assigned.truncate(self.source_width(&ins.source)?);
            }
            let columns = self.view_insert_columns(v, assigned.iter().map(|a| (a.column, a.pos)))?;
            assigned.iter_mut().zip(columns).for_each(|(a, c)| a.column = c);
        }
        let relation = view.as_ref().map_or(named, |v| v.with_defaults.clone());
        let wanted: Vec<SqlType> =
            assigned.iter().map(|a| self.assigned_type(&relation, a)).collect::<Result<_>>()?;
        let overriding_user = ins.overriding == Some(Overriding::User);
        // Without a column list the columns that get values are the first ones.
        let (source, values, given) = match &ins.source {
            InsertSource::DefaultValues => {
                let row = self.insert_row(&relation, &[], vec![], overriding_user)?;
                let (source, values) = self.one_row_source(&relation, vec![row]);
                (source, values, 0)
            }
            InsertSource::Query(q) => match simple_values(q) {
                Some(rows) => {
                    let (source, values) = self.insert_values(ins, &relation, &assigned, rows)?;
                    (source, values, rows.first().map_or(assigned.len(), Vec::len))
                }
                None => self.insert_query(ins, &relation, &assigned, &wanted, q)?,
            },
        };
        let target = self.change_target(&relation, view.as_ref())?;
        self.note_insert(&target, assigned.iter().take(given).map(|a| a.column).collect());
        let on_conflict = match &ins.on_conflict {
            Some(c) => Some(self.on_conflict(c, &target, &alias, view.as_ref())?),
            None => None,
        };
        let (returning, output) = self.returning(&ins.returning, &target, &alias, view.as_ref(), vec![])?;
        let plan = LogicalPlan::Insert {
            target: Box::new(target),
            source: Box::new(source),
            values,
            on_conflict,
            returning,
        };
        let plan = self.wrap_ctes(ctes, plan);
        Ok(Bound::new(plan, output))
    }

    /// The table a change is about; errors for what can't be written.
    pub(super) fn write_target(&mut self, r: &ast::RangeVar, verb: &str) -> Result<Arc<Relation>> {
        let parts: Vec<String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect();
        if r.schema.is_none() && self.ctes.iter().any(|c| c.name == r.name) {
            let e =
                err!(SYNTAX_ERROR, "relation \"{}\" cannot be the target of a modifying statement", r.name);
            return Err(at(e, r.pos));
        }
        let relation =
            self.reader.lock_relation(&parts, ast::error_position(r.pos), LockMode::RowExclusive)?;
        match relation.kind {
            RelKind::Table | RelKind::View => {}
            RelKind::MaterializedView => {
                return Err(err!(WRONG_OBJECT_TYPE, "cannot change materialized view \"{}\"", relation.name));
            }
            RelKind::Sequence => {
                return Err(err!(WRONG_OBJECT_TYPE, "cannot change sequence \"{}\"", relation.name));
            }
            RelKind::Toast => {
                return Err(err!(WRONG_OBJECT_TYPE, "cannot change TOAST relation \"{}\"", relation.name));
            }
            RelKind::Index | RelKind::CompositeType => {
                let what = if relation.kind == RelKind::Index { "an index" } else { "a composite type" };
                return Err(at(err!(WRONG_OBJECT_TYPE, "\"{}\" is {what}", relation.name), r.pos));
            }
        }
        if relation.is_catalog {
            let e =
                err!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", relation.name);
            return Err(e);
        }
        let _ = verb;
        Ok(relation)
    }

    fn insert_columns<'q>(&mut self, ins: &'q ast::Insert, relation: &Relation) -> Result<Vec<Assigned<'q>>> {
        if ins.columns.is_empty() {
            let live = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped);
            return Ok(live.map(|(column, _)| Assigned { column, steps: &[], pos: NO_POS }).collect());
        }
        let mut out: Vec<Assigned<'q>> = vec![];
        for c in &ins.columns {
            // A system column is none to INSERT.
            let Some((column, _)) = relation.column_named(&c.name) else {
                let e = err!(
                    UNDEFINED_COLUMN,
                    "column \"{}\" of relation \"{}\" does not exist",
                    c.name,
                    relation.name
                );
                return Err(at(e, c.pos));
            };
            if out.iter().any(|a| a.column == column && (a.steps.is_empty() || c.indirection.is_empty())) {
                return Err(at(
                    err!(DUPLICATE_COLUMN, "column \"{}\" specified more than once", c.name),
                    c.pos,
                ));
            }
            out.push(Assigned { column, steps: &c.indirection, pos: c.pos });
        }
        Ok(out)
    }

    /// The type a value must have: the column's, or that of the part assigned to.
    fn assigned_type(&self, relation: &Relation, a: &Assigned<'_>) -> Result<SqlType> {
        let ty = relation.columns[a.column].ty;
        self.part_type(ty, a.steps)
    }

    fn part_type(&self, ty: SqlType, steps: &[ast::Indirection]) -> Result<SqlType> {
        match steps.first() {
            None => Ok(ty),
            Some(ast::Indirection::Index(_) | ast::Indirection::Slice { .. }) => {
                let base = self.base_type(ty)?;
                if base.oid == oids::JSONB {
                    return Ok(SqlType::of(oids::JSONB));
                }
                if steps.iter().any(|s| matches!(s, ast::Indirection::Slice { .. })) {
                    return Ok(base);
                }
                Ok(SqlType::with_typmod(self.subscripted_element(base.oid)?.unwrap_or(base.oid), base.typmod))
            }
            Some(_) => Err(Error::unsupported("assignment to a field of a composite column")),
        }
    }

    /// 428C9 for values given to columns that make their own.
    pub(super) fn check_assignable(
        &self,
        column: &quarry_catalog::ColumnDef,
        overriding: Option<Overriding>,
        pos: Pos,
    ) -> Result<()> {
        let _ = pos;
        if column.generated {
            let e =
                err!(GENERATED_ALWAYS, "cannot insert a non-DEFAULT value into column \"{}\"", column.name)
                    .detail(format!("Column \"{}\" is a generated column.", column.name));
            return Err(e);
        }
        if column.identity == Some(Identity::Always) && overriding.is_none() {
            let e =
                err!(GENERATED_ALWAYS, "cannot insert a non-DEFAULT value into column \"{}\"", column.name)
                    .detail(format!(
                        "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                        column.name
                    ))
                    .hint("Use OVERRIDING SYSTEM VALUE to override.");
            return Err(e);
        }
        Ok(())
    }

    /// A value for a column: coerced by assignment, or put into the part that `steps` name (of `current`, or of NULL).
    pub(super) fn assign(
        &mut self,
        relation: &Relation,
        column: usize,
        steps: &[ast::Indirection],
        value: Typed,
        current: Option<Expr>,
    ) -> Result<Expr> {
        let c = &relation.columns[column];
        let target = self.part_type(c.ty, steps)?;
        let source = value.expr.ty().oid;
        let pos = value.pos;
        if !self.can_coerce(source, target.oid, CastContext::Assignment)? {
            let subject = if steps.is_empty() { "is of type" } else { "requires type" };
            let what = if steps.is_empty() { "column" } else { "subscripted assignment to" };
            let e = err!(
                DATATYPE_MISMATCH,
                "{what} \"{}\" {subject} {} but expression is of type {}",
                c.name,
                self.type_name(target.oid),
                self.type_name(source)
            )
            .hint("You will need to rewrite or cast the expression.");
            return Err(at(e, pos));
        }
        let value = self.coerce_to(value, target, CastContext::Assignment, pos)?;
        if steps.is_empty() {
            return Ok(value);
        }
        let container = current.unwrap_or_else(|| Expr::null(c.ty));
        self.subscript(container, steps, Some(value), pos)
    }

    /// A complete row: given values, defaults for the rest, NULL for generated columns (computed when written).
    pub(super) fn insert_row(
        &mut self,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        values: Vec<Option<Expr>>,
        overriding_user: bool,
    ) -> Result<Vec<Expr>> {
        let mut given: Vec<(usize, Option<Expr>)> = vec![];
        for (a, v) in assigned.iter().zip(values) {
            match given.iter_mut().find(|(c, _)| *c == a.column) {
                // Two parts of one column: the second goes into what the first made.
                Some((_, have)) => {
                    if let (Some(Expr::Subscript { indexes, assign, ty, .. }), Some(before)) =
                        (v, have.take())
                    {
                        *have = Some(Expr::Subscript { container: Box::new(before), indexes, assign, ty });
                    }
                }
                None => given.push((a.column, v)),
            }
        }
        let mut row = vec![];
        for (i, c) in relation.columns.iter().enumerate() {
            if c.dropped {
                continue;
            }
            let value = given.iter_mut().find(|(column, _)| *column == i).and_then(|(_, v)| v.take());
            row.push(match value {
                Some(v) if !(overriding_user && c.identity.is_some()) => v,
                _ if c.generated => Expr::null(c.ty),
                _ => self.default_value(relation, i)?,
            });
        }
        Ok(row)
    }

    /// A column's default as an expression; NULL if it has none.
    pub(super) fn default_value(&mut self, relation: &Arc<Relation>, column: usize) -> Result<Expr> {
        let c = &relation.columns[column];
        if c.identity.is_some() {
            return self.identity_value(relation, c);
        }
        match &c.default_sql {
            Some(sql) => self.stored_expr(sql, relation, &[], Some(c.ty), Place::Default),
            None => {
                // A domain may have a default of its own.
                if let Some(def) = self.reader.type_def(c.ty.oid)?
                    && let quarry_catalog::TypeKind::Domain { default_sql: Some(sql), .. } = &def.kind
                {
                    return self.stored_expr(sql, relation, &[], Some(c.ty), Place::Default);
                }
                if self.base_type(c.ty)?.oid != c.ty.oid {
                    // NULL must pass the domain's checks.
                    let null = Typed { expr: Expr::null(SqlType::UNKNOWN), pos: NO_POS };
                    return self.coerce_to(null, c.ty, CastContext::Assignment, NO_POS);
                }
                Ok(Expr::null(c.ty))
            }
        }
    }

    pub(super) fn identity_value(
        &mut self,
        relation: &Relation,
        column: &quarry_catalog::ColumnDef,
    ) -> Result<Expr> {
        let Some(sequence) = self.reader.owned_sequences(relation.oid, column.number)?.first().copied()
        else {
            return Err(Error::internal(format!("identity column {} has no sequence", column.name)));
        };
        let function = &quarry_functions::scalar::session::IDENTITY_VALUE;
        let arg = Expr::Const { value: Datum::U32(sequence.0), ty: SqlType::of(oids::REGCLASS) };
        let next = Expr::Call {
            function: FunctionRef::Builtin(function),
            args: vec![arg],
            ty: SqlType::INT8,
            form: CallForm::Function,
            variadic: false,
            pos: quarry_plan::CallPos::default(),
        };
        self.coerce_to(Typed { expr: next, pos: NO_POS }, column.ty, CastContext::Assignment, NO_POS)
    }

    /// INSERT ... SELECT.
    fn insert_query(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        wanted: &[SqlType],
        q: &ast::Query,
    ) -> Result<(LogicalPlan, Vec<ColumnId>, usize)> {
        let bound = self.query(q, Some(wanted))?;
        let extra = super::set_operation::target_pos(q, assigned.len());
        self.check_width(ins, assigned, bound.output.len(), extra)?;
        self.scopes.push(Scope::new(Place::InsertTarget));
        let result = self.insert_projection(ins, relation, assigned, &bound);
        self.scopes.pop();
        let row = result?;
        let mut targets = vec![];
        let mut ids = vec![];
        for (e, c) in row.into_iter().zip(relation.columns.iter().filter(|c| !c.dropped)) {
            let id = self.meta.computed(c.name.clone(), e.ty());
            targets.push((id, e));
            ids.push(id);
        }
        let width = bound.output.len();
        Ok((LogicalPlan::Project { input: Box::new(bound.plan), targets }, ids, width))
    }

    fn insert_projection(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        bound: &Bound,
    ) -> Result<Vec<Expr>> {
        let mut values = vec![];
        for (a, (id, _, ty)) in assigned.iter().zip(&bound.output) {
            let value = Typed { expr: Expr::column(*id, *ty), pos: a.pos };
            values.push(Some(self.assign(relation, a.column, a.steps, value, None)?));
            if ins.overriding != Some(Overriding::User) {
                self.check_assignable(&relation.columns[a.column], ins.overriding, a.pos)?;
            }
        }
        self.insert_row(
            relation,
            &assigned[..bound.output.len()],
            values,
            ins.overriding == Some(Overriding::User),
        )
    }

    /// What writing the table underneath needs, with the check options of the view.
    pub(super) fn change_target(
        &mut self,
        relation: &Arc<Relation>,
        view: Option<&ViewTarget>,
    ) -> Result<TableWrite> {
        let Some(v) = view else { return self.table_write(relation) };
        let mut target = self.table_write(&v.table)?;
        target.view_checks = self.view_checks(v, &target)?;
        self.note_view_write(&target, v)?;
        Ok(target)
    }

    /// How many values a row of the source has.
    fn source_width(&mut self, source: &InsertSource) -> Result<usize> {
        match source {
            InsertSource::DefaultValues => Ok(0),
            InsertSource::Query(q) => match simple_values(q) {
                Some(rows) => Ok(rows.first().map_or(0, Vec::len)),
                None => Ok(self.query(q, None)?.output.len()),
            },
        }
    }

    fn on_conflict(
        &mut self,
        c: &ast::OnConflict,
        target: &TableWrite,
        alias: &str,
        view: Option<&ViewTarget>,
    ) -> Result<OnConflict> {
        // Whether there is such an index is asked when all else is right.
        let mut inferred = None;
        let named = match &c.target {
            None => {
                if let ConflictAction::Update { .. } = c.action {
                    let e = err!(
                        SYNTAX_ERROR,
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name"
                    )
                    .hint("For example, ON CONFLICT (column_name).");
                    return Err(at(e, c.pos));
                }
                vec![]
            }
            Some(ConflictTarget::Constraint { name, .. }) => {
                let found = target.indexes.iter().position(|i| {
                    target
                        .relation
                        .constraints
                        .iter()
                        .any(|k| Some(k.oid) == i.index.constraint && k.name == *name)
                });
                match found {
                    Some(i) => vec![i],
                    None => {
                        let e = err!(
                            UNDEFINED_OBJECT,
                            "constraint \"{name}\" for table \"{}\" does not exist",
                            target.relation.name
                        );
                        return Err(e);
                    }
                }
            }
            Some(ConflictTarget::Columns { elements, where_clause, pos }) => {
                let (wanted, condition) =
                    self.bind_inference(elements, where_clause.as_ref(), target, view, *pos)?;
                inferred = Some(infer_arbiters(target, &wanted, &condition));
                vec![]
            }
        };
        let action = match &c.action {
            ConflictAction::Nothing => OnConflictAction::Nothing,
            ConflictAction::Update { sets, where_clause } => {
                self.conflict_update(sets, where_clause.as_ref(), target, alias, view)?
            }
        };
        let arbiters = with_twins(target, inferred.transpose()?.unwrap_or(named));
        Ok(OnConflict { arbiters, action })
    }

    /// What ON CONFLICT says of an index, over the row that is inserted.
    fn bind_inference(
        &mut self,
        elements: &[ast::IndexElem],
        predicate: Option<&ast::Expr>,
        target: &TableWrite,
        view: Option<&ViewTarget>,
        pos: Pos,
    ) -> Result<(Vec<WantedKey>, Vec<Expr>)> {
        let mut scope = Scope::new(Place::IndexExpression);
        let name = view.map_or(&target.relation.name, |v| &v.view.name);
        scope.items.push(self.changed_item(&target.relation, &target.row, name, view)?);
        self.scopes.push(scope);
        let bound = self.inference_exprs(elements, predicate, pos);
        self.scopes.pop();
        bound
    }

    fn inference_exprs(
        &mut self,
        elements: &[ast::IndexElem],
        predicate: Option<&ast::Expr>,
        pos: Pos,
    ) -> Result<(Vec<WantedKey>, Vec<Expr>)> {
        let mut wanted = vec![];
        for el in elements {
            if el.direction != ast::SortDirection::Default {
                let e = err!(INVALID_COLUMN_REFERENCE, "ASC/DESC is not allowed in ON CONFLICT clause");
                return Err(at(e, pos));
            }
            if el.nulls.is_some() {
                let e =
                    err!(INVALID_COLUMN_REFERENCE, "NULLS FIRST/LAST is not allowed in ON CONFLICT clause");
                return Err(at(e, pos));
            }
            let (key, place) = match &el.key {
                ast::IndexKey::Column(name) => match self.find_column(name, pos)? {
                    Some(e) => (e, pos),
                    None if SYSTEM_COLUMNS.iter().any(|(n, _, _)| n == name) => return Err(no_arbiter()),
                    None => return Err(self.no_column(None, name, pos)),
                },
                ast::IndexKey::Expr(e) => {
                    let bound = self.expr(e)?;
                    (self.settle_unknown(bound)?.expr, e.location())
                }
            };
            let collation = match &el.collation {
                Some(name) => Some(self.reader.resolve_collation(&name.parts, ast::error_position(place))?),
                None => None,
            };
            let class = match &el.opclass {
                Some(name) => Some(self.btree_class(name)?),
                None => None,
            };
            wanted.push(WantedKey { key, collation, class });
        }
        let condition = match predicate {
            Some(p) => self.condition(p, Place::IndexPredicate, "WHERE")?.into_conjuncts(),
            None => vec![],
        };
        Ok((wanted, condition))
    }

    /// The B-tree operator class that ON CONFLICT names.
    fn btree_class(&self, name: &ast::QualifiedName) -> Result<&'static OpClass> {
        let schema = name.parts.iter().rev().nth(1);
        let here = match schema {
            Some(s) => self.reader.resolve_schema(s, None)? == PG_CATALOG,
            None => true,
        };
        match opclass_named(BTREE_AM, name.name()).filter(|_| here) {
            Some(class) => Ok(class),
            None => bail!(
                UNDEFINED_OBJECT,
                "operator class \"{}\" does not exist for access method \"btree\"",
                name.display()
            ),
        }
    }

    fn conflict_update(
        &mut self,
        sets: &[ast::SetClause],
        filter: Option<&ast::Expr>,
        target: &TableWrite,
        alias: &str,
        view: Option<&ViewTarget>,
    ) -> Result<OnConflictAction> {
        let existing = self.existing_row(&target.relation, alias);
        let item = self.changed_item(&target.relation, &existing, alias, view)?;
        let mut excluded = self.changed_item(&target.relation, &target.row, "excluded", view)?;
        // Bare names mean the existing row.
        excluded.relation = None;
        let mut scope = Scope::new(Place::UpdateSource);
        scope.items = vec![item, excluded];
        self.scopes.push(scope);
        let result = self.conflict_parts(sets, filter, target, view, &existing);
        self.scopes.pop();
        let (set, filter) = result?;
        Ok(OnConflictAction::Update { existing, set, filter })
    }

    fn conflict_parts(
        &mut self,
        sets: &[ast::SetClause],
        filter: Option<&ast::Expr>,
        target: &TableWrite,
        view: Option<&ViewTarget>,
        existing: &[(ColumnId, ScanColumn)],
    ) -> Result<(Assignments, Option<Expr>)> {
        let (mut set, rows) = match view {
            Some(v) => self.set_clauses(&v.set_clauses(sets)?, &v.with_defaults, existing)?,
            None => self.set_clauses(sets, &target.relation, existing)?,
        };
        // There is no plan to compute a multi-column subquery in: each assignment runs it.
        let rows: std::collections::HashMap<ColumnId, Expr> = rows.into_iter().collect();
        for (_, value) in &mut set {
            quarry_plan::walk::rewrite(value, &mut |e| {
                if let Expr::Column { id, .. } = e
                    && let Some(subquery) = rows.get(id)
                {
                    *e = subquery.clone();
                }
            });
        }
        let filter = match filter {
            Some(f) => Some(self.condition(f, Place::ConflictWhere, "WHERE")?),
            None => None,
        };
        Ok((set, filter))
    }

    /// Ids for a stored row of a table, with its system columns.
    pub(super) fn existing_row(
        &mut self,
        relation: &Arc<Relation>,
        alias: &str,
    ) -> Vec<(ColumnId, ScanColumn)> {
        let (plan, _) = self.scan(relation, alias);
        match plan {
            LogicalPlan::Scan { columns, .. } => columns,
            _ => vec![],
        }
    }

    /// RETURNING over the row as stored and, where given, the source's items.
    pub(super) fn returning(
        &mut self,
        targets: &[ast::Target],
        target: &TableWrite,
        alias: &str,
        view: Option<&ViewTarget>,
        sources: Vec<NsItem>,
    ) -> Result<(Option<Returning>, OutputColumns)> {
        if targets.is_empty() {
            return Ok((None, vec![]));
        }
        let mut row = vec![];
        for (i, c) in target.relation.columns.iter().enumerate() {
            if !c.dropped {
                let id = self.meta.add(ColumnMeta {
                    name: c.name.clone(),
                    ty: c.ty,
                    relation: Some(alias.to_string()),
                    source: Some((target.relation.oid, c.number)),
                    not_null: c.not_null,
                });
                row.push((id, ScanColumn::Attribute(i)));
            }
        }
        let row_type = SqlType::of(target.relation.row_type);
        for (name, column, ty) in SYSTEM_COLUMNS.iter().chain([&("", ScanColumn::WholeRow, row_type)]) {
            row.push((self.meta.computed(*name, *ty), *column));
        }
        let item = self.changed_item(&target.relation, &row, alias, view)?;
        let mut scope = Scope::new(Place::Returning);
        scope.items.push(item);
        scope.items.extend(sources);
        self.scopes.push(scope);
        let bound = self.target_list(targets, Place::Returning).and_then(|mut t| {
            self.settle_targets(&mut t)?;
            Ok(t)
        });
        self.scopes.pop();
        let bound = bound?;
        let mut entries: Vec<(ColumnId, Expr)> = vec![];
        let mut output = vec![];
        for t in bound {
            let id = self.output_id(&t.name, &t.expr);
            output.push((id, t.name, t.expr.ty()));
            if !entries.iter().any(|(have, _)| *have == id) {
                entries.push((id, t.expr));
            }
        }
        Ok((Some(Returning { row, targets: entries }), output))
    }
}

/// 42703 with the relation's name.
pub(super) fn find_column(relation: &Relation, name: &str, pos: Pos) -> Result<usize> {
    match relation.column_named(name) {
        Some((i, _)) => Ok(i),
        None if SYSTEM_COLUMNS.iter().any(|(n, _, _)| *n == name) => {
            Err(at(err!(FEATURE_NOT_SUPPORTED, "cannot assign to system column \"{name}\""), pos))
        }
        None => {
            let e =
                err!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", relation.name);
            Err(at(e, pos))
        }
    }
}

/// The rows of a plain VALUES source, in which DEFAULT may stand.
fn simple_values(q: &ast::Query) -> Option<&[Vec<ast::Expr>]> {
    let bare = q.with.is_none() && q.order_by.is_empty() && q.limit.is_none() && q.offset.is_none();
    match &q.body {
        QueryBody::Values(rows) if bare => Some(rows),
        _ => None,
    }
}

/// A column or expression that ON CONFLICT wants in a unique index.
struct WantedKey {
    key: Expr,
    collation: Option<Oid>,
    class: Option<&'static OpClass>,
}

impl WantedKey {
    fn fits(&self, key: &Expr, def: &IndexKey) -> bool {
        let has_class = |class: &OpClass| {
            opclass(def.opclass).is_some_and(|o| (o.family, o.input) == (class.family, class.input))
        };
        self.key == *key
            && self.collation.is_none_or(|c| c == def.collation)
            && self.class.is_none_or(has_class)
    }
}

fn no_arbiter() -> Error {
    err!(
        INVALID_COLUMN_REFERENCE,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification"
    )
}

/// The unique indexes on exactly these columns and expressions, whose predicate the WHERE clause implies.
fn infer_arbiters(target: &TableWrite, wanted: &[WantedKey], condition: &[Expr]) -> Result<Vec<usize>> {
    let fits = |i: &BoundIndex| {
        let keys = i.keys.iter().zip(&i.index.keys);
        let same_keys = i.keys.iter().all(|k| wanted.iter().any(|w| w.key == *k))
            && wanted.iter().all(|w| keys.clone().any(|(k, def)| w.fits(k, def)));
        let implied = match &i.predicate {
            None => true,
            Some(p) => p.clone().into_conjuncts().iter().all(|c| condition.contains(c)),
        };
        i.index.unique && i.index.valid && same_keys && implied
    };
    let found: Vec<usize> =
        target.indexes.iter().enumerate().filter(|(_, i)| fits(i)).map(|(n, _)| n).collect();
    if found.is_empty() {
        return Err(no_arbiter());
    }
    Ok(found)
}

/// The indexes that decide, and those like them that are about to take their places or have lost them (REINDEX CONCURRENTLY): a row may
/// get into one of them before it gets into the other.
fn with_twins(target: &TableWrite, mut arbiters: Vec<usize>) -> Vec<usize> {
    let all = &target.indexes;
    let is_twin = |i: &BoundIndex, of: &BoundIndex| {
        let (def, decides) = (&i.index, &of.index);
        def.unique
            && def.ready
            && !def.valid
            && (def.nulls_not_distinct, def.deferrable) == (decides.nulls_not_distinct, decides.deferrable)
            && (&i.keys, &i.predicate) == (&of.keys, &of.predicate)
    };
    let twins: Vec<usize> = (0..all.len())
        .filter(|n| !arbiters.contains(n) && arbiters.iter().any(|a| is_twin(&all[*n], &all[*a])))
        .collect();
    arbiters.extend(twins);
    arbiters
}
