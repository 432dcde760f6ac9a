//! What portals of the extended protocol answer: run again, in parts, after errors and savepoints.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use quarry_testkit::server::startup_message;
use quarry_testkit::wire::read_message;

use crate::support::{ANSWER, shared_server};

/// What it shows, the messages, and what PostgreSQL 15 answered up to each ReadyForQuery.
///
/// Messages: `Q text`, `P text` or `P@statement text`, `B portal` or `B portal@statement`, `E portal rows`, `S`.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "a query that has given all its rows gives none again, with a tag of none",
        &["P select 1 union all select 2", "B", "E", "E", "S"],
        &["1 | 2 | D 1 | D 2 | C SELECT 2 | C SELECT 0 | Z I"],
    ),
    (
        "the same read in parts",
        &["P select generate_series(1, 3)", "B", "E  2", "E  2", "E  2", "S"],
        &["1 | 2 | D 1 | D 2 | s | D 3 | C SELECT 1 | C SELECT 0 | Z I"],
    ),
    (
        "SHOW and EXPLAIN have rows, too",
        &[
            "P show standard_conforming_strings",
            "B",
            "E",
            "E",
            "S",
            "P explain (costs off) select 1",
            "B",
            "E  1",
            "E  1",
            "E",
            "S",
        ],
        &["1 | 2 | D on | C SHOW | C SHOW | Z I", "1 | 2 | D Result | s | C EXPLAIN | C EXPLAIN | Z I"],
    ),
    (
        "FETCH counts each time",
        &[
            "Q begin",
            "Q declare c cursor for select generate_series(1, 5)",
            "P fetch 3 from c",
            "B",
            "E  2",
            "E",
            "E",
            "S",
            "Q rollback",
        ],
        &[
            "C BEGIN | Z T",
            "C DECLARE CURSOR | Z T",
            "1 | 2 | D 1 | D 2 | s | D 3 | C FETCH 1 | C FETCH 0 | Z T",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "MOVE, DECLARE and CLOSE can't be run again",
        &[
            "Q begin",
            "P declare c cursor for select generate_series(1, 5)",
            "B",
            "E",
            "S",
            "P move 2 from c",
            "B",
            "E",
            "E",
            "S",
            "Q rollback",
        ],
        &[
            "C BEGIN | Z T",
            "1 | 2 | C DECLARE CURSOR | Z T",
            "1 | 2 | C MOVE 2 | E 55000 portal \"\" cannot be run | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "what has no rows can't be run again",
        &[
            "Q create temp table t (a int)",
            "P insert into t values (1)",
            "B",
            "E",
            "E",
            "S",
            "Q select a from t",
        ],
        &[
            "C CREATE TABLE | Z I",
            "1 | 2 | C INSERT 0 1 | E 55000 portal \"\" cannot be run | Z I",
            "T | C SELECT 0 | Z I",
        ],
    ),
    (
        "nor can a setting be set",
        &["P set work_mem = 1000", "B", "E", "E", "S"],
        &["1 | 2 | C SET | E 55000 portal \"\" cannot be run | Z I"],
    ),
    (
        "nor BEGIN",
        &["P begin", "B", "E", "E", "S", "Q rollback"],
        &["1 | 2 | C BEGIN | E 55000 portal \"\" cannot be run | Z E", "C ROLLBACK | Z I"],
    ),
    (
        "RETURNING counts the rows of each run",
        &[
            "Q create temp table t (a int)",
            "P insert into t values (1), (2), (3) returning a",
            "B",
            "E  2",
            "E",
            "E",
            "S",
            "P update t set a = a + 1 returning a",
            "B",
            "E",
            "E",
            "S",
        ],
        &[
            "C CREATE TABLE | Z I",
            "1 | 2 | D 1 | D 2 | s | D 3 | C INSERT 0 1 | C INSERT 0 0 | Z I",
            "1 | 2 | D 2 | D 3 | D 4 | C UPDATE 3 | C UPDATE 0 | Z I",
        ],
    ),
    (
        "a statement that writes runs to its end, however few rows are asked for",
        &[
            "Q create temp table t (a int)",
            "P insert into t select generate_series(1, 10000) returning a",
            "B",
            "E  1",
            "S",
            "Q select count(*), max(a) from t",
        ],
        &["C CREATE TABLE | Z I", "1 | 2 | D 1 | s | Z I", "T | D 10000, 10000 | C SELECT 1 | Z I"],
    ),
    (
        "the same below a query",
        &[
            "Q create temp table t (a int)",
            "P with w as (insert into t values (7) returning a) select generate_series(1, 5)",
            "B",
            "E  1",
            "S",
            "Q select a from t",
        ],
        &["C CREATE TABLE | Z I", "1 | 2 | D 1 | s | Z I", "T | D 7 | C SELECT 1 | Z I"],
    ),
    (
        "the same by FETCH",
        &[
            "Q create temp table t (a int)",
            "Q begin",
            "P insert into t select generate_series(1, 10000) returning a",
            "B n",
            "S",
            "Q fetch 1 from n",
            "Q select count(*) from t",
            "E n 1",
            "S",
            "Q commit",
        ],
        &[
            "C CREATE TABLE | Z I",
            "C BEGIN | Z T",
            "1 | 2 | Z T",
            "T | D 1 | C FETCH 1 | Z T",
            "T | D 10000 | C SELECT 1 | Z T",
            "D 2 | s | Z T",
            "C COMMIT | Z I",
        ],
    ),
    (
        "rows nobody asked for have no effects",
        &[
            "Q create temp sequence s",
            "P select nextval('s') from generate_series(1, 5)",
            "B",
            "E  2",
            "S",
            "Q select nextval('s')",
        ],
        &["C CREATE SEQUENCE | Z I", "1 | 2 | D 1 | D 2 | s | Z I", "T | D 3 | C SELECT 1 | Z I"],
    ),
    (
        "nor errors",
        &[
            "Q begin",
            "P select 1 / (2 - g) from generate_series(1, 3) g",
            "B n",
            "E n 1",
            "S",
            "Q savepoint s",
            "E n 1",
            "S",
            "Q rollback to s",
            "E n 1",
            "S",
            "Q rollback",
        ],
        &[
            "C BEGIN | Z T",
            "1 | 2 | D 1 | s | Z T",
            "C SAVEPOINT | Z T",
            "E 22012 division by zero | Z E",
            "C ROLLBACK | Z T",
            "E 55000 portal \"n\" cannot be run | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "the empty statement",
        &["P ", "B", "E", "E", "S", "E", "S"],
        &["1 | 2 | I | I | Z I", "E 34000 portal \"\" does not exist | Z I"],
    ),
    (
        "portals end with Sync outside a block",
        &["P set work_mem = 1000", "B", "S", "E", "S", "P begin", "B", "S", "E", "S"],
        &[
            "1 | 2 | Z I",
            "E 34000 portal \"\" does not exist | Z I",
            "1 | 2 | Z I",
            "E 34000 portal \"\" does not exist | Z I",
        ],
    ),
    (
        "ROLLBACK TO takes its own portal along",
        &["Q begin", "Q savepoint s", "P rollback to s", "B", "E", "E", "S", "Q rollback"],
        &[
            "C BEGIN | Z T",
            "C SAVEPOINT | Z T",
            "1 | 2 | C ROLLBACK | E 34000 portal \"\" does not exist | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "but not one from before the savepoint",
        &["Q begin", "P@r rollback to s", "B n@r", "S", "Q savepoint s", "E n", "E n", "S", "Q rollback"],
        &[
            "C BEGIN | Z T",
            "1 | 2 | Z T",
            "C SAVEPOINT | Z T",
            "C ROLLBACK | E 55000 portal \"n\" cannot be run | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "a running portal",
        &[
            "Q begin",
            "P close n",
            "B n",
            "E n",
            "S",
            "Q rollback",
            "Q begin",
            "P fetch 1 from n",
            "B n",
            "E n",
            "S",
            "Q rollback",
        ],
        &[
            "C BEGIN | Z T",
            "1 | 2 | E 24000 cannot drop active portal \"n\" | Z E",
            "C ROLLBACK | Z I",
            "C BEGIN | Z T",
            "1 | 2 | E 55000 portal \"n\" cannot be run | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "FETCH of a portal without rows",
        &[
            "Q begin",
            "P set work_mem = 1000",
            "B n",
            "S",
            "Q fetch 1 from n",
            "Q rollback",
            "Q begin",
            "P set work_mem = 1000",
            "B n",
            "E n",
            "S",
            "Q fetch 1 from n",
            "Q rollback",
        ],
        &[
            "C BEGIN | Z T",
            "1 | 2 | Z T",
            "E XX000 unsupported portal strategy | Z E",
            "C ROLLBACK | Z I",
            "C BEGIN | Z T",
            "1 | 2 | C SET | Z T",
            "E 55000 portal \"n\" cannot be run | Z E",
            "C ROLLBACK | Z I",
        ],
    ),
    (
        "an error comes without a description of rows",
        &[
            "Q explain select nosuch",
            "Q create temp table t (a int primary key)",
            "Q insert into t select g % 3 from generate_series(1, 4) g returning a",
            "Q select 1 / g from generate_series(0, 1) g",
        ],
        &[
            "E 42703 column \"nosuch\" does not exist | Z I",
            "C CREATE TABLE | Z I",
            "E 23505 duplicate key value violates unique constraint \"t_pkey\" | Z I",
            "T | E 22012 division by zero | Z I",
        ],
    ),
    (
        "portals of one statement, beside and after each other",
        &[
            "Q create temp table t (a int primary key, b text)",
            "Q insert into t select g, 'b' || g from generate_series(1, 6) g",
            "P@s select b from t where a between 2 and 5 order by a desc",
            "B @s",
            "E",
            "S",
            "B @s",
            "E",
            "S",
            "B p@s",
            "B q@s",
            "E p 1",
            "E q",
            "E p 2",
            "B @s",
            "E",
            "E p",
            "E p",
            "S",
            "Q begin",
            "B p@s",
            "E p 2",
            "S",
            "Q update t set b = 'changed' where a in (2, 5)",
            "B q@s",
            "E q",
            "E p",
            "S",
            "Q rollback",
            "P@f select 6 / (a - 4) from t where a > 2 order by a",
            "B @f",
            "E  1",
            "S",
            "B @f",
            "E",
            "S",
            "Q delete from t where a = 4",
            "B @f",
            "E",
            "S",
            "B @f",
            "E",
            "S",
            "B @s",
            "E",
            "S",
        ],
        &[
            "C CREATE TABLE | Z I",
            "C INSERT 0 6 | Z I",
            "1 | 2 | D b5 | D b4 | D b3 | D b2 | C SELECT 4 | Z I",
            "2 | D b5 | D b4 | D b3 | D b2 | C SELECT 4 | Z I",
            "2 | 2 | D b5 | s | D b5 | D b4 | D b3 | D b2 | C SELECT 4 | D b4 | D b3 | s | 2 | \
             D b5 | D b4 | D b3 | D b2 | C SELECT 4 | D b2 | C SELECT 1 | C SELECT 0 | Z I",
            "C BEGIN | Z T",
            "2 | D b5 | D b4 | s | Z T",
            "C UPDATE 2 | Z T",
            "2 | D changed | D b4 | D b3 | D changed | C SELECT 4 | D b3 | D b2 | C SELECT 2 | Z T",
            "C ROLLBACK | Z I",
            "1 | 2 | E 22012 division by zero | Z I",
            "2 | E 22012 division by zero | Z I",
            "C DELETE 1 | Z I",
            "2 | D -6 | D 6 | D 3 | C SELECT 3 | Z I",
            "2 | D -6 | D 6 | D 3 | C SELECT 3 | Z I",
            "2 | D b5 | D b3 | D b2 | C SELECT 3 | Z I",
        ],
    ),
];

/// A message in the form that the server reads.
fn message(text: &str) -> Vec<u8> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (kind, statement) = kind.split_once('@').unwrap_or((kind, ""));
    let body = match kind {
        "Q" => [rest.as_bytes(), b"\0"].concat(),
        "P" => [statement.as_bytes(), b"\0", rest.as_bytes(), b"\0\0\0"].concat(),
        "B" => {
            let (portal, statement) = rest.split_once('@').unwrap_or((rest, ""));
            [portal.as_bytes(), b"\0", statement.as_bytes(), &[0; 7]].concat()
        }
        "E" => {
            let (portal, rows) = rest.split_once(' ').unwrap_or((rest, "0"));
            let rows: i32 = rows.trim().parse().expect("a number of rows");
            [portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat()
        }
        _ => vec![],
    };
    let mut out = vec![kind.as_bytes()[0]];
    out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

/// Zero-terminated texts.
fn texts(body: &[u8]) -> impl Iterator<Item = String> {
    body.split(|b| *b == 0).map(|t| String::from_utf8_lossy(t).into_owned())
}

/// The values of a row in text form.
fn row(body: &[u8]) -> String {
    let mut values = vec![];
    let mut rest = &body[2..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (value, after) = after.split_at(i32::from_be_bytes(*length) as usize);
        values.push(String::from_utf8_lossy(value).into_owned());
        rest = after;
    }
    values.join(", ")
}

/// What the server says up to and with ReadyForQuery.
fn answer(stream: &mut TcpStream) -> String {
    let mut said = vec![];
    loop {
        let (kind, body) = read_message(stream).expect("an answer comes");
        let letter = char::from(kind);
        said.push(match kind {
            b'D' => format!("D {}", row(&body)),
            b'C' => format!("C {}", texts(&body).next().unwrap_or_default()),
            b'Z' => format!("Z {}", char::from(body[0])),
            b'E' => {
                let field = |f: char| texts(&body).find_map(|t| t.strip_prefix(f).map(str::to_owned));
                format!("E {} {}", field('C').unwrap_or_default(), field('M').unwrap_or_default())
            }
            _ => letter.to_string(),
        });
        if kind == b'Z' {
            return said.join(" | ");
        }
    }
}

#[test]
fn portals_answer_as_postgresql_does() {
    let server = shared_server();
    for (what, messages, expected) in CASES {
        let mut stream = TcpStream::connect(server.address()).expect("the server accepts connections");
        stream.set_read_timeout(Some(ANSWER.max(Duration::from_secs(1)))).expect("a limit can be set");
        let startup = startup_message(&[("user", "postgres"), ("database", "postgres")]);
        stream.write_all(&startup).expect("startup is sent");
        answer(&mut stream);
        let mut answers = vec![];
        for text in *messages {
            stream.write_all(&message(text)).expect("a message is sent");
            if matches!(text.as_bytes()[0], b'Q' | b'S') {
                answers.push(answer(&mut stream));
            }
        }
        assert_eq!(answers, *expected, "{what}");
    }
}
