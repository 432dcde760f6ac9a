-- Statements with several errors: the one that PostgreSQL finds first is reported.
CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text, g int GENERATED ALWAYS AS (a + 1) STORED, i int GENERATED ALWAYS AS IDENTITY, CHECK (a < 100), UNIQUE (b));
CREATE TABLE p (id int PRIMARY KEY, x text);
CREATE VIEW v AS SELECT id, a FROM t;
CREATE SEQUENCE s;
CREATE INDEX ix ON t (b);
CREATE TYPE e AS ENUM ('a', 'b');
-- names after types and expressions
CREATE TABLE t (x nosuch DEFAULT 7);
CREATE TABLE t (x int DEFAULT nosuch);
CREATE TABLE t (x int, y void);
CREATE TABLE t (x int, x int);
CREATE TABLE IF NOT EXISTS t (x nosuch);
CREATE TABLE p AS SELECT nosuch FROM v;
CREATE TABLE nosc.z AS SELECT nosuch FROM v;
CREATE TABLE t AS SELECT a FROM t WHERE a;
CREATE TABLE IF NOT EXISTS p AS SELECT nosuch FROM v;
CREATE INDEX p ON t (nosuch);
CREATE INDEX IF NOT EXISTS ix ON t (nosuch);
CREATE INDEX IF NOT EXISTS ix ON t (b);
CREATE INDEX ix ON t USING nosuch (b);
CREATE INDEX ix ON t (b) WHERE 1;
CREATE INDEX ix ON t (b) WHERE rank() OVER () > 1;
CREATE DOMAIN e AS nosuch DEFAULT 1;
CREATE DOMAIN t AS int CHECK (sum(VALUE) > 1);
-- schemas before relations
ALTER TABLE nosc.t ADD COLUMN x nosuch;
ALTER TABLE nosc.t RENAME TO u;
ALTER TABLE nosc.t RENAME nosuch TO u;
TRUNCATE nosc.t, p;
COPY nosc.t (nosuch) TO STDOUT;
CREATE INDEX ON nosc.t (nosuch);
GRANT SELECT ON nosc.t TO nosuch;
COMMENT ON TABLE nosc.t IS 'x';
ALTER SEQUENCE nosc.s RESTART;
-- what a kind of relation can't do before what it lacks
ALTER TABLE s DROP CONSTRAINT nosuch;
ALTER TABLE v DROP CONSTRAINT nosuch;
ALTER TABLE v DROP CONSTRAINT IF EXISTS nosuch;
-- UPDATE: WHERE before SET, values before columns
UPDATE t SET nosuch = 'q' WHERE 1;
UPDATE t SET b = 1 + 'x' WHERE b LIKE 1;
UPDATE t SET i = 'q', a = 7;
UPDATE t SET i = true;
UPDATE t SET g = 1;
UPDATE t SET g = 'q' WHERE a IS DISTINCT FROM 'x';
UPDATE t SET (i, a) = (SELECT true, 7 FROM p LIMIT 1);
UPDATE v SET b = 'q' WHERE 1;
PREPARE types AS UPDATE t SET b = $1 WHERE a = $1;
PREPARE types2 AS UPDATE t SET b = $1 || 'x' WHERE id = $2 AND b <> $1;
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY 1;
DEALLOCATE ALL;
-- INSERT
INSERT INTO t (id, a, ctid) VALUES (1, 'x', 3);
INSERT INTO t (id, a, tableoid) SELECT 9, 7, nosuch;
INSERT INTO t (id, i) VALUES (7, ARRAY[1]);
INSERT INTO t (id, g) VALUES (7, true);
INSERT INTO t (id, g) VALUES (7, 1);
INSERT INTO t (id, g) SELECT 7, true;
INSERT INTO t (id, i) SELECT 7, 1;
-- the statement's errors before those of EXPLAIN
EXPLAIN (WAL) SELECT nosuch FROM t;
EXPLAIN (COSTS nosuch) SELECT nosuch FROM t;
EXPLAIN (nosuch) SELECT a FROM t;
EXPLAIN (TIMING) SELECT a FROM nosuch;
EXPLAIN (TIMING) SELECT a FROM t;
-- PREPARE: the statement's errors before the name's
PREPARE q AS SELECT 1;
PREPARE q AS SELECT nosuch;
PREPARE q AS SELECT 1;
EXECUTE q;
-- sequences of views' columns
ALTER SEQUENCE s OWNED BY v.a;
ALTER SEQUENCE s OWNED BY v.nosuch;
ALTER SEQUENCE s OWNED BY ix.b;
DROP VIEW v;
SELECT nextval('s');
-- an index's columns keep their names
ALTER TABLE t RENAME b TO bb;
SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN ('ix'::regclass, 't_b_key'::regclass) ORDER BY 1;
SELECT pg_get_indexdef('ix'::regclass), pg_get_indexdef('ix'::regclass, 1, false);
\d t
DROP TABLE t, p;
-- whether a value can become another type before who else reads it
CREATE TABLE t (a int DEFAULT 1, b int GENERATED ALWAYS AS (a * 2) STORED);
ALTER TABLE t ALTER a TYPE jsonb;
ALTER TABLE t ALTER a TYPE text USING nosuch;
ALTER TABLE t ALTER a TYPE bigint;
ALTER TABLE t ALTER a TYPE text;
ALTER TABLE t ALTER b TYPE text USING a;
DROP TABLE t;
