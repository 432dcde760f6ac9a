-- Statements that come as text again and again: what they mean may change in between.
CREATE TABLE kp (id int PRIMARY KEY, v int, t text, d date);
INSERT INTO kp SELECT i, i % 20, 'x' || i, date '2020-01-01' + i FROM generate_series(1, 1000) i;
ANALYZE kp;
SELECT v, t FROM kp WHERE id = 1;
SELECT v, t FROM kp WHERE id = 2;
SELECT v, t FROM kp WHERE id = 3;
SELECT v, t FROM kp WHERE id = -3;
SELECT v, t FROM kp WHERE id = 2147483647;
SELECT v, t FROM kp WHERE id = 2147483648;
SELECT v, t FROM kp WHERE id = '4';
SELECT v, t FROM kp WHERE id = 'x';
SELECT v, t FROM kp WHERE id = NULL;
SELECT v, t FROM kp WHERE id = 5.0;
SELECT v, t FROM kp WHERE id = 5.5;
SELECT v, t FROM kp WHERE id = 6 OR true LIMIT 1;

-- Joins, groups, lists, ranges.
SELECT a.id, b.t FROM kp a JOIN kp b ON b.id = a.v WHERE a.id = 5;
SELECT a.id, b.t FROM kp a JOIN kp b ON b.id = a.v WHERE a.id = 6;
SELECT a.id, b.t FROM kp a JOIN kp b ON b.id = a.v WHERE a.id = 7;
SELECT v, count(*) FROM kp WHERE v = 3 GROUP BY v;
SELECT v, count(*) FROM kp WHERE v = 4 GROUP BY v;
SELECT v, count(*) FROM kp WHERE v = 5 GROUP BY v;
SELECT v, count(*) FROM kp WHERE v = 50 GROUP BY v;
SELECT id FROM kp WHERE id IN (1, 2, 3) ORDER BY id DESC;
SELECT id FROM kp WHERE id IN (4, 5, 6) ORDER BY id DESC;
SELECT id FROM kp WHERE id IN (7, 8, 9) ORDER BY id DESC;
SELECT id, v FROM kp WHERE id BETWEEN 10 AND 12 ORDER BY 1;
SELECT id, v FROM kp WHERE id BETWEEN 10 AND 11 ORDER BY 2;
SELECT id, v FROM kp WHERE id BETWEEN 19 AND 21 ORDER BY 2;
SELECT id, v FROM kp WHERE id BETWEEN 19 AND 21 ORDER BY 2 LIMIT 1;
SELECT id, v FROM kp WHERE id BETWEEN 19 AND 21 ORDER BY 2 LIMIT 2;
SELECT 1, 'a' FROM kp WHERE id = 1;
SELECT 2, 'b' FROM kp WHERE id = 1;
SELECT 3, 'c' FROM kp WHERE id = 1;
SELECT v + 1 AS w FROM kp WHERE id = 1 GROUP BY v + 1 HAVING count(*) > 0;
SELECT v + 2 AS w FROM kp WHERE id = 1 GROUP BY v + 2 HAVING count(*) > 0;
SELECT v + 2 AS w FROM kp WHERE id = 1 GROUP BY v + 2 HAVING count(*) > 5;
SELECT FROM kp WHERE id = 1;
SELECT FROM kp WHERE id = 2;
SELECT FROM kp WHERE id = 3;
SELECT id FROM kp WHERE t LIKE 'x99%' ORDER BY id LIMIT 2;
SELECT id FROM kp WHERE t LIKE 'x98%' ORDER BY id LIMIT 2;
SELECT id FROM kp WHERE t LIKE 'x9' ORDER BY id LIMIT 2;

-- Division by zero comes when it comes.
SELECT id FROM kp WHERE id = 4 / 2;
SELECT id FROM kp WHERE id = 4 / 1;
SELECT id FROM kp WHERE id = 4 / 0;
SELECT id FROM kp WHERE id = 0 AND 1 / v = 1;

-- Writes.
UPDATE kp SET v = v + 100 WHERE v = 1;
UPDATE kp SET v = v + 100 WHERE v = 2;
UPDATE kp SET v = v + 100 WHERE v = 3;
UPDATE kp SET v = v + 100 WHERE v = 33;
INSERT INTO kp VALUES (2001, 1, 'a', '2021-01-01'), (2002, 2, 'b', '2021-01-02');
INSERT INTO kp VALUES (2003, 1, 'a', '2021-01-01'), (2004, 2, 'b', '2021-01-02');
INSERT INTO kp VALUES (2005, 1, 'a', '2021-01-01'), (2006, 2, 'b', '2021-13-02');
INSERT INTO kp VALUES (2005, 1, 'a', '2021-01-01'), (2001, 2, 'b', '2021-12-02');
DELETE FROM kp WHERE v = 101;
DELETE FROM kp WHERE v = 102;
DELETE FROM kp WHERE v = 102;
INSERT INTO kp SELECT id + 5000, v, t, d FROM kp WHERE id = 10 RETURNING id;
INSERT INTO kp SELECT id + 5000, v, t, d FROM kp WHERE id = 11 RETURNING id;
INSERT INTO kp SELECT id + 5000, v, t, d FROM kp WHERE id = 11 RETURNING id;

-- Settings that a text's meaning depends on.
SELECT id FROM kp WHERE d = '02/03/2020' AND v >= 0;
SELECT id FROM kp WHERE d = '02/03/2020' AND v >= 0;
SELECT id FROM kp WHERE d = '02/03/2020' AND v >= 0;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
SET datestyle = 'ISO, DMY';
SELECT id FROM kp WHERE d = '02/03/2020' AND v >= 0;
SELECT date '02/03/2020', id FROM kp WHERE id = 4;
RESET datestyle;
SELECT timestamptz '2020-01-01 00:00', id FROM kp WHERE id = 4;
SELECT timestamptz '2020-01-01 00:00', id FROM kp WHERE id = 4;
SELECT timestamptz '2020-01-01 00:00', id FROM kp WHERE id = 4;
SELECT timestamptz '2020-01-01 00:00', id FROM kp WHERE id = 4;
SET timezone = 'Asia/Tokyo';
SELECT timestamptz '2020-01-01 00:00', id FROM kp WHERE id = 4;
RESET timezone;

-- Messages come each time.
SELECT id AS abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz FROM kp WHERE id = 4;
SELECT id AS abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz FROM kp WHERE id = 4;
SELECT id AS abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz FROM kp WHERE id = 4;
SELECT id AS abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz FROM kp WHERE id = 4;

-- Schema, rights, search path.
SELECT * FROM kp WHERE id = 5;
SELECT * FROM kp WHERE id = 5;
SELECT * FROM kp WHERE id = 5;
ALTER TABLE kp ADD COLUMN more text DEFAULT 'm';
SELECT * FROM kp WHERE id = 5;
BEGIN;
ALTER TABLE kp DROP COLUMN more;
SELECT * FROM kp WHERE id = 5;
ROLLBACK;
SELECT * FROM kp WHERE id = 5;
CREATE ROLE kp_reader;
SET ROLE kp_reader;
SELECT * FROM kp WHERE id = 5;
RESET ROLE;
GRANT SELECT ON kp TO kp_reader;
SET ROLE kp_reader;
SELECT * FROM kp WHERE id = 5;
SELECT * FROM kp WHERE id = 5;
RESET ROLE;
REVOKE SELECT ON kp FROM kp_reader;
SET ROLE kp_reader;
SELECT * FROM kp WHERE id = 5;
RESET ROLE;
DROP ROLE kp_reader;
CREATE TEMP TABLE kp (id int, what text);
INSERT INTO kp VALUES (5, 'temporary');
SELECT * FROM kp WHERE id = 5;
DROP TABLE pg_temp.kp;
SELECT * FROM kp WHERE id = 5;

-- Blocks, read-only ones and failed ones too.
BEGIN READ ONLY;
SELECT v FROM kp WHERE id = 5;
UPDATE kp SET v = v + 100 WHERE v = 4;
SELECT v FROM kp WHERE id = 5;
ROLLBACK;
DROP TABLE kp;
SELECT * FROM kp WHERE id = 5;
