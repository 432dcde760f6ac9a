-- Correlated subqueries whose LIMIT reads the outer row, with common table expressions, with full joins; in conditions of inner joins.
CREATE TABLE o (id int PRIMARY KEY, a int, b int, n bigint);
CREATE TABLE i (id int PRIMARY KEY, a int, b int, c int);
CREATE TABLE e (src int, dst int);
INSERT INTO o SELECT g, g % 7, nullif(g % 5, 3), nullif(g % 4, 3) FROM generate_series(1, 24) g;
INSERT INTO i SELECT g, g % 9, nullif(g % 6, 2), g % 4 FROM generate_series(1, 60) g;
INSERT INTO e SELECT g % 10, (g * 7 + 3) % 12 FROM generate_series(1, 9) g;
ANALYZE;
SET quarry.forced_rules = 'all';

-- Counts of the outer row; NULL is all.
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n) s) FROM o ORDER BY 1;
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a < o.a ORDER BY i.id DESC LIMIT o.n) s) FROM o ORDER BY 1;
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id OFFSET o.n) s) FROM o ORDER BY 1;
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n OFFSET 1) s) FROM o ORDER BY 1;
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT 2 OFFSET o.n) s) FROM o ORDER BY 1;
SELECT o.id, n, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n OFFSET o.b) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i ORDER BY i.id LIMIT o.n) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n / 2) FROM o WHERE n < 3 ORDER BY 1;
SELECT o.id, (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT 1 OFFSET o.n) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n) FROM o ORDER BY 1;
SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n) s ORDER BY 1, 2;
SELECT o.id, s.id FROM o LEFT JOIN LATERAL (SELECT i.id FROM i WHERE i.a < o.a ORDER BY i.id LIMIT o.n) s ON true ORDER BY 1, 2;
SELECT o.id, s.n FROM o, LATERAL (SELECT count(*) AS n FROM (SELECT FROM i WHERE i.a < o.a OFFSET o.n) t) s ORDER BY 1, 2;
SELECT o.id FROM o WHERE EXISTS (SELECT FROM i WHERE i.a = o.a LIMIT o.n) ORDER BY 1;
SELECT o.id FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.a = o.a LIMIT o.n) ORDER BY 1;
SELECT o.id FROM o WHERE o.b IN (SELECT i.b FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n) ORDER BY 1;
SELECT o.id, o.b NOT IN (SELECT i.b FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n) FROM o ORDER BY 1;
SELECT o.id, o.b > ALL (SELECT i.b FROM i WHERE i.a = o.a ORDER BY i.id OFFSET o.n) FROM o ORDER BY 1;

-- Counts that can't be; only for rows that ask.
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id OFFSET o.n - 1) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1 OFFSET o.n - 1) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = -1 ORDER BY i.id LIMIT o.n - 1) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT 4 / o.n) s) FROM o ORDER BY 1;
SELECT o.id, CASE WHEN n > 0 THEN (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1) s) END FROM o ORDER BY 1;
SELECT o.id, CASE WHEN n > 0 THEN (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT 4 / o.n) s) END FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1) s) FROM o WHERE n > 0 ORDER BY 1;
SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1) s ORDER BY 1, 2;
SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT o.n - 1) s WHERE o.n > 0 ORDER BY 1, 2;
SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT 4 / o.n) s ORDER BY 1, 2;
SELECT o.id FROM o WHERE EXISTS (SELECT FROM i WHERE i.a = o.a LIMIT o.n - 1) ORDER BY 1;
SELECT o.id FROM o WHERE n > 0 AND EXISTS (SELECT FROM i WHERE i.a = o.a LIMIT o.n - 1) ORDER BY 1;
SELECT o.id FROM o WHERE n > 0 AND (n > 1 OR EXISTS (SELECT FROM i WHERE i.a = o.a OFFSET o.n - 1)) ORDER BY 1;

-- WITH TIES.
SELECT o.id, (SELECT count(*) FROM (SELECT i.c FROM i WHERE i.a = o.a ORDER BY i.c FETCH FIRST 2 ROWS WITH TIES) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM (SELECT i.c FROM i WHERE i.a < o.a ORDER BY i.c FETCH FIRST 1 ROW WITH TIES) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.c) FROM (SELECT i.c FROM i WHERE i.a < o.a ORDER BY i.c OFFSET 3 FETCH FIRST 2 ROWS WITH TIES) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.c) FROM (SELECT i.c FROM i WHERE i.a < o.a ORDER BY i.c DESC FETCH FIRST (o.n) ROWS WITH TIES) s) FROM o WHERE n IS NOT NULL ORDER BY 1;
SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.c FETCH FIRST 1 ROW WITH TIES) s ORDER BY 1, 2;

-- Common table expressions.
SELECT o.id, (WITH r AS (SELECT i.id, i.b FROM i WHERE i.a = o.a) SELECT count(*) FROM r x JOIN r y ON x.b < y.b) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.id, i.b FROM i WHERE i.a < o.a) SELECT max(id) FROM r WHERE r.b > o.b) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.id, i.b FROM i WHERE i.a < o.a), s AS MATERIALIZED (SELECT * FROM r WHERE b < o.b) SELECT count(*) FROM r LEFT JOIN s ON s.id = r.id) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.id, i.b FROM i) SELECT max(id) FROM r WHERE r.b = o.b) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT o.a AS v) SELECT v FROM r) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT count(*) AS v FROM i WHERE i.a < o.a) SELECT x.v + y.v FROM r x, r y) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE EXISTS (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a = o.a) SELECT FROM r x JOIN r y ON x.b = y.b + 1) ORDER BY 1;
SELECT o.id, o.b IN (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a = o.a) SELECT b FROM r UNION SELECT b + 1 FROM r) FROM o ORDER BY 1;
SELECT o.id, s.n FROM o, LATERAL (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT count(*) AS n FROM r x WHERE x.b > (SELECT avg(b) FROM r)) s ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.id, 10 / i.c AS q FROM i WHERE i.a = o.a) SELECT count(q) FROM r) FROM o ORDER BY 1;
SELECT o.id, ARRAY(WITH r AS MATERIALIZED (SELECT i.id FROM i WHERE i.a = o.a) SELECT id FROM r UNION ALL SELECT -id FROM r ORDER BY 1) FROM o ORDER BY 1;

-- Recursions that end.
SELECT o.id, (WITH RECURSIVE r(n) AS (SELECT o.a UNION SELECT e.dst FROM e JOIN r ON e.src = r.n) SELECT count(*) FROM r) FROM o ORDER BY 1;
SELECT o.id, (WITH RECURSIVE r(n) AS (SELECT o.b UNION SELECT e.dst FROM e JOIN r ON e.src = r.n) SELECT max(n) FROM r) FROM o ORDER BY 1;
SELECT o.id, (WITH RECURSIVE r(n) AS (SELECT e.dst FROM e WHERE e.src = o.a UNION SELECT e.dst FROM e JOIN r ON e.src = r.n AND e.dst <> o.a) SELECT string_agg(n::text, ',' ORDER BY n) FROM r) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE 5 IN (WITH RECURSIVE r(n) AS (SELECT o.a UNION SELECT e.dst FROM e JOIN r ON e.src = r.n) SELECT n FROM r) ORDER BY 1;
SELECT o.id FROM o WHERE EXISTS (WITH RECURSIVE r(n) AS (SELECT 0 UNION SELECT e.dst FROM e JOIN r ON e.src = r.n AND e.dst > o.a) SELECT FROM r WHERE n = o.b) ORDER BY 1;
SELECT o.id, s.n FROM o, LATERAL (WITH RECURSIVE r(n) AS (SELECT o.a UNION SELECT e.dst FROM e JOIN r ON e.src = r.n) SELECT n FROM r) s ORDER BY 1, 2;
-- Others are run for each row, and only for those that ask.
SELECT o.id, (WITH RECURSIVE r(n) AS (SELECT o.a UNION ALL SELECT n - 1 FROM r WHERE n > 0) SELECT count(*) FROM r) FROM o ORDER BY 1;
SELECT o.id, CASE WHEN a > 0 THEN (WITH RECURSIVE r(n) AS (SELECT o.a UNION ALL SELECT n - 1 FROM r WHERE n <> 0) SELECT count(*) FROM r) END FROM o WHERE id < 9 ORDER BY 1;
SELECT o.id, (WITH RECURSIVE r(n) AS (SELECT o.a UNION ALL SELECT n + 1 FROM r) SELECT sum(n) FROM (SELECT n FROM r LIMIT 3) s) FROM o WHERE id < 9 ORDER BY 1;

-- Full joins whose sides read the outer row.
SELECT o.id, (SELECT count(*) FROM (SELECT * FROM i WHERE i.a = o.a) x FULL JOIN (SELECT * FROM i WHERE i.b = o.b) y ON x.id = y.id) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(coalesce(x.id, -y.id)::text, ',' ORDER BY coalesce(x.id, -y.id)) FROM (SELECT * FROM i WHERE i.a < o.a AND i.id < 20) x FULL JOIN (SELECT * FROM i WHERE i.id < 9) y ON x.id = y.id + 5) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(x.id) - count(y.id) FROM (SELECT * FROM i WHERE i.b IS DISTINCT FROM o.b) x FULL JOIN (SELECT * FROM i WHERE i.c < o.b) y USING (a)) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE NOT EXISTS (SELECT FROM (SELECT * FROM i WHERE i.a = o.a AND i.b > 3) x FULL JOIN (SELECT * FROM i WHERE i.b < o.b AND i.id < 7) y ON x.id = y.id) ORDER BY 1;
-- What a LATERAL item computes of the outer row isn't computed for rows that a condition leaves out.
SELECT o.id, s.x FROM o, LATERAL (SELECT count(*) AS x FROM i WHERE i.a < 10 / o.n) s WHERE o.n > 0 ORDER BY 1;
SELECT o.id, s.c, s.x FROM o, LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s WHERE o.n > 0 ORDER BY 1, 2;
SELECT o.id, s.c, s.x FROM o LEFT JOIN LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s ON true WHERE o.n > 0 ORDER BY 1, 2;
SELECT o.id, s.c, s.x FROM o LEFT JOIN LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s ON o.n > 0 WHERE o.id < 6 ORDER BY 1, 2;
SELECT o.id, s.c, s.x FROM i y RIGHT JOIN (o CROSS JOIN LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s) ON y.id = o.id AND o.n > 0 WHERE o.id < 6 ORDER BY 1, 2;
SELECT o.id, s.c, s.x FROM o CROSS JOIN LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s JOIN i y ON y.id = o.id AND o.n > 0 ORDER BY 1, 2;
SELECT o.id, s.c, s.x FROM o, LATERAL (SELECT i.c, count(*) AS x FROM i WHERE i.a < 10 / o.n GROUP BY i.c) s ORDER BY 1, 2;

-- Conditions of inner joins.
SELECT x.id, y.id FROM i x JOIN i y ON x.id = y.a AND EXISTS (SELECT FROM o WHERE o.a = y.c AND o.b = x.b) ORDER BY 1, 2;
SELECT x.id, y.id FROM i x JOIN i y ON x.id = y.a AND y.id > (SELECT avg(o.id) * 4 FROM o WHERE o.b < y.c) WHERE NOT EXISTS (SELECT FROM o WHERE o.id = y.id) ORDER BY 1, 2;
SELECT o.id, x.id, y.id FROM o LEFT JOIN (i x JOIN i y ON x.id = y.a AND x.b IN (SELECT o.b FROM o WHERE o.a = y.c)) ON x.id = o.id ORDER BY 1, 2, 3;
SELECT o.id, (SELECT count(*) FROM i x JOIN i y ON x.id = y.a AND EXISTS (SELECT FROM o z WHERE z.a = y.c AND z.b = x.b) AND y.b = o.b) FROM o ORDER BY 1;
-- Counts that are parameters.
SET plan_cache_mode = force_generic_plan;
PREPARE counted(bigint) AS SELECT o.id, (SELECT sum(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT $1) s) FROM o WHERE id < 6 ORDER BY 1;
EXECUTE counted(2);
EXECUTE counted(NULL);
EXECUTE counted(-1);
PREPARE both(int, int) AS SELECT o.id, s.id FROM o, LATERAL (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id LIMIT $1 OFFSET $2) s WHERE o.id < 6 ORDER BY 1, 2;
EXECUTE both(2, 1);
EXECUTE both(NULL, 3);
EXECUTE both(1, -1);
EXECUTE both(-1, -1);
DEALLOCATE ALL;
RESET plan_cache_mode;
RESET quarry.forced_rules;
DROP TABLE o, i, e;
