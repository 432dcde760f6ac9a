-- Whole rows of items that an outer join may replace by NULLs; volatile and set-returning targets of sorted queries; arrays of
-- composite values in FROM.
create table pairs (q1 int8, q2 int8);
insert into pairs values (123, 456), (123, 4567), (4567, 123), (4567, 4567), (4567, -4567);
select t1.q2, count(t2.*) from pairs t1 left join (select * from pairs) t2 on t1.q2 = t2.q1 group by t1.q2 order by 1;
select t1.q2, t2, t2 is null from pairs t1 left join (select * from pairs offset 0) t2 on t1.q2 = t2.q1 order by t1.q2, t2.q2;
select t2, t1, c from pairs t1 full join (select 123 x) t2 on t1.q2 = t2.x
  left join generate_series(123, 123) with ordinality c(g, o) on c.g = t2.x order by t1.q1, t1.q2;
select t1.q2, (t2).column1, t2 is not distinct from null as missing
  from pairs t1 left join (values (123, 1)) t2 on t1.q2 = t2.column1 order by 1;
select j from (pairs t1 left join pairs t2 on t1.q1 = t2.q2) j order by j.* limit 2;
-- a LATERAL item that reads the nullable side stands above the join
select * from pairs t1 left join pairs t2 on t1.q2 = t2.q1, lateral (select * from pairs t3 where t2.q1 = t2.q2) ss
  order by 1, 2, 3, 4, 5, 6;
-- targets that wait for the sort
create sequence numbers;
create table twenty (i int, x float8);
insert into twenty select g, g from generate_series(1, 20) g;
select i, nextval('numbers') n from twenty order by x desc limit 3;
select currval('numbers');
select i, nextval('numbers') n from twenty order by x desc offset 2 limit 3;
select currval('numbers');
select i, generate_series(1, 3) g from twenty order by x desc limit 5;
select i, generate_series(1, 3) g from twenty order by g, i limit 5;
select i, generate_series(1, 3), generate_series(1, 2) g from twenty order by x limit 5;
select distinct on (i / 5) i, generate_series(1, 2) from twenty order by i / 5, i desc;
select i, nextval('numbers') n from twenty order by x desc limit 3 for update;
select currval('numbers');
select i from twenty order by i fetch first null rows with ties;
-- arrays of composites
create type named as (a int, b text);
select *, row_to_json(u) from unnest(array[(1, 'foo')::named, null::named]) u;
select unnest(array[(1, 'foo')::named, null::named]) u;
select (unnest(array[(1, 'foo')::named, null::named])).*;
select * from unnest(array[(1, 'foo')::named, null::named]) with ordinality u(x, y, z);
select * from rows from (unnest(array[(1, 'foo')::named, null::named]), generate_series(1, 3));
-- RANGE frames: bounds of two types, infinite offsets
select i, sum(i) over (order by i range between 2::int8 preceding and 1::int2 preceding) from twenty where i < 5;
create table extremes (id int, f8 float8, n numeric);
insert into extremes values (0, '-inf', '-inf'), (1, -3, -3), (2, 1, 1), (8, 'inf', 'inf'), (9, 'nan', 'nan'), (7, null, null);
select id, f8, first_value(id) over w, last_value(id) over w from extremes
  window w as (order by f8 range between 'inf' preceding and 'inf' following);
select id, f8, first_value(id) over w, last_value(id) over w from extremes
  window w as (order by f8 desc range between 'inf' preceding and 'inf' preceding);
select id, n, first_value(id) over w, last_value(id) over w from extremes
  window w as (order by n range between 'inf' following and 'inf' following);
select count() over () from twenty;
-- ROW(item.*) in SET
update pairs set (q1, q2) = row(v.*) from (values (123, 100)) v(i, j) where pairs.q1 = v.i and pairs.q2 = 456;
select * from pairs where q2 = 100;
drop table pairs, twenty, extremes;
drop sequence numbers;
drop type named;
