"""asyncpg against the server: it speaks binary only, prepares everything, and reads the catalogs to know types."""

import asyncio
import datetime as dt
import decimal
import json
import sys
import traceback
import uuid

import asyncpg

PARAMS = dict(part.split("=", 1) for part in sys.argv[1].split())
UTC = dt.timezone.utc


async def connect(**kwargs):
    return await asyncpg.connect(
        host=PARAMS["host"], port=int(PARAMS["port"]), user=PARAMS["user"], database=PARAMS["dbname"], **kwargs
    )


VALUES = [
    ("bool", True),
    ("int2", -32768),
    ("int4", 2147483647),
    ("int8", -9223372036854775808),
    ("float4", 1.5),
    ("float8", 0.1),
    ("numeric", decimal.Decimal("-12345678901234567890.0123456789")),
    ("numeric", decimal.Decimal("1E+20")),
    ("text", "héllo \u2603"),
    ("varchar(5)", "v"),
    ("char(4)", "ab  "),
    ("name", "a_name"),
    ("bytea", bytes(range(256))),
    ("date", dt.date(2001, 2, 3)),
    ("date", dt.date.max),
    ("time", dt.time(4, 5, 6, 789)),
    ("timetz", dt.time(4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=-2)))),
    ("timestamp", dt.datetime(2001, 2, 3, 4, 5, 6, 789012)),
    ("timestamptz", dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)),
    ("interval", dt.timedelta(days=3, seconds=4, microseconds=5)),
    ("uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("json", '{"a": 1}'),
    ("jsonb", '{"a": [1, null]}'),
    ("oid", 4294967295),
    ("bool[]", [True, None]),
    ("int2[]", [1, -2]),
    ("int4[]", [[1, 2], [3, 4]]),
    ("int4[]", []),
    ("int8[]", [2**40]),
    ("float8[]", [0.5, float("inf")]),
    ("numeric[]", [decimal.Decimal("1.10"), None]),
    ("text[]", ["a", "", None, 'q"']),
    ("bytea[]", [b"\x00"]),
    ("date[]", [dt.date(2001, 2, 3)]),
    ("timestamptz[]", [dt.datetime(2001, 2, 3, tzinfo=UTC)]),
    ("uuid[]", [uuid.UUID(int=7)]),
    ("jsonb[]", ["[]"]),
]


async def test_types():
    conn = await connect()
    for name, value in VALUES:
        got = await conn.fetchval(f"SELECT $1::{name}", value)
        assert got == value, (name, got, value)
        assert await conn.fetchval(f"SELECT $1::{name}", None) is None
    columns = ", ".join(f"c{n} {name}" for n, (name, _) in enumerate(VALUES))
    await conn.execute(f"CREATE TABLE everything ({columns})")
    marks = ", ".join(f"${n + 1}" for n in range(len(VALUES)))
    await conn.execute(f"INSERT INTO everything VALUES ({marks})", *[value for _, value in VALUES])
    row = await conn.fetchrow("SELECT * FROM everything")
    assert list(row) == [value for _, value in VALUES], row
    await conn.close()


async def test_records_and_codecs():
    conn = await connect()
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    assert await conn.fetchval("SELECT $1::jsonb", {"k": [1, {"x": None}]}) == {"k": [1, {"x": None}]}
    row = await conn.fetchrow("SELECT 1 AS a, 'x'::text AS b, NULL::int AS c")
    assert dict(row) == {"a": 1, "b": "x", "c": None}
    assert tuple(await conn.fetchval("SELECT ROW(1, 'x'::text, true)")) == (1, "x", True)
    await conn.close()


async def test_prepared():
    conn = await connect()
    await conn.execute("CREATE TABLE prep (id int PRIMARY KEY, v text)")
    await conn.executemany("INSERT INTO prep VALUES ($1, $2)", [(n, f"v{n}") for n in range(500)])
    statement = await conn.prepare("SELECT v FROM prep WHERE id = $1")
    assert [p.name for p in statement.get_parameters()] == ["int4"]
    assert [(a.name, a.type.name) for a in statement.get_attributes()] == [("v", "text")]
    for n in (0, 250, 499):
        assert await statement.fetchval(n) == f"v{n}"
    rows = await conn.fetch("SELECT id FROM prep WHERE id = ANY($1::int[]) ORDER BY 1", [1, 2, 9999])
    assert [r["id"] for r in rows] == [1, 2]
    # The cached statement is prepared again when its table has changed.
    await conn.fetch("SELECT * FROM prep WHERE id = $1", 1)
    await conn.execute("ALTER TABLE prep ADD COLUMN extra int DEFAULT 7")
    row = await conn.fetchrow("SELECT * FROM prep WHERE id = $1", 1)
    assert row["extra"] == 7, row
    await conn.close()


async def test_copy():
    conn = await connect()
    await conn.execute("CREATE TABLE cp (id int, name text, at timestamptz)")
    stamp = dt.datetime(2001, 2, 3, tzinfo=UTC)
    records = [(n, None if n % 10 == 0 else f"n{n}", stamp) for n in range(2000)]
    assert await conn.copy_records_to_table("cp", records=records) == "COPY 2000"
    out = bytearray()

    async def collect(data):
        out.extend(data)

    await conn.copy_from_query("SELECT id FROM cp WHERE id < $1 ORDER BY id", 3, output=collect, format="csv")
    assert bytes(out) == b"0\n1\n2\n", out
    rows = await conn.fetch("SELECT * FROM cp ORDER BY id")
    assert [tuple(r) for r in rows] == records
    try:
        await conn.copy_records_to_table("cp", records=[(1, "x", "not a time")])
        raise AssertionError("bad data was accepted")
    except Exception as e:
        assert not isinstance(e, AssertionError), e
    assert await conn.fetchval("SELECT count(*) FROM cp") == 2000
    await conn.close()


async def test_transactions():
    conn = await connect()
    await conn.execute("CREATE TABLE tr (a int PRIMARY KEY)")
    async with conn.transaction():
        await conn.execute("INSERT INTO tr VALUES (1)")
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO tr VALUES (2)")
                await conn.execute("INSERT INTO tr VALUES (1)")
        except asyncpg.UniqueViolationError as e:
            assert e.sqlstate == "23505" and e.constraint_name == "tr_pkey" and e.table_name == "tr"
            assert e.detail == "Key (a)=(1) already exists."
        await conn.execute("INSERT INTO tr VALUES (3)")
    assert [r[0] for r in await conn.fetch("SELECT a FROM tr ORDER BY a")] == [1, 3]
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        assert await conn.fetchval("SHOW transaction_isolation") == "repeatable read"
        try:
            await conn.execute("DELETE FROM tr")
            raise AssertionError("a read-only transaction wrote")
        except asyncpg.ReadOnlySQLTransactionError:
            pass
    async with conn.transaction():
        total = 0
        async for record in conn.cursor("SELECT g FROM generate_series(1, $1::int) g", 105, prefetch=10):
            total += record[0]
        assert total == 105 * 106 // 2
        cursor = await conn.cursor("SELECT g FROM generate_series(1, 10) g")
        await cursor.forward(4)
        assert [r[0] for r in await cursor.fetch(2)] == [5, 6]
    await conn.close()


async def test_errors_and_cancel():
    conn = await connect()
    for statement, expected in {
        "SELEC 1": asyncpg.PostgresSyntaxError,
        "SELECT nosuch": asyncpg.UndefinedColumnError,
        "SELECT * FROM nosuch": asyncpg.UndefinedTableError,
        "SELECT 1 / 0": asyncpg.DivisionByZeroError,
        "SELECT 'x'::int": asyncpg.InvalidTextRepresentationError,
    }.items():
        try:
            await conn.fetch(statement)
            raise AssertionError(statement)
        except expected:
            pass
    # A client-side timeout sends a cancel request; the connection stays usable.
    try:
        await conn.execute("SELECT pg_sleep(60)", timeout=0.2)
        raise AssertionError("no timeout")
    except asyncio.TimeoutError:
        pass
    assert await conn.fetchval("SELECT 1") == 1
    notices = []
    conn.add_log_listener(lambda _, message: notices.append(message.message))
    await conn.execute("DROP TABLE IF EXISTS nosuch")
    await conn.fetchval("SELECT 1")
    assert notices == ['table "nosuch" does not exist, skipping'], notices
    assert conn.get_server_version().major == 15
    assert conn.get_settings().server_encoding == "UTF8"
    await conn.close()
    try:
        await asyncpg.connect(host=PARAMS["host"], port=int(PARAMS["port"]), user="postgres", database="nosuch")
        raise AssertionError("an unknown database")
    except asyncpg.InvalidCatalogNameError:
        pass


async def test_pool():
    pool = await asyncpg.create_pool(
        host=PARAMS["host"], port=int(PARAMS["port"]), user=PARAMS["user"], database=PARAMS["dbname"], min_size=2, max_size=5
    )
    await pool.execute("CREATE TABLE counter (n int)")
    await pool.execute("INSERT INTO counter VALUES (0)")
    await asyncio.gather(*(pool.execute("UPDATE counter SET n = n + $1", 1) for _ in range(100)))
    assert await pool.fetchval("SELECT n FROM counter") == 100
    # Between two users of a connection the pool sends a reset of everything the session may have set.
    async with pool.acquire() as conn:
        await conn.execute("SET work_mem = '9MB'")
    values = await asyncio.gather(*(pool.fetchval("SHOW work_mem") for _ in range(5)))
    assert set(values) == {"4MB"}, values
    await pool.close()


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        try:
            asyncio.run(asyncio.wait_for(test(), 60))
            print(f"{name}: ok")
        except Exception as e:  # each test reports; the rest still run
            failed += 1
            print(f"{name}: {type(e).__name__}: {e}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
