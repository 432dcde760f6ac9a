//! A table's storage parameters (`reloptions`) as vacuum reads them. They were checked when they were set.

use quarry_catalog::Relation;

/// See the module.
#[derive(Clone, Default, Debug)]
pub struct StorageOptions(Vec<(String, String)>);

impl StorageOptions {
    pub fn new(options: Vec<(String, String)>) -> StorageOptions {
        StorageOptions(options)
    }

    /// Those of a table.
    pub fn of(r: &Relation) -> StorageOptions {
        StorageOptions(r.options.clone())
    }

    /// As it was given; none if it wasn't.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn bool(&self, name: &str) -> Option<bool> {
        quarry_common::settings::parse_bool(self.text(name)?)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    pub fn real(&self, name: &str) -> Option<f64> {
        self.text(name)?.trim().parse().ok()
    }
}
