//! FROM items and joins (PostgreSQL: parse_clause.c, parse_relation.c).

use super::coerce::at;
use super::record::alias_tree;
use super::resolve::Resolved;
use super::scope::{ExprKind as Place, ItemKind, NsColumn, NsItem, SYSTEM_COLUMNS};
use super::{Binder, Typed, VisibleCte};
use crate::ast::{self, Alias, JoinCondition, Pos, TableRef};
use quarry_catalog::{RelKind, Relation};
use quarry_common::{Error, Result, bail, err};
use quarry_functions::FunctionKind;
use quarry_plan::tree::{FunctionTree, JoinColumn, JoinTreeCondition, LeafKind};
use quarry_plan::{
    CallForm, ColumnId, ColumnMeta, Expr, FunctionRef, JoinKind, LogicalPlan, ScanColumn, SetCall,
};
use quarry_types::{SqlType, oids};
use std::sync::Arc;

/// Names and types of what a function gives.
type FunctionColumns = Vec<(String, SqlType)>;

impl Binder<'_> {
    /// The whole FROM clause: its items joined without conditions.
    pub(super) fn bind_from_clause(&mut self, from: &[TableRef]) -> Result<LogicalPlan> {
        let mut plan: Option<LogicalPlan> = None;
        for item in from {
            let already = self.scope().items.len();
            // Items to the left may be used by LATERAL ones from here on.
            for i in &mut self.scope().items {
                i.lateral_only = true;
                i.lateral_ok = true;
            }
            let next = self.bind_from_item(item)?;
            self.check_duplicate_aliases(already, item.pos())?;
            plan = Some(match plan {
                None => next,
                Some(left) => LogicalPlan::Join {
                    kind: JoinKind::Inner,
                    left: Box::new(left),
                    right: Box::new(next),
                    on: vec![],
                },
            });
        }
        for i in &mut self.scope().items {
            i.lateral_only = false;
            i.lateral_ok = true;
        }
        Ok(plan.unwrap_or(LogicalPlan::OneRow))
    }

    fn check_duplicate_aliases(&mut self, from: usize, pos: Pos) -> Result<()> {
        let items = &self.scope().items;
        for (i, new) in items.iter().enumerate().skip(from) {
            for old in &items[..i] {
                if !(new.table_visible && old.table_visible) || new.alias.is_none() || new.alias != old.alias
                {
                    continue;
                }
                // Tables of different schemas can be told apart by qualification.
                if let (Some(a), Some(b)) = (&new.schema, &old.schema)
                    && a != b
                {
                    continue;
                }
                let name = new.alias.as_deref().unwrap_or("");
                let _ = pos;
                return Err(err!(DUPLICATE_ALIAS, "table name \"{name}\" specified more than once"));
            }
        }
        Ok(())
    }

    fn bind_from_item(&mut self, item: &TableRef) -> Result<LogicalPlan> {
        self.nested(|b| match item {
            TableRef::Relation(r) => b.bind_from_relation(r),
            TableRef::Subquery(s) => b.bind_from_subquery(s),
            TableRef::Function(f) => b.bind_from_function(f),
            TableRef::Join(j) => b.bind_from_join(j),
            TableRef::TableSample(s) => Err(at(table_sample(s), s.pos)),
            TableRef::XmlTable(x) => Err(at(Error::unsupported("XMLTABLE"), x.pos)),
        })
    }

    fn bind_from_relation(&mut self, r: &ast::RangeVar) -> Result<LogicalPlan> {
        if r.schema.is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|c| c.name == r.name).cloned()
        {
            return self.bind_from_cte(r, cte);
        }
        if self.stored && r.schema.as_deref() == Some(super::view::BY_OID) {
            return self.bind_stored_relation(r);
        }
        let parts: Vec<String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect();
        let mode = self.read_lock(r.alias.as_ref().map_or(&r.name, |a| &a.name));
        let relation = self.reader.lock_relation(&parts, ast::error_position(r.pos), mode);
        let relation = relation.map_err(|e| self.future_cte_hint(e, r))?;
        match relation.kind {
            RelKind::Index => Err(at(err!(WRONG_OBJECT_TYPE, "\"{}\" is an index", r.name), r.pos)),
            RelKind::CompositeType => {
                Err(at(err!(WRONG_OBJECT_TYPE, "\"{}\" is a composite type", r.name), r.pos))
            }
            RelKind::View
            | RelKind::Table
            | RelKind::Toast
            | RelKind::MaterializedView
            | RelKind::Sequence => {
                let alias = r.alias.as_ref();
                let name = alias.map_or(relation.name.clone(), |a| a.name.clone());
                let (plan, mut item) = self.relation_item(&relation, &name)?;
                if alias.is_none() {
                    item.schema = Some(relation.schema_name.clone());
                }
                let names = column_names(&item);
                apply_alias_columns(&mut item, alias)?;
                self.name_columns(&item);
                let kind = LeafKind::Relation { relation, only: r.only };
                self.record_leaf(kind, &item, &names, alias.map(alias_tree), false);
                self.scope().items.push(item);
                Ok(plan)
            }
        }
    }

    /// Plans show an item's columns by the names that it has in FROM.
    fn name_columns(&mut self, item: &NsItem) {
        for c in &item.columns {
            if let Expr::Column { id, .. } = &c.expr {
                self.meta.set_name(*id, c.name.clone());
            }
        }
    }

    /// What PostgreSQL adds where a missing table has the name of a WITH query further on.
    fn future_cte_hint(&self, e: Error, r: &ast::RangeVar) -> Error {
        let known = r.schema.is_none() && self.future_ctes.contains(&r.name);
        if !known || e.sqlstate() != quarry_common::SqlState::UNDEFINED_TABLE {
            return e;
        }
        e.detail(format!(
            "There is a WITH item named \"{}\", but it cannot be referenced from this part of the query.",
            r.name
        ))
        .hint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references.")
    }

    /// A scan of a table with all its columns, and its names.
    pub(super) fn scan(&mut self, relation: &Arc<Relation>, alias: &str) -> (LogicalPlan, NsItem) {
        let mut columns = vec![];
        let mut names = vec![];
        for (i, c) in relation.columns.iter().enumerate() {
            if c.dropped {
                continue;
            }
            let id = self.meta.add(ColumnMeta {
                name: c.name.clone(),
                ty: c.ty,
                relation: Some(alias.to_string()),
                source: Some((relation.oid, c.number)),
                not_null: c.not_null,
            });
            columns.push((id, ScanColumn::Attribute(i)));
            names.push(NsColumn { name: c.name.clone(), expr: Expr::column(id, c.ty), hidden: false });
        }
        let mut system = vec![];
        let row_type = if relation.row_type.is_valid() { relation.row_type } else { oids::RECORD };
        let whole = ("", ScanColumn::WholeRow, SqlType::of(row_type));
        for (name, column, ty) in SYSTEM_COLUMNS.iter().chain([&whole]) {
            let name = if name.is_empty() { alias } else { name };
            let id = self.meta.add(ColumnMeta {
                name: name.to_string(),
                ty: *ty,
                relation: Some(alias.to_string()),
                source: None,
                not_null: true,
            });
            columns.push((id, *column));
            system.push((*column, id, *ty));
        }
        let mut item = NsItem::new(Some(alias.to_string()), names);
        item.relation = Some(relation.clone());
        item.system = system;
        (LogicalPlan::Scan { relation: relation.clone(), alias: alias.to_string(), columns }, item)
    }

    fn bind_from_cte(&mut self, r: &ast::RangeVar, cte: VisibleCte) -> Result<LogicalPlan> {
        if !cte.has_rows {
            let e =
                err!(FEATURE_NOT_SUPPORTED, "WITH query \"{}\" does not have a RETURNING clause", cte.name);
            return Err(at(e, r.pos));
        }
        self.cte_references[cte.id.0 as usize] += 1;
        self.scope().refers_to_itself |= cte.being_defined;
        let alias = r.alias.as_ref().map_or(cte.name.clone(), |a| a.name.clone());
        let mut columns: Vec<(ColumnId, ColumnId)> = vec![];
        let mut names = vec![];
        for (name, source, ty) in &cte.columns {
            let id = self.meta.add(ColumnMeta {
                name: name.clone(),
                ty: *ty,
                relation: Some(alias.clone()),
                source: None,
                not_null: false,
            });
            columns.push((id, *source));
            names.push(NsColumn { name: name.clone(), expr: Expr::column(id, *ty), hidden: false });
        }
        let mut item = NsItem { kind: ItemKind::Cte, ..NsItem::new(Some(alias.clone()), names) };
        let names = column_names(&item);
        apply_alias_columns(&mut item, r.alias.as_ref())?;
        let kind = LeafKind::Cte { name: cte.name.clone() };
        self.record_leaf(kind, &item, &names, r.alias.as_ref().map(alias_tree), false);
        self.scope().items.push(item);
        self.meta.nested = true;
        Ok(LogicalPlan::CteScan { cte: cte.id, name: cte.name, alias, columns })
    }

    fn bind_from_subquery(&mut self, s: &ast::RangeSubquery) -> Result<LogicalPlan> {
        let Some(alias) = &s.alias else {
            let (what, example) = match s.query.body {
                ast::QueryBody::Values(_) => {
                    ("VALUES in FROM must have an alias", "For example, FROM (VALUES ...) [AS] foo.")
                }
                _ => ("subquery in FROM must have an alias", "For example, FROM (SELECT ...) [AS] foo."),
            };
            return Err(at(err!(SYNTAX_ERROR, "{what}").hint(example), s.pos));
        };
        let kind = std::mem::replace(&mut self.scope().kind, Place::FromSubselect);
        let active = std::mem::replace(&mut self.scope().lateral_active, s.lateral);
        // Without LATERAL the left neighbours are out of reach; outer levels are not.
        self.pushed_lock = self.lock_below(&alias.name, false);
        let bound = self.subquery(&s.query);
        self.scope().kind = kind;
        self.scope().lateral_active = active;
        let mut bound = bound?;
        let tree = bound.tree.take();
        let mut names = vec![];
        let mut targets: Vec<(ColumnId, Expr)> = vec![];
        for (id, name, ty) in &bound.output {
            let fresh = targets.iter().any(|(_, e)| matches!(e, Expr::Column { id: have, .. } if have == id))
                || !quarry_plan::walk::output_columns(&bound.plan).contains(id);
            let _ = fresh;
            let meta = self.meta.get(*id).clone();
            let own = self.meta.add(ColumnMeta {
                name: name.clone(),
                ty: *ty,
                relation: Some(alias.name.clone()),
                source: meta.source,
                not_null: false,
            });
            targets.push((own, Expr::column(*id, *ty)));
            names.push(NsColumn { name: name.clone(), expr: Expr::column(own, *ty), hidden: false });
        }
        targets.extend(bound.locks.iter().map(|l| (l.ctid, Expr::column(l.ctid, SqlType::TID))));
        let mut item = NsItem { locks: bound.locks, ..NsItem::new(Some(alias.name.clone()), names) };
        let names = column_names(&item);
        apply_alias_columns(&mut item, Some(alias))?;
        if let Some(tree) = tree {
            let kind = LeafKind::Subquery(tree);
            self.record_leaf(kind, &item, &names, Some(alias_tree(alias)), s.lateral);
        }
        self.scope().items.push(item);
        self.meta.nested = true;
        let input = LogicalPlan::Project { input: Box::new(bound.plan), targets };
        Ok(LogicalPlan::SubqueryAlias { input: Box::new(input), alias: alias.name.clone() })
    }

    fn bind_from_function(&mut self, f: &ast::RangeFunction) -> Result<LogicalPlan> {
        let kind = std::mem::replace(&mut self.scope().kind, Place::FromFunction);
        // Functions in FROM may always look to their left.
        let active = std::mem::replace(&mut self.scope().lateral_active, true);
        let result = self.bind_from_function_inner(f);
        self.scope().kind = kind;
        self.scope().lateral_active = active;
        let (plan, item) = result?;
        self.scope().items.push(item);
        Ok(plan)
    }

    fn bind_from_function_inner(&mut self, f: &ast::RangeFunction) -> Result<(LogicalPlan, NsItem)> {
        let mut calls: Vec<(SetCall, Vec<ColumnId>)> = vec![];
        let mut recorded: Vec<FunctionTree> = vec![];
        let mut columns: Vec<NsColumn> = vec![];
        let mut scalar_single = false;
        let alias_name = f.alias.as_ref().map(|a| a.name.clone());
        let mut first_name = None;
        for item in &f.functions {
            let definitions = if item.column_definitions.is_empty() {
                &f.column_definitions
            } else {
                &item.column_definitions
            };
            let definitions: Vec<(String, SqlType)> = definitions
                .iter()
                .map(|d| Ok((d.name.clone(), self.type_name_to_type(&d.type_name)?)))
                .collect::<Result<_>>()?;
            let name = super::target::figure_name(&item.function);
            first_name.get_or_insert_with(|| name.clone());
            // unnest(a, b, ...) is unnest(a), unnest(b), ... side by side.
            let parts = split_unnest(&item.function);
            for part in &parts {
                let (call, mut outputs, is_scalar, shown) = self.function_item(part, &definitions, &name)?;
                if is_scalar && parts.len() == 1 && f.functions.len() == 1 {
                    // A lone scalar column is called like the alias.
                    if call.function.def().out_args.len() != 1 {
                        outputs[0].0 = alias_name.clone().unwrap_or_else(|| name.clone());
                    }
                    scalar_single = true;
                }
                let alias_for_meta = alias_name.clone().unwrap_or_else(|| name.clone());
                let ids: Vec<ColumnId> = outputs
                    .iter()
                    .map(|(n, ty)| {
                        self.meta.add(ColumnMeta {
                            name: n.clone(),
                            ty: *ty,
                            relation: Some(alias_for_meta.clone()),
                            source: None,
                            not_null: false,
                        })
                    })
                    .collect();
                for (id, (n, ty)) in ids.iter().zip(outputs) {
                    columns.push(NsColumn { name: n, expr: Expr::column(*id, ty), hidden: false });
                }
                recorded.push(FunctionTree {
                    call: shown,
                    definitions: definitions.clone(),
                    width: ids.len(),
                });
                calls.push((call, ids));
            }
        }
        let row_type = match &calls[..] {
            [(only, _)] if only.row.oid != oids::RECORD && only.columns != [only.row] => Some(only.row),
            _ => None,
        };
        let alias = alias_name.or(first_name).unwrap_or_else(|| "function".into());
        let ordinality = f.ordinality.then(|| {
            let id = self.meta.add(ColumnMeta {
                name: "ordinality".into(),
                ty: SqlType::INT8,
                relation: Some(alias.clone()),
                source: None,
                not_null: true,
            });
            columns.push(NsColumn {
                name: "ordinality".into(),
                expr: Expr::column(id, SqlType::INT8),
                hidden: false,
            });
            id
        });
        let mut item = NsItem { kind: ItemKind::Function, ..NsItem::new(Some(alias.clone()), columns) };
        item.is_scalar_function = scalar_single && ordinality.is_none();
        item.row_type = row_type.filter(|_| ordinality.is_none());
        let names = column_names(&item);
        apply_alias_columns(&mut item, f.alias.as_ref())?;
        self.name_columns(&item);
        let rows_from = f.rows_from || recorded.len() > 1;
        let kind = LeafKind::Function { items: recorded, rows_from, ordinality: f.ordinality };
        self.record_leaf(kind, &item, &names, f.alias.as_ref().map(alias_tree), f.lateral);
        Ok((LogicalPlan::FunctionScan { calls, ordinality, alias }, item))
    }

    /// One function of FROM: its call, its columns, whether it gives one scalar column, and how it is shown.
    fn function_item(
        &mut self,
        e: &ast::Expr,
        definitions: &[(String, SqlType)],
        name: &str,
    ) -> Result<(SetCall, FunctionColumns, bool, Expr)> {
        if let ast::ExprKind::FuncCall(call) = &e.kind
            && call.over.is_none()
            && !call.within_group
            && !call.star
        {
            let args = call.args.iter().map(|a| self.expr(&a.expr)).collect::<Result<Vec<_>>>()?;
            let names: Vec<Option<String>> = call.args.iter().map(|a| a.name.clone()).collect();
            if let Resolved::Function(candidate) =
                self.resolve_function(&call.name, &args, &names, call.variadic, e.pos)?
            {
                match candidate.def.kind() {
                    FunctionKind::Aggregate => {
                        let e2 =
                            err!(GROUPING_ERROR, "aggregate functions are not allowed in functions in FROM");
                        return Err(at(e2, e.pos));
                    }
                    FunctionKind::Window => {
                        let e2 =
                            err!(WINDOWING_ERROR, "window functions are not allowed in functions in FROM");
                        return Err(at(e2, e.pos));
                    }
                    FunctionKind::Set | FunctionKind::Scalar => {}
                }
                let ready = self.prepare(candidate, args, call.variadic, e.pos)?;
                if ready.ret.oid == oids::RECORD && definitions.is_empty() && ready.def.out_args.is_empty() {
                    let e2 = err!(
                        SYNTAX_ERROR,
                        "a column definition list is required for functions returning \"record\""
                    );
                    return Err(at(e2, e.pos));
                }
                let (row, columns) = self.set_columns(&ready, definitions, e.pos)?;
                let is_scalar = columns.len() == 1
                    && ready.def.out_args.is_empty()
                    && definitions.is_empty()
                    && !self.is_composite(ready.ret.oid)?
                    || ready.def.out_args.len() == 1;
                let types = columns.iter().map(|(_, t)| *t).collect();
                let function = FunctionRef::Builtin(ready.def);
                let call = SetCall { function, args: ready.args, columns: types, row };
                let shown = shown_call(&call, ready.form);
                return Ok((call, columns, is_scalar, shown));
            }
        }
        // Any other expression: one row of its value.
        let value: Typed = self.expr(e)?;
        let value = self.settle_unknown(value)?;
        match value.expr {
            Expr::Call { function, args, ty, form, .. } => {
                let call = SetCall { function, args, columns: vec![ty], row: ty };
                let shown = shown_call(&call, form);
                Ok((call, vec![(name.to_string(), ty)], true, shown))
            }
            value => {
                let (ty, call) = (value.ty(), self.one_element(value.clone(), e.pos)?);
                Ok((call, vec![(name.to_string(), ty)], true, value))
            }
        }
    }

    /// A value that is no call as the function that gives it: the elements of an array of it.
    fn one_element(&mut self, value: Expr, pos: Pos) -> Result<SetCall> {
        let ty = value.ty();
        let array = match self.element_type(ty.oid)? {
            // The elements of its own elements would come.
            Some(_) => None,
            None => self.array_type(ty.oid)?,
        };
        let unsupported = || at(Error::unsupported("this expression as a function in FROM"), pos);
        let array = SqlType::of(array.ok_or_else(unsupported)?);
        let args = vec![Typed { expr: Expr::Array { elements: vec![value], nested: false, ty: array }, pos }];
        let name = ["pg_catalog".to_string(), "unnest".to_string()];
        let Resolved::Function(candidate) = self.resolve_function(&name, &args, &[None], false, pos)? else {
            return Err(unsupported());
        };
        let ready = self.prepare(candidate, args, false, pos)?;
        let function = FunctionRef::Builtin(ready.def);
        Ok(SetCall { function, args: ready.args, columns: vec![ty], row: ty })
    }

    fn bind_from_join(&mut self, j: &ast::JoinExpr) -> Result<LogicalPlan> {
        let first = self.scope().items.len();
        let left = self.bind_from_item(&j.left)?;
        let middle = self.scope().items.len();
        // The right side may refer to the left laterally; not if the join could make left rows up.
        let lateral_ok = matches!(j.kind, ast::JoinKind::Inner | ast::JoinKind::Left);
        let saved: Vec<(bool, bool)> =
            self.scope().items[first..middle].iter().map(|i| (i.lateral_only, i.lateral_ok)).collect();
        for i in &mut self.scope().items[first..middle] {
            i.lateral_only = true;
            i.lateral_ok = lateral_ok;
        }
        let right = self.bind_from_item(&j.right)?;
        for (i, (only, ok)) in self.scope().items[first..middle].iter_mut().zip(saved) {
            i.lateral_only = only;
            i.lateral_ok = ok;
        }
        self.check_duplicate_aliases(middle, j.right.pos())?;
        let end = self.scope().items.len();
        if matches!(j.kind, ast::JoinKind::Left | ast::JoinKind::Full) {
            self.mark_nullable(middle..end);
        }
        if matches!(j.kind, ast::JoinKind::Right | ast::JoinKind::Full) {
            self.mark_nullable(first..middle);
        }
        let using: Option<Vec<(String, Pos)>> = match &j.condition {
            _ if j.natural => Some(self.natural_columns(first, middle)),
            JoinCondition::Using { columns, .. } => {
                Some(columns.iter().map(|n| (n.value.clone(), n.pos)).collect())
            }
            _ => None,
        };
        let kind = match j.kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        let mut on = vec![];
        let mut merged = None;
        if let Some(using) = using {
            let (tests, columns) = self.join_using(first, middle, &using, kind, j.pos)?;
            on = tests;
            merged = Some(columns);
        }
        if let JoinCondition::On(e) = &j.condition {
            // Only the join's own sides (and outer levels) can be named.
            let scope = self.scope();
            let hidden: Vec<NsItem> = scope.items.drain(..first).collect();
            let outside = std::mem::replace(&mut scope.out_of_reach, hidden);
            let condition = self.condition(e, Place::JoinOn, "JOIN/ON");
            let scope = self.scope();
            let hidden = std::mem::replace(&mut scope.out_of_reach, outside);
            scope.items.splice(0..0, hidden);
            let condition = condition?;
            self.record_join(kind, None, Some(condition.clone()))?;
            on = condition.into_conjuncts();
        } else {
            self.record_join(kind, merged, None)?;
        }
        self.scope().items[first..].iter_mut().for_each(|i| i.joined = true);
        if let JoinCondition::Using { alias: Some(alias), columns } = &j.condition {
            let merged: Vec<NsColumn> = self.merged_columns(first, columns)?;
            if let Some(JoinTreeCondition::Using { alias: recorded, .. }) =
                self.recorded_join().map(|j| &mut j.condition)
            {
                *recorded = Some(alias.clone());
            }
            let mut item = NsItem { kind: ItemKind::Join, ..NsItem::new(Some(alias.clone()), merged) };
            item.columns_visible = false;
            self.scope().items.push(item);
        }
        if let Some(alias) = &j.alias {
            self.alias_join(first, alias)?;
        }
        Ok(LogicalPlan::Join { kind, left: Box::new(left), right: Box::new(right), on })
    }

    fn natural_columns(&mut self, first: usize, middle: usize) -> Vec<(String, Pos)> {
        let items = &self.scope().items;
        let visible = |range: std::ops::Range<usize>| -> Vec<String> {
            items[range]
                .iter()
                .filter(|i| i.columns_visible)
                .flat_map(|i| i.columns.iter().filter(|c| !c.hidden).map(|c| c.name.clone()))
                .collect()
        };
        let right = visible(middle..items.len());
        visible(first..middle).into_iter().filter(|n| right.contains(n)).map(|n| (n, ast::NO_POS)).collect()
    }

    /// The columns that USING merged, in an item of their own.
    fn merged_columns(&mut self, first: usize, columns: &[ast::Name]) -> Result<Vec<NsColumn>> {
        let items = &self.scope().items[first..];
        columns
            .iter()
            .map(|n| {
                items
                    .iter()
                    .flat_map(|i| &i.columns)
                    .find(|c| c.name == n.value && !c.hidden)
                    .cloned()
                    .ok_or_else(|| Error::internal("USING column lost"))
            })
            .collect()
    }

    /// USING: equalities, and an unnamed item with the merged columns that hides the sides' own from bare names and `*`.
    fn join_using(
        &mut self,
        first: usize,
        middle: usize,
        using: &[(String, Pos)],
        kind: JoinKind,
        pos: Pos,
    ) -> Result<(Vec<Expr>, Vec<JoinColumn>)> {
        let mut on = vec![];
        let mut merged = vec![];
        let mut recorded = vec![];
        for (i, (name, p)) in using.iter().enumerate() {
            if using[..i].iter().any(|(n, _)| n == name) {
                return Err(at(
                    err!(DUPLICATE_COLUMN, "column name \"{name}\" appears more than once in USING clause"),
                    *p,
                ));
            }
            let l = self.using_column(first..middle, name, "left")?;
            let end = self.scope().items.len();
            let r = self.using_column(middle..end, name, "right")?;
            let at_pos = if *p == ast::NO_POS { pos } else { *p };
            let test = self.make_operator(
                &ast::OpName::bare("="),
                Some(Typed { expr: l.clone(), pos: at_pos }),
                Typed { expr: r.clone(), pos: at_pos },
                at_pos,
            )?;
            on.push(self.coerce_to_boolean(test, "JOIN/USING")?);
            let ends = (column_id(&l), column_id(&r));
            let values = vec![Typed { expr: l, pos: at_pos }, Typed { expr: r, pos: at_pos }];
            let (mut sides, ty) = self.unify(values, "JOIN/USING")?;
            let mut expr = match kind {
                JoinKind::Right => sides.swap_remove(1),
                JoinKind::Full => Expr::Coalesce { args: sides, ty },
                // A side that needs no coercion is as good as the other, and may use an index.
                JoinKind::Inner if column_id(&sides[0]).is_none() && column_id(&sides[1]).is_some() => {
                    sides.swap_remove(1)
                }
                _ => sides.swap_remove(0),
            };
            if self.record {
                if column_id(&expr).is_none() {
                    expr = Expr::column(self.meta.computed(name.clone(), ty), ty);
                }
                let id = column_id(&expr).unwrap_or(ColumnId(u32::MAX));
                recorded.push(JoinColumn { name: name.clone(), id, left: ends.0, right: ends.1 });
            }
            merged.push(NsColumn { name: name.clone(), expr, hidden: false });
        }
        let items = &mut self.scope().items[first..];
        let mut rest: Vec<NsColumn> = vec![];
        for item in items.iter_mut().filter(|i| i.columns_visible) {
            rest.extend(
                item.columns
                    .iter()
                    .filter(|c| !c.hidden && !using.iter().any(|(n, _)| *n == c.name))
                    .cloned(),
            );
            item.columns_visible = false;
        }
        merged.extend(rest);
        self.scope().items.push(NsItem { table_visible: false, ..NsItem::new(None, merged) });
        Ok((on, recorded))
    }

    fn using_column(&mut self, range: std::ops::Range<usize>, name: &str, side: &str) -> Result<Expr> {
        let items = &self.scope().items[range];
        let mut hits = items
            .iter()
            .filter(|i| i.columns_visible)
            .flat_map(|i| i.columns.iter().filter(|c| c.name == name && !c.hidden));
        match (hits.next(), hits.next()) {
            (Some(c), None) => Ok(c.expr.clone()),
            (Some(_), Some(_)) => {
                let e = err!(
                    AMBIGUOUS_COLUMN,
                    "common column name \"{name}\" appears more than once in {side} table"
                );
                Err(e)
            }
            _ => {
                let e = err!(
                    UNDEFINED_COLUMN,
                    "column \"{name}\" specified in USING clause does not exist in {side} table"
                );
                Err(e)
            }
        }
    }

    /// `(a JOIN b) AS x`: one item with all visible columns; the names inside are gone.
    fn alias_join(&mut self, first: usize, alias: &Alias) -> Result<()> {
        let items = &mut self.scope().items;
        let mut columns = vec![];
        for i in items[first..].iter_mut() {
            if i.columns_visible {
                columns.extend(i.columns.iter().filter(|c| !c.hidden).cloned());
            }
            i.columns_visible = false;
            i.table_visible = false;
        }
        let ids = self.record_fresh(&mut columns);
        let mut item = NsItem { kind: ItemKind::Join, ..NsItem::new(Some(alias.name.clone()), columns) };
        apply_alias_columns(&mut item, Some(alias))?;
        if let Some(join) = self.recorded_join() {
            for ((c, id), named) in join.columns.iter_mut().zip(ids).zip(&item.columns) {
                (c.id, c.name) = (id, named.name.clone());
            }
            join.alias = Some(alias_tree(alias));
        }
        self.scope().items.push(item);
        Ok(())
    }
}

fn column_id(e: &Expr) -> Option<ColumnId> {
    match e {
        Expr::Column { id, .. } => Some(*id),
        _ => None,
    }
}

/// The names of an item's columns.
pub(super) fn column_names(item: &NsItem) -> Vec<String> {
    item.columns.iter().map(|c| c.name.clone()).collect()
}

/// The call of a function in FROM, for showing it.
fn shown_call(call: &SetCall, form: CallForm) -> Expr {
    Expr::Call {
        function: call.function,
        args: call.args.clone(),
        ty: SqlType::RECORD,
        form,
        variadic: false,
        pos: Default::default(),
    }
}

/// Renames columns by `AS t (a, b)`.
fn apply_alias_columns(item: &mut NsItem, alias: Option<&Alias>) -> Result<()> {
    let Some(alias) = alias else { return Ok(()) };
    if alias.columns.len() > item.columns.len() {
        let what = if item.kind == ItemKind::Join { "join expression" } else { "table" };
        bail!(
            INVALID_COLUMN_REFERENCE,
            "{what} \"{}\" has {} columns available but {} columns specified",
            alias.name,
            item.columns.len(),
            alias.columns.len()
        );
    }
    for (c, name) in item.columns.iter_mut().zip(&alias.columns) {
        c.name = name.clone();
    }
    Ok(())
}

/// `unnest(a, b)` taken apart into one call per array; anything else as it is.
fn split_unnest(e: &ast::Expr) -> Vec<ast::Expr> {
    match &e.kind {
        ast::ExprKind::FuncCall(f)
            if f.args.len() > 1 && f.name.last().is_some_and(|n| n == "unnest") && !f.variadic =>
        {
            f.args
                .iter()
                .map(|a| {
                    let one = ast::FuncCall { args: vec![a.clone()], ..(**f).clone() };
                    ast::Expr::new(ast::ExprKind::FuncCall(Box::new(one)), e.pos)
                })
                .collect()
        }
        _ => vec![e.clone()],
    }
}

/// TABLESAMPLE is not there; a method that PostgreSQL doesn't know either is said to be missing.
fn table_sample(s: &ast::TableSample) -> Error {
    match s.method.last().map_or("", String::as_str) {
        "bernoulli" | "system" => Error::unsupported("TABLESAMPLE"),
        _ => err!(UNDEFINED_OBJECT, "tablesample method {} does not exist", s.method.join(".")),
    }
}
