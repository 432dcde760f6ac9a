//! Plans of single-row statements that come as text, kept by the shape of the text.
//!
//! A text whose constants alone differ from one that was planned before runs with that plan, its constants as parameters: it is
//! neither scanned nor parsed, bound or planned. This is done for statements with a short path ([`FastPlan`]) only, where the plan
//! doesn't hang on the constants, and from the second time that a shape is seen on.
//!
//! A template is made only if its statement, with the constants put back, binds to the very plan that the text itself binds to.
//! Whatever is out of the ordinary afterwards (a constant that its type refuses, a schema or setting that changed) goes the normal
//! way, so that results and errors are the same.
//!
//! [`FastPlan`]: quarry_executor::fastpath::FastPlan

use crate::portal::Portal;
use crate::prepared::Prepared;
use crate::query::{CachedPlan, StatementContext, substitute_params};
use quarry_common::{Oid, Result};
use quarry_sql::bind::BoundStatement;
use quarry_sql::lexer::{self, LexOptions};
use quarry_sql::parse;
use quarry_sql::shape::{Constant, ConstantKind, Lifted, Shape};
use quarry_types::{Datum, oids};
use std::sync::Arc;

/// Templates of one session; the one used longest ago makes room. Each takes a few kilobytes.
const TEMPLATES_MAX: usize = 12;
/// Fingerprints remembered of texts that are no template.
const SEEN_MAX: usize = 32;

/// A statement that is used again with other constants.
struct Template {
    shape: Shape,
    prepared: Arc<Prepared>,
    plan: Arc<CachedPlan>,
}

/// What is known of a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Once,
    /// No template can be made of it.
    Refused,
}

/// A session's templates.
#[derive(Default)]
pub struct Templates {
    /// The last used one last.
    kept: Vec<Template>,
    seen: Vec<(u64, Seen)>,
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
        let mut portal = Portal::new(self.prepared, self.params, vec![], 0);
        portal.plan = Some(self.plan);
        portal
    }
}

impl Templates {
    /// Where the template of a text is, and the text's constants.
    pub fn find<'t>(&self, sql: &'t str, options: LexOptions) -> Option<(usize, Vec<Constant<'t>>)> {
        let matching = |(i, t): (usize, &Template)| Some((i, t.shape.constants(sql, options)?));
        self.kept.iter().enumerate().rev().find_map(matching)
    }

    /// Takes what [`Templates::find`] found. None: the text must go the normal way.
    pub fn take(
        &mut self,
        at: usize,
        constants: &[Constant<'_>],
        st: &StatementContext,
    ) -> Result<Option<Found>> {
        let template = self.kept.remove(at);
        if !st.may_reuse(&template.plan)? {
            return Ok(None);
        }
        let params = values(constants, &template.prepared.param_types, st);
        let (prepared, plan) = (template.prepared.clone(), template.plan.clone());
        self.kept.push(template);
        Ok(params.map(|params| Found { prepared, plan, params }))
    }

    /// A text with a short path went the normal way: the second time, its template is made. Not while the transaction has changed
    /// the schema: that may be undone.
    pub fn note(&mut self, text: &Arc<str>, options: LexOptions, st: &StatementContext) {
        if st.reader.has_own_ddl() {
            return;
        }
        let fingerprint = lexer::fingerprint(text, &lexer::lex_with(text, options).tokens);
        match self.seen.iter().find(|(f, _)| *f == fingerprint) {
            None => self.remember(fingerprint, Seen::Once),
            Some((_, Seen::Refused)) => {}
            Some((_, Seen::Once)) => {
                self.seen.retain(|(f, _)| *f != fingerprint);
                match make(text, options, st) {
                    Some(template) => {
                        if self.kept.len() >= TEMPLATES_MAX {
                            self.kept.remove(0);
                        }
                        self.kept.push(template);
                    }
                    None => self.remember(fingerprint, Seen::Refused),
                }
            }
        }
    }

    fn remember(&mut self, fingerprint: u64, seen: Seen) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.remove(0);
        }
        self.seen.push((fingerprint, seen));
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

/// The template of a text, if there can be one.
fn make(text: &Arc<str>, options: LexOptions, st: &StatementContext) -> Option<Template> {
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
    let columns = (!lifted.columns.is_empty()).then_some(lifted.columns);
    let plan = st.cache_entry(st.plan(lifted.bound, None).ok()?);
    plan.fast.as_ref().filter(|f| f.is_single_row())?;
    let prepared = Prepared {
        name: String::new(),
        text: text.clone(),
        statement: Some(statement),
        rule_tag: None,
        param_types,
        columns,
        plans: Default::default(),
        from_sql: false,
        prepared_at: 0,
    };
    Some(Template { shape, prepared: Arc::new(prepared), plan })
}

/// What a statement was bound to, to be compared: its plan and its result.
fn meaning(bound: &BoundStatement) -> String {
    format!("{:?} {:?}", bound.plan, bound.output)
}
