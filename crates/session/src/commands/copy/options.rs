//! COPY's options, checked as PostgreSQL checks them (commands/copy.c).

use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast::{self, DefArg, DefElem};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Csv,
    Binary,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    No,
    Yes,
    Match,
}

/// Columns an option speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Columns {
    None,
    All,
    Named(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct Options {
    pub format: Format,
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Columns,
    pub force_not_null: Columns,
    pub force_null: Columns,
}

fn string(e: &DefElem) -> Result<String> {
    match &e.arg {
        Some(DefArg::String(s) | DefArg::Float(s)) => Ok(s.clone()),
        Some(DefArg::Integer(i)) => Ok(i.to_string()),
        Some(DefArg::Boolean(b)) => Ok(if *b { "true" } else { "false" }.into()),
        Some(DefArg::Names(n)) => Ok(n.join(".")),
        Some(DefArg::Type(t)) => Ok(t.names.join(".")),
        _ => Err(err!(SYNTAX_ERROR, "{} requires a parameter", e.name)),
    }
}

/// The value of a Boolean option; none given means true.
pub fn boolean(e: &DefElem) -> Result<bool> {
    match &e.arg {
        None | Some(DefArg::Integer(1) | DefArg::Boolean(true)) => Ok(true),
        Some(DefArg::Integer(0) | DefArg::Boolean(false)) => Ok(false),
        Some(_) => match string(e).unwrap_or_default().to_ascii_lowercase().as_str() {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err(err!(SYNTAX_ERROR, "{} requires a Boolean value", e.name)),
        },
    }
}

fn header(e: &DefElem, from: bool) -> Result<Header> {
    if let Ok(s) = string(e)
        && s.eq_ignore_ascii_case("match")
    {
        if !from {
            return Err(err!(FEATURE_NOT_SUPPORTED, "cannot use \"{s}\" with HEADER in COPY TO"));
        }
        return Ok(Header::Match);
    }
    match boolean(e) {
        Ok(true) => Ok(Header::Yes),
        Ok(false) => Ok(Header::No),
        Err(_) => Err(err!(SYNTAX_ERROR, "{} requires a Boolean value or \"match\"", e.name)),
    }
}

fn columns(e: &DefElem) -> Result<Columns> {
    match &e.arg {
        Some(DefArg::Star) => Ok(Columns::All),
        Some(DefArg::Names(n)) => Ok(Columns::Named(n.clone())),
        Some(DefArg::String(s)) => Ok(Columns::Named(vec![s.clone()])),
        Some(DefArg::List(list)) => {
            let name = |a: &DefArg| match a {
                DefArg::String(s) => Some(s.clone()),
                DefArg::Type(t) => t.names.last().cloned(),
                DefArg::Names(n) => n.last().cloned(),
                _ => None,
            };
            list.iter().map(name).collect::<Option<Vec<_>>>().map(Columns::Named).ok_or_else(|| list_error(e))
        }
        _ => Err(list_error(e)),
    }
}

/// The options that take no `*`.
fn named_columns(e: &DefElem) -> Result<Columns> {
    match columns(e)? {
        Columns::All => Err(list_error(e)),
        named => Ok(named),
    }
}

fn list_error(e: &DefElem) -> Error {
    err!(INVALID_PARAMETER_VALUE, "argument to option \"{}\" must be a list of column names", e.name)
}

/// The one byte an option must be.
fn single(text: &str, what: &str) -> Result<u8> {
    match text.as_bytes() {
        [b] => Ok(*b),
        _ => Err(err!(FEATURE_NOT_SUPPORTED, "COPY {what} must be a single one-byte character")),
    }
}

impl Options {
    pub fn new(list: &[DefElem], from: bool) -> Result<Options> {
        let mut seen: Vec<&str> = vec![];
        let mut format = Format::Text;
        let (mut delimiter, mut null, mut quote, mut escape) = (None, None, None, None);
        let mut o_header = Header::No;
        let (mut force_quote, mut force_not_null, mut force_null) =
            (Columns::None, Columns::None, Columns::None);
        for e in list {
            let at = |x: Error| match ast::error_position(e.pos) {
                Some(p) => x.position_if_none(p),
                None => x,
            };
            if seen.contains(&e.name.as_str()) {
                return Err(at(err!(SYNTAX_ERROR, "conflicting or redundant options")));
            }
            seen.push(&e.name);
            match e.name.as_str() {
                "format" => {
                    format = match string(e)?.as_str() {
                        "text" => Format::Text,
                        "csv" => Format::Csv,
                        "binary" => Format::Binary,
                        other => {
                            return Err(at(err!(
                                INVALID_PARAMETER_VALUE,
                                "COPY format \"{other}\" not recognized"
                            )));
                        }
                    }
                }
                "delimiter" => delimiter = Some(string(e)?),
                "null" => null = Some(string(e)?),
                "header" => o_header = header(e, from)?,
                "quote" => quote = Some(string(e)?),
                "escape" => escape = Some(string(e)?),
                "force_quote" => force_quote = columns(e).map_err(at)?,
                "force_not_null" => force_not_null = named_columns(e).map_err(at)?,
                "force_null" => force_null = named_columns(e).map_err(at)?,
                "freeze" => {
                    boolean(e)?;
                }
                "encoding" => {
                    let name = string(e)?;
                    if crate::settings_check::client_encoding(&name).is_err() {
                        return Err(at(err!(
                            INVALID_PARAMETER_VALUE,
                            "argument to option \"encoding\" must be a valid encoding name"
                        )));
                    }
                }
                other => return Err(at(err!(SYNTAX_ERROR, "option \"{other}\" not recognized"))),
            }
        }
        let csv = format == Format::Csv;
        if format == Format::Binary {
            if delimiter.is_some() {
                bail!(SYNTAX_ERROR, "cannot specify DELIMITER in BINARY mode");
            }
            if null.is_some() {
                bail!(SYNTAX_ERROR, "cannot specify NULL in BINARY mode");
            }
        }
        let delimiter = match delimiter {
            Some(d) => single(&d, "delimiter")?,
            None if csv => b',',
            None => b'\t',
        };
        let null = null.unwrap_or_else(|| if csv { String::new() } else { "\\N".into() });
        if matches!(delimiter, b'\r' | b'\n') {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be newline or carriage return");
        }
        if null.contains(['\r', '\n']) {
            bail!(INVALID_PARAMETER_VALUE, "COPY null representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be \"{}\"", delimiter as char);
        }
        if format == Format::Binary && o_header != Header::No {
            bail!(FEATURE_NOT_SUPPORTED, "cannot specify HEADER in BINARY mode");
        }
        for (given, what) in [(quote.is_some(), "quote"), (escape.is_some(), "escape")] {
            if given && !csv {
                bail!(FEATURE_NOT_SUPPORTED, "COPY {what} available only in CSV mode");
            }
        }
        let quote = quote.map_or(Ok(b'"'), |q| single(&q, "quote"))?;
        let escape = escape.map_or(Ok(quote), |e| single(&e, "escape"))?;
        if csv && delimiter == quote {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter and quote must be different");
        }
        let forced = [
            (&force_quote, "force quote", false),
            (&force_not_null, "force not null", true),
            (&force_null, "force null", true),
        ];
        for (columns, what, for_from) in forced {
            if *columns == Columns::None {
                continue;
            }
            if !csv {
                bail!(FEATURE_NOT_SUPPORTED, "COPY {what} available only in CSV mode");
            }
            if for_from != from {
                let only = if for_from { "COPY FROM" } else { "COPY TO" };
                bail!(FEATURE_NOT_SUPPORTED, "COPY {what} only available using {only}");
            }
        }
        if null.as_bytes().contains(&delimiter) {
            bail!(FEATURE_NOT_SUPPORTED, "COPY delimiter must not appear in the NULL specification");
        }
        if csv && null.as_bytes().contains(&quote) {
            bail!(FEATURE_NOT_SUPPORTED, "CSV quote character must not appear in the NULL specification");
        }
        Ok(Options {
            format,
            delimiter,
            null,
            header: o_header,
            quote,
            escape,
            force_quote,
            force_not_null,
            force_null,
        })
    }
}

impl Columns {
    /// One flag per column of `names`, the columns copied; 42703 for names that the table (all its columns, and its name) or
    /// query doesn't have, 42P10 for those that aren't copied.
    pub fn flags(&self, names: &[&str], known: &(Vec<&str>, Option<&str>), what: &str) -> Result<Vec<bool>> {
        match self {
            Columns::None => Ok(vec![false; names.len()]),
            Columns::All => Ok(vec![true; names.len()]),
            Columns::Named(list) => {
                let mut flags = vec![false; names.len()];
                for (i, wanted) in list.iter().enumerate() {
                    if !known.0.contains(&wanted.as_str()) {
                        return Err(match known.1 {
                            Some(table) => err!(
                                UNDEFINED_COLUMN,
                                "column \"{wanted}\" of relation \"{table}\" does not exist"
                            ),
                            None => err!(UNDEFINED_COLUMN, "column \"{wanted}\" does not exist"),
                        });
                    }
                    if list[..i].contains(wanted) {
                        bail!(DUPLICATE_COLUMN, "column \"{wanted}\" specified more than once");
                    }
                }
                for wanted in list {
                    match names.iter().position(|n| n == wanted) {
                        Some(i) => flags[i] = true,
                        None => bail!(
                            INVALID_COLUMN_REFERENCE,
                            "{what} column \"{wanted}\" not referenced by COPY"
                        ),
                    }
                }
                Ok(flags)
            }
        }
    }
}
