-- COPY in csv format: quoting, options, header, force options, errors, output.
CREATE TABLE t (a int, b text, c text);
COPY t FROM STDIN (FORMAT csv);
1,plain,text
2,"quoted","with, comma"
3,"say ""hi""",
4,,""
5,"multi
line",end
6, spaces ,"  q  "
7,a"b"c,x
8,\N,\.x
\.
SELECT a, b, c, b IS NULL AS bn, c IS NULL AS cn FROM t ORDER BY a;
COPY t FROM STDIN CSV HEADER;
a,b,c
10,header,skipped
\.
COPY t FROM STDIN (FORMAT csv, HEADER match);
a,b,c
11,header,match
\.
COPY t FROM STDIN (FORMAT csv, HEADER match);
a,c,b
12,header,nomatch
\.
COPY t FROM STDIN (FORMAT csv, DELIMITER ';', NULL 'NULL', QUOTE '''', ESCAPE '\');
20;'it\'s';NULL
21;'NULL';''
22;'a;b';x
\.
SELECT a, b, c, c IS NULL AS cn FROM t WHERE a >= 20 ORDER BY a;
COPY t FROM STDIN (FORMAT csv, FORCE_NULL (b), FORCE_NOT_NULL (c));
30,"",
31,,""
\.
SELECT a, b IS NULL AS bn, c = '' AS ce FROM t WHERE a >= 30 ORDER BY a;
COPY t FROM STDIN (FORMAT csv);
40,"unterminated
\.
COPY t FROM STDIN (FORMAT csv);
40,few
\.
COPY t FROM STDIN (FORMAT csv);
40,a,b,extra
\.
COPY t FROM STDIN (FORMAT csv);
x,a,b
\.
COPY t FROM STDIN (FORMAT csv);

\.
COPY t FROM STDIN (FORMAT csv, QUOTE 'ab');
COPY t FROM STDIN (FORMAT csv, QUOTE ',');
COPY t FROM STDIN (FORMAT csv, ESCAPE 'ab');
COPY t FROM STDIN (FORMAT csv, FORCE_NULL (nosuch));
COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE (a));
COPY t TO STDOUT (FORMAT csv, FORCE_NULL (a));
COPY t TO STDOUT (FORMAT csv, HEADER match);
COPY t TO STDOUT (FORMAT csv, HEADER 5);
COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT csv);
COPY (SELECT * FROM t WHERE a < 4 ORDER BY a) TO STDOUT (FORMAT csv, HEADER);
COPY (SELECT * FROM t WHERE a < 5 ORDER BY a) TO STDOUT (FORMAT csv, FORCE_QUOTE *, NULL 'nil');
COPY (SELECT * FROM t WHERE a < 5 ORDER BY a) TO STDOUT (FORMAT csv, FORCE_QUOTE (b), DELIMITER '|', QUOTE '''');
COPY (SELECT a, b FROM t WHERE a < 3 ORDER BY a) TO STDOUT WITH CSV HEADER DELIMITER ';' QUOTE '*' FORCE QUOTE b;
COPY (SELECT 'a"b' AS x, 'c\d' AS y, '' AS z, NULL AS n, ' lead' AS l, '\.' AS dot, E'cr\rlf\n' AS nl) TO STDOUT (FORMAT csv);
COPY (SELECT 'a"b' AS x) TO STDOUT (FORMAT csv, ESCAPE '\');
COPY (SELECT 1.50 AS n, true AS b, date '2001-02-03' AS d, ARRAY['a,b', 'c"d'] AS arr, '{"k": "v"}'::json AS j, '\xff'::bytea AS by) TO STDOUT (FORMAT csv);
COPY (SELECT 'null', NULL, 'NULL') TO STDOUT (FORMAT csv, NULL 'null');
COPY (SELECT '' AS e) TO STDOUT (FORMAT csv);
COPY (SELECT NULL AS e) TO STDOUT (FORMAT csv);
COPY (SELECT '\.' AS e) TO STDOUT (FORMAT csv);
CREATE TABLE types (i int, n numeric(8, 3), ts timestamp, tz timestamptz, b bool, arr int[], j jsonb, u uuid, by bytea, iv interval);
COPY types FROM STDIN (FORMAT csv, HEADER);
i,n,ts,tz,b,arr,j,u,by,iv
1,1.5,2001-02-03 04:05:06,2001-02-03 04:05:06+02,t,"{1,2,NULL}","{""a"": [1, 2]}",a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,\xdeadbeef,1 day 02:03
2,,,,,,,,,
3,12345.6789,"Feb 3, 2001",epoch,off,{},null,A0EEBC999C0B4EF8BB6D6BB9BD380A11,abc,-1 mon
\.
SELECT * FROM types ORDER BY i;
COPY types TO STDOUT (FORMAT csv, HEADER);
COPY types FROM STDIN (FORMAT csv);
4,123456789,,,,,,,,
\.
COPY types (i, arr) FROM STDIN (FORMAT csv);
5,"{1,x}"
\.
COPY types (i, j) FROM STDIN (FORMAT csv);
6,{bad}
\.
SELECT count(*) FROM types;
\copy types (i, n) from stdin with (format csv, delimiter ':')
7:7.5
8:
\.
\copy (select i, n from types order by i) to stdout csv header
COPY types (i) FROM STDIN (FORMAT csv) WHERE i % 2 = 0;
100
101
102
\.
SELECT i FROM types WHERE i >= 100 ORDER BY i;
DROP TABLE t, types;
