-- numeric: quotients of columns, their scales and what is computed with them.
CREATE TABLE quotients (id int PRIMARY KEY, i int, b bigint, p numeric(12,2), n numeric);
INSERT INTO quotients SELECT g, g * 7 % 1001, g::bigint * 99999999 - 4000000000, (g * 37 % 5000) / 100.0 - 12.34, CASE g % 4 WHEN 0 THEN 10000 WHEN 1 THEN 9999.5 WHEN 2 THEN -0.0001 ELSE 0.000 END FROM generate_series(1, 120) g;
SELECT id, i / 1000.0, i / 3.0, -i / 0.0001, i / -2.50, i / 1024::numeric FROM quotients WHERE id <= 12 ORDER BY id;
SELECT id, b / 1000.0, b / 3.0, b / 0.0001, b / 5e3, p / 100.0, p / 7.00, p / 0.25 FROM quotients WHERE id % 10 = 3 ORDER BY id;
SELECT id, n / 7.00, n / 0.0001, n / 3.000, n / -10000, n / 4 FROM quotients WHERE id <= 8 ORDER BY id;
SELECT id, n / p, p / n, 100 / p, 1 / (i + 1)::numeric FROM quotients WHERE n <> 0 AND id <= 9 ORDER BY id;
SELECT sum(p * (1 - i / 1000.0)), avg(i / 1000.0), sum(i / 7.0), min(i / 1000.0), max(p / 100.0), sum(b / 1000.0), sum(-(i / 8.0)) FROM quotients;
SELECT id % 3 AS k, sum(p * (1 - i / 1000.0)), avg(p * (1 - i / 1000.0)), sum(i / 2.0), count(i / 3.0), stddev(i / 4.0) FROM quotients GROUP BY k ORDER BY k;
SELECT i / 1000.0 AS q, count(*) FROM quotients WHERE i / 1000.0 < 0.05 GROUP BY q ORDER BY q;
SELECT count(*) FROM quotients WHERE i / 1000.0 = 0.5 OR i / 1000.0 = 0.5070 OR i / 1000.0 > 0.99;
SELECT DISTINCT (i / 1000.0) * 1000 FROM quotients WHERE i < 30 ORDER BY 1;
-- NULLs, rows that aren't wanted, NaN, and divisors of zero.
INSERT INTO quotients VALUES (200, NULL, NULL, NULL, NULL), (201, 5, 5, 5, 'NaN');
SELECT id, i / 1000.0, b / 1000.0, p / 4.0, n / 4.0 FROM quotients WHERE id > 118 ORDER BY id;
SELECT sum(i / 1000.0), sum(i / 1000.0) FILTER (WHERE id > 199), sum(CASE WHEN i > 500 THEN i / 1000.0 ELSE p / 10.0 END) FROM quotients;
SELECT sum(i / 0.0) FROM quotients;
SELECT id, p / (i - 5) FROM quotients WHERE id > 199;
SELECT sum(CASE WHEN i <> 5 THEN p / (i - 5) END) FROM quotients;
-- Sums of many scales.
SELECT sum(x / 1000.0) FROM generate_series(0, 3000) x;
SELECT sum(x / 1000.0) FROM generate_series(0, 1000) x;
SELECT sum(s), avg(s), min(s) FROM (SELECT x % 5, sum(x / 1000.0) AS s FROM generate_series(0, 900) x GROUP BY 1) t;
SELECT sum(x / 1000.0) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM generate_series(0, 4) x;
DROP TABLE quotients;
