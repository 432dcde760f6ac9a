//! Bound expressions as SQL text (PostgreSQL: `ruleutils.c`).
