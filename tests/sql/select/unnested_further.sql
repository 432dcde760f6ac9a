-- Correlated subqueries with subqueries of their own, whose rows' order shows in aggregates, over lists and functions of the outer row,
-- ordered-set aggregates, differences between rows, conditions of FULL joins.
CREATE TABLE o (id int PRIMARY KEY, a int, b int, c int, n numeric, t text, list int[]);
CREATE TABLE i (id int PRIMARY KEY, a int, b int, c int, n numeric, t text);
CREATE TABLE u (id int PRIMARY KEY, x int, y int);
INSERT INTO o SELECT g, g % 7, nullif(g % 5, 3), g % 4, (g % 3) * 1.5 + (CASE WHEN g % 2 = 0 THEN 0.00 ELSE 0 END), 't' || g % 3,
  CASE WHEN g % 6 <> 5 THEN ARRAY[g % 3, nullif(g % 4, 1), g % 2] END FROM generate_series(1, 20) g;
INSERT INTO i SELECT g, g % 9, nullif(g % 6, 2), g % 4, (g % 5) * 0.5, 't' || g % 5 FROM generate_series(1, 60) g;
INSERT INTO u SELECT g, g % 6, nullif(g % 4, 1) FROM generate_series(1, 15) g;
ANALYZE;
SET quarry.forced_rules = 'all';

-- Subqueries of subqueries that read both, or the inner one's rows alone.
SELECT o.id, (SELECT max(i.c) FROM i WHERE i.a = o.a AND i.b = (SELECT max(u.y) FROM u WHERE u.x = i.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(i.c) FROM i WHERE i.b < (SELECT count(*) FROM u WHERE u.x = o.c AND u.id > i.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.c >= (SELECT count(*) FROM u WHERE u.x = i.c AND u.y < (SELECT max(v.id) FROM u v WHERE v.x = u.y AND v.id > o.id))) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND (i.c = 1 OR EXISTS (SELECT FROM u WHERE u.x = i.b AND u.y = o.b))) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.c <= ALL (SELECT u.x FROM u WHERE u.y = i.b AND u.id < o.id)) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum((SELECT count(*) FROM u WHERE u.x = i.c AND u.id > o.c)) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(i.t || (SELECT u.id FROM u WHERE u.id = i.c)) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE EXISTS (SELECT i.c FROM i WHERE i.a = o.a GROUP BY i.c HAVING count(*) > (SELECT count(*) FROM u WHERE u.x = i.c AND u.y = o.b)) ORDER BY 1;
SELECT o.id, o.c IN (SELECT i.c FROM i WHERE i.a > o.a AND i.b < (SELECT max(u.y) FROM u WHERE u.x = i.c)) FROM o ORDER BY 1;
SELECT o.id, s.n FROM o LEFT JOIN LATERAL (SELECT count(*) AS n FROM i WHERE i.a = o.a AND i.b > (SELECT min(u.y) FROM u WHERE u.x = i.c AND u.id > o.c)) s ON true ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.b = (SELECT u.y FROM u WHERE u.x = i.c)) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.b = (SELECT max(12 / (u.y - 2)) FROM u WHERE u.x = i.c)) FROM o ORDER BY 1;

-- The order of FROM's rows shows.
SELECT o.id, (SELECT array_agg(s.id) FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.n, i.id DESC) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(s.t, ',') FROM (SELECT i.t FROM i WHERE i.a < o.c ORDER BY i.n DESC, i.id) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT json_agg(s) FROM (SELECT i.t, i.c FROM i WHERE i.a = o.a ORDER BY i.n, i.id) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT coalesce(json_agg(s), '[]') FROM (SELECT i.t, i.c FROM i WHERE i.a = o.a ORDER BY i.n, i.id LIMIT 2) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT jsonb_agg(s.n) FROM (SELECT i.n FROM i WHERE i.a = o.a ORDER BY i.id DESC OFFSET 1) s WHERE s.n > 0) FROM o ORDER BY 1;
SELECT o.id, (SELECT jsonb_object_agg(s.t, s.id) FROM (SELECT i.t, i.id FROM i WHERE i.c = o.c ORDER BY i.id DESC) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT json_agg(s.id) FROM (SELECT * FROM i ORDER BY n DESC, id) s WHERE s.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(s.k, ' ') FROM (SELECT i.t || i.c AS k FROM i WHERE i.a = o.a GROUP BY 1 ORDER BY count(*), 1) s) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT DISTINCT ON (i.b) i.c FROM i WHERE i.a = o.a ORDER BY i.b, i.id) FROM o ORDER BY 1;
SELECT o.id, (SELECT array_agg(s.id) FROM (SELECT DISTINCT ON (i.b) i.id, i.n FROM i WHERE i.a = o.a ORDER BY i.b DESC, i.id) s WHERE s.n < 2) FROM o ORDER BY 1;
SELECT o.id, s.j FROM o, LATERAL (SELECT json_agg(z.id) AS j FROM (SELECT i.id FROM i WHERE i.a = o.a ORDER BY i.n, i.id) z) s ORDER BY 1;
SELECT o.id, (SELECT array_agg(s.v) FROM (SELECT 12 / i.b AS v FROM i WHERE i.a = o.a AND i.b <> 0 ORDER BY i.id) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT array_agg(s.v) FROM (SELECT 12 / i.b AS v FROM i WHERE i.a = o.a ORDER BY i.id) s) FROM o ORDER BY 1;

-- Lists and functions of the outer row.
SELECT o.id, (SELECT sum(e) FROM unnest(o.list) e) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT e * 2 % 5 FROM unnest(o.list) e) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT e FROM unnest(o.list) WITH ORDINALITY x (e, k) ORDER BY k DESC) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(e::text, ',') FROM unnest(o.list) e WHERE e > 0) FROM o ORDER BY 1;
SELECT o.id, (SELECT array_agg(i.t ORDER BY e, i.id) FROM unnest(o.list) e JOIN i ON i.id = e) FROM o ORDER BY 1;
SELECT o.id FROM o WHERE EXISTS (SELECT FROM unnest(o.list) e WHERE e = 2) ORDER BY 1;
SELECT o.id, o.c IN (SELECT unnest(o.list)) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.c = ANY (o.list)) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.c = ANY (o.list) IS NULL) FROM o ORDER BY 1;
SELECT o.id, o.list && ANY (SELECT ARRAY[i.c, i.b] FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT v FROM (VALUES (o.a), (o.c), (o.b)) s (v)) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(v::text, '-') FROM (VALUES (o.c), (o.a), (7)) s (v) WHERE v <> 2) FROM o ORDER BY 1;
SELECT o.id, ARRAY(SELECT g FROM generate_series(o.c, 1, -1) g) FROM o ORDER BY 1;

-- Ordered-set aggregates.
SELECT o.id, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i.n) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY i.t DESC) FROM i WHERE i.a < o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_disc(ARRAY[0, 0.5, NULL, 1]) WITHIN GROUP (ORDER BY i.id) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT mode() WITHIN GROUP (ORDER BY i.c) FILTER (WHERE i.b > 0) FROM i WHERE i.a <= o.b) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 12 / i.b) FROM i WHERE i.a = o.a AND i.b <> 0) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 12 / i.b) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_cont(1.5) WITHIN GROUP (ORDER BY i.id) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT percentile_cont(o.c / 3.0) WITHIN GROUP (ORDER BY i.id) FROM i WHERE i.a = o.a) FROM o ORDER BY 1;
SELECT o.id, (SELECT rank(o.c) WITHIN GROUP (ORDER BY i.c) FROM i WHERE i.a = o.a + 5) FROM o ORDER BY 1;
SELECT o.id, (SELECT regr_count(i.n, i.c) FROM i WHERE i.a = o.a + 5), (SELECT regr_sxx(i.n, i.c) FROM i WHERE i.a = o.a + 5) FROM o ORDER BY 1;

-- What is computed of windows.
SELECT o.id, (SELECT max(d) FROM (SELECT i.id - lag(i.id) OVER (ORDER BY i.id) AS d FROM i WHERE i.a = o.a) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(r) FROM (SELECT sum(12 / i.id) OVER (ORDER BY i.n) AS r FROM i WHERE i.a = o.a) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(d) FROM (SELECT 12 / (i.id - 9 - lag(i.id) OVER (ORDER BY i.id)) AS d FROM i WHERE i.a = o.a) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(r) FROM (SELECT count(12 / i.b) OVER (PARTITION BY i.c) AS r FROM i WHERE i.a = o.a) s) FROM o WHERE o.a = 1 ORDER BY 1;

-- Conditions of FULL joins, and numbers in conditions of outer joins.
SELECT o.id, u.id FROM o FULL JOIN u ON u.id = o.c AND EXISTS (SELECT FROM i WHERE i.a = o.a AND i.c = u.y) ORDER BY 1, 2;
SELECT o.id, u.id FROM o FULL JOIN u ON u.id = o.id AND (SELECT count(*) FROM i WHERE i.a = o.b AND i.c >= u.y) > 1 ORDER BY 1, 2;
SELECT o.id, u.id FROM o FULL JOIN u ON u.id = o.id AND NOT EXISTS (SELECT FROM i WHERE i.b IS NOT DISTINCT FROM o.b AND i.c = u.y) ORDER BY 1, 2;
SELECT o.id, u.id FROM o FULL JOIN u ON u.id = o.id AND (SELECT i.c FROM i WHERE i.a = o.b AND i.c >= u.y) > 1 ORDER BY 1, 2;
SELECT o.id, u.id FROM o LEFT JOIN u ON u.x = o.c AND EXISTS (SELECT FROM i WHERE i.n = o.n AND i.c = u.y) ORDER BY 1, 2;

-- The scale of an outer number shows.
SELECT o.id, o.n, (SELECT max(i.n * o.n) FROM i WHERE i.n < o.n) FROM o ORDER BY 1;
SELECT o.id, (SELECT string_agg(DISTINCT o.n::text, ',') FROM i WHERE i.c < o.c) FROM o ORDER BY 1;
SELECT o.id, (SELECT sum(s.v) FROM (SELECT i.n + o.n AS v FROM i WHERE i.a < o.a UNION SELECT nullif(o.n, 1.5)) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.n IS DISTINCT FROM nullif(o.n, 0) + 0.000) FROM o ORDER BY 1;

-- What fails in aggregates over groups.
SELECT o.id, (SELECT (max(s.v) / 1e307)::numeric(10, 4) FROM (SELECT sum(i.n::float8 * 1e307) AS v FROM i WHERE i.a = o.a GROUP BY i.c) s) FROM o ORDER BY 1;
SELECT o.id, (SELECT max(s.v) FROM (SELECT sum(i.n::float8 * 9e307) AS v FROM i WHERE i.a < o.a GROUP BY i.c) s) FROM o ORDER BY 1;
SELECT o.id, EXISTS (SELECT sum(i.n::float8 * 9e307) FROM i WHERE i.a < o.a GROUP BY i.c HAVING count(*) > 6) FROM o WHERE o.a < 3 ORDER BY 1;
SELECT o.id, (SELECT max(s.v)::numeric(10, 4) FROM (SELECT stddev(i.n::float8) AS v FROM i WHERE i.a < o.a GROUP BY i.c) s) FROM o ORDER BY 1;

-- Arguments of functions in FROM; subqueries of LATERAL ones and of those in an OR.
SELECT o.id, g FROM o, generate_series(1, (SELECT max(i.c)::int FROM i WHERE i.a = o.a)) g WHERE o.id < 9 ORDER BY 1, 2;
SELECT o.id, e FROM o LEFT JOIN unnest(ARRAY(SELECT i.id FROM i WHERE i.a = o.a AND i.c > o.c ORDER BY i.id DESC)) e ON e > 20 ORDER BY 1, 2;
SELECT o.id, g FROM o, generate_series(1, (SELECT i.c FROM i WHERE i.a = o.a)) g ORDER BY 1, 2;
SELECT o.id, s.m FROM o LEFT JOIN LATERAL (SELECT min(i.b) AS m FROM i WHERE i.b = (SELECT v.b FROM i v WHERE v.a > o.c ORDER BY v.id LIMIT 1) AND i.id <> o.a) s ON true ORDER BY 1;
SELECT o.id FROM o WHERE o.c = 2 OR EXISTS (SELECT FROM i WHERE i.a = o.a AND i.b > (SELECT count(*) FROM u WHERE u.x = i.c AND u.id > o.c)) ORDER BY 1;
SELECT o.id, o.c > ALL (SELECT i.c FROM i WHERE i.a = o.a AND (i.b = 1 OR i.c < (SELECT max(u.x) FROM u WHERE u.y = i.b AND u.id > o.c))) FROM o ORDER BY 1;

-- A LATERAL item of what has no partner.
SELECT o.id FROM o LEFT JOIN (SELECT v.id, e FROM o v, unnest(v.list) e WHERE e > 1) s ON s.id = o.a WHERE s.id IS NULL ORDER BY 1;
SELECT o.id, ARRAY(SELECT i.b FROM i WHERE NOT EXISTS (SELECT FROM unnest(o.list) e WHERE e NOT IN (SELECT u.x FROM u WHERE u.x <> i.id)) AND i.b IS NOT DISTINCT FROM o.c) FROM o ORDER BY 1;
SELECT o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.id = ANY (ARRAY(SELECT u.id + i.c % 2 FROM u WHERE u.x > i.b))) FROM o ORDER BY 1;
