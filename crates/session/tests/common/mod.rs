//! What the session tests share: a server without sockets on the fault-injecting disk, with one session.
#![allow(dead_code)]

use bytes::BytesMut;
use quarry_catalog::Catalog;
use quarry_common::Result;
use quarry_common::settings::Settings;
use quarry_session::{Instance, Request, Session, SessionStart, Step};
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
        let mut out = BytesMut::new();
        let mut step = self.session.handle(Request::Query(sql), &mut out);
        loop {
            step = match step {
                Step::Ready | Step::Closed => break,
                Step::More => self.session.resume(&mut out),
                Step::WaitDurable(lsn) => {
                    self.storage.wal().wait_durable_blocking(lsn)?;
                    self.session.resume(&mut out)
                }
            };
        }
        self.storage.fatal().check()?;
        Ok(messages(&out))
    }
}

/// Type and printable text of every backend message but ReadyForQuery.
fn messages(mut out: &[u8]) -> Vec<String> {
    let mut all = vec![];
    while let [kind, a, b, c, d, rest @ ..] = out {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let (body, next) = rest.split_at(len);
        if matches!(kind, b'D' | b'C' | b'E') {
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
