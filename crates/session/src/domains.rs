//! The constraints of domains, for values that come in as text or from a client: literals of arrays and rows, COPY, JSON.
//! Casts in queries carry their checks in the plan and don't come here.

use crate::context::SessionContext;
use crate::query::StatementContext;
use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, DomainRules, TypeDef, TypeKind};
use quarry_common::{Oid, Result};
use quarry_executor::build::Builder;
use quarry_executor::eval::eval_const;
use quarry_executor::expr::{Layout, Program};
use quarry_executor::{Cx, ExecEnv, Runtime};
use quarry_plan::{ColumnId, Expr};
use quarry_sql::bind::{self, BindContext};
use quarry_types::{Datum, IoContext};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Most domains whose checks are kept bound.
const KEPT_MAX: usize = 256;

/// Checks values for one session.
pub(crate) struct SessionDomains {
    session: Weak<SessionContext>,
    /// Bound checks by domain. Good as long as the domain and those below it have the definitions they were bound by.
    bound: Mutex<HashMap<Oid, Bound>>,
}

#[derive(Clone)]
struct Bound {
    definitions: Vec<Arc<TypeDef>>,
    /// A cast of a constant: the value to be checked takes its place.
    test: Arc<Expr>,
}

impl SessionDomains {
    pub fn new(session: &Arc<SessionContext>) -> SessionDomains {
        SessionDomains { session: Arc::downgrade(session), bound: Mutex::default() }
    }

    fn test(&self, reader: &CatalogReader, domain: Oid) -> Result<Arc<Expr>> {
        let definitions = definitions(reader, domain)?;
        if let Some(kept) = self.bound.lock().get(&domain)
            && kept.definitions.len() == definitions.len()
            && kept.definitions.iter().zip(&definitions).all(|(a, b)| Arc::ptr_eq(a, b))
        {
            return Ok(kept.test.clone());
        }
        let io = IoContext { names: reader, ..Default::default() };
        let cx = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
        let test = Arc::new(bind::bind_domain_test(domain, Datum::Null, &cx)?);
        let mut bound = self.bound.lock();
        if bound.len() >= KEPT_MAX {
            bound.clear();
        }
        bound.insert(domain, Bound { definitions, test: test.clone() });
        Ok(test)
    }
}

/// The domain and the domains it is made of, from the outside in.
fn definitions(reader: &CatalogReader, domain: Oid) -> Result<Vec<Arc<TypeDef>>> {
    let mut found = vec![];
    let mut next = domain;
    while let Some(def) = reader.type_def(next)? {
        let TypeKind::Domain { base, .. } = &def.kind else { break };
        next = base.oid;
        found.push(def);
    }
    Ok(found)
}

impl DomainRules for SessionDomains {
    fn check(&self, reader: &CatalogReader, domain: Oid, value: &Datum) -> Result<()> {
        let Some(session) = self.session.upgrade() else { return Ok(()) };
        let test = self.test(reader, domain)?;
        let Expr::Cast { arg, ty, kind, implicit } = &*test else { return Ok(()) };
        let arg = Box::new(Expr::Const { value: value.clone(), ty: arg.ty() });
        let test = Expr::Cast { arg, ty: *ty, kind: kind.clone(), implicit: *implicit };
        let statement = StatementContext::of_reader(&session, Arc::new(reader.clone()), true);
        eval_const(&test, &statement.exec_env(Arc::from([]), false)).map(drop)
    }
}

/// Checks values for one statement that has many of them (COPY): each domain's check is compiled once.
pub(crate) struct StatementDomains {
    env: ExecEnv,
    session: Arc<SessionDomains>,
    /// A check under way is not here.
    compiled: Mutex<HashMap<Oid, (Program, Runtime)>>,
}

impl StatementDomains {
    /// The statement's environment with checks of its own.
    pub fn attach(session: &Arc<SessionContext>, env: ExecEnv) -> ExecEnv {
        let rules = StatementDomains {
            env: env.clone(),
            session: Arc::new(SessionDomains::new(session)),
            compiled: Mutex::default(),
        };
        let reader = Arc::new((*env.reader).clone().with_domains(Arc::new(rules)));
        ExecEnv { reader, ..env }
    }

    fn compile(&self, domain: Oid) -> Result<Option<(Program, Runtime)>> {
        let test = self.session.test(&self.env.reader, domain)?;
        let Expr::Cast { arg, ty, kind, implicit } = &*test else { return Ok(None) };
        let arg = Box::new(Expr::Column { id: VALUE, ty: arg.ty() });
        let test = Expr::Cast { arg, ty: *ty, kind: kind.clone(), implicit: *implicit };
        let io = self.env.io();
        let mut builder = Builder::new(&io, false);
        let program = builder.expr(&test, &Layout::new([VALUE]))?;
        Ok(Some((program, builder.finish())))
    }
}

/// The value to be checked, as the only column of its row.
const VALUE: ColumnId = ColumnId(0);

impl DomainRules for StatementDomains {
    fn check(&self, _: &CatalogReader, domain: Oid, value: &Datum) -> Result<()> {
        let kept = self.compiled.lock().remove(&domain);
        let found = match kept {
            Some(c) => Some(c),
            None => self.compile(domain)?,
        };
        let Some((program, mut runtime)) = found else { return Ok(()) };
        let io = self.env.io();
        let result = program.row(&mut Cx::new(&self.env, &io, &mut runtime), std::slice::from_ref(value));
        self.compiled.lock().insert(domain, (program, runtime));
        result.map(drop)
    }
}
