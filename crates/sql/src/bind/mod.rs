//! Name resolution and typing: from the syntax tree to a typed [`LogicalPlan`].
//!
//! One [`Binder`] binds one statement. It keeps a stack of [`scope::Scope`]s, one per query level; a name is looked for from the
//! innermost outwards, and as column ids are unique within the statement, a column found further out simply is one that the
//! inner plan doesn't make: that is correlation. Follows PostgreSQL's parse analysis (`src/backend/parser`) in rules and texts.
//!
//! `expr` and `call` bind expressions, `resolve` and `coerce` choose functions and casts, `query`, `from`, `aggregate`, `window`,
//! `set_operation` and `with` bind queries, `insert`, `update` and `table` bind changes of data. `view`, `record`, `updatable` and
//! `change_view` are about views: how they are stored and read, their trees, and changes made through them.

mod aggregate;
mod call;
mod change_view;
mod coerce;
mod constant_lists;
mod expr;
mod from;
mod insert;
mod insert_values;
mod locking;
mod operator;
mod postpone;
mod query;
mod record;
mod recursion;
mod references;
mod resolve;
mod rights;
mod scope;
mod search_cycle;
mod set_operation;
mod stored;
mod subscript;
mod table;
mod target;
mod types;
mod updatable;
mod update;
mod view;
mod whole_row;
mod window;
mod window_order;
mod with;

use crate::ast::{self, Pos};
use crate::parse;
use coerce::at;
use quarry_catalog::{CatalogReader, TypeKind};
use quarry_common::{Error, Oid, Result, err};
use quarry_plan::tree::{CteTree, QueryTree};
use quarry_plan::{ColumnId, CteId, Expr, LogicalPlan, QueryMeta, RowLock};
use quarry_types::io::IoContext;
use quarry_types::{SqlType, oids};
use scope::Scope;

pub use rights::role_of_view;
pub use stored::{
    StoredPlace, bind_domain_test, bind_for_planning, bind_identity_value, bind_new_expression,
    bind_stored_expression,
};
pub use table::{bind_check, bind_table_write, table_columns};
pub use types::interval_typmod;
pub use updatable::changes_data_in_with;
pub use view::{ViewDefinition, bind_stored_view, bind_view_definition};

/// A bound statement: what the planner takes.
#[derive(Clone, Debug)]
pub struct BoundStatement {
    pub plan: LogicalPlan,
    pub meta: QueryMeta,
    /// Result columns: id, name, type. Empty for changes without RETURNING.
    pub output: Vec<(ColumnId, String, SqlType)>,
    /// Types of `$1`...
    pub params: Vec<SqlType>,
}

/// What a statement is bound against.
pub struct BindContext<'a> {
    pub reader: &'a CatalogReader,
    /// For the input of literals; its names come from the reader.
    pub io: &'a IoContext<'a>,
    /// Types the client gave for `$1`...; 0 or absent: to be found out.
    pub param_types: &'a [Oid],
    /// Whether `$n` beyond those given may be used (Parse and PREPARE: yes; a simple query: no).
    pub params_allowed: bool,
}

/// Binds SELECT, VALUES, INSERT, UPDATE or DELETE.
pub fn bind_statement(stmt: &ast::Statement, cx: &BindContext<'_>) -> Result<BoundStatement> {
    let mut b = Binder::new(cx);
    b.top_with = match stmt {
        ast::Statement::Select(q) => q.with.as_ref(),
        ast::Statement::Insert(i) => i.with.as_ref(),
        ast::Statement::Update(u) => u.with.as_ref(),
        ast::Statement::Delete(d) => d.with.as_ref(),
        _ => None,
    }
    .map(|w| w.pos);
    let bound = b.statement(stmt)?;
    b.finish(bound.plan, bound.output)
}

/// Binds a constant-like expression (EXECUTE's arguments, SET's values): no columns; coerced to `target` by assignment if given.
pub fn bind_constant_expr(
    expr: &ast::Expr,
    target: Option<SqlType>,
    cx: &BindContext<'_>,
    what: &str,
) -> Result<(Expr, QueryMeta)> {
    let mut b = Binder::new(cx);
    b.scopes.push(Scope::new(scope::ExprKind::Parameter));
    let mut value = b.expr(expr)?;
    let e = match target {
        Some(ty) => {
            let source = value.expr.ty().oid;
            if !b.can_coerce(source, ty.oid, quarry_functions::CastContext::Assignment)? {
                let e = err!(
                    DATATYPE_MISMATCH,
                    "parameter ${what} of type {} cannot be coerced to the expected type {}",
                    b.type_name(source),
                    b.type_name(ty.oid)
                )
                .hint("You will need to rewrite or cast the expression.");
                return Err(at(e, value.pos));
            }
            let pos = value.pos;
            b.coerce_to(value, ty, quarry_functions::CastContext::Assignment, pos)?
        }
        None => {
            value = b.settle_unknown(value)?;
            value.expr
        }
    };
    Ok((e, b.meta))
}

/// The type a type name means.
pub fn resolve_type_name(name: &ast::TypeName, cx: &BindContext<'_>) -> Result<SqlType> {
    Binder::new(cx).type_name_to_type(name)
}

/// An expression and PostgreSQL's `exprLocation` of it.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub expr: Expr,
    pub pos: Pos,
}

/// A bound query or change: plan and visible columns.
pub(crate) struct Bound {
    pub plan: LogicalPlan,
    pub output: Vec<(ColumnId, String, SqlType)>,
    /// The query as written, if the binder records (see `record`).
    pub tree: Option<Box<QueryTree>>,
    /// Locks left to the query around this one; the plan gives their ctids besides the output.
    pub locks: Vec<RowLock>,
}

impl Bound {
    pub fn new(plan: LogicalPlan, output: Vec<(ColumnId, String, SqlType)>) -> Bound {
        Bound { plan, output, tree: None, locks: vec![] }
    }
}

/// A CTE that names may refer to.
#[derive(Clone)]
struct VisibleCte {
    name: String,
    id: CteId,
    columns: Vec<(String, ColumnId, SqlType)>,
    /// A data-modifying CTE without RETURNING has no columns to refer to.
    has_rows: bool,
    /// A recursive one whose second term is being bound.
    being_defined: bool,
}

/// Binds one statement.
pub(crate) struct Binder<'a> {
    reader: &'a CatalogReader,
    io: &'a IoContext<'a>,
    meta: QueryMeta,
    params: Vec<Oid>,
    params_allowed: bool,
    scopes: Vec<Scope>,
    ctes: Vec<VisibleCte>,
    /// References to each CTE, by id.
    cte_references: Vec<usize>,
    /// Names of WITH clauses under way that are not bound yet, the next one last.
    future_ctes: Vec<String>,
    /// The statement's own WITH clause, the only one that may change data.
    top_with: Option<Pos>,
    /// Views being expanded, outermost first: a view that contains itself is an error.
    views: Vec<Oid>,
    /// The same, for the rights they take (see `rights`).
    view_levels: Vec<rights::ViewLevel>,
    /// Relations in FROM and INSERTs so far, for the rights they take (see `rights`).
    range: Vec<rights::RangeEntry>,
    rights: Vec<quarry_plan::rights::Right>,
    view_writes: Vec<rights::ViewWrite>,
    view_uses: rights::ViewUses,
    /// What the query bound next is to lock for the one around it.
    pushed_lock: Option<locking::Pushed>,
    /// Trees are made besides plans (see `record`); the plans are of no use then.
    record: bool,
    /// COLLATE stays in expressions, for those that are to be stored and shown.
    keep_collations: bool,
    /// The columns of a set operation's sides so far, where hints may name them.
    set_sides: Option<Vec<Vec<scope::NsColumn>>>,
    /// The text being bound is a view's: relations and types may be named by OID (see `view`).
    stored: bool,
    /// CTEs of the WITH clauses being bound, if the binder records.
    recorded_ctes: Vec<CteTree>,
    depth: usize,
}

/// Deepest nesting of expressions and queries the binder follows.
const DEPTH_MAX: usize = 2500;

impl<'a> Binder<'a> {
    pub(crate) fn new(cx: &BindContext<'a>) -> Binder<'a> {
        Binder {
            reader: cx.reader,
            io: cx.io,
            meta: QueryMeta::default(),
            params: cx.param_types.to_vec(),
            params_allowed: cx.params_allowed,
            scopes: vec![],
            ctes: vec![],
            cte_references: vec![],
            future_ctes: vec![],
            top_with: None,
            views: vec![],
            view_levels: vec![],
            range: vec![],
            rights: vec![],
            view_writes: vec![],
            view_uses: rights::ViewUses::default(),
            pushed_lock: None,
            record: false,
            keep_collations: false,
            set_sides: None,
            stored: false,
            recorded_ctes: vec![],
            depth: 0,
        }
    }

    fn statement(&mut self, stmt: &ast::Statement) -> Result<Bound> {
        match stmt {
            ast::Statement::Select(q) => self.query(q, None),
            ast::Statement::Insert(i) => self.insert(i),
            ast::Statement::Update(u) => self.update(u),
            ast::Statement::Delete(d) => self.delete(d),
            ast::Statement::Merge(_) => Err(Error::unsupported("MERGE")),
            _ => Err(Error::internal("not a query")),
        }
    }

    fn finish(
        mut self,
        plan: LogicalPlan,
        output: Vec<(ColumnId, String, SqlType)>,
    ) -> Result<BoundStatement> {
        self.meta.rights = self.rights_of(&plan, output.iter().map(|(id, _, _)| *id));
        let params = self
            .params
            .iter()
            .enumerate()
            .map(|(i, oid)| match *oid {
                Oid::INVALID | oids::UNKNOWN => {
                    Err(err!(INDETERMINATE_DATATYPE, "could not determine data type of parameter ${}", i + 1))
                }
                oid => Ok(SqlType::of(oid)),
            })
            .collect::<Result<_>>()?;
        Ok(BoundStatement { plan, meta: self.meta, output, params })
    }

    /// Runs `f` one level deeper; 54001 beyond the limit.
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            let hint = "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.";
            return Err(err!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(hint));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a scope is pushed before anything is bound in it")
    }

    /// `$n`: its type as known so far.
    fn param(&mut self, number: i32, pos: Pos) -> Result<Expr> {
        let index = number - 1;
        if !(0..=65_535).contains(&index) || (!self.params_allowed && index as usize >= self.params.len()) {
            return Err(at(err!(UNDEFINED_PARAMETER, "there is no parameter ${number}"), pos));
        }
        let index = index as usize;
        if self.params.len() <= index {
            self.params.resize(index + 1, Oid::INVALID);
        }
        let oid = match self.params[index] {
            Oid::INVALID => oids::UNKNOWN,
            oid => oid,
        };
        Ok(Expr::Param { number: number as u32, ty: SqlType::of(oid) })
    }

    /// Gives an untyped parameter the type its use asks for; 42P08 if another use asked for another.
    fn set_param_type(&mut self, number: u32, ty: SqlType, pos: Pos) -> Result<()> {
        let slot = &mut self.params[number as usize - 1];
        if !slot.is_valid() || *slot == oids::UNKNOWN {
            *slot = ty.oid;
            return Ok(());
        }
        if *slot == ty.oid {
            return Ok(());
        }
        let first = *slot;
        let e = err!(AMBIGUOUS_PARAMETER, "inconsistent types deduced for parameter ${number}")
            .detail(format!("{} versus {}", self.type_name(first), self.type_name(ty.oid)));
        Err(at(e, pos))
    }

    /// An unknown literal or parameter left over becomes text.
    fn settle_unknown(&mut self, value: Typed) -> Result<Typed> {
        if value.expr.ty().oid != oids::UNKNOWN {
            return Ok(value);
        }
        let pos = value.pos;
        let context = quarry_functions::CastContext::Implicit;
        Ok(Typed { expr: self.coerce_to(value, SqlType::TEXT, context, pos)?, pos })
    }

    /// The CHECK of a domain as an expression over `Placeholder`.
    fn bind_domain_check(&mut self, sql: &str, base: SqlType) -> Result<Expr> {
        let parsed = parse::parse_expr(sql)?;
        let mut scope = Scope::new(scope::ExprKind::DomainCheck);
        scope.domain_value = Some(base);
        let outer = std::mem::take(&mut self.scopes);
        self.scopes.push(scope);
        let bound = self.expr(&parsed).and_then(|e| self.coerce_to_boolean(e, "CHECK"));
        self.scopes = outer;
        bound
    }

    /// Column names of a composite type.
    fn composite_column_names(&self, oid: Oid) -> Result<Vec<String>> {
        let relation = match self.reader.type_def(oid)?.map(|d| d.kind.clone()) {
            Some(TypeKind::Composite { relation }) => self.reader.relation(relation)?,
            _ => None,
        };
        Ok(relation
            .map_or(vec![], |r| r.columns.iter().filter(|c| !c.dropped).map(|c| c.name.clone()).collect()))
    }

    fn new_cte_id(&mut self) -> CteId {
        self.cte_references.push(0);
        CteId(self.cte_references.len() as u32 - 1)
    }
}
