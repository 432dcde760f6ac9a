-- window functions over partitions larger than work_mem: every function, every frame mode, exclusions.
SET work_mem = '64kB';
CREATE TABLE w (id int, g int, k int, v numeric, d date, t text);
INSERT INTO w SELECT i, i % 3, i / 7, (i * 7919 % 1000) / 4.0, date '2020-01-01' + i / 5, 'a text of some length ' || i % 101 FROM generate_series(1, 6000) i;
INSERT INTO w SELECT 6000 + i, 3, NULL, NULL, NULL, NULL FROM generate_series(1, 3) i;
-- neighbours
SELECT count(*), sum(a), sum(b), sum(c), sum(e), min(a), max(b) FROM (SELECT lag(id) OVER o AS a, lead(id) OVER o AS b, lag(id, 1500, -1) OVER o AS c, lead(id, id % 50, 0) OVER o AS e FROM w WINDOW o AS (ORDER BY id)) q;
SELECT g, count(*), sum(length(a)), sum(length(b)), count(c) FROM (SELECT g, lag(t, 3) OVER o AS a, lead(t, 700, 'none') OVER o AS b, lag(t, NULL::int) OVER o AS c FROM w WINDOW o AS (PARTITION BY g ORDER BY id)) q GROUP BY g ORDER BY g;
SELECT count(*), sum(x) FROM (SELECT id - lag(id, -2) OVER (ORDER BY id DESC) AS x FROM w) q;
-- places
SELECT sum(r), sum(dr), sum(rn), round(sum(p)::numeric, 6), round(sum(c)::numeric, 6), sum(n4), sum(n7000) FROM (SELECT rank() OVER o AS r, dense_rank() OVER o AS dr, row_number() OVER o AS rn, percent_rank() OVER o AS p, cume_dist() OVER o AS c, ntile(4) OVER o AS n4, ntile(7000) OVER o AS n7000 FROM w WINDOW o AS (ORDER BY k)) q;
SELECT g, max(r), max(dr), max(rn), round(sum(p)::numeric, 6), round(sum(c)::numeric, 6), max(n) FROM (SELECT g, rank() OVER o AS r, dense_rank() OVER o AS dr, row_number() OVER o AS rn, percent_rank() OVER o AS p, cume_dist() OVER o AS c, ntile(100) OVER o AS n FROM w WINDOW o AS (PARTITION BY g ORDER BY k DESC)) q GROUP BY g ORDER BY g;
SELECT count(n), min(id) FILTER (WHERE n IS NOT NULL), max(n) FROM (SELECT id, ntile(CASE WHEN id > 5000 THEN 3 END) OVER (ORDER BY id) AS n FROM w) q;
SELECT max(r), max(c) FROM (SELECT rank() OVER () AS r, cume_dist() OVER () AS c FROM w) q;
-- values of frames
SELECT sum(a), sum(b), sum(c), count(c) FROM (SELECT first_value(id) OVER o AS a, last_value(id) OVER o AS b, nth_value(id, 5) OVER o AS c FROM w WINDOW o AS (ORDER BY k)) q;
SELECT sum(a), sum(b), sum(c), count(c) FROM (SELECT first_value(id) OVER o AS a, last_value(id) OVER o AS b, nth_value(id, 3) OVER o AS c FROM w WINDOW o AS (ORDER BY id ROWS BETWEEN 800 PRECEDING AND 600 PRECEDING)) q;
SELECT sum(length(a)), sum(length(b)), sum(length(c)) FROM (SELECT first_value(t) OVER o AS a, last_value(t) OVER o AS b, nth_value(t, 3000) OVER o AS c FROM w WINDOW o AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) q;
SELECT sum(a), sum(b), sum(c), sum(e) FROM (SELECT first_value(id) OVER (o ROWS BETWEEN 3 PRECEDING AND 9 FOLLOWING EXCLUDE CURRENT ROW) AS a, last_value(id) OVER (o ROWS BETWEEN 3 PRECEDING AND 9 FOLLOWING EXCLUDE GROUP) AS b, nth_value(id, 4) OVER (o ROWS BETWEEN 3 PRECEDING AND 9 FOLLOWING EXCLUDE TIES) AS c, first_value(id) OVER (o ROWS BETWEEN 3 PRECEDING AND 9 FOLLOWING EXCLUDE TIES) AS e FROM w WINDOW o AS (ORDER BY k)) q;
-- aggregates: frames in rows
SELECT sum(a), sum(b), sum(c), sum(e) FROM (SELECT sum(v) OVER (o ROWS BETWEEN 10 PRECEDING AND 10 FOLLOWING) AS a, count(*) OVER (o ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS b, max(v) OVER (o ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS c, sum(id) OVER (o ROWS BETWEEN 2 FOLLOWING AND 2000 FOLLOWING) AS e FROM w WINDOW o AS (ORDER BY id)) q;
SELECT sum(length(a)), sum(b), sum(c) FROM (SELECT string_agg(t, ',') OVER (o ROWS 3 PRECEDING) AS a, sum(id) FILTER (WHERE id % 2 = 0) OVER (o ROWS BETWEEN 100 PRECEDING AND CURRENT ROW) AS b, array_length(array_agg(id) OVER (o ROWS BETWEEN 20 PRECEDING AND 5 PRECEDING), 1) AS c FROM w WINDOW o AS (PARTITION BY g ORDER BY id)) q;
SELECT sum(a), sum(b), sum(c) FROM (SELECT sum(id) OVER (o ROWS UNBOUNDED PRECEDING) AS a, avg(id) OVER (o ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) AS b, count(v) OVER (o ROWS BETWEEN 7000 PRECEDING AND 7000 FOLLOWING) AS c FROM w WINDOW o AS (ORDER BY id)) q;
-- frames in ranges
SELECT sum(a), sum(b), sum(c) FROM (SELECT sum(id) OVER (o RANGE BETWEEN 10 PRECEDING AND 3 FOLLOWING) AS a, count(*) OVER (o RANGE BETWEEN 1 FOLLOWING AND 100 FOLLOWING) AS b, count(*) OVER (o RANGE BETWEEN UNBOUNDED PRECEDING AND 50 PRECEDING) AS c FROM w WINDOW o AS (ORDER BY k)) q;
SELECT sum(a), sum(b), sum(c) FROM (SELECT sum(id) OVER (o RANGE BETWEEN 10 PRECEDING AND 3 FOLLOWING) AS a, count(*) OVER (o RANGE BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING) AS b, count(*) OVER (o RANGE CURRENT ROW) AS c FROM w WINDOW o AS (ORDER BY k DESC)) q;
SELECT sum(a), sum(b) FROM (SELECT count(*) OVER (ORDER BY d RANGE BETWEEN '1 month' PRECEDING AND '10 days' FOLLOWING) AS a, count(*) OVER (ORDER BY v RANGE BETWEEN 2.5 PRECEDING AND CURRENT ROW) AS b FROM w) q;
SELECT sum(a), sum(b) FROM (SELECT count(*) OVER (PARTITION BY g ORDER BY d DESC NULLS LAST RANGE BETWEEN '1 month' PRECEDING AND '10 days' PRECEDING) AS a, max(id) OVER (PARTITION BY g ORDER BY d NULLS FIRST) AS b FROM w) q;
-- frames in groups
SELECT sum(a), sum(b), sum(c), sum(e) FROM (SELECT sum(id) OVER (o GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS a, count(*) OVER (o GROUPS BETWEEN 300 PRECEDING AND 200 PRECEDING) AS b, count(*) OVER (o GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS c, max(v) OVER (o GROUPS CURRENT ROW) AS e FROM w WINDOW o AS (ORDER BY k)) q;
SELECT sum(a), sum(b) FROM (SELECT first_value(k) OVER (o GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS a, last_value(k) OVER (o GROUPS BETWEEN 5 FOLLOWING AND 9 FOLLOWING) AS b FROM w WINDOW o AS (PARTITION BY g ORDER BY k)) q;
-- exclusions
SELECT sum(a), sum(b), sum(c) FROM (SELECT sum(id) OVER (o ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING EXCLUDE CURRENT ROW) AS a, sum(id) OVER (o RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP) AS b, sum(id) OVER (o GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) AS c FROM w WINDOW o AS (ORDER BY k)) q;
-- single rows, in the partition's order
SELECT * FROM (SELECT id, lag(t) OVER o, sum(v) OVER (o ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), rank() OVER (ORDER BY k), last_value(id) OVER (ORDER BY k RANGE BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM w WINDOW o AS (ORDER BY id)) q WHERE id IN (1, 2, 1999, 2048, 2049, 4096, 5999, 6000, 6001, 6003) ORDER BY id;
SELECT * FROM (SELECT id, sum(id * 2 + length(t)) OVER (PARTITION BY g ORDER BY id % 100, id ROWS 2 PRECEDING) AS s FROM w) q WHERE id % 997 = 0 ORDER BY id;
-- errors
SELECT sum(id) OVER (ORDER BY id ROWS -1 PRECEDING) FROM w;
SELECT sum(id) OVER (ORDER BY k RANGE BETWEEN -1 PRECEDING AND CURRENT ROW) FROM w;
SELECT nth_value(id, 0) OVER (ORDER BY id) FROM w;
SELECT ntile(0) OVER (ORDER BY id) FROM w;
SELECT sum(1 / (id - 5000)) OVER (ORDER BY id ROWS 1 PRECEDING) FROM w;
-- EXCLUDE for functions of frames
SELECT i, first_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE CURRENT ROW) AS fc, last_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE CURRENT ROW) AS lc, nth_value(i, 2) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE CURRENT ROW) AS nc, first_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP) AS fg, last_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP) AS lg, nth_value(i, 2) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP) AS ng, first_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) AS ft, last_value(i) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) AS lt, nth_value(i, 2) OVER (o ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) AS nt FROM generate_series(1, 9) i WINDOW o AS (ORDER BY i / 3) ORDER BY i;
SELECT i, first_value(i) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE TIES) AS ft, last_value(i) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE TIES) AS lt, nth_value(i, 2) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE TIES) AS nt, first_value(i) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE GROUP) AS fg, last_value(i) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE GROUP) AS lg, array_agg(i) OVER (o ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE TIES) AS at FROM generate_series(1, 9) i WINDOW o AS (ORDER BY i / 3) ORDER BY i;
SELECT i, first_value(i) OVER (o ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING EXCLUDE TIES) AS ft, last_value(i) OVER (o ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING EXCLUDE TIES) AS lt, nth_value(i, 3) OVER (o ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING EXCLUDE TIES) AS nt, last_value(i) OVER (o ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING EXCLUDE CURRENT ROW) AS lc FROM generate_series(1, 9) i WINDOW o AS (ORDER BY i / 3) ORDER BY i;
SELECT x, ntile(x) OVER (ORDER BY i) FROM (VALUES (1, NULL), (2, 3), (3, 2), (4, NULL), (5, 0)) v(i, x);
DROP TABLE w;
