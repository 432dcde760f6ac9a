//! Command tags: what CommandComplete says of a statement.

use crate::protocol;
use bytes::BytesMut;
use std::fmt;

/// The tag of a finished statement. One that counts rows becomes text only where it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tag {
    Text(String),
    /// A command, with the space behind it, and how many rows it was about.
    Counted(&'static str, u64),
}

impl Tag {
    /// What another run of a portal says that has given all its rows.
    pub fn of_nothing(&self) -> Tag {
        match self {
            Tag::Text(text) => Tag::Text(text.clone()),
            Tag::Counted(command, _) => Tag::Counted(command, 0),
        }
    }
    /// Appends CommandComplete.
    pub fn send(&self, out: &mut BytesMut) {
        match self {
            Tag::Text(text) => protocol::command_complete(out, text),
            Tag::Counted(command, count) => protocol::counted_complete(out, command, *count),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tag::Text(text) => f.write_str(text),
            Tag::Counted(command, count) => write!(f, "{command}{count}"),
        }
    }
}

impl From<String> for Tag {
    fn from(text: String) -> Tag {
        Tag::Text(text)
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Tag {
        Tag::Text(text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_tags_are_sent_as_their_text_is() {
        for (command, count) in [("SELECT ", 0), ("INSERT 0 ", 7), ("UPDATE ", u64::MAX)] {
            let tag = Tag::Counted(command, count);
            let (mut counted, mut text) = (BytesMut::new(), BytesMut::new());
            tag.send(&mut counted);
            Tag::Text(tag.to_string()).send(&mut text);
            assert_eq!(counted, text);
        }
    }
}
