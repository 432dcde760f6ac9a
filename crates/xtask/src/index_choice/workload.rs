//! The tables and queries of `index-choice` and `cost-time`.

/// One table with indexes of all kinds; `NROWS` is its size.
pub const TABLE: &str = "
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE ixc (id int PRIMARY KEY, u int NOT NULL, a int, b int, c int, z int, t text, k text, d timestamptz, f boolean,
  status text, tags int[], doc jsonb, body text, pad text);
INSERT INTO ixc SELECT i, (i * 7919::bigint % NROWS)::int, i % 10, (i * 31::bigint % 1000)::int, i / 100,
  (10000 / (1 + i * 7::bigint % 10000))::int, 'key' || (i * 104729::bigint % NROWS), 'g' || i % 500,
  '2024-01-01'::timestamptz + i * interval '1 minute', i % 20 = 0,
  CASE WHEN i % 100 = 0 THEN 'open' WHEN i % 10 = 0 THEN 'held' ELSE 'done' END,
  ARRAY[i % 100, i % 1000, i % 7], jsonb_build_object('n', i % 2000, 'kind', 'v' || i % 50),
  'word' || i % 300 || ' word' || i % 11, repeat('x', 60)
  FROM generate_series(1, NROWS) i;
CREATE INDEX ixc_u ON ixc (u);
CREATE INDEX ixc_ab ON ixc (a, b);
CREATE INDEX ixc_b ON ixc (b) INCLUDE (c);
CREATE INDEX ixc_c ON ixc (c);
CREATE INDEX ixc_z ON ixc (z);
CREATE INDEX ixc_t ON ixc (t text_pattern_ops);
CREATE INDEX ixc_trgm ON ixc USING gin (t gin_trgm_ops);
CREATE INDEX ixc_lower ON ixc (lower(k));
CREATE INDEX ixc_d ON ixc (d);
CREATE INDEX ixc_f ON ixc (id) WHERE f;
CREATE INDEX ixc_open ON ixc (u) WHERE status = 'open';
CREATE INDEX ixc_bc ON ixc (b DESC, c);
CREATE INDEX ixc_hash ON ixc USING hash (k);
CREATE INDEX ixc_brin ON ixc USING brin (d);
CREATE INDEX ixc_tags ON ixc USING gin (tags);
CREATE INDEX ixc_doc ON ixc USING gin (doc jsonb_path_ops);
CREATE INDEX ixc_body ON ixc USING gin (to_tsvector('simple', body));
";

/// What each query is to show stands in front of its group.
pub const QUERIES: [&str; 60] = [
    // Equality, ranges and lists on B-trees, clustered and not.
    "SELECT * FROM ixc WHERE id = 77",
    "SELECT count(pad) FROM ixc WHERE id < 1000",
    "SELECT count(pad) FROM ixc WHERE id > 1000",
    "SELECT count(*) FROM ixc",
    "SELECT count(*) FROM ixc WHERE id BETWEEN 100 AND 40000",
    "SELECT count(pad) FROM ixc WHERE u < 100",
    "SELECT count(pad) FROM ixc WHERE u < 2000",
    "SELECT count(pad) FROM ixc WHERE u < 20000",
    "SELECT count(pad) FROM ixc WHERE u IN (1, 5, 9, 13, 500, 700, 1000)",
    "SELECT count(pad) FROM ixc WHERE u = ANY (ARRAY(SELECT generate_series(1, 300)))",
    // Several keys, also without the first one.
    "SELECT count(pad) FROM ixc WHERE a = 3",
    "SELECT count(pad) FROM ixc WHERE a = 3 AND b = 333",
    "SELECT count(pad) FROM ixc WHERE a = 3 AND b < 50",
    "SELECT count(pad) FROM ixc WHERE a IN (1, 2, 3) AND b IN (5, 6, 7, 8)",
    "SELECT count(*) FROM ixc WHERE a = 3 AND b > 900",
    "SELECT count(pad) FROM ixc WHERE b = 333",
    "SELECT count(pad) FROM ixc WHERE b < 3",
    "SELECT count(pad) FROM ixc WHERE b < 300",
    "SELECT count(pad) FROM ixc WHERE (a, b) > (9, 990)",
    "SELECT a, b FROM ixc WHERE (a, b) > (5, 500) ORDER BY a, b LIMIT 20",
    // Covering indexes.
    "SELECT sum(c) FROM ixc WHERE b = 333",
    "SELECT sum(c) FROM ixc WHERE b < 100",
    "SELECT count(pad) FROM ixc WHERE b = 333 AND c < 100",
    "SELECT count(pad) FROM ixc WHERE c < 100",
    // Bitmaps, ANDed and ORed.
    "SELECT count(pad) FROM ixc WHERE c BETWEEN 100 AND 120 AND b < 500",
    "SELECT count(pad) FROM ixc WHERE c < 100 AND u < 1000",
    "SELECT count(pad) FROM ixc WHERE b < 20 AND u < 20000",
    "SELECT count(pad) FROM ixc WHERE b = 7 OR u = 12",
    "SELECT count(pad) FROM ixc WHERE b < 30 OR u < 1000",
    // Skewed values.
    "SELECT count(pad) FROM ixc WHERE z = 1",
    "SELECT count(pad) FROM ixc WHERE z = 5000",
    // Patterns.
    "SELECT count(pad) FROM ixc WHERE t LIKE 'key12%'",
    "SELECT count(pad) FROM ixc WHERE t LIKE 'key123%'",
    "SELECT count(pad) FROM ixc WHERE t LIKE '%y1234%'",
    "SELECT count(pad) FROM ixc WHERE t = 'key77'",
    // Expressions, hashes.
    "SELECT count(pad) FROM ixc WHERE lower(k) = 'g7'",
    "SELECT count(pad) FROM ixc WHERE k = 'g7'",
    "SELECT count(pad) FROM ixc WHERE k = 'g7' AND a = 7",
    // BRIN beside a B-tree.
    "SELECT count(pad) FROM ixc WHERE d < '2024-01-02'",
    "SELECT count(pad) FROM ixc WHERE d < '2024-02-01'",
    "SELECT count(pad) FROM ixc WHERE d BETWEEN '2024-01-05' AND '2024-01-06' AND a = 1",
    // Partial indexes.
    "SELECT count(pad) FROM ixc WHERE f AND id < 1000",
    "SELECT count(pad) FROM ixc WHERE f",
    "SELECT count(pad) FROM ixc WHERE status = 'open'",
    "SELECT count(*) FROM ixc WHERE status = 'open' AND u < 5000",
    // Orders and limits.
    "SELECT id, pad FROM ixc WHERE status = 'open' ORDER BY u LIMIT 10",
    "SELECT id, pad FROM ixc ORDER BY u DESC LIMIT 20",
    "SELECT id, pad FROM ixc WHERE b = 5 ORDER BY id LIMIT 10",
    "SELECT id, pad FROM ixc WHERE a = 5 ORDER BY u LIMIT 10",
    "SELECT id, pad FROM ixc WHERE c > 500 ORDER BY b LIMIT 10",
    "SELECT b, c FROM ixc ORDER BY b, c DESC LIMIT 100",
    // Ends of indexes, groups.
    "SELECT min(u), max(u) FROM ixc",
    "SELECT max(d) FROM ixc WHERE a = 3",
    "SELECT DISTINCT a FROM ixc",
    "SELECT b, count(*) FROM ixc WHERE a = 2 GROUP BY b",
    // GIN.
    "SELECT count(pad) FROM ixc WHERE tags @> ARRAY[5, 105]",
    "SELECT count(pad) FROM ixc WHERE tags && ARRAY[77] AND id < 50000",
    "SELECT count(pad) FROM ixc WHERE doc @> '{\"n\": 77}'",
    "SELECT count(pad) FROM ixc WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'word77')",
    // Places.
    "SELECT count(pad) FROM ixc WHERE ctid >= '(100,0)' AND ctid < '(200,0)' AND id < 60000",
];

/// A table that joins find a row of for each of theirs.
pub const JOINED: &str = "
CREATE TABLE ixj (n int PRIMARY KEY, g int, label text);
INSERT INTO ixj SELECT i, i % 100, 'label ' || i FROM generate_series(0, 1999) i;
";

/// Joins, sorts and groups, whose methods are switched off one by one.
pub const OTHERS: [&str; 16] = [
    "SELECT count(label) FROM ixc JOIN ixj ON c = n WHERE id < 50",
    "SELECT count(label) FROM ixc JOIN ixj ON c = n WHERE id < 2000",
    "SELECT count(label) FROM ixc JOIN ixj ON c = n",
    "SELECT count(pad) FROM ixj JOIN ixc ON n = u WHERE g = 3",
    "SELECT count(pad) FROM ixj JOIN ixc ON n = u",
    "SELECT count(x.pad) FROM ixc x JOIN ixc y ON x.id = y.u WHERE y.b < 100",
    "SELECT count(x.pad) FROM ixc x JOIN ixc y ON x.id = y.u",
    "SELECT count(*) FROM ixc WHERE c IN (SELECT n FROM ixj WHERE g < 10)",
    "SELECT count(*) FROM ixj WHERE NOT EXISTS (SELECT FROM ixc WHERE u = n AND a = 1)",
    "SELECT count(*) FROM ixj x JOIN ixj y ON x.n < y.n WHERE x.g < 5 AND y.g < 20",
    "SELECT b, count(*) FROM ixc GROUP BY b",
    "SELECT u, count(*) FROM ixc GROUP BY u OFFSET 1000000",
    "SELECT DISTINCT c FROM ixc",
    "SELECT pad FROM ixc ORDER BY c, b OFFSET 1000000",
    "SELECT u FROM ixc ORDER BY u OFFSET 1000000",
    "SELECT t FROM ixc WHERE b < 100 ORDER BY t OFFSET 1000000",
];
