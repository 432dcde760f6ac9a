-- A subquery that reads no outer row, but a common table expression that does, has another value for other outer rows.
CREATE TABLE o (id int PRIMARY KEY, a int, b int);
CREATE TABLE i (id int PRIMARY KEY, a int, b int);
INSERT INTO o SELECT g, g % 7, nullif(g % 5, 3) FROM generate_series(1, 12) g;
INSERT INTO i SELECT g, g % 9, nullif(g % 6, 2) FROM generate_series(1, 60) g;
ANALYZE;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT (SELECT count(*) FROM r) + count(*) FROM i) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT count(*) FROM i WHERE (SELECT count(*) FROM r) > i.id) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT count(*) FROM i WHERE i.id = (SELECT max(b) FROM r)) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT count(*) FROM i WHERE (i.id IN (SELECT b FROM r)) IS NOT FALSE) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT count(*) FROM i WHERE i.id > 57 OR i.id > ALL (SELECT b FROM r)) FROM o ORDER BY 1;
SELECT o.id, (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a), s AS MATERIALIZED (SELECT count(*) AS n FROM r) SELECT max(i.id) FROM i WHERE i.id < (SELECT n FROM s)) FROM o ORDER BY 1;
SELECT o.id, s.n FROM o, LATERAL (WITH r AS MATERIALIZED (SELECT i.b FROM i WHERE i.a < o.a) SELECT ARRAY(SELECT DISTINCT b FROM r ORDER BY b) AS n, EXISTS (SELECT FROM r) FROM i WHERE i.id = 3) s ORDER BY 1;
DROP TABLE o, i;
