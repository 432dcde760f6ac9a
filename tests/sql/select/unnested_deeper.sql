-- Correlated subqueries in conditions of outer joins, over windows and groups, with subqueries of their own; errors inside set operations,
-- windows and outer joins; errors behind the row that decides.
CREATE TABLE o (id int PRIMARY KEY, a int, b int, c int);
CREATE TABLE i (id int PRIMARY KEY, a int, b int, c int, t text);
CREATE TABLE u (id int PRIMARY KEY, x int);
INSERT INTO o SELECT g, g % 7, nullif(g % 5, 3), g % 4 FROM generate_series(1, 24) g;
INSERT INTO i SELECT g, g % 9, nullif(g % 6, 2), g % 4, 't' || g % 5 FROM generate_series(1, 60) g;
INSERT INTO u SELECT g, g % 6 FROM generate_series(1, 15) g;
ANALYZE;
SET quarry.forced_rules = 'all';

-- The condition of an outer join reads one side.
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND i.a > (SELECT avg(u.x) FROM u WHERE u.x = i.c) ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND EXISTS (SELECT FROM u WHERE u.x = i.a) ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND EXISTS (SELECT FROM u WHERE u.x = o.a) ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND NOT EXISTS (SELECT FROM u WHERE u.x = o.a AND u.id < o.c) ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND i.a NOT IN (SELECT u.x FROM u WHERE u.id < i.c) ORDER BY 1;
SELECT o.id, i.id FROM o RIGHT JOIN i ON i.id = o.id AND o.a = (SELECT max(x) FROM u WHERE u.x = o.c) WHERE i.id < 20 ORDER BY 2;
SELECT o.id, i.id FROM o FULL JOIN i ON i.id = o.id AND i.a < (SELECT count(*) FROM u WHERE u.x = i.c) WHERE o.id < 9 OR i.id < 9 ORDER BY 1, 2;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND EXISTS (SELECT FROM u WHERE u.x = o.a AND u.id = i.c) ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND (SELECT u.x FROM u WHERE u.x = o.a) = 1 ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND (SELECT u.id FROM u WHERE u.id = o.c) > 1 ORDER BY 1;
SELECT o.id, i.id FROM o LEFT JOIN i ON i.id = o.id AND EXISTS (SELECT FROM u WHERE u.x = o.a AND 10 / u.x > 1) ORDER BY 1;

-- Over windows, grouping sets and sets.
SELECT id, rank() OVER (ORDER BY id), (SELECT max(i.id) FROM i WHERE i.a = o.a) FROM o ORDER BY id;
SELECT id, r, (SELECT max(i.id) FROM i WHERE i.a = s.r) FROM (SELECT id, rank() OVER (ORDER BY a) AS r FROM o) s ORDER BY id;
SELECT id, sum((SELECT max(i.id) FROM i WHERE i.a = o.a)) OVER (PARTITION BY c ORDER BY id) FROM o ORDER BY id;
SELECT id, count(*) OVER (PARTITION BY (SELECT max(i.c) FROM i WHERE i.a = o.a)) FROM o ORDER BY id;
SELECT a, count(*), (SELECT max(i.id) FROM i WHERE i.a = o.a) FROM o GROUP BY ROLLUP (a) ORDER BY a;
SELECT a, c, grouping(a, c), (SELECT count(*) FROM i WHERE i.a = o.a) FROM o GROUP BY CUBE (a, c) HAVING count(*) > 2 ORDER BY 1, 2, 3;
SELECT id, generate_series(1, 2), (SELECT max(i.id) FROM i WHERE i.a = o.a) FROM o WHERE id < 5 ORDER BY 1, 2;
SELECT id, unnest(ARRAY(SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.id DESC LIMIT 2)) FROM o WHERE id < 9 ORDER BY 1, 2;

-- Subqueries in subqueries.
SELECT o.id, (SELECT sum(i.a) FROM i WHERE i.b = (SELECT min(u.x) FROM u WHERE u.id = o.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(i.a) FROM i WHERE i.b = (SELECT u.x FROM u WHERE u.x = o.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(i.a) FROM i WHERE i.b = (SELECT u.x FROM u WHERE u.x = o.c LIMIT 1)) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(i.a) FROM i WHERE i.a < o.a AND EXISTS (SELECT FROM u WHERE u.id = i.c AND u.x = o.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(i.a) FROM i WHERE NOT EXISTS (SELECT FROM u WHERE u.id = i.c AND u.x = o.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.c IN (SELECT u.x FROM u WHERE u.id > o.c) AND i.b = o.b) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE EXISTS (SELECT FROM i WHERE i.b = o.b AND i.a NOT IN (SELECT u.x FROM u WHERE u.id = i.c)) ORDER BY 1;
SELECT o.id, CASE WHEN o.id < 9 THEN (SELECT sum(i.a) FROM i WHERE i.b = (SELECT u.x / (o.id - 9) FROM u WHERE u.id = o.c)) END FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(i.a) FROM i WHERE i.b = (SELECT u.x / (o.id - 9) FROM u WHERE u.id = o.c)) FROM o WHERE o.id < 12 ORDER BY 1;

-- Errors inside: raised for the rows that come upon them.
SELECT o.id, (SELECT count(*) FROM (SELECT a / b FROM i WHERE i.c = o.c AND i.b > 0 UNION SELECT x FROM u WHERE u.id < o.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM (SELECT 12 / b FROM i WHERE i.c = o.c AND i.id > 4 UNION SELECT x FROM u WHERE u.id < o.c) s) FROM o WHERE o.c IN (1, 3) ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM (SELECT 12 / b FROM i WHERE i.c = o.c INTERSECT SELECT x FROM u WHERE u.id < o.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM (SELECT x FROM u WHERE u.id < o.c EXCEPT ALL SELECT 12 / b FROM i WHERE i.c = o.c) s) FROM o WHERE o.c IN (1, 3) ORDER BY 1;
SELECT o.id FROM o WHERE o.a IN (SELECT 12 / b FROM i WHERE i.c = o.c AND i.b > 0 UNION ALL SELECT x FROM u WHERE u.id < o.c) ORDER BY 1;
SELECT o.id, (SELECT max(r) FROM (SELECT count(12 / i.id) OVER (ORDER BY i.a) AS r FROM i WHERE i.b = o.b) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(r) FROM (SELECT rank() OVER (ORDER BY 12 / i.b) AS r FROM i WHERE i.c = o.c) s) FROM o WHERE o.c IN (1, 3) ORDER BY 1;
SELECT o.id, (SELECT max(r) FROM (SELECT rank() OVER (ORDER BY 12 / i.b) AS r FROM i WHERE i.c = o.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(u.id) FROM i LEFT JOIN u ON u.id = i.a AND 12 / i.b > 2 WHERE i.c = o.c AND i.b <> 0) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(u.id) FROM i LEFT JOIN u ON u.id = i.id AND 12 / u.x > 2 WHERE i.b = o.b) FROM o WHERE o.b = 1 ORDER BY 1;
SELECT o.id, (SELECT count(u.id) FROM i LEFT JOIN u ON u.id = i.id AND 12 / u.x > 2 WHERE i.b = o.b) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(n) FROM (SELECT i.c, 12 / (count(*) - 2) AS n FROM i WHERE i.b = o.b GROUP BY i.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(n) FROM (SELECT i.c, 12 / (count(*) - 5) AS n FROM i WHERE i.b = o.b GROUP BY i.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(n) FROM (SELECT 12 / (count(*) - 11) AS n FROM i WHERE i.b = o.b HAVING 1 / count(*) < 2) s) FROM o WHERE o.b IS NOT NULL ORDER BY 1;
SELECT o.id, (SELECT sum(n) FROM (SELECT 12 / (count(*) - 11) AS n FROM i WHERE i.b = o.b HAVING 1 / count(*) < 2) s) FROM o ORDER BY 1;

-- What IN compares fails of the outer row alone.
SELECT o.id, 12 / o.c IN (SELECT i.a FROM i JOIN u ON u.id = i.id WHERE i.b = o.b) FROM o WHERE o.c > 0 ORDER BY 1;
SELECT o.id, 12 / o.c IN (SELECT i.a FROM i JOIN u ON u.id = i.id WHERE i.b = o.b) FROM o ORDER BY 1;
SELECT o.id, 12 / o.c IN (SELECT i.a FROM i JOIN u ON u.id = i.id WHERE i.b = o.b AND o.c > 0) FROM o ORDER BY 1;
SELECT o.id, o.a + 1 NOT IN (SELECT i.a FROM i JOIN u ON u.id = i.id WHERE i.b = o.b) FROM o ORDER BY 1;
SELECT o.id, o.a - 1 > ALL (SELECT i.a FROM i JOIN u ON u.id = i.id WHERE i.b = o.b) FROM o ORDER BY 1;
SELECT o.id, (o.a + 1, 12 / o.c) IN (SELECT i.a, i.c FROM i JOIN u ON u.id = i.id WHERE i.b = o.b AND o.c > 0) FROM o ORDER BY 1;
RESET quarry.forced_rules;

-- EXISTS asks for rows alone.
SELECT EXISTS (SELECT 10 / v FROM (VALUES (0), (0)) t(v));
SELECT EXISTS (SELECT 10 / v FROM (VALUES (1), (0)) t(v) GROUP BY v);
SELECT EXISTS (SELECT DISTINCT 10 / x FROM u ORDER BY 10 / x);

-- Rows behind the one that decides.
SELECT 1 < ANY (SELECT 10 / v FROM (VALUES (2), (1), (0)) t(v));
SELECT 20 < ANY (SELECT 10 / v FROM (VALUES (2), (1), (0)) t(v));
SELECT 1 > ALL (SELECT 10 / v FROM (VALUES (2), (1), (0)) t(v));
SELECT x, x < ANY (SELECT 10 / v FROM (VALUES (2), (1), (0)) t(v)) FROM (VALUES (1), (2)) s(x);
SELECT x, x < ANY (SELECT 10 / v FROM (VALUES (2), (1), (0)) t(v)) FROM (VALUES (1), (20)) s(x);
SELECT x, x > ANY (SELECT 10 / v FROM (VALUES (10), (x), (0)) t(v)) FROM (VALUES (4), (2)) s(x);
SELECT x, 10 / x < ANY (SELECT v FROM (VALUES (2), (1), (0)) t(v) WHERE v > 5) FROM (VALUES (0), (20)) s(x);
SELECT x, 10 / x IN (SELECT v FROM (VALUES (2), (1), (0)) t(v) WHERE v > 5) FROM (VALUES (0), (20)) s(x);
SELECT x, 10 / x IN (SELECT v FROM (VALUES (2), (1), (0)) t(v)) FROM (VALUES (0), (20)) s(x);
SELECT x, (x, 1 / (x - 2)) = ANY (SELECT v, v + x FROM (VALUES (7), (3), (0)) t(v)) FROM (VALUES (1), (2)) s(x);

-- Subscripts of NULL, and what a row comparison doesn't come to.
SELECT a[10 / x] FROM (VALUES (NULL::int[], 0), ('{1,2,3}', 5)) s(a, x);
SELECT a[10 / x] FROM (VALUES ('{1}'::int[], 0), ('{1,2,3}', 5)) s(a, x);
SELECT a[10 / x : 3] FROM (VALUES (NULL::int[], 0), ('{1,2,3}', 5)) s(a, x);
SELECT j[(10 / x)::text] FROM (VALUES (NULL::jsonb, 0), ('{"2": 3}', 5)) s(j, x);
SELECT (v, 1 / v) < (w, 5) FROM (VALUES (0, 1), (1, 1)) t(v, w);
SELECT (v, 1 / w) < (w, 5) FROM (VALUES (NULL, 0), (1, 1)) t(v, w);
SELECT (v, 1 / w) < (NULL, 5) FROM (VALUES (1, 0), (1, 1)) t(v, w);
SELECT (v, 1 / w) >= (v, 5) FROM (VALUES (1, 0), (1, 1)) t(v, w);
SELECT (v, w, 1 / w) >= (2, NULL, 5) FROM (VALUES (2, 0), (1, 0)) t(v, w);
CREATE SEQUENCE s;
SELECT (nextval('s'), 1) < (v, 1) FROM (VALUES (1), (1), (5), (NULL)) t(v);
SELECT (nextval('s'), nextval('s'), 1) >= (v, 6, 1), v FROM (VALUES (5), (1), (NULL)) t(v);
SELECT last_value FROM s;
