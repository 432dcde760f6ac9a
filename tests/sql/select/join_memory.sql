-- Joins whose hash tables outgrow their memory, also by one key alone; filters that hash joins hand to scans; caches of inner sides.
set work_mem = '64kB';
set hash_mem_multiplier = 1;
set enable_mergejoin = off;
set enable_nestloop = off;
set max_parallel_workers_per_gather = 0;
create table jm_many (k int, v int, pad text);
insert into jm_many select i % 6000, i, 'row ' || i from generate_series(1, 12000) i;
insert into jm_many select null, i, 'null' from generate_series(1, 20) i;
create table jm_same (k int, v int, pad text);
insert into jm_same select 1, i, 'same ' || i from generate_series(1, 4000) i;
insert into jm_same select i, i, 'other' from generate_series(5990, 6010) i;
insert into jm_same values (null, 0, 'null');
create table jm_few (k int, v int);
insert into jm_few values (1, 1), (1, 2), (2, 3), (null, 4), (6005, 5), (7000, 6);
analyze jm_many, jm_same, jm_few;

-- both sides large
select count(*), sum(a.v), sum(b.v) from jm_many a join jm_many b on a.k = b.k;
select count(*), count(a.k), count(b.k), sum(a.v), sum(b.v) from jm_many a left join jm_same b on a.k = b.k;
select count(*), count(a.k), count(b.k), sum(a.v), sum(b.v) from jm_same a left join jm_many b on a.k = b.k;
select count(*), count(a.k), count(b.k), sum(a.v), sum(b.v) from jm_many a full join jm_same b on a.k = b.k;
select count(*), sum(a.v) from jm_many a where exists (select from jm_same b where b.k = a.k);
select count(*), sum(a.v) from jm_many a where not exists (select from jm_same b where b.k = a.k);
select count(*), sum(a.v) from jm_same a where exists (select from jm_many b where b.k = a.k);
select count(*), sum(a.v) from jm_same a where not exists (select from jm_many b where b.k = a.k);

-- one key alone too large, in every kind of join, with and without further conditions
select count(*), sum(a.v), sum(b.v) from jm_few a join jm_same b on a.k = b.k;
select count(*), sum(a.v), sum(b.v) from jm_few a join jm_same b on a.k = b.k and a.v * 2000 > b.v;
select count(*), count(b.k), sum(a.v), sum(b.v) from jm_few a left join jm_same b on a.k = b.k;
select count(*), count(b.k), sum(a.v), sum(b.v) from jm_few a left join jm_same b on a.k = b.k and b.v < 100 * a.v - 100;
select count(*), count(a.k), sum(a.v), sum(b.v) from jm_few a right join jm_same b on a.k = b.k and b.v > 3000;
select count(*), count(a.k), count(b.k), sum(a.v), sum(b.v) from jm_few a full join jm_same b on a.k = b.k;
select a.* from jm_few a where exists (select from jm_same b where b.k = a.k and b.v > a.v + 3990) order by a.v;
select a.* from jm_few a where not exists (select from jm_same b where b.k = a.k and b.v > a.v + 3998) order by a.v;
select count(*), sum(b.v) from jm_same b where exists (select from jm_few a where b.k = a.k and b.v > a.v + 3990);
select count(*), sum(b.v) from jm_same b where not exists (select from jm_few a where b.k = a.k and b.v > a.v + 3990);
select count(*), sum(a.v), sum(b.v) from jm_same a join jm_same b on a.k = b.k and a.v % 500 = 0 and b.v = a.v + 1;

-- filters handed to scans change nothing but the time
reset all;
create table jm_fact (a int, b int, c text);
insert into jm_fact select i % 1000, i % 77, 'c' || i % 10 from generate_series(1, 30000) i;
insert into jm_fact values (null, 1, 'c1'), (5, null, 'c2');
create table jm_dim (id int, name text);
insert into jm_dim select i, 'c' || i % 10 from generate_series(0, 999) i;
analyze jm_fact, jm_dim;
set enable_nestloop = off;
set enable_mergejoin = off;
select count(*), sum(f.b) from jm_fact f join jm_dim d on d.id = f.a where d.id % 100 = 3;
select count(*), sum(f.b) from jm_fact f join jm_dim d on d.id = f.a and d.name = f.c where d.id between 500 and 510;
select count(*), sum(f.b) from jm_fact f join jm_dim d on d.id = f.a join jm_dim e on e.id = f.b where d.id < 20 and e.id % 7 = 0;
select count(*), sum(f.b) from jm_fact f left join jm_dim d on d.id = f.a and d.id < 20;
select count(*), sum(s.n) from (select a, count(*) as n from jm_fact group by a) s join jm_dim d on d.id = s.a where d.id < 20;
select count(*), sum(f.b) from jm_fact f join (select id from jm_dim where false) d on d.id = f.a;
select count(*) from jm_fact f where exists (select from jm_dim d where d.id = f.a and d.id > 990);
select count(*) from jm_fact f where not exists (select from jm_dim d where d.id = f.a and d.id > 10);
set quarry.runtime_filters = off;
select count(*), sum(f.b) from jm_fact f join jm_dim d on d.id = f.a where d.id % 100 = 3;
select count(*), sum(f.b) from jm_fact f join jm_dim d on d.id = f.a and d.name = f.c where d.id between 500 and 510;

-- a cache of inner rows that loses some of them
reset all;
create table jm_inner (k int primary key, v text);
insert into jm_inner select i, repeat('v', 50) || i from generate_series(1, 3000) i;
analyze jm_inner;
set enable_hashjoin = off;
set enable_mergejoin = off;
set enable_seqscan = off;
set work_mem = '64kB';
select count(*), sum(length(i.v)) from jm_fact f left join jm_inner i on i.k = f.a;
select count(*), sum(length(i.v)) from jm_fact f join jm_inner i on i.k = f.a;
drop table jm_many, jm_same, jm_few, jm_fact, jm_dim, jm_inner;
