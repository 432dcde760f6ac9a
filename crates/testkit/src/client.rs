//! A client that sends a query and waits for its whole answer, for loads of many statements: no thread and no channel
//! behind a connection, unlike [`crate::wire`], whose messages it understands.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::psql::Target;
use crate::server::startup_message;
use crate::wire::{Message, Report, decode, read_message};

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As a Query message.
    Simple,
    /// By Parse, Bind, Execute and Sync, unnamed.
    Extended,
}

/// A query's answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub rows: Vec<Vec<Option<String>>>,
    /// The last command's tag.
    pub tag: String,
    /// The first error.
    pub error: Option<Report>,
}

/// One connection, used by one thread.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// The server's process (or session) id.
    pub pid: i32,
}

impl Client {
    /// Connects as `postgres` to a server that asks for no password. An answer that takes longer than `patience` counts as a
    /// broken connection.
    pub fn connect(target: &Target, database: &str, patience: Duration) -> Result<Client, String> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
        let mut writer = stream.try_clone().map_err(|e| e.to_string())?;
        let parameters = [("user", "postgres"), ("database", database)];
        writer.write_all(&startup_message(&parameters)).map_err(|e| e.to_string())?;
        let mut client = Client { reader: BufReader::new(stream), writer, pid: 0 };
        loop {
            let (kind, body) = read_message(&mut client.reader).ok_or("the server closed the connection")?;
            match kind {
                b'R' if body.first_chunk() != Some(&[0; 4]) => {
                    return Err("the server asks for a password".to_owned());
                }
                b'K' => client.pid = body.first_chunk().map_or(0, |b| i32::from_be_bytes(*b)),
                b'E' => {
                    let Some(Message::Error(report)) = decode(kind, &body) else { continue };
                    return Err(report.message);
                }
                b'Z' => return Ok(client),
                _ => {}
            }
        }
    }

    /// Runs a statement. An `Err` says that the connection is gone; what the server refuses is in the answer.
    pub fn run(&mut self, sql: &str, protocol: Protocol) -> Result<Answer, String> {
        let mut bytes = Vec::with_capacity(sql.len() + 64);
        match protocol {
            Protocol::Simple => push(&mut bytes, b'Q', &[sql.as_bytes(), b"\0"]),
            Protocol::Extended => {
                // No name, no parameter types.
                push(&mut bytes, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"]);
                // No names, formats, values or result formats.
                push(&mut bytes, b'B', &[b"\0\0\0\0\0\0\0\0"]);
                push(&mut bytes, b'E', &[b"\0\0\0\0\0"]);
                push(&mut bytes, b'S', &[]);
            }
        }
        self.writer.write_all(&bytes).map_err(|e| e.to_string())?;
        let mut answer = Answer::default();
        loop {
            let (kind, body) = read_message(&mut self.reader).ok_or("the connection is gone")?;
            match decode(kind, &body).ok_or("a message that can't be read")? {
                Message::Row(row) => answer.rows.push(row),
                Message::Done(tag) => answer.tag = tag,
                // A FATAL error is followed by the connection's end.
                Message::Error(report) => answer.error = answer.error.or(Some(report)),
                Message::Ready(_) => return Ok(answer),
                _ => {}
            }
        }
    }
}

fn push(bytes: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    bytes.push(kind);
    bytes.extend_from_slice(&(length as u32 + 4).to_be_bytes());
    parts.iter().for_each(|p| bytes.extend_from_slice(p));
}

impl Drop for Client {
    fn drop(&mut self) {
        self.writer.write_all(&[b'X', 0, 0, 0, 4]).ok();
        self.writer.shutdown(std::net::Shutdown::Write).ok();
    }
}
