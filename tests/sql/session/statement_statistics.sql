-- pg_stat_statements, where it is not loaded.
SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements';
CREATE EXTENSION pg_stat_statements;
\d pg_stat_statements
SELECT count(*) FROM pg_stat_statements;
SELECT pg_stat_statements_reset();
\dx pg_stat_statements
DROP EXTENSION pg_stat_statements;
