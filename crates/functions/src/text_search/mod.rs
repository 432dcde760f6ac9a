//! Full-text search: from texts to vectors and queries, ranks, headlines.
//!
//! [`parser`] cuts a text into tokens; a [`Config`] says which [`dictionary`]s make lexemes of which tokens ([`lexize`]); of those come
//! vectors ([`to_vector`]) and queries ([`to_query`]). [`rank`] and [`headline`] look at matches. The session gives configurations and
//! dictionaries by OID ([`crate::SessionEnv`]), since they are in the catalog. The types are in [`quarry_types::textsearch`].

pub mod dictionary;
pub mod headline;
pub mod lexize;
pub mod parser;
pub mod rank;
pub mod statistics;
pub mod to_query;
pub mod to_vector;

use dictionary::Dictionary;
use quarry_common::Oid;
use std::sync::Arc;

/// The default parser's OID; there is no other.
pub const DEFAULT_PARSER: Oid = Oid(3722);

/// A text search configuration.
pub struct Config {
    pub oid: Oid,
    /// For each type of token, from 0 (no token has it), the dictionaries that are asked, in order.
    pub dictionaries: Vec<Vec<Arc<Dictionary>>>,
}

impl Config {
    /// Whether some dictionary looks at several tokens.
    pub fn has_thesaurus(&self) -> bool {
        self.dictionaries.iter().flatten().any(|d| d.as_thesaurus().is_some())
    }
    /// The dictionaries asked for this type of token.
    pub fn for_token(&self, kind: u8) -> &[Arc<Dictionary>] {
        self.dictionaries.get(usize::from(kind)).map_or(&[], |d| d)
    }
}
