//! CREATE, ALTER and DROP of text search dictionaries and configurations (PostgreSQL: commands/tsearchcmds.c).

use super::Ddl;
use crate::session::Session;
use quarry_catalog::{ObjectAddress, Privilege, TsObject, quote_identifier};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::text_search::dictionary::options;
use quarry_functions::text_search::parser::token;
use quarry_sql::ast::{self, DefArg, DefElem, ObjectKind as K, TextSearchAction};

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
    d.w.make_ts_dictionary(Oid::INVALID, template, &given)?;
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

/// Which catalog's objects a kind means.
fn kind_of(kind: K) -> TsObject {
    if kind == K::TsDictionary { TsObject::Dictionary } else { TsObject::Configuration }
}

/// The object a command names, which must be the user's: with its owner and schema.
pub fn owned(d: &Ddl, kind: K, name: &ast::QualifiedName) -> Result<(ObjectAddress, Oid, Oid)> {
    let what = kind_of(kind);
    let oid = d.w.resolve_ts(what, &name.parts)?;
    let owner = d.w.ts_owner(what, oid)?.unwrap_or(Oid::INVALID);
    d.w.check_owner(owner, what.noun(), &name.display())?;
    let schema = d.w.ts_name(what, oid)?.map_or(Oid::INVALID, |(_, schema)| schema);
    Ok((ObjectAddress::new(what.table(), oid), owner, schema))
}

/// 42710 if the schema has an object of this name.
fn check_free(d: &Ddl, what: TsObject, name: &str, schema: Oid) -> Result<()> {
    if d.w.ts_in_schema(what, name, schema)?.is_none() {
        return Ok(());
    }
    let schema = d.w.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
    bail!(DUPLICATE_OBJECT, "{} \"{name}\" already exists in schema \"{schema}\"", what.noun())
}

/// ALTER TEXT SEARCH ... RENAME TO.
pub fn rename(d: &Ddl, kind: K, name: &ast::QualifiedName, new: &str) -> Result<()> {
    let (object, _, schema) = owned(d, kind, name)?;
    check_free(d, kind_of(kind), new, schema)?;
    if !d.w.is_superuser(d.user())? {
        d.w.check_schema(schema, Privilege::Create)?;
    }
    d.w.rename_ts(kind_of(kind), object.oid, new)
}

/// ALTER TEXT SEARCH ... SET SCHEMA.
pub fn set_schema(d: &Ddl, kind: K, name: &ast::QualifiedName, schema: &str) -> Result<()> {
    let (object, _, old) = owned(d, kind, name)?;
    let schema = d.w.resolve_schema(schema, None)?;
    if schema == old {
        return Ok(());
    }
    d.w.check_schema(schema, Privilege::Create)?;
    check_free(d, kind_of(kind), name.name(), schema)?;
    d.w.set_ts_schema(kind_of(kind), object.oid, old, schema)
}

/// ALTER TEXT SEARCH DICTIONARY (...) and CONFIGURATION ... MAPPING.
pub fn alter(s: &mut Session, c: &ast::AlterTextSearch) -> Result<()> {
    let d = Ddl::new(s)?;
    match &c.action {
        TextSearchAction::Options(options) => alter_options(&d, &c.name, options),
        action => {
            let (config, ..) = owned(&d, K::TsConfiguration, &c.name)?;
            alter_mapping(&d, config.oid, action)
        }
    }
}

fn alter_options(d: &Ddl, name: &ast::QualifiedName, changed: &[DefElem]) -> Result<()> {
    let (object, ..) = owned(d, K::TsDictionary, name)?;
    let (template, mut kept) = d.w.ts_dictionary_options(object.oid)?;
    for o in changed {
        kept.retain(|(name, _)| *name != o.name);
        // Without a value the option goes.
        if o.arg.is_some() {
            kept.push((o.name.clone(), value(o)?));
        }
    }
    d.w.make_ts_dictionary(Oid::INVALID, template, &kept)?;
    let text = options::print(&kept, quote_identifier);
    d.w.set_ts_options(object.oid, (!kept.is_empty()).then_some(text.as_str()))
}

/// Types of tokens by their names.
fn token_types(tokens: &[ast::Name]) -> Result<Vec<i32>> {
    tokens
        .iter()
        .map(|t| match token::by_name(&t.value) {
            Some(kind) => Ok(i32::from(kind)),
            None => Err(err!(INVALID_PARAMETER_VALUE, "token type \"{}\" does not exist", t.value)),
        })
        .collect()
}

fn alter_mapping(d: &Ddl, config: Oid, action: &TextSearchAction) -> Result<()> {
    let dictionary = |n: &ast::QualifiedName| d.w.resolve_ts(TsObject::Dictionary, &n.parts);
    match action {
        TextSearchAction::Options(_) => Ok(()),
        TextSearchAction::AddMapping { tokens, dictionaries } => {
            let kinds = token_types(tokens)?;
            let dictionaries: Vec<Oid> = dictionaries.iter().map(dictionary).collect::<Result<_>>()?;
            d.w.add_ts_mappings(config, &kinds, &dictionaries)
        }
        TextSearchAction::AlterMapping { tokens, dictionaries } => {
            let kinds = token_types(tokens)?;
            let dictionaries: Vec<Oid> = dictionaries.iter().map(dictionary).collect::<Result<_>>()?;
            for kind in &kinds {
                d.w.drop_ts_mappings(config, *kind)?;
            }
            d.w.add_ts_mappings(config, &kinds, &dictionaries)
        }
        TextSearchAction::ReplaceDictionary { tokens, old, new } => {
            let kinds = token_types(tokens)?;
            let (old, new) = (dictionary(old)?, dictionary(new)?);
            d.w.replace_ts_dictionary(config, &kinds, old, new)
        }
        TextSearchAction::DropMapping { tokens, if_exists } => {
            for (kind, token) in token_types(tokens)?.into_iter().zip(tokens) {
                if d.w.drop_ts_mappings(config, kind)? {
                    continue;
                }
                let text = format!("mapping for token type \"{}\" does not exist", token.value);
                if !if_exists {
                    bail!(UNDEFINED_OBJECT, "{text}");
                }
                d.notice(err!(SUCCESSFUL_COMPLETION, "{text}, skipping"));
            }
            d.w.record_ts_mappings(config)
        }
    }
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
