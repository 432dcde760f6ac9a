//! What the session tests share: a server without sockets on the fault-injecting disk, with one session.
#![allow(dead_code)]

use bytes::BytesMut;
use quarry_catalog::Catalog;
use quarry_common::Result;
use quarry_common::settings::Settings;
use quarry_session::{Instance, Request, Session, SessionStart, Step, Values};
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::{Config, Storage};
use std::sync::Arc;

pub fn config() -> Config {
    Config {
        shared_buffers_bytes: 4 << 20,
        wal_segment_bytes: 1 << 20,
        max_wal_size_bytes: 8 << 20,
        on_fatal: Some(Arc::new(|_| ())),
        ..Config::default()
    }
}

pub fn open(disk: &FaultDisk) -> Result<Arc<Storage>> {
    Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, config())
}

/// A server on a disk, with one session.
pub struct Server {
    pub storage: Arc<Storage>,
    pub catalog: Arc<Catalog>,
    pub session: Session,
}

impl Server {
    pub fn start(storage: Arc<Storage>) -> Result<Server> {
        let catalog = Catalog::open(&storage)?;
        let verifier: quarry_session::PasswordVerifier = |text| Ok(text.to_string());
        let data = std::env::temp_dir();
        let instance = Instance::new(storage.clone(), catalog.clone(), Settings::default(), data, verifier);
        let start = SessionStart {
            user: "postgres".to_string(),
            database: "postgres".to_string(),
            settings: vec![],
            client_address: None,
        };
        let session = Session::start(instance, start, &mut BytesMut::new())?;
        Ok(Server { storage, catalog, session })
    }

    /// Runs statements; the messages that came, each as its text. Fails if the disk is dead.
    pub fn run(&mut self, sql: &str) -> Result<Vec<String>> {
        self.send([Request::Query(sql)])
    }

    /// The same with notices among the messages.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub fn run_with_notices(&mut self, sql: &str) -> Result<Vec<String>> {
        let mut out = BytesMut::new();
        self.message(Request::Query(sql), &mut out)?;
        Ok(messages_of(&out, b"DCEN"))
    }

    /// Sends a text as drivers do: Parse, Bind, Execute without names, and Sync.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub fn execute(&mut self, sql: &str, params: &[&str]) -> Result<Vec<String>> {
        let values: Vec<_> = params.iter().map(|p| Some(p.as_bytes())).collect();
        let wire = Values::to_wire(&values);
        let bind = Request::Bind {
            portal: "",
            statement: "",
            param_formats: Default::default(),
            params: Values::new(values.len(), &wire),
            result_formats: Default::default(),
        };
        let parse = Request::Parse { name: "", sql, param_types: vec![] };
        self.send([parse, bind, Request::Execute { portal: "", max_rows: 0 }, Request::Sync])
    }

    fn send<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> Result<Vec<String>> {
        let mut out = BytesMut::new();
        for request in requests {
            self.message(request, &mut out)?;
        }
        self.storage.fatal().check()?;
        Ok(messages(&out))
    }

    fn message(&mut self, request: Request<'_>, out: &mut BytesMut) -> Result<()> {
        let mut step = self.session.handle(&request, out);
        loop {
            step = match step {
                Step::Ready | Step::Closed => break,
                Step::More => self.session.resume(out),
                Step::WaitDurable(lsn) => {
                    self.storage.wal().wait_durable_blocking(lsn)?;
                    self.session.resume(out)
                }
            };
        }
        Ok(())
    }
}

/// Type and printable text of every backend message but ReadyForQuery.
fn messages(out: &[u8]) -> Vec<String> {
    messages_of(out, b"DCE")
}

fn messages_of(mut out: &[u8], kinds: &[u8]) -> Vec<String> {
    let mut all = vec![];
    while let [kind, a, b, c, d, rest @ ..] = out {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let (body, next) = rest.split_at(len);
        if kinds.contains(kind) {
            let text: String = body
                .iter()
                .map(|b| if b.is_ascii_graphic() || *b == b' ' { *b as char } else { '.' })
                .collect();
            all.push(format!("{} {text}", *kind as char));
        }
        out = next;
    }
    all
}

pub fn failed(messages: &[String]) -> bool {
    messages.iter().any(|m| m.starts_with('E'))
}
