select sum(x), count(*) from (select x from generate_series(1,20000) x order by x desc offset 10) s
select min(x), max(x), count(*) from (select x % 9000 as x, count(*) c from generate_series(1,30000) x group by 1) s
select count(*), sum(a.x) from generate_series(1,20000) a(x) join generate_series(10000,30000) b(x) on a.x = b.x
select count(*), count(a.x), count(b.x) from generate_series(1,20000) a(x) full join generate_series(10000,30000) b(x) on a.x = b.x
select count(*), sum(a.x) from generate_series(1,20000) a(x) where not exists (select 1 from generate_series(10000,30000) b(x) where a.x = b.x)
select count(*), sum(x) from (select x from generate_series(1,20000) x union select x from generate_series(10000,30000) x) s
select x, x * 2 from generate_series(1,20000) x order by x % 1000 desc, x limit 5
select count(distinct x), sum(n) from (select 'k' || x % 7000 as x, count(*) n from generate_series(1,21000) x group by 1) s
select x from (select x, 'm' || x::text m from generate_series(1,20000) x order by 2 desc) s order by m limit 3
with c as materialized (select x, 'row ' || x as t from generate_series(1,20000) x) select count(*), max(a.t), min(b.t) from c a join c b on a.x = b.x
with recursive t(n) as (select x from generate_series(1,3000) x union all select n + 3000 from t where n < 30000) select count(*), sum(n) from t
select count(*) from generate_series(1,3) a, (select x from generate_series(1,9000) x offset 0) b
select x, sum(x) over (partition by x % 3 order by x rows 1 preceding) from generate_series(1,9000) x order by x desc limit 3
