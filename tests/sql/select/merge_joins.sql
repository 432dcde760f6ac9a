-- Merge joins of all kinds: groups within a batch and over several, conditions beside the keys, keys of several types, NULLs.
create table mj_l (k int, v int, t text);
create table mj_r (k int, w int, t text);
insert into mj_l select i % 700, i, 'key ' || i % 50 from generate_series(1, 3000) i;
insert into mj_r select i % 900, i, 'key ' || i % 70 from generate_series(1, 4000) i;
insert into mj_l select null, i, null from generate_series(1, 20) i;
insert into mj_r select null, i, null from generate_series(1, 30) i;
-- One key has more rows than a batch, on either side.
insert into mj_l select 100, -i, 'many' from generate_series(1, 2500) i;
insert into mj_r select 101, -i, 'many' from generate_series(1, 5000) i;
analyze mj_l;
analyze mj_r;
set enable_hashjoin = off;
set enable_nestloop = off;
select count(*), sum(l.v), sum(r.w) from mj_l l join mj_r r using (k);
select count(*), count(l.k), count(r.k), sum(l.v), sum(r.w) from mj_l l left join mj_r r using (k);
select count(*), count(l.v), count(r.w), sum(l.v), sum(r.w) from mj_l l right join mj_r r on l.k = r.k;
select count(*), count(l.v), count(r.w), sum(l.v), sum(r.w) from mj_l l full join mj_r r on l.k = r.k;
select count(*), sum(v) from mj_l l where exists (select from mj_r r where r.k = l.k);
select count(*), sum(v) from mj_l l where not exists (select from mj_r r where r.k = l.k);
-- Conditions that only some pairs of a group meet.
select count(*), sum(l.v), sum(r.w) from mj_l l join mj_r r on l.k = r.k and l.v < r.w;
select count(*), count(r.w), sum(l.v), sum(r.w) from mj_l l left join mj_r r on l.k = r.k and l.v + r.w > 6000;
select count(*), count(l.v), sum(l.v), sum(r.w) from mj_l l right join mj_r r on l.k = r.k and l.v + r.w > 6000;
select count(*), sum(v) from mj_l l where exists (select from mj_r r where r.k = l.k and r.w > l.v + 2000);
select count(*), sum(v) from mj_l l where not exists (select from mj_r r where r.k = l.k and r.w > l.v + 2000);
select count(*), sum(v) from mj_l l where not exists (select from mj_r r where r.k = l.k and r.w < -4999 - l.v);
-- One outer row with more matches than a batch, of which the last ones count.
select l.v, count(*), min(r.w) from mj_l l join mj_r r on l.k = r.k and r.w < -4990 group by l.v order by l.v limit 5;
select l.v, r.w from mj_l l left join mj_r r on l.k = r.k and r.w <= -4999 where l.k = 101 order by 1, 2;
select count(*) from mj_l l where l.k = 101 and not exists (select from mj_r r where r.k = l.k and r.w <= -5000);
-- Text, several keys, other widths, descending order.
select count(*), sum(l.v), sum(r.w) from mj_l l join mj_r r on l.t = r.t and l.k = r.k;
select count(*), count(l.v), count(r.w) from mj_l l full join mj_r r on l.t = r.t and l.k = r.k;
select count(*), sum(l.v) from mj_l l join (select k::bigint as k, w from mj_r) r on l.k = r.k where r.w between 10 and 2000;
select l.k, l.v, r.w from (select * from mj_l order by k desc nulls last) l join mj_r r on l.k = r.k
  where l.v between 1 and 900 and r.w between 1 and 900 order by l.k desc, l.v, r.w limit 8;
-- Some rows of many.
select l.k, l.v, r.w from mj_l l join mj_r r on l.k = r.k order by l.k, l.v, r.w limit 7;
select exists (select from mj_l l join mj_r r on l.k = r.k), exists (select from mj_l l join mj_r r on l.k = r.k and r.w = l.v * 1000);
-- An empty side.
select count(*), count(r.w) from mj_l l left join (select * from mj_r where w > 100000) r on l.k = r.k;
select count(*), count(l.v) from (select * from mj_l where v > 100000) l full join mj_r r on l.k = r.k;
-- Run again for each row outside.
select o, (select count(*) from mj_l l join mj_r r on l.k = r.k where l.v < o * 100 and r.w > 0) from generate_series(1, 4) o;
reset enable_hashjoin;
reset enable_nestloop;
drop table mj_l, mj_r;
