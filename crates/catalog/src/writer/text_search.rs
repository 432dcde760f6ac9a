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

    /// Deletes a configuration's mappings.
    pub(crate) fn delete_ts_mappings(&self, config: Oid) -> Result<()> {
        self.delete_all(&self.snapshot(), pg_ts_config_map::TABLE, 3609, &[oid_datum(config)])?;
        Ok(())
    }
}
