//! Text search dictionaries and configurations.

use super::CatalogWriter;
use crate::builtin::columns::{pg_ts_config, pg_ts_config_map, pg_ts_dict, pg_ts_parser, pg_ts_template};
use crate::cache::Touched;
use crate::object::{DependencyType, ObjectAddress};
use crate::reader::TsObject;
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result, err};
use quarry_types::Datum;

impl CatalogWriter {
    /// Makes a dictionary; its options are checked and in the form of `dictinitoption`.
    pub fn create_ts_dictionary(
        &self,
        name: &str,
        schema: Oid,
        owner: Oid,
        template: Oid,
        options: Option<&str>,
    ) -> Result<Oid> {
        let oid = self.new_ts_object(TsObject::Dictionary, name, schema)?;
        self.insert(
            pg_ts_dict::TABLE,
            &Row(vec![
                oid_datum(oid),
                Datum::text(name),
                oid_datum(schema),
                oid_datum(owner),
                oid_datum(template),
                options.map_or(Datum::Null, Datum::text),
            ]),
        )?;
        let address = ObjectAddress::new(pg_ts_dict::TABLE, oid);
        self.record_ts_object(address, schema, owner, &[(pg_ts_template::TABLE, template)])?;
        Ok(oid)
    }

    /// Makes a configuration of the default parser, with the mappings of another one or none.
    pub fn create_ts_config(
        &self,
        name: &str,
        schema: Oid,
        owner: Oid,
        parser: Oid,
        copy: Option<Oid>,
    ) -> Result<Oid> {
        let oid = self.new_ts_object(TsObject::Configuration, name, schema)?;
        self.insert(
            pg_ts_config::TABLE,
            &Row(vec![
                oid_datum(oid),
                Datum::text(name),
                oid_datum(schema),
                oid_datum(owner),
                oid_datum(parser),
            ]),
        )?;
        let mut used = vec![(pg_ts_parser::TABLE, parser)];
        if let Some(copy) = copy {
            for (_, row) in self.find(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(copy)])? {
                let dictionary = (pg_ts_dict::TABLE, row.oid(pg_ts_config_map::MAPDICT));
                if !used.contains(&dictionary) {
                    used.push(dictionary);
                }
                let mut row = row;
                row.0[pg_ts_config_map::MAPCFG] = oid_datum(oid);
                self.insert(pg_ts_config_map::TABLE, &row)?;
            }
        }
        self.record_ts_object(ObjectAddress::new(pg_ts_config::TABLE, oid), schema, owner, &used)?;
        Ok(oid)
    }

    fn new_ts_object(&self, kind: TsObject, name: &str, schema: Oid) -> Result<Oid> {
        if self.ts_in_schema(kind, name, schema)?.is_some() {
            // PostgreSQL finds it by the unique index.
            let (index, columns) = match kind {
                TsObject::Dictionary => ("pg_ts_dict_dictname_index", "(dictname, dictnamespace)"),
                _ => ("pg_ts_config_cfgname_index", "(cfgname, cfgnamespace)"),
            };
            return Err(err!(UNIQUE_VIOLATION, "duplicate key value violates unique constraint \"{index}\"")
                .detail(format!("Key {columns}=({name}, {schema}) already exists.")));
        }
        let oid = self.new_oid()?;
        self.touch([Touched::All]);
        Ok(oid)
    }

    fn record_ts_object(
        &self,
        address: ObjectAddress,
        schema: Oid,
        owner: Oid,
        used: &[(u32, Oid)],
    ) -> Result<()> {
        self.record_owner(address, owner)?;
        self.add_dependency(address, ObjectAddress::schema(schema), DependencyType::Normal)?;
        for (class, oid) in used {
            self.add_dependency(address, ObjectAddress::new(*class, *oid), DependencyType::Normal)?;
        }
        self.advance();
        Ok(())
    }

    /// Gives an object another name, which must be free.
    pub fn rename_ts(&self, kind: TsObject, oid: Oid, name: &str) -> Result<()> {
        self.change_ts(kind, oid, |row| row.0[pg_ts_config::CFGNAME] = Datum::text(name))
    }

    /// Moves an object to another schema.
    pub fn set_ts_schema(&self, kind: TsObject, oid: Oid, from: Oid, to: Oid) -> Result<()> {
        self.change_ts(kind, oid, |row| row.0[pg_ts_config::CFGNAMESPACE] = oid_datum(to))?;
        let address = ObjectAddress::new(kind.table(), oid);
        self.change_dependency(address, ObjectAddress::schema(from), ObjectAddress::schema(to))
    }

    /// Gives a dictionary other options, checked and in the form of `dictinitoption`.
    pub fn set_ts_options(&self, dictionary: Oid, options: Option<&str>) -> Result<()> {
        self.change_ts(TsObject::Dictionary, dictionary, |row| {
            row.0[pg_ts_dict::DICTINITOPTION] = options.map_or(Datum::Null, Datum::text);
        })
    }

    fn change_ts(&self, kind: TsObject, oid: Oid, change: impl FnMut(&mut Row)) -> Result<()> {
        self.touch([Touched::All]);
        self.change_oid(kind.table(), kind.indexes().0, oid, change)?;
        self.advance();
        Ok(())
    }

    /// Asks these dictionaries, in order, for tokens of these types; 23505 if one of the types has a mapping.
    pub fn add_ts_mappings(&self, config: Oid, kinds: &[i32], dictionaries: &[Oid]) -> Result<()> {
        for kind in kinds {
            for (i, dictionary) in dictionaries.iter().enumerate() {
                let key = [oid_datum(config), Datum::I32(*kind), Datum::I32(i as i32 + 1)];
                if self.find_one(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &key)?.is_some() {
                    let text = "duplicate key value violates unique constraint \"pg_ts_config_map_index\"";
                    let columns = "(mapcfg, maptokentype, mapseqno)";
                    return Err(err!(UNIQUE_VIOLATION, "{text}")
                        .detail(format!("Key {columns}=({config}, {kind}, {}) already exists.", i + 1)));
                }
                let mut row = key.to_vec();
                row.push(oid_datum(*dictionary));
                self.insert(pg_ts_config_map::TABLE, &Row(row))?;
            }
            self.advance();
        }
        self.record_ts_mappings(config)
    }

    /// Forgets what is asked for tokens of a type; false: nothing was.
    pub fn drop_ts_mappings(&self, config: Oid, kind: i32) -> Result<bool> {
        let key = [oid_datum(config), Datum::I32(kind)];
        let there = self.find_one(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &key)?.is_some();
        self.delete_all(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &key)?;
        self.advance();
        Ok(there)
    }

    /// Asks another dictionary in one's place, for tokens of these types or, if there are none, all.
    pub fn replace_ts_dictionary(&self, config: Oid, kinds: &[i32], old: Oid, new: Oid) -> Result<()> {
        for (_, row) in self.find(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(config)])? {
            let kind = row.i32(pg_ts_config_map::MAPTOKENTYPE);
            let meant = kinds.is_empty() || kinds.contains(&kind);
            if meant && row.oid(pg_ts_config_map::MAPDICT) == old {
                let sequence = Datum::I32(row.i32(pg_ts_config_map::MAPSEQNO));
                let key = [oid_datum(config), Datum::I32(kind), sequence];
                self.change(pg_ts_config_map::TABLE, 3609, &key, |r| {
                    r.0[pg_ts_config_map::MAPDICT] = oid_datum(new);
                })?;
            }
        }
        self.advance();
        self.record_ts_mappings(config)
    }

    /// Makes a configuration depend on the dictionaries that it asks, and on no others.
    pub fn record_ts_mappings(&self, config: Oid) -> Result<()> {
        self.touch([Touched::All]);
        let address = ObjectAddress::new(pg_ts_config::TABLE, config);
        self.remove_dependencies_on_class(address, pg_ts_dict::TABLE)?;
        let mut used = Vec::new();
        for (_, row) in self.find(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(config)])? {
            let dictionary = row.oid(pg_ts_config_map::MAPDICT);
            if !used.contains(&dictionary) {
                used.push(dictionary);
                let on = ObjectAddress::new(pg_ts_dict::TABLE, dictionary);
                self.add_dependency(address, on, DependencyType::Normal)?;
            }
        }
        self.advance();
        Ok(())
    }

    /// Deletes a configuration's mappings.
    pub(crate) fn delete_ts_mappings(&self, config: Oid) -> Result<()> {
        self.delete_all(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(config)])?;
        Ok(())
    }
}
