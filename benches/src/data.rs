//! Files to load, the same for the same number of rows on every machine.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use quarry_testkit::rng::Rng;

/// The columns of [`wide`].
pub const WIDE_COLUMNS: &str = "id bigint NOT NULL, a int, b bigint, c int, price numeric(12,2), rate numeric(10,4), d date,
    ts timestamptz, flag boolean, w1 text, w2 text, u uuid, email varchar(60), n1 int, n2 text, j jsonb, s smallint,
    f double precision, body text, status varchar(10)";

/// Words that documents are made of.
const WORDS: usize = 20_000;

/// A file of so many rows in COPY's text format.
fn made(path: PathBuf, rows: u64, mut row: impl FnMut(u64, &mut String)) -> Result<PathBuf, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path).map_err(failed)?);
    let mut line = String::new();
    for i in 0..rows {
        line.clear();
        row(i, &mut line);
        out.write_all(line.as_bytes()).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    Ok(path)
}

/// Rows of 20 columns, some 330 bytes each: numbers, numerics, dates, texts, a uuid, a jsonb; a few are NULL.
pub fn wide(dir: &Path, rows: u64) -> Result<PathBuf, String> {
    let mut rng = Rng::new(42);
    made(dir.join("wide.txt"), rows, |i, line| {
        let (h, g) = (rng.next_u64(), rng.next_u64());
        let word = |shift: u32| format!("w{:04}", (h >> shift) % 2000);
        let (month, day) = (1 + i % 12, 1 + i % 28);
        let or_null = |wanted: bool, text: String| if wanted { text } else { "\\N".to_owned() };
        let uuid = format!("{h:016x}{g:016x}");
        let body = [1, 7, 13, 19, 25].map(word).join(" ");
        // Writing to a string can't fail.
        let _ = writeln!(
            line,
            "{i}\t{}\t{}\t{}\t{}.{:02}\t{}.{:04}\t2024-{month:02}-{day:02}\t2024-{month:02}-{day:02} \
             {:02}:{:02}:{:02}.{:06}+00\t{}\t{}\t{} {}\t{}-{}-{}-{}-{}\tuser{}@example.org\t{}\t{}\t\
             {{\"k\": {}, \"tag\": \"{}\"}}\t{}\t{:.6}\t{body}\t{}",
            h & 0x7fff_ffff,
            g >> 6,
            h % 100_000,
            h % 100_000,
            g % 100,
            g % 100,
            h % 10_000,
            i % 24,
            i % 60,
            h % 60,
            g % 1_000_000,
            if h & 1 == 1 { 't' } else { 'f' },
            word(0),
            word(11),
            word(22),
            &uuid[..8],
            &uuid[8..12],
            &uuid[12..16],
            &uuid[16..20],
            &uuid[20..],
            h % 50_000,
            or_null(h % 3 == 0, (h % 977).to_string()),
            or_null(h % 5 == 0, word(3)),
            h % 1000,
            word(5),
            (h >> 3) % 32_768,
            ((h >> 5) % 1000) as f64 / 7.0,
            if h % 10 == 0 { "closed" } else { "active" },
        );
    })
}

/// `id, doc jsonb`: tags of a skewed distribution, nested keys.
pub fn documents(dir: &Path, rows: u64) -> Result<PathBuf, String> {
    let mut rng = Rng::new(7);
    made(dir.join("documents.txt"), rows, |i, line| {
        // Pareto with exponent 0.7: few tags are in many documents.
        let unit = (rng.below(1 << 40) + 1) as f64 / (1u64 << 40) as f64;
        let z = unit.powf(-1.0 / 0.7) as u64 % 5000;
        let _ = writeln!(
            line,
            "{i}\t{{\"id\": {i}, \"user\": \"u{}\", \"kind\": \"k{}\", \"tags\": [\"t{z}\", \"t{}\", \"t{}\"], \
             \"geo\": {{\"cc\": \"c{}\", \"zip\": {}}}, \"score\": {}, \"ok\": {}}}",
            rng.below(20_000),
            z % 50,
            rng.below(5000),
            rng.below(5000),
            rng.below(200),
            rng.below(90_000),
            rng.below(1000),
            z & 1 == 1,
        );
    })
}

/// `id, cat, body`: twelve words a text, in a Zipf-like distribution.
pub fn texts(dir: &Path, rows: u64) -> Result<PathBuf, String> {
    let mut rng = Rng::new(11);
    let mut weights = Vec::with_capacity(WORDS);
    let mut total = 0.0;
    for i in 0..WORDS {
        total += 1.0 / (i as f64 + 10.0).powf(0.9);
        weights.push(total);
    }
    made(dir.join("texts.txt"), rows, |i, line| {
        let _ = write!(line, "{i}\t{}\t", rng.below(100));
        for n in 0..12 {
            let at = rng.below(1 << 40) as f64 / (1u64 << 40) as f64 * total;
            let word = weights.partition_point(|w| *w < at).min(WORDS - 1);
            let _ = write!(line, "{}w{word}", if n == 0 { "" } else { " " });
        }
        line.push('\n');
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_testkit::temp::TempDir;

    #[test]
    fn rows_have_their_columns() {
        let dir = TempDir::new("data");
        for (file, columns) in
            [(wide(dir.path(), 50), 20), (documents(dir.path(), 50), 2), (texts(dir.path(), 50), 3)]
        {
            let text =
                std::fs::read_to_string(file.expect("the folder can be written")).expect("it is there");
            assert_eq!(text.lines().count(), 50);
            assert!(text.lines().all(|l| l.split('\t').count() == columns), "{text}");
        }
        assert_eq!(WIDE_COLUMNS.split(", ").count() + WIDE_COLUMNS.matches(",\n").count(), 20);
    }
}
