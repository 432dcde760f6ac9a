-- recursive queries whose rows seen so far, or whose rounds, are larger than work_mem.
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
WITH RECURSIVE r(n, t) AS (SELECT 0, repeat('x', 20) || 0 UNION SELECT (n * 5 + m) % 20011, repeat('x', 20) || (n * 5 + m) % 20011 FROM r, generate_series(0, 4) m) SELECT count(*), count(DISTINCT n), sum(n), sum(length(t)) FROM r;
WITH RECURSIVE r(a, b) AS (SELECT NULL::int, 'start' UNION SELECT (coalesce(a, 0) + 1) % 6000, CASE WHEN coalesce(a, 0) % 1000 > 0 THEN 'value ' || coalesce(a, 0) % 1000 END FROM r) SELECT count(*), count(a), sum(a), count(b), max(b) FROM r;
WITH RECURSIVE r(n) AS (SELECT x FROM generate_series(1, 10000) x UNION SELECT n / 2 FROM r WHERE n > 0) SELECT count(*), sum(n) FROM r;
WITH RECURSIVE r(n) AS (SELECT x::numeric FROM generate_series(1, 8000) x UNION SELECT round(n, 2) + 0.50 FROM r WHERE n < 3) SELECT count(*), sum(n) FROM r;
WITH RECURSIVE r(n, d) AS (SELECT x, 0 FROM generate_series(1, 9000) x UNION ALL SELECT n, d + 1 FROM r WHERE d < n % 4) SELECT count(*), sum(n), max(d) FROM r;
WITH RECURSIVE edge(a, b) AS (SELECT x, x * 7 % 5003 FROM generate_series(1, 5002) x UNION ALL SELECT x, x + 1 FROM generate_series(1, 5001) x), reach(a) AS (SELECT 1 UNION SELECT e.b FROM reach r JOIN edge e ON e.a = r.a) SELECT count(*), sum(a) FROM reach;
SELECT count(*), sum(s) FROM generate_series(1, 3) x, LATERAL (WITH RECURSIVE r(n) AS (SELECT x UNION SELECT (n * 3 + x) % 4001 FROM r) SELECT sum(n) AS s FROM r) q;
