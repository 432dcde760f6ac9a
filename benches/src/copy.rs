//! COPY from and to a client that costs little itself: messages of a megabyte in, nothing decoded out.

use std::hash::{DefaultHasher, Hasher};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use quarry_testkit::psql::Target;
use quarry_testkit::server::startup_message;
use quarry_testkit::wire::read_message;

use crate::tools::PATIENCE;

/// Bytes of one CopyData message.
const MESSAGE_BYTES: usize = 1 << 20;

struct Connection {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Connection {
    fn open(target: &Target, database: &str) -> Result<Connection, String> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let writer = stream.try_clone().map_err(|e| e.to_string())?;
        let mut connection = Connection { reader: BufReader::with_capacity(1 << 18, stream), writer };
        connection.write(&startup_message(&[("user", "postgres"), ("database", database)]))?;
        connection.wait_for(b'Z')?;
        Ok(connection)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.writer.write_all(bytes).map_err(|e| e.to_string())
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        let mut head = [kind, 0, 0, 0, 0];
        head[1..].copy_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        self.write(&head)?;
        self.write(body)
    }

    fn query(&mut self, sql: &str) -> Result<(), String> {
        self.message(b'Q', &[sql.as_bytes(), b"\0"].concat())
    }

    /// The next message; an error that the server reports is ours.
    fn next(&mut self) -> Result<(u8, Vec<u8>), String> {
        let (kind, body) = read_message(&mut self.reader).ok_or("the connection is gone")?;
        if kind == b'E' {
            let message = body.split(|b| *b == 0).find_map(|field| field.strip_prefix(b"M"));
            return Err(String::from_utf8_lossy(message.unwrap_or(&body)).into_owned());
        }
        Ok((kind, body))
    }

    fn wait_for(&mut self, wanted: u8) -> Result<(), String> {
        while self.next()?.0 != wanted {}
        Ok(())
    }
}

/// Sends a file's bytes to `COPY ... FROM STDIN`.
pub fn copy_in(target: &Target, database: &str, sql: &str, mut from: impl Read) -> Result<(), String> {
    let mut connection = Connection::open(target, database)?;
    connection.query(sql)?;
    connection.wait_for(b'G')?;
    let mut buffer = vec![0; MESSAGE_BYTES];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]).map_err(|e| e.to_string())? {
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            break;
        }
        connection.message(b'd', &buffer[..filled])?;
    }
    connection.message(b'c', &[])?;
    connection.wait_for(b'Z')
}

/// What came out of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the rows.
    pub bytes: u64,
    /// A hash of them, in their order.
    pub hash: u64,
}

/// Reads all that `COPY ... TO STDOUT` sends. Hashing takes time of its own: `hashed` says whether it is wanted.
pub fn copy_out(target: &Target, database: &str, sql: &str, hashed: bool) -> Result<Copied, String> {
    let mut connection = Connection::open(target, database)?;
    connection.query(sql)?;
    let (mut bytes, mut hasher) = (0, DefaultHasher::new());
    loop {
        match connection.next()? {
            (b'd', row) => {
                bytes += row.len() as u64;
                if hashed {
                    hasher.write(&row);
                }
            }
            (b'Z', _) => return Ok(Copied { bytes, hash: hasher.finish() }),
            _ => {}
        }
    }
}
