//! PostgreSQL's keywords: 460 words in four classes, with whether each may label a column without AS.
//!
//! The facts are those of `pg_get_keywords()` in PostgreSQL 15. Lookup is one probe or two in a hash table
//! that the compiler builds.

/// What a keyword may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordClass {
    /// Any name.
    Unreserved,
    /// The name of a column or table, but of no function or type.
    ColName,
    /// The name of a function or type, but of no column or table.
    TypeFunc,
    /// Only a label.
    Reserved,
}

use KeywordClass::{ColName as C, Reserved as R, TypeFunc as T, Unreserved as U};

macro_rules! keywords {
    ($($variant:ident $text:literal $class:ident $bare:literal;)*) => {
        /// A keyword.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Kw { $($variant),* }

        /// Indexed by [`Kw`].
        static KEYWORDS: &[KeywordInfo] = &[$(KeywordInfo { text: $text, class: $class, bare_label: $bare }),*];

        /// Indexed as [`KEYWORDS`].
        static ALL: &[Kw] = &[$(Kw::$variant),*];

        const TEXTS: &[&str] = &[$($text),*];
    };
}

/// A row of the table.
struct KeywordInfo {
    text: &'static str,
    class: KeywordClass,
    bare_label: bool,
}

keywords! {
    Abort "abort" U true;
    Absolute "absolute" U true;
    Access "access" U true;
    Action "action" U true;
    Add "add" U true;
    Admin "admin" U true;
    After "after" U true;
    Aggregate "aggregate" U true;
    All "all" R true;
    Also "also" U true;
    Alter "alter" U true;
    Always "always" U true;
    Analyse "analyse" R true;
    Analyze "analyze" R true;
    And "and" R true;
    Any "any" R true;
    Array "array" R false;
    As "as" R false;
    Asc "asc" R true;
    Asensitive "asensitive" U true;
    Assertion "assertion" U true;
    Assignment "assignment" U true;
    Asymmetric "asymmetric" R true;
    At "at" U true;
    Atomic "atomic" U true;
    Attach "attach" U true;
    Attribute "attribute" U true;
    Authorization "authorization" T true;
    Backward "backward" U true;
    Before "before" U true;
    Begin "begin" U true;
    Between "between" C true;
    Bigint "bigint" C true;
    Binary "binary" T true;
    Bit "bit" C true;
    Boolean "boolean" C true;
    Both "both" R true;
    Breadth "breadth" U true;
    By "by" U true;
    Cache "cache" U true;
    Call "call" U true;
    Called "called" U true;
    Cascade "cascade" U true;
    Cascaded "cascaded" U true;
    Case "case" R true;
    Cast "cast" R true;
    Catalog "catalog" U true;
    Chain "chain" U true;
    Char "char" C false;
    Character "character" C false;
    Characteristics "characteristics" U true;
    Check "check" R true;
    Checkpoint "checkpoint" U true;
    Class "class" U true;
    Close "close" U true;
    Cluster "cluster" U true;
    Coalesce "coalesce" C true;
    Collate "collate" R true;
    Collation "collation" T true;
    Column "column" R true;
    Columns "columns" U true;
    Comment "comment" U true;
    Comments "comments" U true;
    Commit "commit" U true;
    Committed "committed" U true;
    Compression "compression" U true;
    Concurrently "concurrently" T true;
    Configuration "configuration" U true;
    Conflict "conflict" U true;
    Connection "connection" U true;
    Constraint "constraint" R true;
    Constraints "constraints" U true;
    Content "content" U true;
    Continue "continue" U true;
    Conversion "conversion" U true;
    Copy "copy" U true;
    Cost "cost" U true;
    Create "create" R false;
    Cross "cross" T true;
    Csv "csv" U true;
    Cube "cube" U true;
    Current "current" U true;
    CurrentCatalog "current_catalog" R true;
    CurrentDate "current_date" R true;
    CurrentRole "current_role" R true;
    CurrentSchema "current_schema" T true;
    CurrentTime "current_time" R true;
    CurrentTimestamp "current_timestamp" R true;
    CurrentUser "current_user" R true;
    Cursor "cursor" U true;
    Cycle "cycle" U true;
    Data "data" U true;
    Database "database" U true;
    Day "day" U false;
    Deallocate "deallocate" U true;
    Dec "dec" C true;
    Decimal "decimal" C true;
    Declare "declare" U true;
    Default "default" R true;
    Defaults "defaults" U true;
    Deferrable "deferrable" R true;
    Deferred "deferred" U true;
    Definer "definer" U true;
    Delete "delete" U true;
    Delimiter "delimiter" U true;
    Delimiters "delimiters" U true;
    Depends "depends" U true;
    Depth "depth" U true;
    Desc "desc" R true;
    Detach "detach" U true;
    Dictionary "dictionary" U true;
    Disable "disable" U true;
    Discard "discard" U true;
    Distinct "distinct" R true;
    Do "do" R true;
    Document "document" U true;
    Domain "domain" U true;
    Double "double" U true;
    Drop "drop" U true;
    Each "each" U true;
    Else "else" R true;
    Enable "enable" U true;
    Encoding "encoding" U true;
    Encrypted "encrypted" U true;
    End "end" R true;
    Enum "enum" U true;
    Escape "escape" U true;
    Event "event" U true;
    Except "except" R false;
    Exclude "exclude" U true;
    Excluding "excluding" U true;
    Exclusive "exclusive" U true;
    Execute "execute" U true;
    Exists "exists" C true;
    Explain "explain" U true;
    Expression "expression" U true;
    Extension "extension" U true;
    External "external" U true;
    Extract "extract" C true;
    False "false" R true;
    Family "family" U true;
    Fetch "fetch" R false;
    Filter "filter" U false;
    Finalize "finalize" U true;
    First "first" U true;
    Float "float" C true;
    Following "following" U true;
    For "for" R false;
    Force "force" U true;
    Foreign "foreign" R true;
    Forward "forward" U true;
    Freeze "freeze" T true;
    From "from" R false;
    Full "full" T true;
    Function "function" U true;
    Functions "functions" U true;
    Generated "generated" U true;
    Global "global" U true;
    Grant "grant" R false;
    Granted "granted" U true;
    Greatest "greatest" C true;
    Group "group" R false;
    Grouping "grouping" C true;
    Groups "groups" U true;
    Handler "handler" U true;
    Having "having" R false;
    Header "header" U true;
    Hold "hold" U true;
    Hour "hour" U false;
    Identity "identity" U true;
    If "if" U true;
    Ilike "ilike" T true;
    Immediate "immediate" U true;
    Immutable "immutable" U true;
    Implicit "implicit" U true;
    Import "import" U true;
    In "in" R true;
    Include "include" U true;
    Including "including" U true;
    Increment "increment" U true;
    Index "index" U true;
    Indexes "indexes" U true;
    Inherit "inherit" U true;
    Inherits "inherits" U true;
    Initially "initially" R true;
    Inline "inline" U true;
    Inner "inner" T true;
    Inout "inout" C true;
    Input "input" U true;
    Insensitive "insensitive" U true;
    Insert "insert" U true;
    Instead "instead" U true;
    Int "int" C true;
    Integer "integer" C true;
    Intersect "intersect" R false;
    Interval "interval" C true;
    Into "into" R false;
    Invoker "invoker" U true;
    Is "is" T true;
    Isnull "isnull" T false;
    Isolation "isolation" U true;
    Join "join" T true;
    Key "key" U true;
    Label "label" U true;
    Language "language" U true;
    Large "large" U true;
    Last "last" U true;
    Lateral "lateral" R true;
    Leading "leading" R true;
    Leakproof "leakproof" U true;
    Least "least" C true;
    Left "left" T true;
    Level "level" U true;
    Like "like" T true;
    Limit "limit" R false;
    Listen "listen" U true;
    Load "load" U true;
    Local "local" U true;
    Localtime "localtime" R true;
    Localtimestamp "localtimestamp" R true;
    Location "location" U true;
    Lock "lock" U true;
    Locked "locked" U true;
    Logged "logged" U true;
    Mapping "mapping" U true;
    Match "match" U true;
    Matched "matched" U true;
    Materialized "materialized" U true;
    Maxvalue "maxvalue" U true;
    Merge "merge" U true;
    Method "method" U true;
    Minute "minute" U false;
    Minvalue "minvalue" U true;
    Mode "mode" U true;
    Month "month" U false;
    Move "move" U true;
    Name "name" U true;
    Names "names" U true;
    National "national" C true;
    Natural "natural" T true;
    Nchar "nchar" C true;
    New "new" U true;
    Next "next" U true;
    Nfc "nfc" U true;
    Nfd "nfd" U true;
    Nfkc "nfkc" U true;
    Nfkd "nfkd" U true;
    No "no" U true;
    None "none" C true;
    Normalize "normalize" C true;
    Normalized "normalized" U true;
    Not "not" R true;
    Nothing "nothing" U true;
    Notify "notify" U true;
    Notnull "notnull" T false;
    Nowait "nowait" U true;
    Null "null" R true;
    Nullif "nullif" C true;
    Nulls "nulls" U true;
    Numeric "numeric" C true;
    Object "object" U true;
    Of "of" U true;
    Off "off" U true;
    Offset "offset" R false;
    Oids "oids" U true;
    Old "old" U true;
    On "on" R false;
    Only "only" R true;
    Operator "operator" U true;
    Option "option" U true;
    Options "options" U true;
    Or "or" R true;
    Order "order" R false;
    Ordinality "ordinality" U true;
    Others "others" U true;
    Out "out" C true;
    Outer "outer" T true;
    Over "over" U false;
    Overlaps "overlaps" T false;
    Overlay "overlay" C true;
    Overriding "overriding" U true;
    Owned "owned" U true;
    Owner "owner" U true;
    Parallel "parallel" U true;
    Parameter "parameter" U true;
    Parser "parser" U true;
    Partial "partial" U true;
    Partition "partition" U true;
    Passing "passing" U true;
    Password "password" U true;
    Placing "placing" R true;
    Plans "plans" U true;
    Policy "policy" U true;
    Position "position" C true;
    Preceding "preceding" U true;
    Precision "precision" C false;
    Prepare "prepare" U true;
    Prepared "prepared" U true;
    Preserve "preserve" U true;
    Primary "primary" R true;
    Prior "prior" U true;
    Privileges "privileges" U true;
    Procedural "procedural" U true;
    Procedure "procedure" U true;
    Procedures "procedures" U true;
    Program "program" U true;
    Publication "publication" U true;
    Quote "quote" U true;
    Range "range" U true;
    Read "read" U true;
    Real "real" C true;
    Reassign "reassign" U true;
    Recheck "recheck" U true;
    Recursive "recursive" U true;
    Ref "ref" U true;
    References "references" R true;
    Referencing "referencing" U true;
    Refresh "refresh" U true;
    Reindex "reindex" U true;
    Relative "relative" U true;
    Release "release" U true;
    Rename "rename" U true;
    Repeatable "repeatable" U true;
    Replace "replace" U true;
    Replica "replica" U true;
    Reset "reset" U true;
    Restart "restart" U true;
    Restrict "restrict" U true;
    Return "return" U true;
    Returning "returning" R false;
    Returns "returns" U true;
    Revoke "revoke" U true;
    Right "right" T true;
    Role "role" U true;
    Rollback "rollback" U true;
    Rollup "rollup" U true;
    Routine "routine" U true;
    Routines "routines" U true;
    Row "row" C true;
    Rows "rows" U true;
    Rule "rule" U true;
    Savepoint "savepoint" U true;
    Schema "schema" U true;
    Schemas "schemas" U true;
    Scroll "scroll" U true;
    Search "search" U true;
    Second "second" U false;
    Security "security" U true;
    Select "select" R true;
    Sequence "sequence" U true;
    Sequences "sequences" U true;
    Serializable "serializable" U true;
    Server "server" U true;
    Session "session" U true;
    SessionUser "session_user" R true;
    Set "set" U true;
    Setof "setof" C true;
    Sets "sets" U true;
    Share "share" U true;
    Show "show" U true;
    Similar "similar" T true;
    Simple "simple" U true;
    Skip "skip" U true;
    Smallint "smallint" C true;
    Snapshot "snapshot" U true;
    Some "some" R true;
    Sql "sql" U true;
    Stable "stable" U true;
    Standalone "standalone" U true;
    Start "start" U true;
    Statement "statement" U true;
    Statistics "statistics" U true;
    Stdin "stdin" U true;
    Stdout "stdout" U true;
    Storage "storage" U true;
    Stored "stored" U true;
    Strict "strict" U true;
    Strip "strip" U true;
    Subscription "subscription" U true;
    Substring "substring" C true;
    Support "support" U true;
    Symmetric "symmetric" R true;
    Sysid "sysid" U true;
    System "system" U true;
    Table "table" R true;
    Tables "tables" U true;
    Tablesample "tablesample" T true;
    Tablespace "tablespace" U true;
    Temp "temp" U true;
    Template "template" U true;
    Temporary "temporary" U true;
    Text "text" U true;
    Then "then" R true;
    Ties "ties" U true;
    Time "time" C true;
    Timestamp "timestamp" C true;
    To "to" R false;
    Trailing "trailing" R true;
    Transaction "transaction" U true;
    Transform "transform" U true;
    Treat "treat" C true;
    Trigger "trigger" U true;
    Trim "trim" C true;
    True "true" R true;
    Truncate "truncate" U true;
    Trusted "trusted" U true;
    Type "type" U true;
    Types "types" U true;
    Uescape "uescape" U true;
    Unbounded "unbounded" U true;
    Uncommitted "uncommitted" U true;
    Unencrypted "unencrypted" U true;
    Union "union" R false;
    Unique "unique" R true;
    Unknown "unknown" U true;
    Unlisten "unlisten" U true;
    Unlogged "unlogged" U true;
    Until "until" U true;
    Update "update" U true;
    User "user" R true;
    Using "using" R true;
    Vacuum "vacuum" U true;
    Valid "valid" U true;
    Validate "validate" U true;
    Validator "validator" U true;
    Value "value" U true;
    Values "values" C true;
    Varchar "varchar" C true;
    Variadic "variadic" R true;
    Varying "varying" U false;
    Verbose "verbose" T true;
    Version "version" U true;
    View "view" U true;
    Views "views" U true;
    Volatile "volatile" U true;
    When "when" R true;
    Where "where" R false;
    Whitespace "whitespace" U true;
    Window "window" R false;
    With "with" R false;
    Within "within" U false;
    Without "without" U false;
    Work "work" U true;
    Wrapper "wrapper" U true;
    Write "write" U true;
    Xml "xml" U true;
    Xmlattributes "xmlattributes" C true;
    Xmlconcat "xmlconcat" C true;
    Xmlelement "xmlelement" C true;
    Xmlexists "xmlexists" C true;
    Xmlforest "xmlforest" C true;
    Xmlnamespaces "xmlnamespaces" C true;
    Xmlparse "xmlparse" C true;
    Xmlpi "xmlpi" C true;
    Xmlroot "xmlroot" C true;
    Xmlserialize "xmlserialize" C true;
    Xmltable "xmltable" C true;
    Year "year" U false;
    Yes "yes" U true;
    Zone "zone" U true;
}

/// Longer words are no keywords.
pub const MAX_KEYWORD_BYTES: usize = 17;

const SLOTS: usize = 2048;

const fn hash(word: &[u8]) -> usize {
    let mut h: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < word.len() {
        h = (h ^ word[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    ((h ^ (h >> 15)) as usize) % SLOTS
}

/// Open addressing; 0 is free, else the keyword's index and 1.
static TABLE: [u16; SLOTS] = {
    let mut table = [0u16; SLOTS];
    let mut i = 0;
    while i < TEXTS.len() {
        let mut slot = hash(TEXTS[i].as_bytes());
        while table[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = i as u16 + 1;
        i += 1;
    }
    table
};

impl Kw {
    /// The keyword `word` spells, in lower case.
    pub fn lookup(word: &[u8]) -> Option<Kw> {
        let mut slot = hash(word);
        loop {
            match TABLE[slot] {
                0 => return None,
                n => {
                    let i = usize::from(n) - 1;
                    if KEYWORDS[i].text.as_bytes() == word {
                        return Some(ALL[i]);
                    }
                }
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The word in lower case.
    pub fn text(self) -> &'static str {
        KEYWORDS[self as usize].text
    }

    pub fn class(self) -> KeywordClass {
        KEYWORDS[self as usize].class
    }

    /// Whether the word may label a column without AS.
    pub fn is_bare_label(self) -> bool {
        KEYWORDS[self as usize].bare_label
    }

    /// All keywords, sorted by their text.
    pub fn all() -> &'static [Kw] {
        ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_finds_itself() {
        assert_eq!(Kw::all().len(), 460);
        for &kw in Kw::all() {
            assert_eq!(Kw::lookup(kw.text().as_bytes()), Some(kw));
            assert!(kw.text().len() <= MAX_KEYWORD_BYTES);
        }
        assert!(Kw::all().is_sorted_by_key(|k| k.text()));
        assert_eq!(Kw::lookup(b"foo"), None);
    }
}
