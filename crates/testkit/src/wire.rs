//! A small client that speaks the protocol's simple queries, for runners that must see every message as it comes: results,
//! errors, notices and notifications in their order, while several connections wait at the same time.
//!
//! A connection's messages are sent, with its number, to a channel that all connections of a runner may share. Only servers
//! that ask for no password are understood.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::Sender;

use crate::psql::Target;
use crate::server::startup_message;

/// Longest message that is taken for one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// An error or a notice, by its fields.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub severity: String,
    pub code: String,
    pub message: String,
    pub detail: String,
    pub hint: String,
}

/// A column of a result.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
}

/// What a server says.
#[derive(Debug, Clone)]
pub enum Message {
    Columns(Vec<Column>),
    Row(Vec<Option<String>>),
    /// The tag of a command that ended well.
    Done(String),
    Error(Report),
    Notice(Report),
    Notification {
        pid: i32,
        channel: String,
        payload: String,
    },
    /// Ready for the next query; the transaction block's state: `I`, `T` or `E`.
    Ready(u8),
    /// Messages that say nothing to a reader.
    Other(u8),
    /// The connection is at its end.
    Closed,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The server's process (or session) id.
    pub pid: i32,
}

impl Connection {
    /// Connects as `postgres`; later messages go to `sender`, marked with `number`.
    pub fn open(
        target: &Target,
        parameters: &[(&str, &str)],
        number: usize,
        sender: Sender<(usize, Message)>,
    ) -> Result<Connection, String> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let mut writer = stream.try_clone().map_err(|e| e.to_string())?;
        let mut reader = BufReader::new(stream);
        writer.write_all(&startup_message(parameters)).map_err(|e| e.to_string())?;
        let mut pid = 0;
        loop {
            let (kind, body) = read_message(&mut reader).ok_or("the server closed the connection")?;
            match kind {
                b'R' if body.first_chunk() != Some(&[0; 4]) => {
                    return Err("the server asks for a password".to_owned());
                }
                b'K' => pid = body.first_chunk().map_or(0, |b| i32::from_be_bytes(*b)),
                b'E' => return Err(report(&body).message),
                b'Z' => break,
                _ => {}
            }
        }
        std::thread::spawn(move || {
            while let Some((kind, body)) = read_message(&mut reader) {
                let message = decode(kind, &body).unwrap_or(Message::Closed);
                if sender.send((number, message)).is_err() {
                    return;
                }
            }
            sender.send((number, Message::Closed)).ok();
        });
        Ok(Connection { stream: writer, pid })
    }

    /// Sends a query string, which may hold several statements.
    pub fn send(&mut self, sql: &str) -> Result<(), String> {
        let mut message = vec![b'Q'];
        message.extend_from_slice(&(sql.len() as u32 + 5).to_be_bytes());
        message.extend_from_slice(sql.as_bytes());
        message.push(0);
        self.stream.write_all(&message).map_err(|e| e.to_string())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Terminate; the reader's thread ends with the connection.
        self.stream.write_all(&[b'X', 0, 0, 0, 4]).ok();
        self.stream.shutdown(std::net::Shutdown::Write).ok();
    }
}

/// The next message, undecoded; none at the connection's end.
pub fn read_message(reader: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    reader.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let length = length.checked_sub(4).filter(|l| *l <= MESSAGE_BYTES_MAX)?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

/// What a message says; none if it is malformed.
pub(crate) fn decode(kind: u8, body: &[u8]) -> Option<Message> {
    let mut at = Cursor(body);
    Some(match kind {
        b'T' => {
            let count = at.u16()?;
            let mut columns = Vec::new();
            for _ in 0..count {
                let name = at.text()?;
                at.skip(6)?;
                let type_oid = at.u32()?;
                at.skip(8)?;
                columns.push(Column { name, type_oid });
            }
            Message::Columns(columns)
        }
        b'D' => {
            let count = at.u16()?;
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(match at.u32()? {
                    u32::MAX => None,
                    length => Some(String::from_utf8_lossy(at.skip(length as usize)?).into_owned()),
                });
            }
            Message::Row(values)
        }
        b'C' => Message::Done(at.text()?),
        b'E' => Message::Error(report(body)),
        b'N' => Message::Notice(report(body)),
        b'A' => Message::Notification { pid: at.u32()? as i32, channel: at.text()?, payload: at.text()? },
        b'Z' => Message::Ready(*body.first()?),
        other => Message::Other(other),
    })
}

fn report(body: &[u8]) -> Report {
    let mut report = Report::default();
    for field in body.split(|b| *b == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'S' => report.severity = text,
            b'C' => report.code = text,
            b'M' => report.message = text,
            b'D' => report.detail = text,
            b'H' => report.hint = text,
            _ => {}
        }
    }
    report
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn skip(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    fn u16(&mut self) -> Option<u16> {
        self.skip(2)?.first_chunk().map(|b| u16::from_be_bytes(*b))
    }
    fn u32(&mut self) -> Option<u32> {
        self.skip(4)?.first_chunk().map(|b| u32::from_be_bytes(*b))
    }
    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        Some(text)
    }
}
