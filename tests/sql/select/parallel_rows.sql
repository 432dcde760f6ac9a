-- Rows that several threads make, or sort, and pass up.
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
CREATE TABLE gathered (id int, g int, n numeric(12,2), t text, f float8);
INSERT INTO gathered SELECT i, i % 17, (i * 7919 % 10007) / 100.0, CASE WHEN i % 11 <> 0 THEN 'text ' || i * 31 % 997 END, i / 7.0
    FROM generate_series(1, 30000) i;
CREATE TABLE named (g int, name text);
INSERT INTO named SELECT i, 'name ' || i % 5 FROM generate_series(1, 20) i;
ANALYZE gathered, named;

-- sorted
SELECT count(*), md5(string_agg(id::text, ',')) FROM (SELECT id FROM gathered ORDER BY n, id) s;
SELECT count(*), md5(string_agg(id::text, ',')) FROM (SELECT id FROM gathered ORDER BY t DESC, id DESC) s;
SELECT count(*), md5(string_agg(id::text, ',')) FROM (SELECT id FROM gathered ORDER BY t COLLATE "C" NULLS FIRST, n DESC, id) s;
SELECT count(*), md5(string_agg(x, ',')) FROM (SELECT lower(t) || id AS x FROM gathered WHERE g < 5 ORDER BY length(t), upper(t), id) s;
SELECT id, n, t FROM gathered ORDER BY n DESC, id LIMIT 12;
SELECT id, t FROM gathered WHERE t LIKE '%99%' ORDER BY t, id OFFSET 100 LIMIT 5;
SELECT id, g FROM gathered ORDER BY g, id LIMIT 3 OFFSET 29997;
SELECT id FROM gathered WHERE id < 0 ORDER BY n;
SELECT g, count(*), sum(id) FROM (SELECT g, id FROM gathered WHERE id BETWEEN 100 AND 140 ORDER BY g FETCH FIRST 2 ROWS WITH TIES) s GROUP BY g;
SELECT count(DISTINCT id), count(DISTINCT g), count(DISTINCT t), count(DISTINCT NULLIF(g, 3)), count(DISTINCT id % 2 = 0) FROM gathered;
SELECT g, count(DISTINCT id % 100), count(DISTINCT id::bigint * 4294967296), sum(DISTINCT id % 3), count(DISTINCT NULLIF(id % 5, 1)) FROM gathered GROUP BY g ORDER BY g LIMIT 5;

-- passed up as they come
SELECT count(DISTINCT id), sum(n), min(t) FROM (SELECT * FROM gathered WHERE n > 50 OFFSET 0) s;
SELECT id FROM gathered WHERE t = 'text 500' AND id % 3 = 0 ORDER BY id;
SELECT array_agg(id ORDER BY id) FROM gathered WHERE n = 77.77;
SELECT name, count(*), sum(id) FROM (SELECT name, id FROM gathered JOIN named USING (g) WHERE n < 20 OFFSET 0) s GROUP BY name ORDER BY name;
SELECT name, id FROM gathered LEFT JOIN named USING (g) WHERE n < 0.05 ORDER BY id, name;
SELECT sum(rank), max(rank) FROM (SELECT rank() OVER (PARTITION BY g ORDER BY n, id) FROM gathered WHERE t IS NOT NULL) s;
SELECT g, id, rank FROM (SELECT g, id, rank() OVER (PARTITION BY g ORDER BY n DESC, id) FROM gathered) s WHERE rank < 3 ORDER BY g, rank LIMIT 8;
SELECT count(*) FROM (SELECT id FROM gathered WHERE n > 90 UNION SELECT id FROM gathered WHERE n < 10) s;
SELECT id FROM gathered WHERE n < 0.1 EXCEPT SELECT id FROM gathered WHERE g = 3 ORDER BY id;
SELECT DISTINCT ON (g) g, id FROM gathered WHERE t IS NOT NULL ORDER BY g, n DESC, id LIMIT 5;
WITH c AS MATERIALIZED (SELECT id, n FROM gathered WHERE t = 'text 1') SELECT count(*), sum(a.n) FROM c a JOIN c b USING (id);
SELECT id, (SELECT max(t) FROM gathered) FROM gathered WHERE n > (SELECT avg(n) * 1.98 FROM gathered) AND g = 4 ORDER BY id;
SELECT EXISTS (SELECT 1 FROM gathered WHERE n > 99.9), NOT EXISTS (SELECT 1 FROM gathered WHERE n > 200);
SELECT string_agg(t, ' ' ORDER BY id) FROM (SELECT id, t FROM gathered WHERE f < 3) s;

-- somebody stops early, and goes on
BEGIN;
DECLARE sorted CURSOR FOR SELECT id, n FROM gathered ORDER BY n, id;
FETCH 3 FROM sorted;
MOVE 10000 FROM sorted;
FETCH 2 FROM sorted;
CLOSE sorted;
DECLARE other SCROLL CURSOR WITH HOLD FOR SELECT id FROM gathered WHERE g = 1 ORDER BY id DESC;
FETCH 2 FROM other;
COMMIT;
FETCH LAST FROM other;
FETCH BACKWARD 1 FROM other;
CLOSE other;

-- an error of one ends all
SELECT id FROM gathered WHERE 1 / (id - 20000) > 5;
SELECT 1 / (id - 29999) AS x FROM gathered ORDER BY x;
SELECT id FROM gathered WHERE id < 3 ORDER BY id;

-- changes that the transaction made itself
BEGIN;
UPDATE gathered SET t = 'changed' WHERE id % 5000 = 0;
DELETE FROM gathered WHERE id % 5000 = 1;
SELECT id FROM gathered WHERE t = 'changed' ORDER BY id;
SELECT count(*) FROM (SELECT id FROM gathered WHERE id > 0 OFFSET 0) s;
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT id FROM gathered WHERE n = 12.34 ORDER BY id;
COMMIT;
SELECT id FROM gathered WHERE n = 12.34 ORDER BY id FOR UPDATE;

-- with files
SET work_mem = '64kB';
SELECT count(*), md5(string_agg(id::text, ',')) FROM (SELECT id FROM gathered ORDER BY n, t, id) s;
RESET work_mem;

-- prepared, run again
PREPARE some (numeric) AS SELECT id FROM gathered WHERE n > $1 ORDER BY n, id LIMIT 3;
EXECUTE some (10);
EXECUTE some (99);
EXECUTE some (1000);
DEALLOCATE some;

DROP TABLE gathered, named;
