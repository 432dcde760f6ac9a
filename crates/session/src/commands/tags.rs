//! Command tags: what CommandComplete calls each statement (PostgreSQL: CreateCommandTag).

use quarry_sql::ast::{ObjectKind, SetKind, Statement, Transaction};

/// The tag of a statement, without counts.
pub fn tag_of(stmt: &Statement) -> &'static str {
    match stmt {
        Statement::Select(q) if crate::session::has_into(q) => "SELECT INTO",
        Statement::Select(_) => "SELECT",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Merge(_) => "MERGE",
        Statement::Copy(_) => "COPY",
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::Call(_) => "CALL",
        Statement::Do(_) => "DO",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::CreateTableAs(c) if c.materialized_view => "CREATE MATERIALIZED VIEW",
        Statement::CreateTableAs(_) => "CREATE TABLE AS",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::CreateSchema(_) => "CREATE SCHEMA",
        Statement::CreateSequence(_) => "CREATE SEQUENCE",
        Statement::AlterSequence(_) => "ALTER SEQUENCE",
        Statement::CreateEnum(_) | Statement::CreateCompositeType(_) | Statement::CreateRange(_) => {
            "CREATE TYPE"
        }
        Statement::AlterEnum(_) => "ALTER TYPE",
        Statement::CreateDomain(_) => "CREATE DOMAIN",
        Statement::AlterDomain(_) => "ALTER DOMAIN",
        Statement::CreateExtension(_) => "CREATE EXTENSION",
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::AlterFunction(_) => "ALTER FUNCTION",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreatePolicy(_) => "CREATE POLICY",
        Statement::AlterPolicy(_) => "ALTER POLICY",
        Statement::CreateRule(_) => "CREATE RULE",
        Statement::CreateStatistics(_) => "CREATE STATISTICS",
        Statement::AlterStatistics(_) => "ALTER STATISTICS",
        Statement::AlterTextSearch(c) => match c.action {
            quarry_sql::ast::TextSearchAction::Options(_) => "ALTER TEXT SEARCH DICTIONARY",
            _ => "ALTER TEXT SEARCH CONFIGURATION",
        },
        Statement::CreateCast(_) => "CREATE CAST",
        Statement::Define(d) => match d.kind {
            ObjectKind::TsConfiguration => "CREATE TEXT SEARCH CONFIGURATION",
            ObjectKind::TsDictionary => "CREATE TEXT SEARCH DICTIONARY",
            _ => "CREATE TYPE",
        },
        Statement::AlterTable(a) => alter_tag(a.kind),
        Statement::Drop(d) => drop_tag(d.kind),
        Statement::Rename(r) => match r.kind {
            ObjectKind::Column | ObjectKind::TableConstraint | ObjectKind::Attribute => {
                alter_tag(r.relation_kind)
            }
            ObjectKind::DomainConstraint => "ALTER DOMAIN",
            kind => alter_tag(kind),
        },
        Statement::AlterOwner(a) => alter_tag(a.kind),
        Statement::AlterObjectSchema(a) => alter_tag(a.kind),
        Statement::Comment(_) => "COMMENT",
        Statement::RefreshMatView(_) => "REFRESH MATERIALIZED VIEW",
        Statement::CreatePublication(_) => "CREATE PUBLICATION",
        Statement::AlterPublication(_) => "ALTER PUBLICATION",
        Statement::CreateSubscription(_) => "CREATE SUBSCRIPTION",
        Statement::AlterSubscription(_) => "ALTER SUBSCRIPTION",
        Statement::DropSubscription(_) => "DROP SUBSCRIPTION",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::AlterRole(_) | Statement::AlterRoleSet(_) => "ALTER ROLE",
        Statement::DropRole(_) => "DROP ROLE",
        Statement::Grant(g) => {
            if g.grant {
                "GRANT"
            } else {
                "REVOKE"
            }
        }
        Statement::GrantRole(g) => {
            if g.grant {
                "GRANT ROLE"
            } else {
                "REVOKE ROLE"
            }
        }
        Statement::AlterDefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
        Statement::ReassignOwned(_) => "REASSIGN OWNED",
        Statement::DropOwned(_) => "DROP OWNED",
        Statement::CreateDatabase(_) => "CREATE DATABASE",
        Statement::AlterDatabase(_) | Statement::AlterDatabaseSet(_) => "ALTER DATABASE",
        Statement::DropDatabase(_) => "DROP DATABASE",
        Statement::CreateTablespace(_) => "CREATE TABLESPACE",
        Statement::DropTablespace(_) => "DROP TABLESPACE",
        Statement::AlterSystem(_) => "ALTER SYSTEM",
        Statement::Transaction(t) => match **t {
            Transaction::Begin { start: true, .. } => "START TRANSACTION",
            Transaction::Begin { .. } => "BEGIN",
            Transaction::Commit { .. } => "COMMIT",
            Transaction::Rollback { .. } | Transaction::RollbackTo(_) => "ROLLBACK",
            Transaction::Savepoint(_) => "SAVEPOINT",
            Transaction::Release(_) => "RELEASE",
            Transaction::Prepare(_) => "PREPARE TRANSACTION",
            Transaction::CommitPrepared(_) => "COMMIT PREPARED",
            Transaction::RollbackPrepared(_) => "ROLLBACK PREPARED",
        },
        Statement::Set(s) => match s.kind {
            SetKind::Reset { .. } | SetKind::ResetAll => "RESET",
            _ => "SET",
        },
        Statement::Show(_) => "SHOW",
        Statement::SetConstraints(_) => "SET CONSTRAINTS",
        Statement::Lock(_) => "LOCK TABLE",
        Statement::Prepare(_) => "PREPARE",
        Statement::Execute(_) => "EXECUTE",
        Statement::Deallocate(d) => {
            if d.name.is_none() {
                "DEALLOCATE ALL"
            } else {
                "DEALLOCATE"
            }
        }
        Statement::DeclareCursor(_) => "DECLARE CURSOR",
        Statement::Fetch(f) => {
            if f.is_move {
                "MOVE"
            } else {
                "FETCH"
            }
        }
        Statement::ClosePortal(c) => {
            if c.name.is_none() {
                "CLOSE CURSOR ALL"
            } else {
                "CLOSE CURSOR"
            }
        }
        Statement::Listen(_) => "LISTEN",
        Statement::Notify(_) => "NOTIFY",
        Statement::Unlisten(_) => "UNLISTEN",
        Statement::Discard(d) => match **d {
            quarry_sql::ast::Discard::All => "DISCARD ALL",
            quarry_sql::ast::Discard::Plans => "DISCARD PLANS",
            quarry_sql::ast::Discard::Sequences => "DISCARD SEQUENCES",
            quarry_sql::ast::Discard::Temp => "DISCARD TEMP",
        },
        Statement::Load(_) => "LOAD",
        Statement::Explain(_) => "EXPLAIN",
        Statement::Vacuum(v) => {
            if v.vacuum {
                "VACUUM"
            } else {
                "ANALYZE"
            }
        }
        Statement::Cluster(_) => "CLUSTER",
        Statement::Reindex(_) => "REINDEX",
        Statement::Checkpoint => "CHECKPOINT",
        Statement::Unsupported(_) => "???",
    }
}

macro_rules! kinds {
    ($name:ident, $verb:literal) => {
        fn $name(kind: ObjectKind) -> &'static str {
            use ObjectKind::*;
            match kind {
                AccessMethod => concat!($verb, " ACCESS METHOD"),
                Aggregate => concat!($verb, " AGGREGATE"),
                Cast => concat!($verb, " CAST"),
                Collation => concat!($verb, " COLLATION"),
                Conversion => concat!($verb, " CONVERSION"),
                Database => concat!($verb, " DATABASE"),
                Domain | DomainConstraint => concat!($verb, " DOMAIN"),
                EventTrigger => concat!($verb, " EVENT TRIGGER"),
                Extension => concat!($verb, " EXTENSION"),
                ForeignDataWrapper => concat!($verb, " FOREIGN DATA WRAPPER"),
                ForeignServer => concat!($verb, " SERVER"),
                ForeignTable => concat!($verb, " FOREIGN TABLE"),
                Function => concat!($verb, " FUNCTION"),
                Index => concat!($verb, " INDEX"),
                Language => concat!($verb, " LANGUAGE"),
                LargeObject => concat!($verb, " LARGE OBJECT"),
                MatView => concat!($verb, " MATERIALIZED VIEW"),
                OpClass => concat!($verb, " OPERATOR CLASS"),
                Operator => concat!($verb, " OPERATOR"),
                OpFamily => concat!($verb, " OPERATOR FAMILY"),
                Policy => concat!($verb, " POLICY"),
                Procedure => concat!($verb, " PROCEDURE"),
                Publication => concat!($verb, " PUBLICATION"),
                Role => concat!($verb, " ROLE"),
                Routine => concat!($verb, " ROUTINE"),
                Rule => concat!($verb, " RULE"),
                Schema => concat!($verb, " SCHEMA"),
                Sequence => concat!($verb, " SEQUENCE"),
                Statistics => concat!($verb, " STATISTICS"),
                Subscription => concat!($verb, " SUBSCRIPTION"),
                Tablespace => concat!($verb, " TABLESPACE"),
                Transform => concat!($verb, " TRANSFORM"),
                Trigger => concat!($verb, " TRIGGER"),
                TsConfiguration => concat!($verb, " TEXT SEARCH CONFIGURATION"),
                TsDictionary => concat!($verb, " TEXT SEARCH DICTIONARY"),
                TsParser => concat!($verb, " TEXT SEARCH PARSER"),
                TsTemplate => concat!($verb, " TEXT SEARCH TEMPLATE"),
                Type | Attribute => concat!($verb, " TYPE"),
                UserMapping => concat!($verb, " USER MAPPING"),
                View => concat!($verb, " VIEW"),
                Column | DefaultAcl | Parameter | Table | TableConstraint => concat!($verb, " TABLE"),
            }
        }
    };
}
kinds!(alter_tag, "ALTER");
kinds!(drop_tag, "DROP");
