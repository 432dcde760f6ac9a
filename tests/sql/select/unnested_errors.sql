-- Subqueries that become joins raise PostgreSQL's errors, and only for rows for which PostgreSQL runs them. The setting forces the
-- rewrites; PostgreSQL takes it for one of an extension.
SET quarry.forced_rules = 'all';
CREATE TABLE ue_outer (id int PRIMARY KEY, k int, x int, t text);
CREATE TABLE ue_inner (id int PRIMARY KEY, k int, v int, w int, s text);
INSERT INTO ue_outer SELECT g, CASE WHEN g < 6 THEN g END, g * 2, 't' || g FROM generate_series(1, 8) g;
INSERT INTO ue_inner VALUES (1, 1, 10, 2, '5'), (2, 2, 20, 0, 'bad'), (3, 3, 30, 3, '7'), (4, 3, 31, 0, '8'),
  (5, NULL, 50, 0, 'none'), (6, NULL, 60, 0, NULL), (7, 70, 2000000000, 2, 'x'), (8, 5, NULL, NULL, NULL), (9, 70, 2000000000, 1, 'y');
ANALYZE ue_outer, ue_inner;
-- a second row
SELECT o.id, (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k <> 3 ORDER BY o.id;
SELECT o.id, (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k IS NULL ORDER BY o.id;
SELECT o.id, CASE WHEN o.k = 3 THEN 0 ELSE (SELECT i.v FROM ue_inner i WHERE i.k = o.k) END FROM ue_outer o ORDER BY o.id;
SELECT o.id, o.k = 3 OR (SELECT i.v FROM ue_inner i WHERE i.k = o.k) > 10 FROM ue_outer o ORDER BY o.id;
SELECT o.id FROM ue_outer o WHERE o.id < 3 AND o.x < (SELECT i.v FROM ue_inner i WHERE i.k = o.k) ORDER BY o.id;
SELECT o.id FROM ue_outer o WHERE o.x < (SELECT i.v FROM ue_inner i WHERE i.k = o.k) ORDER BY o.id;
SELECT (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id LIMIT 2;
SELECT (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.id < 3 ORDER BY 1;
SELECT o.id, coalesce(o.x, (SELECT i.v FROM ue_inner i WHERE i.k = o.k)) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT i.v FROM ue_inner i WHERE i.id < o.x) FROM ue_outer o WHERE o.x < 3 ORDER BY o.id;
SELECT o.id, (SELECT i.v FROM ue_inner i WHERE i.id < o.x) FROM ue_outer o ORDER BY o.id;
SELECT sum((SELECT i.v FROM ue_inner i WHERE i.k = o.k)) FROM ue_outer o WHERE o.k <> 3;
SELECT sum((SELECT i.v FROM ue_inner i WHERE i.k = o.k)) FROM ue_outer o;
SELECT count(*) FROM (SELECT (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o) s;
SELECT o.id FROM ue_outer o WHERE (o.x, o.id) < (SELECT i.v, i.w FROM ue_inner i WHERE i.k = o.k) ORDER BY o.id;
SELECT o.id FROM ue_outer o WHERE o.k <> 3 AND (o.x, o.id) < (SELECT i.v, i.w FROM ue_inner i WHERE i.k = o.k) ORDER BY o.id;
-- what is aggregated fails for some
SELECT o.id, (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k = 1 ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k IN (1, 4, 5) OR o.k IS NULL ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v * 2) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v * 2) FROM ue_inner i WHERE i.k = o.k * 70) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT max(i.s::int) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k <> 2 ORDER BY o.id;
SELECT o.id, (SELECT max(i.s::int) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT count(*) FROM ue_inner i WHERE i.k = o.k AND i.s::int > 5) FROM ue_outer o WHERE o.k <> 2 ORDER BY o.id;
SELECT o.id, (SELECT count(*) FROM ue_inner i WHERE i.k = o.k AND i.s::int > 5) FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT count(i.v / i.w) FILTER (WHERE i.w > 0) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, CASE WHEN o.k IN (1, 5) THEN (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.k = o.k) END FROM ue_outer o ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.id < o.id) FROM ue_outer o WHERE o.id < 3 ORDER BY o.id;
SELECT o.id, (SELECT sum(i.v / i.w) FROM ue_inner i WHERE i.id < o.id) FROM ue_outer o ORDER BY o.id;
SELECT o.id FROM ue_outer o WHERE o.x > (SELECT avg(i.v / i.w) FROM ue_inner i WHERE i.k = o.k) AND o.id = 1 ORDER BY o.id;
SELECT o.id, (SELECT 100 / count(*) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k IN (1, 2, 3) ORDER BY o.id;
SELECT o.id, (SELECT 100 / count(*) FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
-- all and any
SELECT o.id, o.x > ALL (SELECT i.v FROM ue_inner i WHERE i.k = o.k), o.x < ANY (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, o.x * 200000000 > ALL (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o WHERE o.k IS NULL OR o.id < 4 ORDER BY o.id;
SELECT o.id, o.x * 1000000000 > ALL (SELECT i.v FROM ue_inner i WHERE i.k = o.k) FROM ue_outer o ORDER BY o.id;
SELECT o.id, o.x > ALL (SELECT i.v FROM ue_inner i), o.x > ANY (SELECT i.v FROM ue_inner i), o.x = ALL (SELECT i.v FROM ue_inner i WHERE false) FROM ue_outer o ORDER BY o.id;
-- arrays
SELECT o.id, ARRAY(SELECT i.v FROM ue_inner i WHERE i.k = o.k ORDER BY i.id DESC) FROM ue_outer o ORDER BY o.id;
SELECT o.id, ARRAY(SELECT i.v / i.w FROM ue_inner i WHERE i.k = o.k ORDER BY i.id) FROM ue_outer o WHERE o.k IN (1, 5) ORDER BY o.id;
SELECT o.id, ARRAY(SELECT i.v / i.w FROM ue_inner i WHERE i.k = o.k ORDER BY i.id) FROM ue_outer o ORDER BY o.id;
-- several columns
SELECT o.id FROM ue_outer o WHERE (o.k, o.x) NOT IN (SELECT i.k, i.w FROM ue_inner i) ORDER BY o.id;
SELECT o.id FROM ue_outer o WHERE (o.k, o.x) NOT IN (SELECT i.k, i.w FROM ue_inner i WHERE i.k IS NOT NULL) ORDER BY o.id;
SELECT o.id, (o.k, o.x) NOT IN (SELECT i.k, i.w FROM ue_inner i) FROM ue_outer o ORDER BY o.id;
DROP TABLE ue_outer, ue_inner;
