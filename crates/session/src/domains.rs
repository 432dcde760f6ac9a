//! The constraints of domains, for values that come in as text or from a client: literals of arrays and rows, COPY, JSON.
//! Casts in queries carry their checks in the plan and don't come here.

use crate::context::SessionContext;
use crate::query::StatementContext;
use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, DomainRules, TypeDef, TypeKind};
use quarry_common::{Oid, Result};
use quarry_executor::eval::eval_const;
use quarry_plan::Expr;
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
        let statement = StatementContext {
            txn: reader.txn().clone(),
            reader: Arc::new(reader.clone()),
            io: session.io(),
            read_only: true,
            session,
        };
        eval_const(&test, &statement.exec_env(Arc::from([]), false)).map(drop)
    }
}
