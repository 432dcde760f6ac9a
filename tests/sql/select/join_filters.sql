-- Joins whose inner side has few keys: large scans of the outer side may leave out rows and pages without a match.
CREATE TABLE golden_jf_fact (id int PRIMARY KEY, d1 int, d2 bigint, d3 smallint, day date, note text);
INSERT INTO golden_jf_fact
    SELECT x, x / 100, x % 1000, nullif(x % 300, 299), date '2020-01-01' + x / 50, 'note ' || x % 77
    FROM generate_series(1, 40000) x;
CREATE INDEX golden_jf_d2 ON golden_jf_fact (d2);
CREATE INDEX golden_jf_day ON golden_jf_fact USING brin (day) WITH (pages_per_range = 4);
CREATE INDEX golden_jf_d1 ON golden_jf_fact USING brin (d1 int4_bloom_ops) WITH (pages_per_range = 8);
CREATE TABLE golden_jf_dim (k int PRIMARY KEY, name text, day date, big bigint);
INSERT INTO golden_jf_dim
    SELECT x, 'name ' || x % 10, date '2020-01-01' + x, x * 3 FROM generate_series(0, 999) x;
CREATE TABLE golden_jf_other (k bigint, v int);
INSERT INTO golden_jf_other SELECT x % 400, x FROM generate_series(1, 12000) x;
INSERT INTO golden_jf_other VALUES (NULL, 1), (5000000000, 2), (-5000000000, 3);
ANALYZE golden_jf_fact, golden_jf_dim, golden_jf_other;
SET enable_nestloop = off;
SET enable_mergejoin = off;
-- one key, few keys, a narrow range of keys, a wide one, none
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d1 = d.k WHERE d.k = 17;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d1 = d.k WHERE d.name = 'name 3' AND d.k < 100;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.k WHERE d.name = 'name 3' AND d.k < 100;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.big WHERE d.k BETWEEN 100 AND 130;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d3 = d.big WHERE d.k BETWEEN 90 AND 130;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.day = d.day WHERE d.k BETWEEN 400 AND 420;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.day = d.day WHERE d.name = 'name 4';
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d1 = d.k WHERE d.name = 'none';
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.id = d.k WHERE d.name = 'name 5';
-- values that the other column's type doesn't have
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_other o ON f.d1 = o.k WHERE o.v IN (1, 2, 3);
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_other o ON f.d3 = o.k WHERE o.v IN (1, 2, 3);
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_other o ON f.d2 = o.k WHERE o.v IN (1, 2, 3);
-- through other joins, semi joins, groups
SELECT count(*), sum(f.id), sum(o.v) FROM golden_jf_fact f JOIN golden_jf_other o ON f.d2 = o.k JOIN golden_jf_dim d ON d.k = f.d2 WHERE d.name = 'name 7' AND d.k < 50;
SELECT count(*), sum(f.id), sum(o.v) FROM golden_jf_fact f LEFT JOIN golden_jf_other o ON f.d2 = o.k AND o.v < 600 JOIN golden_jf_dim d ON d.k = f.d2 WHERE d.name = 'name 7' AND d.k < 50;
SELECT count(*), sum(f.id) FROM golden_jf_fact f JOIN golden_jf_dim d ON d.k = f.d2 WHERE d.name = 'name 7' AND d.k < 500 AND NOT EXISTS (SELECT FROM golden_jf_other o WHERE o.k = f.d2);
SELECT count(*), sum(f.id) FROM golden_jf_fact f JOIN golden_jf_dim d ON d.k = f.d2 WHERE d.name = 'name 7' AND d.k < 500 AND EXISTS (SELECT FROM golden_jf_other o WHERE o.k = f.d2);
SELECT count(*), sum(n) FROM (SELECT d2, count(*) AS n FROM golden_jf_fact GROUP BY d2) g JOIN golden_jf_dim d ON d.k = g.d2 WHERE d.k < 20;
SELECT count(*), sum(id) FROM golden_jf_fact WHERE d1 IN (SELECT k FROM golden_jf_dim WHERE name = 'name 2' AND k < 60);
SELECT count(*), count(f.id) FROM golden_jf_fact f RIGHT JOIN golden_jf_dim d ON d.k = f.d1 WHERE d.name = 'name 2' AND d.k BETWEEN 390 AND 450;
SELECT count(*), count(d.k) FROM golden_jf_fact f LEFT JOIN golden_jf_dim d ON d.k = f.d1 AND d.name = 'name 2' AND d.k < 20;
-- index and bitmap scans of the outer side
SET enable_seqscan = off;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.k WHERE f.id < 30000 AND d.name = 'name 3' AND d.k < 100;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.id = d.k WHERE f.id < 30000 AND d.name = 'name 3' AND d.k < 100;
SELECT count(*), sum(f.d2) FROM (SELECT d2 FROM golden_jf_fact WHERE d2 < 900 ORDER BY d2) f JOIN golden_jf_dim d ON f.d2 = d.k WHERE d.name = 'name 3' AND d.k < 100;
SET enable_indexscan = off;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d3 = d.k WHERE f.id < 30000 AND d.name = 'name 3' AND d.k < 100;
RESET enable_indexscan;
RESET enable_seqscan;
-- rows changed since, seen and not seen
BEGIN;
UPDATE golden_jf_fact SET d2 = d2 + 5 WHERE id % 1000 BETWEEN 1 AND 5;
DELETE FROM golden_jf_fact WHERE id % 1000 = 10;
INSERT INTO golden_jf_fact VALUES (50001, 3, 3, 3, '2020-02-01', 'new'), (50002, NULL, NULL, NULL, NULL, NULL);
SELECT d.k, count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.k WHERE d.k < 12 GROUP BY d.k ORDER BY d.k;
SELECT count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.day = d.day WHERE d.k BETWEEN 30 AND 32;
ROLLBACK;
SELECT d.k, count(*), sum(id) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.k WHERE d.k < 12 GROUP BY d.k ORDER BY d.k;
-- the inner side changes from one run to the next
SELECT x, (SELECT count(*) FROM golden_jf_fact f JOIN golden_jf_dim d ON f.d2 = d.k WHERE d.k = x) FROM generate_series(1, 3) x;
RESET enable_nestloop;
RESET enable_mergejoin;
DROP TABLE golden_jf_fact, golden_jf_dim, golden_jf_other;
