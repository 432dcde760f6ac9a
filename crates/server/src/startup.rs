//! The first bytes of a connection: encryption requests, cancel requests, start-up parameters.

use crate::frame::utf8;
use bytes::{Buf, BytesMut};
use quarry_common::{Error, Result, Severity, bail, err};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// Longest start-up packet (PostgreSQL: MAX_STARTUP_PACKET_LENGTH), in bytes.
const STARTUP_BYTES_MAX: usize = 10_000;

/// What a connection turned out to want.
#[derive(Debug)]
pub enum Startup {
    /// A session with these parameters.
    Session(StartupParams),
    /// Cancel the statement of another session.
    Cancel { pid: i32, secret: i32 },
    /// The client went away, or only tested the port.
    Gone,
}

/// Start-up parameters.
#[derive(Debug, Default, Clone)]
pub struct StartupParams {
    pub user: String,
    pub database: String,
    /// Settings, in the order sent; `options` already taken apart.
    pub settings: Vec<(String, String)>,
    /// Minor protocol version asked for, and `_pq_.` options: answered by NegotiateProtocolVersion where not 0 and none.
    pub minor_version: u16,
    pub protocol_options: Vec<String>,
}

/// Reads packets until the client says what it wants. Encryption requests are answered with "no".
///
/// A client that sends more bytes right behind an encryption request is refused: whatever follows must not be taken for
/// something that came through the encrypted channel.
pub async fn negotiate(stream: &mut TcpStream) -> Result<Startup> {
    loop {
        let mut head = [0u8; 8];
        if stream.read_exact(&mut head).await.is_err() {
            return Ok(Startup::Gone);
        }
        let len = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let code = u32::from_be_bytes(head[4..].try_into().expect("four bytes"));
        if !(8..=STARTUP_BYTES_MAX).contains(&len) {
            return Err(fatal("invalid length of startup packet"));
        }
        match (code, len) {
            (SSL_REQUEST | GSSENC_REQUEST, 8) => {
                stream.write_all(b"N").await?;
            }
            (CANCEL_REQUEST, 16) => {
                let mut body = [0u8; 8];
                if stream.read_exact(&mut body).await.is_err() {
                    return Ok(Startup::Gone);
                }
                let mut body = &body[..];
                return Ok(Startup::Cancel { pid: body.get_i32(), secret: body.get_i32() });
            }
            _ => {
                let mut body = BytesMut::zeroed(len - 8);
                if stream.read_exact(&mut body).await.is_err() {
                    return Ok(Startup::Gone);
                }
                let (major, minor) = ((code >> 16) as u16, code as u16);
                if major != 3 {
                    return Err(fatal(&format!(
                        "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"
                    )));
                }
                return Ok(Startup::Session(parse_params(&body, minor)?));
            }
        }
    }
}

fn fatal(message: &str) -> Error {
    Error::new(quarry_common::SqlState::PROTOCOL_VIOLATION, message).severity(Severity::Fatal)
}

/// Name/value pairs up to an empty name that ends the packet.
fn parse_params(body: &[u8], minor_version: u16) -> Result<StartupParams> {
    let mut p = StartupParams { minor_version, ..StartupParams::default() };
    let mut strings = body.split(|b| *b == 0);
    let mut next = || {
        strings.next().ok_or_else(|| fatal("invalid startup packet layout: expected terminator as last byte"))
    };
    loop {
        let name = utf8(next()?)?;
        if name.is_empty() {
            break;
        }
        let value = utf8(next()?)?;
        match name {
            "user" => p.user = value.to_string(),
            "database" => p.database = value.to_string(),
            "options" => p.settings.extend(parse_options(value)?),
            "replication" if matches!(value, "false" | "off" | "no" | "0") => {}
            "replication" => {
                return Err(Error::unsupported("a replication connection").severity(Severity::Fatal));
            }
            name if name.starts_with("_pq_.") => p.protocol_options.push(name.to_string()),
            name => p.settings.push((name.to_string(), value.to_string())),
        }
    }
    if p.user.is_empty() {
        let e =
            err!(INVALID_AUTHORIZATION_SPECIFICATION, "no PostgreSQL user name specified in startup packet");
        return Err(e.severity(Severity::Fatal));
    }
    if p.database.is_empty() {
        p.database = p.user.clone();
    }
    Ok(p)
}

/// Command-line style options: `-c name=value`, `-cname=value`, `--name=value`; a backslash protects a space.
fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words: Vec<String> = vec![];
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let mut settings = vec![];
    let mut words = words.into_iter();
    while let Some(w) = words.next() {
        let pair = match w.strip_prefix("-c").or_else(|| w.strip_prefix("--")) {
            Some("") => words.next().unwrap_or_default(),
            Some(pair) => pair.to_string(),
            None => bail!(SYNTAX_ERROR, "invalid command-line argument for server process: {w}"),
        };
        match pair.split_once('=') {
            Some((name, value)) => settings.push((name.replace('-', "_"), value.to_string())),
            None => bail!(SYNTAX_ERROR, "-c {pair} requires a value"),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_options() {
        let p = parse_params(
            b"user\0bob\0options\0-c statement_timeout=5s --search-path=a\\ b\0application_name\0psql\0\0",
            0,
        )
        .unwrap();
        assert_eq!((p.user.as_str(), p.database.as_str()), ("bob", "bob"));
        let expected = [("statement_timeout", "5s"), ("search_path", "a b"), ("application_name", "psql")];
        assert_eq!(p.settings, expected.map(|(n, v)| (n.to_string(), v.to_string())));
        assert!(parse_params(b"user\0bob", 0).is_err());
        assert_eq!(parse_params(b"\0", 0).unwrap_err().sqlstate().as_str(), "28000");
    }
}
