//! COPY from and to a client that costs little itself: messages of a megabyte in, nothing decoded out.

use std::hash::{DefaultHasher, Hasher};
use std::io::Read;

use quarry_testkit::psql::Target;

use crate::raw::{Connection, Login};

/// Bytes of one CopyData message.
const MESSAGE_BYTES: usize = 1 << 20;

/// Sends a file's bytes to `COPY ... FROM STDIN`.
pub fn copy_in(target: &Target, database: &str, sql: &str, mut from: impl Read) -> Result<(), String> {
    let mut connection = Connection::open(target, database, Login::TRUSTED)?;
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
    let mut connection = Connection::open(target, database, Login::TRUSTED)?;
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
