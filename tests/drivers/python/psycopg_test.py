"""psycopg 3 against the server: connect, bind every type in both formats, prepare, COPY, transactions, pipelines, errors."""

import datetime as dt
import decimal
import json
import sys
import traceback
import uuid

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Json, Jsonb

URL = sys.argv[1]
UTC = dt.timezone.utc


def connect(**kwargs):
    return psycopg.connect(URL, autocommit=True, **kwargs)


VALUES = [
    ("bool", True),
    ("int2", -32768),
    ("int4", 2147483647),
    ("int8", -9223372036854775808),
    ("float4", 1.5),
    ("float8", 0.1),
    ("float8", float("-inf")),
    ("numeric", decimal.Decimal("-12345678901234567890.0123456789")),
    ("numeric", decimal.Decimal("0.000")),
    ("text", "héllo \u2603 'quoted' \\ %s"),
    ("varchar", "v"),
    ("bytea", bytes(range(256))),
    ("date", dt.date(2001, 2, 3)),
    ("time", dt.time(4, 5, 6, 789)),
    ("timetz", dt.time(4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
    ("timestamp", dt.datetime(2001, 2, 3, 4, 5, 6, 789012)),
    ("timestamptz", dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)),
    ("interval", dt.timedelta(days=3, seconds=4, microseconds=5)),
    ("interval", dt.timedelta(days=-3, seconds=4)),
    ("uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("oid", 4294967295),
    ("bool[]", [True, None, False]),
    ("int4[]", [1, 2, None]),
    ("int4[]", [[1, 2], [3, 4]]),
    ("int8[]", [2**40]),
    ("float8[]", [0.5]),
    ("numeric[]", [decimal.Decimal("1.10")]),
    ("text[]", ["a", "b c", 'q"', "", None, "NULL", "{}"]),
    ("bytea[]", [b"\x00\xff"]),
    ("date[]", [dt.date(2001, 2, 3)]),
    ("timestamptz[]", [dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)]),
    ("interval[]", [dt.timedelta(days=1)]),
    ("uuid[]", [uuid.UUID(int=7)]),
    ("text[]", []),
]


def test_types():
    with connect() as conn:
        conn.execute("SET timezone = 'UTC'")
        for binary_result in (False, True):
            for placeholder in ("%s", "%t", "%b"):
                cur = conn.cursor(binary=binary_result)
                for name, value in VALUES:
                    got = cur.execute(f"SELECT {placeholder}::{name}", [value]).fetchone()[0]
                    if name == "float4":
                        got = round(got, 5)
                    assert got == value, (name, placeholder, binary_result, got, value)
                    null = cur.execute(f"SELECT {placeholder}::{name}", [None]).fetchone()[0]
                    assert null is None
                doc = {"a": [1, None, "x"], "b": {"c": 1.5}}
                for name, wrap in (("json", Json), ("jsonb", Jsonb)):
                    got = cur.execute(f"SELECT {placeholder}::{name}", [wrap(doc)]).fetchone()[0]
                    assert got == doc, (name, got)


def test_table_round_trip():
    names = [f"c{n} {name}" for n, (name, _) in enumerate(VALUES)]
    with connect() as conn:
        conn.execute("SET timezone = 'UTC'")
        conn.execute(f"CREATE TABLE everything (id int PRIMARY KEY, {', '.join(names)})")
        marks = ", ".join(["%s"] * (len(VALUES) + 1))
        row = [1] + [value for _, value in VALUES]
        conn.execute(f"INSERT INTO everything VALUES ({marks})", row)
        for binary in (False, True):
            got = conn.cursor(binary=binary).execute("SELECT * FROM everything").fetchone()
            assert list(got) == row, got


def test_prepared():
    with connect(prepare_threshold=0) as conn:
        conn.execute("CREATE TABLE prep (id int PRIMARY KEY, v text)")
        with conn.cursor() as cur:
            cur.executemany("INSERT INTO prep VALUES (%s, %s)", [(n, f"v{n}") for n in range(500)])
            assert cur.rowcount == 500
        for n in (3, 77, 499):
            assert conn.execute("SELECT v FROM prep WHERE id = %s", [n]).fetchone() == (f"v{n}",)
        rows = conn.execute("SELECT id FROM prep WHERE id = ANY(%s) ORDER BY id", [[1, 2, 9999]]).fetchall()
        assert rows == [(1,), (2,)]
        assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0] > 0
        names = [d.name for d in conn.execute("SELECT id, v AS value FROM prep LIMIT 1").description]
        assert names == ["id", "value"]


def test_copy():
    with connect() as conn:
        conn.execute("CREATE TABLE cp (id int, name text, at timestamptz)")
        stamp = dt.datetime(2001, 2, 3, tzinfo=UTC)
        with conn.cursor() as cur:
            with cur.copy("COPY cp FROM STDIN") as copy:
                for n in range(2000):
                    copy.write_row((n, None if n % 10 == 0 else f"tab\there {n}\n", stamp))
            assert cur.rowcount == 2000
            with cur.copy("COPY cp FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                for n in range(2000, 3000):
                    copy.write_row((n, f"b{n}", stamp))
            with cur.copy("COPY (SELECT * FROM cp ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                rows = list(copy.rows())
            assert len(rows) == 3000 and rows[7] == (7, "tab\there 7\n", stamp) and rows[10][1] is None
            with cur.copy("COPY (SELECT id FROM cp WHERE id < 3 ORDER BY id) TO STDOUT") as copy:
                assert b"".join(bytes(block) for block in copy) == b"0\n1\n2\n"
            try:
                with cur.copy("COPY cp FROM STDIN") as copy:
                    copy.write("broken\n")
                raise AssertionError("bad data was accepted")
            except errors.InvalidTextRepresentation:
                pass
            try:
                with cur.copy("COPY cp FROM STDIN") as copy:
                    copy.write_row((1, "x", stamp))
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
            assert cur.execute("SELECT count(*) FROM cp").fetchone() == (3000,)


def test_transactions():
    with psycopg.connect(URL) as conn:
        conn.execute("CREATE TABLE tr (a int PRIMARY KEY)")
        conn.commit()
        with conn.transaction():
            conn.execute("INSERT INTO tr VALUES (1)")
            try:
                with conn.transaction():
                    conn.execute("INSERT INTO tr VALUES (2)")
                    conn.execute("INSERT INTO tr VALUES (1)")
            except errors.UniqueViolation as e:
                assert e.sqlstate == "23505" and e.diag.constraint_name == "tr_pkey"
                assert e.diag.message_detail == "Key (a)=(1) already exists."
            conn.execute("INSERT INTO tr VALUES (3)")
        assert conn.execute("SELECT array_agg(a ORDER BY a) FROM tr").fetchone()[0] == [1, 3]
        conn.rollback()
        conn.execute("DELETE FROM tr")
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM tr").fetchone() == (2,)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    with psycopg.connect(URL) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        assert conn.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        try:
            conn.execute("INSERT INTO tr VALUES (9)")
            raise AssertionError("a read-only transaction wrote")
        except errors.ReadOnlySqlTransaction:
            pass


def test_pipeline():
    with connect() as conn:
        conn.execute("CREATE TABLE pl (a int PRIMARY KEY)")
        with conn.pipeline() as pipeline:
            cursors = [conn.execute("INSERT INTO pl VALUES (%s) RETURNING a", [n]) for n in range(100)]
            pipeline.sync()
            assert [c.fetchone()[0] for c in cursors] == list(range(100))
        try:
            with conn.pipeline():
                conn.execute("INSERT INTO pl VALUES (200)")
                conn.execute("INSERT INTO pl VALUES (5)")
                conn.execute("INSERT INTO pl VALUES (201)")
            raise AssertionError("a duplicate key was accepted")
        except (errors.UniqueViolation, psycopg.errors.PipelineAborted):
            pass
        # Statements between two Syncs are one transaction: the error undid its neighbours.
        assert conn.execute("SELECT count(*) FROM pl WHERE a >= 200").fetchone() == (0,)


def test_cursors():
    with psycopg.connect(URL) as conn:
        with conn.cursor(name="server side") as cur:
            cur.itersize = 10
            cur.execute("SELECT g FROM generate_series(1, 105) g")
            assert sum(row[0] for row in cur) == 105 * 106 // 2
        with conn.cursor(name="scrolling", scrollable=True) as cur:
            cur.execute("SELECT g FROM generate_series(1, 10) g")
            cur.scroll(5)
            assert cur.fetchone() == (6,)
            cur.scroll(0, mode="absolute")
            assert cur.fetchmany(2) == [(1,), (2,)]
        streamed = [row[0] for row in conn.cursor().stream("SELECT g FROM generate_series(1, 5000) g")]
        assert len(streamed) == 5000


def test_errors():
    cases = {
        "SELEC 1": errors.SyntaxError,
        "SELECT nosuch": errors.UndefinedColumn,
        "SELECT * FROM nosuch": errors.UndefinedTable,
        "SELECT nosuch()": errors.UndefinedFunction,
        "SELECT 1 / 0": errors.DivisionByZero,
        "SELECT 'x'::int": errors.InvalidTextRepresentation,
        "SELECT 2147483647 + 1": errors.NumericValueOutOfRange,
        "SELECT '2001-02-30'::date": errors.DatetimeFieldOverflow,
    }
    with connect() as conn:
        for statement, expected in cases.items():
            try:
                conn.execute(statement)
                raise AssertionError(statement)
            except expected:
                pass
        try:
            conn.execute("SELECT 1,\n  nosuch")
        except errors.UndefinedColumn as e:
            assert e.diag.statement_position == "13", e.diag.statement_position
            assert e.diag.severity == "ERROR" and e.diag.severity_nonlocalized == "ERROR"
        notices = []
        conn.add_notice_handler(lambda diag: notices.append((diag.severity, diag.sqlstate)))
        conn.execute("DROP TABLE IF EXISTS nosuch")
        assert notices == [("NOTICE", "00000")], notices
        assert conn.info.server_version // 10000 == 15
        assert conn.info.encoding == "utf-8"
    try:
        psycopg.connect(URL + " user=nosuch_user")
        raise AssertionError("an unknown role was let in")
    except psycopg.OperationalError:
        pass


def test_identifiers_and_literals():
    with connect() as conn:
        name = 'Odd "name" \u2603'
        conn.execute(sql.SQL("CREATE TABLE {} ({} int)").format(sql.Identifier(name), sql.Identifier("select")))
        conn.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(name), sql.Literal(5)))
        assert conn.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))).fetchall() == [(5,)]
        for value in ["it's", "back\\slash", 'dq"', "%", "\u00e9\n\t"]:
            got = conn.execute(sql.SQL("SELECT {}").format(sql.Literal(value))).fetchone()[0]
            assert got == value, (got, value)
        assert json.loads(conn.execute("SELECT to_json(%s::text)::text", ["a\"b"]).fetchone()[0]) == 'a"b'


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        try:
            test()
            print(f"{name}: ok")
        except Exception as e:  # each test reports; the rest still run
            failed += 1
            print(f"{name}: {type(e).__name__}: {e}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
