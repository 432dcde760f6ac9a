-- COPY in binary format, through a file of psql's side; the bytes are checked by a round trip and by length.
CREATE TABLE src (i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, vc varchar(10), ch char(4), nm name, b bytea, bo bool, d date, tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, ia int[], ta text[], o oid);
INSERT INTO src VALUES (1, 2, 3, 1.5, 2.5, 12345.6789, 'text', 'vc', 'ch', 'name', '\x00ff', true, '2001-02-03', '04:05:06.7', '04:05:06+02', '2001-02-03 04:05:06.789', '2001-02-03 04:05:06+00', '1 mon 2 days 03:04:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"b": [1, null]}', '{1,NULL,3}', '{a,"b c"}', 42);
INSERT INTO src VALUES (-1, -2, -3, '-inf', 'nan', '-0.00001', '', '', '', '', '', false, '-infinity', '00:00', '23:59:59.999999-12', 'infinity', '-infinity', '-1 year -1 day -00:00:01', '00000000-0000-0000-0000-000000000000', '[]', '"s"', '{}', '{{a,b},{c,d}}', 4294967295);
INSERT INTO src (n) VALUES ('NaN'), ('Infinity'), ('-Infinity'), (0), (1e20), (1e-20), (-99999.99990000);
INSERT INTO src DEFAULT VALUES;
\copy src to '/tmp/quarry_golden_copy_binary.bin' (format binary)
CREATE TABLE dst (LIKE src);
\copy dst from '/tmp/quarry_golden_copy_binary.bin' (format binary)
SELECT count(*) FROM dst;
SELECT i2, i4, i8, f4, f8, n, t, vc, ch, nm FROM dst ORDER BY n, i2;
SELECT b, bo, d, tm, tz, ts, tstz, iv FROM dst WHERE i2 IS NOT NULL ORDER BY i2;
SELECT u, j, jb, ia, ta, o FROM dst WHERE i2 IS NOT NULL ORDER BY i2;
SELECT (SELECT count(*) FROM (SELECT src::text FROM src EXCEPT SELECT dst::text FROM dst) x) AS missing;
\copy (select i4, t from src where i4 is not null order by i4) to '/tmp/quarry_golden_copy_binary.bin' (format binary)
CREATE TABLE two (a int, b text);
\copy two from '/tmp/quarry_golden_copy_binary.bin' binary
SELECT * FROM two ORDER BY a;
CREATE TABLE wrong (a int8, b text);
\copy wrong from '/tmp/quarry_golden_copy_binary.bin' (format binary)
CREATE TABLE fewer (a int);
\copy fewer from '/tmp/quarry_golden_copy_binary.bin' (format binary)
\copy (select 'not binary at all') to '/tmp/quarry_golden_copy_binary.bin'
\copy two from '/tmp/quarry_golden_copy_binary.bin' (format binary)
SELECT count(*) FROM two;
COPY two FROM STDIN (FORMAT binary, DELIMITER ',');
COPY two FROM STDIN (FORMAT binary, NULL 'x');
COPY two FROM STDIN (FORMAT binary, HEADER);
\! rm -f /tmp/quarry_golden_copy_binary.bin
INSERT INTO src (t) SELECT repeat('long text ', 5000);
\copy (select t from src where length(t) > 100) to '/tmp/quarry_golden_copy_binary.bin' (format binary)
TRUNCATE two;
\copy two (b) from '/tmp/quarry_golden_copy_binary.bin' (format binary)
SELECT length(b), md5(b) FROM two;
\! rm -f /tmp/quarry_golden_copy_binary.bin
DROP TABLE src, dst, two, wrong, fewer;
