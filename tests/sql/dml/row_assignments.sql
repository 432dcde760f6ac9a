-- SET (a, b) = (SELECT ...): the row is joined as a scalar subquery's value is.
SET quarry.forced_rules = 'all';
CREATE TABLE stock (id int PRIMARY KEY, k int, a int, b int, note text, list int[]);
CREATE TABLE feed (id int PRIMARY KEY, k int, v int, w int, s text);
INSERT INTO stock SELECT i, nullif(i % 8, 3), i % 5, i % 4, 'n' || i, ARRAY[i, i + 1] FROM generate_series(1, 30) i;
INSERT INTO feed SELECT i, nullif(i % 9, 4), i % 7, nullif(i % 5, 3), CASE WHEN i % 10 = 0 THEN 'x' ELSE (i % 4)::text END FROM generate_series(1, 40) i;
ANALYZE stock, feed;
BEGIN;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = s.id + 20);
SELECT id, a, b FROM stock ORDER BY id;
UPDATE stock s SET (a, b) = (SELECT count(*), max(f.w) FROM feed f WHERE f.k = s.k), note = (SELECT min(f.s) FROM feed f WHERE f.k = s.k);
SELECT id, a, b, note FROM stock ORDER BY id;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w + s.a FROM feed f WHERE f.id < s.a ORDER BY f.w DESC NULLS LAST, f.id LIMIT 1) RETURNING (s.a, s.b) IS NULL;
SELECT id, a, b FROM stock ORDER BY id;
UPDATE stock s SET (note, a, list) = (SELECT string_agg(f.s, '' ORDER BY f.id), count(*), array_agg(f.id ORDER BY f.id) FROM feed f WHERE f.k < s.k) WHERE s.id % 3 = 0;
SELECT id, a, note, list FROM stock ORDER BY id;
UPDATE stock s SET (a, list[2]) = (SELECT f.v, f.w FROM feed f WHERE f.id = s.id), b = s.b + (SELECT count(*) FROM feed f WHERE f.k = s.k);
SELECT id, a, b, list FROM stock ORDER BY id;
UPDATE stock s SET (a, b) = (SELECT f.v, g.w FROM feed f JOIN feed g ON g.id = f.id + 1 WHERE f.id = s.id), (note) = (SELECT f.s FROM feed f WHERE f.id = s.k) FROM feed y WHERE y.id = s.id AND y.v > 2;
SELECT id, a, b, note FROM stock ORDER BY id;
ROLLBACK;
-- a second row
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.k = s.k);
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.k = s.k) WHERE s.k IS NULL;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.k = s.k) WHERE s.id > 100;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id IN (s.id, s.k)) WHERE s.id < 3;
-- a value that fails, a condition that fails, a row that isn't there
UPDATE stock s SET (a, b) = (SELECT 10 / f.w, f.w FROM feed f WHERE f.id = s.id);
UPDATE stock s SET (a, b) = (SELECT 10 / f.w, f.w FROM feed f WHERE f.id = s.id) WHERE s.id % 5 <> 0;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = s.id AND f.s::int > 1);
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = s.id AND f.s::int > 1) WHERE s.id % 10 <> 0;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = 12 / s.b) WHERE s.b <> 0;
UPDATE stock s SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = 12 / s.b);
SELECT id, a, b FROM stock ORDER BY id;
INSERT INTO stock VALUES (1, 2, 3, 4), (100, 1, 1, 1) ON CONFLICT (id) DO UPDATE SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.id = stock.id + excluded.k) RETURNING id, a, b;
INSERT INTO stock VALUES (1, 2, 3, 4) ON CONFLICT (id) DO UPDATE SET (a, b) = (SELECT f.v, f.w FROM feed f WHERE f.k = excluded.k);
DROP TABLE stock, feed;
