//! Kinds and names of objects, and the commands that take many kinds.

use super::{DefArg, DropBehavior, FunctionWithArgs, Name, OpName, Pos, QualifiedName, RoleSpec, TypeName};

/// The kinds of objects, for DROP, COMMENT, RENAME, OWNER, SET SCHEMA, GRANT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    AccessMethod,
    Aggregate,
    Attribute,
    Cast,
    Collation,
    Column,
    Conversion,
    Database,
    DefaultAcl,
    Domain,
    DomainConstraint,
    EventTrigger,
    Extension,
    ForeignDataWrapper,
    ForeignServer,
    ForeignTable,
    Function,
    Index,
    Language,
    LargeObject,
    MatView,
    OpClass,
    Operator,
    OpFamily,
    Parameter,
    Policy,
    Procedure,
    Publication,
    Role,
    Routine,
    Rule,
    Schema,
    Sequence,
    Statistics,
    Subscription,
    Table,
    TableConstraint,
    Tablespace,
    Transform,
    Trigger,
    TsConfiguration,
    TsDictionary,
    TsParser,
    TsTemplate,
    Type,
    UserMapping,
    View,
}

impl ObjectKind {
    /// As SQL writes it, upper case: `MATERIALIZED VIEW`.
    pub fn sql(self) -> &'static str {
        use ObjectKind::*;
        match self {
            AccessMethod => "ACCESS METHOD",
            Aggregate => "AGGREGATE",
            Attribute => "ATTRIBUTE",
            Cast => "CAST",
            Collation => "COLLATION",
            Column => "COLUMN",
            Conversion => "CONVERSION",
            Database => "DATABASE",
            DefaultAcl => "DEFAULT PRIVILEGES",
            Domain => "DOMAIN",
            DomainConstraint | TableConstraint => "CONSTRAINT",
            EventTrigger => "EVENT TRIGGER",
            Extension => "EXTENSION",
            ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            ForeignServer => "SERVER",
            ForeignTable => "FOREIGN TABLE",
            Function => "FUNCTION",
            Index => "INDEX",
            Language => "LANGUAGE",
            LargeObject => "LARGE OBJECT",
            MatView => "MATERIALIZED VIEW",
            OpClass => "OPERATOR CLASS",
            Operator => "OPERATOR",
            OpFamily => "OPERATOR FAMILY",
            Parameter => "PARAMETER",
            Policy => "POLICY",
            Procedure => "PROCEDURE",
            Publication => "PUBLICATION",
            Role => "ROLE",
            Routine => "ROUTINE",
            Rule => "RULE",
            Schema => "SCHEMA",
            Sequence => "SEQUENCE",
            Statistics => "STATISTICS",
            Subscription => "SUBSCRIPTION",
            Table => "TABLE",
            Tablespace => "TABLESPACE",
            Transform => "TRANSFORM",
            Trigger => "TRIGGER",
            TsConfiguration => "TEXT SEARCH CONFIGURATION",
            TsDictionary => "TEXT SEARCH DICTIONARY",
            TsParser => "TEXT SEARCH PARSER",
            TsTemplate => "TEXT SEARCH TEMPLATE",
            Type => "TYPE",
            UserMapping => "USER MAPPING",
            View => "VIEW",
        }
    }
}

/// An object named in DROP, COMMENT, RENAME, OWNER, SET SCHEMA; the form depends on the kind.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectRef {
    /// Relations, schemas, extensions, ...; a column is the relation's parts and its own.
    Name(QualifiedName),
    /// Functions, procedures, routines, aggregates.
    Function(FunctionWithArgs),
    /// Types and domains.
    Type(TypeName),
    /// `None` stands for NONE.
    Operator {
        name: OpName,
        left: Option<TypeName>,
        right: Option<TypeName>,
        pos: Pos,
    },
    /// Triggers, rules, policies, constraints.
    OnRelation {
        name: Name,
        relation: QualifiedName,
    },
    /// A domain's constraint.
    OnDomain {
        name: Name,
        domain: TypeName,
    },
    /// Operator classes and families.
    Using {
        name: QualifiedName,
        access_method: String,
    },
    Cast {
        source: TypeName,
        target: TypeName,
    },
    Transform {
        type_name: TypeName,
        language: String,
    },
    LargeObject(DefArg),
    Role(RoleSpec),
}

/// DROP of anything but roles, databases, tablespaces, subscriptions.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    pub kind: ObjectKind,
    pub objects: Vec<ObjectRef>,
    pub if_exists: bool,
    pub behavior: DropBehavior,
    pub concurrently: bool,
}

/// ALTER ... RENAME.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// What is renamed: a Column, an Attribute, a constraint, or the object itself.
    pub kind: ObjectKind,
    /// The relation, or the kind of it that a column or constraint belongs to.
    pub relation_kind: ObjectKind,
    pub object: ObjectRef,
    /// The column, attribute or constraint that is renamed.
    pub subname: Option<Name>,
    pub new_name: String,
    pub if_exists: bool,
    pub behavior: DropBehavior,
}

/// ALTER ... OWNER TO, for what is no relation.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterOwner {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    pub owner: RoleSpec,
}

/// ALTER ... SET SCHEMA.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterObjectSchema {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    pub new_schema: String,
    pub if_exists: bool,
}

/// COMMENT ON.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    /// `None`: IS NULL.
    pub comment: Option<String>,
}
