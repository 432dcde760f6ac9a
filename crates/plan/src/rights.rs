//! What a statement needs rights for: one [`Right`] per entry of its range table and kind of access (PostgreSQL: RTEPermissionInfo).

use quarry_catalog::{Privilege, Relation};
use quarry_common::Oid;
use std::sync::Arc;

/// A privilege that running the statement takes.
#[derive(Clone, Debug)]
pub struct Right {
    pub relation: Arc<Relation>,
    /// Whose privilege counts: the owner of the view whose query names the relation. None: the current user's.
    pub role: Option<Oid>,
    pub privilege: Privilege,
    pub columns: RightColumns,
}

/// On which columns the privilege will do where the role hasn't got it on the whole relation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RightColumns {
    /// Only the whole relation.
    Whole,
    /// Any one column: the statement reads or changes none in particular.
    Any,
    /// All of these, as indexes in the relation's columns.
    These(Vec<usize>),
}
