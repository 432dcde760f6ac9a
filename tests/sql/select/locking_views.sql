-- FOR UPDATE and its kin through views and subqueries: what they lock, what they can't, whom they ask.
CREATE TABLE golden_lk (a int PRIMARY KEY, b text);
INSERT INTO golden_lk VALUES (1, 'x'), (2, 'y');
CREATE TABLE golden_lk_other (a int, c int);
INSERT INTO golden_lk_other VALUES (1, 10);
CREATE VIEW golden_lk_v AS SELECT a, b FROM golden_lk WHERE a > 0;
CREATE VIEW golden_lk_vv AS SELECT * FROM golden_lk_v;
CREATE VIEW golden_lk_distinct AS SELECT DISTINCT a FROM golden_lk;
CREATE VIEW golden_lk_count AS SELECT count(*) FROM golden_lk;
CREATE VIEW golden_lk_union AS SELECT a FROM golden_lk UNION SELECT a FROM golden_lk_other;
CREATE VIEW golden_lk_values AS VALUES (1), (2);
CREATE VIEW golden_lk_limit AS SELECT * FROM golden_lk ORDER BY a LIMIT 1;
CREATE VIEW golden_lk_window AS SELECT row_number() OVER () FROM golden_lk;
CREATE VIEW golden_lk_set AS SELECT generate_series(1, a) FROM golden_lk;
CREATE VIEW golden_lk_outer AS SELECT l.a, c FROM golden_lk l LEFT JOIN golden_lk_other o USING (a);
CREATE VIEW golden_lk_with AS WITH q AS (SELECT * FROM golden_lk) SELECT * FROM q;
CREATE VIEW golden_lk_function AS SELECT * FROM generate_series(1, 2) g;
CREATE VIEW golden_lk_own AS SELECT * FROM golden_lk FOR UPDATE;

-- What there is to lock.
SELECT * FROM golden_lk_v ORDER BY a FOR UPDATE;
SELECT * FROM golden_lk_vv ORDER BY a FOR NO KEY UPDATE;
SELECT * FROM golden_lk_v x ORDER BY a FOR UPDATE OF x NOWAIT;
SELECT * FROM golden_lk_v x ORDER BY a FOR SHARE OF x SKIP LOCKED;
SELECT * FROM golden_lk_v ORDER BY a FOR KEY SHARE;
SELECT * FROM golden_lk_limit FOR SHARE;
SELECT * FROM golden_lk_values FOR UPDATE;
SELECT * FROM golden_lk_union ORDER BY a FOR UPDATE;
SELECT * FROM golden_lk_with ORDER BY a FOR UPDATE;
SELECT * FROM golden_lk_function FOR UPDATE;
SELECT * FROM golden_lk_own ORDER BY a FOR SHARE;
SELECT pg_get_viewdef('golden_lk_own');
SELECT * FROM (SELECT * FROM golden_lk ORDER BY a LIMIT 1) s FOR SHARE;
SELECT * FROM (VALUES (1)) s FOR UPDATE;
SELECT * FROM (VALUES (1)) s FOR UPDATE OF s;
SELECT * FROM golden_lk l, LATERAL (SELECT * FROM golden_lk_other o WHERE o.a = l.a) s FOR UPDATE;
SELECT a FROM golden_lk_v WHERE a IN (SELECT a FROM golden_lk_vv FOR UPDATE) ORDER BY a FOR UPDATE;
SELECT b || '!' AS c FROM golden_lk_v ORDER BY c DESC FOR UPDATE;

-- What can't be locked.
SELECT * FROM golden_lk_distinct FOR UPDATE;
SELECT * FROM golden_lk_count FOR SHARE;
SELECT * FROM golden_lk_window FOR UPDATE;
SELECT * FROM golden_lk_set FOR KEY SHARE;
SELECT * FROM golden_lk_outer FOR UPDATE;
SELECT * FROM (SELECT DISTINCT a FROM golden_lk) s FOR UPDATE;
SELECT * FROM (SELECT count(*) FROM golden_lk) s FOR UPDATE;
SELECT * FROM (SELECT a FROM golden_lk GROUP BY a) s FOR UPDATE;
SELECT * FROM (SELECT a FROM golden_lk UNION ALL SELECT a FROM golden_lk_other) s FOR UPDATE;
SELECT * FROM (SELECT generate_series(1, 2) FROM golden_lk) s FOR UPDATE;
(SELECT a FROM golden_lk FOR UPDATE) UNION SELECT 1;
CREATE SEQUENCE golden_lk_seq;
SELECT last_value FROM golden_lk_seq FOR UPDATE;

-- Outer joins.
SELECT * FROM golden_lk LEFT JOIN golden_lk_other USING (a) FOR UPDATE;
SELECT * FROM golden_lk l LEFT JOIN golden_lk_other o USING (a) ORDER BY a FOR UPDATE OF l;
SELECT * FROM golden_lk l LEFT JOIN golden_lk_other o USING (a) FOR SHARE OF o;
SELECT * FROM golden_lk l LEFT JOIN golden_lk_v v USING (a) FOR UPDATE OF v;
SELECT * FROM golden_lk l LEFT JOIN (SELECT * FROM golden_lk ORDER BY a LIMIT 1) v USING (a) FOR UPDATE OF v;
SELECT * FROM golden_lk_other o LEFT JOIN golden_lk_v v USING (a) FOR UPDATE OF o;
SELECT * FROM golden_lk l LEFT JOIN golden_lk_other o USING (a) WHERE o.c > 0 FOR UPDATE;
SELECT * FROM golden_lk l FULL JOIN golden_lk_other o USING (a) FOR UPDATE OF l;

-- OF.
SELECT * FROM golden_lk l JOIN golden_lk_other o USING (a) FOR UPDATE OF nosuch;
SELECT * FROM (golden_lk l JOIN golden_lk_other o USING (a)) j FOR UPDATE OF j;
SELECT * FROM golden_lk l JOIN golden_lk_other o USING (a) AS j FOR UPDATE OF j;
SELECT * FROM generate_series(1, 2) g FOR UPDATE OF g;
SELECT * FROM generate_series(1, 1) g, golden_lk l ORDER BY a FOR UPDATE OF l;
WITH q AS (SELECT * FROM golden_lk) SELECT * FROM q FOR UPDATE OF q;
SELECT * FROM golden_lk FOR UPDATE OF public.golden_lk;
SELECT * FROM golden_lk_v x FOR UPDATE OF golden_lk_v;

-- Plans.
EXPLAIN (COSTS OFF) SELECT a + 1 FROM golden_lk FOR UPDATE;
EXPLAIN (COSTS OFF) SELECT a + 1 AS x FROM golden_lk ORDER BY x FOR UPDATE;
EXPLAIN (COSTS OFF) SELECT * FROM golden_lk_other JOIN golden_lk_v USING (a) FOR UPDATE;
EXPLAIN (COSTS OFF) SELECT * FROM golden_lk_values FOR UPDATE;

-- Cursors, read-only transactions.
BEGIN;
DECLARE golden_lk_c CURSOR FOR SELECT * FROM golden_lk_v ORDER BY a FOR UPDATE;
FETCH golden_lk_c;
UPDATE golden_lk SET b = 'z' WHERE CURRENT OF golden_lk_c;
COMMIT;
SELECT * FROM golden_lk ORDER BY a;
BEGIN READ ONLY;
SELECT * FROM golden_lk_v FOR UPDATE;
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM golden_lk FOR KEY SHARE;
ROLLBACK;

-- Rights: UPDATE on the view for the user, on the tables for the view's owner.
CREATE ROLE golden_lk_owner;
CREATE ROLE golden_lk_user;
CREATE SCHEMA golden_lks;
GRANT ALL ON SCHEMA golden_lks TO golden_lk_owner, golden_lk_user;
SET ROLE golden_lk_owner;
CREATE TABLE golden_lks.t (a int, b int);
INSERT INTO golden_lks.t VALUES (1, 2);
CREATE VIEW golden_lks.v AS SELECT a FROM golden_lks.t;
CREATE VIEW golden_lks.vi WITH (security_invoker) AS SELECT a FROM golden_lks.t;
CREATE VIEW golden_lks.vv AS SELECT * FROM golden_lks.v;
CREATE VIEW golden_lks.vf AS SELECT a FROM golden_lks.t FOR UPDATE;
CREATE VIEW golden_lks.vs AS SELECT * FROM (SELECT a FROM golden_lks.t) q;
GRANT SELECT ON ALL TABLES IN SCHEMA golden_lks TO golden_lk_user;
SET ROLE golden_lk_user;
SELECT * FROM golden_lks.v;
SELECT * FROM golden_lks.v FOR UPDATE;
SELECT * FROM golden_lks.vi FOR SHARE;
SELECT * FROM golden_lks.vv FOR UPDATE;
SELECT * FROM golden_lks.vf;
SELECT * FROM golden_lks.vs FOR UPDATE;
SELECT * FROM golden_lks.t FOR UPDATE;
SELECT * FROM (SELECT * FROM golden_lks.v) x FOR UPDATE;
SELECT * FROM (SELECT * FROM golden_lks.t) x FOR KEY SHARE;
SET ROLE golden_lk_owner;
GRANT UPDATE ON golden_lks.v, golden_lks.vi, golden_lks.vs, golden_lks.vv TO golden_lk_user;
SET ROLE golden_lk_user;
SELECT * FROM golden_lks.v FOR UPDATE;
SELECT * FROM golden_lks.vi FOR SHARE;
SELECT * FROM golden_lks.vv FOR UPDATE;
SELECT * FROM golden_lks.vs FOR UPDATE;
SET ROLE golden_lk_owner;
REVOKE UPDATE ON golden_lks.t FROM golden_lk_owner;
SET ROLE golden_lk_user;
SELECT * FROM golden_lks.v FOR UPDATE;
SELECT * FROM golden_lks.vv FOR UPDATE;
SELECT * FROM golden_lks.vf;
SET ROLE golden_lk_owner;
GRANT UPDATE (b) ON golden_lks.t TO golden_lk_owner;
SET ROLE golden_lk_user;
SELECT * FROM golden_lks.v FOR UPDATE;
SELECT * FROM golden_lks.v, golden_lks.vi FOR UPDATE OF v;
RESET ROLE;
DROP SCHEMA golden_lks CASCADE;
DROP ROLE golden_lk_owner, golden_lk_user;
DROP SEQUENCE golden_lk_seq;
DROP TABLE golden_lk, golden_lk_other CASCADE;
