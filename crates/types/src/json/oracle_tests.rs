//! Replays tables of calls with the results PostgreSQL 15 gave (see the module of the same name of `datetime`).

use super::jsonb::{self, Subscript, Value, compare};
use super::text::{self, Part};
use super::{jsonb_in, jsonb_out, path};
use crate::datetime::TimeZone;
use crate::datetime::oracle_tests::replay;
use crate::{Datum, IoContext};
use bytes::Bytes;
use quarry_common::Result;

/// Elements of a one-dimensional text array.
fn array(s: &str) -> Vec<Option<String>> {
    let inner = &s[1..s.len() - 1];
    if inner.is_empty() {
        return Vec::new();
    }
    inner
        .split(',')
        .map(|e| match e {
            "NULL" => None,
            e => Some(e.trim_matches('"').to_string()),
        })
        .collect()
}

fn subscripts(s: &str) -> Vec<Subscript> {
    s[1..s.len() - 1]
        .split("][")
        .map(|e| match e.parse() {
            Ok(i) => Subscript::Int(i),
            Err(_) => Subscript::Text(e.trim_matches('\'').to_string()),
        })
        .collect()
}

/// The index key of a jsonb; checks that it can be passed over.
fn key(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    (jsonb::key::KEY.encode)(&Datum::Bytes(Bytes::copy_from_slice(stored)), &mut out);
    let len = out.len();
    out.push(7);
    let mut rest = &out[..];
    (jsonb::key::KEY.skip)(&mut rest).unwrap();
    assert_eq!(rest, [7]);
    out.truncate(len);
    out
}

fn call(cx: &IoContext<'_>, args: &[String]) -> Result<Option<String>> {
    let op = args[0].as_str();
    let arg = |i: usize| args[i].as_str();
    let bin = |i: usize| -> Result<Vec<u8>> { Ok(jsonb_in(arg(i))?.as_bytes().to_vec()) };
    let optional =
        |i: usize| -> Result<Option<Vec<u8>>> { if arg(i) == "\\N" { Ok(None) } else { bin(i).map(Some) } };
    let int = |i: usize| arg(i).parse::<i32>().unwrap();
    let steps = |i: usize| array(arg(i));
    let full = |i: usize| -> Vec<String> { steps(i).into_iter().map(Option::unwrap).collect() };
    let show = |stored: Vec<u8>| -> Result<Option<String>> {
        jsonb::check_stored(&stored)?;
        Ok(Some(Value::root(&stored).to_text()))
    };
    let value = |v: Option<Value<'_>>| -> Result<Option<String>> {
        v.map(|v| Ok(Value::root(&v.to_jsonb()?).to_text())).transpose()
    };
    let part = |p: Option<Part<'_>>| -> Result<Option<String>> { Ok(p.map(|p| p.json.to_string())) };
    let join = |parts: Vec<String>| -> Result<Option<String>> { Ok(Some(parts.join("; "))) };
    let or_null = |v: Option<String>| v.unwrap_or_else(|| "NULL".into());
    let keys = if op.starts_with("exists_") || op == "deletes" { steps(2) } else { Vec::new() };
    let key_refs: Vec<Option<&str>> = keys.iter().map(|k| k.as_deref()).collect();
    match op {
        "in_json" => super::json_in(arg(1)).map(|d| Some(d.as_str().to_string())),
        "in_jsonb" => {
            let mut out = Vec::new();
            jsonb_out(&jsonb_in(arg(1))?, &mut out);
            Ok(Some(String::from_utf8(out).unwrap()))
        }
        "json_field" => part(text::object_field(arg(1), arg(2))?),
        "json_field_text" => Ok(text::object_field(arg(1), arg(2))?.and_then(|p| p.as_text())),
        "json_elem" => part(text::array_element(arg(1), int(2))?),
        "json_elem_text" => Ok(text::array_element(arg(1), int(2))?.and_then(|p| p.as_text())),
        "json_path" => part(text::extract_path(arg(1), &full(2))?),
        "json_path_text" => Ok(text::extract_path(arg(1), &full(2))?.and_then(|p| p.as_text())),
        "json_typeof" => Ok(Some(text::type_of(arg(1))?.into())),
        "json_array_length" => Ok(Some(text::array_length(arg(1))?.to_string())),
        "json_strip_nulls" => text::strip_nulls(arg(1)).map(Some),
        "json_each" => {
            join(text::each(arg(1))?.into_iter().map(|(k, p)| format!("{k}={}", p.json)).collect())
        }
        "json_each_text" => join(
            text::each(arg(1))?.into_iter().map(|(k, p)| format!("{k}={}", or_null(p.as_text()))).collect(),
        ),
        "json_elements" => join(
            text::array_elements(arg(1), "json_array_elements")?.iter().map(|p| p.json.to_string()).collect(),
        ),
        "json_elements_text" => join(
            text::array_elements(arg(1), "json_array_elements_text")?
                .iter()
                .map(|p| or_null(p.as_text()))
                .collect(),
        ),
        "json_keys" => join(text::object_keys(arg(1))?),
        "jsonb_field" => value(jsonb::object_field(&bin(1)?, arg(2))),
        "jsonb_field_text" => Ok(jsonb::object_field(&bin(1)?, arg(2)).and_then(Value::as_text)),
        "jsonb_elem" => value(jsonb::array_element(&bin(1)?, int(2))),
        "jsonb_elem_text" => Ok(jsonb::array_element(&bin(1)?, int(2)).and_then(Value::as_text)),
        "jsonb_path" => value(jsonb::extract_path(&bin(1)?, &full(2))),
        "jsonb_path_text" => Ok(jsonb::extract_path(&bin(1)?, &full(2)).and_then(Value::as_text)),
        "jsonb_typeof" => Ok(Some(Value::root(&bin(1)?).type_name().into())),
        "jsonb_array_length" => Ok(Some(jsonb::array_length(&bin(1)?)?.to_string())),
        "jsonb_strip_nulls" => show(jsonb::strip_nulls(&bin(1)?)?),
        "jsonb_each" => join(
            jsonb::pairs_of(&bin(1)?, "jsonb_each")?
                .pairs()
                .map(|(k, v)| format!("{k}={}", v.to_text()))
                .collect(),
        ),
        "jsonb_each_text" => join(
            jsonb::pairs_of(&bin(1)?, "jsonb_each_text")?
                .pairs()
                .map(|(k, v)| format!("{k}={}", or_null(v.as_text())))
                .collect(),
        ),
        "jsonb_elements" => join(jsonb::elements_of(&bin(1)?)?.elements().map(Value::to_text).collect()),
        "jsonb_elements_text" => {
            join(jsonb::elements_of(&bin(1)?)?.elements().map(|v| or_null(v.as_text())).collect())
        }
        "jsonb_keys" => join(jsonb::keys_of(&bin(1)?)?.pairs().map(|(k, _)| k.to_string()).collect()),
        "jsonb_pretty" => {
            let mut out = Vec::new();
            Value::root(&bin(1)?).write_pretty(&mut out);
            Ok(Some(String::from_utf8(out).unwrap()))
        }
        "jsonb_cmp" => {
            let (a, b) = (bin(1)?, bin(2)?);
            let order = compare::compare(&a, &b);
            if order.is_eq() {
                assert_eq!(compare::hash(&a), compare::hash(&b));
            }
            let (ka, kb) = (key(&a), key(&b));
            assert_eq!(ka.cmp(&kb), order, "{args:?}");
            Ok(Some((order as i32).to_string()))
        }
        "contains" => Ok(Some(compare::contains(&bin(1)?, &bin(2)?).to_string())),
        "concat" => show(jsonb::concat(&bin(1)?, &bin(2)?)?),
        "exists" => Ok(Some(compare::exists(&bin(1)?, arg(2)).to_string())),
        "exists_any" => Ok(Some(compare::exists_any(&bin(1)?, key_refs.into_iter()).to_string())),
        "exists_all" => Ok(Some(compare::exists_all(&bin(1)?, key_refs.into_iter()).to_string())),
        "delete" => show(jsonb::delete_key(&bin(1)?, arg(2))?),
        "deletes" => show(jsonb::delete_keys(&bin(1)?, &key_refs)?),
        "delete_idx" => show(jsonb::delete_index(&bin(1)?, int(2))?),
        "delete_path" | "set" | "insert" | "set_lax" => {
            let p = steps(2);
            let p: Vec<Option<&str>> = p.iter().map(|s| s.as_deref()).collect();
            show(match op {
                "delete_path" => jsonb::delete_path(&bin(1)?, &p)?,
                "set" => jsonb::set(&bin(1)?, &p, &bin(3)?, arg(4) == "true")?,
                "insert" => jsonb::insert(&bin(1)?, &p, &bin(3)?, arg(4) == "true")?,
                _ => {
                    let treatment = Some(arg(4)).filter(|t| *t != "\\N");
                    jsonb::set_lax(&bin(1)?, &p, optional(3)?.as_deref(), true, treatment)?
                }
            })
        }
        "subscript" => value(jsonb::subscript(&bin(1)?, &subscripts(arg(2)))),
        "assign" => {
            let (old, new) = (optional(1)?, optional(3)?);
            show(jsonb::subscript_assign(old.as_deref(), &subscripts(arg(2)), new.as_deref())?)
        }
        "cast_bool" => Ok(Some(jsonb::cast_bool(&bin(1)?)?.to_string())),
        "cast_numeric" => Ok(Some(jsonb::cast_number(&bin(1)?, "numeric")?.to_string())),
        "cast_int4" => Ok(Some(jsonb::cast_number(&bin(1)?, "integer")?.to_i32()?.to_string())),
        "path_in" => super::path::jsonpath_in(arg(1)).map(|d| Some(d.as_str().to_string())),
        "path_query" | "path_query_tz" | "path_exists" | "path_match" | "path_first" => {
            let p = path::compiled(path::jsonpath_in(arg(2))?.as_str())?;
            let (doc, vars, silent) = (bin(1)?, bin(3)?, arg(4) == "true");
            let env = Env(op.ends_with("_tz").then_some(&*cx.time_zone));
            let bool_text = |b: Option<bool>| b.map(|b| b.to_string());
            match op {
                "path_exists" => Ok(bool_text(path::exists(&p, &doc, Some(&vars), silent, &env)?)),
                "path_match" => Ok(bool_text(path::matches(&p, &doc, Some(&vars), silent, &env)?)),
                "path_first" => path::first(&p, &doc, Some(&vars), silent, &env)?.map_or(Ok(None), show),
                _ => show(path::query_array(&p, &doc, Some(&vars), silent, &env)?),
            }
        }
        other => panic!("no case for {other}"),
    }
}

/// Knows the one regular expression of the table.
struct Env<'z>(Option<&'z TimeZone>);

impl path::Environment for Env<'_> {
    fn like_regex(&self, pattern: &str, _: path::RegexFlags, text: &str) -> Result<bool> {
        assert_eq!(pattern, "^a");
        Ok(text.starts_with('a'))
    }
    fn time_zone(&self) -> Option<&TimeZone> {
        self.0
    }
}

#[test]
fn paths() {
    replay(include_str!("testdata/path.tsv"), call);
}

#[test]
fn functions() {
    replay(include_str!("testdata/json.tsv"), call);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(100_000);
    assert_eq!(super::json_in(&deep).unwrap_err().message(), "stack depth limit exceeded");
    assert_eq!(super::jsonb_in(&deep).unwrap_err().message(), "stack depth limit exceeded");
    let fits = format!("{}1{}", "[".repeat(super::DEPTH_MAX), "]".repeat(super::DEPTH_MAX));
    let stored = jsonb_in(&fits).unwrap();
    assert!(compare::contains(stored.as_bytes(), stored.as_bytes()));
    assert!(compare::compare(stored.as_bytes(), stored.as_bytes()).is_eq());
    assert_eq!(Value::root(stored.as_bytes()).to_text(), fits);
}

/// Changes recorded documents and paths at random: whatever comes of it, nothing may panic.
#[test]
fn mutated_documents_never_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    const CHARS: [&str; 24] = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "0", "1", "-", ".", "e", "$", "@", "?", "(",
        ")", "*", " ", "é", "null",
    ];
    let mut mutate = |s: &str| {
        let mut chars: Vec<String> = s.chars().map(String::from).collect();
        for _ in 0..1 + random(3) {
            let at = random(chars.len() + 1);
            if at < chars.len() && random(2) == 0 {
                chars[at] = CHARS[random(CHARS.len())].into();
            } else {
                chars.insert(at, CHARS[random(CHARS.len())].into());
            }
        }
        chars.concat()
    };
    let doc = jsonb_in(r#"{"a":[1,{"b":"x"}],"c":null}"#).unwrap();
    for line in include_str!("testdata/json.tsv").lines().skip(1).step_by(3) {
        let text = mutate(line.split('\t').nth(2).unwrap());
        if let Ok(stored) = jsonb_in(&text) {
            jsonb::check_stored(stored.as_bytes()).unwrap();
            let again = jsonb_in(&Value::root(stored.as_bytes()).to_text()).unwrap();
            assert!(compare::compare(stored.as_bytes(), again.as_bytes()).is_eq());
        }
        let _ = text::extract_path(&text, &["a", "1", "b"]);
        let _ = text::strip_nulls(&text);
    }
    for line in include_str!("testdata/path.tsv").lines().skip(1).step_by(2) {
        let fields: Vec<&str> = line.split('\t').collect();
        let text = mutate(if fields[1] == "path_in" { fields[2] } else { fields[3] });
        let Ok(p) = path::jsonpath_in(&text) else { continue };
        let canonical = p.as_str();
        assert_eq!(path::jsonpath_in(canonical).unwrap().as_str(), canonical, "{text}");
        let _ = path::query(&path::compiled(canonical).unwrap(), doc.as_bytes(), None, true, &path::NoRegex);
    }
}
