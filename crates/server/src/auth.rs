//! Authentication of a starting connection.

use crate::hba::{Client, Hba, Method};
use crate::startup::StartupParams;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut, BytesMut};
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, gen_salted_password};
use quarry_catalog::RoleDef;
use quarry_common::{Error, Result, Severity, bail, err};
use quarry_session::protocol;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SCRAM_MECHANISM: &str = "SCRAM-SHA-256";
/// Longest password message (PostgreSQL: PG_MAX_AUTH_TOKEN_LENGTH), in bytes.
const AUTH_MESSAGE_BYTES_MAX: usize = 65_535;

/// Runs the method that the rules give this client. On success AuthenticationOk stands in `out`.
///
/// `role` is the named role, if it exists: its absence is not told to clients that have to give a password.
pub async fn authenticate(
    stream: &mut TcpStream,
    hba: &Hba,
    params: &StartupParams,
    address: IpAddr,
    role: Option<&RoleDef>,
    is_member: &(dyn Fn(&str) -> bool + Sync),
    out: &mut BytesMut,
) -> Result<()> {
    let method = {
        let client = Client {
            database: &params.database,
            user: &params.user,
            address,
            ssl: false,
            is_member: &|r| is_member(r),
        };
        hba.find(&client).map(|rule| rule.method)
    };
    let shown = |what: &str| {
        err!(
            INVALID_AUTHORIZATION_SPECIFICATION,
            "{what} for host \"{address}\", user \"{}\", database \"{}\", no encryption",
            params.user,
            params.database
        )
        .severity(Severity::Fatal)
    };
    match method {
        None => return Err(shown("no pg_hba.conf entry")),
        Some(Method::Reject) => return Err(shown("pg_hba.conf rejects connection")),
        Some(Method::Trust) => {}
        Some(Method::ScramSha256) => scram(stream, &params.user, role).await?,
    }
    match role {
        None => {
            let e = err!(INVALID_AUTHORIZATION_SPECIFICATION, "role \"{}\" does not exist", params.user);
            return Err(e.severity(Severity::Fatal));
        }
        Some(role) if !role.can_login => {
            let e = err!(
                INVALID_AUTHORIZATION_SPECIFICATION,
                "role \"{}\" is not permitted to log in",
                params.user
            );
            return Err(e.severity(Severity::Fatal));
        }
        Some(_) => {}
    }
    let at = protocol::begin(out, b'R');
    out.put_i32(0);
    protocol::finish(out, at);
    Ok(())
}

fn password_failed(user: &str) -> Error {
    err!(INVALID_PASSWORD, "password authentication failed for user \"{user}\"").severity(Severity::Fatal)
}

/// The SCRAM-SHA-256 exchange (RFC 5802, 7677). A role without a usable verifier goes through the motions with a random one,
/// so that a stranger can't tell which roles exist.
async fn scram(stream: &mut TcpStream, user: &str, role: Option<&RoleDef>) -> Result<()> {
    let now = quarry_session::now();
    let current = role.filter(|r| r.valid_until.is_none_or(|until| until > now));
    let stored = current.and_then(|r| r.password.as_deref()).and_then(parse_verifier);
    let known = stored.is_some();
    let secret = match stored {
        Some(secret) => secret,
        None => {
            let mut noise = [0u8; 48];
            fill_random(&mut noise)?;
            let (salt, password) = noise.split_at(16);
            ScramSecret::verifier_from_salted_password(salt.to_vec(), password.to_vec(), SCRAM_ITERATIONS)
        }
    };
    let mut mechanisms = SCRAM_MECHANISM.as_bytes().to_vec();
    mechanisms.extend(b"\0\0");
    send_auth(stream, 10, &mechanisms).await?;
    let first = read_password_message(stream).await?;
    let client_first = sasl_initial_response(&first)?;
    let malformed = |_| err!(PROTOCOL_VIOLATION, "malformed SCRAM message").severity(Severity::Fatal);
    let (server_first, state) = ScramServerAuth::new()
        .on_client_first_message_with_secret(client_first, secret)
        .map_err(malformed)?;
    send_auth(stream, 11, server_first.as_bytes()).await?;
    let last = read_password_message(stream).await?;
    let server_final = state.on_client_final_message(&last).map_err(|_| password_failed(user))?;
    if !known {
        return Err(password_failed(user));
    }
    send_auth(stream, 12, server_final.as_bytes()).await
}

async fn send_auth(stream: &mut TcpStream, code: i32, data: &[u8]) -> Result<()> {
    let mut out = BytesMut::with_capacity(data.len() + 9);
    let at = protocol::begin(&mut out, b'R');
    out.put_i32(code);
    out.put_slice(data);
    protocol::finish(&mut out, at);
    stream.write_all(&out).await?;
    Ok(())
}

async fn read_password_message(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let gone =
        || err!(CONNECTION_FAILURE, "client went away during authentication").severity(Severity::Fatal);
    let mut head = [0u8; 5];
    stream.read_exact(&mut head).await.map_err(|_| gone())?;
    let len = u32::from_be_bytes(head[1..].try_into().expect("four bytes")) as usize;
    if head[0] != b'p' || !(4..=AUTH_MESSAGE_BYTES_MAX).contains(&len) {
        let e = err!(PROTOCOL_VIOLATION, "expected password response, got message type {}", head[0]);
        return Err(e.severity(Severity::Fatal));
    }
    let mut body = vec![0u8; len - 4];
    stream.read_exact(&mut body).await.map_err(|_| gone())?;
    Ok(body)
}

/// Mechanism name, then length and bytes of the client-first message.
fn sasl_initial_response(body: &[u8]) -> Result<&[u8]> {
    let malformed = || err!(PROTOCOL_VIOLATION, "malformed SASL initial response").severity(Severity::Fatal);
    let end = body.iter().position(|b| *b == 0).ok_or_else(malformed)?;
    if &body[..end] != SCRAM_MECHANISM.as_bytes() {
        let e = err!(PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism");
        return Err(e.severity(Severity::Fatal));
    }
    let (len, data) = body[end + 1..].split_at_checked(4).ok_or_else(malformed)?;
    if u32::from_be_bytes(len.try_into().expect("four bytes")) as usize != data.len() {
        return Err(malformed());
    }
    Ok(data)
}

/// A stored verifier: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, base64 parts.
fn parse_verifier(text: &str) -> Option<ScramSecret> {
    let rest = text.strip_prefix("SCRAM-SHA-256$")?;
    let (params, keys) = rest.split_once('$')?;
    let (iterations, salt) = params.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    Some(ScramSecret::Verifier {
        salt: STANDARD.decode(salt).ok()?,
        iterations: iterations.parse().ok()?,
        stored_key: STANDARD.decode(stored_key).ok()?,
        server_key: STANDARD.decode(server_key).ok()?,
    })
}

fn fill_random(bytes: &mut [u8]) -> Result<()> {
    match getrandom::fill(bytes) {
        Ok(()) => Ok(()),
        Err(e) => bail!(INTERNAL_ERROR, "could not generate random bytes: {e}"),
    }
}

/// Makes the verifier stored for a new password. Text that already is a verifier is kept.
pub fn password_verifier(password: &str) -> Result<String> {
    if parse_verifier(password).is_some() {
        return Ok(password.to_string());
    }
    let mut salt = [0u8; 16];
    fill_random(&mut salt)?;
    let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
    match ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, SCRAM_ITERATIONS) {
        ScramSecret::Verifier { salt, iterations, stored_key, server_key } => Ok(format!(
            "SCRAM-SHA-256${iterations}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        )),
        ScramSecret::SaltedPassword { .. } => Err(Error::internal("no verifier made")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_round_trip() {
        let v = password_verifier("secret").unwrap();
        assert!(v.starts_with("SCRAM-SHA-256$4096:"));
        assert!(parse_verifier(&v).is_some());
        assert_eq!(password_verifier(&v).unwrap(), v);
        assert!(parse_verifier("md5abc").is_none());
    }
}
