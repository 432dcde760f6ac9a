select 1
select 1 + 1, 'a' || 'b', null::int, true and null
select * from (values (1,'a'),(2,'b'),(3,null)) v(x,y)
select x, case when x > 1 then 'big' when x = 1 then 'one' end from generate_series(0,3) x
select case x when 1 then 'one' when 2 then 'two' else 'many' end from generate_series(1,3) x
select coalesce(nullif(x, 2), -1) from generate_series(1,3) x
select x from generate_series(1,10) x where x % 2 = 0 order by x desc
select x from generate_series(1,10) x order by x limit 3 offset 2
select count(*), sum(x), avg(x), min(x), max(x) from generate_series(1,5000) x
select x % 3 as k, count(*), sum(x) from generate_series(1,5000) x group by 1 order by 1
select count(distinct x % 7), sum(distinct x % 7) from generate_series(1,5000) x
select string_agg(x::text, ',' order by x desc) from generate_series(1,5) x
select array_agg(distinct x % 3) from generate_series(1,10) x
select count(*) filter (where x > 5) from generate_series(1,10) x
select x % 2, x % 3, count(*) from generate_series(1,12) x group by rollup(1,2) order by 1,2
select x % 2, x % 3, grouping(x % 2, x % 3), count(*) from generate_series(1,12) x group by cube(1,2) order by 1,2,3
select a.x, b.x from generate_series(1,3) a(x) join generate_series(2,4) b(x) on a.x = b.x order by 1
select a.x, b.x from generate_series(1,3) a(x) left join generate_series(2,4) b(x) on a.x = b.x order by 1
select a.x, b.x from generate_series(1,3) a(x) right join generate_series(2,4) b(x) on a.x = b.x order by 2
select a.x, b.x from generate_series(1,3) a(x) full join generate_series(2,4) b(x) on a.x = b.x order by 1,2
select a.x, b.x from generate_series(1,3) a(x) cross join generate_series(1,2) b(x) order by 1,2
select a.x, b.x from generate_series(1,3) a(x) left join generate_series(2,4) b(x) on a.x < b.x and b.x <> 3 order by 1,2
select x from generate_series(1,5) x where exists (select 1 from generate_series(2,3) y where y = x) order by 1
select x from generate_series(1,5) x where not exists (select 1 from generate_series(2,3) y where y = x) order by 1
select x from generate_series(1,5) x where x in (select y from generate_series(2,3) y) order by 1
select x from generate_series(1,5) x where x not in (select y from generate_series(2,3) y) order by 1
select x from generate_series(1,5) x where x not in (select nullif(y,3) from generate_series(2,3) y) order by 1
select x, x in (values (1),(null)) from generate_series(1,2) x
select x, x > all (select y from generate_series(1,2) y), x > any (select y from generate_series(1,2) y) from generate_series(1,3) x
select x, (select sum(y) from generate_series(1,x) y) from generate_series(1,4) x
select (select x from generate_series(1,2) x)
select array(select x*2 from generate_series(1,3) x)
select x in (1,2,3,4,5,6,7,8,9,10,11), x from generate_series(10,12) x
select x = any(array[1,null]), x from generate_series(1,2) x
select 1 union select 1 union select 2 order by 1
select x from generate_series(1,3) x union all select y from generate_series(2,4) y order by 1
select x from generate_series(1,3) x intersect select y from generate_series(2,4) y order by 1
select x from generate_series(1,3) x except select y from generate_series(2,4) y order by 1
select x%2 from generate_series(1,5) x except all select y%2 from generate_series(1,2) y order by 1
with recursive t(n) as (select 1 union all select n+1 from t where n < 5) select * from t
with recursive t(n) as (select 1 union select (n+1)%4 from t) select * from t order by 1
with recursive f(a,b) as (select 0,1 union all select b,a+b from f where b < 50) select sum(a), max(b) from f
with c as materialized (select x from generate_series(1,3) x) select a.x, b.x from c a join c b on a.x < b.x order by 1,2
select distinct x % 3 from generate_series(1,10) x order by 1
select distinct on (x % 3) x % 3, x from generate_series(1,10) x order by x % 3, x desc
select x, row_number() over (order by x desc), rank() over (order by x % 2), sum(x) over (order by x) from generate_series(1,5) x order by x
select x, sum(x) over (order by x rows between 1 preceding and 1 following), avg(x) over (partition by x % 2) from generate_series(1,5) x order by x
select x, lag(x) over w, lead(x,2,-1) over w, first_value(x) over w, last_value(x) over w, nth_value(x,2) over w from generate_series(1,4) x window w as (order by x)
select x, sum(x) over (order by x range between 2 preceding and 1 following) from generate_series(1,9,2) x
select x, sum(x) over (order by x desc range between 2 preceding and 1 following) from generate_series(1,5) x
select x, array_agg(x) over (order by x/2 groups between 1 preceding and current row exclude ties) from generate_series(1,6) x
select x, count(*) over (order by x/2 rows between unbounded preceding and unbounded following exclude current row) from generate_series(1,4) x
select x, max(x) over (order by x rows between 2 preceding and 1 preceding) from generate_series(1,5) x
select generate_series(1,3), generate_series(1,2)
select x, generate_series(1,x) from generate_series(1,3) x
select * from generate_series(1,2) a, lateral generate_series(a, 3) b
select * from unnest(array[1,2], array['a','b','c']) with ordinality
select * from rows from (generate_series(1,2), generate_series(5,7)) with ordinality as t(a,b,o)
select row(1,'a',null), (row(1,2)).f1
select array[1,2,3][2], (array[1,2,3])[2:3], array[[1,2],[3,4]], (array[[1,2],[3,4]])[2][1]
select greatest(1,null,3), least('b','a')
select x is distinct from 1, x is not distinct from null from (values (1),(null)) v(x)
select (x > 1) is unknown, (x > 1) is not true from (values (1),(null),(2)) v(x)
select '12'::int, 12::text, '2020-01-01'::date, 1.5::int
select x::text from generate_series(1,3) x
select (1,2) = (1,2), (1,2) < (1,3), (1,null) = (1,2)
select x from generate_series(1,3) x where (x, x) in (select y, y from generate_series(2,5) y)
select relname from pg_class where oid = 1259
select relname from pg_class where relname = 'pg_proc'
select relname from pg_class where relname in ('pg_proc','pg_type') order by 1
select attname from pg_attribute where attrelid = 1259 and attnum between 1 and 3 order by attnum
select attname from pg_attribute where attrelid = 1259 and attnum > 0 order by attnum desc limit 2
select c.relname, count(*) from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relname in ('pg_class','pg_index') and a.attnum > 0 group by 1 order by 1
select typname from pg_type where oid in (23,25,16) order by oid
select count(*) > 100 from pg_type t left join pg_class c on t.typrelid = c.oid
select tableoid::regclass, typname from pg_type where oid = 23
select x from generate_series(1,10) x order by x % 3, x fetch first 2 rows with ties
select x % 3 as k from generate_series(1,10) x order by k fetch first 2 rows with ties
select x from generate_series(1,3) x limit 0
select 1 where false
select sum(x) from generate_series(1,0) x
select x, count(*) from generate_series(1,0) x group by x
select 1/0
select x, 10/(x-2) from generate_series(1,3) x
select percentile_cont(0.5) within group (order by x), mode() within group (order by x % 2) from generate_series(1,10) x
select k, sum(v) from (select x%2 k, x v from generate_series(1,6) x) s group by k having sum(v) > 9
select a, b from (values (1,2),(3,4)) v(a,b) where a = (select min(a) from (values (1),(3)) w(a))
select x, (select count(*) from generate_series(1,3) y where y <= x and y <> (select 2)) from generate_series(1,3) x
select max(x), x%2 from generate_series(1,9) x group by x%2 order by 2 desc
select rank(3) within group (order by x) from generate_series(1,5) x
select x, y from (values (1,1),(2,null),(null,3)) v(x,y) where x is null or y is null order by 1,2
select a.oid::int from pg_type a join pg_type b on a.oid = b.typelem where b.typname = '_int4'
select a.typname, b.typname from pg_type a left join pg_type b on b.oid = a.typelem and b.typlen > 0 where a.typname in ('_int4','_text','int4') order by 1
select t.typname from pg_type t where exists (select 1 from pg_attribute a where a.atttypid = t.oid and a.attrelid = 1259) order by 1
select relname from pg_class c where (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) = 33 and relnamespace = 11 order by 1
select count(*) from pg_attribute a, pg_type t where a.atttypid = t.oid and a.attrelid in (select oid from pg_class where relname = 'pg_type') and a.attnum > 0
select x, y from generate_series(1,3) x, lateral (select max(z) from generate_series(1, x) z) s(y)
select x, (select y from (values (1,'a'),(2,'b')) v(k,y) where k = x) from generate_series(1,3) x
select count(*) from (select distinct x%10, x%7 from generate_series(1,1000) x) s
select x%3, count(*) c from generate_series(1,100) x group by 1 order by c desc, 1 limit 2
select array_agg(x order by x desc) filter (where x > 2) from generate_series(1,5) x
select sum(x) over () , count(*) from generate_series(1,3) x group by x order by 1
select x, case when x = 0 then 0 else 10/x end from generate_series(0,2) x
select x from generate_series(0,2) x where x <> 0 and 10/x > 5
select bool_and(x > 0), bool_or(x > 2), every(x < 10) from generate_series(1,3) x
select 1 = all(array[1,1]), 2 > all(array[1,null]), 0 = any('{}'::int[])
select (select array_agg(y) from (select y from generate_series(1,3) y order by y desc) s)
select exists(select 1 where false), not exists(select 1)
select x from generate_series(1,6) x order by x % 2, x desc offset 4
select * from (select x, row_number() over (partition by x%2 order by x desc) rn from generate_series(1,6) x) s where rn = 1 order by 1
select dense_rank() over (order by x/2), percent_rank() over (order by x/2), ntile(2) over (order by x) from generate_series(1,4) x
with t as (select x from generate_series(1,3) x), u as (select x*2 as y from t) select * from t, u where t.x = u.y
with recursive t(a,d) as (select 1,0 union all select x.b, d+1 from t join (values (1,2),(2,3),(3,4)) x(a,b) on x.a = t.a) select * from t order by 2
select count(*) from generate_series(1,3) a full join generate_series(2,5) b on true
select a, b from generate_series(1,2) a full join generate_series(2,3) b on a = b and a > 5 order by 1,2
select x::numeric / 3 from generate_series(1,2) x
select null::int = any(array[1,2]), 1 in (null, 2)
select x from unnest(array[3,1,2]) x order by x nulls first
select y from (values (1),(null),(2)) v(y) order by y desc nulls last
select min(x::text), max(x::text) from generate_series(1,20) x
select date '2020-01-01' + x from generate_series(0,1) x
select d, count(*) over (order by d range between '1 day' preceding and current row) from (values (date '2020-01-01'),('2020-01-02'),('2020-01-04')) v(d)
select typname from pg_type where typname like 'int_' order by typname
select typname from pg_type where typname >= 'int4' and typname < 'int8' order by typname desc
select oid from pg_type where oid > 20 and oid <= 23 order by oid desc
select relname from pg_class where relname = any(array['pg_type','pg_class']) order by relname
select nspname from pg_namespace where nspname in ('public', 'pg_catalog') order by 1
select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relname = 'pg_class' and a.attnum in (1, 2) order by a.attnum
select 1 + 2 * 3, 'a' || 'b', 7.5 / 2
select x from generate_series(1, 4) x where x not in (select y from generate_series(3, 9) y)
with recursive t(n) as (values (1) union all select n + 1 from t where n < 5) select sum(n) from t
select 1 union select 2 union all select 2 order by 1
