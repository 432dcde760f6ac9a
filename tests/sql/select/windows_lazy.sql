-- Arguments of window functions are computed for the rows that a frame has, and for no others.
CREATE TABLE w (id int PRIMARY KEY, g int, x int, y int);
INSERT INTO w VALUES (1, 1, 2, 0), (2, 1, 1, 1), (3, 1, 0, 2), (4, 2, 5, 0), (5, 2, 0, 4);
-- The last row's own value is nobody's.
SELECT id, lag(10 / x) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, lag(10 / x) OVER (PARTITION BY g ORDER BY id) FROM w ORDER BY id;
SELECT id, lead(10 / x) OVER (ORDER BY id DESC) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / x, 2) OVER (ORDER BY id) FROM w WHERE id <= 4 ORDER BY id;
SELECT id, lag(10 / x, 4) OVER (ORDER BY id) FROM w ORDER BY id;
-- An offset is asked for by every row, a default where there is no such row.
SELECT id, lag(id, 2 / x) OVER (ORDER BY id) FROM w WHERE id <= 2 ORDER BY id;
SELECT id, lag(id, 2 / x) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(id, 1, 10 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, lead(id, 1, 10 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, lead(id, 1, 10 / x) OVER (ORDER BY id DESC) FROM w ORDER BY id;
-- Frames.
SELECT id, first_value(10 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, first_value(10 / x) OVER (ORDER BY id DESC) FROM w ORDER BY id;
SELECT id, first_value(10 / x) OVER (PARTITION BY g ORDER BY id) FROM w ORDER BY id;
SELECT id, last_value(10 / x) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, last_value(10 / x) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, nth_value(10 / x, 2) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM w ORDER BY id;
SELECT id, nth_value(10 / x, 3) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, nth_value(x, 2 / x) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, ntile(4 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, ntile(4 / x) OVER (ORDER BY id DESC) FROM w ORDER BY id;
-- Aggregates.
SELECT id, sum(10 / x) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, sum(10 / x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, sum(10 / x) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) FROM w WHERE id <= 4 ORDER BY id;
SELECT id, sum(10 / y) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, count(10 / x) OVER (ORDER BY id ROWS BETWEEN 7 FOLLOWING AND 8 FOLLOWING) FROM w ORDER BY id;
SELECT id, sum(10 / x) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM w WHERE x = 0 OR id = 3 ORDER BY id;
SELECT id, sum(10 / x) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW) FROM w ORDER BY id;
SELECT id, array_agg(10 / x) OVER (ORDER BY id GROUPS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, max(10 / x) OVER () FROM w ORDER BY id;
-- FILTER is asked first.
SELECT id, sum(10 / x) FILTER (WHERE x <> 0) OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, sum(x) FILTER (WHERE 10 / x > 3) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, sum(x) FILTER (WHERE 10 / x > 3) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
-- Who stops before a row doesn't see its error.
SELECT id, sum(10 / x) OVER (ORDER BY id) FROM w ORDER BY id LIMIT 2;
SELECT id, sum(10 / x) OVER (ORDER BY id) FROM w ORDER BY id LIMIT 3;
SELECT id, lag(id, 2 / x) OVER (ORDER BY id), sum(x) OVER (ORDER BY id) FROM w ORDER BY id LIMIT 2;
SELECT EXISTS (SELECT sum(10 / x) OVER (ORDER BY id) FROM w);
-- Several calls, over one window and over two.
SELECT id, lag(10 / x) OVER (ORDER BY id), lag(10 / (x + id - 3)) OVER (ORDER BY id), row_number() OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / x) OVER (ORDER BY id), sum(x) OVER (PARTITION BY g) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / x) OVER (ORDER BY id), lead(10 / x) OVER (ORDER BY id DESC) FROM w WHERE id <= 3 ORDER BY id;
-- Text, casts, subqueries, errors with a detail.
SELECT id, lag(('n' || id)::text || (10 / x)) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(CASE WHEN id = 3 THEN 'x' ELSE '7' END::int) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(CASE WHEN id = 2 THEN 'x' ELSE '7' END::int) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / (SELECT max(v.x) FROM w v WHERE v.id = w.id)) OVER (ORDER BY id) FROM w WHERE id <= 3 ORDER BY id;
SELECT id, lag(10 / (SELECT max(v.x) FROM w v WHERE v.id = w.id)) OVER (ORDER BY id) FROM w ORDER BY id;
-- Large partitions, in memory and not.
CREATE TABLE big AS SELECT i AS id, 20000 - i AS x, repeat('x', 40) AS pad FROM generate_series(1, 20000) i;
SELECT count(*), sum(l) FROM (SELECT lag(100000 / x) OVER (ORDER BY id) AS l FROM big) s;
SELECT count(*), sum(l) FROM (SELECT lead(100000 / x) OVER (ORDER BY id) AS l FROM big) s;
SELECT count(*), sum(s) FROM (SELECT sum(100000 / x) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS s, pad FROM big) s;
SELECT id, s FROM (SELECT id, sum(100000 / (5000 - id)) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM big) s LIMIT 3 OFFSET 4996;
SET work_mem = '64kB';
SELECT count(*), sum(l), max(length(pad)) FROM (SELECT lag(100000 / x) OVER (ORDER BY id) AS l, pad FROM big) s;
SELECT count(*), sum(l), max(length(pad)) FROM (SELECT lead(100000 / x) OVER (ORDER BY id) AS l, pad FROM big) s;
SELECT count(*), sum(s), max(length(pad)) FROM (SELECT sum(100000 / x) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS s, pad FROM big) s;
RESET work_mem;
DROP TABLE w, big;
