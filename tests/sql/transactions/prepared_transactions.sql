-- PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED. The server allows 10 prepared transactions.
SHOW max_prepared_transactions;
CREATE TABLE acc (id int PRIMARY KEY, v int);
INSERT INTO acc VALUES (1, 10), (2, 20), (3, 30);

-- outside a block and in a failed one
PREPARE TRANSACTION 'none';
BEGIN;
SELECT 1/0;
PREPARE TRANSACTION 'failed';
SELECT gid FROM pg_prepared_xacts WHERE database = current_database();

-- commit
BEGIN;
UPDATE acc SET v = v + 1 WHERE id = 1;
INSERT INTO acc VALUES (4, 40);
PREPARE TRANSACTION 'one';
SELECT * FROM acc ORDER BY id;
SELECT gid, owner, database = current_database() AS here, transaction IS NOT NULL AS has_xid, prepared <= clock_timestamp() AS past FROM pg_prepared_xacts WHERE database = current_database();
SELECT count(*) > 0 AS some, bool_and(pid IS NULL) AS no_process FROM pg_locks WHERE relation = 'acc'::regclass;
SELECT relation::regclass, mode, granted FROM pg_locks WHERE relation = 'acc'::regclass AND pid IS NULL;
-- its rows and its table are locked
SET lock_timeout = '20ms';
UPDATE acc SET v = 0 WHERE id = 1;
SELECT * FROM acc WHERE id = 1 FOR UPDATE NOWAIT;
SELECT * FROM acc ORDER BY id FOR UPDATE SKIP LOCKED;
INSERT INTO acc VALUES (4, 0);
TRUNCATE acc;
LOCK TABLE acc IN SHARE MODE NOWAIT;
RESET lock_timeout;
COMMIT PREPARED 'one';
SELECT * FROM acc ORDER BY id;
SELECT gid FROM pg_prepared_xacts WHERE database = current_database();
UPDATE acc SET v = v + 1 WHERE id = 1;

-- rollback
BEGIN;
UPDATE acc SET v = -1;
DELETE FROM acc WHERE id = 2;
PREPARE TRANSACTION 'two';
SELECT * FROM acc ORDER BY id;
ROLLBACK PREPARED 'two';
SELECT * FROM acc ORDER BY id;

-- savepoints
BEGIN;
UPDATE acc SET v = 100 WHERE id = 1;
SAVEPOINT a;
UPDATE acc SET v = 200 WHERE id = 2;
SAVEPOINT b;
UPDATE acc SET v = 300 WHERE id = 3;
ROLLBACK TO b;
UPDATE acc SET v = 400 WHERE id = 4;
PREPARE TRANSACTION 'subs';
SELECT * FROM acc ORDER BY id;
COMMIT PREPARED 'subs';
SELECT * FROM acc ORDER BY id;

-- names
BEGIN;
PREPARE TRANSACTION 'dup';
BEGIN;
INSERT INTO acc VALUES (5, 50);
PREPARE TRANSACTION 'dup';
SELECT count(*) FROM acc;
ROLLBACK PREPARED 'dup';
ROLLBACK PREPARED 'dup';
COMMIT PREPARED 'dup';
BEGIN;
PREPARE TRANSACTION 'a name with ''quotes'' and spaces';
COMMIT PREPARED 'a name with ''quotes'' and spaces';
BEGIN;
PREPARE TRANSACTION '';
COMMIT PREPARED '';
BEGIN;
PREPARE TRANSACTION 'x1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789';
BEGIN;
PREPARE TRANSACTION 'x123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678';
SELECT length(gid) FROM pg_prepared_xacts WHERE database = current_database();
COMMIT PREPARED 'x123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678';

-- not inside a block
BEGIN;
COMMIT PREPARED 'x';
ROLLBACK;
BEGIN;
ROLLBACK PREPARED 'x';
ROLLBACK;

-- a constraint that waits is checked now
CREATE TABLE later (a int PRIMARY KEY, b int REFERENCES acc DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO later VALUES (1, 99);
PREPARE TRANSACTION 'violates';
BEGIN;
INSERT INTO later VALUES (1, 1);
PREPARE TRANSACTION 'holds';
SET lock_timeout = '20ms';
DELETE FROM acc WHERE id = 1;
UPDATE acc SET v = 101 WHERE id = 1;
DELETE FROM acc WHERE id = 1;
RESET lock_timeout;
COMMIT PREPARED 'holds';
DELETE FROM acc WHERE id = 1;
SELECT * FROM later;

-- definitions
BEGIN;
CREATE TABLE made (a int);
INSERT INTO made VALUES (1), (2);
CREATE INDEX ON made (a);
DROP TABLE later;
ALTER TABLE acc ADD COLUMN w text DEFAULT 'w';
PREPARE TRANSACTION 'ddl';
SELECT * FROM made;
COMMIT PREPARED 'ddl';
SELECT * FROM made ORDER BY a;
SELECT * FROM later;
SELECT * FROM acc ORDER BY id;
BEGIN;
CREATE TABLE never (a int);
DROP TABLE made;
PREPARE TRANSACTION 'ddl';
ROLLBACK PREPARED 'ddl';
SELECT * FROM made ORDER BY a;
SELECT * FROM never;

-- what can't be prepared
CREATE TEMP TABLE tt (a int);
BEGIN;
SELECT * FROM tt;
PREPARE TRANSACTION 'temp';
BEGIN;
CREATE TEMP TABLE tt2 (a int);
PREPARE TRANSACTION 'temp';
BEGIN;
LISTEN a;
PREPARE TRANSACTION 'listen';
BEGIN;
NOTIFY a;
PREPARE TRANSACTION 'notify';
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT 1;
PREPARE TRANSACTION 'hold';
BEGIN;
SELECT pg_export_snapshot() IS NOT NULL;
PREPARE TRANSACTION 'export';
BEGIN;
SELECT pg_advisory_lock(1), pg_advisory_xact_lock(1);
PREPARE TRANSACTION 'advisory';
SELECT pg_advisory_unlock_all();
SELECT gid FROM pg_prepared_xacts WHERE database = current_database();

-- what can
BEGIN;
DECLARE c CURSOR FOR SELECT 1;
PREPARE TRANSACTION 'cursor';
FETCH c;
ROLLBACK PREPARED 'cursor';
BEGIN;
SELECT pg_advisory_xact_lock(7), pg_advisory_lock(8);
PREPARE TRANSACTION 'advisory';
SELECT pg_try_advisory_lock(7), pg_try_advisory_lock(8);
SELECT objid, mode, pid IS NULL AS prepared FROM pg_locks WHERE locktype = 'advisory' ORDER BY objid;
ROLLBACK PREPARED 'advisory';
SELECT pg_try_advisory_lock(7);
SELECT pg_advisory_unlock_all();
BEGIN;
SET work_mem = '5MB';
PREPARE TRANSACTION 'setting';
SHOW work_mem;
ROLLBACK PREPARED 'setting';
SHOW work_mem;
RESET work_mem;
BEGIN READ ONLY;
SELECT count(*) FROM acc;
PREPARE TRANSACTION 'read only';
COMMIT PREPARED 'read only';
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE acc SET v = v + 1 WHERE id = 2;
PREPARE TRANSACTION 'serializable';
COMMIT PREPARED 'serializable';

-- who may end it
CREATE ROLE two_phase_user;
GRANT ALL ON acc TO two_phase_user;
BEGIN;
PREPARE TRANSACTION 'mine';
SET ROLE two_phase_user;
COMMIT PREPARED 'mine';
ROLLBACK PREPARED 'mine';
BEGIN;
UPDATE acc SET v = 0 WHERE id = 3;
PREPARE TRANSACTION 'theirs';
RESET ROLE;
SELECT gid, owner FROM pg_prepared_xacts WHERE database = current_database() ORDER BY gid;
COMMIT PREPARED 'theirs';
ROLLBACK PREPARED 'mine';
SELECT id, v FROM acc ORDER BY id;
REVOKE ALL ON acc FROM two_phase_user;
DROP ROLE two_phase_user;

-- as many as the setting allows
BEGIN; PREPARE TRANSACTION 'p1';
BEGIN; PREPARE TRANSACTION 'p2';
BEGIN; PREPARE TRANSACTION 'p3';
SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY transaction::text::int;
COMMIT PREPARED 'p2';
ROLLBACK PREPARED 'p1';
COMMIT PREPARED 'p3';
SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database();
