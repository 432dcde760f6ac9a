select count(*), sum(id), sum(k), sum(price) from item
select * from item where id = 42
select * from item where id in (5, 1, 3, 999999, 1) order by id
select id from item where id between 10 and 15 order by id desc
select count(*), sum(id) from item where k = 7
select id, name from item where k = 7 and name > 'n45' order by name desc, id limit 5
select count(*) from item where k is null
select count(*), min(id) from item where k is not null and k < 3
select id, k from item where k in (1, 2) and name like 'n12%' order by id
select count(*) from item where k = 3 or id < 20
select count(*) from item where k = 3 and id < 2000
select k, name from item where k >= 47 order by k, name desc limit 7
select k, name, price from item where k = 5 order by name desc limit 3
select max(id), min(id) from item
select max(name), min(name) from item
select id from item order by id limit 3 offset 2
select id from item order by id desc limit 2
select name from item where name >= 'n4990' order by name
select i.id, p.pid from item i join part p on p.item = i.id where i.k = 7 order by 1, 2 limit 10
select count(*), sum(p.pid) from item i join part p on p.item = i.id
select count(*), count(i.id) from part p left join item i on p.item = i.id
select count(*) from part p full join item i on p.item = i.id
select count(*) from part p right join item i on p.item = i.id and p.pid > 100
select count(*) from item i where exists (select 1 from part p where p.item = i.id and p.pid < i.id)
select count(*) from item i where not exists (select 1 from part p where p.item = i.id)
select count(*) from part where item not in (select id from item)
select i.k, count(*), sum(p.pid) from item i, part p where p.item = i.id group by i.k order by 1 nulls first limit 6
select i.id, (select count(*) from part p where p.item = i.id) c from item i where i.id < 30 order by c desc, 1 limit 5
select i.id, p.note from item i, lateral (select note from part where item = i.id order by pid limit 1) p where i.k = 9 order by 1 limit 4
select a.id, b.id from item a join item b on a.name = b.name and a.id <= b.id and a.id < 100 order by 1, 2 limit 5
select count(*) from item a join item b on a.k = b.k join part p on p.item = b.id where a.id < 60
select k, name, row_number() over (partition by k order by name) from item where k < 2 order by k, name limit 5
select ctid, id from item where ctid = '(0,1)'
select (item).id, (item.*)::text from item where id = 8
select item from item where id = 9
select tableoid::regclass, count(*) from item group by 1
select distinct k from item order by k nulls first limit 4
select k from item group by k having count(*) > 95 order by k
select id from item where id = any(array[4,2]) union all select pid from part where pid < 3 order by 1
select count(*) from (select id from item union select pid from part) s
select count(*) from (select id from item intersect select item from part) s
select name from item where k = 7 and price > 100 and id % 2 = 1 order by name limit 3
select count(*) from item where name = 'n77' or name = 'n78' or k = 2
select id from item where id > 4990 and name is not null order by id
select sum(price) from item where k = 7 and name < 'n3'
select p.pid, i.name from part p join item i on i.id = p.item where p.pid in (select pid from part where note like '%99' order by pid limit 4) order by 1
with upd as (update item set price = -1 where id = 77 returning id, price) select * from upd
select price from item where id = 77
insert into part values (100001, 5, 'x'), (100002, null, null) returning pid, item, note
delete from part where pid > 100000 returning pid
select count(*) from part
insert into part values (1, 2, 'dup')
insert into part values (null, 2, 'dup')
update part set item = item + 1 where pid <= 3 returning pid, item
insert into part values (1, 2, 'dup') on conflict (pid) do update set note = excluded.note || '!' returning *
insert into part values (1, 2, 'dup') on conflict do nothing returning *
update item set price = p.pid from part p where p.item = item.id and p.pid = 5 returning item.id, p.pid, price
delete from part using item where part.item = item.id and item.id = 5 and part.pid > 2000 returning part.pid, item.id
