//! COMMENT ON.

use super::CatalogWriter;
use crate::builtin::catalog_table;
use crate::builtin::columns::{pg_description, pg_shdescription};
use crate::object::ObjectAddress;
use crate::row::{Row, oid_datum};
use quarry_common::Result;
use quarry_types::Datum;

impl CatalogWriter {
    /// Sets or removes (none, or empty) an object's comment.
    pub fn set_comment(&self, object: ObjectAddress, comment: Option<&str>) -> Result<()> {
        self.remove_comment(object)?;
        // The removal must be visible to the unique index's check.
        self.advance();
        if let Some(text) = comment.filter(|c| !c.is_empty()) {
            if is_shared(object) {
                let row = Row(vec![oid_datum(object.oid), oid_datum(object.class), Datum::text(text)]);
                self.insert(pg_shdescription::TABLE, &row)?;
            } else {
                let row = Row(vec![
                    oid_datum(object.oid),
                    oid_datum(object.class),
                    Datum::I32(object.sub),
                    Datum::text(text),
                ]);
                self.insert(pg_description::TABLE, &row)?;
            }
            self.advance();
        }
        Ok(())
    }
    /// Removes an object's comment; of a whole relation also its columns'.
    pub(crate) fn remove_comment(&self, object: ObjectAddress) -> Result<()> {
        let snap = self.snapshot();
        let mut key = vec![oid_datum(object.oid), oid_datum(object.class)];
        if is_shared(object) {
            self.delete_all(&snap, pg_shdescription::TABLE, 2397, &key)?;
        } else {
            key.push(Datum::I32(object.sub));
            self.delete_all(&snap, pg_description::TABLE, 2675, &key)?;
        }
        Ok(())
    }
    /// Removes all comments on an object and its parts.
    pub(crate) fn remove_comments(&self, object: ObjectAddress) -> Result<()> {
        if is_shared(object) || object.sub != 0 {
            return self.remove_comment(object);
        }
        let key = [oid_datum(object.oid), oid_datum(object.class)];
        self.delete_all(&self.snapshot(), pg_description::TABLE, 2675, &key)?;
        Ok(())
    }
}

fn is_shared(object: ObjectAddress) -> bool {
    catalog_table(object.class.0).is_some_and(|t| t.shared)
}
