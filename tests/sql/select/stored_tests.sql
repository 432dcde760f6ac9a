-- Conditions that scans test on stored rows: beginnings of text, patterns, values of subqueries; grouping by whole numbers; sorts of long keys.
CREATE TABLE texts (id int, t text, v varchar(40), c char(12), n numeric);
INSERT INTO texts SELECT i, (ARRAY['13-245', '31', '7', '', 'é13', '日本語', '13', NULL, 'special requests', 'requests special'])[1 + i % 10] || CASE WHEN i % 3 = 0 THEN '' ELSE '-' || i END,
  (ARRAY['aé', 'aéb', 'a', '', 'aébc%', 'a_\b'])[1 + i % 6], (ARRAY['ab', 'abc', '', ' a', 'a b', 'ab  '])[1 + i % 6], (i * 37 % 101) / 7.0 FROM generate_series(1, 600) i;
INSERT INTO texts VALUES (601, repeat('13', 3000), repeat('a', 40), 'abcabcabcabc', NULL), (602, NULL, NULL, NULL, 3);
ALTER TABLE texts ADD COLUMN later text DEFAULT '13 later';

SELECT count(*), sum(id) FROM texts WHERE substring(t FROM 1 FOR 2) IN ('13', '31', '7', 'é1', '日本', 'abc');
SELECT count(*), sum(id) FROM texts WHERE substring(t FROM 1 FOR 2) NOT IN ('13', '31', '7', 'é1', '日本', 'abc');
SELECT count(*), sum(id) FROM texts WHERE substring(t FROM 1 FOR 2) IN ('13', NULL);
SELECT count(*), sum(id) FROM texts WHERE substring(t FROM 1 FOR 2) NOT IN ('13', NULL);
SELECT count(*), sum(id) FROM texts WHERE left(t, 3) = 'é13';
SELECT count(*), sum(id) FROM texts WHERE left(t, 3) <> 'é13';
SELECT count(*), sum(id) FROM texts WHERE left(t, 0) = '';
SELECT count(*), sum(id) FROM texts WHERE left(t, 0) = 'a';
SELECT count(*), sum(id) FROM texts WHERE left(t, -2) = '13-2';
SELECT count(*), sum(id) FROM texts WHERE substr(t, 1, 10) = '7';
SELECT count(*), sum(id) FROM texts WHERE substr(t, 2, 2) = '13';
SELECT count(*), sum(id) FROM texts WHERE substr(t, 1, -1) = '13';
SELECT count(*), sum(id) FROM texts WHERE substring(v FROM 1 FOR 2) = 'aé';
SELECT count(*), sum(id) FROM texts WHERE substring(v FROM 1 FOR 4) = 'a';
SELECT count(*), sum(id) FROM texts WHERE substring(c FROM 1 FOR 2) IN ('ab', 'a ', ' a', '');
SELECT count(*), sum(id) FROM texts WHERE substring(c FROM 1 FOR 3) IN ('ab', 'ab ', ' a', ' a ');
SELECT count(*), sum(id) FROM texts WHERE substring(c FROM 1 FOR 20) = 'abcabcabcabc';
SELECT count(*), sum(id) FROM texts WHERE left(later, 2) = '13' AND substr(later, 1, 3) <> '13';

SELECT count(*), sum(id) FROM texts WHERE t LIKE '%special%requests%';
SELECT count(*), sum(id) FROM texts WHERE t NOT LIKE '%special%requests%';
SELECT count(*), sum(id) FROM texts WHERE t LIKE '%13';
SELECT count(*), sum(id) FROM texts WHERE t LIKE '13%13';
SELECT count(*), sum(id) FROM texts WHERE t LIKE '31';
SELECT count(*), sum(id) FROM texts WHERE v LIKE '%\%' OR v LIKE '%\_\\%';
SELECT count(*), sum(id) FROM texts WHERE v LIKE '%\%';
SELECT count(*), sum(id) FROM texts WHERE v LIKE '%\_\\%';
SELECT count(*), sum(id) FROM texts WHERE v LIKE 'a_b%';
SELECT count(*), sum(id) FROM texts WHERE v LIKE '%b\';
SELECT count(*), sum(id) FROM texts WHERE later LIKE '%later' AND later NOT LIKE '%14%';

-- A subquery is run when a row asks for its value, and not before.
SELECT count(*), sum(id) FROM texts WHERE n > (SELECT avg(n) FROM texts) AND substring(t FROM 1 FOR 2) IN ('13', '31');
SELECT count(*), sum(id) FROM texts WHERE n <= (SELECT NULL::numeric);
SELECT count(*), sum(id) FROM texts WHERE id > 1000 AND n > (SELECT 1 / (id - id) FROM texts WHERE id = 1);
SELECT count(*), sum(id) FROM texts WHERE id > 600 AND n > (SELECT 1 / (id - id) FROM texts WHERE id = 1);
SELECT count(*), sum(id) FROM texts WHERE id >= (SELECT 300) AND 600 / (id - 299) > 3;
SELECT count(*), sum(id) FROM texts WHERE id >= (SELECT 300) AND 600 / (id - 400) > 3;
SELECT id, (SELECT count(*) FROM texts i WHERE i.id > (SELECT 590) AND i.n > o.n) FROM texts o WHERE o.id < 4 ORDER BY id;

-- Whole numbers close together, far apart, NULL; many groups.
SELECT count(*), sum(k), sum(s), min(s), max(s) FROM (SELECT i * 7919 % 5003 k, sum(i) s FROM generate_series(1, 20000) i GROUP BY 1) g;
SELECT count(*), count(k), sum(s) FROM (SELECT CASE WHEN i % 1000 = 0 THEN NULL WHEN i = 15000 THEN 2000000000 WHEN i = 16000 THEN -2000000000 ELSE i % 3000 END k, sum(i) s FROM generate_series(1, 20000) i GROUP BY 1) g;
SELECT count(*), count(k), sum(s) FROM (SELECT CASE WHEN i = 9000 THEN 9223372036854775807 WHEN i = 9001 THEN -9223372036854775808 ELSE i / 3 END k, count(*) s FROM generate_series(-10000::bigint, 10000) i GROUP BY 1) g;
SELECT count(*), sum(d), sum(e), max(d) FROM (SELECT i % 2000 k, count(DISTINCT i % 7000) d, sum(DISTINCT i % 30) e FROM generate_series(1, 40000) i GROUP BY 1) g;

-- Keys that agree for long.
SELECT md5(string_agg(t, ',' ORDER BY t, i)) FROM (SELECT repeat('x', i % 5 * 8) || CASE WHEN i % 7 = 0 THEN '' ELSE i % 11 || repeat('y', i % 40) END t, i FROM generate_series(1, 5000) i) s;
SELECT md5(string_agg(t || i, ',')) FROM (SELECT t, i FROM (SELECT repeat('common prefix ', 3) || repeat('z', i % 3 * 17) || i % 13 t, i FROM generate_series(1, 5000) i) s ORDER BY t DESC, i % 10, i) s;
DROP TABLE texts;
