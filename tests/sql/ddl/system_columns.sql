-- System columns in expressions that are stored, and what else can be said of them.
\set VERBOSITY default
CREATE TABLE k (a int, CHECK (ctid IS NOT NULL));
CREATE TABLE k (a int, CHECK (k.xmin IS NOT NULL));
CREATE TABLE k (a int, CHECK (cmin = 1));
CREATE TABLE k (a int CHECK (xmax::text = '0'));
CREATE TABLE k (a int, b text GENERATED ALWAYS AS (ctid::text) STORED);
CREATE TABLE k (a int, b text GENERATED ALWAYS AS (k.xmin::text) STORED);
CREATE TABLE k (a int DEFAULT ctid);
CREATE TABLE k (a oid DEFAULT tableoid);
CREATE TABLE k (a int);
ALTER TABLE k ADD CHECK (ctid IS NOT NULL);
ALTER TABLE k ADD COLUMN b text GENERATED ALWAYS AS (ctid::text) STORED;
ALTER TABLE k ADD CHECK (tableoid > 0::oid);
ALTER TABLE k ADD CONSTRAINT same CHECK (k.tableoid IS NOT NULL AND a > 0);
INSERT INTO k VALUES (1);
INSERT INTO k VALUES (0);
UPDATE k SET a = a + 1;
UPDATE k SET a = -1;
ALTER TABLE k ADD CONSTRAINT none CHECK (tableoid = 0::oid);
ALTER TABLE k ADD CONSTRAINT none CHECK (tableoid = 0::oid) NOT VALID;
INSERT INTO k VALUES (2);
ALTER TABLE k VALIDATE CONSTRAINT none;
\d k
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'k'::regclass ORDER BY 1;
ALTER TABLE k ALTER a TYPE bigint;
ALTER TABLE k DROP CONSTRAINT none;
INSERT INTO k VALUES (2);
ALTER TABLE k ALTER a TYPE bigint;
\d k
CREATE TABLE like_k (LIKE k INCLUDING ALL);
\d like_k
CREATE TABLE g (a int, b oid GENERATED ALWAYS AS (tableoid) STORED, c boolean GENERATED ALWAYS AS (tableoid = 0::oid) STORED);
INSERT INTO g VALUES (1), (2);
UPDATE g SET a = a + 1;
SELECT a, b = 'g'::regclass AS own, c FROM g;
\d g
ALTER TABLE g ADD COLUMN d text GENERATED ALWAYS AS (CASE WHEN tableoid > 0::oid THEN 'yes' END) STORED;
SELECT a, d FROM g;
CREATE INDEX ON k (ctid);
CREATE INDEX ON k ((ctid));
CREATE INDEX ON k ((ctid::text));
CREATE INDEX ON k (tableoid);
CREATE INDEX ON k ((tableoid::int));
CREATE INDEX ON k (a) WHERE tableoid = 5;
CREATE INDEX ON k (a) WHERE k.xmin::text = '5';
CREATE INDEX ON k (a) INCLUDE (ctid);
CREATE STATISTICS st ON ctid, a FROM k;
CREATE STATISTICS st ON (ctid::text), a FROM k;
COMMENT ON COLUMN k.ctid IS 'where it is';
COMMENT ON COLUMN k.tableoid IS 'whose it is';
SELECT objsubid, description FROM pg_description WHERE objoid = 'k'::regclass ORDER BY 1;
SELECT col_description('k'::regclass, -1);
COMMENT ON COLUMN k.ctid IS NULL;
SELECT objsubid, description FROM pg_description WHERE objoid = 'k'::regclass ORDER BY 1;
COMMENT ON COLUMN k.no_such IS 'x';
ALTER TABLE k RENAME ctid TO x;
ALTER TABLE k RENAME a TO ctid;
ALTER TABLE k DROP COLUMN ctid;
ALTER TABLE k ALTER ctid SET NOT NULL;
SELECT ctid, xmax FROM k WHERE k.tableoid <> 'k'::regclass;
