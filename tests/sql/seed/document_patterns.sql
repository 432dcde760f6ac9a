-- Section 22: locking, documents, buckets, a star schema.
-- Left out, as the server doesn't have it yet: the GIN index.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists docs, sales, d_product, d_date, sensor cascade;
create table docs (_id text primary key, version int not null default 1, doc jsonb);            -- [+]
insert into docs values ('product_123', 1, '{"name": "Laptop", "daily_stats": {"2024-01-15": {"views": 245, "purchases": 12, "revenue": 14388}, "2024-01-16": {"views": 198, "purchases": 8, "revenue": 9592}}}'), ('user_123', 1, '{"schema_version": "2.1", "profile": {"preferences": {"theme": "dark", "notifications": true}}}');
update docs set doc = doc || '{"name": "Laptop 2"}', version = version + 1 where _id = 'product_123' and version = 1; -- [+] UPDATE 1
update docs set doc = doc || '{"name": "lost"}', version = version + 1 where _id = 'product_123' and version = 1;     -- [+] UPDATE 0 = version mismatch
begin; select version from docs where _id = 'product_123' for update; select version from docs where _id = 'user_123' for update skip locked; commit;
select d.key as day, (d.value->>'views')::int as views, (d.value->>'revenue')::int as revenue from docs, jsonb_each(doc->'daily_stats') d where _id = 'product_123' order by 1;
select _id from docs where doc @> '{"profile": {"preferences": {"theme": "dark"}}}'; select doc #>> '{profile,preferences,theme}' from docs where _id = 'user_123';
select jsonb_path_query(doc, '$.daily_stats.*.views') from docs where _id = 'product_123';
create table sensor (sensor_id text, ts timestamptz, temperature numeric);                      -- [+] bucket pattern
insert into sensor select 'temp_001', timestamptz '2024-01-15 00:00+00' + g * interval '30 seconds', 20 + g % 7 from generate_series(0, 239) g;
select date_trunc('hour', ts) as bucket_start, count(*), round(avg(temperature), 3) as avg, min(temperature), max(temperature), (jsonb_agg(jsonb_build_object('t', ts, 'temperature', temperature) order by ts))->0 as first from sensor group by 1 order by 1;
select date_bin('15 minutes', ts, '2024-01-01') as b, count(*) from sensor group by 1 order by 1 limit 2;
create table d_product (product_id int primary key, name text, category text); create table d_date (date_id int primary key, year int, quarter int); create table sales (sale_id serial primary key, product_id int references d_product, date_id int references d_date, quantity int, revenue numeric);
insert into d_product values (1, 'Laptop', 'Electronics'), (2, 'Book', 'Media'); insert into d_date select g, 2024 + g / 4, 1 + g % 4 from generate_series(0, 7) g; insert into sales (product_id, date_id, quantity, revenue) select 1 + g % 2, g % 8, 1, g from generate_series(1, 100) g;
select p.category, d.year, sum(s.revenue), count(*), grouping(p.category, d.year) from sales s join d_product p using (product_id) join d_date d using (date_id) group by rollup (p.category, d.year) order by 1 nulls last, 2 nulls last;
select category, year, rev, sum(rev) over (partition by category order by year) as running, lag(rev) over (partition by category order by year) from (select p.category, d.year, sum(revenue) rev from sales join d_product p using (product_id) join d_date d using (date_id) group by 1, 2) s order by 1, 2;

-- [F] seed 002 MongoDB aggregation pipeline [$match profile.interests, $sort profile.age, $limit 100] and DynamoDB single-table design (PK/SK), seed 003 GSI EmailIndex
drop table if exists mongo_users, single_table cascade;
create table mongo_users (_id uuid primary key, doc jsonb not null);
insert into mongo_users select ('00000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, jsonb_build_object('email', 'm' || g || '@x', 'profile', jsonb_build_object('name', 'N' || g, 'age', 60 - g, 'interests', case when g % 3 = 0 then '["go","sql"]'::jsonb else '["chess"]'::jsonb end)) from generate_series(1, 30) g;
select doc->>'email' as email, (doc->'profile'->>'age')::int as age from mongo_users where doc->'profile'->'interests' @> '"go"' order by age limit 3;
create table single_table (pk text, sk text, type text, attrs jsonb, primary key (pk, sk));
insert into single_table values ('USER#123', 'PROFILE', 'USER', '{"email": "user@example.com"}'), ('USER#123', 'POST#456', 'POST', '{"content": "hello"}'), ('USER#123', 'POST#457', 'POST', '{"content": "again"}');
create index email_index on single_table ((attrs->>'email')) include (type);
select sk, attrs->>'content' as content from single_table where pk = 'USER#123' and sk like 'POST#%' order by sk desc;
select pk from single_table where attrs->>'email' = 'user@example.com';
