//! Text search objects: parsers, templates, dictionaries and configurations, by name and by OID.

use super::CatalogReader;
use crate::builtin::columns::{pg_ts_config, pg_ts_config_map, pg_ts_dict, pg_ts_parser, pg_ts_template};
use crate::row::{Row, oid_datum};
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::text_search::Config;
use quarry_functions::text_search::dictionary::files::Files;
use quarry_functions::text_search::dictionary::{Dictionary, parse_options};
use quarry_functions::text_search::parser::token;
use quarry_storage::disk::Disk;
use quarry_types::Datum;
use std::sync::Arc;

/// A kind of text search object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TsObject {
    Parser,
    Template,
    Dictionary,
    Configuration,
}

impl TsObject {
    /// "text search dictionary" and so on.
    pub fn noun(self) -> &'static str {
        match self {
            TsObject::Parser => "text search parser",
            TsObject::Template => "text search template",
            TsObject::Dictionary => "text search dictionary",
            TsObject::Configuration => "text search configuration",
        }
    }
    /// The kind that a catalog has.
    pub(crate) fn of_table(table: u32) -> Option<TsObject> {
        [TsObject::Parser, TsObject::Template, TsObject::Dictionary, TsObject::Configuration]
            .into_iter()
            .find(|k| k.table() == table)
    }
    /// The catalog that has them.
    pub fn table(self) -> u32 {
        match self {
            TsObject::Parser => pg_ts_parser::TABLE,
            TsObject::Template => pg_ts_template::TABLE,
            TsObject::Dictionary => pg_ts_dict::TABLE,
            TsObject::Configuration => pg_ts_config::TABLE,
        }
    }
    /// The indexes by OID, and by name and schema.
    pub(crate) fn indexes(self) -> (u32, u32) {
        match self {
            TsObject::Parser => (3607, 3606),
            TsObject::Template => (3767, 3766),
            TsObject::Dictionary => (3605, 3604),
            TsObject::Configuration => (3712, 3608),
        }
    }
}

/// The files of dictionaries that the server's owner has put into the data folder, and the catalog's dictionaries.
struct DataFolder<'a>(&'a CatalogReader);

/// The folder in it.
const FOLDER: &str = "tsearch_data";
/// Files are read whole.
const FILE_BYTES_MAX: u64 = 256 << 20;

impl Files for DataFolder<'_> {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{FOLDER}/{name}");
        let disk: &dyn Disk = &**self.0.catalog().storage().disk();
        let Some(file) = disk.open(&path, false)? else { return Ok(None) };
        let len = file.len()?;
        if len > FILE_BYTES_MAX {
            return Err(err!(PROGRAM_LIMIT_EXCEEDED, "file \"{path}\" is too large"));
        }
        let mut bytes = vec![0; len as usize];
        let got = file.read_at(&mut bytes, 0)?;
        bytes.truncate(got);
        Ok(Some(bytes))
    }
    fn dictionary(&self, name: &str) -> Result<Arc<Dictionary>> {
        let fold = |part: &str| match part.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
            Some(quoted) => quoted.to_owned(),
            None => part.to_ascii_lowercase(),
        };
        let parts: Vec<String> = name.split('.').map(|p| fold(p.trim())).collect();
        self.0.ts_dictionary(self.0.resolve_ts(TsObject::Dictionary, &parts)?)
    }
}

/// In all four catalogs.
const OID: usize = pg_ts_config::OID;
const NAME: usize = pg_ts_config::CFGNAME;
const SCHEMA: usize = pg_ts_config::CFGNAMESPACE;

impl CatalogReader {
    /// The object's row.
    pub(crate) fn ts_row(&self, kind: TsObject, oid: Oid) -> Result<Option<Row>> {
        let found = self.find_one(&self.snapshot(), kind.table(), kind.indexes().0, &[oid_datum(oid)])?;
        Ok(found.map(|(_, row)| row))
    }
    /// The object of this name in a schema.
    pub fn ts_in_schema(&self, kind: TsObject, name: &str, schema: Oid) -> Result<Option<Oid>> {
        let key = [Datum::text(name), oid_datum(schema)];
        let found = self.find_one(&self.snapshot(), kind.table(), kind.indexes().1, &key)?;
        Ok(found.map(|(_, row)| row.oid(OID)))
    }
    /// The object that a name, qualified or not, means.
    pub fn find_ts<S: AsRef<str>>(&self, kind: TsObject, parts: &[S]) -> Result<Option<Oid>> {
        let Some((name, schema)) = parts.split_last() else { return Ok(None) };
        match schema.last() {
            Some(schema) => match self.explicit_schema(schema.as_ref())? {
                Some(schema) => self.ts_in_schema(kind, name.as_ref(), schema),
                None => Ok(None),
            },
            None => {
                for schema in self.search_path()?.iter() {
                    if let Some(oid) = self.ts_in_schema(kind, name.as_ref(), *schema)? {
                        return Ok(Some(oid));
                    }
                }
                Ok(None)
            }
        }
    }
    /// The same; 42704 if there is none.
    pub fn resolve_ts<S: AsRef<str>>(&self, kind: TsObject, parts: &[S]) -> Result<Oid> {
        if let [schema, _] = parts
            && self.schema_oid(schema.as_ref())?.is_none()
        {
            return Err(err!(UNDEFINED_SCHEMA, "schema \"{}\" does not exist", schema.as_ref()));
        }
        self.find_ts(kind, parts)?.ok_or_else(|| {
            let shown = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
            err!(UNDEFINED_OBJECT, "{} \"{shown}\" does not exist", kind.noun())
        })
    }
    /// Name and schema.
    pub fn ts_name(&self, kind: TsObject, oid: Oid) -> Result<Option<(String, Oid)>> {
        Ok(self.ts_row(kind, oid)?.map(|row| (row.string(NAME), row.oid(SCHEMA))))
    }
    /// Whether the name alone finds it; none: there is no such object.
    pub fn is_visible_ts(&self, kind: TsObject, oid: Oid) -> Result<Option<bool>> {
        match self.ts_name(kind, oid)? {
            Some((name, _)) => Ok(Some(self.find_ts(kind, &[name])? == Some(oid))),
            None => Ok(None),
        }
    }
    /// The name as `regconfig` and `regdictionary` print it.
    pub(crate) fn ts_reg_name(&self, kind: TsObject, oid: Oid) -> Result<Option<String>> {
        let Some((name, schema)) = self.ts_name(kind, oid)? else { return Ok(None) };
        if self.find_ts(kind, &[&name])? == Some(oid) {
            return Ok(Some(super::quote_identifier(&name)));
        }
        let schema = self.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
        Ok(Some(super::quote_qualified(&schema, &name)))
    }

    /// Who owns a dictionary or configuration.
    pub fn ts_owner(&self, kind: TsObject, oid: Oid) -> Result<Option<Oid>> {
        Ok(self.ts_row(kind, oid)?.map(|row| row.oid(pg_ts_config::CFGOWNER)))
    }

    /// A dictionary, ready to be asked.
    pub fn ts_dictionary(&self, oid: Oid) -> Result<Arc<Dictionary>> {
        let (template, options) = self.ts_dictionary_options(oid)?;
        self.make_ts_dictionary(oid, template, &options).map(Arc::new)
    }
    /// A dictionary of a template with these options, if they are good.
    pub fn make_ts_dictionary(
        &self,
        oid: Oid,
        template: Oid,
        options: &[(String, String)],
    ) -> Result<Dictionary> {
        Dictionary::new(oid, template, options, &DataFolder(self))
    }
    /// A dictionary's template and options.
    pub fn ts_dictionary_options(&self, oid: Oid) -> Result<(Oid, Vec<(String, String)>)> {
        let Some(row) = self.ts_row(TsObject::Dictionary, oid)? else {
            return Err(Error::internal(format!("cache lookup failed for text search dictionary {oid}")));
        };
        let options = match row.0[pg_ts_dict::DICTINITOPTION].is_null() {
            true => Vec::new(),
            false => parse_options(row.str(pg_ts_dict::DICTINITOPTION))?,
        };
        Ok((row.oid(pg_ts_dict::DICTTEMPLATE), options))
    }
    /// A configuration with its dictionaries.
    pub fn ts_config(&self, oid: Oid) -> Result<Arc<Config>> {
        if self.ts_row(TsObject::Configuration, oid)?.is_none() {
            return Err(Error::internal(format!("cache lookup failed for text search configuration {oid}")));
        }
        let mut mappings: Vec<(i32, i32, Oid)> = self
            .find(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(oid)])?
            .iter()
            .map(|(_, r)| {
                let dictionary = r.oid(pg_ts_config_map::MAPDICT);
                (r.i32(pg_ts_config_map::MAPTOKENTYPE), r.i32(pg_ts_config_map::MAPSEQNO), dictionary)
            })
            .collect();
        mappings.sort();
        let mut made: Vec<Arc<Dictionary>> = Vec::new();
        let mut dictionaries = vec![Vec::new(); usize::from(token::COUNT) + 1];
        for (kind, _, oid) in mappings {
            let dictionary = match made.iter().find(|d| d.oid == oid) {
                Some(d) => d.clone(),
                None => {
                    made.push(self.ts_dictionary(oid)?);
                    made[made.len() - 1].clone()
                }
            };
            if let Some(list) = usize::try_from(kind).ok().and_then(|k| dictionaries.get_mut(k)) {
                list.push(dictionary);
            }
        }
        Ok(Arc::new(Config { oid, dictionaries }))
    }
}
