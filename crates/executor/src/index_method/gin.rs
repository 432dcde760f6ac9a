//! GIN indexes: the keys that operator classes find in the columns' values.

use crate::env::ExecEnv;
use quarry_catalog::IndexDef;
use quarry_catalog::builtin::opclass;
use quarry_common::settings::{parse_bool, parse_memory_bytes};
use quarry_common::{Error, Result, Tid};
use quarry_functions::gin::{self, GinClass, GinKeys};
use quarry_storage::Transaction;
use quarry_storage::index::gin::{Gin, GinOptions, GinRow, category};
use quarry_types::Datum;

/// The setting's default.
const PENDING_LIST_BYTES: u64 = 4 << 20;

/// How an index is kept: as its own parameters say, else the setting `gin_pending_list_limit`.
pub(crate) fn options(index: &IndexDef, env: Option<&ExecEnv>) -> GinOptions {
    let own = |name: &str| index.options.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let limit = own("gin_pending_list_limit").and_then(|v| v.parse::<u64>().ok()).map(|kb| kb << 10);
    let setting = || {
        let text = env?.session.setting("gin_pending_list_limit")?;
        parse_memory_bytes(&text)
    };
    GinOptions {
        fastupdate: own("fastupdate").and_then(parse_bool).unwrap_or(true),
        pending_list_bytes: limit.or_else(setting).unwrap_or(PENDING_LIST_BYTES),
    }
}

/// A column's number in its keys.
pub(crate) fn column_number(key: usize) -> u8 {
    key as u8 + 1
}

/// What the operator class of each key does with values.
pub(crate) fn classes(index: &IndexDef) -> Result<Vec<&'static dyn GinClass>> {
    let class = |k: &quarry_catalog::IndexKey| {
        let name = opclass::opclass(k.opclass).map_or("", |c| c.name);
        gin::class(name).ok_or_else(|| Error::unsupported(format_args!("operator class \"{name}\" of GIN")))
    };
    index.keys.iter().map(class).collect()
}

/// Makes rows' keys.
pub(crate) struct GinRowMaker {
    classes: Vec<&'static dyn GinClass>,
    keys: GinKeys,
    row: GinRow,
}

impl GinRowMaker {
    pub fn of(index: &IndexDef) -> Result<GinRowMaker> {
        Ok(GinRowMaker { classes: classes(index)?, keys: GinKeys::new(), row: GinRow::new() })
    }

    /// The keys of a row with these values, as stored; none: NULL.
    pub fn row<'v>(&mut self, value: impl Fn(usize) -> Option<&'v [u8]>) -> Result<&GinRow> {
        self.row.clear();
        for (i, class) in self.classes.iter().enumerate() {
            let column = column_number(i);
            let Some(value) = value(i) else {
                self.row.push(column, category::NULL_ITEM, &[]);
                continue;
            };
            self.keys.clear();
            class.extract_value(value, &mut self.keys)?;
            self.keys.finish();
            if self.keys.is_empty() {
                self.row.push(column, category::EMPTY_ITEM, &[]);
                continue;
            }
            for key in self.keys.iter() {
                self.row.push(column, category::NORMAL, key);
            }
            if self.keys.has_null() {
                self.row.push(column, category::NULL_KEY, &[]);
            }
        }
        self.row.finish();
        Ok(&self.row)
    }
}

pub(crate) struct GinKeeper {
    pub index: Gin,
    keys: GinRowMaker,
}

impl GinKeeper {
    pub fn open(env: &ExecEnv, index: &IndexDef) -> Result<GinKeeper> {
        let gin = Gin::open(&env.storage, index.storage, options(index, Some(env)));
        Ok(GinKeeper { index: gin.with_name(index.name.clone()), keys: GinRowMaker::of(index)? })
    }

    pub fn insert(&mut self, txn: &Transaction, values: &[Datum], tid: Tid) -> Result<()> {
        let value = |k: usize| (!values[k].is_null()).then(|| values[k].as_bytes());
        self.index.insert(txn, self.keys.row(value)?, tid)
    }
}
