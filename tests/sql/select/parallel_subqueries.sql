-- Subqueries that are run once, by several threads or for several threads.
CREATE TABLE ps (i int, g int, n numeric, t text);
INSERT INTO ps SELECT i, i % 100, (i % 1000)::numeric / 100, CASE WHEN i % 3 > 0 THEN 'text ' || i % 50 END FROM generate_series(1, 20000) i;
ANALYZE ps;
SET min_parallel_table_scan_size = '64kB';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT count(*), sum(n) FROM ps WHERE i > (SELECT avg(i) FROM ps WHERE g < 50);
SELECT g, count(*) FROM ps WHERE n < (SELECT max(n) / 2 FROM ps) AND i % 7 = 0 GROUP BY g HAVING count(*) > (SELECT count(*) / 800 FROM ps WHERE t IS NOT NULL) ORDER BY g LIMIT 5;
SELECT count(*) FROM ps WHERE n BETWEEN (SELECT min(n) FROM ps) AND (SELECT avg(n) FROM ps) OR t = (SELECT max(t) FROM ps);
SELECT (SELECT count(*) FROM ps WHERE g = 5 AND i > (SELECT min(i) FROM ps WHERE t = 'text 5')), (SELECT sum(n) FROM ps);
SELECT count(*), sum(n + (SELECT min(n) + 1 FROM ps)) FROM ps WHERE (SELECT bool_and(i > 0) FROM ps);
SELECT sum(n), count(*) FROM (SELECT * FROM ps WHERE i > (SELECT avg(i) FROM ps)) s JOIN (VALUES (1), (2)) v (g) USING (g);
SELECT count(*), max(i) FROM ps WHERE n > (SELECT avg(n) FROM ps) AND NOT EXISTS (SELECT FROM ps o WHERE o.i = ps.i + 1 AND o.g < 50);
-- No row, NULL, too many rows, an error that every row asks for.
SELECT count(*) FROM ps WHERE i > (SELECT i FROM ps WHERE i < 0);
SELECT count(*), count(t) FROM ps WHERE (SELECT max(t) FROM ps WHERE i < 0) IS NULL;
SELECT count(*) FROM ps WHERE i > (SELECT i FROM ps WHERE i < 3);
SELECT count(*) FROM ps WHERE i > (SELECT 1 / (count(*) - count(*)) FROM ps);
-- Again and again, with other values.
SELECT x, (SELECT count(*) FROM ps b WHERE b.i < x * 10 AND b.i > (SELECT avg(i) / 10000 FROM ps)) FROM generate_series(1, 3) x ORDER BY x;
PREPARE above(int) AS SELECT count(*) FROM ps WHERE i > (SELECT avg(i) FROM ps WHERE g < $1);
EXECUTE above(50);
EXECUTE above(1);
EXECUTE above(0);
DEALLOCATE above;
WITH a AS MATERIALIZED (SELECT count(*) AS c FROM ps WHERE i > (SELECT avg(i) FROM ps)) SELECT c, x FROM a, generate_series(1, 2) x ORDER BY x;
BEGIN;
UPDATE ps SET n = n + 1 WHERE i <= 10000;
SELECT count(*), sum(n) FROM ps WHERE n > (SELECT avg(n) FROM ps);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*), sum(n) FROM ps WHERE n > (SELECT avg(n) FROM ps);
COMMIT;
DROP TABLE ps;
