-- CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY: what they refuse, what they leave, what moves with an index.
CREATE TABLE rc (a int PRIMARY KEY, b int, c text DEFAULT 'x', d int);
INSERT INTO rc SELECT i, i, 'c' || i, i % 7 FROM generate_series(1, 200) i;
CREATE INDEX CONCURRENTLY rc_b ON rc (b);
CREATE INDEX CONCURRENTLY ON rc (lower(c) DESC NULLS LAST, d) WHERE d > 2;
CREATE UNIQUE INDEX CONCURRENTLY rc_u ON rc (b) INCLUDE (d);
CREATE VIEW state AS SELECT c.relname, i.indisunique AS u, i.indisprimary AS p, i.indimmediate AS imm, i.indisclustered AS cl, i.indisvalid AS v, i.indisready AS r, i.indislive AS l
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'rc'::regclass;
SELECT * FROM state ORDER BY 1;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'rc'::regclass ORDER BY 1;

-- Duplicates.
INSERT INTO rc VALUES (1000, 7, 'dup', 1);
DROP INDEX rc_u;
INSERT INTO rc VALUES (1000, 7, 'dup', 1);
CREATE UNIQUE INDEX CONCURRENTLY rc_u ON rc (b);
SELECT * FROM state WHERE NOT v;
INSERT INTO rc VALUES (1001, 8, 'dup', 1);
INSERT INTO rc VALUES (1001, 8, 'dup', 1) ON CONFLICT (b) DO NOTHING;
SELECT relname, conname FROM pg_class c LEFT JOIN pg_constraint k ON k.conindid = c.oid WHERE relname LIKE 'rc%' AND relkind = 'i' ORDER BY 1;
ALTER TABLE rc ADD CONSTRAINT rc_u_con UNIQUE USING INDEX rc_u;
CLUSTER rc USING rc_u;
-- (a whole table written anew takes it along)
VACUUM FULL rc;
TRUNCATE rc;
SELECT * FROM state WHERE NOT v;
INSERT INTO rc SELECT i, i % 100, 'c' || i, i % 7 FROM generate_series(1, 200) i;
REINDEX INDEX rc_u;
REINDEX INDEX CONCURRENTLY rc_u;
SELECT * FROM state WHERE NOT v ORDER BY 1;
DROP INDEX rc_u_ccnew;
REINDEX TABLE CONCURRENTLY rc;
DELETE FROM rc WHERE a > 100;
REINDEX INDEX CONCURRENTLY rc_u;
SELECT * FROM state ORDER BY 1;
DROP INDEX CONCURRENTLY rc_u;
DROP INDEX CONCURRENTLY IF EXISTS rc_u;

-- What belongs to an index moves to the one that takes its place.
ALTER TABLE rc ADD CONSTRAINT rc_def UNIQUE (d, a) DEFERRABLE INITIALLY DEFERRED;
COMMENT ON INDEX rc_pkey IS 'the key';
COMMENT ON INDEX rc_b IS 'the b';
ALTER INDEX rc_b SET (fillfactor = 70);
CLUSTER rc USING rc_b;
CREATE TABLE referrer (x int REFERENCES rc, y int, z int);
INSERT INTO referrer VALUES (1, 2, 3);
REINDEX (VERBOSE off) TABLE CONCURRENTLY rc;
SELECT * FROM state ORDER BY 1;
SELECT conrelid::regclass, conname, conindid::regclass FROM pg_constraint WHERE conindid <> 0 AND conrelid IN ('rc'::regclass, 'referrer'::regclass) ORDER BY 2;
SELECT c.relname, obj_description(c.oid, 'pg_class'), c.reloptions FROM pg_class c WHERE relname IN ('rc_pkey', 'rc_b') ORDER BY 1;
SELECT DISTINCT pg_describe_object(classid, objid, objsubid) AS what, pg_describe_object(refclassid, refobjid, refobjsubid) AS refers, deptype
  FROM pg_depend WHERE (classid, objid) IN (SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = 'rc'::regclass)
    OR (refclassid, refobjid) IN (SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = 'rc'::regclass) ORDER BY 1, 2;
BEGIN;
UPDATE rc SET d = 5 WHERE a IN (1, 2);
UPDATE rc SET a = a + 1000 WHERE a = 3;
COMMIT;
DELETE FROM rc WHERE a = 1;
DROP INDEX rc_pkey;
DROP INDEX CONCURRENTLY rc_pkey;
DROP INDEX CONCURRENTLY rc_def;
DROP TABLE referrer;

-- What is refused.
DROP INDEX CONCURRENTLY rc_b, rc_lower_d_idx;
DROP INDEX CONCURRENTLY rc_b CASCADE;
DROP INDEX CONCURRENTLY rc;
DROP INDEX CONCURRENTLY state;
DROP INDEX CONCURRENTLY nix;
DROP INDEX CONCURRENTLY nix.nix;
CREATE INDEX CONCURRENTLY rc_b ON rc (b);
CREATE INDEX CONCURRENTLY IF NOT EXISTS rc_b ON rc (b);
CREATE INDEX CONCURRENTLY ON rc (nix);
CREATE INDEX CONCURRENTLY ON state (v);
CREATE INDEX CONCURRENTLY ON rc (random());
BEGIN;
CREATE INDEX CONCURRENTLY rc_x ON rc (a);
ROLLBACK;
BEGIN;
DROP INDEX CONCURRENTLY rc_b;
ROLLBACK;
BEGIN;
REINDEX INDEX CONCURRENTLY rc_b;
ROLLBACK;
REINDEX INDEX CONCURRENTLY rc;
REINDEX TABLE CONCURRENTLY rc_b;
REINDEX INDEX CONCURRENTLY pg_class_oid_index;
REINDEX TABLE CONCURRENTLY pg_class;
REINDEX SCHEMA CONCURRENTLY pg_catalog;
REINDEX SYSTEM CONCURRENTLY postgres;
REINDEX SCHEMA CONCURRENTLY public;
CREATE TABLE bare (a int);
REINDEX TABLE CONCURRENTLY bare;
SELECT relname FROM pg_class WHERE relname LIKE '%\_cc%';

-- Temporary tables are nobody else's.
CREATE TEMP TABLE own (a int PRIMARY KEY);
CREATE INDEX CONCURRENTLY own_a ON own (a);
REINDEX TABLE CONCURRENTLY own;
DROP INDEX CONCURRENTLY own_a;
SELECT relname FROM pg_class WHERE relname LIKE 'own%' ORDER BY 1;

-- How far commands are: nothing runs here.
SELECT * FROM pg_stat_progress_create_index;
SELECT * FROM pg_stat_progress_basebackup;
SELECT pid IS NULL AS x, relid, phase, heap_blks_total FROM pg_stat_progress_vacuum WHERE datname = current_database();
SELECT count(*) FROM pg_stat_get_progress_info('vacuum') WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database());
SELECT * FROM pg_stat_get_progress_info('nix');
SELECT i, pg_indexam_progress_phasename(403, i) FROM generate_series(0, 6) i;
SELECT pg_indexam_progress_phasename(0, 1), pg_indexam_progress_phasename(403, NULL);
