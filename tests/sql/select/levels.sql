-- Aggregates and GROUPING of outer levels, direct arguments, set-returning grouping expressions; CTEs inside recursive terms.
select p, percentile_cont(p) within group (order by x::float8)
  from generate_series(1, 5) x, (values (0::float8), (0.1), (0.25), (1)) v(p) group by p order by p;
select grouping(a), a, rank(a) within group (order by b nulls first), rank(a) within group (order by b nulls last)
  from (values (1, 1), (1, 4), (1, 5), (3, 1), (3, 2)) v(a, b) group by rollup (a) order by a;
select array(select percentile_disc(a) within group (order by x) from (values (0.3), (0.7)) v(a) group by a)
  from generate_series(1, 5) g(x);
create table few (id int primary key, dataa varchar, datab text);
insert into few values (1, 'a', 'foo'), (2, 'a', 'bar'), (3, 'b', 'bar');
select string_agg(distinct dataa, ',' order by dataa) from few;
select string_agg(distinct dataa::text, ',' order by dataa) from few;
select max(id) filter (where sum(id) > 0) from few;
select dataa, count(*), min(id), max(id), unnest('{1,1,3}'::int[]) from few where id = 1
  group by dataa, unnest('{1,1,3}'::int[]) order by 5;
select dataa, count(*), unnest('{1,1,3}'::int[]) from few where id = 1 group by dataa, 3 order by 3;
select dataa, datab b, generate_series(1, 2) g, count(*) from few group by cube (dataa, datab, g) order by 1, 2, 3;
select dataa, sum(id) + generate_series(1, 2) from few group by dataa order by 1, 2;
select (select (select grouping(e, f) from (values (1)) v2(c)) from (values (1, 2)) v1(a, b) group by (a, b))
  from (values (6, 7)) v3(e, f) group by rollup (e, f) order by 1;
select id, datab, grouping(id, dataa, datab) from few group by grouping sets ((id, dataa), (id, datab)) order by 1, 3;
select id, datab from few group by grouping sets ((id, dataa), (dataa, datab)) having id > 0 order by 1, 2;
select id, few.* from few group by grouping sets ((id), (dataa));
select 1 as one from few where 1 / (id - id) = 1 having 1 < 2;
select 1 as one from few where 1 / (id - id) = 1 having 1 > 2;
select ctid from few a join few b on a.id = b.id;
-- CTEs inside recursive terms
with recursive x(a) as
  ((values ('a'), ('b'))
   union all
   (with z as not materialized (select * from x)
    select z.a || z1.a as a from z cross join z as z1 where length(z.a || z1.a) < 5))
select count(*), min(a), max(a), sum(length(a)) from x;
with recursive q as (
    select id from few
  union all
    (with recursive x as (select id from few union all (select * from q union all select * from x))
     select * from x))
select count(*) from (select * from q limit 32) t;
select sum(o.four), sum(ss.a) from (select g % 4 as four, g % 10 as ten from generate_series(1, 100) g) o cross join
  lateral (with recursive x(a) as (select o.four as a union select a + 1 from x where a < 10) select * from x) ss
  where o.ten = 1;
with aaa as (select 1 as a, 'Foo' as b) insert into few values (1, 'x', 'y') on conflict (id)
  do update set (datab, dataa) = (select b, a::text from aaa) returning *;
drop table few;
