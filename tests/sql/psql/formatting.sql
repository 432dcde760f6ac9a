-- what psql does with results and variables, on statements that exercise the server's protocol answers.
\pset null '(null)'
SELECT 1 AS a, NULL AS b, 'multi
line' AS c;
\x on
SELECT 1 AS a, NULL AS b, 'x' AS c;
SELECT g, g * 2 AS dbl FROM generate_series(1, 2) g;
SELECT 1 WHERE false;
\x off
\a
SELECT 1 AS a, NULL AS b, 'x' AS c;
\a
\t
SELECT 1, 2;
\t
\pset format csv
SELECT 1 AS a, 'x,y' AS b, NULL AS c;
\pset format aligned
\pset null ''
\set v 5
SELECT :v + 1 AS six, :'v' AS txt, :"v" FROM (SELECT 1 AS "5") q;
\set name alpha
CREATE TABLE :name (a int);
INSERT INTO :name VALUES (:v);
SELECT * FROM :"name";
SELECT 10 AS x, 'y' AS y \gset
SELECT :x, :'y';
SELECT 1 AS one, 2 AS two \gset p_
SELECT :p_one + :p_two;
SELECT 1 \gx
SELECT 'CREATE TABLE gexec_' || g || ' (a int)' FROM generate_series(1, 2) g \gexec
\dt gexec*
SELECT 1 AS a, 'x'::text AS b, 1.5::numeric(5, 2) AS c, now() AS d \gdesc
SELECT g % 2 AS r, g AS c, g * 10 AS v FROM generate_series(1, 4) g \crosstabview r c v
\if true
SELECT 'yes';
\else
SELECT 'no';
\endif
\echo :ROW_COUNT :ERROR :SQLSTATE
SELECT 1 / 0;
\echo :ERROR :SQLSTATE :LAST_ERROR_SQLSTATE
\echo :LAST_ERROR_MESSAGE
SELECT g FROM generate_series(1, 5) g;
\echo :ROW_COUNT
\set FETCH_COUNT 2
SELECT g FROM generate_series(1, 5) g;
SELECT 1 / (3 - g) FROM generate_series(1, 5) g;
INSERT INTO alpha SELECT generate_series(1, 3);
\unset FETCH_COUNT
\set QUIET off
CREATE TABLE tags (a int PRIMARY KEY, b text);
INSERT INTO tags VALUES (1, 'a'), (2, 'b');
UPDATE tags SET b = 'c';
UPDATE tags SET b = 'c' WHERE a = 99;
DELETE FROM tags WHERE a = 1;
SELECT * FROM tags;
CREATE INDEX tags_b ON tags (b);
CREATE VIEW tags_v AS SELECT 1 AS one;
CREATE SEQUENCE tags_s;
CREATE SCHEMA tags_sch;
ALTER TABLE tags ADD COLUMN c int;
BEGIN;
SAVEPOINT s;
RELEASE s;
SAVEPOINT s;
ROLLBACK TO s;
DECLARE cur CURSOR FOR SELECT * FROM tags;
FETCH 1 FROM cur;
MOVE 1 IN cur;
CLOSE cur;
COMMIT;
START TRANSACTION;
ROLLBACK;
PREPARE p AS SELECT 1;
EXECUTE p;
DEALLOCATE p;
SET work_mem = '5MB';
RESET work_mem;
TRUNCATE tags;
COPY tags FROM STDIN;
5	e	\N
6	f	\N
\.
COPY tags TO STDOUT;
COPY (SELECT 1 WHERE false) TO STDOUT;
CREATE TABLE ctas AS SELECT * FROM tags;
SELECT * INTO sinto FROM tags;
INSERT INTO tags VALUES (7) RETURNING a;
WITH w AS (SELECT 8 AS x) INSERT INTO tags SELECT x FROM w;
WITH w AS (DELETE FROM tags WHERE a = 8 RETURNING a) SELECT * FROM w;
ANALYZE tags;
VACUUM tags;
CHECKPOINT;
LOCK TABLE tags;
COMMENT ON TABLE tags IS 'x';
GRANT SELECT ON tags TO PUBLIC;
REVOKE SELECT ON tags FROM PUBLIC;
DISCARD ALL;
DROP VIEW tags_v;
DROP INDEX tags_b;
DROP SEQUENCE tags_s;
DROP SCHEMA tags_sch;
DROP TABLE tags, ctas, sinto;
REINDEX TABLE alpha;
ALTER TABLE alpha RENAME TO omega;
EXPLAIN (COSTS OFF) SELECT 1;
SHOW work_mem;
VALUES (1);
TABLE omega;
;
\set QUIET on
\encoding
\d omega
