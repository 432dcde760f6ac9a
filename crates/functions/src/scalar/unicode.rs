//! Unicode normalization: `normalize(text, form)` and `IS [form] NORMALIZED`.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail};
use unicode_normalization::{UnicodeNormalization, is_nfc, is_nfd, is_nfkc, is_nfkd};

#[derive(Clone, Copy)]
enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

fn form(name: &str) -> Result<Form> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "NFC" => Form::Nfc,
        "NFD" => Form::Nfd,
        "NFKC" => Form::Nfkc,
        "NFKD" => Form::Nfkd,
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid normalization form: {name}"),
    })
}

fn normalize(text: &str, name: &str) -> Result<String> {
    Ok(match form(name)? {
        Form::Nfc => text.nfc().collect(),
        Form::Nfd => text.nfd().collect(),
        Form::Nfkc => text.nfkc().collect(),
        Form::Nfkd => text.nfkd().collect(),
    })
}

fn is_normalized(text: &str, name: &str) -> Result<bool> {
    Ok(match form(name)? {
        Form::Nfc => is_nfc(text),
        Form::Nfd => is_nfd(text),
        Form::Nfkc => is_nfkc(text),
        Form::Nfkd => is_nfkd(text),
    })
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(4350, "normalize", [TEXT, TEXT] => TEXT, scalar!(|s: &str, f: &str| -> Result<String> { normalize(s, f) })).defaults(&["'NFC'::text"]),
    func!(4351, "is_normalized", [TEXT, TEXT] => BOOL, scalar!(|s: &str, f: &str| -> Result<bool> { is_normalized(s, f) })).defaults(&["'NFC'::text"]),
];
