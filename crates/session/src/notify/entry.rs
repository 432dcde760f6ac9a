//! A notification as bytes of the queue.
//!
//! | at | size | content |
//! | --- | --- | --- |
//! | 0 | 8 | readable once commits up to here are visible; 0: at once |
//! | 8 | 4 | the sender's process |
//! | 12 | 2 | bytes of the channel's name |
//! | 14 | 2 | bytes of the payload |
//! | 16 | | both |

use super::Notification;
use quarry_common::Lsn;

const HEADER: usize = 16;

/// What an entry takes.
pub fn size(n: &Notification) -> usize {
    HEADER + n.channel.len() + n.payload.len()
}

/// Appends one.
pub fn write(out: &mut Vec<u8>, lsn: Lsn, pid: i32, n: &Notification) {
    out.extend_from_slice(&lsn.0.to_le_bytes());
    out.extend_from_slice(&pid.to_le_bytes());
    // Both are limited far below by NOTIFY.
    out.extend_from_slice(&(n.channel.len() as u16).to_le_bytes());
    out.extend_from_slice(&(n.payload.len() as u16).to_le_bytes());
    out.extend_from_slice(n.channel.as_bytes());
    out.extend_from_slice(n.payload.as_bytes());
}

/// An entry in the queue's bytes.
pub struct Entry<'a> {
    pub lsn: Lsn,
    pub pid: i32,
    pub channel: &'a str,
    pub payload: &'a str,
    pub size: usize,
}

/// The first entry; none at the end, or if the bytes are none of ours.
pub fn first(bytes: &[u8]) -> Option<Entry<'_>> {
    let (head, texts) = bytes.split_first_chunk::<HEADER>()?;
    let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]) as usize;
    let (channel, rest) = texts.split_at_checked(short(12))?;
    let payload = rest.get(..short(14))?;
    Some(Entry {
        lsn: Lsn(u64::from_le_bytes(*head.first_chunk()?)),
        pid: i32::from_le_bytes([head[8], head[9], head[10], head[11]]),
        channel: std::str::from_utf8(channel).ok()?,
        payload: std::str::from_utf8(payload).ok()?,
        size: HEADER + channel.len() + payload.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_each_other() {
        let mut bytes = vec![];
        let notes = [("a", ""), ("ch", "päyload")]
            .map(|(c, p)| Notification { channel: c.into(), payload: p.into() });
        for (i, n) in notes.iter().enumerate() {
            write(&mut bytes, Lsn(i as u64), -7, n);
        }
        assert_eq!(bytes.len(), notes.iter().map(size).sum::<usize>());
        let mut rest = &bytes[..];
        for (i, n) in notes.iter().enumerate() {
            let e = first(rest).unwrap();
            assert_eq!((e.lsn, e.pid, e.channel, e.payload), (Lsn(i as u64), -7, &*n.channel, &*n.payload));
            rest = &rest[e.size..];
        }
        assert!(first(rest).is_none());
        // Cut short anywhere: none.
        (0..size(&notes[1])).for_each(|n| assert!(first(&bytes[size(&notes[0])..][..n]).is_none()));
    }
}
