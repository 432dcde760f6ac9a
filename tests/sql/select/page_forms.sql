-- Rows of a page that are alike, and pages where they aren't: NULLs here and there, long values, columns that were added later.
CREATE TABLE pf (b bool, s int2, i int4, l int8, f real, d float8, n numeric(12,2), v text, c char(6), day date, ts timestamp, u uuid);
INSERT INTO pf SELECT i % 2 = 0, i % 300, i, i * 1000000007::bigint, i / 4.0, i / 8.0, i / 100.0, 'text ' || i % 77, 'c' || i % 55, date '2000-01-01' + i % 400,
    timestamp '2000-01-01' + i * interval '1 minute', md5(i::text)::uuid FROM generate_series(1, 3000) i;
-- One column NULL in some rows, then another one in each row, then all of them.
INSERT INTO pf SELECT i % 2 = 0, i % 300, i, i, i, i, CASE WHEN i % 3 > 0 THEN i / 100.0 END, 'text', 'c', date '2001-01-01', NULL, NULL FROM generate_series(1, 500) i;
INSERT INTO pf SELECT CASE i % 12 WHEN 0 THEN NULL ELSE true END, CASE i % 12 WHEN 1 THEN NULL ELSE i END, CASE i % 12 WHEN 2 THEN NULL ELSE i END,
    CASE i % 12 WHEN 3 THEN NULL ELSE i END, CASE i % 12 WHEN 4 THEN NULL ELSE i END, CASE i % 12 WHEN 5 THEN NULL ELSE i END, CASE i % 12 WHEN 6 THEN NULL ELSE i END,
    CASE i % 12 WHEN 7 THEN NULL ELSE 'v' || i END, CASE i % 12 WHEN 8 THEN NULL ELSE 'c' || i END, CASE i % 12 WHEN 9 THEN NULL ELSE date '2002-01-01' + i END,
    CASE i % 12 WHEN 10 THEN NULL ELSE timestamp '2002-01-01' + i * interval '1 hour' END, CASE i % 12 WHEN 11 THEN NULL ELSE md5(i::text)::uuid END FROM generate_series(1, 600) i;
INSERT INTO pf SELECT FROM generate_series(1, 5);
-- Long texts, some of them out of line, among short ones; numerics of other lengths and scales.
INSERT INTO pf (i, v, n, c) SELECT i, repeat(md5(i::text), i % 20), (i::numeric * 123456789) % 9999999999, repeat('x', i % 7) FROM generate_series(1, 400) i;
INSERT INTO pf (i, v) SELECT i, (SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 300) k) FROM generate_series(1, 3) i;
CREATE VIEW sums (r, b, s, i, l, d, n, v, least, greatest, c, day, ts, u) AS SELECT count(*), count(b), sum(s), sum(i), sum(l), sum(d), sum(n), sum(length(v)), min(v), max(c), count(c), min(day), max(ts), max(u::text) FROM pf;
SELECT * FROM sums;
SELECT sum(f), max(n), min(n), avg(n) FROM pf WHERE i < 1000;
SELECT count(*) FILTER (WHERE b) AS b, bool_and(b), bool_or(NOT b) FROM pf WHERE s > 10;
SELECT count(*) FROM pf WHERE b;
SELECT count(*), sum(i) FROM pf WHERE s = 7 OR s = 9;
SELECT count(*), sum(n) FROM pf WHERE i BETWEEN 100 AND 2000 AND l > 5000;
SELECT count(*), sum(n) FROM pf WHERE f >= 100 AND d < 300.5;
SELECT count(*), sum(n) FROM pf WHERE n > 5.25 AND n < 20;
SELECT count(*), min(n) FROM pf WHERE v = 'text 5' AND c <> 'c5';
SELECT count(*), max(i) FROM pf WHERE v LIKE 'text 1%' AND c = 'c10';
SELECT count(*), max(i) FROM pf WHERE c IN ('c1', 'c2', 'x');
SELECT count(*), max(i) FROM pf WHERE day >= '2000-06-01' AND ts < '2000-01-02';
SELECT count(*) FROM pf WHERE s = i;
SELECT count(*) FROM pf WHERE l = i AND i <> s;
SELECT count(*) FROM pf WHERE n IS NULL;
SELECT count(*), sum(i) FROM pf WHERE u IS NOT NULL AND v IS NULL;
SELECT c, count(*), sum(n) FROM pf WHERE c < 'c2' GROUP BY c ORDER BY c LIMIT 5;
-- Old rows lack what comes later.
ALTER TABLE pf ADD COLUMN later int DEFAULT 7, ADD COLUMN note text;
INSERT INTO pf (i, n, v, later, note) SELECT i, i, 'new', i, 'note ' || i FROM generate_series(1, 300) i;
UPDATE pf SET later = 9 WHERE i % 50 = 0;
DELETE FROM pf WHERE i % 90 = 1;
SELECT * FROM sums;
SELECT sum(later), count(note), max(note), count(*) FILTER (WHERE later = 9) FROM pf;
SELECT count(*), sum(n) FROM pf WHERE later = 7 AND v <> 'new';
SELECT count(*), min(note) FROM pf WHERE note LIKE '%9' OR later > 290;
-- One page of each kind.
CREATE TABLE pg1 (a int, t text, z int);
INSERT INTO pg1 VALUES (1, 'one', 1), (2, NULL, 2), (NULL, 'three', NULL), (4, repeat('4', 300), 4);
SELECT count(*), sum(a), max(t), sum(z) FROM pg1 WHERE a > 1;
SELECT a, length(t), z FROM pg1 WHERE z = a ORDER BY a;
UPDATE pg1 SET z = a WHERE a = 1;
SELECT a, length(t), z FROM pg1 ORDER BY a;
DROP VIEW sums;
DROP TABLE pf, pg1;
