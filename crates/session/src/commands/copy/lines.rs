//! Lines and fields of COPY's text and CSV formats (PostgreSQL: commands/copyfromparse.c).
//!
//! [`Lines`] cuts a stream that arrives in pieces into lines; [`split_text`] and [`split_csv`] cut a line into fields.

use super::options::{Format, Options};
use memchr::{memchr, memchr2, memchr3};
use quarry_common::{Result, bail};

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Eol {
    #[default]
    Unknown,
    Nl,
    CrNl,
    Cr,
}

/// Cuts lines out of a growing buffer.
#[derive(Default)]
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
    /// Bytes that no line was made of yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
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
        loop {
            // The next byte that means anything.
            let rest = b.get(i..).unwrap_or_default();
            let plain = match (self.csv, quoted) {
                (true, true) => memchr2(self.quote, self.escape, rest),
                (true, false) => memchr3(b'\n', b'\r', self.quote, rest),
                (false, _) => memchr3(b'\n', b'\r', b'\\', rest),
            };
            let Some(plain) = plain else {
                // An escape may have reached beyond the end.
                i = i.max(b.len());
                break;
            };
            i += plain;
            let c = b[i];
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

/// Fields of one line: parts of the line as it is, or of a copy in which escapes and quotes are gone.
#[derive(Default)]
pub struct Fields {
    data: Vec<u8>,
    copied: bool,
    spans: Vec<Span>,
}

/// Where a field's bytes are, and whether it is NULL.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    null: bool,
}

impl Fields {
    /// Begins a line whose fields are copied, or parts of it.
    fn begin(&mut self, copied: bool) {
        self.data.clear();
        self.spans.clear();
        self.copied = copied;
    }
    pub fn len(&self) -> usize {
        self.spans.len()
    }
    /// Whether the fields are parts of a copy.
    pub fn is_copy(&self) -> bool {
        self.copied
    }
    /// What the fields are parts of, `line` having been cut into them.
    pub fn whole<'a>(&'a self, line: &'a [u8]) -> &'a [u8] {
        if self.copied { &self.data } else { line }
    }
    /// A field's place in [`Fields::whole`]; none: NULL.
    pub fn span(&self, i: usize) -> Option<std::ops::Range<usize>> {
        let Span { start, end, null } = self.spans[i];
        (!null).then_some(start..end)
    }
    /// The bytes of a field of `line`; none: NULL.
    pub fn get<'a>(&'a self, i: usize, line: &'a [u8]) -> Option<&'a [u8]> {
        self.span(i).map(|span| &self.whole(line)[span])
    }
    /// Ends a copied field that began at `start` of the copy.
    fn end(&mut self, start: usize, null: bool) {
        self.spans.push(Span { start, end: self.data.len(), null });
    }
}

fn octal(c: u8) -> Option<u8> {
    (b'0'..=b'7').contains(&c).then(|| c - b'0')
}

/// Splits a line of the text format.
pub fn split_text(line: &[u8], o: &Options, fields: &mut Fields) {
    let null = o.null.as_bytes();
    // The usual NULL is the only backslash of most lines.
    if null == b"\\N" {
        if memchr::memchr_iter(b'\\', line).all(|at| is_null_field(line, at, o.delimiter)) {
            return split_plain(line, o.delimiter, null, fields);
        }
    } else if memchr(b'\\', line).is_none() {
        return split_plain(line, o.delimiter, null, fields);
    }
    split_escaped(line, o, fields);
}

/// Whether the backslash at `at` begins a field that is `\N`.
fn is_null_field(line: &[u8], at: usize, delimiter: u8) -> bool {
    (at == 0 || line[at - 1] == delimiter)
        && line.get(at + 1) == Some(&b'N')
        && line.get(at + 2).is_none_or(|c| *c == delimiter)
}

/// Splits a line that has no escapes but NULLs.
fn split_plain(line: &[u8], delimiter: u8, null: &[u8], fields: &mut Fields) {
    fields.begin(false);
    let mut start = 0;
    for end in memchr::memchr_iter(delimiter, line).chain([line.len()]) {
        fields.spans.push(Span { start, end, null: line[start..end] == *null });
        start = end + 1;
    }
}

fn split_escaped(line: &[u8], o: &Options, fields: &mut Fields) {
    fields.begin(true);
    let mut i = 0;
    loop {
        let start = i;
        let data_start = fields.data.len();
        // The plain stretch is copied at once.
        i += memchr2(o.delimiter, b'\\', &line[i..]).unwrap_or(line.len() - i);
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
        fields.end(data_start, null);
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
    fields.begin(true);
    let mut i = 0;
    loop {
        let data_start = fields.data.len();
        let mut saw_quote = false;
        'field: loop {
            // Outside quotes.
            let plain = memchr2(o.delimiter, o.quote, &line[i..]).unwrap_or(line.len() - i);
            fields.data.extend_from_slice(&line[i..i + plain]);
            i += plain;
            if line.get(i) != Some(&o.quote) {
                break 'field;
            }
            saw_quote = true;
            i += 1;
            // Inside.
            loop {
                let plain = memchr2(o.quote, o.escape, &line[i..]).unwrap_or(line.len() - i);
                fields.data.extend_from_slice(&line[i..i + plain]);
                i += plain;
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
        fields.end(data_start, is_null);
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
    fn all(f: &Fields, line: &[u8]) -> Vec<Option<String>> {
        (0..f.len()).map(|i| f.get(i, line).map(|b| String::from_utf8_lossy(b).into_owned())).collect()
    }

    #[test]
    fn text_fields() {
        let mut f = Fields::default();
        let line = b"a\\tb\t\\N\t\\x41\\101\t";
        split_text(line, &options(false), &mut f);
        assert_eq!(all(&f, line), [Some("a\tb".into()), None, Some("AA".into()), Some(String::new())]);
        // Nothing to replace: the fields are parts of the line.
        let line = b"\\N\tab\t\t\\N";
        split_text(line, &options(false), &mut f);
        assert!(!f.copied);
        assert_eq!(all(&f, line), [None, Some("ab".into()), Some(String::new()), None]);
        for line in [&b"a\\N"[..], b"\\Na", b"\\n", b"\\"] {
            split_text(line, &options(false), &mut f);
            assert!(f.copied && f.len() == 1 && f.get(0, line).is_some(), "{line:?}");
        }
    }

    #[test]
    fn csv_fields() {
        let mut f = Fields::default();
        let line = b"a,\"b \"\"q\"\",\",,\"\"";
        split_csv(line, &options(true), &[], &[], &mut f).unwrap();
        assert_eq!(all(&f, line), [Some("a".into()), Some("b \"q\",".into()), None, Some(String::new())]);
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
