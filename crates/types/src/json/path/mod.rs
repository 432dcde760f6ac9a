//! The SQL/JSON path language.
