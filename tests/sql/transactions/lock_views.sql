-- pg_locks: the locks of one's own transaction, kind by kind.
CREATE TABLE lv (a int);
CREATE VIEW mine AS SELECT locktype, database = (SELECT oid FROM pg_database WHERE datname = current_database()) AS here, relation::regclass, page, tuple,
  virtualxid IS NOT NULL AS vxid, transactionid IS NOT NULL AS xid, classid, objid, objsubid, virtualtransaction ~ '^\d+/\d+$' AS vt, mode, granted, fastpath, waitstart
  FROM pg_locks WHERE pid = pg_backend_pid() AND (relation IS NULL OR relation = 'lv'::regclass);
SELECT * FROM mine ORDER BY locktype, mode;
BEGIN;
SELECT * FROM lv;
SELECT * FROM mine ORDER BY locktype, mode;
INSERT INTO lv VALUES (1);
LOCK lv IN SHARE UPDATE EXCLUSIVE MODE;
SELECT * FROM mine ORDER BY locktype, mode;
SAVEPOINT s;
INSERT INTO lv VALUES (2);
SELECT * FROM mine ORDER BY locktype, mode;
ROLLBACK TO s;
LOCK lv IN SHARE MODE;
SELECT count(*) FROM mine;
RELEASE s;
SELECT * FROM mine ORDER BY locktype, mode;
COMMIT;
BEGIN;
SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock_shared(-1), pg_advisory_xact_lock(1, -2);
SELECT * FROM mine WHERE locktype = 'advisory' ORDER BY classid, objid;
ROLLBACK;
SELECT pg_advisory_lock(9223372036854775807), pg_try_advisory_lock_shared(4, 5);
SELECT * FROM mine WHERE locktype = 'advisory' ORDER BY classid, objid;
BEGIN;
SELECT count(*) FROM mine WHERE locktype = 'advisory';
SELECT pg_advisory_unlock(9223372036854775807), pg_advisory_unlock(4, 5), pg_advisory_unlock_shared(4, 5);
ROLLBACK;
SELECT count(*) FROM mine WHERE locktype = 'advisory';
SELECT * FROM lv FOR UPDATE;
BEGIN;
SELECT * FROM lv FOR KEY SHARE;
SELECT * FROM mine ORDER BY locktype, mode;
PREPARE TRANSACTION 'lock_views';
SELECT locktype, relation::regclass, transactionid IS NOT NULL AS xid, virtualtransaction ~ '^\d+/\d+$' AS vt, pid, mode, granted, fastpath FROM pg_locks
  WHERE pid IS NULL AND (relation = 'lv'::regclass OR transactionid IN (SELECT transaction FROM pg_prepared_xacts WHERE gid = 'lock_views')) ORDER BY 1, 2;
ROLLBACK PREPARED 'lock_views';
SELECT pg_blocking_pids(pg_backend_pid()), pg_safe_snapshot_blocking_pids(pg_backend_pid()), pg_blocking_pids(0), pg_blocking_pids(NULL);
SELECT wait_event_type, wait_event, state FROM pg_stat_activity WHERE pid = pg_backend_pid();
DROP VIEW mine;
DROP TABLE lv;
