-- Subqueries in outer joins' conditions that read both sides, over grouping sets, of functions and lists of the outer row, arrays that are
-- cut off, what EXISTS selects. With costs' choice, then with all rewrites.
CREATE TABLE sa_a (id int PRIMARY KEY, x int, n int);
CREATE TABLE sa_b (id int PRIMARY KEY, y int, v int);
CREATE TABLE sa_i (x int, y int, v int);
INSERT INTO sa_a SELECT g, nullif(g % 4, 3), g % 5 FROM generate_series(1, 12) g;
INSERT INTO sa_b SELECT g, nullif(g % 3, 2), g % 4 FROM generate_series(3, 14) g;
INSERT INTO sa_i SELECT nullif(g % 5, 4), nullif(g % 3, 1), g % 7 FROM generate_series(1, 30) g;
ANALYZE;
-- Both sides of an outer join.
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.id = a.id AND EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.y = b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND a.x IN (SELECT i.x FROM sa_i i WHERE i.y = b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND a.x NOT IN (SELECT i.x FROM sa_i i WHERE i.y > b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a RIGHT JOIN sa_b b ON b.v = a.n AND b.v >= (SELECT count(*) FROM sa_i i WHERE i.x IS NOT DISTINCT FROM a.x AND i.y IS NOT DISTINCT FROM b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.id < 6 AND (SELECT max(i.v) FROM sa_i i WHERE i.x = a.x OR i.y = b.y) > 5 AND a.id < 5 ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND (a.n = 2 OR EXISTS (SELECT FROM sa_i i WHERE i.x < a.x AND i.y <> b.y)) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND 10 / (SELECT count(*) FROM sa_i i WHERE i.x = a.x AND i.y = b.y) > 3 AND a.x = 1 AND b.y = 0 ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND 10 / (SELECT count(*) FROM sa_i i WHERE i.x = a.x AND i.y = b.y) > 3 ORDER BY 1, 2;
-- Grouping sets within.
SELECT a.id, (SELECT count(*) FROM (SELECT i.y, sum(i.v) FROM sa_i i WHERE i.x = a.x GROUP BY ROLLUP (i.y)) g) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT sum(i.v) FROM sa_i i WHERE i.x = a.x GROUP BY GROUPING SETS ((i.y), ()) ORDER BY 1) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT ROW(i.y, i.x, count(*), grouping(i.y, i.x)) FROM sa_i i WHERE i.v < a.n GROUP BY CUBE (i.y, i.x) ORDER BY 1) FROM sa_a a WHERE a.id < 5 ORDER BY 1;
SELECT a.id FROM sa_a a WHERE 6 IN (SELECT count(*) FROM sa_i i WHERE i.v < a.n GROUP BY GROUPING SETS ((i.x), (i.y), ())) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.v > 100 GROUP BY ROLLUP (i.y)) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.v > 100 GROUP BY GROUPING SETS ((i.y), (i.v))) ORDER BY 1;
-- Functions and lists of the outer row.
SELECT a.id, (SELECT sum(s) FROM generate_series(1, a.n) s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT count(*) FROM generate_series(a.x, a.n) s JOIN sa_i i ON i.v = s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT max(t.c) FROM (VALUES (a.x), (a.n), (2)) t (c)) FROM sa_a a ORDER BY 1;
SELECT a.id FROM sa_a a WHERE a.n IN (SELECT s + i.y FROM generate_series(0, a.x) s, sa_i i WHERE i.x = s) ORDER BY 1;
SELECT a.id, ARRAY(SELECT s * 2 FROM generate_series(a.n, 1) s UNION ALL SELECT t.c FROM (VALUES (a.x), (a.n)) t (c)) FROM sa_a a WHERE a.id < 6 ORDER BY 1;
SELECT a.id, ARRAY(SELECT t.c FROM (VALUES (a.n), (a.x), (7)) t (c)) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT max(u) FROM (SELECT generate_series(a.x, 3) u) s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT sum(u) FROM (SELECT unnest(ARRAY[a.x, a.n]) u) s) FROM sa_a a ORDER BY 1;
-- Arrays that are cut off.
SELECT a.id, ARRAY(SELECT i.v FROM sa_i i WHERE i.x = a.x LIMIT 3) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT i.v + a.n FROM sa_i i WHERE i.x = a.x LIMIT 2 OFFSET 1) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT i.v FROM sa_i i WHERE i.x < a.x AND i.v > 1 LIMIT 3) FROM sa_a a ORDER BY 1;
-- EXISTS computes what it selects of the first row, if that counts.
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT 10 / (a.n - 2) FROM sa_i i WHERE i.x = a.x GROUP BY i.x HAVING count(*) > 1) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE a.n <> 2 AND EXISTS (SELECT 10 / (a.n - 2) FROM sa_i i WHERE i.x = a.x GROUP BY i.x HAVING count(*) > 1) ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / count(i.v) FROM sa_i i WHERE i.x = a.x HAVING count(*) >= 0) FROM sa_a a ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / count(i.v) FROM sa_i i WHERE i.x = a.x HAVING count(*) > 0) FROM sa_a a ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / i.v FROM sa_i i WHERE i.x = a.x AND i.v = 0) FROM sa_a a ORDER BY 1;
-- The same values again and again.
SELECT a.id, b.id, (SELECT count(*) FROM sa_i i WHERE i.x = a.x), (SELECT string_agg(i.v::text, ',' ORDER BY i.v) FROM sa_i i WHERE i.y >= b.y), a.n > ALL (SELECT i.v FROM sa_i i WHERE i.x = a.x) FROM sa_a a, sa_b b WHERE a.id < 4 AND b.id < 6 ORDER BY 1, 2;
SELECT a.id, (SELECT count(*) FROM sa_b b WHERE b.v IN (SELECT i.v FROM sa_i i WHERE i.x = a.x)), (SELECT count(*) FROM sa_b b WHERE b.v NOT IN (SELECT i.y FROM sa_i i WHERE i.x = a.x AND i.v > 2)), (SELECT count(*) FROM sa_b b WHERE b.v < ANY (SELECT i.v FROM sa_i i WHERE i.x = a.x)) FROM sa_a a ORDER BY 1;
SET quarry.forced_rules = 'all';
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.id = a.id AND EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.y = b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND a.x IN (SELECT i.x FROM sa_i i WHERE i.y = b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND a.x NOT IN (SELECT i.x FROM sa_i i WHERE i.y > b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a RIGHT JOIN sa_b b ON b.v = a.n AND b.v >= (SELECT count(*) FROM sa_i i WHERE i.x IS NOT DISTINCT FROM a.x AND i.y IS NOT DISTINCT FROM b.y) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.id < 6 AND (SELECT max(i.v) FROM sa_i i WHERE i.x = a.x OR i.y = b.y) > 5 AND a.id < 5 ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND (a.n = 2 OR EXISTS (SELECT FROM sa_i i WHERE i.x < a.x AND i.y <> b.y)) ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND 10 / (SELECT count(*) FROM sa_i i WHERE i.x = a.x AND i.y = b.y) > 3 AND a.x = 1 AND b.y = 0 ORDER BY 1, 2;
SELECT a.id, b.id FROM sa_a a LEFT JOIN sa_b b ON b.v = a.n AND 10 / (SELECT count(*) FROM sa_i i WHERE i.x = a.x AND i.y = b.y) > 3 ORDER BY 1, 2;
SELECT a.id, (SELECT count(*) FROM (SELECT i.y, sum(i.v) FROM sa_i i WHERE i.x = a.x GROUP BY ROLLUP (i.y)) g) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT sum(i.v) FROM sa_i i WHERE i.x = a.x GROUP BY GROUPING SETS ((i.y), ()) ORDER BY 1) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT ROW(i.y, i.x, count(*), grouping(i.y, i.x)) FROM sa_i i WHERE i.v < a.n GROUP BY CUBE (i.y, i.x) ORDER BY 1) FROM sa_a a WHERE a.id < 5 ORDER BY 1;
SELECT a.id FROM sa_a a WHERE 6 IN (SELECT count(*) FROM sa_i i WHERE i.v < a.n GROUP BY GROUPING SETS ((i.x), (i.y), ())) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.v > 100 GROUP BY ROLLUP (i.y)) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT FROM sa_i i WHERE i.x = a.x AND i.v > 100 GROUP BY GROUPING SETS ((i.y), (i.v))) ORDER BY 1;
SELECT a.id, (SELECT sum(s) FROM generate_series(1, a.n) s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT count(*) FROM generate_series(a.x, a.n) s JOIN sa_i i ON i.v = s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT max(t.c) FROM (VALUES (a.x), (a.n), (2)) t (c)) FROM sa_a a ORDER BY 1;
SELECT a.id FROM sa_a a WHERE a.n IN (SELECT s + i.y FROM generate_series(0, a.x) s, sa_i i WHERE i.x = s) ORDER BY 1;
SELECT a.id, ARRAY(SELECT s * 2 FROM generate_series(a.n, 1) s UNION ALL SELECT t.c FROM (VALUES (a.x), (a.n)) t (c)) FROM sa_a a WHERE a.id < 6 ORDER BY 1;
SELECT a.id, ARRAY(SELECT t.c FROM (VALUES (a.n), (a.x), (7)) t (c)) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT max(u) FROM (SELECT generate_series(a.x, 3) u) s) FROM sa_a a ORDER BY 1;
SELECT a.id, (SELECT sum(u) FROM (SELECT unnest(ARRAY[a.x, a.n]) u) s) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT i.v FROM sa_i i WHERE i.x = a.x LIMIT 3) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT i.v + a.n FROM sa_i i WHERE i.x = a.x LIMIT 2 OFFSET 1) FROM sa_a a ORDER BY 1;
SELECT a.id, ARRAY(SELECT i.v FROM sa_i i WHERE i.x < a.x AND i.v > 1 LIMIT 3) FROM sa_a a ORDER BY 1;
SELECT a.id FROM sa_a a WHERE EXISTS (SELECT 10 / (a.n - 2) FROM sa_i i WHERE i.x = a.x GROUP BY i.x HAVING count(*) > 1) ORDER BY 1;
SELECT a.id FROM sa_a a WHERE a.n <> 2 AND EXISTS (SELECT 10 / (a.n - 2) FROM sa_i i WHERE i.x = a.x GROUP BY i.x HAVING count(*) > 1) ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / count(i.v) FROM sa_i i WHERE i.x = a.x HAVING count(*) >= 0) FROM sa_a a ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / count(i.v) FROM sa_i i WHERE i.x = a.x HAVING count(*) > 0) FROM sa_a a ORDER BY 1;
SELECT a.id, EXISTS (SELECT 10 / i.v FROM sa_i i WHERE i.x = a.x AND i.v = 0) FROM sa_a a ORDER BY 1;
SELECT a.id, b.id, (SELECT count(*) FROM sa_i i WHERE i.x = a.x), (SELECT string_agg(i.v::text, ',' ORDER BY i.v) FROM sa_i i WHERE i.y >= b.y), a.n > ALL (SELECT i.v FROM sa_i i WHERE i.x = a.x) FROM sa_a a, sa_b b WHERE a.id < 4 AND b.id < 6 ORDER BY 1, 2;
SELECT a.id, (SELECT count(*) FROM sa_b b WHERE b.v IN (SELECT i.v FROM sa_i i WHERE i.x = a.x)), (SELECT count(*) FROM sa_b b WHERE b.v NOT IN (SELECT i.y FROM sa_i i WHERE i.x = a.x AND i.v > 2)), (SELECT count(*) FROM sa_b b WHERE b.v < ANY (SELECT i.v FROM sa_i i WHERE i.x = a.x)) FROM sa_a a ORDER BY 1;
RESET quarry.forced_rules;
DROP TABLE sa_a, sa_b, sa_i;
