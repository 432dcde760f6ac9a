//! What the operator classes of GIN do with values: which keys a value has, which a query looks for, and what follows from the ones
//! an item has (PostgreSQL: `ginarrayproc.c`, `jsonb_gin.c`, `tsginidx.c`, `contrib/pg_trgm/trgm_gin.c`).
//!
//! Keys are plain byte strings, ordered bytewise; the executor puts the column and the category (a key, NULL among the keys, no keys at
//! all, a NULL value) before them. They are stored: how a value becomes keys must not change, hashes included.
//!
//! Invariants: G1 for a value for which the operator is true, `consistent` with what is known of its entries is never False, and the
//! item is among the candidates of the query's [`GinMode`]. G2 `consistent` says True only if the operator is true. G3 the fewer
//! entries are known, the more answers are Maybe: knowing more never turns True into False or back.

mod array;
mod formula;
mod jsonb;
mod jsonpath;
mod keys;
mod text_search;
mod trigram;

#[cfg(test)]
mod tests;

pub use keys::GinKeys;

use crate::EvalContext;
use quarry_common::{Result, Ternary, bail};
use quarry_types::Datum;
use std::sync::Arc;

/// What the entries that an item has say of the operator: one [`Ternary`] for each entry, in their order.
pub type Consistent = Arc<dyn Fn(&[Ternary]) -> Ternary + Send + Sync>;

/// An operator class.
pub trait GinClass: Send + Sync {
    /// Appends the keys of a value that is not NULL, given as stored; see [`GinKeys::finish`].
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()>;
    /// What to look for where `column OPERATOR query`; the operator is given by its number in the class's family. The query is not
    /// NULL.
    fn extract_query(&self, cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery>;
}

/// One thing looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GinEntryQuery {
    /// NULL among the keys.
    Null,
    Key(Vec<u8>),
    /// Any key from `lower` on and below `upper`; none: to the last one.
    Range {
        lower: Vec<u8>,
        upper: Option<Vec<u8>>,
    },
}

/// Which items `consistent` is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GinMode {
    /// Those with one of the entries.
    Default,
    /// Those and values without keys.
    IncludeEmpty,
    /// All but NULL values.
    All,
    /// None: the query can't match.
    Nothing,
}

/// What a query looks for.
#[derive(Clone)]
pub struct GinQuery {
    pub entries: Vec<GinEntryQuery>,
    pub mode: GinMode,
    pub consistent: Consistent,
    /// Said if exactly the items with all entries match: then this is the answer.
    pub all: Option<Ternary>,
}

impl GinQuery {
    fn new(
        entries: Vec<GinEntryQuery>,
        mode: GinMode,
        consistent: impl Fn(&[Ternary]) -> Ternary + Send + Sync + 'static,
    ) -> GinQuery {
        GinQuery { entries, mode, consistent: Arc::new(consistent), all: None }
    }
    /// Nothing matches.
    fn nothing() -> GinQuery {
        GinQuery::new(vec![], GinMode::Nothing, |_| Ternary::False)
    }
    /// Everything may match.
    fn everything() -> GinQuery {
        GinQuery::new(vec![], GinMode::All, |_| Ternary::Maybe)
    }
    /// Matches may have all of the entries.
    fn all_of(entries: Vec<GinEntryQuery>) -> GinQuery {
        let query = GinQuery::new(entries, GinMode::Default, |known| formula::blurred(all(known)));
        GinQuery { all: Some(Ternary::Maybe), ..query }
    }
}

/// Whether all entries are there.
fn all(known: &[Ternary]) -> Ternary {
    known.iter().fold(Ternary::True, |a, b| a.and(*b))
}

/// Whether some entry is there.
fn any(known: &[Ternary]) -> Ternary {
    known.iter().fold(Ternary::False, |a, b| a.or(*b))
}

/// An operator of another family.
fn unknown_strategy(strategy: u16) -> Result<GinQuery> {
    bail!(INTERNAL_ERROR, "unrecognized strategy number: {strategy}")
}

/// The class of this name in `pg_opclass`; none: there is no such class of GIN.
pub fn class(name: &str) -> Option<&'static dyn GinClass> {
    Some(match name {
        "array_ops" => &array::ArrayOps,
        "jsonb_ops" => &jsonb::JsonbOps,
        "jsonb_path_ops" => &jsonb::JsonbPathOps,
        "tsvector_ops" => &text_search::TsvectorOps,
        "gin_trgm_ops" => &trigram::TrigramOps,
        _ => return None,
    })
}
