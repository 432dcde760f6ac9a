//! Malformed input on raw sockets: the connection gets an error or is closed, and the server goes on.
//!
//! After each piece of input the writing side is shut down, so whatever the server still waits for, it must notice
//! the end and close. What it does with the rest of the connection is its own affair; what counts is that it ends,
//! and that others are served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use quarry_testkit::psql;
use quarry_testkit::rng::{Rng, Seed};
use quarry_testkit::server::{Server, startup_message};

const PATIENCE: Duration = Duration::from_secs(30);

/// A message with its type byte and the right length.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    with_length(kind, body.len() as i64 + 4, body)
}

/// A message that claims another length than it has.
fn with_length(kind: u8, length: i64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(length as i32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

fn parse(sql: &str) -> Vec<u8> {
    message(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

fn sync() -> Vec<u8> {
    message(b'S', &[])
}

/// Startup as the superuser.
fn startup() -> Vec<u8> {
    startup_message(&[("user", "postgres"), ("database", "postgres")])
}

/// Sends the bytes, closes the writing side, and returns all that the server answered until it closed.
fn exchange(server: &Server, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = TcpStream::connect(server.address()).map_err(|e| format!("connect: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    // The server may close before it has read everything: then writing or shutting down fails, and that's an answer.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let started = Instant::now();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        Err(e)
            if matches!(e.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) =>
        {
            Ok(answer)
        }
        Err(e) => Err(format!("no end after {:?}: {e}", started.elapsed())),
    }
}

/// The SQLSTATEs of the errors in an answer.
fn errors(answer: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = answer;
    while rest.len() >= 5 {
        let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize;
        let Some(body) = rest.get(5..1 + length) else { break };
        if rest[0] == b'E' {
            let code = body.split(|b| *b == 0).find(|field| field.first() == Some(&b'C'));
            found.push(code.map_or_else(String::new, |c| String::from_utf8_lossy(&c[1..]).into_owned()));
        }
        rest = &rest[1 + length..];
    }
    found
}

fn alive(server: &Server, after: &str) {
    let answer = psql::execute(&server.target(), "postgres", "SELECT 'alive'");
    assert_eq!(answer.as_deref().map(str::trim), Ok("alive"), "after {after}; {}", server.log_text());
    assert!(
        !server.log_text().contains("panicked"),
        "after {after} something panicked: {}",
        server.log_text()
    );
}

#[test]
fn malformed_startups() {
    let server = Server::fresh("startups");
    let mut long = vec![0, 0, 0x20, 0, 0, 3, 0, 0];
    long.resize(0x2000, b'x');
    let ssl_then_startup = [80_877_103u32.to_be_bytes().to_vec(), startup()].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half a length", vec![0, 0]),
        ("length 0", vec![0; 8]),
        ("length 4", vec![0, 0, 0, 4]),
        ("length 7", vec![0, 0, 0, 7, 0, 3, 0]),
        ("negative length", vec![0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0]),
        ("length of 2 GB", vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]),
        ("version 0.0", vec![0, 0, 0, 8, 0, 0, 0, 0]),
        ("version 2.0", vec![0, 0, 0, 9, 0, 2, 0, 0, 0]),
        ("version 4.0", vec![0, 0, 0, 9, 0, 4, 0, 0, 0]),
        ("no terminator", vec![0, 0, 0, 8, 0, 3, 0, 0]),
        ("no user", startup_message(&[("database", "postgres")])),
        ("empty user", startup_message(&[("user", "")])),
        ("name without value", [&[0, 0, 0, 14, 0, 3, 0, 0][..], b"user\0\0"].concat()),
        ("unterminated name", [&[0, 0, 0, 12, 0, 3, 0, 0][..], b"user"].concat()),
        ("bytes after the end", [&[0, 0, 0, 16, 0, 3, 0, 0][..], b"\0garbage"].concat()),
        ("unknown parameter", startup_message(&[("user", "postgres"), ("no_such_setting", "1")])),
        ("bad value", startup_message(&[("user", "postgres"), ("work_mem", "banana")])),
        ("bad options", startup_message(&[("user", "postgres"), ("options", "-c")])),
        ("not UTF-8", [&[0, 0, 0, 19, 0, 3, 0, 0][..], b"user\0\xff\xfe\xfd\0\0\0"].concat()),
        ("long garbage", long),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("TLS without asking", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("SSLRequest with plaintext behind it", [&[0, 0, 0, 8][..], &ssl_then_startup].concat()),
        ("SSLRequest twice", [0, 0, 0, 8, 4, 210, 22, 47].repeat(2)),
        ("SSLRequest a hundred times", [0, 0, 0, 8, 4, 210, 22, 47].repeat(100)),
        ("GSSENCRequest", [0, 0, 0, 8, 4, 210, 22, 48].to_vec()),
        ("CancelRequest cut off", vec![0, 0, 0, 12, 4, 210, 22, 46, 0, 0, 0, 1]),
        ("CancelRequest for no one", vec![0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 99, 1, 2, 3, 4]),
        ("password before it is asked for", [startup(), message(b'p', b"secret\0")].concat()),
    ];
    for (what, bytes) in cases {
        exchange(&server, &bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        alive(&server, what);
    }
}

#[test]
fn malformed_messages() {
    let server = Server::fresh("messages");
    let bind = |body: &[u8]| [parse("SELECT $1::int"), message(b'B', body), sync()].concat();
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("length 0", with_length(b'Q', 0, &[]), &[]),
        ("length 3", with_length(b'Q', 3, &[]), &[]),
        ("negative length", with_length(b'Q', -1, b"x"), &[]),
        ("length of 2 GB", with_length(b'Q', i64::from(i32::MAX), b"SELECT 1"), &[]),
        ("cut off", with_length(b'Q', 100, b"SELECT 1"), &[]),
        ("unknown type", message(b'@', b"abc"), &["08P01"]),
        ("type 0", message(0, b""), &["08P01"]),
        ("query without its end", message(b'Q', b"SELECT 1"), &["08P01"]),
        ("empty query body", message(b'Q', b""), &["08P01"]),
        ("query with bytes after its end", message(b'Q', b"SELECT 1\0rest"), &["08P01"]),
        ("query that is not UTF-8", message(b'Q', b"SELECT '\xff\xfe'\0"), &["22021"]),
        ("parse without body", [message(b'P', b""), sync()].concat(), &["08P01"]),
        ("parse without the query's end", [message(b'P', b"\0SELECT 1"), sync()].concat(), &["08P01"]),
        (
            "parse that counts types it has not",
            [message(b'P', b"\0SELECT 1\0\x00\x05"), sync()].concat(),
            &["08P01"],
        ),
        (
            "parse with a negative count",
            [message(b'P', b"\0SELECT 1\0\xff\xff"), sync()].concat(),
            &["08P01"],
        ),
        (
            "parse with an unknown type",
            [message(b'P', b"\0SELECT $1\0\0\x01\x7f\0\0\0"), sync()].concat(),
            &[],
        ),
        ("parse of two statements", [parse("SELECT 1; SELECT 2"), sync()].concat(), &["42601"]),
        ("bind without body", bind(b""), &["08P01"]),
        ("bind of no statement", [message(b'B', b"\0nosuch\0\0\0\0\0\0\0"), sync()].concat(), &["26000"]),
        ("bind with too few values", bind(b"\0\0\0\0\0\0\0\0"), &["08P01"]),
        ("bind that counts values it has not", bind(b"\0\0\0\0\x7f\xff"), &["08P01"]),
        ("bind with a value longer than the message", bind(b"\0\0\0\0\0\x01\0\0\x10\0ab\0\0"), &["08P01"]),
        ("bind with a value of length -2", bind(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), &["08P01"]),
        ("bind with format 7", bind(b"\0\0\0\x01\0\x07\0\x01\0\0\0\x011\0\0"), &["22023"]),
        (
            "bind with more formats than values",
            bind(b"\0\0\0\x03\0\0\0\0\0\0\0\x01\0\0\0\x011\0\0"),
            &["08P01"],
        ),
        ("bind with a short binary value", bind(b"\0\0\0\x01\0\x01\0\x01\0\0\0\x021 \0\0"), &["08P01"]),
        ("bind with bytes after its end", bind(b"\0\0\0\0\0\x01\0\0\0\x011\0\0rest"), &["08P01"]),
        ("bind with a result format of 9", bind(b"\0\0\0\0\0\x01\0\0\0\x011\0\x01\0\x09"), &[]),
        ("execute of no portal", [message(b'E', b"nosuch\0\0\0\0\0"), sync()].concat(), &["34000"]),
        ("execute without a limit", [message(b'E', b"\0\0"), sync()].concat(), &["08P01"]),
        ("describe of an unknown kind", [message(b'D', b"X\0"), sync()].concat(), &["08P01"]),
        ("describe of no statement", [message(b'D', b"Snosuch\0"), sync()].concat(), &["26000"]),
        ("describe without body", [message(b'D', b""), sync()].concat(), &["08P01"]),
        ("close of an unknown kind", [message(b'C', b"X\0"), sync()].concat(), &["08P01"]),
        ("close of nothing", [message(b'C', b"Snosuch\0"), sync()].concat(), &[]),
        ("sync with a body", message(b'S', b"body"), &["08P01"]),
        ("flush with a body", message(b'H', b"body"), &["08P01"]),
        ("terminate with a body", message(b'X', b"body"), &[]),
        (
            "copy data outside of a copy",
            [message(b'd', b"1\n"), message(b'c', b""), query("SELECT 1")].concat(),
            &[],
        ),
        ("copy fail outside of a copy", [message(b'f', b"no\0"), query("SELECT 1")].concat(), &[]),
        ("a function call of no function", message(b'F', b"\0\0\0\0\0\0\0\0\0\0"), &[]),
        ("a function call cut off", message(b'F', b"\0\0"), &["08P01"]),
        ("a password after authentication", message(b'p', b"secret\0"), &["08P01"]),
        ("a second startup", startup(), &[]),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, expected) in cases {
        let answer =
            exchange(&server, &[startup(), bytes].concat()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let got = errors(&answer);
        if !expected.iter().all(|code| got.iter().any(|g| g == code)) {
            wrong.push(format!("{what}: expected {expected:?}, got {got:?}"));
        }
        alive(&server, what);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn malformed_copies() {
    let server = Server::fresh("copies");
    psql::execute(&server.target(), "postgres", "CREATE TABLE c (a int, b text)").unwrap();
    let binary_head = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let binary = |rest: &[u8]| [&binary_head[..], rest].concat();
    let done = message(b'c', b"");
    let text_copy = "COPY c FROM STDIN";
    let csv_copy = "COPY c FROM STDIN (FORMAT csv)";
    let binary_copy = "COPY c FROM STDIN (FORMAT binary)";
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("not UTF-8", text_copy, b"1\t\xff\xfe\n".to_vec()),
        ("a zero byte", text_copy, b"1\ta\0b\n".to_vec()),
        ("half a row", text_copy, b"1".to_vec()),
        ("an escape at the end", text_copy, b"1\tabc\\".to_vec()),
        ("an octal escape of a bad byte", text_copy, b"1\t\\377\n".to_vec()),
        ("too many columns", text_copy, b"1\ta\tb\tc\n".to_vec()),
        ("an open quote", csv_copy, b"1,\"abc\n".to_vec()),
        ("a quote in the middle of nothing", csv_copy, b"1,a\"\n\"\"\"\n".to_vec()),
        ("no signature", binary_copy, b"1\ta\n".to_vec()),
        ("a signature cut off", binary_copy, b"PGCOPY".to_vec()),
        ("critical flags", binary_copy, [&binary_head[..11], b"\xff\xff\0\0\0\0\0\0"].concat()),
        (
            "a header extension longer than the data",
            binary_copy,
            [&binary_head[..15], b"\x7f\0\0\0"].concat(),
        ),
        ("a negative header extension", binary_copy, [&binary_head[..15], b"\xff\xff\xff\xff"].concat()),
        ("a field count of 300", binary_copy, binary(b"\x01\x2c")),
        ("a negative field count", binary_copy, binary(b"\xff\xfe")),
        ("a field longer than the data", binary_copy, binary(b"\0\x02\x7f\xff\xff\xff")),
        ("a field of length -5", binary_copy, binary(b"\0\x02\xff\xff\xff\xfb")),
        ("an int of three bytes", binary_copy, binary(b"\0\x02\0\0\0\x03abc\0\0\0\0\xff\xff")),
        ("no trailer", binary_copy, binary(b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x01a")),
        ("data after the trailer", binary_copy, binary(b"\xff\xff\0\x02\0\0\0\x04")),
    ];
    let mut accepted = Vec::new();
    for (what, sql, data) in cases {
        for pieces in [1, 7] {
            let mut bytes = [startup(), query(sql)].concat();
            for piece in data.chunks(data.len().div_ceil(pieces).max(1)) {
                bytes.extend(message(b'd', piece));
            }
            bytes.extend_from_slice(&done);
            bytes.extend(query("SELECT 1"));
            let answer = exchange(&server, &bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
            if errors(&answer).is_empty() {
                accepted.push(what);
            }
            alive(&server, what);
        }
    }
    // These are as good as right: PostgreSQL takes them too.
    accepted.retain(|what| {
        !["an escape at the end", "a quote in the middle of nothing", "no trailer"].contains(what)
    });
    assert!(accepted.is_empty(), "{accepted:?}");
    psql::execute(&server.target(), "postgres", "TRUNCATE c").unwrap();
    // Other messages in the middle of a copy, and none at all.
    for (what, rest) in [
        ("a query in a copy", query("SELECT 1")),
        ("a bind in a copy", message(b'B', b"\0\0")),
        ("an unknown type in a copy", message(b'@', b"x")),
        ("copy data with a wrong length", with_length(b'd', 2, b"")),
        ("the end", vec![]),
        ("a failure without text", message(b'f', b"")),
        ("a failure", message(b'f', b"changed my mind\0")),
    ] {
        let bytes = [startup(), query(text_copy), message(b'd', b"1\ta\n"), rest].concat();
        exchange(&server, &bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        alive(&server, what);
    }
    let count = psql::execute(&server.target(), "postgres", "SELECT count(*) FROM c").unwrap();
    assert_eq!(count.trim(), "0", "a malformed copy left rows");
}

/// Correct conversations with a few bytes changed, cut or doubled at random.
#[test]
fn random_damage() {
    let server = Server::fresh("damage");
    psql::execute(&server.target(), "postgres", "CREATE TABLE r (a int, b text)").unwrap();
    let seed = Seed::choose("random_damage");
    let mut rng = seed.rng();
    let conversation = [
        query("SELECT 1, 'text', NULL, now()"),
        parse("SELECT $1::int, $2::text"),
        message(b'D', b"S\0"),
        message(b'B', b"\0\0\0\x02\0\x01\0\0\0\x02\0\0\0\x04\0\0\0\x05\0\0\0\x01a\0\x01\0\x01"),
        message(b'D', b"P\0"),
        message(b'E', b"\0\0\0\0\x01"),
        sync(),
        query("BEGIN"),
        query("COPY r FROM STDIN"),
        message(b'd', b"1\tone\n2\ttwo\n"),
        message(b'c', b""),
        query("ROLLBACK"),
        query("COPY (SELECT 1) TO STDOUT (FORMAT binary)"),
        message(b'C', b"S\0"),
        message(b'H', b""),
        sync(),
        message(b'X', b""),
    ];
    for turn in 0..300 {
        let mut bytes = conversation.concat();
        for _ in 0..1 + rng.below(4) {
            damage(&mut bytes, &mut rng);
        }
        // A third of the turns damage the startup as well.
        let mut start = startup();
        if rng.one_in(3) {
            damage(&mut start, &mut rng);
        }
        exchange(&server, &[start, bytes].concat()).unwrap_or_else(|e| panic!("turn {turn}: {e}"));
        if turn % 20 == 0 {
            alive(&server, &format!("turn {turn} of seed {}", seed.value()));
        }
    }
    alive(&server, "all turns");
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(5) {
        0 => bytes[at] = rng.next_u64() as u8,
        1 => bytes[at] ^= 1 << rng.below(8),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        _ => {
            let end = (at + 1 + rng.below(20) as usize).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

#[test]
fn clients_that_vanish() {
    let server = Server::fresh("vanish");
    psql::execute(&server.target(), "postgres", "CREATE TABLE v (a int); INSERT INTO v VALUES (1)").unwrap();
    for bytes in [
        vec![],
        startup(),
        [startup(), query("SELECT * FROM generate_series(1, 1000000)")].concat(),
        [startup(), query("BEGIN; UPDATE v SET a = a + 1")].concat(),
        [startup(), query("COPY v FROM STDIN"), message(b'd', b"5\n")].concat(),
        [startup(), query("SELECT pg_sleep(0.1)")].concat(),
    ] {
        for _ in 0..5 {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(&bytes).unwrap();
            // Dropped at once, with answers unread: the kernel resets the connection.
        }
    }
    // What they began is undone and what they locked is free.
    let answer = psql::execute(
        &server.target(),
        "postgres",
        "SET lock_timeout = '30s'; UPDATE v SET a = a + 10 RETURNING a",
    );
    assert_eq!(answer.as_deref().map(str::trim), Ok("11"));
    alive(&server, "vanishing clients");
}

#[test]
fn deep_and_long_statements() {
    let server = Server::fresh("deep");
    let deep = |open: &str, close: &str, times: usize| {
        format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
    };
    for (what, sql) in [
        ("parentheses", deep("(", ")", 100_000)),
        ("signs", format!("SELECT {}1", "- ".repeat(100_000))),
        ("casts", format!("SELECT 1{}", "::int".repeat(50_000))),
        ("subqueries", deep("(SELECT ", ")", 20_000)),
        ("cases", deep("CASE WHEN true THEN ", " END", 20_000)),
        ("arrays", deep("ARRAY[", "]", 20_000)),
        ("calls", deep("abs(", ")", 20_000)),
        ("additions", format!("SELECT 1{}", " + 1".repeat(50_000))),
        ("conjunctions", format!("SELECT 1 WHERE true{}", " AND true".repeat(20_000))),
        ("negations", format!("SELECT {}true", "NOT ".repeat(50_000))),
        ("unions", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000))),
        (
            "joins",
            format!(
                "SELECT 1 FROM pg_class a0{}",
                (1..60).map(|n| format!(" JOIN pg_class a{n} USING (oid)")).collect::<String>()
            ),
        ),
        ("a list", format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(50_000))),
        ("json", format!("SELECT '{}{}'::jsonb", "[".repeat(100_000), "]".repeat(100_000))),
        ("a regular expression", format!("SELECT 'a' ~ '{}a{}'", "(".repeat(20_000), ")".repeat(20_000))),
        ("a long literal", format!("SELECT length('{}')", "x".repeat(5_000_000))),
        ("a long name", format!("SELECT {}", "x".repeat(1_000_000))),
        ("comments", format!("SELECT 1 {}", "/*".repeat(100_000))),
    ] {
        // An answer or an error, within the limit; what matters is the end.
        let bytes =
            [startup(), message(b'Q', &[sql.as_bytes(), b"\0"].concat()), message(b'X', b"")].concat();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        assert!(end.is_ok(), "{what}: {end:?}");
        alive(&server, what);
    }
}
