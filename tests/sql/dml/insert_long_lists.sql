-- VALUES lists of hundreds of constants, made by psql.
\set QUIET on
\set ECHO none
\set VERBOSITY default
SET timezone = 'Europe/Berlin';
SET client_min_messages = warning;
CREATE TABLE kinds (id int PRIMARY KEY, s smallint, l bigint, f float8, r real, n numeric, p numeric(8,2), b boolean, t text, v varchar(5),
  c char(4), d date, ts timestamp(0), tz timestamptz, u uuid, j jsonb, x bytea);
SELECT 'INSERT INTO kinds VALUES ' || string_agg(format('(%s, %s, %s, %s, ''%s'', %s, %s, %s, ''t''''%s'', %L, %L, ''2024-02-%s'', ''2024-03-01 10:00:%s.6'', ''2024-03-31 0%s:30'', ''00000000-0000-0000-0000-%s'', ''{"k": [%s, null]}'', ''\x%s'')',
    i, i % 300 - 150, CASE i % 3 WHEN 0 THEN '5000000000' WHEN 1 THEN '-7' ELSE 'NULL' END, i, i / 7.0, CASE i % 2 WHEN 0 THEN '1e3' ELSE '12.3450' END,
    CASE i % 4 WHEN 0 THEN '1.005' WHEN 1 THEN '''-3.999''' WHEN 2 THEN '17' ELSE 'NULL' END, CASE i % 3 WHEN 0 THEN 'true' WHEN 1 THEN '''no''' ELSE 'NULL' END,
    i, CASE i % 2 WHEN 0 THEN 'ab' ELSE 'abcde   ' END, CASE i % 3 WHEN 0 THEN '' ELSE 'x' END, 1 + i % 28, lpad((i % 60)::text, 2, '0'), i % 10,
    lpad(i::text, 12, '0'), i, lpad(to_hex(i), 4, '0')), ', ') FROM generate_series(1, 120) i \gexec
SELECT count(*), sum(s), sum(l), sum(f), sum(n), sum(p), count(b), min(t), max(t) FROM kinds;
SELECT * FROM kinds WHERE id IN (1, 2, 3, 59, 120) ORDER BY id;
SELECT scale(n), count(*) FROM kinds GROUP BY 1 ORDER BY 1;
SELECT length(v), length(c), octet_length(c), count(*) FROM kinds GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
CREATE TABLE spans (a interval(0), b interval hour to minute, c timetz, d time(1));
SELECT 'INSERT INTO spans VALUES ' || string_agg(format('(''%s.6 seconds'', ''%s'', ''0%s:30+02'', ''10:00:00.%s'')', i, i, i % 10, i), ', ') FROM generate_series(10, 90) i \gexec
SELECT count(*), sum(a), sum(b), min(c), max(c), min(d), max(d) FROM spans;
\echo -- What a column refuses, with its place; the first list that is wrong.
CREATE TABLE strict (a smallint, b varchar(3), c date);
SELECT 'INSERT INTO strict VALUES ' || string_agg(format('(%s, ''x'', ''2024-01-01'')', CASE WHEN i = 90 THEN 40000 ELSE i END), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg(format('(%s, ''%s'', ''2024-01-01'')', i, CASE WHEN i = 50 THEN 'long' ELSE 'x' END), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg(format('(%s, ''x'', ''2024-01-%s'')', i, CASE WHEN i = 70 THEN 99 ELSE 10 END), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg(format('(%s, ''%s'', ''2024-01-%s'')', i, CASE WHEN i = 50 THEN 'long' ELSE 'x' END, CASE WHEN i = 70 THEN 99 ELSE 10 END), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg(CASE WHEN i = 70 THEN '(1, ''x'')' ELSE '(1, ''x'', NULL)' END, ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg('(1, ''x'', NULL, 2)', ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict (a, b, c) VALUES ' || string_agg('(1, ''x'')', ', ') FROM generate_series(1, 150) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg('(true, ''x'', NULL)', ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO strict VALUES ' || string_agg('(1.5, 3, NULL)', ', ') FROM generate_series(1, 100) i \gexec
SELECT count(*), min(a), max(b) FROM strict;
\echo -- Fewer values than columns, defaults, generated and identity columns, DEFAULT among the constants.
CREATE TABLE given (id int GENERATED ALWAYS AS IDENTITY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, d text DEFAULT 'def', m int NOT NULL DEFAULT 9);
SELECT 'INSERT INTO given (a) VALUES ' || string_agg(format('(%s)', i), ', ') FROM generate_series(1, 300) i \gexec
SELECT count(*), min(id), max(id), sum(twice), min(d), sum(m) FROM given;
SELECT 'INSERT INTO given (a, d) VALUES ' || string_agg(format('(%s, %s)', i, CASE WHEN i % 2 = 0 THEN 'DEFAULT' ELSE '''x''' END), ', ') FROM generate_series(1, 200) i \gexec
SELECT d, count(*) FROM given GROUP BY 1 ORDER BY 1;
SELECT 'INSERT INTO given VALUES ' || string_agg(format('(%s, 1)', i), ', ') FROM generate_series(1, 200) i \gexec
SELECT 'INSERT INTO given OVERRIDING USER VALUE VALUES ' || string_agg(format('(%s, 1)', i), ', ') FROM generate_series(1, 200) i \gexec
SELECT 'INSERT INTO given (a, twice) VALUES ' || string_agg('(1, 2)', ', ') FROM generate_series(1, 200) i \gexec
SELECT 'INSERT INTO given (a, m) VALUES ' || string_agg(format('(%s, %s)', i, CASE WHEN i = 150 THEN 'NULL' ELSE '1' END), ', ') FROM generate_series(1, 200) i \gexec
SELECT count(*), max(id), sum(twice) FROM given;
\echo -- Several unique indexes: the error is that of the first row that has one.
CREATE TABLE keys (a int PRIMARY KEY, b int UNIQUE, c int, d text);
CREATE UNIQUE INDEX ON keys ((c % 1000));
CREATE UNIQUE INDEX ON keys (d) WHERE d <> '';
CREATE INDEX ON keys (b, c);
CREATE INDEX ON keys (c) INCLUDE (d);
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', i, 1000 - i, i, CASE WHEN i % 2 = 0 THEN 'd' || i ELSE '' END), ', ') FROM generate_series(1, 400) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', CASE WHEN i = 80 THEN 5 ELSE 1000 + i END, CASE WHEN i = 60 THEN 990 ELSE 2000 + i END, 500 + i, ''), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', CASE WHEN i = 60 THEN 5 ELSE 1000 + i END, CASE WHEN i = 60 THEN 990 ELSE 2000 + i END, 500 + i, ''), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', 1000 + i, CASE WHEN i = 60 THEN 990 ELSE 2000 + i END, CASE WHEN i = 50 THEN 3007 ELSE 500 + i END, ''), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', 1000 + i, 2000 + i, CASE WHEN i = 50 THEN 3007 ELSE 500 + i END, CASE WHEN i = 40 THEN 'd4' ELSE '' END), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', 1000 + i % 90, 2000 + i, 500 + i, ''), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, NULL, %s, %L)', 1000 + i, 500 + i, 'n' || i), ', ') FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', 2000 - i, 4000 - i, 700 + i, ''), ', ') || ' ON CONFLICT (a) DO NOTHING' FROM generate_series(1, 100) i \gexec
SELECT 'INSERT INTO keys VALUES ' || string_agg(format('(%s, %s, %s, %L)', 1950 + i, 5000 - i, 800 + i, ''), ', ') || ' ON CONFLICT (a) DO UPDATE SET d = ''again'' || excluded.b' FROM generate_series(1, 100) i \gexec
SELECT count(*), count(b), sum(c), count(d) FILTER (WHERE d LIKE 'again%') FROM keys;
SET enable_seqscan = off;
SELECT a FROM keys WHERE a BETWEEN 398 AND 1003 ORDER BY a;
SELECT b FROM keys WHERE b BETWEEN 895 AND 905 ORDER BY b;
SELECT c % 1000, d FROM keys WHERE c % 1000 = 77;
SELECT a, d FROM keys WHERE d = 'd78' AND d <> '';
SELECT c, d FROM keys WHERE c BETWEEN 398 AND 504 ORDER BY c;
RESET enable_seqscan;
\echo -- RETURNING, a check, a foreign key, a view with a check option.
CREATE TABLE child (k int CHECK (k <> 170), a int REFERENCES keys (a));
SELECT 'INSERT INTO child VALUES ' || string_agg(format('(%s, %s)', i, i), ', ') FROM generate_series(1, 160) i \gexec
SELECT 'INSERT INTO child VALUES ' || string_agg(format('(%s, %s)', i, 1), ', ') FROM generate_series(1, 200) i \gexec
SELECT 'INSERT INTO child VALUES ' || string_agg(format('(1, %s)', 300 + i), ', ') FROM generate_series(1, 200) i \gexec
CREATE VIEW low AS SELECT * FROM child WHERE k < 1000 WITH CHECK OPTION;
SELECT 'INSERT INTO low VALUES ' || string_agg(format('(%s, NULL)', 850 + i), ', ') FROM generate_series(1, 200) i \gexec
SELECT 'INSERT INTO child VALUES ' || string_agg(format('(%s, 7)', 1000 + i), ', ') || ' RETURNING k' FROM generate_series(1, 130) i \gset
SELECT count(*), sum(k) FROM child;
BEGIN;
SELECT 'INSERT INTO child VALUES ' || string_agg(format('(%s, 7)', 1000 + i), ', ') || ' RETURNING k + a' FROM generate_series(1, 130) i \gexec
ROLLBACK;
\echo -- More rows than one batch, keys that rise, fall and jump.
CREATE TABLE many (k int PRIMARY KEY, v int);
CREATE INDEX ON many (v);
SELECT 'INSERT INTO many VALUES ' || string_agg(format('(%s, %s)', i, i / 10), ', ') FROM generate_series(1, 5000) i \gexec
SELECT 'INSERT INTO many VALUES ' || string_agg(format('(%s, %s)', -i, i % 7), ', ') FROM generate_series(1, 3000) i \gexec
SELECT 'INSERT INTO many VALUES ' || string_agg(format('(%s, %s)', 10000 + (i * 7919) % 4099, NULLIF(i % 5, 0)), ', ') FROM generate_series(1, 4098) i \gexec
SELECT count(*), sum(k), sum(v), count(v) FROM many;
SET enable_seqscan = off;
SELECT count(*), sum(k) FROM many WHERE k BETWEEN -1500 AND 12000;
SELECT v, count(*) FROM many WHERE v BETWEEN 2 AND 8 GROUP BY v ORDER BY v;
SELECT count(*) FROM many WHERE v IS NULL;
