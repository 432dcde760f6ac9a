//! Connections whose messages are seen as they are: for clients that cost little themselves.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use quarry_testkit::psql::Target;
use quarry_testkit::server::startup_message;
use quarry_testkit::wire::read_message;

use crate::tools::PATIENCE;

/// What the server asks for besides the rest of SASL's exchange.
const SASL_BEGIN: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The role.
    pub user: &'a str,
    /// Given by SCRAM-SHA-256 if the server asks for it.
    pub password: &'a str,
}

impl Login<'_> {
    /// The superuser, of whom no password is asked.
    pub const TRUSTED: Login<'static> = Login { user: "postgres", password: "" };
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Connection {
    /// Connects and waits until the server is ready for a query.
    pub fn open(target: &Target, database: &str, login: Login<'_>) -> Result<Connection, String> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let writer = stream.try_clone().map_err(|e| e.to_string())?;
        let mut connection = Connection { reader: BufReader::with_capacity(1 << 16, stream), writer };
        connection.write(&startup_message(&[("user", login.user), ("database", database)]))?;
        connection.authenticate(login)?;
        Ok(connection)
    }

    /// Answers what the server asks for until it is ready.
    fn authenticate(&mut self, login: Login<'_>) -> Result<(), String> {
        let mut scram = None;
        loop {
            let (kind, body) = self.next()?;
            if kind == b'Z' {
                return Ok(());
            }
            let (b'R', Some((what, rest))) = (kind, body.split_first_chunk()) else { continue };
            match i32::from_be_bytes(*what) {
                0 => {}
                SASL_BEGIN => {
                    let begun = ScramSha256::new(login.password.as_bytes(), ChannelBinding::unsupported());
                    let first = begun.message();
                    let length = (first.len() as u32).to_be_bytes();
                    self.message(b'p', &[SCRAM_SHA_256.as_bytes(), b"\0", &length, first].concat())?;
                    scram = Some(begun);
                }
                SASL_CONTINUE => {
                    let begun: &mut ScramSha256 = scram.as_mut().ok_or("SASL goes on before it began")?;
                    begun.update(rest).map_err(|e| e.to_string())?;
                    let answer = begun.message().to_vec();
                    self.message(b'p', &answer)?;
                }
                SASL_FINAL => {
                    let mut begun: ScramSha256 = scram.take().ok_or("SASL ends before it began")?;
                    begun.finish(rest).map_err(|e| e.to_string())?;
                }
                other => return Err(format!("the server asks for authentication of kind {other}")),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.writer.write_all(bytes).map_err(|e| e.to_string())
    }

    /// Sends a message.
    pub fn message(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        let mut head = [kind, 0, 0, 0, 0];
        head[1..].copy_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        if body.len() > 1 << 12 {
            self.write(&head)?;
            return self.write(body);
        }
        self.write(&[&head, body].concat())
    }

    /// Sends a Query message.
    pub fn query(&mut self, sql: &str) -> Result<(), String> {
        self.message(b'Q', &[sql.as_bytes(), b"\0"].concat())
    }

    /// The next message; an error that the server reports is ours.
    pub fn next(&mut self) -> Result<(u8, Vec<u8>), String> {
        let (kind, body) = read_message(&mut self.reader).ok_or("the connection is gone")?;
        if kind == b'E' {
            let message = body.split(|b| *b == 0).find_map(|field| field.strip_prefix(b"M"));
            return Err(String::from_utf8_lossy(message.unwrap_or(&body)).into_owned());
        }
        Ok((kind, body))
    }

    /// Reads up to a message of this kind.
    pub fn wait_for(&mut self, wanted: u8) -> Result<(), String> {
        while self.next()?.0 != wanted {}
        Ok(())
    }

    /// Says goodbye.
    pub fn close(mut self) -> Result<(), String> {
        self.message(b'X', &[])
    }
}
