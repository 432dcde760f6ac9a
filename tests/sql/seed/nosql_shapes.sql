-- Section 11: a timeline, a graph, counters, a leaderboard and a feed in SQL; CQL is a syntax error.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
CREATE TABLE IF NOT EXISTS user_timeline (
            user_id UUID,
            post_id TIMEUUID,
            content TEXT,
            author_id UUID,
            created_at TIMESTAMP,
            PRIMARY KEY (user_id, post_id)
        ) WITH CLUSTERING ORDER BY (post_id DESC);                                              -- [E] CQL
drop table if exists user_timeline, post_by_author cascade;
create table user_timeline (user_id uuid, post_id uuid, content text, author_id uuid, created_at timestamp, primary key (user_id, post_id)); -- [F]
create index user_timeline_desc on user_timeline (user_id, post_id desc) include (content);     -- [F] CLUSTERING ORDER BY (post_id DESC)
create table post_by_author (author_id uuid, post_id uuid, content text, created_at timestamp, primary key (author_id, post_id)); -- [F]
prepare pba as INSERT INTO post_by_author (author_id, post_id, content, created_at) 
                 VALUES ($1, $2, $3, $4);                                                       -- [F] ? -> $n
prepare utl as INSERT INTO user_timeline (user_id, post_id, content, author_id, created_at) 
                     VALUES ($1, $2, $3, $4, $5);                                               -- [F]
begin;
execute pba('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 'hi', '2025-01-01');
execute utl('00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-000000000001', 'hi', '00000000-0000-0000-0000-00000000000a', '2025-01-01');
execute utl('00000000-0000-0000-0000-00000000000c', '00000000-0000-0000-0000-000000000001', 'hi', '00000000-0000-0000-0000-00000000000a', '2025-01-01');
commit;
select user_id, content from user_timeline order by user_id;
deallocate all;
-- [F] Cypher "friends of friends" (seed 002) and "recommend by friends' purchases", "shortestPath" (seed 003) as SQL
drop table if exists follows, purchased, g_users cascade;
create table g_users (id text primary key, name text, email text);
create table follows (src text references g_users, dst text references g_users, primary key (src, dst));
create table purchased (user_id text references g_users, product text, price numeric, primary key (user_id, product));
insert into g_users select 'u' || g, 'n' || g, 'u' || g || '@x' from generate_series(1, 6) g;
insert into follows values ('u1','u2'), ('u2','u3'), ('u2','u4'), ('u1','u4'), ('u4','u5'), ('u5','u6'), ('u3','u1');
insert into purchased values ('u2','Laptop',999), ('u4','Laptop',999), ('u4','Mouse',29.99), ('u1','Mouse',29.99);
select distinct f.id, f.name, f.email from follows a join follows b on b.src = a.dst join g_users f on f.id = b.dst
where a.src = 'u1' and f.id <> 'u1' and not exists (select 1 from follows x where x.src = 'u1' and x.dst = f.id) order by 1 limit 50;
select p.product, count(*) as friend_purchases from follows a join purchased p on p.user_id = a.dst
where a.src = 'u1' and not exists (select 1 from purchased x where x.user_id = 'u1' and x.product = p.product) group by 1 order by 2 desc, 1 limit 5;
with recursive walk(node, path) as (select 'u1'::text, array['u1'::text] union all
  select f.dst, w.path || f.dst from walk w join follows f on f.src = w.node where not f.dst = any (w.path))
select path from walk where node = 'u6' order by cardinality(path), path limit 1;
with recursive r(node, depth) as (select 'u1'::text, 0 union all select f.dst, r.depth + 1 from r join follows f on f.src = r.node)
  cycle node set is_cycle using pathx
select node, min(depth) from r where not is_cycle group by node order by 1;
-- [F] Redis: setex/TTL, incr, hincrby, zadd, lpush+ltrim, sadd
drop table if exists kv, zset, feed cascade;
create unlogged table kv (key text primary key, value jsonb, expires_at timestamptz);
insert into kv values ('session:abc123', '"user_data"', now() + interval '3600 seconds') on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at;
insert into kv values ('page_views:homepage', '1') on conflict (key) do update set value = to_jsonb((kv.value)::int + 1) returning value;
insert into kv values ('page_views:homepage', '1') on conflict (key) do update set value = to_jsonb((kv.value)::int + 1) returning value;
insert into kv values ('stats:daily', '{"2025-09-10": 1}') on conflict (key) do nothing;
update kv set value = jsonb_set(value, '{2025-09-10}', to_jsonb((value->>'2025-09-10')::int + 1)) where key = 'stats:daily' returning value;
create table zset (board text, player text, score int, primary key (board, player));
insert into zset values ('game:123','player1',1500), ('game:123','player2',1200), ('game:123','player3',1800);
select player, score, rank() over (order by score desc) from zset where board = 'game:123' order by 3;
create table feed (id bigserial primary key, user_id int, post_id int);
insert into feed (user_id, post_id) select 1, g from generate_series(1, 1500) g;
delete from feed where user_id = 1 and id not in (select id from feed where user_id = 1 order by id desc limit 1000);
select count(*), min(post_id) from feed;
