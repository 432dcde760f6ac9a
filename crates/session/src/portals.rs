//! A session's portals by name. The unnamed one, which most messages mean, has a place of its own.

use crate::portal::Portal;
use hashbrown::HashMap;

/// The portals of a session.
#[derive(Default)]
pub struct Portals {
    unnamed: Option<Box<Portal>>,
    /// One without a name that has ended with its transaction: the next one is made in its memory.
    resting: Option<Box<Portal>>,
    named: HashMap<String, Box<Portal>>,
}

impl Portals {
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    pub fn get(&self, name: &str) -> Option<&Portal> {
        match name {
            "" => self.unnamed.as_deref(),
            name => self.named.get(name).map(|p| &**p),
        }
    }
    /// Puts a portal in, in the place of one with that name.
    pub fn insert(&mut self, name: &str, portal: impl Into<Box<Portal>>) {
        match name {
            "" => self.unnamed = Some(portal.into()),
            name => {
                self.named.insert(name.to_string(), portal.into());
            }
        }
    }
    pub fn remove(&mut self, name: &str) -> Option<Box<Portal>> {
        match name {
            "" => self.unnamed.take(),
            name => self.named.remove(name),
        }
    }
    /// What a portal of that name may be made in, whose own portal has ended.
    pub fn take_resting(&mut self, name: &str) -> Option<Box<Portal>> {
        if name.is_empty() { self.resting.take() } else { None }
    }
    /// Drops those that aren't wanted any more.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Portal) -> bool) {
        if let Some(mut unnamed) = self.unnamed.take_if(|p| !wanted(p)) {
            unnamed.rest();
            self.resting = Some(unnamed);
        }
        if !self.named.is_empty() {
            self.named.retain(|_, p| wanted(p));
        }
    }
    pub fn clear(&mut self) {
        *self = Portals::default();
    }
    pub fn iter(&self) -> impl Iterator<Item = &Portal> {
        self.unnamed.iter().chain(self.named.values()).map(|p| &**p)
    }
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Portal> {
        self.unnamed.iter_mut().chain(self.named.values_mut()).map(|p| &mut **p)
    }
}
