//! INSERT, UPDATE and DELETE through views: the change is made to the table underneath (PostgreSQL: rewriteTargetView).
//!
//! A view's columns are expressions over the table's row, so wherever a statement may name them (WHERE, SET, RETURNING, ON CONFLICT)
//! the view's query is opened over the ids of that row: the scanned one, the one being written, the one as stored. Its WHERE
//! restricts which rows are found, and is what its check option tests of the rows written.

use super::coerce::at;
use super::insert::find_column;
use super::scope::{ExprKind as Place, NsColumn, NsItem, Scope};
use super::updatable::{ViewColumn, updatable};
use super::view::{oid_name, view_query};
use super::{BindContext, Binder, bind_stored_view};
use crate::ast::{self, AssignTarget, QueryBody, SetClause, TableRef};
use quarry_catalog::{LockMode, RelKind, Relation};
use quarry_common::{Error, Result, err};
use quarry_plan::{ColumnId, Expr, ScanColumn, TableWrite, walk};
use std::collections::HashSet;
use std::sync::Arc;

/// What a statement does to a view.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    Update,
    Delete,
}

impl Change {
    /// The verb of "cannot ... view", and the words of the hint.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Change::Insert => ("insert into", "inserting into", "INSERT"),
            Change::Update => ("update", "updating", "UPDATE"),
            Change::Delete => ("delete from", "deleting from", "DELETE"),
        }
    }
}

/// A view as the target of a change.
pub(super) struct ViewTarget {
    pub view: Arc<Relation>,
    /// The table underneath.
    pub table: Arc<Relation>,
    /// What the innermost view calls it.
    pub alias: String,
    /// The table with the views' own column defaults in the place of its.
    pub with_defaults: Arc<Relation>,
    /// For each column of the view the table's column (an index), or why it can't be assigned to.
    pub columns: Vec<std::result::Result<usize, &'static str>>,
}

/// A view opened over some row of its table: its columns, and it and the views below, innermost first.
pub(super) struct OpenView {
    pub item: NsItem,
    pub levels: Vec<ViewLayer>,
}

/// One of the views that a change is made through.
pub(super) struct ViewLayer {
    pub view: Arc<Relation>,
    /// What it reads.
    pub base: Arc<Relation>,
    /// The base's columns that its query names, as indexes.
    pub reads: Vec<usize>,
    /// Its conditions, over the row of the table.
    pub quals: Vec<Expr>,
}

impl OpenView {
    /// The conditions of all levels, outermost first.
    pub fn conditions(self) -> Vec<Expr> {
        self.levels.into_iter().rev().flat_map(|l| l.quals).collect()
    }
}

impl ViewTarget {
    /// The table's column that a column of the view is; 0A000 if it can't be assigned to.
    pub fn column(&self, column: usize, change: Change) -> Result<usize> {
        match self.columns.get(column) {
            Some(Ok(c)) => Ok(*c),
            Some(Err(why)) => {
                let verb = change.words().0;
                let (name, view) = (&self.view.columns[column].name, &self.view.name);
                Err(err!(FEATURE_NOT_SUPPORTED, "cannot {verb} column \"{name}\" of view \"{view}\"")
                    .detail(*why))
            }
            None => Err(Error::internal("a view's column is out of range")),
        }
    }

    pub fn has_read_only_columns(&self) -> bool {
        self.columns.iter().any(std::result::Result::is_err)
    }

    /// SET clauses of the view as clauses of the table.
    pub fn set_clauses(&self, sets: &[SetClause]) -> Result<Vec<SetClause>> {
        let rename = |t: &AssignTarget| -> Result<AssignTarget> {
            let column = self.column(find_column(&self.view, &t.name, t.pos)?, Change::Update)?;
            Ok(AssignTarget { name: self.table.columns[column].name.clone(), ..t.clone() })
        };
        let one = |s: &SetClause| -> Result<SetClause> {
            Ok(match s {
                SetClause::Single { target, value } => {
                    SetClause::Single { target: rename(target)?, value: value.clone() }
                }
                SetClause::Multi { targets, source } => SetClause::Multi {
                    targets: targets.iter().map(rename).collect::<Result<_>>()?,
                    source: source.clone(),
                },
            })
        };
        sets.iter().map(one).collect()
    }
}

/// A view's CHECK OPTION: none, or whether it reaches down.
fn check_option(view: &Relation) -> Option<bool> {
    let (_, value) = view.options.iter().find(|(n, _)| n == "check_option")?;
    Some(value == "cascaded")
}

/// Finds the columns that an expression names, given what each of them stands for.
pub(super) fn columns_named(e: &Expr, columns: &[Expr], found: &mut dyn FnMut(usize)) {
    if let Some(i) = columns.iter().position(|c| c == e) {
        return found(i);
    }
    walk::for_each_child(e, &mut |c| columns_named(c, columns, found));
}

impl Binder<'_> {
    /// The view as a target; 55000 if changes can't be made through it.
    pub(super) fn view_target(&mut self, view: &Arc<Relation>, change: Change) -> Result<ViewTarget> {
        self.meta.nested = true;
        self.nested(|b| b.view_target_inner(view, change))
    }

    fn view_target_inner(&mut self, view: &Arc<Relation>, change: Change) -> Result<ViewTarget> {
        let Some(sql) = &view.view_sql else {
            return Err(Error::internal(format!("view {} has no query", view.name)));
        };
        let cx = BindContext { reader: self.reader, io: self.io, param_types: &[], params_allowed: false };
        let definition = bind_stored_view(sql, &cx)?;
        let refuse = |why: &'static str| {
            let (verb, doing, command) = change.words();
            err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cannot {verb} view \"{}\"", view.name).detail(why).hint(
                format!(
                    "To enable {doing} the view, provide an INSTEAD OF {command} trigger or an unconditional ON {command} DO INSTEAD rule."
                ),
            )
        };
        let opened = updatable(&definition.tree).map_err(refuse)?;
        if change != Change::Delete
            && let Some(why) = definition.not_updatable()
        {
            return Err(refuse(why));
        }
        let base = opened.base.clone();
        self.reader.lock_relation_oid(base.oid, LockMode::RowExclusive)?;
        let mut alias = opened.leaf.alias.as_ref().map_or(base.name.clone(), |a| a.name.clone());
        let (table, defaults, below): (_, _, Vec<std::result::Result<usize, &'static str>>) = match base.kind
        {
            RelKind::View => {
                let inner = self.view_target(&base, change)?;
                alias = inner.alias;
                (inner.table, inner.with_defaults, inner.columns)
            }
            _ => {
                let live = base.columns.iter().enumerate().filter(|(_, c)| !c.dropped);
                let columns = live.map(|(i, _)| Ok(i)).collect();
                (base.clone(), base.clone(), columns)
            }
        };
        let columns: Vec<_> = opened
            .columns()
            .into_iter()
            .map(|c| match c {
                ViewColumn::Base(i) => below.get(i).copied().unwrap_or(Err("")),
                ViewColumn::ReadOnly(why) => Err(why),
            })
            .collect();
        let mut with_defaults = (*defaults).clone();
        for (c, below) in view.columns.iter().zip(&columns) {
            if let (Some(sql), Ok(i)) = (&c.default_sql, below) {
                let target = &mut with_defaults.columns[*i];
                target.default_sql = Some(sql.clone());
                target.identity = None;
            }
        }
        Ok(ViewTarget { view: view.clone(), table, alias, with_defaults: Arc::new(with_defaults), columns })
    }

    /// The view over a row of its table: `base` has that row's columns.
    pub(super) fn open_view(&mut self, view: &Arc<Relation>, base: NsItem, alias: &str) -> Result<OpenView> {
        let Some(sql) = &view.view_sql else {
            return Err(Error::internal(format!("view {} has no query", view.name)));
        };
        let query = view_query(sql)?;
        let (QueryBody::Select(select), Some(TableRef::Relation(r))) = (
            &query.body,
            match &query.body {
                QueryBody::Select(s) => s.from.first(),
                _ => None,
            },
        ) else {
            return Err(Error::internal(format!("view {} reads no table", view.name)));
        };
        let oid = oid_name(&r.name)?;
        let Some(relation) = self.reader.relation(oid)? else {
            return Err(err!(UNDEFINED_TABLE, "relation with OID {oid} does not exist"));
        };
        let old_name = r.alias.as_ref().map_or("", |a| &a.name).to_string();
        let mut levels = vec![];
        let mut inner = base;
        if relation.kind == RelKind::View {
            let below = self.open_view(&relation, inner, &old_name)?;
            (inner, levels) = (below.item, below.levels);
        }
        inner.alias = Some(old_name);
        self.stored_names(&relation, r, &mut inner)?;
        let scopes = std::mem::take(&mut self.scopes);
        let ctes = std::mem::take(&mut self.ctes);
        let stored = std::mem::replace(&mut self.stored, true);
        let offered: Vec<Expr> = inner.columns.iter().map(|c| c.expr.clone()).collect();
        let mut scope = Scope::new(Place::Target);
        scope.items.push(inner);
        self.scopes.push(scope);
        let bound = self.in_view(view, |b| b.open_parts(select));
        self.scopes = scopes;
        self.ctes = ctes;
        self.stored = stored;
        let (columns, quals) = bound.map_err(|mut e| {
            e.fields_mut().position = None;
            e
        })?;
        let named = view.columns.iter().filter(|c| !c.dropped).zip(columns);
        let columns: Vec<NsColumn> =
            named.map(|(c, expr)| NsColumn { name: c.name.clone(), expr, hidden: false }).collect();
        let mut read = HashSet::new();
        for e in columns.iter().map(|c| &c.expr).chain(&quals) {
            columns_named(e, &offered, &mut |i| read.extend([i]));
        }
        let live = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped).map(|(i, _)| i);
        let reads = live.enumerate().filter(|(at, _)| read.contains(at)).map(|(_, i)| i).collect();
        levels.push(ViewLayer { view: view.clone(), base: relation, reads, quals });
        Ok(OpenView { item: NsItem::new(Some(alias.to_string()), columns), levels })
    }

    fn open_parts(&mut self, select: &ast::Select) -> Result<(Vec<Expr>, Vec<Expr>)> {
        let mut targets = self.target_list(&select.targets, Place::Target)?;
        self.settle_targets(&mut targets)?;
        let quals = match &select.where_clause {
            Some(w) => self.condition(w, Place::Where, "WHERE")?.into_conjuncts(),
            None => vec![],
        };
        Ok((targets.into_iter().map(|t| t.expr).collect(), quals))
    }

    /// A row of the table as a FROM item: the table's own, or a view's over it.
    pub(super) fn changed_item(
        &mut self,
        relation: &Arc<Relation>,
        row: &[(ColumnId, ScanColumn)],
        alias: &str,
        view: Option<&ViewTarget>,
    ) -> Result<NsItem> {
        let mut item = self.row_item(relation, row, alias);
        match view {
            Some(v) => {
                item = self.open_view(&v.view, item, alias)?.item;
                self.note_view_item(&v.view, &item, []);
                Ok(item)
            }
            None => {
                item.relation = Some(relation.clone());
                Ok(item)
            }
        }
    }

    /// What the check options of a view and of those below it demand of a row written: view and condition, innermost first.
    pub(super) fn view_checks(&mut self, v: &ViewTarget, target: &TableWrite) -> Result<Vec<(String, Expr)>> {
        let base = self.row_item(&target.relation, &target.row, &target.relation.name);
        let opened = self.open_view(&v.view, base, &v.view.name)?;
        let mut out = vec![];
        let mut reaches_down = false;
        for ViewLayer { view, quals, .. } in opened.levels.into_iter().rev() {
            let option = check_option(&view);
            let mut quals = quals;
            if (option.is_some() || reaches_down) && !quals.is_empty() {
                if quals.iter().any(|q| walk::any(q, &|e| matches!(e, Expr::Subquery(_)))) {
                    return Err(Error::unsupported(
                        "WITH CHECK OPTION on a view whose condition has a subquery",
                    ));
                }
                let condition = if quals.len() == 1 { quals.remove(0) } else { Expr::And(quals) };
                out.push((view.name.clone(), condition));
            }
            reaches_down |= option == Some(true);
        }
        out.reverse();
        Ok(out)
    }

    /// The columns of INSERT into a view as the table's; `width`: how many values there are, if no columns are named.
    pub(super) fn view_insert_columns(
        &self,
        v: &ViewTarget,
        columns: impl Iterator<Item = (usize, ast::Pos)>,
    ) -> Result<Vec<usize>> {
        let mut out: Vec<usize> = vec![];
        for (column, pos) in columns {
            let base = v.column(column, Change::Insert)?;
            if out.contains(&base) {
                let name = &v.table.columns[base].name;
                return Err(at(err!(SYNTAX_ERROR, "multiple assignments to same column \"{name}\""), pos));
            }
            out.push(base);
        }
        Ok(out)
    }
}
