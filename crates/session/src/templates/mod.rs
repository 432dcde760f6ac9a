//! Plans of statements that come as text, kept by the shape of the text.
//!
//! A text whose constants alone differ from one that was planned before runs with that plan, its constants as parameters: it is
//! neither scanned nor parsed, bound or planned. This is done from the second time that a shape is seen on, where the plan doesn't hang
//! on the constants: it reads one row by a key, or a plan for any values is estimated to be what the plan for these values is, node by
//! node ([`profile`]). A text that comes again as it is goes with its plan in any case.
//!
//! A template is made only if its statement, with the constants put back, binds to the very plan that the text itself binds to.
//! Whatever is out of the ordinary afterwards (a constant that its type refuses, a schema or setting that changed, a table that has
//! grown) goes the normal way, so that results and errors are the same.
//!
//! All sessions share them ([`shared`]), as far as what they depend on is the same ([`Scope`]): ten thousand connections of one
//! application run the same few hundred statements, which are planned once and take memory once, within a limit. A session itself
//! remembers only which it used last, without keeping them.

pub mod parsed;
mod profile;
mod scope;
pub mod shared;

use crate::portal::Portal;
use crate::prepared::{Level, Prepared, Source};
use crate::query::{CachedPlan, StatementContext, cache_entry, substitute_params};
use crate::request::FormatCodes;
use quarry_common::{Oid, Result};
use quarry_sql::ast;
use quarry_sql::bind::BoundStatement;
use quarry_sql::lexer::{self, LexOptions};
use quarry_sql::parse;
use quarry_sql::shape::{Constant, ConstantKind, Lifted, Shape};
use quarry_types::{Datum, oids};
use scope::Scope;
pub(crate) use scope::{Sizes, same_names, settings_digest};
use shared::{Entry, Key, Seen, TextPlans};
use std::sync::{Arc, Weak};

/// How a comment with hints begins.
const HINT: &str = "/*+";

/// Bytes from which an INSERT is data for the most part.
const DATA_BYTES: usize = 8 << 10;

/// Templates that a session remembers to have used; each takes a pointer.
const REMEMBERED_MAX: usize = 32;

/// A statement that is used again with other constants.
pub struct Template {
    key: Key,
    shape: Shape,
    prepared: Arc<Prepared>,
    plan: Arc<CachedPlan>,
    scope: Scope,
    /// Sizes of the tables that the plan was made for; none: it is right for any.
    sizes: Option<Sizes>,
    bytes: usize,
}

impl Entry for Template {
    fn key(&self) -> Key {
        self.key
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a session remembers of templates.
#[derive(Default)]
pub struct Templates {
    /// The last used one last.
    used: Vec<Weak<Template>>,
}

/// A text's template and its constants.
pub struct Found {
    pub prepared: Arc<Prepared>,
    pub plan: Arc<CachedPlan>,
    params: Arc<[Datum]>,
}

impl Found {
    /// A portal that runs it.
    pub fn portal(self) -> Portal {
        let mut portal = Portal::new(self.prepared, self.params, FormatCodes::new(), 0);
        portal.plan = Some(self.plan);
        portal
    }
}

/// A template that fits a text, and the text's constants.
pub(crate) struct Match<'t> {
    template: Arc<Template>,
    constants: Vec<Constant<'t>>,
}

impl Templates {
    /// The template of a text, and the text's constants.
    pub(crate) fn find<'t>(
        &mut self,
        sql: &'t str,
        options: LexOptions,
        database: Oid,
        shared: &TextPlans,
    ) -> Option<Match<'t>> {
        for at in (0..self.used.len()).rev() {
            let Some(template) = self.used[at].upgrade() else {
                self.used.remove(at);
                continue;
            };
            if let Some(constants) = template.shape.constants(sql, options) {
                let last = self.used.remove(at);
                self.used.push(last);
                return Some(Match { template, constants });
            }
        }
        if shared.is_empty() || !may_begin(sql) || is_data(sql) {
            return None;
        }
        let key = Key { database, fingerprint: fingerprint(sql, options) };
        let (template, constants) = shared.find(key, |t| t.shape.constants(sql, options))?;
        if self.used.len() >= REMEMBERED_MAX {
            self.used.remove(0);
        }
        self.used.push(Arc::downgrade(&template));
        Some(Match { template, constants })
    }

    /// Takes what [`Templates::find`] found. None: the text must go the normal way.
    pub(crate) fn take(
        &mut self,
        found: &Match<'_>,
        st: &StatementContext,
        shared: &TextPlans,
    ) -> Result<Option<Found>> {
        let template = &found.template;
        if st.reader.has_own_ddl() {
            return Ok(None);
        }
        if !template.scope.is_of(st) || !st.lock_relations(&template.plan)? {
            // Another session may still be able to use it, unless the schema has changed.
            self.used.retain(|u| u.as_ptr() != Arc::as_ptr(template));
            if template.scope.is_outdated(st) {
                shared.remove(template);
            }
            return Ok(None);
        }
        if template.sizes.as_ref().is_some_and(|sizes| sizes.have_changed(&st.reader)) {
            shared.remove(template);
            return Ok(None);
        }
        let params = values(&found.constants, &template.prepared.param_types, st);
        let (prepared, plan) = (template.prepared.clone(), template.plan.clone());
        Ok(params.map(|params| Found { prepared, plan, params }))
    }

    /// A text went the normal way, with this plan: the second time, its template is made. Not while the transaction has changed the
    /// schema: that may be undone.
    pub(crate) fn note(
        &mut self,
        text: &Arc<str>,
        options: LexOptions,
        st: &StatementContext,
        used: &Portal,
        shared: &TextPlans,
    ) {
        let Some(plan) = used.plan.as_ref().filter(|_| !st.reader.has_own_ddl()) else { return };
        if is_data(text) {
            return;
        }
        let database = st.session.database.0;
        let fingerprint = fingerprint(text, options);
        let key = Key { database, fingerprint };
        match shared.see(key) {
            Seen::First => {}
            Seen::Again => match make(key, text, options, st, plan) {
                Some(template) => shared.insert(template),
                None => shared.refuse(key),
            },
            // The same text once more can be recognised even then.
            Seen::Refused => {
                let exact = Key { database, fingerprint: shared::text_hash(text) };
                if matches!(shared.see(exact), Seen::Again)
                    && let Some(template) = make_exact(key, text, options, st, used, plan)
                {
                    shared.insert(template);
                }
            }
        }
    }
}

/// Whether a text may be a query: there is no need to scan others.
fn may_begin(sql: &str) -> bool {
    let word = sql.trim_start().as_bytes();
    word.first().is_some_and(|b| b"sSiIuUdDwWvVtT(/-".contains(b))
}

/// Whether a text is an INSERT whose rows make up most of it: its like hardly comes again, and constants in such numbers are read
/// faster than parameters.
fn is_data(text: &str) -> bool {
    text.len() > DATA_BYTES
        && text
            .trim_start()
            .as_bytes()
            .first_chunk()
            .is_some_and(|word: &[u8; 6]| word.eq_ignore_ascii_case(b"insert"))
}

fn fingerprint(text: &str, options: LexOptions) -> u64 {
    let tokens = lexer::fingerprint(text, &lexer::lex_with(text, options).tokens);
    // Comments are no tokens, but one with hints makes another statement of it.
    match text.find(HINT) {
        Some(at) => tokens ^ shared::text_hash(text[at..].split_inclusive("*/").next().unwrap_or_default()),
        None => tokens,
    }
}

/// The constants as values of the parameters' types; none if a type refuses one.
fn values(constants: &[Constant<'_>], types: &[Oid], st: &StatementContext) -> Option<Arc<[Datum]>> {
    let io = st.io();
    let value = |(constant, oid): (&Constant<'_>, &Oid)| match (constant.kind, *oid) {
        (ConstantKind::Int4, oids::INT4) => constant.text.parse().ok().map(Datum::I32),
        _ => io.type_ref(*oid).ok()?.input(constant.text, -1, &io).ok(),
    };
    constants.iter().zip(types).map(value).collect()
}

/// The template of a text, if there can be one. `custom` is the plan for its own constants.
fn make(
    key: Key,
    text: &Arc<str>,
    options: LexOptions,
    st: &StatementContext,
    custom: &Arc<CachedPlan>,
) -> Option<Template> {
    let Lifted { shape, statement } = Shape::lift(text, options)?;
    if crate::rules::rewrite(&statement).ok()?.is_some() {
        return None;
    }
    let declared: Vec<Oid> = shape
        .kinds()
        .map(|kind| match kind {
            ConstantKind::Int4 => oids::INT4,
            ConstantKind::Numeric => oids::NUMERIC,
            ConstantKind::Text => Oid::INVALID,
        })
        .collect();
    let lifted = st.analyze(&statement, &declared, true).ok()?;
    let param_types: Vec<Oid> = lifted.bound.params.iter().map(|t| t.oid).collect();
    let params = values(&shape.constants(text, options)?, &param_types, st)?;
    let mut restored = lifted.bound.clone();
    substitute_params(&mut restored, &params);
    let original = parse::parse_with_notices(text, options).ok()?.0.pop()?.stmt;
    let original = st.analyze(&original, &[], false).ok()?;
    if meaning(&original.bound) != meaning(&restored) {
        return None;
    }
    let is_select = matches!(statement, ast::Statement::Select(_));
    let columns = (is_select || !lifted.columns.is_empty()).then(|| lifted.columns.into());
    let source = Source { text, query: Some(text), level: Level::Part };
    let plan = cache_entry(st.plan(lifted.bound, None, source).ok()?, lifted.stamp);
    if !plan.fast.as_ref().is_some_and(|f| f.is_single_row())
        && !profile::are_alike(&plan.statement, &custom.statement)
    {
        return None;
    }
    let prepared = Prepared {
        name: String::new(),
        text: text.clone(),
        place: None,
        statement: Some(statement),
        rule_tag: None,
        param_types,
        columns,
        plans: Default::default(),
        described: Default::default(),
        from_sql: false,
        prepared_at: 0,
    };
    Some(Template::new(key, shape, Arc::new(prepared), plan, st))
}

/// The template of a text that is used again as it is.
fn make_exact(
    key: Key,
    text: &Arc<str>,
    options: LexOptions,
    st: &StatementContext,
    used: &Portal,
    plan: &Arc<CachedPlan>,
) -> Option<Template> {
    let lexed = lexer::lex_with(text, options);
    // What there is to be told of a text is told each time.
    if used.statement.rule_tag.is_some() || lexed.error.is_some() || !lexed.notices.is_empty() {
        return None;
    }
    let prepared = Prepared {
        name: String::new(),
        text: text.clone(),
        place: None,
        statement: used.statement.statement.clone(),
        rule_tag: None,
        param_types: vec![],
        columns: used.columns.clone(),
        plans: Default::default(),
        described: Default::default(),
        from_sql: false,
        prepared_at: 0,
    };
    Some(Template::new(key, Shape::exact(text, options), Arc::new(prepared), plan.clone(), st))
}

impl Template {
    fn new(
        key: Key,
        shape: Shape,
        prepared: Arc<Prepared>,
        plan: Arc<CachedPlan>,
        st: &StatementContext,
    ) -> Template {
        let sizes = Sizes::of(&plan.statement, &st.reader);
        let bytes =
            size_of::<Template>() + shape.bytes() + 8 * prepared.text.len() + profile::bytes(&plan.statement);
        Template { key, shape, prepared, plan, scope: Scope::of(st), sizes, bytes }
    }
}

/// What a statement was bound to, to be compared: its plan and its result.
fn meaning(bound: &BoundStatement) -> String {
    format!("{:?} {:?}", bound.plan, bound.output)
}
