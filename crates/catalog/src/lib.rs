//! System catalogs: stored as ordinary heap tables, read through typed caches.
//!
//! Main types: [`Catalog`] (one per server: bootstrap, caches), [`CatalogReader`] (what one statement of one transaction sees),
//! [`CatalogWriter`] (changes of objects), and the typed definitions in [`defs`].
//!
//! Way of a lookup: [`CatalogReader`] -> cached object ([`cache`]) or, on a miss, catalog rows ([`table`], [`row`]) by B-tree -> typed
//! definition. Way of a change: [`CatalogWriter`] -> rows ([`rows`]) of the transaction, touched objects noted -> at commit the shared
//! caches forget them. [`builtin`] has what exists before users make anything, [`views`] the system views, [`info`] the answers of
//! catalog information functions.
#![forbid(unsafe_code)]

pub mod acl;
mod arrays;
pub mod builtin;
mod cache;
mod catalog;
pub mod defs;
pub mod info;
pub mod keywords;
mod leftovers;
mod object;
mod reader;
mod row;
mod rows;
mod stored;
mod stored_names;
mod table;
pub mod views;
mod writer;

pub use acl::{AclItem, AclObject, Privilege};
pub use catalog::{Catalog, SessionView};
pub use defs::*;
pub use object::{DependencyType, DropBehavior, ObjectAddress, StoredExpr};
pub use quarry_storage::{LockMode, WaitPolicy};
pub use reader::{
    CatalogReader, ColumnTarget, DomainRules, InstalledExtension, TsObject, quote_identifier,
    quote_qualified, relation_noun,
};
pub use stored::{encode_expression, expression_pretty, expression_sql, join_expressions, split_expressions};
pub use writer::*;

#[cfg(test)]
mod tests;
