//! What hints say of scans: which ways to read a table are to be used, and which of its indexes.

use super::{Kind, scan};
use crate::planner::Planner;
use crate::scan::TableScan;
use quarry_catalog::IndexDef;
use quarry_functions::registry;
use quarry_plan::Expr;
use quarry_types::{Datum, SqlType};

/// The ways to read a table that aren't switched off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanSwitches {
    pub seq: bool,
    pub index: bool,
    pub index_only: bool,
    pub bitmap: bool,
    pub tid: bool,
}

impl Planner<'_> {
    /// What the hints call a table.
    pub(crate) fn hinted_name<'s>(&'s self, table: &'s TableScan) -> &'s str {
        let names = self.env.hints.map(|h| &h.names);
        let known = names.and_then(|n| table.columns.iter().find_map(|(id, _)| n.get(id)));
        known.unwrap_or(&table.alias)
    }

    /// The ways to read a table that aren't switched off, by a hint or else by the settings.
    pub(crate) fn scan_switches(&self, table: &TableScan) -> ScanSwitches {
        if let Some(allowed) = self.scan_hint(table).map(|(allowed, _, _)| allowed) {
            return ScanSwitches {
                seq: allowed & scan::SEQ != 0,
                index: allowed & scan::INDEX != 0,
                // Where scans of indexes aren't wanted, those of indexes alone aren't either.
                index_only: allowed & scan::INDEX_ONLY != 0 && allowed & scan::INDEX != 0,
                bitmap: allowed & scan::BITMAP != 0,
                tid: allowed & scan::TID != 0,
            };
        }
        let s = &self.env.settings;
        ScanSwitches {
            seq: s.enable_seqscan,
            index: s.enable_indexscan,
            index_only: s.enable_indexonlyscan,
            bitmap: s.enable_bitmapscan,
            tid: s.enable_tidscan,
        }
    }

    /// Whether the hints leave an index of the table to be used.
    pub(crate) fn hint_allows_index(&self, table: &TableScan, index: &IndexDef) -> bool {
        match self.scan_hint(table) {
            None => true,
            Some((scan::SEQ | scan::TID, _, _)) => false,
            Some((_, [], _)) => true,
            Some((_, names, false)) => names.iter().any(|n| **n == *index.name),
            Some((_, patterns, true)) => patterns.iter().any(|p| self.is_like(&index.name, p)),
        }
    }

    /// The hint for a table: the ways allowed, the indexes named, and whether these are patterns.
    fn scan_hint(&self, table: &TableScan) -> Option<(u8, &[String], bool)> {
        let hints = self.env.hints?;
        let name = self.hinted_name(table);
        hints.list().iter().filter(|h| h.is_good()).find_map(|h| match &h.kind {
            Kind::Scan { table: named, indexes, allowed, regexp }
                if named == name && !hints.has_lost(indexes, &table.relation) =>
            {
                h.set_used();
                Some((*allowed, &indexes[..], *regexp))
            }
            _ => None,
        })
    }

    /// `name ~ pattern`; false for a pattern that is none.
    fn is_like(&self, name: &str, pattern: &str) -> bool {
        let text = |s: &str| Expr::Const { value: Datum::text(s), ty: SqlType::TEXT };
        let operators = registry::operators_named("~").iter().copied();
        let mut of_text = operators.filter(|o| o.left == SqlType::TEXT.oid && o.right == SqlType::TEXT.oid);
        let Some(operator) = of_text.next() else { return false };
        crate::exprs::operator_call(operator, text(name), text(pattern))
            .and_then(|call| self.env.folder.fold(&call).ok())
            .is_some_and(|v| matches!(v, Datum::Bool(true)))
    }
}
