-- Nested loops below aggregates that several threads compute: outer rows that are dealt to them, and inner sides of which each has a part.
SET min_parallel_table_scan_size = '64kB';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
CREATE TABLE la (id int PRIMARY KEY, g int, n numeric(12,2), t text);
INSERT INTO la SELECT i, i % 7, i / 100.0, 'text ' || i % 1000 FROM generate_series(1, 20000) i;
CREATE TABLE lb (k int, v int, u text);
INSERT INTO lb SELECT i % 2000, i % 11, 'value ' || i % 500 FROM generate_series(1, 40000) i;
CREATE INDEX ON lb (k);
CREATE TABLE lc (c int, name char(10));
INSERT INTO lc SELECT i, 'name ' || i % 3 FROM generate_series(1, 5) i;
ANALYZE la, lb, lc;
-- Rows of an index scan, and of a join, are dealt.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(*), sum(n), sum(v), max(u), min(t) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900;
SELECT g, count(*), sum(n), sum(v) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900 GROUP BY g ORDER BY g;
SELECT count(*), sum(n), count(v), sum(v) FROM la LEFT JOIN lb ON k = id AND v > 3 WHERE id BETWEEN 1500 AND 2500;
SELECT count(*), sum(n) FROM la WHERE EXISTS (SELECT FROM lb WHERE k = id AND v < 5) AND id BETWEEN 1500 AND 2500;
SELECT count(*), sum(n) FROM la WHERE NOT EXISTS (SELECT FROM lb WHERE k = id AND v < 5) AND id BETWEEN 1500 AND 2500;
SELECT name, count(*), sum(n), sum(v) FROM lc JOIN la ON g = c JOIN lb ON k = id WHERE id BETWEEN 100 AND 900 GROUP BY name ORDER BY name;
SELECT count(*), sum(x.n), sum(y.v) FROM la x JOIN lb z ON z.k = x.id JOIN lb y ON y.k = z.k + 1 WHERE x.id BETWEEN 100 AND 400;
-- Nothing to deal, one row, an error.
SELECT count(*), sum(n) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900 AND g > 10;
SELECT count(*), sum(n) FROM la JOIN lb ON k = id WHERE id = 77;
SELECT sum(10 / (v - 7)) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900;
SELECT sum(n) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900 AND 10 / (id - 500) > -100;
-- Again and again.
SELECT x, (SELECT sum(n) FROM la JOIN lb ON k = id WHERE id BETWEEN x AND x + 700) FROM generate_series(0, 300, 100) x ORDER BY x;
SELECT x, s FROM generate_series(1, 3) x, LATERAL (SELECT sum(n + v) + x AS s FROM la JOIN lb ON k = id WHERE id BETWEEN x * 100 AND x * 300) y ORDER BY x;
PREPARE dealt(int, int) AS SELECT count(*), sum(n), sum(v) FROM la JOIN lb ON k = id WHERE id BETWEEN $1 AND $2;
EXECUTE dealt(100, 900);
EXECUTE dealt(0, 5000);
EXECUTE dealt(7, 6);
DEALLOCATE dealt;
BEGIN;
UPDATE la SET n = n + 1 WHERE id <= 500;
DELETE FROM lb WHERE v = 4;
SELECT count(*), sum(n), sum(v) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900;
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*), sum(n), sum(v) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900;
COMMIT;
SET max_parallel_workers = 0;
SELECT count(*), sum(n), sum(v) FROM la JOIN lb ON k = id WHERE id BETWEEN 100 AND 900;
RESET max_parallel_workers;
-- Few outer rows, read by each of the threads; inner rows in parts.
RESET enable_hashjoin;
SELECT count(*), sum(n), max(name) FROM lc JOIN la ON c > g WHERE c < 3;
SELECT name, count(*), sum(n) FROM lc JOIN la ON c <> g WHERE c < 3 GROUP BY name ORDER BY name;
SELECT name, count(*), sum(n), sum(v) FROM lc JOIN (la JOIN lb ON k = id) ON c <> g AND v > c WHERE c < 3 GROUP BY name ORDER BY name;
SELECT count(*), sum(n) FROM lc JOIN la ON c > g WHERE c > 100;
SELECT count(*), sum(n) FROM lc JOIN la ON c > g AND 10 / (id - 300) > -100 WHERE c < 3;
SELECT x, (SELECT sum(n) FROM lc JOIN la ON c > g WHERE c < x) FROM generate_series(1, 4) x ORDER BY x;
-- Hash joins whose sides are dealt, and in parts.
SET enable_nestloop = on;
SELECT count(*), sum(a.n), sum(b.v) FROM la a JOIN lb b ON b.k = a.id JOIN (SELECT id, v FROM la JOIN lb ON k = id WHERE id < 300) c ON c.id = b.v WHERE a.id BETWEEN 100 AND 900;
-- Groups of rows that were sorted for them.
SET enable_hashagg = off;
SELECT t, count(*), sum(n) FROM la GROUP BY t ORDER BY t LIMIT 5;
SELECT t, g, count(*), sum(n) FROM la GROUP BY t, g ORDER BY t DESC, g LIMIT 5;
SELECT name, count(*), sum(n) FROM lc JOIN la ON g = c GROUP BY name HAVING sum(n) > 1000 ORDER BY name DESC;
SELECT upper(t) AS u, max(n) FROM la WHERE t LIKE 'text 99%' GROUP BY upper(t) ORDER BY 1 LIMIT 4;
SELECT count(*), sum(s) FROM (SELECT g, n, sum(id) AS s FROM la GROUP BY g, n) x;
SELECT g, s FROM (SELECT g, sum(n) AS s FROM la GROUP BY g) x JOIN lc ON g = c ORDER BY g;
SELECT sum(n) FROM la WHERE id < 0 GROUP BY g;
SELECT g, count(DISTINCT t), sum(n) FROM la GROUP BY g ORDER BY g;
RESET enable_hashagg;
SELECT n, id % 5 AS m, sum(g) FROM la WHERE n < 0.20 GROUP BY n, m ORDER BY n DESC, m;
-- DISTINCT: each thread has seen some of the values.
INSERT INTO la SELECT i, NULL, NULL, NULL FROM generate_series(30001, 30100) i;
SELECT count(DISTINCT g), count(DISTINCT t), sum(DISTINCT n), avg(DISTINCT id % 100), count(*) FROM la;
SELECT count(DISTINCT (g, t)), count(DISTINCT n) FILTER (WHERE n < 50), max(DISTINCT t) FROM la;
SELECT g, count(DISTINCT t), sum(DISTINCT id % 1000), count(*) FROM la GROUP BY g ORDER BY g;
SELECT v, count(DISTINCT u), sum(DISTINCT k) FROM lb GROUP BY v HAVING count(DISTINCT k) > 10 ORDER BY v;
SELECT g, count(DISTINCT u), sum(n) FROM la JOIN lb ON k = id GROUP BY g ORDER BY g;
SELECT count(DISTINCT g), sum(DISTINCT n) FROM la WHERE id < 0;
SELECT sum(DISTINCT 10 / (id - 300)) FROM la;
SET work_mem = '64kB';
SELECT count(DISTINCT id), count(DISTINCT t), sum(DISTINCT n), count(*) FROM la;
SELECT g, count(DISTINCT id), sum(DISTINCT n) FROM la GROUP BY g ORDER BY g;
RESET work_mem;
DROP TABLE la, lb, lc;
