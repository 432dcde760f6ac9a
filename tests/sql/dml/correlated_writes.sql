-- Correlated subqueries of statements that change or lock rows.
SET quarry.forced_rules = 'all';
CREATE TABLE part (id int PRIMARY KEY, bin int, stock int, note text);
CREATE TABLE move (id int PRIMARY KEY, part int, bin int, n int);
INSERT INTO part SELECT i, i % 7, i % 11, 'p' || i FROM generate_series(1, 400) i;
INSERT INTO move SELECT i, i % 300 + 1, i % 7, i % 13 FROM generate_series(1, 1200) i;
ANALYZE;

UPDATE part p SET stock = (SELECT sum(m.n) FROM move m WHERE m.part = p.id);
SELECT count(*), count(stock), sum(stock), sum(stock * id) FROM part;
UPDATE part p SET stock = stock + (SELECT count(*) FROM move m WHERE m.bin = p.bin AND m.n > 5), note = (SELECT 'm' || max(m.id) FROM move m WHERE m.part = p.id) WHERE p.id % 2 = 0;
SELECT count(stock), sum(stock), sum(stock * id), max(note), min(note) FROM part;
WITH changed AS (UPDATE part p SET bin = CASE WHEN EXISTS (SELECT FROM move m WHERE m.part = p.id AND m.n > 11) THEN 1 ELSE p.bin END RETURNING id, bin, stock)
SELECT bin, count(*), sum(id), sum(stock) FROM changed GROUP BY bin ORDER BY bin;
UPDATE part p SET stock = coalesce(p.stock, 0) + m.n FROM move m WHERE m.id = p.id AND m.n > (SELECT avg(x.n) FROM move x WHERE x.part = p.id);
SELECT count(stock), sum(stock), sum(stock * id) FROM part;
UPDATE part p SET stock = 0 WHERE p.stock > (SELECT avg(q.stock) FROM part q WHERE q.bin = p.bin) OR p.bin IN (SELECT m.n FROM move m WHERE m.part = p.id);
SELECT count(*), sum(id) FROM part WHERE stock = 0;
UPDATE part p SET (stock, bin) = (SELECT count(*), min(m.bin) FROM move m WHERE m.part = p.id) WHERE id < 50;
SELECT sum(stock), sum(bin) FROM part WHERE id < 50;
-- more than one row
UPDATE part p SET stock = (SELECT m.n FROM move m WHERE m.part = p.id);
UPDATE part p SET stock = (SELECT m.n FROM move m WHERE m.part = p.id) WHERE id > 300;
SELECT count(*), count(stock) FROM part;
-- an error for a row that isn't changed
UPDATE part p SET stock = 1 WHERE p.id < 0 AND (SELECT sum(10 / m.n) FROM move m WHERE m.part = p.id) > 1;
UPDATE part p SET stock = CASE WHEN p.id > 350 THEN (SELECT sum(10 / m.n) FROM move m WHERE m.part = p.id) ELSE 7 END;
SELECT count(*), count(stock), sum(stock) FROM part;

DELETE FROM part p WHERE (SELECT count(*) FROM move m WHERE m.part = p.id AND m.n < 2) > 1;
SELECT count(*), sum(id) FROM part;
WITH gone AS (DELETE FROM part p USING move m WHERE m.id = p.id AND m.n = (SELECT max(x.n) FROM move x WHERE x.bin = p.bin) RETURNING p.id)
SELECT count(*), sum(id) FROM gone;
DELETE FROM part p WHERE p.bin > ALL (SELECT m.bin FROM move m WHERE m.part = p.id) AND p.id < 300;
SELECT count(*), sum(id) FROM part;

INSERT INTO move SELECT 2000 + p.id, p.id, p.bin, (SELECT count(*) FROM move m WHERE m.part = p.id) FROM part p WHERE p.id % 10 = 1;
SELECT count(*), sum(n) FROM move;
WITH gone AS (DELETE FROM move m WHERE m.n > (SELECT avg(x.n) FROM move x WHERE x.part = m.part) RETURNING m.id) SELECT count(*), sum(id) FROM gone;

SELECT p.id, (SELECT count(*) FROM move m WHERE m.part = p.id) FROM part p WHERE p.id < 20 ORDER BY p.id FOR UPDATE;
SELECT p.id, p.stock + (SELECT count(*) FROM move m WHERE m.part = p.id) AS n FROM part p WHERE p.bin = 3 ORDER BY n, p.id LIMIT 5 FOR UPDATE;
SELECT p.id FROM part p WHERE p.stock < (SELECT sum(m.n) FROM move m WHERE m.part = p.id) ORDER BY 1 LIMIT 5 FOR SHARE;
SELECT p.id, EXISTS (SELECT FROM move m WHERE m.part = p.id) AND p.stock > 0 FROM part p WHERE p.id BETWEEN 280 AND 320 ORDER BY 1 FOR NO KEY UPDATE;
DROP TABLE part, move;
