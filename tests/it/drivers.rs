//! tokio-postgres against the server: types in both formats, statements, COPY, pipelines, errors, cancellation.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::{ANSWER, Database, connect, run, shared_server, sqlstate, text};
use crate::wire_types;

/// A value as the server sent it in the binary format.
#[derive(Debug, PartialEq)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A parameter of any type, sent as these bytes in the binary format.
#[derive(Debug)]
struct Binary(Vec<u8>);

impl ToSql for Binary {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A parameter of any type, sent in the text format.
#[derive(Debug)]
struct Text<'a>(&'a str);

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

#[test]
fn every_type_in_both_formats() {
    run(async {
        let db = Database::new("types").await;
        let client = db.connect().await;
        client.batch_execute("SET timezone = 'UTC'").await.unwrap();
        let mut wrong = Vec::new();
        for (name, value, hex) in wire_types::VALUES {
            if let Err(e) = one_type(&client, name, value, hex).await {
                wrong.push(format!("{name} {value}: {e}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

async fn one_type(client: &Client, name: &str, value: &str, hex: &str) -> Result<(), String> {
    let literal = value.replace('\'', "''");
    let shown = text(client, &format!("SELECT '{literal}'::{name}")).await;
    if shown != value {
        return Err(format!("text result is {shown}"));
    }
    let statement = client
        .prepare(&format!("SELECT $1::{name}, $2::{name}"))
        .await
        .map_err(|e| format!("prepare: {e:?}"))?;
    let bytes = wire_types::bytes(hex);
    let row = client
        .query_one(&statement, &[&Text(value), &Binary(bytes.clone())])
        .await
        .map_err(|e| format!("query: {e:?}"))?;
    for (column, how) in [(0, "text"), (1, "binary")] {
        let Raw(got) = row.try_get(column).map_err(|e| e.to_string())?;
        if got != bytes {
            return Err(format!("sent as {how}, came back as {got:02x?} instead of {bytes:02x?}"));
        }
    }
    let null: Option<Raw> = client
        .query_one(&statement, &[&None::<i32>.map(|_| Text("")), &Binary(bytes)])
        .await
        .map_err(|e| format!("null: {e:?}"))?
        .get(0);
    if null.is_some() { Err("a null came back as a value".to_owned()) } else { Ok(()) }
}

#[test]
fn damaged_binary_parameters_are_errors() {
    run(async {
        let db = Database::new("badbin").await;
        let client = db.connect().await;
        let mut wrong = Vec::new();
        for (name, _, hex) in wire_types::VALUES {
            let statement = client.prepare(&format!("SELECT $1::{name}")).await.unwrap();
            let bytes = wire_types::bytes(hex);
            // Whatever is cut off or appended, the connection must go on. Texts of any length are valid.
            for length in [0, bytes.len() / 2, bytes.len().saturating_sub(1), bytes.len() + 3] {
                let mut damaged = bytes.clone();
                damaged.resize(length, 0xff);
                if let Err(e) = client.query_one(&statement, &[&Binary(damaged)]).await
                    && e.code().is_none()
                {
                    wrong.push(format!("{name} with {length} bytes: {e:?}"));
                }
            }
            assert!(!client.is_closed(), "{name}: the connection ended");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(text(&client, "SELECT 1").await, "1");
    });
}

#[test]
fn prepared_statements_describe_themselves() {
    run(async {
        let db = Database::new("prepared").await;
        let client = db.connect().await;
        client
            .batch_execute("CREATE TABLE t (id int PRIMARY KEY, name varchar(10), n numeric(8, 2))")
            .await
            .unwrap();
        let insert = client.prepare("INSERT INTO t VALUES ($1, $2, $3::text::numeric)").await.unwrap();
        assert_eq!(insert.params(), &[Type::INT4, Type::VARCHAR, Type::TEXT]);
        assert_eq!(insert.columns().len(), 0);
        for id in 0..10i32 {
            let count = client.execute(&insert, &[&id, &format!("name {id}"), &"1.25"]).await.unwrap();
            assert_eq!(count, 1);
        }
        let select =
            client.prepare("SELECT id, name, n AS amount FROM t WHERE id < $1 ORDER BY id").await.unwrap();
        assert_eq!(select.params(), &[Type::INT4]);
        let columns: Vec<(&str, &Type)> = select.columns().iter().map(|c| (c.name(), c.type_())).collect();
        assert_eq!(columns, [("id", &Type::INT4), ("name", &Type::VARCHAR), ("amount", &Type::NUMERIC)]);
        let rows = client.query(&select, &[&3i32]).await.unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.get(1)).collect();
        assert_eq!(names, ["name 0", "name 1", "name 2"]);
        // Types given by the client win over inference.
        let typed = client.prepare_typed("SELECT $1", &[Type::INT8]).await.unwrap();
        assert_eq!(client.query_one(&typed, &[&5i64]).await.unwrap().get::<_, i64>(0), 5);
        // A statement outlives a change of the tables it doesn't mention, and fails cleanly when its own is gone.
        client.batch_execute("CREATE TABLE other (a int); DROP TABLE t").await.unwrap();
        let error = client.query(&select, &[&3i32]).await.unwrap_err();
        assert_eq!(sqlstate(&error), "42P01");
        assert_eq!(
            client.prepare("SELECT nosuch").await.map(drop).map_err(|e| sqlstate(&e).to_owned()),
            Err("42703".into())
        );
        assert_eq!(text(&client, "SELECT 'still here'").await, "still here");
    });
}

#[test]
fn portals_with_row_limits() {
    run(async {
        let db = Database::new("portals").await;
        let mut client = db.connect().await;
        let transaction = client.transaction().await.unwrap();
        let portal = transaction.bind("SELECT g FROM generate_series(1, 10) g", &[]).await.unwrap();
        let mut sizes = Vec::new();
        let mut sum = 0;
        loop {
            let rows = transaction.query_portal(&portal, 4).await.unwrap();
            sum += rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>();
            sizes.push(rows.len());
            if rows.len() < 4 {
                break;
            }
        }
        assert_eq!((sizes, sum), (vec![4, 4, 2], 55));
        // Two portals advance independently.
        let a = transaction.bind("SELECT g FROM generate_series(1, 5) g", &[]).await.unwrap();
        let b = transaction.bind("SELECT g FROM generate_series(101, 105) g", &[]).await.unwrap();
        for step in 1..=5 {
            assert_eq!(transaction.query_portal(&a, 1).await.unwrap()[0].get::<_, i32>(0), step);
            assert_eq!(transaction.query_portal(&b, 1).await.unwrap()[0].get::<_, i32>(0), 100 + step);
        }
        transaction.commit().await.unwrap();
    });
}

#[test]
fn copy_in_and_out() {
    run(async {
        let db = Database::new("copying").await;
        let client = db.connect().await;
        client.batch_execute("CREATE TABLE c (id int PRIMARY KEY, name text)").await.unwrap();
        let mut sink = pin!(client.copy_in::<_, Bytes>("COPY c FROM STDIN").await.unwrap());
        for chunk in 0..100 {
            let rows: String = (0..100).map(|n| format!("{}\tname {n}\n", chunk * 100 + n)).collect();
            sink.as_mut().send(Bytes::from(rows)).await.unwrap();
        }
        assert_eq!(sink.finish().await.unwrap(), 10_000);
        let stream = client.copy_out("COPY c TO STDOUT (FORMAT csv)").await.unwrap();
        let out: Vec<Bytes> = stream.try_collect().await.unwrap();
        let out = out.concat();
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 10_000);
        assert!(out.starts_with(b"0,name 0\n"));

        client.batch_execute("TRUNCATE c").await.unwrap();
        let types = [Type::INT4, Type::TEXT];
        let sink = client.copy_in("COPY c FROM STDIN (FORMAT binary)").await.unwrap();
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for id in 0..1000i32 {
            let name = (id % 7 != 0).then(|| format!("n{id}"));
            writer.as_mut().write(&[&id, &name]).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), 1000);
        let stream =
            client.copy_out("COPY (SELECT * FROM c ORDER BY id) TO STDOUT (FORMAT binary)").await.unwrap();
        let rows: Vec<_> = BinaryCopyOutStream::new(stream, &types).try_collect().await.unwrap();
        assert_eq!(rows.len(), 1000);
        assert_eq!(rows[7].get::<Option<String>>(1), None);
        assert_eq!(rows[999].get::<Option<String>>(1).as_deref(), Some("n999"));

        // Bad data ends the statement, not the connection; so does a client that gives up.
        let mut sink = pin!(client.copy_in::<_, Bytes>("COPY c FROM STDIN").await.unwrap());
        sink.as_mut().send(Bytes::from_static(b"not a number\tx\n")).await.unwrap();
        assert_eq!(sqlstate(&sink.finish().await.unwrap_err()), "22P02");
        {
            let mut sink = pin!(client.copy_in::<_, Bytes>("COPY c FROM STDIN").await.unwrap());
            sink.as_mut().send(Bytes::from_static(b"5000\tx\n")).await.unwrap();
            // Dropped without finish: the driver sends CopyFail.
        }
        assert_eq!(text(&client, "SELECT count(*) FROM c").await, "1000");
    });
}

#[test]
fn pipelined_statements() {
    run(async {
        let db = Database::new("pipeline").await;
        let client = db.connect().await;
        client.batch_execute("CREATE TABLE p (id int PRIMARY KEY, v text)").await.unwrap();
        let insert = client.prepare("INSERT INTO p VALUES ($1, $2)").await.unwrap();
        let select = client.prepare("SELECT v FROM p WHERE id = $1").await.unwrap();
        // Polled together, the requests are sent before the first answer comes.
        let ids: Vec<i32> = (0..200).collect();
        let inserts = futures_util::future::join_all(ids.iter().map(|id| {
            let (client, insert) = (&client, &insert);
            async move { client.execute(insert, &[id, &format!("v{id}")]).await }
        }))
        .await;
        assert!(inserts.iter().all(|r| matches!(r, Ok(1))), "{inserts:?}");
        let rows = futures_util::future::join_all(ids.iter().map(|id| {
            let (client, select) = (&client, &select);
            async move { client.query_one(select, &[id]).await.map(|row| row.get::<_, String>(0)) }
        }))
        .await;
        for (id, row) in ids.iter().zip(rows) {
            assert_eq!(row.unwrap(), format!("v{id}"));
        }
        // An error in the middle fails its own statement and none of its neighbours (each has its own Sync).
        let (before, dup, after) = tokio::join!(
            client.execute(&insert, &[&1000i32, &"before"]),
            client.execute(&insert, &[&5i32, &"dup"]),
            client.execute(&insert, &[&1001i32, &"after"]),
        );
        assert_eq!(before.unwrap(), 1);
        assert_eq!(sqlstate(&dup.unwrap_err()), "23505");
        assert_eq!(after.unwrap(), 1);
    });
}

#[test]
fn transactions_and_savepoints() {
    run(async {
        let db = Database::new("transactions").await;
        let mut client = db.connect().await;
        let other = db.connect().await;
        client.batch_execute("CREATE TABLE t (a int PRIMARY KEY)").await.unwrap();
        {
            let mut outer = client.transaction().await.unwrap();
            outer.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
            assert_eq!(text(&other, "SELECT count(*) FROM t").await, "0");
            {
                let inner = outer.transaction().await.unwrap();
                inner.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
                let error = inner.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
                assert_eq!(sqlstate(&error), "23505");
                let error = inner.execute("SELECT 1", &[]).await.unwrap_err();
                assert_eq!(sqlstate(&error), "25P02");
                inner.rollback().await.unwrap();
            }
            outer.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap();
            outer.commit().await.unwrap();
        }
        assert_eq!(text(&other, "SELECT string_agg(a::text, ',' ORDER BY a) FROM t").await, "1,3");
        {
            let dropped = client.transaction().await.unwrap();
            dropped.execute("DELETE FROM t", &[]).await.unwrap();
        }
        assert_eq!(text(&client, "SELECT count(*) FROM t").await, "2");
        // A lost update is refused under REPEATABLE READ.
        other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t").await.unwrap();
        client.batch_execute("UPDATE t SET a = 10 WHERE a = 1").await.unwrap();
        let error = other.batch_execute("UPDATE t SET a = 11 WHERE a = 1").await.unwrap_err();
        assert_eq!(sqlstate(&error), "40001");
        other.batch_execute("ROLLBACK").await.unwrap();
    });
}

#[test]
fn waiting_writers_and_deadlocks() {
    run(async {
        let db = Database::new("waiting").await;
        let (a, b) = (db.connect().await, db.connect().await);
        a.batch_execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)")
            .await
            .unwrap();
        // The second writer waits for the first and adds to what it wrote.
        a.batch_execute("BEGIN; UPDATE t SET v = v + 1 WHERE id = 1").await.unwrap();
        let waiting = b.batch_execute("UPDATE t SET v = v + 10 WHERE id = 1");
        let (waited, commit) = tokio::join!(waiting, a.batch_execute("COMMIT"));
        waited.unwrap();
        commit.unwrap();
        assert_eq!(text(&a, "SELECT v FROM t WHERE id = 1").await, "11");
        // A unique key waits for the other transaction's end.
        a.batch_execute("BEGIN; INSERT INTO t VALUES (3, 0)").await.unwrap();
        let (second, rollback) =
            tokio::join!(b.batch_execute("INSERT INTO t VALUES (3, 1)"), a.batch_execute("ROLLBACK"));
        rollback.unwrap();
        second.unwrap();
        // A circle of waits is broken at one of its members.
        for client in [&a, &b] {
            client.batch_execute("SET deadlock_timeout = '50ms'; BEGIN").await.unwrap();
        }
        a.batch_execute("UPDATE t SET v = 1 WHERE id = 1").await.unwrap();
        b.batch_execute("UPDATE t SET v = 2 WHERE id = 2").await.unwrap();
        let (left, right) = tokio::join!(
            a.batch_execute("UPDATE t SET v = 1 WHERE id = 2; COMMIT"),
            b.batch_execute("UPDATE t SET v = 2 WHERE id = 1; COMMIT"),
        );
        let states: Vec<String> =
            [&left, &right].iter().filter_map(|r| r.as_ref().err()).map(|e| sqlstate(e).to_owned()).collect();
        assert_eq!(states, ["40P01"], "{left:?} {right:?}");
        // lock_timeout and NOWAIT do not wait.
        for client in [&a, &b] {
            client.batch_execute("ROLLBACK").await.ok();
        }
        a.batch_execute("BEGIN; UPDATE t SET v = 5 WHERE id = 1").await.unwrap();
        let error = b.batch_execute("SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT").await.unwrap_err();
        assert_eq!(sqlstate(&error), "55P03");
        let error =
            b.batch_execute("SET lock_timeout = '20ms'; UPDATE t SET v = 6 WHERE id = 1").await.unwrap_err();
        assert_eq!(sqlstate(&error), "55P03");
        assert_eq!(text(&b, "SELECT count(*) FROM (SELECT * FROM t FOR UPDATE SKIP LOCKED) x").await, "2");
    });
}

#[test]
fn errors_carry_all_fields() {
    run(async {
        let db = Database::new("errors").await;
        let client = db.connect().await;
        client
            .batch_execute("CREATE TABLE e (id int PRIMARY KEY, n int NOT NULL, c int CONSTRAINT positive CHECK (c > 0))")
            .await
            .unwrap();
        let error = client.execute("INSERT INTO e VALUES (1, NULL)", &[]).await.unwrap_err();
        let db_error = error.as_db_error().unwrap();
        assert_eq!(db_error.code().code(), "23502");
        assert_eq!(db_error.severity(), "ERROR");
        assert_eq!(
            (db_error.schema(), db_error.table(), db_error.column()),
            (Some("public"), Some("e"), Some("n"))
        );
        assert!(db_error.detail().is_some_and(|d| d.starts_with("Failing row contains")));
        let error = client.execute("INSERT INTO e VALUES (1, 1, -1)", &[]).await.unwrap_err();
        assert_eq!(error.as_db_error().unwrap().constraint(), Some("positive"));
        client.execute("INSERT INTO e VALUES (1, 1)", &[]).await.unwrap();
        let error = client.execute("INSERT INTO e VALUES (1, 2)", &[]).await.unwrap_err();
        let db_error = error.as_db_error().unwrap();
        assert_eq!(db_error.message(), "duplicate key value violates unique constraint \"e_pkey\"");
        assert_eq!(db_error.detail(), Some("Key (id)=(1) already exists."));
        assert_eq!(db_error.constraint(), Some("e_pkey"));
        let error = client.simple_query("SELECT 1, nosuch FROM e").await.unwrap_err();
        let db_error = error.as_db_error().unwrap();
        assert_eq!(db_error.code().code(), "42703");
        assert_eq!(db_error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(11)));
        let error = client.query("SELECT 1 / $1::int", &[&0i32]).await.unwrap_err();
        assert_eq!(sqlstate(&error), "22012");
        let error = connect(&shared_server().url("no_such_database")).await.map(drop).unwrap_err();
        assert_eq!(sqlstate(&error), "3D000");
    });
}

#[test]
fn simple_protocol_runs_many_statements() {
    run(async {
        let db = Database::new("simple").await;
        let client = db.connect().await;
        let sql =
            "CREATE TABLE s (a int); INSERT INTO s VALUES (1), (2); SELECT a FROM s ORDER BY a; ; SELECT 'x'";
        let messages = client.simple_query(sql).await.unwrap();
        let shape: String = messages
            .iter()
            .map(|m| match m {
                SimpleQueryMessage::Row(_) => 'R',
                SimpleQueryMessage::CommandComplete(_) => 'C',
                SimpleQueryMessage::RowDescription(_) => 'D',
                _ => '?',
            })
            .collect();
        assert_eq!(shape, "CCDRRCDRC");
        // One failed statement undoes those sent with it.
        client
            .simple_query("INSERT INTO s VALUES (3); SELECT 1 / 0; INSERT INTO s VALUES (4)")
            .await
            .unwrap_err();
        assert_eq!(text(&client, "SELECT count(*) FROM s").await, "2");
        for nothing in ["", " ; ", "-- a comment"] {
            let messages = client.simple_query(nothing).await.unwrap();
            assert!(
                messages.iter().all(|m| matches!(m, SimpleQueryMessage::CommandComplete(0))),
                "{messages:?}"
            );
        }
    });
}

#[test]
fn queries_can_be_cancelled() {
    run(async {
        let db = Database::new("cancelling").await;
        let client = db.connect().await;
        client.batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
        let holder = db.connect().await;
        holder.batch_execute("BEGIN; UPDATE t SET id = 2").await.unwrap();
        // Cancelled while it sleeps, computes, and waits for a lock. A cancellation that arrives before its statement
        // has started is lost, as in PostgreSQL, so it is repeated.
        let endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b";
        for sql in ["SELECT pg_sleep(3600)", endless, "UPDATE t SET id = 3"] {
            let token = client.cancel_token();
            let canceller = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    token.cancel_query(tokio_postgres::NoTls).await.ok();
                }
            });
            let outcome = tokio::time::timeout(ANSWER, client.simple_query(sql)).await;
            canceller.abort();
            let error = outcome.unwrap_or_else(|_| panic!("{sql}: not cancelled")).unwrap_err();
            assert_eq!(sqlstate(&error), "57014", "{sql}");
            // One more request may be on its way and hit the next statement.
            while let Err(e) = client.simple_query("SELECT 1").await {
                assert_eq!(sqlstate(&e), "57014");
            }
        }
        let error =
            client.simple_query("SET statement_timeout = '50ms'; SELECT pg_sleep(3600)").await.unwrap_err();
        assert_eq!(sqlstate(&error), "57014");
    });
}

#[test]
fn settings_are_reported() {
    run(async {
        let server = shared_server();
        let url = server.url("postgres");
        let (client, mut connection) =
            tokio_postgres::connect(&format!("{url} application_name=reported"), tokio_postgres::NoTls)
                .await
                .unwrap();
        assert!(connection.parameter("server_version").is_some_and(|v| v.starts_with("15")));
        assert_eq!(connection.parameter("client_encoding"), Some("UTF8"));
        assert_eq!(connection.parameter("integer_datetimes"), Some("on"));
        assert_eq!(connection.parameter("standard_conforming_strings"), Some("on"));
        assert!(connection.parameter("TimeZone").is_some());
        let mut notices = Vec::new();
        let talk = async {
            client
                .batch_execute("DROP TABLE IF EXISTS nosuch_table; SET timezone = 'Asia/Tokyo'")
                .await
                .unwrap();
            assert_eq!(text(&client, "SHOW application_name").await, "reported");
            drop(client);
        };
        let drive = async {
            let mut messages = pin!(futures_util::stream::poll_fn(|cx| connection.poll_message(cx)));
            while let Some(message) = messages.next().await {
                if let tokio_postgres::AsyncMessage::Notice(notice) = message.unwrap() {
                    notices.push(notice);
                }
            }
        };
        tokio::join!(talk, drive);
        assert_eq!(connection.parameter("TimeZone"), Some("Asia/Tokyo"));
        let messages: Vec<&str> = notices.iter().map(|n| n.message()).collect();
        assert_eq!(messages, ["table \"nosuch_table\" does not exist, skipping"]);
    });
}

#[test]
fn many_connections_at_once() {
    run(async {
        let db = Database::new("many").await;
        let first = db.connect().await;
        first.batch_execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)").await.unwrap();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let url = db.url();
                tokio::spawn(async move {
                    let client = connect(&url).await.unwrap();
                    for _ in 0..5 {
                        client.batch_execute("UPDATE counter SET n = n + 1").await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(text(&first, "SELECT n FROM counter").await, "250");
    });
}
