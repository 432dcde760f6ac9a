//! What names mean at one query level (PostgreSQL: ParseState, parse_relation.c).

use super::coerce::at;
use super::locking::LockRequest;
use super::record::Recorded;
use super::{Binder, Typed};
use crate::ast::{Pos, WindowDef};
use quarry_catalog::Relation;
use quarry_common::{Error, Result, err};
use quarry_plan::{AggregateExpr, ColumnId, Expr, RowLock, ScanColumn, SetCall, WindowCall, WindowSpec};
use quarry_types::SqlType;
use quarry_types::record::shape::record_type;
use std::sync::Arc;

/// Which part of a statement an expression stands in: what is allowed there, and what errors call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExprKind {
    Target,
    Where,
    JoinOn,
    FromFunction,
    FromSubselect,
    GroupBy,
    Having,
    OrderBy,
    DistinctOn,
    Limit,
    Offset,
    Filter,
    WindowPartition,
    WindowOrder,
    WindowFrame,
    Values,
    Returning,
    UpdateSource,
    InsertTarget,
    ConflictWhere,
    Check,
    DomainCheck,
    Default,
    IndexExpression,
    IndexPredicate,
    Statistics,
    Generated,
    Parameter,
}

impl ExprKind {
    /// As "aggregate functions are not allowed in ..." names it.
    pub fn clause(self) -> &'static str {
        match self {
            ExprKind::Target => "SELECT",
            ExprKind::Where => "WHERE",
            ExprKind::JoinOn => "JOIN conditions",
            ExprKind::FromFunction => "functions in FROM",
            ExprKind::FromSubselect => "FROM clause of their own query level",
            ExprKind::GroupBy => "GROUP BY",
            ExprKind::Having => "HAVING",
            ExprKind::OrderBy => "ORDER BY",
            ExprKind::DistinctOn => "DISTINCT ON",
            ExprKind::Limit => "LIMIT",
            ExprKind::Offset => "OFFSET",
            ExprKind::Filter => "FILTER",
            ExprKind::WindowPartition => "window PARTITION BY",
            ExprKind::WindowOrder => "window ORDER BY",
            ExprKind::WindowFrame => "window frame",
            ExprKind::Values => "VALUES",
            ExprKind::Returning => "RETURNING",
            ExprKind::UpdateSource => "UPDATE",
            ExprKind::InsertTarget => "INSERT",
            ExprKind::ConflictWhere => "ON CONFLICT",
            ExprKind::Check | ExprKind::DomainCheck => "check constraints",
            ExprKind::Default => "DEFAULT expressions",
            ExprKind::IndexExpression => "index expressions",
            ExprKind::IndexPredicate => "index predicates",
            ExprKind::Statistics => "statistics expressions",
            ExprKind::Generated => "column generation expressions",
            ExprKind::Parameter => "EXECUTE parameters",
        }
    }
}

/// A column a name can mean.
#[derive(Clone, Debug)]
pub(crate) struct NsColumn {
    pub name: String,
    pub expr: Expr,
    /// Hidden from `*` (merged away by USING), still reachable by `table.column`.
    pub hidden: bool,
}

/// What a FROM item is, to those who lock its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ItemKind {
    /// A table, a view or a subquery.
    Rows,
    Join,
    Function,
    Cte,
}

/// A FROM item.
#[derive(Clone, Debug)]
pub(crate) struct NsItem {
    /// The name it goes by; `None` for a join without alias.
    pub alias: Option<String>,
    /// Schema by which it can be qualified: only tables without an alias.
    pub schema: Option<String>,
    pub columns: Vec<NsColumn>,
    /// The table behind it, with its system columns.
    pub relation: Option<Arc<Relation>>,
    pub system: Vec<(ScanColumn, ColumnId, SqlType)>,
    pub kind: ItemKind,
    /// Locks that a subquery or view leaves to this level (see `locking`).
    pub locks: Vec<RowLock>,
    /// Whether `alias.column` / bare `column` finds it.
    pub table_visible: bool,
    pub columns_visible: bool,
    /// Only for LATERAL items to its right so far.
    pub lateral_only: bool,
    /// A LATERAL reference to it is fine (not from the wrong side of an outer join).
    pub lateral_ok: bool,
    /// A function returning one scalar column: its alias alone is the column.
    pub is_scalar_function: bool,
    /// A function returning a composite type: the type of a whole row. Others are anonymous.
    pub row_type: Option<SqlType>,
    /// Part of a join, which has no system columns: bare names don't find them.
    pub joined: bool,
    /// An outer join may put NULLs in its rows' place.
    pub nullable: bool,
}

impl NsItem {
    pub fn new(alias: Option<String>, columns: Vec<NsColumn>) -> NsItem {
        NsItem {
            alias,
            schema: None,
            columns,
            relation: None,
            system: vec![],
            kind: ItemKind::Rows,
            locks: vec![],
            table_visible: true,
            columns_visible: true,
            lateral_only: false,
            lateral_ok: true,
            is_scalar_function: false,
            row_type: None,
            joined: false,
            nullable: false,
        }
    }
}

/// One query level.
pub(crate) struct Scope {
    pub items: Vec<NsItem>,
    /// Items that names don't find where something is being bound; hints know them.
    pub out_of_reach: Vec<NsItem>,
    pub kind: ExprKind,
    /// Whether names of lateral-only items may be used now.
    pub lateral_active: bool,
    /// Aggregates, window calls and set-returning calls met so far; their columns stand in the expressions.
    pub aggregates: Vec<(ColumnId, AggregateExpr)>,
    pub windows: Vec<(ColumnId, WindowSpec, WindowCall)>,
    pub set_calls: Vec<(ColumnId, SetCall)>,
    /// GROUPING(): output column, arguments with positions.
    pub groupings: Vec<(ColumnId, Vec<Typed>, Pos)>,
    /// Whole rows of items, made below outer joins: column and fields.
    pub made_rows: Vec<(ColumnId, Expr)>,
    pub window_defs: Vec<WindowDef>,
    /// Whose rows are to be locked.
    pub locking: Vec<LockRequest>,
    /// Where each column was first referred to outside aggregates, for "must appear in the GROUP BY clause"; and where aggregates and
    /// window calls stand.
    pub column_uses: Vec<(ColumnId, Pos)>,
    /// Inside an aggregate's arguments; inside a window call's.
    pub in_aggregate: bool,
    pub in_window: bool,
    /// FROM has the recursive query that is being defined: no aggregates then.
    pub refers_to_itself: bool,
    /// VALUE in a domain's CHECK.
    pub domain_value: Option<SqlType>,
    /// Whether set-returning functions may be called here (not inside CASE and the like).
    pub no_sets: Option<&'static str>,
    /// The level's FROM items, windows as written and grouping expressions in order, if the binder records.
    pub recorded: Recorded,
}

impl Scope {
    /// All items of the level's FROM, those that can't be named now first.
    fn all_items(&self) -> impl Iterator<Item = &NsItem> {
        self.out_of_reach.iter().chain(&self.items)
    }

    pub fn new(kind: ExprKind) -> Scope {
        Scope {
            items: vec![],
            out_of_reach: vec![],
            kind,
            lateral_active: false,
            aggregates: vec![],
            windows: vec![],
            set_calls: vec![],
            groupings: vec![],
            made_rows: vec![],
            window_defs: vec![],
            locking: vec![],
            column_uses: vec![],
            in_aggregate: false,
            in_window: false,
            refers_to_itself: false,
            domain_value: None,
            no_sets: None,
            recorded: Recorded::default(),
        }
    }
}

/// Names further from each other than this aren't taken for the same, mistyped.
const FUZZY_DISTANCE_MAX: usize = 3;

/// The system columns, by name.
pub(crate) const SYSTEM_COLUMNS: &[(&str, ScanColumn, SqlType)] = &[
    ("ctid", ScanColumn::Ctid, SqlType::TID),
    ("xmin", ScanColumn::Xmin, SqlType::of(quarry_types::oids::XID)),
    ("cmin", ScanColumn::Cmin, SqlType::of(quarry_types::oids::CID)),
    ("xmax", ScanColumn::Xmax, SqlType::of(quarry_types::oids::XID)),
    ("cmax", ScanColumn::Cmax, SqlType::of(quarry_types::oids::CID)),
    ("tableoid", ScanColumn::TableOid, SqlType::OID),
];

/// An item's system column of this name; an error where an expression to be stored may not read it.
fn system_column(kind: ExprKind, item: &NsItem, name: &str, pos: Pos) -> Result<Option<Expr>> {
    let of_name = |s: ScanColumn| SYSTEM_COLUMNS.iter().any(|(n, c, _)| *c == s && *n == name);
    let Some((column, id, ty)) = item.system.iter().find(|(s, _, _)| of_name(*s)) else { return Ok(None) };
    // A table's rows all have the same.
    let constant = *column == ScanColumn::TableOid;
    match kind {
        ExprKind::Check if !constant => {
            let text = format!("system column \"{name}\" reference in check constraint is invalid");
            Err(at(err!(INVALID_COLUMN_REFERENCE, "{text}"), pos))
        }
        ExprKind::Generated if !constant => {
            let text = format!("cannot use system column \"{name}\" in column generation expression");
            Err(at(err!(INVALID_COLUMN_REFERENCE, "{text}"), pos))
        }
        ExprKind::IndexExpression | ExprKind::IndexPredicate => {
            Err(err!(FEATURE_NOT_SUPPORTED, "index creation on system columns is not supported"))
        }
        ExprKind::Statistics => {
            Err(err!(FEATURE_NOT_SUPPORTED, "statistics creation on system columns is not supported"))
        }
        _ => Ok(Some(Expr::column(*id, *ty))),
    }
}

impl Binder<'_> {
    /// Records where a column is used, for grouping errors.
    fn note_use(&mut self, level: usize, expr: &Expr, pos: Pos) {
        let scope = &mut self.scopes[level];
        if let Expr::Column { id, .. } = expr
            && !scope.in_aggregate
            && !scope.column_uses.iter().any(|(c, _)| c == id)
        {
            scope.column_uses.push((*id, pos));
        }
    }

    /// A bare column name (colNameToVar): innermost level first; 42702 if two items of a level have it.
    pub(super) fn find_column(&mut self, name: &str, pos: Pos) -> Result<Option<Expr>> {
        for level in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[level];
            let mut found: Option<Expr> = None;
            let mut forbidden: Option<Error> = None;
            for item in &scope.items {
                if !item.columns_visible || (item.lateral_only && !scope.lateral_active) {
                    continue;
                }
                let mut hits =
                    item.columns.iter().filter(|c| c.name == name && !c.hidden).map(|c| c.expr.clone());
                let hit = match (hits.next(), hits.next()) {
                    (Some(_), Some(_)) => return Err(at(ambiguous(name), pos)),
                    (Some(hit), None) => Some(hit),
                    _ if item.joined => None,
                    _ => system_column(scope.kind, item, name, pos)?,
                };
                if let Some(hit) = hit {
                    if found.is_some() {
                        return Err(at(ambiguous(name), pos));
                    }
                    if item.lateral_only && !item.lateral_ok {
                        forbidden = Some(wrong_lateral(item));
                    }
                    found = Some(hit);
                }
            }
            if let Some(e) = forbidden {
                return Err(at(e, pos));
            }
            if let Some(expr) = found {
                self.note_use(level, &expr, pos);
                return Ok(Some(expr));
            }
        }
        Ok(None)
    }

    /// The FROM item called `name` (refnameNamespaceItem), with its level.
    pub(super) fn find_item(
        &self,
        schema: Option<&str>,
        name: &str,
        pos: Pos,
    ) -> Result<Option<(usize, usize)>> {
        for level in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[level];
            let mut found = None;
            for (i, item) in scope.items.iter().enumerate() {
                if !item.table_visible || (item.lateral_only && !scope.lateral_active) {
                    continue;
                }
                let fits = item.alias.as_deref() == Some(name)
                    && schema.is_none_or(|s| item.schema.as_deref() == Some(s));
                if fits {
                    if found.is_some() {
                        return Err(at(
                            err!(AMBIGUOUS_ALIAS, "table reference \"{name}\" is ambiguous"),
                            pos,
                        ));
                    }
                    if item.lateral_only && !item.lateral_ok {
                        return Err(at(wrong_lateral(item), pos));
                    }
                    found = Some((level, i));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// `item.column`; none if the item has no such column.
    pub(super) fn column_of_item(
        &mut self,
        (level, item): (usize, usize),
        name: &str,
        pos: Pos,
    ) -> Result<Option<Expr>> {
        let kind = self.scopes[level].kind;
        let it = &self.scopes[level].items[item];
        let mut hits = it.columns.iter().filter(|c| c.name == name);
        let expr = match (hits.next(), hits.next()) {
            (Some(_), Some(_)) => return Err(at(ambiguous(name), pos)),
            (Some(c), None) => Some(c.expr.clone()),
            _ => system_column(kind, it, name, pos)?,
        };
        if let Some(expr) = &expr {
            let expr = expr.clone();
            self.note_use(level, &expr, pos);
        }
        Ok(expr)
    }

    /// The item whose whole row a column is.
    pub(super) fn item_of_row(&self, row: ColumnId) -> Option<(usize, usize)> {
        let is_row = |(c, id, _): &(ScanColumn, ColumnId, SqlType)| *c == ScanColumn::WholeRow && *id == row;
        self.scopes.iter().enumerate().rev().find_map(|(level, scope)| {
            scope.items.iter().position(|i| i.system.iter().any(is_row)).map(|item| (level, item))
        })
    }

    /// The whole row of an item, as a record (of the table's row type where it is one).
    pub(super) fn whole_row(&mut self, (level, item): (usize, usize), pos: Pos) -> Expr {
        let it = self.scopes[level].items[item].clone();
        if it.is_scalar_function
            && let [only] = &it.columns[..]
        {
            self.note_use(level, &only.expr, pos);
            return only.expr.clone();
        }
        if let Some((_, id, ty)) = it.system.iter().find(|(s, _, _)| *s == ScanColumn::WholeRow) {
            let expr = Expr::column(*id, *ty);
            self.note_use(level, &expr, pos);
            return expr;
        }
        let visible: Vec<&NsColumn> = it.columns.iter().filter(|c| !c.hidden).collect();
        for c in &visible {
            self.note_use(level, &c.expr, pos);
        }
        let names: Vec<String> = visible.iter().map(|c| c.name.clone()).collect();
        let fields: Vec<Expr> = visible.iter().map(|c| c.expr.clone()).collect();
        let ty = match it.row_type {
            Some(ty) => ty,
            None => record_type(names.clone(), fields.iter().map(Expr::ty).collect()),
        };
        let row = Expr::Row { fields, names, ty };
        match self.made_row((level, item), &row, ty) {
            Some(id) => Expr::column(id, ty),
            None => row,
        }
    }

    /// 42703 for a bare or qualified column that no item has.
    pub(super) fn no_column(&self, table: Option<&str>, name: &str, pos: Pos) -> Error {
        let e = match table {
            Some(t) => err!(UNDEFINED_COLUMN, "column {t}.{name} does not exist"),
            None => err!(UNDEFINED_COLUMN, "column \"{name}\" does not exist"),
        };
        at(self.column_hint(e, table, name), pos)
    }

    /// PostgreSQL's hints: the nearest name, or a column that is there but out of reach (searchRangeTableForCol).
    fn column_hint(&self, e: Error, table: Option<&str>, name: &str) -> Error {
        let mut best: Vec<(usize, String)> = vec![];
        for item in self.scopes.iter().rev().flat_map(Scope::all_items) {
            let Some(alias) = item.alias.as_ref().filter(|_| item.kind != ItemKind::Join) else { continue };
            let penalty = table.map_or(0, |t| distance(t, alias));
            let live = || item.columns.iter().filter(|c| !c.hidden);
            let system = || {
                let named = SYSTEM_COLUMNS.iter().find(|(n, _, _)| *n == name);
                named.is_some_and(|(_, c, _)| item.system.iter().any(|(have, _, _)| have == c))
            };
            if penalty == 0 && (live().any(|c| c.name == name) || system()) {
                return e.hint(format!(
                    "There is a column named \"{name}\" in table \"{alias}\", but it cannot be referenced from this part of the query."
                ));
            }
            for c in live() {
                let apart = distance(name, &c.name);
                if apart <= name.len() / 2 && apart + penalty <= FUZZY_DISTANCE_MAX {
                    best.push((apart + penalty, format!("\"{alias}.{}\"", c.name)));
                }
            }
        }
        // Of equally near ones two can be named, in the order they come; of more, none.
        let Some(nearest) = best.iter().map(|b| b.0).min() else { return e };
        best.retain(|b| b.0 == nearest);
        match &best[..] {
            [one] => e.hint(format!("Perhaps you meant to reference the column {}.", one.1)),
            [a, b] => {
                e.hint(format!("Perhaps you meant to reference the column {} or the column {}.", a.1, b.1))
            }
            _ => e,
        }
    }

    /// 42P01 for a qualifier that names no FROM item (errorMissingRTE).
    pub(super) fn no_item(&self, schema: Option<&str>, name: &str, pos: Pos) -> Error {
        for scope in self.scopes.iter().rev() {
            for item in scope.all_items() {
                let Some(alias) = &item.alias else { continue };
                let is_table = item.relation.as_ref().is_some_and(|r| r.name == name)
                    && (schema.is_none() || item.schema.as_deref() == schema);
                if !is_table && alias != name {
                    continue;
                }
                // A table that is there under an alias, or out of reach here.
                let reachable = item.table_visible
                    && (!item.lateral_only || scope.lateral_active)
                    && scope.items.iter().any(|i| std::ptr::eq(i, item));
                let hint = match alias != name && reachable {
                    true => format!("Perhaps you meant to reference the table alias \"{alias}\"."),
                    false => format!(
                        "There is an entry for table \"{alias}\", but it cannot be referenced from this part of the query."
                    ),
                };
                let e = err!(UNDEFINED_TABLE, "invalid reference to FROM-clause entry for table \"{name}\"");
                return at(e.hint(hint), pos);
            }
        }
        at(err!(UNDEFINED_TABLE, "missing FROM-clause entry for table \"{name}\""), pos)
    }

    /// Every visible column for `*`.
    pub(super) fn expand_star(&mut self, pos: Pos) -> Result<Vec<(String, Expr)>> {
        let level = self.scopes.len() - 1;
        let mut out = vec![];
        let mut any = false;
        for item in &self.scopes[level].items {
            if item.columns_visible && !item.lateral_only {
                any = true;
                out.extend(
                    item.columns.iter().filter(|c| !c.hidden).map(|c| (c.name.clone(), c.expr.clone())),
                );
            }
        }
        if !any {
            return Err(at(err!(SYNTAX_ERROR, "SELECT * with no tables specified is not valid"), pos));
        }
        for (_, e) in &out {
            self.note_use(level, e, pos);
        }
        Ok(out)
    }

    /// The columns of `item.*`.
    pub(super) fn expand_item(&mut self, (level, item): (usize, usize), pos: Pos) -> Vec<(String, Expr)> {
        let it = &self.scopes[level].items[item];
        let out: Vec<(String, Expr)> = it.columns.iter().map(|c| (c.name.clone(), c.expr.clone())).collect();
        for (_, e) in &out {
            self.note_use(level, e, pos);
        }
        out
    }
}

fn ambiguous(name: &str) -> Error {
    err!(AMBIGUOUS_COLUMN, "column reference \"{name}\" is ambiguous")
}

fn wrong_lateral(item: &NsItem) -> Error {
    let name = item.alias.as_deref().unwrap_or("unnamed_join");
    err!(INVALID_COLUMN_REFERENCE, "invalid reference to FROM-clause entry for table \"{name}\"")
        .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
}

/// Levenshtein distance, for hints.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
