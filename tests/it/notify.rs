//! LISTEN and NOTIFY between sessions: when notifications come, in which order, and who gets them.

use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::support::{ANSWER, Database, connect, run};

/// A connection with what it is notified of.
async fn listener(url: &str) -> (Client, UnboundedReceiver<(i32, String)>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(n) = message {
                let text = format!("{}:{}", n.channel(), n.payload());
                if sender.send((n.process_id(), text)).is_err() {
                    return;
                }
            }
        }
    });
    (client, receiver)
}

async fn next(from: &mut UnboundedReceiver<(i32, String)>) -> String {
    let got = tokio::time::timeout(ANSWER, from.recv()).await.expect("a notification comes in time");
    got.expect("the connection lives").1
}

async fn pid(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

#[test]
fn an_idle_session_hears_at_once_and_one_in_a_transaction_after_it() {
    run(async {
        let db = Database::new("notify_idle").await;
        let (hearer, mut heard) = listener(&db.url()).await;
        let sender = connect(&db.url()).await.unwrap();
        hearer.batch_execute("LISTEN a").await.unwrap();
        sender.batch_execute("NOTIFY a, 'one'; NOTIFY other, 'no'").await.unwrap();
        let (from, text) = tokio::time::timeout(ANSWER, heard.recv()).await.unwrap().unwrap();
        assert_eq!((from, text.as_str()), (pid(&sender).await, "a:one"));

        // Neither before the commit, nor of what was rolled back.
        sender
            .batch_execute(
                "BEGIN; NOTIFY a, 'two'; NOTIFY a, 'two'; SAVEPOINT s; NOTIFY a, 'undone'; ROLLBACK TO s",
            )
            .await
            .unwrap();
        sender.batch_execute("COMMIT; BEGIN; NOTIFY a, 'gone'; ROLLBACK; NOTIFY a, 'three'").await.unwrap();
        assert_eq!((next(&mut heard).await, next(&mut heard).await), ("a:two".into(), "a:three".into()));

        hearer.batch_execute("BEGIN; SELECT 1").await.unwrap();
        sender.execute("SELECT pg_notify('a', $1)", &[&"later"]).await.unwrap();
        hearer.batch_execute("SELECT 2").await.unwrap();
        assert!(heard.try_recv().is_err(), "heard inside a transaction");
        hearer.batch_execute("COMMIT").await.unwrap();
        assert_eq!(next(&mut heard).await, "a:later");

        hearer.batch_execute("UNLISTEN a; LISTEN b").await.unwrap();
        sender.batch_execute("NOTIFY a; NOTIFY b").await.unwrap();
        assert_eq!(next(&mut heard).await, "b:");
    });
}

#[test]
fn channels_are_of_one_database() {
    run(async {
        let (db, other) = (Database::new("notify_here").await, Database::new("notify_there").await);
        let (hearer, mut heard) = listener(&db.url()).await;
        hearer.batch_execute("LISTEN a").await.unwrap();
        let there = connect(&other.url()).await.unwrap();
        there.batch_execute("NOTIFY a, 'there'").await.unwrap();
        let here = connect(&db.url()).await.unwrap();
        here.batch_execute("NOTIFY a, 'here'").await.unwrap();
        assert_eq!(next(&mut heard).await, "a:here");
    });
}

/// Each listener gets all notifications in the order of the senders' commits, which a counter under a row lock tells.
#[test]
fn many_senders_are_heard_in_the_order_of_their_commits() {
    const SENDERS: usize = 6;
    const EACH: usize = 40;
    run(async {
        let db = Database::new("notify_many").await;
        let setup = connect(&db.url()).await.unwrap();
        setup.batch_execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)").await.unwrap();
        let mut hearers = vec![];
        for _ in 0..3 {
            let (client, heard) = listener(&db.url()).await;
            client.batch_execute("LISTEN n").await.unwrap();
            hearers.push((client, heard));
        }
        let mut senders = vec![];
        for _ in 0..SENDERS {
            let client = connect(&db.url()).await.unwrap();
            senders.push(tokio::spawn(async move {
                for _ in 0..EACH {
                    client
                        .batch_execute(
                            "BEGIN; UPDATE counter SET n = n + 1; SELECT pg_notify('n', n::text) FROM counter; COMMIT",
                        )
                        .await
                        .unwrap();
                }
            }));
        }
        for sender in senders {
            sender.await.unwrap();
        }
        for (_, heard) in &mut hearers {
            for n in 1..=SENDERS * EACH {
                assert_eq!(next(heard).await, format!("n:{n}"));
            }
        }
    });
}
