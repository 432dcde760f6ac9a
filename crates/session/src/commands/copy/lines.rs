//! Lines and fields of COPY's text and CSV formats (PostgreSQL: commands/copyfromparse.c).
//!
//! [`Lines`] cuts a stream that arrives in pieces into lines; [`split_text`] and [`split_csv`] cut a line into fields.

use super::options::{Format, Options};
use quarry_common::{Result, bail};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Eol {
    Unknown,
    Nl,
    CrNl,
    Cr,
}

/// Cuts lines out of a growing buffer.
pub struct Lines {
    buffer: Vec<u8>,
    /// Start of the line that isn't complete.
    start: usize,
    /// Where scanning goes on, and whether that is inside CSV quotes.
    at: usize,
    in_quote: bool,
    eol: Eol,
    csv: bool,
    quote: u8,
    escape: u8,
    /// `\.` was seen: the rest is ignored.
    pub ended: bool,
}

/// A line, as a range of the buffer without its end.
pub type Line = std::ops::Range<usize>;

impl Lines {
    pub fn new(o: &Options) -> Lines {
        Lines {
            buffer: vec![],
            start: 0,
            at: 0,
            in_quote: false,
            eol: Eol::Unknown,
            csv: o.format == Format::Csv,
            quote: o.quote,
            escape: o.escape,
            ended: false,
        }
    }
    pub fn push(&mut self, data: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.at -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(data);
    }
    pub fn bytes(&self, line: &Line) -> &[u8] {
        &self.buffer[line.clone()]
    }
    /// The next complete line; at the end of the data (`last`), also one without a line end.
    pub fn next(&mut self, last: bool) -> Result<Option<Line>> {
        if self.ended {
            return Ok(None);
        }
        let b = &self.buffer;
        let mut i = self.at;
        let mut quoted = self.in_quote;
        while let Some(c) = b.get(i).copied() {
            if self.csv {
                // An escape that is no quote hides the quote after it.
                if quoted && c == self.escape && self.escape != self.quote {
                    if i + 1 >= b.len() && !last {
                        break;
                    }
                    i += 2;
                    continue;
                }
                if c == self.quote {
                    quoted = !quoted;
                    i += 1;
                    continue;
                }
                if quoted {
                    i += 1;
                    continue;
                }
            } else if c == b'\\' {
                if i + 1 >= b.len() {
                    if last {
                        i += 1;
                    }
                    break;
                }
                // An escaped character, also a newline; `\.` is looked at with its line.
                i += 2;
                continue;
            }
            match c {
                b'\n' if self.eol == Eol::Cr || self.eol == Eol::CrNl => {
                    if self.csv {
                        bail!(BAD_COPY_FILE_FORMAT, "unquoted newline found in data");
                    }
                    bail!(BAD_COPY_FILE_FORMAT, "literal newline found in data");
                }
                b'\n' => {
                    self.eol = Eol::Nl;
                    return Ok(self.take(i, i + 1));
                }
                b'\r' if self.eol == Eol::Nl => {
                    if self.csv {
                        bail!(BAD_COPY_FILE_FORMAT, "unquoted carriage return found in data");
                    }
                    bail!(BAD_COPY_FILE_FORMAT, "literal carriage return found in data");
                }
                b'\r' => {
                    // Whether a newline follows must be known.
                    if i + 1 >= b.len() && !last {
                        break;
                    }
                    let newline = b.get(i + 1) == Some(&b'\n');
                    if self.eol == Eol::CrNl && !newline {
                        bail!(BAD_COPY_FILE_FORMAT, "literal carriage return found in data");
                    }
                    self.eol = if newline { Eol::CrNl } else { Eol::Cr };
                    return Ok(self.take(i, i + 1 + usize::from(newline)));
                }
                _ => i += 1,
            }
        }
        let i = i.min(self.buffer.len());
        self.at = i;
        self.in_quote = quoted;
        if !last || self.start >= self.buffer.len() {
            return Ok(None);
        }
        if quoted {
            bail!(BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
        }
        let end = self.buffer.len();
        Ok(self.take(end, end))
    }
    fn take(&mut self, end: usize, next: usize) -> Option<Line> {
        let line = self.start..end;
        self.start = next;
        self.at = next;
        self.in_quote = false;
        if self.buffer[line.clone()] == *b"\\." {
            self.ended = true;
            return None;
        }
        Some(line)
    }
}

/// Fields of one line: bytes in a shared buffer.
#[derive(Default)]
pub struct Fields {
    pub data: Vec<u8>,
    /// End of each field's bytes, and whether it is NULL.
    ends: Vec<(usize, bool)>,
}

impl Fields {
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
    }
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    /// The bytes of a field; none: NULL.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let start = if i == 0 { 0 } else { self.ends[i - 1].0 };
        let (end, null) = self.ends[i];
        (!null).then(|| &self.data[start..end])
    }
    fn end(&mut self, null: bool) {
        self.ends.push((self.data.len(), null));
    }
}

fn octal(c: u8) -> Option<u8> {
    (b'0'..=b'7').contains(&c).then(|| c - b'0')
}

/// Splits a line of the text format.
pub fn split_text(line: &[u8], o: &Options, fields: &mut Fields) {
    fields.clear();
    let mut i = 0;
    loop {
        let start = i;
        let data_start = fields.data.len();
        // The plain stretch is copied at once.
        while i < line.len() && line[i] != o.delimiter && line[i] != b'\\' {
            i += 1;
        }
        fields.data.extend_from_slice(&line[start..i]);
        while i < line.len() && line[i] != o.delimiter {
            let c = line[i];
            i += 1;
            if c != b'\\' {
                fields.data.push(c);
                continue;
            }
            let Some(e) = line.get(i).copied() else { break };
            i += 1;
            let plain = match e {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                b'0'..=b'7' => {
                    let mut v = (e - b'0') as u32;
                    for _ in 0..2 {
                        match line.get(i).copied().and_then(octal) {
                            Some(d) => {
                                v = v * 8 + d as u32;
                                i += 1;
                            }
                            None => break,
                        }
                    }
                    v as u8
                }
                b'x' => {
                    let hex = |i: usize| line.get(i).and_then(|c| (*c as char).to_digit(16));
                    match hex(i) {
                        Some(first) => {
                            i += 1;
                            match hex(i) {
                                Some(second) => {
                                    i += 1;
                                    (first * 16 + second) as u8
                                }
                                None => first as u8,
                            }
                        }
                        None => b'x',
                    }
                }
                other => other,
            };
            fields.data.push(plain);
        }
        let null = line[start..i] == *o.null.as_bytes();
        if null {
            fields.data.truncate(data_start);
        }
        fields.end(null);
        if i >= line.len() {
            return;
        }
        i += 1;
    }
}

/// Splits a line of the CSV format. `not_null` and `null` are the flags of FORCE_NOT_NULL and FORCE_NULL by field.
pub fn split_csv(
    line: &[u8],
    o: &Options,
    not_null: &[bool],
    null: &[bool],
    fields: &mut Fields,
) -> Result<()> {
    fields.clear();
    let mut i = 0;
    loop {
        let data_start = fields.data.len();
        let mut saw_quote = false;
        'field: loop {
            // Outside quotes.
            loop {
                let Some(c) = line.get(i).copied() else { break 'field };
                if c == o.delimiter {
                    break 'field;
                }
                i += 1;
                if c == o.quote {
                    saw_quote = true;
                    break;
                }
                fields.data.push(c);
            }
            // Inside.
            loop {
                let Some(c) = line.get(i).copied() else {
                    bail!(BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
                };
                i += 1;
                if c == o.escape
                    && let Some(next) = line.get(i)
                    && (*next == o.escape || *next == o.quote)
                {
                    fields.data.push(*next);
                    i += 1;
                    continue;
                }
                if c == o.quote {
                    break;
                }
                fields.data.push(c);
            }
        }
        let n = fields.len();
        let is_marker = fields.data[data_start..] == *o.null.as_bytes();
        let forced = if saw_quote { null.get(n) == Some(&true) } else { not_null.get(n) != Some(&true) };
        let is_null = is_marker && forced;
        if is_null {
            fields.data.truncate(data_start);
        }
        fields.end(is_null);
        if i >= line.len() {
            return Ok(());
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(csv: bool) -> Options {
        let mut o = Options::new(&[], true).unwrap();
        if csv {
            (o.format, o.delimiter, o.null) = (Format::Csv, b',', String::new());
        }
        o
    }
    fn all(f: &Fields) -> Vec<Option<String>> {
        (0..f.len()).map(|i| f.get(i).map(|b| String::from_utf8_lossy(b).into_owned())).collect()
    }

    #[test]
    fn text_fields() {
        let mut f = Fields::default();
        split_text(b"a\\tb\t\\N\t\\x41\\101\t", &options(false), &mut f);
        assert_eq!(all(&f), [Some("a\tb".into()), None, Some("AA".into()), Some(String::new())]);
    }

    #[test]
    fn csv_fields() {
        let mut f = Fields::default();
        split_csv(b"a,\"b \"\"q\"\",\",,\"\"", &options(true), &[], &[], &mut f).unwrap();
        assert_eq!(all(&f), [Some("a".into()), Some("b \"q\",".into()), None, Some(String::new())]);
    }

    #[test]
    fn lines_in_pieces() {
        let mut l = Lines::new(&options(true));
        l.push(b"a,\"x\ny");
        assert_eq!(l.next(false).unwrap(), None);
        l.push(b"\"\r");
        assert_eq!(l.next(false).unwrap(), None);
        l.push(b"\nlast");
        let line = l.next(false).unwrap().unwrap();
        assert_eq!(l.bytes(&line), b"a,\"x\ny\"");
        assert_eq!(l.next(false).unwrap(), None);
        let line = l.next(true).unwrap().unwrap();
        assert_eq!(l.bytes(&line), b"last");
        assert_eq!(l.next(true).unwrap(), None);
    }
}
