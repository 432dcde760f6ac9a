-- tsvector and tsquery: their texts, order, operators

SELECT '1 2 1'::tsvector, ' 1 '::tsvector, '''1 2'' 3'::tsvector, '''w''''x'' \\y'::tsvector, $$'\\as' ab\c ab\\c AB\\\c ab\\\\c$$::tsvector;
SELECT 'a:3A b:2a'::tsvector, 'ba:1A,2B,1 a:20000'::tsvector, 'a:1,1,2b,2a,2c'::tsvector, '''a'':1 b:5*'::tsvector, ':a b<c'::tsvector;
SELECT 'a:'::tsvector;
SELECT 'a:x'::tsvector;
SELECT 'a:0'::tsvector;
SELECT ''''::tsvector;
SELECT ''''''::tsvector;
SELECT 'a\'::tsvector;
SELECT repeat('x', 2047)::tsvector;
SELECT length(repeat('x', 2046)::tsvector);
SELECT tsvectorsend('a:1A,2 b'::tsvector), tsquerysend('a:*B & !b <3> c'::tsquery);

SELECT '1'::tsquery, '1 '::tsquery, '''1 2'''::tsquery, '!1'::tsquery, '1|2'::tsquery, '1|!2'::tsquery, '!(1|2)&3'::tsquery;
SELECT '1|2&3'::tsquery, '1&2|3'::tsquery, '(1|2)&3'::tsquery, '1|(2|(4|(5|6)))'::tsquery, '!!b & !!!a'::tsquery, 'a<->b<2>c'::tsquery, 'a<->(b<->c)'::tsquery;
SELECT 'a:* & nbb:*ac | doo:a* | goo'::tsquery, 'a <0> b'::tsquery, '''\''a\\'''::tsquery, 'a:ABCD'::tsquery;
SELECT 'foo!'::tsquery;
SELECT 'a b'::tsquery;
SELECT 'a &'::tsquery;
SELECT '(a'::tsquery;
SELECT 'a)'::tsquery;
SELECT ':a'::tsquery;
SELECT 'a <-'::tsquery;
SELECT 'a <17000> b'::tsquery;

SELECT 'a' < 'b & c'::tsquery, 'a' > 'b & c'::tsquery, 'a | f' < 'b & c'::tsquery, 'a | ff' < 'b & c'::tsquery, 'a | f | g' < 'b & c'::tsquery, 'a'::tsquery = 'a:A';
SELECT 'a'::tsvector < 'b', 'a:1'::tsvector > 'b', 'a b'::tsvector < 'ccc', 'a:1'::tsvector = 'a:1A', 'a:2'::tsvector < 'a:1';
SELECT numnode('new'), numnode('new & york'), numnode('new & york | qwery'), numnode('!new & york');
SELECT querytree('a & !b'), querytree('!a'), querytree('a | !b'), querytree('a <-> !b');
SELECT 'foo & bar'::tsquery && 'asd', 'foo & bar'::tsquery || 'asd & fg', !!'asd | fg'::tsquery, 'a'::tsquery <-> 'b & d', 'a & g' <-> 'b & d'::tsquery, tsquery_phrase('a <3> g', 'b & d', 10);
SELECT tsquery_phrase('a', 'b', -1);
SELECT tsquery_phrase('a', 'b', 16385);
SELECT 'a & b'::tsquery @> 'a', 'a'::tsquery @> 'a & b', 'a' <@ 'a & b'::tsquery, 'a & b'::tsquery @> 'a | a';

SELECT 'a b:89 ca:23A,64b d:34c'::tsvector @@ 'd:AC & ca' AS a, 'a b:89 ca:23A,64b d:34c'::tsvector @@ 'd:AC & ca:C' AS b, 'a b:89 ca:23A,64b d:34c'::tsvector @@ 'd:AC & c:*B' AS c, 'supernova'::tsvector @@ 'super:*'::tsquery AS d, 'a' @@ 'a:A'::tsquery AS e;
SELECT 'a:1 b:3'::tsvector @@ 'a <-> b'::tsquery AS f, 'a:1 b:3'::tsvector @@ 'a <2> b' AS t, 'a:1 b:1'::tsvector @@ 'a <0> b' AS t0, 'a b'::tsvector @@ 'a <-> b' AS nopos, 'a:1 b:2 d:2'::tsvector @@ 'a <-> (b & d)' AS both, 'a:1 b:2 c:3'::tsvector @@ '!x <-> b' AS notx, 'q:1 x:2'::tsvector @@ 'q <-> !x' AS notafter, 'q:1 y:2'::tsvector @@ '!q <-> !y' AS nn, 'a:1 b:2 c:3 d:4'::tsvector @@ '(a <-> b | x) <-> (c <-> d)' AS nested;
SELECT 'a:1'::tsvector @@@ 'a'::tsquery, 'a'::tsquery @@ 'a:1'::tsvector;

SELECT strip('w:12B w:13* w:12,5,6 a:1,3* a:3 w asd:1dc asd'::tsvector), setweight('a:1,3A asd:1C w:5,6,12B zxc:81,222A'::tsvector, 'c'), setweight('a asd w:5,6,12B,13A zxc'::tsvector, 'a', '{zxc,asd,w,NULL,none}');
SELECT setweight('a:1'::tsvector, 'x');
SELECT 'a:1 b'::tsvector || 'a:2 c:1A'::tsvector, ''::tsvector || 'a:1', 'a:16380'::tsvector || 'b:10,20';
SELECT ts_delete('base hidden rebel spaceship strike'::tsvector, 'rebel'), ts_delete('base:7 hidden:6 rebel:1'::tsvector, ARRAY['base', 'rebel', 'base', NULL]);
SELECT ts_filter('base hidden:6A rebel:1B spaceship:2,33A,34B'::tsvector, '{a}'), ts_filter('base hidden:6A'::tsvector, '{b,NULL}');
SELECT ts_filter('a:1'::tsvector, '{x}');
SELECT * FROM unnest('base:7 hidden:6A,8 rebel'::tsvector);
SELECT lexeme, positions[1] FROM unnest('a:1 b:2'::tsvector) AS u;
SELECT tsvector_to_array('b:1 a c'), array_to_tsvector(ARRAY['b', 'a', 'b']), array_to_tsvector('{}'), length('a b c'::tsvector);
SELECT array_to_tsvector(ARRAY['base', '', 'a']);
SELECT array_to_tsvector(ARRAY['base', NULL]);

SELECT ts_rewrite('foo & bar & qq & new & york', 'new & york'::tsquery, 'big & apple | nyc | new & york & city'), ts_rewrite('moscow', 'moscow', 'moskva'), ts_rewrite('bar & (new <-> york | foo)', 'bar', ''), ts_rewrite('5 & (6 | 5)', '5'::tsquery, ''), ts_rewrite('!5', '5'::tsquery, ''), ts_rewrite('a & b | c', 'c | x', 'y');

CREATE TABLE ts_keys (v tsvector, q tsquery);
INSERT INTO ts_keys VALUES ('b:1', 'a & b'), ('a', 'c'), (NULL, NULL), ('a b c:1A', '!x'), ('b:1', 'a & b');
CREATE INDEX ON ts_keys (v DESC, q);
SELECT * FROM ts_keys ORDER BY v DESC, q;
SELECT v, count(*) FROM ts_keys GROUP BY v ORDER BY v;
SELECT DISTINCT q FROM ts_keys ORDER BY q;
SELECT count(*) FROM ts_keys x JOIN ts_keys y ON x.v = y.v;
SELECT array_agg(v ORDER BY v) FROM ts_keys;
DROP TABLE ts_keys;
