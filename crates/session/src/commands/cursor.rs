//! DECLARE, FETCH, MOVE, CLOSE, and WHERE CURRENT OF (PostgreSQL: commands/portalcmds.c, executor/execCurrent.c).

use super::CommandOutcome;
use crate::cursor::{Cursor, CursorOptions};
use crate::portal::{Portal, PortalState};
use crate::prepared::Prepared;
use crate::query::Columns;
use crate::request::FormatCodes;
use crate::row_ids;
use crate::session::{Session, is_query};
use crate::tag::Tag;
use quarry_catalog::RelKind;
use quarry_common::{Error, Result, SqlState, Tid, err};
use quarry_plan::physical::RelationUse;
use quarry_plan::{PhysicalNode, PhysicalPlan};
use quarry_sql::ast::{self, ExprKind, Literal, Statement};
use std::sync::Arc;

pub fn declare(s: &mut Session, d: &ast::DeclareCursor, portal: &mut Portal) -> Result<CommandOutcome> {
    check(d)?;
    let query = Statement::Select(Box::new(d.query.clone()));
    let st = s.statement_context()?;
    let analyzed = st.analyze(&query, &portal.statement.param_types, false)?;
    if d.name.is_empty() {
        return Err(err!(INVALID_CURSOR_NAME, "invalid cursor name: must not be empty"));
    }
    if !d.hold {
        s.block.require_block("DECLARE CURSOR")?;
    }
    let params = portal.params.clone();
    let source = portal.statement.source().part();
    let plan = st.plan_cursor(analyzed.bound, (!params.is_empty()).then_some(&*params), source)?;
    if s.portals.contains(&d.name) {
        return Err(err!(DUPLICATE_CURSOR, "cursor \"{}\" already exists", d.name));
    }
    st.check_read_only(&plan, "DECLARE CURSOR")?;
    let scroll = d.scroll.unwrap_or_else(|| supports_backward(&plan.plan));
    let (plan, row_ids) = row_ids::expose(&plan);
    let execution = st.start(plan, params, false)?;
    let prepared = Prepared {
        name: String::new(),
        text: portal.statement.text.clone(),
        place: None,
        statement: Some(query),
        rule_tag: None,
        param_types: vec![],
        columns: Some(analyzed.columns.into()),
        plans: Default::default(),
        described: Default::default(),
        from_sql: true,
        prepared_at: crate::clock::now(),
    };
    let formats = binary_if(d.binary);
    let mut made = s.new_portal(&d.name, Arc::new(prepared), Arc::from([]), formats, None);
    made.end(&Tag::from(""));
    let options = CursorOptions { hold: d.hold, binary: d.binary, scroll };
    made.set_cursor(Cursor::new(execution, options, row_ids));
    s.portals.insert(&d.name, made);
    CommandOutcome::done("DECLARE CURSOR")
}

/// What the options and the query forbid each other (PostgreSQL: transformDeclareCursorStmt).
fn check(d: &ast::DeclareCursor) -> Result<()> {
    let writes = |w: &ast::With| w.ctes.iter().any(|c| !matches!(*c.statement, Statement::Select(_)));
    if d.query.with.as_ref().is_some_and(writes) {
        return Err(err!(
            FEATURE_NOT_SUPPORTED,
            "DECLARE CURSOR must not contain data-modifying statements in WITH"
        ));
    }
    let Some(lock) = d.query.locking.first() else { return Ok(()) };
    let lock = lock.strength.as_str();
    if d.hold {
        return Err(err!(FEATURE_NOT_SUPPORTED, "DECLARE CURSOR WITH HOLD ... {lock} is not supported")
            .detail("Holdable cursors must be READ ONLY."));
    }
    if d.scroll == Some(true) {
        return Err(err!(FEATURE_NOT_SUPPORTED, "DECLARE SCROLL CURSOR ... {lock} is not supported")
            .detail("Scrollable cursors must be READ ONLY."));
    }
    if d.insensitive == Some(true) {
        return Err(err!(INVALID_CURSOR_DEFINITION, "DECLARE INSENSITIVE CURSOR ... {lock} is not valid")
            .detail("Insensitive cursors must be READ ONLY."));
    }
    Ok(())
}

/// Whether PostgreSQL would let a cursor over this plan go backward without SCROLL (ExecSupportsBackwardScan): clients meet the
/// same "cursor can only scan forward" on both.
fn supports_backward(plan: &PhysicalPlan) -> bool {
    match &plan.node {
        PhysicalNode::SeqScan { .. }
        | PhysicalNode::TidScan { .. }
        | PhysicalNode::TidRangeScan { .. }
        | PhysicalNode::IndexScan { .. }
        | PhysicalNode::ValuesScan { .. }
        | PhysicalNode::FunctionScan { .. }
        | PhysicalNode::CteScan { .. }
        | PhysicalNode::Materialize { .. } => true,
        PhysicalNode::Sort { presorted, .. } => *presorted == 0,
        PhysicalNode::Result { input: Some(input), .. }
        | PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Limit { input, .. } => supports_backward(input),
        PhysicalNode::Append { inputs, .. } => inputs.iter().all(|(p, _)| supports_backward(p)),
        _ => false,
    }
}

/// What running a portal says that has failed, is running, or has done what can be done once.
pub fn cannot_run(name: &str) -> Error {
    err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"{name}\" cannot be run")
}

fn undefined(name: &str) -> Error {
    err!(UNDEFINED_CURSOR, "cursor \"{name}\" does not exist")
}

pub fn fetch(s: &mut Session, f: &ast::Fetch) -> Result<CommandOutcome> {
    // Functions that the query calls ask the catalog through the session.
    s.statement_context()?;
    let Some(mut portal) = s.portals.remove(&f.cursor) else {
        let running = s.executing == f.cursor && !f.cursor.is_empty();
        return Err(if running { cannot_run(&f.cursor) } else { undefined(&f.cursor) });
    };
    let fetched =
        s.cursor_of(&mut portal, &f.cursor).and_then(|c| c.fetch(f.direction, !f.is_move, &f.cursor));
    s.portals.insert(&f.cursor, portal);
    let fetched = fetched?;
    if f.is_move {
        return Ok(CommandOutcome::Done(format!("MOVE {}", fetched.count)));
    }
    Ok(CommandOutcome::Rows { rows: fetched.rows, tag: Tag::Counted("FETCH ", fetched.count) })
}

/// The columns that FETCH will give; none: there is no such cursor.
pub fn fetch_columns(s: &Session, f: &ast::Fetch) -> Option<Columns> {
    s.portals.get(&f.cursor).and_then(|p| p.columns.clone())
}

fn binary_if(binary: bool) -> FormatCodes {
    binary.then_some(1).into_iter().collect()
}

/// The formats that FETCH of the simple protocol gives: those of a BINARY cursor.
pub fn fetch_formats(s: &Session, f: &ast::Fetch) -> FormatCodes {
    let binary = s.portals.get(&f.cursor).and_then(|p| p.cursor.as_ref()).is_some_and(|c| c.options.binary);
    binary_if(binary && !f.is_move)
}

pub fn close(s: &mut Session, c: &ast::ClosePortal) -> Result<CommandOutcome> {
    match &c.name {
        None => {
            s.portals.clear();
            CommandOutcome::done("CLOSE CURSOR ALL")
        }
        Some(name) => match s.portals.remove(name) {
            Some(_) => CommandOutcome::done("CLOSE CURSOR"),
            None if s.executing == *name && !name.is_empty() => {
                Err(err!(INVALID_CURSOR_STATE, "cannot drop active portal \"{name}\""))
            }
            None => Err(undefined(name)),
        },
    }
}

/// Before a commit: cursors WITH HOLD read the rest of their rows.
pub fn hold_all(s: &mut Session) -> Result<()> {
    let wanted = |c: &Cursor| c.options.hold && !c.is_saved();
    if !s.portals.iter().any(|p| p.cursor.as_deref().is_some_and(wanted)) {
        return Ok(());
    }
    s.statement_context()?;
    for p in s.portals.iter_mut() {
        if let Some(c) = p.cursor.as_deref_mut().filter(|c| wanted(c)) {
            c.hold()?;
            p.let_go_of_relations();
        }
    }
    Ok(())
}

/// The cursor that an UPDATE or DELETE names with WHERE CURRENT OF, and the table it changes.
pub fn current_of(stmt: &Statement) -> Option<(&str, &ast::RangeVar)> {
    let (relation, condition) = match stmt {
        Statement::Update(u) => (&u.relation, &u.where_clause),
        Statement::Delete(d) => (&d.relation, &d.where_clause),
        _ => return None,
    };
    match condition {
        Some(ast::Expr { kind: ExprKind::CurrentOf(name), .. }) => Some((name, relation)),
        _ => None,
    }
}

/// The statement with the row's place where it named a cursor; `run` false: any place, for describing it.
pub fn resolve_current_of(s: &mut Session, stmt: &Statement, run: bool) -> Result<Option<Statement>> {
    let Some((name, target)) = current_of(stmt) else { return Ok(None) };
    let tid = if run { current_place(s, name, target)? } else { Tid { block: 0, slot: 0 } };
    let mut made = stmt.clone();
    let (alias, condition) = match &mut made {
        Statement::Update(u) => (&u.relation, &mut u.where_clause),
        Statement::Delete(d) => (&d.relation, &mut d.where_clause),
        _ => return Ok(None),
    };
    let table = alias.alias.as_ref().map_or(&alias.name, |a| &a.name).clone();
    let at = |kind: ExprKind| ast::Expr { kind, pos: ast::NO_POS };
    let place = at(ExprKind::TypeCast {
        arg: Box::new(at(ExprKind::Const(Literal::String(tid.to_string())))),
        type_name: Box::new(ast::TypeName {
            names: vec!["pg_catalog".into(), "tid".into()],
            setof: false,
            pct_type: false,
            typmods: vec![],
            interval_fields: None,
            array_bounds: vec![],
            pos: ast::NO_POS,
        }),
    });
    *condition = Some(at(ExprKind::Op {
        op: ast::OpName::bare("="),
        left: Some(Box::new(at(ExprKind::ColumnRef { names: vec![table, "ctid".into()], star: false }))),
        right: Box::new(place),
    }));
    Ok(Some(made))
}

fn current_place(s: &mut Session, name: &str, target: &ast::RangeVar) -> Result<Tid> {
    let st = s.statement_context()?;
    let parts: Vec<&String> = target.catalog.iter().chain(&target.schema).chain([&target.name]).collect();
    let relation = st.reader.resolve_relation(&parts, ast::error_position(target.pos))?;
    let Some(mut portal) = s.portals.remove(name) else { return Err(undefined(name)) };
    let found = place_in(s, &mut portal, name, &relation);
    s.portals.insert(name, portal);
    row_ids::current_version(&st, &relation, found?)
}

fn place_in(
    s: &mut Session,
    portal: &mut Portal,
    name: &str,
    relation: &quarry_catalog::Relation,
) -> Result<Tid> {
    if !matches!(portal.statement.statement, Some(Statement::Select(_))) {
        return Err(err!(INVALID_CURSOR_STATE, "cursor \"{name}\" is not a SELECT query"));
    }
    if relation.kind == RelKind::View {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "WHERE CURRENT OF on a view is not implemented",
        ));
    }
    let cursor = s.cursor_of(portal, name)?;
    if cursor.is_saved() {
        return Err(err!(INVALID_CURSOR_STATE, "cursor \"{name}\" is held from a previous transaction"));
    }
    let row = cursor.current()?;
    cursor.row_ids().place(name, relation, row.as_deref())
}

/// Whether running the statement changes tables: it runs to its end then, however few of its rows are asked for.
pub(crate) fn writes(statement: &quarry_plan::Statement) -> bool {
    let changes =
        |u: &RelationUse| matches!(u, RelationUse::Insert | RelationUse::Update | RelationUse::Delete);
    !statement.read_only && statement.relations.iter().any(|(_, u)| changes(u))
}

impl Session {
    /// The portal as a cursor: one that Bind made becomes one that only goes forward.
    pub(crate) fn cursor_of<'p>(&mut self, portal: &'p mut Portal, name: &str) -> Result<&'p mut Cursor> {
        if portal.cursor.is_none() {
            if portal.is_spent() {
                return Err(cannot_run(name));
            }
            if portal.columns.is_none() {
                return Err(err!(INTERNAL_ERROR, "unsupported portal strategy"));
            }
            let selects = portal.statement.statement.as_ref().is_some_and(is_query);
            if !selects && matches!(portal.state, PortalState::New) {
                return Err(Error::unsupported("FETCH from a portal of a command that hasn't run"));
            }
            let made = match std::mem::replace(&mut portal.state, PortalState::Done { again: None }) {
                PortalState::Running(run) => {
                    let run = *run;
                    Cursor::resumed(run.execution, run.batch, run.before + run.sent, run.row_ids)?
                }
                PortalState::New => {
                    let Some(plan) = portal.plan.clone() else {
                        return Err(Error::internal("a bound query without a plan"));
                    };
                    let st = self.statement_context()?;
                    let (statement, row_ids) = row_ids::expose(&plan.statement);
                    let execution = st.start(statement, portal.params.clone(), false)?;
                    let mut made = Cursor::new(execution, CursorOptions::default(), row_ids);
                    if writes(&plan.statement) {
                        made.read_all()?;
                    }
                    made
                }
                PortalState::Stored { .. } | PortalState::CopyOut(_) | PortalState::Done { .. } => {
                    Cursor::ended()
                }
            };
            portal.set_cursor(made);
        }
        portal.cursor.as_deref_mut().ok_or_else(|| Error::internal("a portal lost its cursor"))
    }
}
