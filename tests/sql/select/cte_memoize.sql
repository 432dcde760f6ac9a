-- Rows kept for parameters: those that a common table expression reads belong to them.
CREATE TABLE outer_rows (a int, b int);
INSERT INTO outer_rows SELECT i % 5, i % 2 FROM generate_series(0, 39) i;
CREATE TABLE inner_rows (k int PRIMARY KEY, v int);
INSERT INTO inner_rows SELECT i, i * 10 FROM generate_series(0, 9) i;
ANALYZE outer_rows;
ANALYZE inner_rows;
VACUUM outer_rows, inner_rows;
SELECT o.a, o.b, s, count(*) FROM outer_rows o LEFT JOIN LATERAL (
  (WITH c AS MATERIALIZED (SELECT k FROM inner_rows WHERE k = o.a) SELECT x.k FROM c x FULL JOIN c y ON x.k = y.k)
  UNION ALL (SELECT k + 100 FROM inner_rows WHERE k = o.b ORDER BY k LIMIT 2)) l (s) ON true GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT o.a, o.b, s, count(*) FROM outer_rows o LEFT JOIN LATERAL (
  (WITH c AS MATERIALIZED (SELECT k FROM inner_rows WHERE k = o.a LIMIT 3) SELECT k FROM c WHERE k < (SELECT max(k) + 1 FROM c))
  UNION ALL (SELECT k + 100 FROM inner_rows WHERE k = o.b ORDER BY k LIMIT 2)) l (s) ON true GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT o.a, o.b, s, count(*) FROM outer_rows o, LATERAL (
  WITH RECURSIVE c (k) AS (SELECT o.a UNION ALL SELECT k + 1 FROM c WHERE k < 6) SELECT sum(k) + o.b FROM c) l (s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT o.a, o.b, count(*) FROM outer_rows o, LATERAL (
  WITH c AS MATERIALIZED (SELECT v FROM inner_rows WHERE k = o.a + 1), d AS MATERIALIZED (SELECT v + 1 AS w FROM c)
  SELECT k FROM inner_rows, d WHERE k * 10 + 1 <= w AND k >= o.b) l GROUP BY 1, 2 ORDER BY 1, 2;
