-- Nested loops over index scans by equality: many outer rows are looked up together, and their rows come as if one after the other.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SET enable_material = off;
SET enable_memoize = off;
CREATE TABLE o (id int, k int, wide bigint, t text, d date);
CREATE TABLE i (k int, n int, v text, w numeric, PRIMARY KEY (k, n));
INSERT INTO o SELECT g, CASE WHEN g % 7 = 0 THEN NULL ELSE (g * 37) % 1000 END, CASE WHEN g % 11 = 0 THEN 5000000000 + g ELSE g % 900 END, 't' || g % 50,
  date '2020-01-01' + g % 40 FROM generate_series(1, 3000) g;
INSERT INTO i SELECT g % 800, g / 800, 'v' || g, g * 1.25 FROM generate_series(0, 3999) g;
-- a key with many entries, and rows that are gone
INSERT INTO i SELECT 13, g, 'many', g FROM generate_series(100, 3099) g;
DELETE FROM i WHERE k BETWEEN 20 AND 29 AND n > 1;
UPDATE i SET v = v || '!' WHERE k BETWEEN 30 AND 39;
VACUUM ANALYZE o;
ANALYZE i;
SELECT count(*), count(DISTINCT o.id), sum(i.n), sum(i.w), min(i.v), max(i.v) FROM o JOIN i ON i.k = o.k;
SELECT count(*), count(i.k), sum(o.id), sum(i.n) FROM o LEFT JOIN i ON i.k = o.k;
SELECT count(*), count(i.k), sum(o.id), sum(i.n) FROM o LEFT JOIN i ON i.k = o.k AND i.n > 2 AND i.w < o.id;
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k);
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND i.v LIKE 'v2%' AND i.w > o.id);
SELECT count(*), sum(id) FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k AND i.n > 2 AND i.w <> o.id);
-- the last of many entries matches, and none does
SELECT count(*), sum(id) FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND i.n = 3099 + o.id - o.id);
SELECT count(*), sum(id) FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k AND i.w + o.id < 0);
-- the order of the outer rows, and of the index within
SELECT o.id, i.n, i.v FROM (SELECT * FROM o ORDER BY id DESC LIMIT 9) o JOIN i ON i.k = o.k;
SELECT o.id, i.n, i.v FROM (SELECT * FROM o ORDER BY t, id LIMIT 6) o LEFT JOIN i ON i.k = o.k AND i.n < 2;
SELECT o.id, i.n FROM (SELECT * FROM o ORDER BY k, id OFFSET 30 LIMIT 12) o JOIN i ON i.k = o.k LIMIT 20;
SELECT o.id, i.n FROM (SELECT * FROM o ORDER BY abs(k - 13), id LIMIT 5) o JOIN i ON i.k = o.k ORDER BY i.n DESC, 1 LIMIT 3;
-- keys of other types, and of two columns
SELECT count(*), sum(i.n) FROM o JOIN i ON i.k = o.wide;
SELECT count(*), sum(o.id), min(i.v) FROM o JOIN i ON i.k = o.k AND i.n = o.id % 5;
SELECT count(*), count(i.v) FROM o LEFT JOIN i ON i.k = o.wide AND i.n = 3;
CREATE TABLE s (t text, d date, c char(5), x int, PRIMARY KEY (t, x));
CREATE INDEX ON s (d DESC NULLS FIRST);
CREATE INDEX ON s (c);
INSERT INTO s SELECT 't' || g % 60, CASE WHEN g % 9 > 0 THEN date '2020-01-01' + g % 60 END, 'c' || g % 30, g FROM generate_series(1, 240) g;
ANALYZE s;
SELECT count(*), sum(s.x), sum(o.id) FROM o JOIN s ON s.t = o.t;
SELECT count(*), sum(s.x), sum(o.id) FROM o JOIN s ON s.d = o.d;
SELECT count(*), sum(s.x) FROM o JOIN s ON s.d = o.d::timestamp + (o.id % 3) * interval '12 hours';
SELECT count(*), sum(s.x) FROM (SELECT id, ('c' || id % 40)::char(5) AS c FROM o WHERE id < 100) o JOIN s ON s.c = o.c;
SELECT count(*), sum(a.x), sum(b.n) FROM o JOIN s a ON a.t = o.t JOIN i b ON b.k = a.x WHERE o.id < 500;
-- all from the index: pages that all see, and rows that aren't there yet, or were changed by this transaction
VACUUM i;
BEGIN;
SELECT count(*), sum(i.n) FROM o JOIN i ON i.k = o.k WHERE o.id <= 700;
DELETE FROM i WHERE k = 74;
INSERT INTO i VALUES (999, 1, 'new', 1);
UPDATE i SET n = n + 5000 WHERE k = 148;
SELECT count(*), sum(i.n) FROM o JOIN i ON i.k = o.k WHERE o.id <= 700;
SELECT count(*) FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k);
ROLLBACK;
SELECT count(*) FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*), sum(i.n), min(i.v) FROM o JOIN i ON i.k = o.k;
COMMIT;
-- system columns and whole rows
SELECT count(DISTINCT i.ctid), count(DISTINCT i.xmin::text) > 0, max(i::text) FROM o JOIN i ON i.k = o.k WHERE o.id < 300;
-- conditions that may fail: of all rows that are wanted, and of no others
SELECT count(*) FROM o JOIN i ON i.k = o.k AND i.n / (i.k - 13) >= 0;
SELECT count(*) FROM o JOIN i ON i.k = o.k AND i.n / (i.k - 13) >= 0 WHERE o.k <> 13;
SELECT o.id FROM (SELECT * FROM o ORDER BY id LIMIT 3) o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND 10 / (2 - i.n) > 0);
SELECT count(*) FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND 10 / (2 - i.n) > 90);
-- what EXPLAIN counts
VACUUM ANALYZE i;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT o.id FROM o WHERE o.id <= 500 AND EXISTS (SELECT FROM i WHERE i.k = o.k AND i.w > 1000.0);
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT o.id, i.v FROM o LEFT JOIN i ON i.k = o.k AND i.w > 1000;
-- within a subquery that is run for each row
SELECT g, (SELECT count(*) FROM o JOIN i ON i.k = o.k WHERE o.id BETWEEN g AND g + 20 AND i.n < g) FROM generate_series(1, 5) g;
-- alternatives that all say what a column equals
SELECT count(*), sum(x) FROM s WHERE (c = 'c1' AND x < 50) OR (c IN ('c2', 'c3') AND x > 60) OR (c = 'c1' AND d IS NULL);
SELECT count(*), sum(x) FROM s WHERE (x = 5 AND c = 'c5') OR (c = 'c6' AND x IN (6, 36)) OR x = 100;
SELECT count(*) FROM s WHERE (c = 'c1' AND 1 / (x - 1) > 0) OR (c = 'c2');
-- conditions on columns of a lateral subquery below an outer join, whose columns have names of their own
SELECT count(*), sum(l.n), min(l.v) FROM o JOIN (LATERAL (SELECT i.k, i.n, i.v FROM i WHERE i.k = o.k) l LEFT JOIN s ON s.x = l.n) ON true WHERE coalesce(l.n, 0) = o.id % 5;
SELECT count(*), sum(m) FROM o JOIN (LATERAL (SELECT i.k, i.n + 1 AS m FROM i WHERE i.k = o.k) l LEFT JOIN s ON s.x = l.m) ON true WHERE coalesce(l.m, 0) = o.id % 5;
SELECT count(*), sum(l.n) FROM o LEFT JOIN (LATERAL (SELECT i.k, i.n, i.v FROM i WHERE i.k = o.k) l LEFT JOIN s ON s.x = l.n) ON l.n + 1 = o.id % 5;
DROP TABLE o, i, s;
