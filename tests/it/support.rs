//! What several modules of the integration tests use: a shared server, connections, a runtime.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use quarry_testkit::server::{Options, Server};
use tokio_postgres::{Client, NoTls};

/// How long a single answer may take before a test gives up (a debug build on a busy machine is slow).
pub const ANSWER: Duration = Duration::from_secs(60);

/// A server that tests running at the same time share; it ends with the last test that holds it.
///
/// A static owner would never be dropped, and would leave a process behind.
pub fn shared_server() -> Arc<Server> {
    static CURRENT: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut current = CURRENT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(server) = current.upgrade() {
        return server;
    }
    let server = Arc::new(Server::fresh_with("shared", &Options::default().with("fsync", "off")));
    *current = Arc::downgrade(&server);
    server
}

/// Runs a test's future on a runtime of its own, within a limit.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(300), test).await.expect("the test ends within five minutes")
    })
}

/// Connects, and lets a task drive the connection.
pub async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // The client reports what went wrong to whoever uses it.
        connection.await.ok();
    });
    Ok(client)
}

/// A database made for one test on the shared server.
pub struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    /// Makes a new, empty database.
    pub async fn new(name: &str) -> Database {
        let server = shared_server();
        let admin = connect(&server.url("postgres")).await.expect("the server accepts connections");
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database can be made");
        Database { server, name: name.to_owned() }
    }

    /// A new connection to it.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await.expect("the server accepts connections")
    }

    /// Its connection string.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }
}

/// The SQLSTATE of an error that the server sent.
pub fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("(not from the server)", |code| code.code())
}

/// The first column of the first row of a simple query.
pub async fn text(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    for message in messages {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            return row.get(0).unwrap_or("NULL").to_owned();
        }
    }
    panic!("{sql}: no row");
}

/// Asks until the answer is `wanted`; two minutes at most.
pub async fn until(client: &Client, sql: &str, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let now = text(client, sql).await;
        if now == wanted {
            return;
        }
        assert!(Instant::now() < end, "{sql}: {now}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
