//! Views: their queries bound where they are read, and the trees by which they are stored and shown.
//!
//! A view is stored as SQL text that the deparser printed from the bound query ([`quarry_plan::deparse::stored_query`]), in a form that
//! no rename, no other search path and no later column can change: every relation is written `"n"."@oid"."<oid>" AS alias(names)`, its
//! columns named by the alias list in attribute order as they were called when the view was made; `n` is how many of these names the
//! user's own alias gave, `-` if there was none. User-defined types are written `"@oid"."<oid>"`, constants of the `reg...` types
//! as numbers. Everything else in the text is unambiguous SQL. Text was preferred to a serialized tree because the parser, the binder
//! and the deparser, which must exist anyway, are then the only code that knows the format.
//!
//! These names mean OIDs only while a view's text is bound ([`Binder::stored`]); in a user's statement they are ordinary names.

use super::from::column_names;
use super::scope::{NsColumn, NsItem};
use super::{BindContext, Binder, Bound};
use crate::ast;
use crate::parse;
use quarry_catalog::{LockMode, RelKind, Relation};
use quarry_common::{Error, Oid, Result, err};
use quarry_plan::tree::{AliasTree, LeafKind, QueryTree};
use quarry_plan::{ColumnId, ColumnMeta, Expr, LogicalPlan, QueryMeta, ScanColumn};
use quarry_types::SqlType;
use std::sync::Arc;

/// The schema under which stored texts name objects by OID.
pub(super) use quarry_plan::deparse::BY_OID;

/// A view's query with its tree.
pub struct ViewDefinition {
    pub tree: QueryTree,
    pub meta: QueryMeta,
    pub output: Vec<(ColumnId, String, SqlType)>,
}

/// Binds the query of a view that is being made.
pub fn bind_view_definition(query: &ast::Query, cx: &BindContext<'_>) -> Result<ViewDefinition> {
    let mut b = Binder::new(cx);
    b.record = true;
    b.keep_collations = true;
    let bound = b.query(query, None)?;
    definition(b, bound)
}

/// Binds the stored text of a view, to show it.
pub fn bind_stored_view(sql: &str, cx: &BindContext<'_>) -> Result<ViewDefinition> {
    let query = view_query(sql)?;
    let mut b = Binder::new(cx);
    b.record = true;
    b.keep_collations = true;
    b.stored = true;
    let bound = b.query(&query, None)?;
    definition(b, bound)
}

fn definition(b: Binder<'_>, bound: Bound) -> Result<ViewDefinition> {
    let Some(tree) = bound.tree else { return Err(Error::internal("a recorded query has a tree")) };
    Ok(ViewDefinition { tree: *tree, meta: b.meta, output: bound.output })
}

/// The query in a view's text.
pub(super) fn view_query(sql: &str) -> Result<Box<ast::Query>> {
    match parse::parse_statements(sql)?.into_iter().next().map(|p| p.stmt) {
        Some(ast::Statement::Select(query)) => Ok(query),
        _ => Err(Error::internal("the text of a view is no query")),
    }
}

/// The OID that a name in a stored text stands for.
pub(super) fn oid_name(name: &str) -> Result<Oid> {
    name.parse().map(Oid).map_err(|_| Error::internal(format!("\"{name}\" in a stored query is no OID")))
}

impl Binder<'_> {
    /// A relation as a FROM item: a scan, or a view's query.
    pub(super) fn relation_item(
        &mut self,
        relation: &Arc<Relation>,
        alias: &str,
    ) -> Result<(LogicalPlan, NsItem)> {
        if relation.kind == RelKind::View && !self.record {
            return self.view_item(relation, alias);
        }
        let (plan, item) = self.scan(relation, alias);
        if let LogicalPlan::Scan { columns, .. } = &plan {
            self.note_range(relation, columns.clone());
        }
        Ok((plan, item))
    }

    /// A view is its query, bound in a namespace of its own.
    fn view_item(&mut self, view: &Arc<Relation>, alias: &str) -> Result<(LogicalPlan, NsItem)> {
        // The view itself is the business of whoever names it.
        let range = self.range.len();
        self.note_range(view, vec![]);
        self.pushed_lock = self.lock_below(alias, true);
        if self.pushed_lock.is_some() {
            self.note_locked_view(view);
        }
        let bound = self.bind_view(view)?;
        let live = view.columns.iter().filter(|c| !c.dropped);
        let mut names = vec![];
        let mut targets = vec![];
        for (c, (id, _, ty)) in live.zip(&bound.output) {
            // An id of the view's own: a view may put out one column twice, or be joined with itself.
            let own = self.meta.add(ColumnMeta {
                name: c.name.clone(),
                ty: c.ty,
                relation: Some(alias.to_string()),
                source: Some((view.oid, c.number)),
                not_null: false,
            });
            targets.push((own, Expr::column(*id, *ty)));
            names.push(NsColumn { name: c.name.clone(), expr: Expr::column(own, c.ty), hidden: false });
        }
        let numbers = view.columns.iter().enumerate().filter(|(_, c)| !c.dropped).map(|(i, _)| i);
        let own = targets.iter().zip(numbers).map(|((id, _), i)| (*id, ScanColumn::Attribute(i)));
        self.range_columns(range, own.collect());
        targets.extend(bound.locks.iter().map(|l| (l.ctid, Expr::column(l.ctid, SqlType::TID))));
        let item = NsItem { locks: bound.locks, ..NsItem::new(Some(alias.to_string()), names) };
        let mut input = LogicalPlan::Project { input: Box::new(bound.plan), targets };
        if super::rights::is_barrier(view) {
            input = LogicalPlan::Barrier { input: Box::new(input) };
        }
        self.meta.nested = true;
        Ok((LogicalPlan::SubqueryAlias { input: Box::new(input), alias: alias.to_string() }, item))
    }

    /// Binds a view's text: no outer names, no CTEs of the outer statement, no parameters.
    pub(super) fn bind_view(&mut self, view: &Relation) -> Result<Bound> {
        if self.views.contains(&view.oid) {
            return Err(err!(
                INVALID_OBJECT_DEFINITION,
                "infinite recursion detected in rules for relation \"{}\"",
                view.name
            ));
        }
        let Some(sql) = &view.view_sql else {
            return Err(Error::internal(format!("view {} has no query", view.name)));
        };
        let query = view_query(sql)?;
        let scopes = std::mem::take(&mut self.scopes);
        let ctes = std::mem::take(&mut self.ctes);
        let stored = std::mem::replace(&mut self.stored, true);
        self.views.push(view.oid);
        let bound = self.in_view(view, |b| b.query(&query, None));
        self.views.pop();
        self.stored = stored;
        self.ctes = ctes;
        self.scopes = scopes;
        // Positions inside the view's text mean nothing to the client.
        bound.map_err(|mut e| {
            e.fields_mut().position = None;
            e
        })
    }

    /// A relation in a stored text: by OID, its columns by their old names.
    pub(super) fn bind_stored_relation(&mut self, r: &ast::RangeVar) -> Result<LogicalPlan> {
        let oid = oid_name(&r.name)?;
        let mode = r.alias.as_ref().map_or(LockMode::AccessShare, |a| self.read_lock(&a.name));
        let Some(relation) = self.reader.lock_relation_oid(oid, mode)? else {
            return Err(err!(UNDEFINED_TABLE, "relation with OID {oid} does not exist"));
        };
        let Some(alias) = &r.alias else {
            return Err(Error::internal("a relation in a stored query has an alias"));
        };
        let (plan, mut item) = self.relation_item(&relation, &alias.name)?;
        let names = column_names(&item);
        let own_names = self.stored_names(&relation, r, &mut item)?;
        let written = own_names.map(|columns| AliasTree { name: alias.name.clone(), columns });
        self.record_leaf(LeafKind::Relation { relation, only: r.only }, &item, &names, written, false);
        self.scope().items.push(item);
        Ok(plan)
    }

    /// Gives a relation's columns the names a stored text knows them by; the names that the user's alias gave, if there was one.
    pub(super) fn stored_names(
        &self,
        relation: &Relation,
        r: &ast::RangeVar,
        item: &mut NsItem,
    ) -> Result<Option<Vec<String>>> {
        let Some(alias) = &r.alias else {
            return Err(Error::internal("a relation in a stored query has an alias"));
        };
        // The alias names every attribute there was; what came later is out of sight.
        let given = r.catalog.as_deref().and_then(|n| n.parse::<usize>().ok());
        let mut old = vec![];
        let mut own_names = vec![];
        for (i, _) in relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped) {
            let Some(name) = alias.columns.get(i) else { break };
            old.push(name.clone());
            if given.is_some_and(|n| i < n) {
                own_names.push(name.clone());
            }
        }
        item.columns.truncate(old.len());
        for (c, name) in item.columns.iter_mut().zip(old) {
            c.name = name;
        }
        Ok(given.map(|_| own_names))
    }
}
