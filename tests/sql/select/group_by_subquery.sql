-- Subqueries as grouping expressions: by position, by name, by their text; in HAVING, ORDER BY, DISTINCT ON and windows.
CREATE TABLE gs_a (k int PRIMARY KEY, y int, z text);
CREATE TABLE gs_b (y int, name text, n int);
INSERT INTO gs_a VALUES (1, 1, 'p'), (2, 1, 'q'), (3, 2, 'p'), (4, 2, 'r'), (5, 3, 'p'), (6, NULL, 'q');
INSERT INTO gs_b VALUES (1, 'one', 10), (2, 'two', 20), (4, 'four', 40);
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, count(*) FROM gs_a a GROUP BY nm ORDER BY nm;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.y) ORDER BY 1;
SELECT upper((SELECT name FROM gs_b b WHERE b.y = a.y)), count(*) FROM gs_a a
  GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.y) ORDER BY 1;
SELECT count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.y) ORDER BY 1;
SELECT count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.y)
  ORDER BY (SELECT name FROM gs_b b WHERE b.y = a.y) DESC;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, sum(k) FROM gs_a a GROUP BY 1
  HAVING (SELECT name FROM gs_b b WHERE b.y = a.y) IS NOT NULL ORDER BY 2;
SELECT EXISTS (SELECT 1 FROM gs_b b WHERE b.y = a.y), count(*), min(k) FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT a.y IN (SELECT b.y FROM gs_b b), count(*) FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT a.y > ALL (SELECT b.y FROM gs_b b WHERE b.y < a.k), count(*) FROM gs_a a GROUP BY a.y > ALL (SELECT b.y FROM gs_b b WHERE b.y < a.k) ORDER BY 1;
SELECT ARRAY(SELECT b.n FROM gs_b b WHERE b.y <= a.y ORDER BY 1), count(*) FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT (SELECT (SELECT max(b.n) FROM gs_b b WHERE b.y <= a.y)), count(*) FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT (SELECT b.n FROM gs_b b WHERE b.y = a.y) + 1 AS e, count(*) FROM gs_a a GROUP BY e ORDER BY e;
SELECT CASE WHEN (SELECT b.n FROM gs_b b WHERE b.y = a.y) > 10 THEN 'big' ELSE 'small' END AS size, count(*)
  FROM gs_a a GROUP BY 1 ORDER BY 1;
-- Several keys, and sets of them.
SELECT z, (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY 1, 2 ORDER BY 1, 2;
SELECT z, (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, count(*) FROM gs_a a GROUP BY ROLLUP (1, 2) ORDER BY 1, 2, 3;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, count(*), grouping((SELECT name FROM gs_b b WHERE b.y = a.y))
  FROM gs_a a GROUP BY GROUPING SETS (((SELECT name FROM gs_b b WHERE b.y = a.y)), ()) ORDER BY 3, 1;
-- By a column that the subquery reads, and by a primary key.
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY a.y ORDER BY a.y;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY a.k ORDER BY a.k;
-- DISTINCT, DISTINCT ON and ORDER BY.
SELECT DISTINCT (SELECT name FROM gs_b b WHERE b.y = a.y) FROM gs_a a ORDER BY (SELECT name FROM gs_b b WHERE b.y = a.y) DESC;
SELECT DISTINCT ON ((SELECT name FROM gs_b b WHERE b.y = a.y)) (SELECT name FROM gs_b b WHERE b.y = a.y), k FROM gs_a a
  ORDER BY (SELECT name FROM gs_b b WHERE b.y = a.y), k DESC;
SELECT DISTINCT ON (1) (SELECT name FROM gs_b b WHERE b.y = a.y), k FROM gs_a a ORDER BY 1, 2;
-- Windows.
SELECT k, row_number() OVER (PARTITION BY (SELECT name FROM gs_b b WHERE b.y = a.y) ORDER BY k) FROM gs_a a ORDER BY k;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, count(*), rank() OVER (ORDER BY (SELECT name FROM gs_b b WHERE b.y = a.y))
  FROM gs_a a GROUP BY 1 ORDER BY 1;
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, sum(count(*)) OVER (PARTITION BY (SELECT name FROM gs_b b WHERE b.y = a.y) IS NULL)
  FROM gs_a a GROUP BY 1 ORDER BY 1;
-- What may stand in the subquery: WITH, set operations, VALUES, functions, grouping, LIMIT.
SELECT (WITH w AS (SELECT name FROM gs_b b WHERE b.y = a.y) SELECT w.name FROM w), count(*) FROM gs_a a
  GROUP BY (WITH w AS (SELECT name FROM gs_b b WHERE b.y = a.y) SELECT w.name FROM w) ORDER BY 1;
SELECT (SELECT b.name FROM gs_b b WHERE b.y = a.y UNION SELECT 'none' WHERE a.y IS NULL), count(*) FROM gs_a a
  GROUP BY (SELECT b.name FROM gs_b b WHERE b.y = a.y UNION SELECT 'none' WHERE a.y IS NULL) ORDER BY 1;
SELECT (SELECT v FROM (VALUES (a.y), (7)) AS t (v) ORDER BY v DESC LIMIT 1 OFFSET 1), count(*) FROM gs_a a
  GROUP BY (SELECT v FROM (VALUES (a.y), (7)) AS t (v) ORDER BY v DESC LIMIT 1 OFFSET 1) ORDER BY 1;
SELECT (SELECT sum(g) FROM generate_series(1, a.y) AS g), count(*) FROM gs_a a
  GROUP BY (SELECT sum(g) FROM generate_series(1, a.y) AS g) ORDER BY 1;
SELECT (SELECT count(*) FROM gs_b b JOIN gs_b c USING (y) WHERE b.y <= a.y GROUP BY a.y HAVING count(*) > 0), count(*) FROM gs_a a
  GROUP BY (SELECT count(*) FROM gs_b b JOIN gs_b c USING (y) WHERE b.y <= a.y GROUP BY a.y HAVING count(*) > 0) ORDER BY 1;
-- In subqueries themselves, and in views.
SELECT x.nm, x.c FROM (SELECT (SELECT name FROM gs_b b WHERE b.y = a.y) AS nm, count(*) AS c FROM gs_a a GROUP BY nm) x ORDER BY 1;
SELECT b.y, (SELECT string_agg(q.t, ',' ORDER BY q.t) FROM
    (SELECT (SELECT b.name || a.z) AS t, count(*) FROM gs_a a WHERE a.y = b.y GROUP BY 1) q) FROM gs_b b ORDER BY 1;
CREATE VIEW gs_v AS SELECT (SELECT b.name FROM gs_b b WHERE b.y = a.y) AS nm, count(*) AS c FROM gs_a a
  GROUP BY (SELECT b.name FROM gs_b b WHERE b.y = a.y);
SELECT * FROM gs_v ORDER BY 1;
SELECT (SELECT v.c FROM gs_v v WHERE v.nm = b.name), count(*) FROM gs_b b GROUP BY (SELECT v.c FROM gs_v v WHERE v.nm = b.name) ORDER BY 1;
INSERT INTO gs_b SELECT NULL, (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY 2 RETURNING name, n;
-- Volatile ones are computed once for each row.
SELECT (SELECT floor(random() + a.k * 0)) AS r, count(*) FROM gs_a a GROUP BY 1;
-- What isn't the same.
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.k);
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b c WHERE c.y = a.y);
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y), count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE a.y = b.y);
SELECT (SELECT name FROM gs_b b WHERE b.y = a.y LIMIT 1), count(*) FROM gs_a a GROUP BY (SELECT name FROM gs_b b WHERE b.y = a.y LIMIT 2);
SELECT (SELECT b.n + a.y FROM gs_b b WHERE b.y = 1), count(*) FROM gs_a a GROUP BY a.y + 0;
SELECT (SELECT (SELECT a.y)), count(*) FROM gs_a a GROUP BY (SELECT a.y);
SELECT DISTINCT (SELECT name FROM gs_b b WHERE b.y = a.y) FROM gs_a a ORDER BY (SELECT n FROM gs_b b WHERE b.y = a.y);
SELECT (SELECT max(a.k)), count(*) FROM gs_a a GROUP BY 1;
SELECT (SELECT max(a.k)) AS m, count(*) FROM gs_a a GROUP BY m;
SELECT count(*) FROM gs_a a GROUP BY (SELECT max(a.k));
SELECT (SELECT row_number() OVER ()), count(*) FROM gs_a a GROUP BY 1;
DROP VIEW gs_v;
DROP TABLE gs_a, gs_b;
