//! A connection on which one thread sends a query and waits for its answer.

use std::sync::mpsc::{Receiver, channel};

use quarry_testkit::psql::Target;
use quarry_testkit::wire::{Connection, Message};

/// One connection. Everything fails once the server is gone.
pub struct Client {
    connection: Connection,
    messages: Receiver<(usize, Message)>,
}

/// How a query ended.
pub enum Answer {
    /// The last command's rows, and its tag.
    Done(Vec<Vec<Option<String>>>),
    /// The server refused it: SQLSTATE and message.
    Refused(String, String),
    /// The server is gone: nobody knows.
    Gone,
}

impl Client {
    pub fn open(target: &Target) -> Option<Client> {
        let (sender, messages) = channel();
        let parameters = [("user", "postgres"), ("database", "postgres")];
        let connection = Connection::open(target, &parameters, 0, sender).ok()?;
        Some(Client { connection, messages })
    }

    /// Sends a query string and waits for the end of its answer.
    pub fn run(&mut self, sql: &str) -> Answer {
        if self.connection.send(sql).is_err() {
            return Answer::Gone;
        }
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.messages.recv() {
                Ok((_, Message::Row(row))) => rows.push(row),
                // An error that ends the connection says nothing about the statement.
                Ok((_, Message::Error(e))) if e.code.starts_with("57P") => return Answer::Gone,
                Ok((_, Message::Error(e))) => refused = Some((e.code, e.message)),
                Ok((_, Message::Ready(_))) => break,
                Ok((_, Message::Closed)) | Err(_) => return Answer::Gone,
                Ok(_) => {}
            }
        }
        match refused {
            Some((code, message)) => Answer::Refused(code, message),
            None => Answer::Done(rows),
        }
    }
}
