-- char(n) is stored without the blanks at its end: every reader sees it with them.
create table c (id int primary key, a char(5), b char(1), c char(84), d bpchar, e varchar(8));
insert into c values
    (1, 'ab', 'x', 'filler', 'ab  ', 'ab  '),
    (2, '', '', '', '', ''),
    (3, 'abcde', ' ', repeat('y', 84), 'abc', 'abc'),
    (4, 'é', 'é', '日本語', 'é ', 'é'),
    (5, ' a', null, repeat('é', 84), ' a ', ' a'),
    (6, null, 'z', null, null, null),
    (7, '日本語日本', 'q', repeat(' ', 84), '  ', ' ');
select id, a || '|', octet_length(a), length(a), char_length(c), octet_length(c), octet_length(d), octet_length(e) from c order by id;
select id, '[' || a::text || ']', '[' || d::text || ']', concat('[', a, ']'), format('[%s]', a), quote_literal(a) from c order by id;
select id, a, c from c where id in (1, 2, 4) order by id;
select c from c where id in (1, 2, 6) order by id;
select to_json(a), row(a, b), encode(a::text::bytea, 'hex'), encode(convert_to(a, 'UTF8'), 'hex') from c order by id;
select row_to_json(c) from c where id = 1;
-- Tests of rows where they lie.
select id from c where a = 'ab' order by id;
select id from c where a = 'ab   ' order by id;
select id from c where a <> 'ab' order by id;
select id from c where a in ('ab', 'é', '') order by id;
select id from c where a not in ('ab', 'é') order by id;
select id from c where a = 'ab'::text order by id;
select id from c where a::text = 'ab   ' order by id;
select id from c where a like 'ab' order by id;
select id from c where a like 'ab   ' order by id;
select id from c where a like 'ab%' order by id;
select id from c where a like '% ' order by id;
select id from c where a like '_____' order by id;
select id from c where a not like 'a%' order by id;
select id from c where a ilike 'AB   ' order by id;
select id from c where a ~ ' $' order by id;
select id from c where substring(a from 1 for 2) = 'ab' order by id;
select id from c where substring(a from 1 for 3) = 'ab' order by id;
select id from c where substring(a from 1 for 3) = 'ab ' order by id;
select id from c where left(a, 3) in ('ab', 'é', 'é  ') order by id;
select id from c where substring(a, 1, 2) <> 'ab' order by id;
select id from c where octet_length(a) = 5 order by id;
select id from c where length(a) = 0 order by id;
select id from c where a is null order by id;
select id from c where a < 'b' order by id;
select id from c where a > ' ' order by id;
select id from c where d = 'ab' order by id;
select id from c where d like 'ab' order by id;
select id from c where a = d order by id;
select id from c where a = e order by id;
select id from c where a::varchar = e order by id;
select a, count(*), min(octet_length(a)), max(a) || '|' from c group by a order by a nulls first;
select distinct octet_length(c) from c order by 1;
select x.id, y.id from c x join c y on x.a = y.d order by 1, 2;
select string_agg(a, ',' order by id), array_agg(a order by id) from c;
select a, lag(a) over (order by id) || '|' from c order by id;
-- By index.
create index c_a on c (a);
create index c_e on c ((a || 'x'));
create index c_p on c (id) where a like 'ab%';
create index c_h on c using hash (a);
create index c_i on c (id) include (a, c);
analyze c;
set enable_seqscan = off;
select id, a || '|' from c where a = 'ab';
select id from c where a || 'x' = 'abx';
select id from c where a like 'ab%' and id > 0 order by id;
select id, octet_length(a), octet_length(c) from c where id between 1 and 4 order by id;
reset enable_seqscan;
-- Changes.
update c set b = 'u' where id = 1;
update c set a = 'abc' where id = 2;
update c set a = a where id = 3;
update c set a = d where id = 5;
update c set a = e || '12' where id = 4;
update c set a = 'toolong' where id = 1;
update c set a = 'abc       ' where id = 1;
select id, a || '|', octet_length(a), octet_length(c) from c order by id;
delete from c where a = 'abc' returning id, a, octet_length(c);
insert into c values (8, 'r', 'r', 'r', 'r', 'r') returning a, octet_length(a), octet_length(c);
insert into c values (8, 's') on conflict (id) do update set a = excluded.a, c = c.c || '' returning a, octet_length(a), octet_length(c);
-- Other types for the column.
create table t (id int, a char(3), x int);
insert into t values (1, 'a', 1), (2, 'abc', 2), (3, '', 3), (4, 'é', 4);
alter table t alter column a type char(6);
select id, '[' || a::text || ']', octet_length(a) from t order by id;
insert into t values (5, 'abcdef', 5);
alter table t alter column a type char(4);
delete from t where id = 5;
alter table t alter column a type char(2);
alter table t alter column a type char(2) using left(a, 2);
select id, octet_length(a), a from t order by id;
alter table t alter column a type bpchar;
select id, octet_length(a), a from t order by id;
alter table t alter column a type char(5);
select id, octet_length(a), a from t order by id;
alter table t alter column a type text;
select id, octet_length(a), a from t order by id;
alter table t alter column a type char(7);
alter table t alter column a type varchar(9);
select id, octet_length(a), a from t order by id;
alter table t add column m char(4) default 'm', add column n char(4) not null default 'é';
insert into t (id, m) values (9, 'mm');
select id, octet_length(m), octet_length(n), m, n from t order by id;
select id from t where m = 'm' order by id;
select id from t where n like 'é   ' order by id;
update t set x = 7 where id = 1;
select id, octet_length(m), octet_length(n) from t order by id;
alter table t drop column m;
select * from t order by id;
update t set x = 8 where id = 2;
select * from t order by id;
begin;
alter table t alter column n type char(9);
insert into t (id, n) values (10, 'in between');
rollback;
begin;
alter table t alter column n type char(9);
insert into t (id, n) values (10, 'between');
select id, octet_length(n) from t order by id;
rollback;
select id, octet_length(n) from t order by id;
vacuum full t;
select id, octet_length(n), n from t order by id;
-- Domains, copies, composites, arrays.
create domain short as char(4);
create domain shorter as short check (value <> 'bad');
create table dom (id int, a short, b shorter, c char(3)[]);
insert into dom values (1, 'a', 'b', '{a,bc}'), (2, 'abcd', '', null);
insert into dom values (3, 'abcde', 'b', null);
insert into dom values (3, 'abcd', 'bad', null);
select id, octet_length(a), octet_length(b), c from dom order by id;
select id from dom where a = 'a' order by id;
alter table dom alter column a type char(4);
select id, octet_length(a), a from dom order by id;
alter table dom alter column a type short;
select id, octet_length(a), a from dom order by id;
create table cp as select id, a, b, a || 'x' as x from dom;
select id, octet_length(a), octet_length(b), x from cp order by id;
create table lk (like c);
insert into lk select * from c;
select id, octet_length(a), octet_length(c) from lk order by id;
create type pair as (a char(4), n int);
create table comp (id int, p pair);
insert into comp values (1, ('x', 1)), (2, row('wxyz', 2));
select id, (p).a || '|', octet_length((p).a), p from comp order by id;
create temp table tmp (a char(6));
insert into tmp select a from c;
select octet_length(a) from tmp order by 1;
select lk is distinct from c.* as other from lk join c using (id) order by 1;
-- Long ones.
create table long (id int, a char(3000), b char(9000), c char(2));
insert into long values (1, 'a', 'b', 'c');
insert into long select 2, string_agg(md5(n::text), ''), string_agg(md5(n::text), ''), 'd' from generate_series(1, 90) n;
insert into long select 3, repeat('é', 3000), repeat('xy', 4500), '';
insert into long select 4, '', string_agg(md5(n::text), ''), 'd' from generate_series(1, 281) n;
select id, octet_length(a), octet_length(b), length(a), length(b), md5(a), md5(b), c from long order by id;
update long set c = 'z' where id in (1, 2, 4);
select id, octet_length(a), octet_length(b), md5(a), md5(b), c from long order by id;
select id from long where a = 'a';
alter table long alter column b type char(9500);
select id, octet_length(a), octet_length(b), md5(b) from long order by id;
create table wide (a char(10485760));
insert into wide values ('w');
select octet_length(a), length(a) from wide;
copy (select a, b from c order by id) to stdout;
copy (select a, d from c order by id) to stdout csv;
create table inp (a char(3), b char(6));
copy inp from stdin;
a	b
abc	abcdef
\N	 
é	日本
\.
select octet_length(a), octet_length(b), a, b from inp order by a nulls first;
drop table c, t, dom, cp, lk, comp, tmp, long, wide, inp;
drop type pair;
drop domain shorter;
drop domain short;
