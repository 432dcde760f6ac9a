//! Statements of Parse messages without a name, kept by their text: drivers send the same texts over and over, each time followed by one
//! Bind and one Execute.
//!
//! From the third time on a text is neither parsed nor analyzed, and its plans are those of all sessions that send it: the first five have
//! custom plans, then [`crate::plan_choice`] decides over all of them together. A statement is one for another session if what its text
//! means there is the same ([`Scope`]); it is forgotten when the schema changes, or when a table that its plan reads has half or double
//! the size.

use super::scope::Scope;
use super::shared::{self, Entry, Key, ParsedTexts, Seen};
use crate::prepared::Prepared;
use crate::query::StatementContext;
use quarry_common::Oid;
use quarry_sql::lexer::LexOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Longer texts are not kept.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// About what a statement's tree and its plan take for each byte of its text, and beside that.
const BYTES_PER_BYTE: usize = 48;
const BYTES_BASE: usize = 4096;

/// A text that was parsed.
pub struct ParsedText {
    key: Key,
    options: LexOptions,
    /// The parameters' types as the message gave them.
    declared: Box<[Oid]>,
    prepared: Arc<Prepared>,
    scope: Scope,
}

impl Entry for ParsedText {
    fn key(&self) -> Key {
        self.key
    }
    fn bytes(&self) -> usize {
        size_of::<ParsedText>() + BYTES_BASE + BYTES_PER_BYTE * self.prepared.text.len()
    }
}

fn key(database: Oid, text: &str, declared: &[Oid]) -> Key {
    let mut hasher = DefaultHasher::new();
    (shared::text_hash(text), declared.len()).hash(&mut hasher);
    declared.iter().for_each(|oid| oid.0.hash(&mut hasher));
    Key { database, fingerprint: hasher.finish() }
}

/// A text's statement as it was parsed before. It may be used only if [`take`] says so.
pub(crate) fn find(
    texts: &ParsedTexts,
    database: Oid,
    text: &str,
    options: LexOptions,
    declared: &[Oid],
) -> Option<Arc<ParsedText>> {
    if texts.is_empty() {
        return None;
    }
    let fits = |p: &ParsedText| {
        (p.options == options && *p.declared == *declared && *p.prepared.text == *text).then_some(())
    };
    texts.find(key(database, text, declared), fits).map(|(found, ())| found)
}

/// The statement of a text that was found. None: it must be parsed anew.
pub(crate) fn take(
    texts: &ParsedTexts,
    found: &Arc<ParsedText>,
    st: &StatementContext,
) -> Option<Arc<Prepared>> {
    if st.reader.has_own_ddl() {
        return None;
    }
    let grown = || found.prepared.plans.lock().sizes().is_some_and(|s| s.have_changed(&st.reader));
    if found.scope.is_outdated(st) || grown() {
        texts.remove(found);
        return None;
    }
    found.scope.is_of(st).then(|| found.prepared.clone())
}

/// A text was parsed: the second time it is kept, and its plans are those of all sessions.
pub(crate) fn keep(
    texts: &ParsedTexts,
    st: &StatementContext,
    options: LexOptions,
    declared: &[Oid],
    prepared: Prepared,
) -> Arc<Prepared> {
    if !texts.is_on() || prepared.text.len() > TEXT_BYTES_MAX || st.reader.has_own_ddl() {
        return Arc::new(prepared);
    }
    let key = key(st.session.database.0, &prepared.text, declared);
    if texts.see(key) != Seen::Again {
        return Arc::new(prepared);
    }
    let prepared = Arc::new(prepared.for_all_sessions());
    texts.insert(ParsedText {
        key,
        options,
        declared: declared.into(),
        prepared: prepared.clone(),
        scope: Scope::of(st),
    });
    prepared
}
