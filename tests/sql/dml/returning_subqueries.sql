-- Subqueries of RETURNING that read the row, and subqueries in which something may fail in statements that change rows.
CREATE TABLE o (id int PRIMARY KEY, a int, b int, c int, n numeric, f float8, list int[], ch char(4), iv interval, j jsonb, js json, pt text, t text, ts timestamp, x4 float4);
CREATE TABLE i (id int PRIMARY KEY, a int, b int, c int, n numeric, t text, f float8, z int);
CREATE TABLE u (id int PRIMARY KEY, x int, y int, z int);
CREATE TABLE tgt (id int PRIMARY KEY, k int, v int, f float8 DEFAULT 0.5, g int GENERATED ALWAYS AS (v * 2) STORED);
INSERT INTO o SELECT g, g % 9, nullif(g % 5, 3), g % 7, CASE WHEN g%2=0 THEN (g % 11) * 1.5 ELSE (g%11)*1.50 END, CASE g % 6 WHEN 0 THEN 0 WHEN 1 THEN -0.0::float8 WHEN 2 THEN 'NaN' WHEN 3 THEN NULL ELSE g%4 END,
  ARRAY[g % 3, g % 4, g % 50], CASE g % 4 WHEN 0 THEN 'ab' WHEN 1 THEN 'ab  ' WHEN 2 THEN NULL ELSE 'c' END,
  CASE g % 3 WHEN 0 THEN '24 hours' WHEN 1 THEN '1 day' ELSE '1 mon' END::interval,
  CASE g % 4 WHEN 0 THEN '{"a":1}' WHEN 1 THEN '{"a":1.0}' WHEN 2 THEN NULL ELSE '[1,2]' END::jsonb,
  CASE g % 3 WHEN 0 THEN '{"a":1}' WHEN 1 THEN '{"a": 1}' ELSE NULL END::json,
  'x', 't' || g % 8, timestamp '2020-01-01' + (g % 9) * interval '1 day', (g%5)/2.0::float4
 FROM generate_series(1, 24) g;
INSERT INTO i SELECT g, g % 10, nullif(g % 6, 2), g % 4, (g % 13) * 0.5, 't' || g % 8, g % 5 - 1, g % 3 FROM generate_series(1, 70) g;
INSERT INTO u SELECT g, g % 10, nullif(g % 4, 1), g % 3 FROM generate_series(1, 50) g;
INSERT INTO tgt SELECT g, g % 9, g % 7 FROM generate_series(1, 20) g;
ANALYZE;
SET quarry.forced_rules = 'all';
BEGIN;
WITH w AS (UPDATE tgt SET v = v + 1 WHERE id < 50 RETURNING id, (SELECT count(*) FROM i WHERE i.a = tgt.v), (SELECT count(*) FROM i WHERE i.c = tgt.g)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (UPDATE tgt SET v = o.c FROM o WHERE o.id = tgt.id RETURNING tgt.id, (SELECT count(*) FROM i WHERE i.a = tgt.v AND i.b = o.b), (SELECT max(t.v) FROM tgt t WHERE t.k = tgt.k)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (DELETE FROM tgt WHERE v < 5 RETURNING id, (SELECT max(i.id) FROM i WHERE i.a < tgt.k), EXISTS (SELECT FROM tgt t WHERE t.id = tgt.id + 1)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (INSERT INTO tgt (id, k, v) SELECT 1000 + o.id, o.a, o.c FROM o RETURNING id, (SELECT count(*) FROM i WHERE i.a = tgt.k), f, g, (SELECT max(i.id * tgt.f) FROM i WHERE i.c = tgt.v), (SELECT count(*) FROM tgt t WHERE t.k = tgt.k)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (INSERT INTO tgt (id, k, v) SELECT o.id, o.a, o.c FROM o ON CONFLICT DO NOTHING RETURNING id, (SELECT count(*) FROM i WHERE i.a = tgt.k)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (INSERT INTO tgt (id, k, v) SELECT o.id, o.a, o.c FROM o ON CONFLICT (id) DO UPDATE SET v = (SELECT count(*) FROM i WHERE i.a = excluded.k), k = (SELECT max(i.c) FROM i WHERE i.a = tgt.k) WHERE (SELECT count(*) FROM u WHERE u.x = tgt.v) > 1 RETURNING id, v, (SELECT count(*) FROM i WHERE i.a = tgt.k)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (INSERT INTO tgt VALUES (2001, 1, 2), (2002, NULL, 3) RETURNING id, (SELECT count(*) FROM i WHERE i.a = tgt.k), EXISTS (SELECT FROM u WHERE u.x = tgt.v), (SELECT u.y FROM u WHERE u.x = tgt.v)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (INSERT INTO tgt VALUES (2001, 1, 2), (2002, NULL, 3) RETURNING id, (SELECT count(*) FROM i WHERE i.a = tgt.k), EXISTS (SELECT FROM u WHERE u.x = tgt.v), (SELECT u.y FROM u WHERE u.id = tgt.v), (SELECT count(*) FROM i WHERE i.a = tgt.g)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (UPDATE tgt SET v = (SELECT count(*) FROM i WHERE i.a = tgt.k AND i.b = (SELECT u.y FROM u WHERE u.id = i.c)) RETURNING id, v, g, (SELECT count(*) FROM i WHERE i.a = tgt.v)) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (UPDATE tgt SET v = (SELECT count(*) FROM i WHERE i.a = tgt.k AND i.b = (SELECT u.y FROM u WHERE u.x = i.c)) RETURNING id, v) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH w AS (DELETE FROM tgt WHERE v < (SELECT count(*) FROM i WHERE i.a = tgt.k AND i.b = (SELECT u.y FROM u WHERE u.id = i.c)) RETURNING id) SELECT * FROM w ORDER BY 1;
ROLLBACK;
BEGIN;
WITH d AS (DELETE FROM tgt RETURNING id, (SELECT max(i.id) FROM i WHERE i.a < tgt.k) AS m) SELECT d.id, d.m, (SELECT count(*) FROM tgt t WHERE t.id < d.id) FROM d ORDER BY 1;
ROLLBACK;
INSERT INTO tgt SELECT 9000 + o.id, (SELECT count(*) FROM i WHERE i.a = o.a AND i.b = (SELECT u.y FROM u WHERE u.x = i.c)) FROM o;
