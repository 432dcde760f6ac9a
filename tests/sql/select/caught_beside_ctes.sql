-- Correlated subqueries in which something may fail, beside WITH: what catches their errors stands behind what it reads.
SET quarry.forced_rules = 'all';
CREATE TABLE ca (id int, k int, n int);
INSERT INTO ca SELECT i, i % 7, i % 5 FROM generate_series(1, 60) i;
CREATE TABLE cb (k int, v int, w int);
INSERT INTO cb SELECT i % 9, i, i % 4 FROM generate_series(1, 90) i;
CREATE TABLE cu (w int PRIMARY KEY, v int);
INSERT INTO cu SELECT i, i * 10 FROM generate_series(0, 3) i;
WITH w AS MATERIALIZED (SELECT id, k, n FROM ca WHERE n > 1)
SELECT w.id, (SELECT count(*) FROM cb WHERE cb.k = w.k AND cb.v * 10 > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) FROM w ORDER BY 1 LIMIT 5;
WITH w AS MATERIALIZED (SELECT id, k, n FROM ca WHERE n > 1), x AS MATERIALIZED (SELECT w.id, (SELECT count(*) FROM cb JOIN w w2 ON w2.id = cb.v WHERE cb.k = w.k AND cb.v * 10 > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) AS c FROM w)
SELECT x.id, x.c, (SELECT max(cb.v) FROM cb WHERE cb.w = x.c AND cb.v > (SELECT cu.v FROM cu WHERE cu.w = cb.w AND x.id > cu.v)) FROM x ORDER BY 1 LIMIT 5;
WITH RECURSIVE r (a, c) AS (SELECT 1, 0::bigint UNION ALL SELECT r.a + 1, (SELECT count(*) FROM cb WHERE cb.k = r.a AND cb.v > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) FROM r WHERE r.a < 9)
SELECT * FROM r;
WITH RECURSIVE r (a, c) AS (SELECT 1, 0::bigint UNION SELECT r.a + 1, (SELECT count(*) FROM cb WHERE cb.k = r.a AND cb.v > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) FROM r WHERE r.a < 9)
SELECT * FROM r;
WITH RECURSIVE r (a, c) AS (SELECT 1, 0::bigint UNION SELECT r.a + 1, (SELECT count(*) FROM cb WHERE cb.k = r.a AND 10 / (cb.v - 42) > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) FROM r WHERE r.a < 9)
SELECT * FROM r;
WITH RECURSIVE r (a, c) AS (SELECT 1, 0::bigint UNION SELECT r.a + 1, (SELECT count(*) FROM cb WHERE cb.k = r.a AND 10 / (cb.v - 2) > (SELECT cu.v FROM cu WHERE cu.w = cb.w)) FROM r WHERE r.a < 9)
SELECT * FROM r;
WITH w AS (SELECT ca.k AS a, ca.n AS b, ca.id AS c FROM ca, (VALUES (3), (1)) v (x) WHERE ca.n = v.x)
SELECT count(s.c) FROM (SELECT w.c, w.b FROM w WHERE w.a <= w.c AND w.c IN (1, 2, 8)) s WHERE NOT (s.c = (SELECT sum(t.v)::int FROM (SELECT sum(cb.v)::int AS v FROM cb) t WHERE s.b IN (SELECT max(w.c) FROM w))) GROUP BY s.b ORDER BY 1;
DROP TABLE ca, cb, cu;
