//! CREATE and DROP of text search dictionaries and configurations (PostgreSQL: commands/tsearchcmds.c).

use super::Ddl;
use crate::session::Session;
use quarry_catalog::{ObjectAddress, Privilege, TsObject, quote_identifier};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::text_search::dictionary::{Dictionary, options};
use quarry_sql::ast::{self, DefArg, DefElem, ObjectKind as K};

/// Whether [`create`] makes objects of this kind.
pub fn makes(kind: K) -> bool {
    matches!(kind, K::TsDictionary | K::TsConfiguration)
}

/// CREATE TEXT SEARCH DICTIONARY and CONFIGURATION.
pub fn create(s: &mut Session, c: &ast::Define) -> Result<()> {
    match c.kind {
        K::TsDictionary => dictionary(s, c),
        K::TsConfiguration => config(s, c),
        kind => Err(Error::unsupported(format_args!("CREATE {}", kind.sql()))),
    }
}

/// The name's last part, and the schema to make it in.
fn place(d: &mut Ddl, name: &ast::QualifiedName) -> Result<(String, Oid)> {
    let schema = match name.parts.split_last() {
        Some((_, [.., schema])) => match d.w.schema_oid(schema)? {
            Some(oid) => oid,
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist"),
        },
        _ => d.creation_schema(None, false, name.pos)?,
    };
    d.w.check_schema(schema, Privilege::Create)?;
    Ok((name.name().to_owned(), schema))
}

/// An option's value as text.
fn value(o: &DefElem) -> Result<String> {
    Ok(match &o.arg {
        Some(DefArg::String(text) | DefArg::Float(text)) => text.clone(),
        Some(DefArg::Integer(i)) => i.to_string(),
        Some(DefArg::Boolean(b)) => b.to_string(),
        Some(DefArg::Names(parts)) => parts.join("."),
        Some(DefArg::Type(t)) => t.names.join("."),
        _ => bail!(SYNTAX_ERROR, "{} requires a parameter", o.name),
    })
}

/// An option's value as a name.
fn name_parts(o: &DefElem) -> Result<Vec<String>> {
    Ok(match &o.arg {
        Some(DefArg::Names(parts)) => parts.clone(),
        Some(DefArg::Type(t)) => t.names.clone(),
        Some(DefArg::String(text)) => vec![text.clone()],
        _ => bail!(SYNTAX_ERROR, "argument of {} must be a name", o.name),
    })
}

fn dictionary(s: &mut Session, c: &ast::Define) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let (name, schema) = place(&mut d, &c.name)?;
    let (mut template, mut given) = (None, Vec::new());
    for o in &c.options {
        if o.name == "template" {
            template = Some(d.w.resolve_ts(TsObject::Template, &name_parts(o)?)?);
        } else {
            given.push((o.name.clone(), value(o)?));
        }
    }
    let Some(template) = template else {
        bail!(INVALID_OBJECT_DEFINITION, "text search template is required");
    };
    // Made once to find out whether the options are good.
    Dictionary::new(Oid::INVALID, template, &given)?;
    let text = options::print(&given, quote_identifier);
    let text = (!given.is_empty()).then_some(text.as_str());
    d.w.create_ts_dictionary(&name, schema, d.user(), template, text)?;
    Ok(())
}

fn config(s: &mut Session, c: &ast::Define) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let (name, schema) = place(&mut d, &c.name)?;
    let (mut parser, mut copy) = (None, None);
    for o in &c.options {
        match o.name.as_str() {
            "parser" => parser = Some(d.w.resolve_ts(TsObject::Parser, &name_parts(o)?)?),
            "copy" => copy = Some(d.w.resolve_ts(TsObject::Configuration, &name_parts(o)?)?),
            other => bail!(SYNTAX_ERROR, "text search configuration parameter \"{other}\" not recognized"),
        }
    }
    let parser = match (parser, copy) {
        (Some(_), Some(_)) => bail!(SYNTAX_ERROR, "cannot specify both PARSER and COPY options"),
        (None, None) => bail!(INVALID_OBJECT_DEFINITION, "text search parser is required"),
        (Some(parser), None) => parser,
        // There is one parser.
        (None, Some(_)) => quarry_functions::text_search::DEFAULT_PARSER,
    };
    d.w.create_ts_config(&name, schema, d.user(), parser, copy)?;
    Ok(())
}

/// What DROP TEXT SEARCH ... means; none: it isn't there and needn't be.
pub fn to_drop(
    d: &Ddl,
    kind: K,
    name: &ast::QualifiedName,
    if_exists: bool,
) -> Result<Option<ObjectAddress>> {
    let what = match kind {
        K::TsDictionary => TsObject::Dictionary,
        K::TsConfiguration => TsObject::Configuration,
        kind => return Err(Error::unsupported(format_args!("DROP {}", kind.sql()))),
    };
    if if_exists && d.w.find_ts(what, &name.parts)?.is_none() {
        d.notice(err!(
            SUCCESSFUL_COMPLETION,
            "{} \"{}\" does not exist, skipping",
            what.noun(),
            name.display()
        ));
        return Ok(None);
    }
    let oid = d.w.resolve_ts(what, &name.parts)?;
    if !d.w.is_superuser(d.user())? && d.w.ts_owner(what, oid)? != Some(d.user()) {
        bail!(INSUFFICIENT_PRIVILEGE, "must be owner of {} {}", what.noun(), name.display());
    }
    Ok(Some(ObjectAddress::new(what.table(), oid)))
}
