//! `concat`, `concat_ws` and `format`.

use super::concat::text_of;
use crate::kernel::check_buffer;
use crate::{EvalContext, FunctionDef, func, row_only};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::{Datum, oids};

/// Text of the call's argument number `n`; none: NULL.
fn arg_text(cx: &EvalContext<'_>, args: &[Datum], n: usize) -> Result<Option<String>> {
    if args[n].is_null() {
        return Ok(None);
    }
    arg_text_of(cx, cx.arg_types.get(n).map_or(oids::TEXT, |t| t.oid), &args[n]).map(Some)
}

/// A non-NULL value as its output function spells it: a boolean is "t", where a cast makes "true".
pub(crate) fn arg_text_of(cx: &EvalContext<'_>, oid: Oid, value: &Datum) -> Result<String> {
    match oid {
        oids::BOOL => Ok(if value.as_bool() { "t" } else { "f" }.to_owned()),
        oids::BPCHAR => Ok(value.as_str().to_owned()),
        _ => text_of(cx, oid, value),
    }
}

fn concat(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::new();
    for n in 0..args.len() {
        let text = arg_text(cx, args, n)?.unwrap_or_default();
        check_buffer(out.len(), text.len())?;
        out.push_str(&text);
    }
    Ok(Datum::Bytes(out.into()))
}

fn concat_ws(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(separator) = arg_text(cx, args, 0)? else { return Ok(Datum::Null) };
    let mut out: Option<String> = None;
    for n in 1..args.len() {
        let Some(text) = arg_text(cx, args, n)? else { continue };
        match &mut out {
            None => out = Some(text),
            Some(out) => {
                for piece in [&separator, &text] {
                    check_buffer(out.len(), piece.len())?;
                    out.push_str(piece);
                }
            }
        }
    }
    Ok(Datum::Bytes(out.unwrap_or_default().into()))
}

fn unterminated() -> Error {
    err!(INVALID_PARAMETER_VALUE, "unterminated format() type specifier")
        .hint("For a single \"%\" use \"%%\".")
}

/// Reads digits; none if there are none.
fn number(chars: &[char], at: &mut usize) -> Result<Option<i32>> {
    let mut n: Option<i32> = None;
    while let Some(d) = chars.get(*at).and_then(|c| c.to_digit(10)) {
        let next = n.unwrap_or(0).checked_mul(10).and_then(|v| v.checked_add(d as i32));
        n = Some(next.ok_or_else(|| err!(NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))?);
        *at += 1;
    }
    if n.is_some() && *at >= chars.len() {
        return Err(unterminated());
    }
    Ok(n)
}

/// Where an argument position written as `n$` points; argument 0 is the format itself.
fn position(n: i32) -> Result<usize> {
    if n == 0 {
        bail!(INVALID_PARAMETER_VALUE, "format specifies argument 0, but arguments are numbered from 1");
    }
    Ok(n as usize)
}

fn format_text(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let chars: Vec<char> = args[0].as_str().chars().collect();
    let mut out = String::with_capacity(chars.len());
    let mut at = 0;
    let mut last = 0;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.get(at) {
            None => return Err(unterminated()),
            Some('%') => {
                out.push('%');
                at += 1;
                continue;
            }
            _ => {}
        }
        // [position$][-][width]
        let mut from = None;
        let mut left = false;
        let mut width: Option<i32> = None;
        match number(&chars, &mut at)? {
            Some(n) if chars[at] == '$' => {
                from = Some(position(n)?);
                at += 1;
            }
            n => width = n,
        }
        if width.is_none() {
            while chars.get(at) == Some(&'-') {
                left = true;
                at += 1;
            }
            if chars.get(at) == Some(&'*') {
                at += 1;
                let n = match number(&chars, &mut at)? {
                    Some(n) if chars[at] == '$' => {
                        at += 1;
                        position(n)?
                    }
                    Some(_) => {
                        bail!(INVALID_PARAMETER_VALUE, "width argument position must be ended by \"$\"")
                    }
                    None => last + 1,
                };
                last = n;
                if n >= args.len() {
                    bail!(INVALID_PARAMETER_VALUE, "too few arguments for format()");
                }
                let text = arg_text(cx, args, n)?.unwrap_or_else(|| "0".to_owned());
                let n = quarry_types::ints::parse_i32(&text)?;
                if n < 0 {
                    left = true;
                }
                width = Some(
                    n.checked_abs()
                        .ok_or_else(|| err!(NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))?,
                );
            } else {
                width = number(&chars, &mut at)?;
            }
        }
        let Some(&kind) = chars.get(at) else { return Err(unterminated()) };
        at += 1;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(err!(INVALID_PARAMETER_VALUE, "unrecognized format() type specifier \"{kind}\"")
                .hint("For a single \"%\" use \"%%\"."));
        }
        let n = from.unwrap_or(last + 1);
        last = n;
        if n >= args.len() {
            bail!(INVALID_PARAMETER_VALUE, "too few arguments for format()");
        }
        let text = match (kind, arg_text(cx, args, n)?) {
            ('s', text) => text.unwrap_or_default(),
            ('I', None) => {
                bail!(NULL_VALUE_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier")
            }
            ('I', Some(text)) => super::quote::ident(&text),
            (_, None) => "NULL".to_owned(),
            (_, Some(text)) => super::quote::literal(&text),
        };
        let padding = (width.unwrap_or(0) as usize).saturating_sub(text.chars().count());
        check_buffer(out.len(), padding)?;
        check_buffer(out.len() + padding, text.len())?;
        let padding = " ".repeat(padding);
        let (before, after) = if left { ("", padding.as_str()) } else { (padding.as_str(), "") };
        out.push_str(before);
        out.push_str(&text);
        out.push_str(after);
    }
    Ok(Datum::Bytes(out.into()))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3058, "concat", [ANY] => TEXT, row_only!(concat)).stable().lax().variadic(oids::ANY),
    func!(3059, "concat_ws", [TEXT, ANY] => TEXT, row_only!(concat_ws)).stable().lax().variadic(oids::ANY),
    func!(3540, "format", [TEXT] => TEXT, row_only!(format_text)).stable().lax(),
    func!(3539, "format", [TEXT, ANY] => TEXT, row_only!(format_text)).stable().lax().variadic(oids::ANY),
];
