-- Sums of numerics by few groups: batches are summed apart where their values allow it.
CREATE TABLE fg (id int, g int, a numeric(12,2), b numeric(18,4), c numeric, d numeric);
INSERT INTO fg SELECT i, i * i % 5, (i % 2000 - 1000) / 100.0, i * -12345.6789, CASE WHEN i % 3 > 0 THEN i / 7.0 END, CASE WHEN i % 700 = 0 THEN 99999999999.99 * i ELSE i END FROM generate_series(1, 9000) i;
SELECT g, count(*), sum(a), avg(a), sum(b), avg(b), sum(a * (1 - b)) FROM fg GROUP BY g ORDER BY g;
SELECT g, sum(c), avg(c), count(c), sum(d), avg(d) FROM fg GROUP BY g ORDER BY g;
SELECT id % 16 AS m, sum(a), avg(b) FROM fg GROUP BY m ORDER BY m;
SELECT id % 17 AS m, sum(a), avg(b) FROM fg GROUP BY m ORDER BY m;
SELECT g, sum(a) FILTER (WHERE id % 3 = 0), sum(b) FILTER (WHERE id < 60) FROM fg GROUP BY g ORDER BY g;
SELECT g, sum(a) FROM fg WHERE id < 40 GROUP BY g ORDER BY g;
-- Sums that outgrow 64 bits, and values that are large.
SELECT g, sum(s), avg(s) FROM (SELECT g, 2814749767106.55 * (id % 3) AS s FROM fg) x GROUP BY g ORDER BY g;
SELECT g, sum(s), avg(s) FROM (SELECT g, 2814749767.0000 * 100000 + id AS s FROM fg, generate_series(1, 20)) x GROUP BY g ORDER BY g;
SELECT g, sum(s), avg(s) FROM (SELECT id % 2 AS g, 28147497671065.6 * 32000 - id AS s FROM fg) x GROUP BY g ORDER BY g;
-- Scales that change between batches.
SELECT g, sum(s), avg(s) FROM (SELECT g, a AS s FROM fg UNION ALL SELECT g, b FROM fg UNION ALL SELECT g, a FROM fg) x GROUP BY g ORDER BY g;
DROP TABLE fg;
