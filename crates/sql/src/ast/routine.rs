//! Functions, triggers, policies, rules, statistics, casts, and objects defined by option lists.

use super::{
    DefElem, Expr, IndexKey, Name, ObjectKind, Pos, QualifiedName, RangeVar, RoleSpec, Statement, TypeName,
};

/// CREATE FUNCTION, CREATE PROCEDURE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    pub procedure: bool,
    pub or_replace: bool,
    pub name: QualifiedName,
    /// RETURNS TABLE's columns are parameters of mode `Table`.
    pub parameters: Vec<FunctionParameter>,
    pub returns: Option<TypeName>,
    pub options: Vec<FunctionOption>,
    pub body: Option<SqlBody>,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionParameter {
    pub name: Option<String>,
    pub mode: ParameterMode,
    pub type_name: TypeName,
    pub default: Option<Expr>,
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterMode {
    /// No mode written: IN.
    Default,
    In,
    Out,
    InOut,
    Variadic,
    Table,
}

/// An option of CREATE or ALTER FUNCTION.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionOption {
    pub kind: FunctionOptionKind,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FunctionOptionKind {
    /// AS 'definition' or AS 'object', 'symbol'.
    As(Vec<String>),
    Language(String),
    Transform(Vec<TypeName>),
    Window,
    /// CALLED ON NULL INPUT is `false`.
    Strict(bool),
    Volatility(Volatility),
    SecurityDefiner(bool),
    Leakproof(bool),
    Cost(String),
    Rows(String),
    Support(QualifiedName),
    Set(Box<super::SetStatement>),
    /// SAFE, RESTRICTED, UNSAFE or what the binder refuses.
    Parallel(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// A body in SQL's own syntax.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlBody {
    /// RETURN expr.
    Return(Expr),
    /// BEGIN ATOMIC ... END.
    Atomic(Vec<Statement>),
}

/// ALTER FUNCTION, PROCEDURE, ROUTINE with options.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterFunction {
    pub kind: ObjectKind,
    pub function: FunctionWithArgs,
    pub options: Vec<FunctionOption>,
}

/// A function named for ALTER, DROP, COMMENT, GRANT.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionWithArgs {
    pub name: QualifiedName,
    /// `None`: no parentheses were written. For aggregates written `(*)`: empty.
    pub args: Option<Vec<FunctionParameter>>,
}

impl FunctionWithArgs {
    /// The types of the input parameters, by which the function is looked up.
    pub fn input_types(&self) -> Option<Vec<&TypeName>> {
        let args = self.args.as_ref()?;
        let input = |m| !matches!(m, ParameterMode::Out | ParameterMode::Table);
        Some(args.iter().filter(|a| input(a.mode)).map(|a| &a.type_name).collect())
    }
}

/// CREATE TRIGGER.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    pub or_replace: bool,
    /// CONSTRAINT TRIGGER.
    pub constraint: bool,
    pub name: String,
    pub relation: RangeVar,
    pub function: QualifiedName,
    pub args: Vec<String>,
    pub row: bool,
    pub timing: TriggerTiming,
    pub events: TriggerEvents,
    /// UPDATE OF columns.
    pub columns: Vec<Name>,
    pub when: Option<Expr>,
    pub transitions: Vec<TriggerTransition>,
    pub deferrable: bool,
    pub initially_deferred: bool,
    /// FROM relation, for constraint triggers.
    pub constraint_relation: Option<RangeVar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTiming {
    Before,
    After,
    InsteadOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TriggerEvents {
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

/// REFERENCING NEW TABLE AS name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerTransition {
    pub name: String,
    pub new: bool,
    pub table: bool,
}

/// CREATE POLICY.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePolicy {
    pub name: String,
    pub relation: RangeVar,
    pub permissive: bool,
    /// `all`, `select`, `insert`, `update`, `delete`.
    pub command: String,
    pub roles: Vec<RoleSpec>,
    pub using: Option<Expr>,
    pub with_check: Option<Expr>,
}

/// ALTER POLICY.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPolicy {
    pub name: String,
    pub relation: RangeVar,
    pub roles: Vec<RoleSpec>,
    pub using: Option<Expr>,
    pub with_check: Option<Expr>,
}

/// CREATE RULE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRule {
    pub or_replace: bool,
    pub name: String,
    pub relation: RangeVar,
    /// `select`, `insert`, `update`, `delete`.
    pub event: String,
    pub where_clause: Option<Expr>,
    pub instead: bool,
    pub actions: Vec<Statement>,
}

/// CREATE STATISTICS.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateStatistics {
    pub name: QualifiedName,
    pub if_not_exists: bool,
    pub kinds: Vec<String>,
    pub elements: Vec<IndexKey>,
    pub relations: Vec<super::TableRef>,
}

/// ALTER TEXT SEARCH DICTIONARY (...) and CONFIGURATION ... MAPPING.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTextSearch {
    pub name: QualifiedName,
    pub action: TextSearchAction,
}

/// What is altered of a text search dictionary (the first) or configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum TextSearchAction {
    /// An option without a value goes.
    Options(Vec<DefElem>),
    AddMapping {
        tokens: Vec<Name>,
        dictionaries: Vec<QualifiedName>,
    },
    AlterMapping {
        tokens: Vec<Name>,
        dictionaries: Vec<QualifiedName>,
    },
    /// Of all token types if none is named.
    ReplaceDictionary {
        tokens: Vec<Name>,
        old: QualifiedName,
        new: QualifiedName,
    },
    DropMapping {
        tokens: Vec<Name>,
        if_exists: bool,
    },
}

/// ALTER STATISTICS ... SET STATISTICS.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterStatistics {
    pub name: QualifiedName,
    pub if_exists: bool,
    pub target: i32,
}

/// CREATE CAST.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateCast {
    pub source: TypeName,
    pub target: TypeName,
    /// `None` with `inout` false: WITHOUT FUNCTION.
    pub function: Option<FunctionWithArgs>,
    pub inout: bool,
    pub context: CastContext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// See [`Statement::Define`].
#[derive(Clone, Debug, PartialEq)]
pub struct Define {
    pub kind: ObjectKind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: QualifiedName,
    /// An aggregate's parameters; `None` for the old style and other kinds.
    pub parameters: Option<Vec<FunctionParameter>>,
    pub options: Vec<DefElem>,
    /// CREATE COLLATION ... FROM.
    pub from: Option<QualifiedName>,
}
