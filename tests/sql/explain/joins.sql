-- Left joins that nothing reads, and unique inner sides.
CREATE TABLE a (id int PRIMARY KEY, b_id int, v int);
CREATE TABLE b (id int PRIMARY KEY, c_id int UNIQUE, v int);
CREATE TABLE c (id int, v int);
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN b ON b.id = a.b_id;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN b ON b.id = a.b_id AND b.v > 3;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN b ON b.c_id = a.b_id;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN (SELECT DISTINCT id FROM c) s ON s.id = a.b_id;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN (SELECT id, count(*) FROM c GROUP BY id) s ON s.id = a.b_id;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN b ON b.id = a.b_id LEFT JOIN b b2 ON b2.id = a.v;
EXPLAIN (COSTS OFF) SELECT a.v FROM a LEFT JOIN b ON b.id = a.b_id WHERE a.id = 5;
EXPLAIN (COSTS OFF) SELECT a1.v FROM a a1 UNION ALL SELECT v FROM a UNION ALL SELECT v FROM a;
EXPLAIN (COSTS OFF) INSERT INTO a SELECT * FROM a WHERE id = 7;
DROP TABLE a, b, c;
