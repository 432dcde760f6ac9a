#!/usr/bin/env python3
"""What applications do with drivers: an asyncpg pool with its transactions and server settings, migrations that roll back,
an event store with expected versions, binary COPY, cursors; two psycopg sessions that lock, wait and deadlock.

Usage: applications_test.py "host=... port=... user=... dbname=...". Ends with 0 if everything holds."""

import asyncio
import json
import sys
import threading
import uuid
from datetime import datetime, timezone

import asyncpg
import psycopg
from psycopg import errors

URL = sys.argv[1]
PARAMS = dict(part.split("=", 1) for part in URL.split())
ADDRESS = {"host": PARAMS["host"], "port": int(PARAMS["port"]), "user": PARAMS["user"], "database": PARAMS["dbname"]}
failed = []


def check(name, holds, why=""):
    print(("ok    " if holds else "FAIL  ") + name + ("" if holds else f": {why}"))
    if not holds:
        failed.append(name)


async def transaction(pool, queries):
    async with pool.acquire() as connection:
        async with connection.transaction():
            return [await connection.fetch(query, *args) for query, args in queries]


async def pool_of_connections(pool):
    await pool.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, email text, active boolean DEFAULT true, last_order timestamptz)"
    )
    await pool.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, total numeric)")
    await pool.execute("INSERT INTO users (id, name, email) VALUES ($1, $2, $3)", 1, "Ann", "a@x")
    users = await pool.fetch("SELECT * FROM users WHERE active = $1", True)
    check("a boolean parameter", [u["name"] for u in users] == ["Ann"], users)
    order = "INSERT INTO orders (user_id, total) VALUES ($1, $2)"
    await transaction(pool, [(order, [1, 100.0]), ("UPDATE users SET last_order = now() WHERE id = $1", [1])])
    check("a transaction of two statements", await pool.fetchval("SELECT last_order IS NOT NULL FROM users WHERE id = 1"))
    try:
        await transaction(pool, [(order, [1, 5]), (order, [999, 5])])
        check("a foreign key ends the transaction", False, "no error")
    except asyncpg.ForeignKeyViolationError:
        count = await pool.fetchval("SELECT count(*) FROM orders")
        check("a foreign key ends the transaction", count == 1, count)
    rows = await asyncio.gather(*[pool.fetchval("SELECT $1::int + pg_backend_pid() * 0", i) for i in range(500)])
    check("500 queries over 20 connections", rows == list(range(500)))


async def server_settings():
    settings = {"application_name": "my_app", "tcp_keepalives_idle": "600", "statement_timeout": "30s"}
    c = await asyncpg.connect(**ADDRESS, server_settings=settings)
    shown = [await c.fetchval(f"SHOW {name}") for name in ("application_name", "statement_timeout")]
    check("settings of the start-up packet", shown == ["my_app", "30s"], shown)
    await c.close()
    try:
        await asyncpg.connect(**ADDRESS, server_settings={"default_transaction_isolation": "read_committed"})
        check("a wrong setting refuses the connection", False, "connected")
    except asyncpg.PostgresError as e:
        check("a wrong setting refuses the connection", e.sqlstate == "22023", e)


async def migrations(pool):
    await pool.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar(255) PRIMARY KEY, applied_at timestamp DEFAULT now())"
    )

    async def apply(version, sql):
        async with pool.acquire() as c:
            async with c.transaction():
                if await c.fetchval("SELECT version FROM schema_migrations WHERE version = $1", version):
                    return "already"
                await c.execute(sql)
                await c.execute("INSERT INTO schema_migrations (version) VALUES ($1)", version)
                return "applied"

    up = "ALTER TABLE users ADD COLUMN first_name varchar(100), ADD COLUMN profile jsonb; CREATE INDEX ON users (first_name);"
    answers = [await apply("002", up), await apply("002", up)]
    check("a migration is applied once", answers == ["applied", "already"], answers)
    try:
        await apply("003", "ALTER TABLE users ADD COLUMN z int; SELECT 1/0")
        check("a failed migration leaves nothing", False, "no error")
    except asyncpg.DivisionByZeroError:
        columns = await pool.fetchval(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'z'"
        )
        check("a failed migration leaves nothing", columns == 0, columns)


async def event_store(pool):
    await pool.execute(
        "CREATE TABLE events (event_id uuid PRIMARY KEY, aggregate_id text, data jsonb, version int, timestamp timestamptz,"
        " UNIQUE (aggregate_id, version))"
    )

    async def append(i):
        async with pool.acquire() as c:
            async with c.transaction():
                version = await c.fetchval("SELECT coalesce(max(version), 0) FROM events WHERE aggregate_id = $1", "u")
                if version != 0:
                    raise RuntimeError("somebody was faster")
                await c.execute(
                    "INSERT INTO events VALUES ($1, $2, $3, $4, $5)",
                    uuid.uuid4(), "u", json.dumps({"i": i}), version + 1, datetime.now(timezone.utc),
                )

    done = await asyncio.gather(*[append(i) for i in range(8)], return_exceptions=True)
    check("one of eight writers gets a version", sum(d is None for d in done) == 1, done)


async def bulk(pool):
    async with pool.acquire() as c:
        rows = [(i, f"n{i}", f"e{i}") for i in range(10, 2010)]
        await c.copy_records_to_table("users", records=rows, columns=["id", "name", "email"])
        check("binary COPY of 2000 rows", await c.fetchval("SELECT count(*) FROM users") == 2001)
        await c.executemany("UPDATE users SET name = $2 WHERE id = $1", [(i, "x") for i in range(10, 510)])
        check("a pipeline of 500 updates", await c.fetchval("SELECT count(*) FROM users WHERE name = 'x'") == 500)
        async with c.transaction():
            seen = [row["id"] async for row in c.cursor("SELECT id FROM users ORDER BY id", prefetch=100)]
        check("a portal read 100 by 100", len(seen) == 2001 and seen == sorted(seen), len(seen))


async def with_asyncpg():
    pool = await asyncpg.create_pool(**ADDRESS, min_size=10, max_size=20, command_timeout=60)
    await pool_of_connections(pool)
    await server_settings()
    await migrations(pool)
    await event_store(pool)
    await bulk(pool)
    await pool.close()


class Sessions:
    """Two sessions over fresh accounts."""

    def __init__(self):
        self.a, self.b = psycopg.connect(URL), psycopg.connect(URL)
        self.a.execute("DROP TABLE IF EXISTS accounts")
        self.a.execute("CREATE TABLE accounts (id text PRIMARY KEY, balance numeric, version int DEFAULT 1)")
        self.a.execute("INSERT INTO accounts VALUES ('A', 1200), ('B', 300)")
        self.a.commit()

    def __enter__(self):
        return self.a, self.b

    def __exit__(self, *_):
        self.a.close()
        self.b.close()


BALANCE = "SELECT balance FROM accounts WHERE id = 'A'"


def isolation():
    with Sessions() as (a, b):
        a.execute("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        b.execute("UPDATE accounts SET balance = 7 WHERE id = 'A'")
        check("no dirty read", a.execute(BALANCE).fetchone()[0] == 1200)
        b.commit()
        check("READ COMMITTED sees the commit", a.execute(BALANCE).fetchone()[0] == 7)
    with Sessions() as (a, b):
        a.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        a.execute("SELECT * FROM accounts")
        b.execute("UPDATE accounts SET balance = 7 WHERE id = 'A'")
        b.execute("INSERT INTO accounts VALUES ('Z', 5000)")
        b.commit()
        rows = a.execute("SELECT id, balance::int FROM accounts ORDER BY id").fetchall()
        check("REPEATABLE READ stays with its snapshot", rows == [("A", 1200), ("B", 300)], rows)
        try:
            a.execute("UPDATE accounts SET balance = 1 WHERE id = 'A'")
            check("the first updater wins", False, "no error")
        except errors.SerializationFailure:
            check("the first updater wins", True)


def locking():
    with Sessions() as (a, b):
        a.execute("UPDATE accounts SET version = version + 1 WHERE id = 'A' AND version = 1")
        a.commit()
        stale = b.execute("UPDATE accounts SET version = version + 1 WHERE id = 'A' AND version = 1").rowcount
        check("a stale version updates nothing", stale == 0, stale)
    with Sessions() as (a, b):
        a.execute(BALANCE + " FOR UPDATE")
        try:
            b.execute(BALANCE + " FOR UPDATE NOWAIT")
            check("NOWAIT", False, "no error")
        except errors.LockNotAvailable:
            check("NOWAIT", True)
        b.rollback()
        free = b.execute("SELECT id FROM accounts FOR UPDATE SKIP LOCKED").fetchall()
        check("SKIP LOCKED", free == [("B",)], free)
        b.rollback()
        got = []
        waiter = threading.Thread(target=lambda: got.append(b.execute(BALANCE + " FOR UPDATE").fetchone()))
        waiter.start()
        blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with psycopg.connect(URL, autocommit=True) as watcher:
            while watcher.execute(blocked).fetchone()[0] == 0:
                pass
        check("a lock is waited for", not got)
        a.commit()
        waiter.join()
        check("the waiter goes on", len(got) == 1)


def deadlock():
    with Sessions() as (a, b):
        a.execute("UPDATE accounts SET balance = 1 WHERE id = 'A'")
        b.execute("UPDATE accounts SET balance = 1 WHERE id = 'B'")
        ended = []

        def update(c, row):
            try:
                c.execute("UPDATE accounts SET balance = 2 WHERE id = %s", [row])
                ended.append("done")
            except errors.DeadlockDetected:
                ended.append("deadlock")
                c.rollback()

        other = threading.Thread(target=update, args=(b, "A"))
        other.start()
        update(a, "B")
        other.join()
        check("a deadlock has one victim", sorted(ended) == ["deadlock", "done"], ended)


def transfers():
    with Sessions() as (a, _):

        def transfer(seed):
            with psycopg.connect(URL) as c:
                for i in range(30):
                    # Always in the same order of rows: this is about the sum, deadlocks have their own test.
                    sign = 1 if (seed + i) % 2 else -1
                    c.execute("UPDATE accounts SET balance = balance - %s WHERE id = 'A'", [sign])
                    c.execute("UPDATE accounts SET balance = balance + %s WHERE id = 'B'", [sign])
                    c.commit()

        threads = [threading.Thread(target=transfer, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        total = a.execute("SELECT sum(balance) FROM accounts").fetchone()[0]
        check("transfers of eight threads keep the sum", total == 1500, total)


asyncio.run(with_asyncpg())
isolation()
locking()
deadlock()
transfers()
print(f"{len(failed)} failed")
sys.exit(1 if failed else 0)
