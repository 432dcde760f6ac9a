//! The SQL functions: each number type's digits for a picture, and `to_number`.

use super::input::read;
use super::output::{Digits, print, roman};
use super::picture::Picture;
use crate::scalar::arithmetic::errors::int8_out_of_range;
use crate::{FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::numeric::{Numeric, NumericRef, make_typmod};

/// Digits that float4 and float8 hold for certain (`FLT_DIG`, `DBL_DIG`).
const FLOAT4_DIGITS: i32 = 6;
const FLOAT8_DIGITS: i32 = 15;

/// Digits with a fraction, and where they lie within the picture: blanks before them, or `#` all over if they don't fit.
fn fitted(picture: &Picture, text: &str) -> Digits {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let whole = text.find('.').unwrap_or(text.len()) as i32;
    if whole > picture.pre {
        let places = picture.pre + picture.post + 1;
        let text = (0..places).map(|i| if i == picture.pre { '.' } else { '#' }).collect();
        return Digits { text, negative, blanks: 0 };
    }
    Digits { text: text.to_owned(), negative, blanks: picture.pre - whole }
}

/// A whole number with the picture's fraction in zeros.
fn whole(picture: &Picture, value: i64) -> Digits {
    match picture.post {
        0 => fitted(picture, &value.to_string()),
        post => fitted(picture, &format!("{value}.{}", "0".repeat(post as usize))),
    }
}

fn verbatim(text: String) -> Digits {
    Digits { text, negative: false, blanks: 0 }
}

/// Infinity and NaN have no exponent.
fn exponent_overflow(picture: &Picture) -> Digits {
    let places = picture.pre + picture.post + 6;
    let text = (0..places).map(|i| match i {
        0 => ' ',
        i if i == picture.pre + 1 => '.',
        _ => '#',
    });
    verbatim(text.collect())
}

/// A blank in the sign's place.
fn signed(text: String) -> Digits {
    verbatim(if text.starts_with('-') { text } else { format!(" {text}") })
}

/// Rust's exponent form with C's exponent: a sign and two digits at least.
fn c_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text.to_owned(),
    }
}

fn int4_to_char(value: i32, picture: &str) -> Result<String> {
    if picture.is_empty() {
        return Ok(String::new());
    }
    let mut p = Picture::parse(picture)?;
    let digits = if p.roman {
        verbatim(roman(value))
    } else if p.exponent {
        signed(c_exponent(&format!("{:.*e}", p.post as usize, f64::from(value))))
    } else if p.shift {
        // Wraps around where the product is too large, as C does on the usual machines.
        let factor = 10f64.powi(p.multi);
        let factor = if factor >= 2_147_483_648.0 { i32::MIN } else { factor as i32 };
        p.pre += p.multi;
        whole(&p, i64::from(value.wrapping_mul(factor)))
    } else {
        whole(&p, i64::from(value))
    };
    print(p, &digits)
}

fn int8_to_char(value: i64, picture: &str) -> Result<String> {
    if picture.is_empty() {
        return Ok(String::new());
    }
    let mut p = Picture::parse(picture)?;
    let digits = if p.roman {
        verbatim(roman(Numeric::from_i64(value).to_i32()?))
    } else if p.exponent {
        signed(scientific(Numeric::from_i64(value).view(), p.post)?)
    } else if p.shift {
        let factor = 10i64.checked_pow(p.multi as u32).ok_or_else(int8_out_of_range)?;
        p.pre += p.multi;
        whole(&p, value.checked_mul(factor).ok_or_else(int8_out_of_range)?)
    } else {
        whole(&p, value)
    };
    print(p, &digits)
}

/// Both float types: `certain` is how many digits the type holds, `scaled` the value after `V`.
fn float_to_char(
    value: f64,
    certain: i32,
    mut p: Picture,
    scaled: impl FnOnce(f64, i32) -> f64,
) -> Result<String> {
    let digits = if p.roman {
        let n = value.round_ties_even();
        verbatim(roman(if (1.0..4000.0).contains(&n) { n as i32 } else { 0 }))
    } else if p.exponent {
        if value.is_finite() {
            signed(c_exponent(&format!("{:.*e}", p.post as usize, value)))
        } else {
            exponent_overflow(&p)
        }
    } else {
        let mut value = value;
        if p.shift {
            value = scaled(value, p.multi);
            p.pre += p.multi;
        }
        let whole = fixed(value.abs(), 0).len() as i32;
        if whole >= certain {
            p.post = 0;
        } else if whole + p.post > certain {
            p.post = certain - whole;
        }
        fitted(&p, &fixed(value, p.post as usize))
    };
    print(p, &digits)
}

fn fixed(value: f64, scale: usize) -> String {
    match value {
        v if v.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        v => format!("{v:.scale$}"),
    }
}

fn float4_to_char(value: f32, picture: &str) -> Result<String> {
    if picture.is_empty() {
        return Ok(String::new());
    }
    let p = Picture::parse(picture)?;
    let scaled = |v: f64, multi: i32| f64::from(v as f32 * 10f64.powi(multi) as f32);
    float_to_char(f64::from(value), FLOAT4_DIGITS, p, scaled)
}

fn float8_to_char(value: f64, picture: &str) -> Result<String> {
    if picture.is_empty() {
        return Ok(String::new());
    }
    let p = Picture::parse(picture)?;
    float_to_char(value, FLOAT8_DIGITS, p, |v, multi| v * 10f64.powi(multi))
}

fn power_of_ten(exponent: i32) -> Result<Numeric> {
    Numeric::from_i64(10).view().power(Numeric::from_i64(i64::from(exponent)).view())
}

/// `1.23e+45`, with so many digits after the point. A value that rounds up to ten keeps its exponent, as in PostgreSQL.
fn scientific(value: NumericRef<'_>, scale: i32) -> Result<String> {
    let mut text = Vec::new();
    value.abs().view().write(&mut text);
    if !value.is_finite() {
        text.clear();
        value.write(&mut text);
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len()) as i32;
    let first = text.iter().position(|b| (b'1'..=b'9').contains(b)).map(|i| i as i32);
    let exponent = match first {
        None => 0,
        Some(i) if i < point => point - 1 - i,
        Some(i) => point - i,
    };
    // Moving the point is exact, and then the rounding is the only one.
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let digits = &digits[digits.iter().position(|b| *b != b'0').unwrap_or(digits.len() - 1)..];
    let (whole, fraction) = digits.split_at(1);
    let mantissa = format!("{}.{}", String::from_utf8_lossy(whole), String::from_utf8_lossy(fraction));
    let mantissa = Numeric::parse(mantissa.trim_end_matches('.'))?.view().round(scale)?;
    let sign = if value.is_negative() { "-" } else { "" };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    Ok(format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs()))
}

fn numeric_to_char(value: NumericRef<'_>, picture: &str) -> Result<String> {
    if picture.is_empty() {
        return Ok(String::new());
    }
    let mut p = Picture::parse(picture)?;
    let digits = if p.roman {
        verbatim(roman(value.round(0)?.to_i32()?))
    } else if p.exponent {
        if value.is_finite() { signed(scientific(value, p.post)?) } else { exponent_overflow(&p) }
    } else {
        let mut value = value.to_numeric();
        if p.shift {
            value = value.view().mul(power_of_ten(p.multi)?.view())?;
            p.pre += p.multi;
        }
        fitted(&p, &value.view().round(p.post)?.to_string())
    };
    print(p, &digits)
}

fn to_number(text: &str, picture: &str) -> Result<Option<Numeric>> {
    if picture.is_empty() {
        return Ok(None);
    }
    let p = Picture::parse(picture)?;
    let read = read(&p, text)?;
    let number = Numeric::parse(&read.text)?;
    let precision = p.pre + p.multi + read.post;
    let number = number.apply_typmod(make_typmod(precision, read.post))?;
    if !p.shift {
        return Ok(Some(number));
    }
    number.view().mul(power_of_ten(-p.multi)?.view()).map(Some)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1773, "to_char", [INT4, TEXT] => TEXT, scalar!(|v: i32, f: &str| -> Result<String> { int4_to_char(v, f) })).stable(),
    func!(1774, "to_char", [INT8, TEXT] => TEXT, scalar!(|v: i64, f: &str| -> Result<String> { int8_to_char(v, f) })).stable(),
    func!(1775, "to_char", [FLOAT4, TEXT] => TEXT, scalar!(|v: f32, f: &str| -> Result<String> { float4_to_char(v, f) })).stable(),
    func!(1776, "to_char", [FLOAT8, TEXT] => TEXT, scalar!(|v: f64, f: &str| -> Result<String> { float8_to_char(v, f) })).stable(),
    func!(1772, "to_char", [NUMERIC, TEXT] => TEXT, scalar!(|v: NumericRef<'a>, f: &'a str| -> Result<String> { numeric_to_char(v, f) })).stable(),
    func!(1777, "to_number", [TEXT, TEXT] => NUMERIC, scalar!(|t: &str, f: &str| -> Result<Option<Numeric>> { to_number(t, f) })).stable(),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(cases: &[(i32, &str, &str)]) {
        for (value, picture, wanted) in cases {
            assert_eq!(int4_to_char(*value, picture).expect("prints"), *wanted, "{value} {picture}");
        }
    }

    #[test]
    fn integers() {
        ints(&[
            (42, "9999", "   42"),
            (-42, "999PR", " <42>"),
            (1_234_567, "9,999,999", " 1,234,567"),
            (12_345, "999", " ###"),
            (485, "RN", "        CDLXXXV"),
            (22, "99TH", " 22ND"),
            (-7, "9S", "7-"),
            (7, "PL9", "+ 7"),
            (12, "FM99.9", "12."),
            (5, "9\"th\\\"\"", " 5th\""),
        ]);
    }

    #[test]
    fn floats_keep_to_their_certain_digits() {
        assert_eq!(float8_to_char(12345.678, "9.99EEEE").expect("prints"), " 1.23e+04");
        assert_eq!(float8_to_char(f64::NAN, "9.99EEEE").expect("prints"), " #.######");
        assert_eq!(float4_to_char(1234567.8, "99999999.99").expect("prints"), "  1234568");
    }

    #[test]
    fn pictures_that_contradict_themselves() {
        for picture in ["9.9.9", "9EEEE9", "S9MI", "9PR9", "9V.9", "SS"] {
            assert!(int4_to_char(1, picture).is_err(), "{picture}");
        }
    }

    #[test]
    fn numbers_read() {
        let number = |t, f| to_number(t, f).expect("reads").expect("not NULL").to_string();
        assert_eq!(number("12,454.8-", "99G999D9S"), "-12454.8");
        assert_eq!(number("$5", "L9"), "5");
        assert_eq!(number("-12.3", "S99.9"), "-12.3");
        assert!(to_number("abc", "999").is_err());
    }
}
