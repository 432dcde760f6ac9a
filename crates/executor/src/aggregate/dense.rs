//! Groups of whole numbers that lie close together: a group is found at its key's place in a list, without a hash.
//!
//! A list takes over from the hash table when keys turn out to lie close enough ([`Dense::of`]), and gives way to one when a key lies too far
//! from the others. A place takes four bytes where a group in the table takes some 26: with [`PLACES_PER_GROUP`] the list is at worst some two
//! and a half times as large, and still a lookup touches one line of memory, not two. Threads that share a table's pages see every second
//! stretch of its keys, so the limit leaves room for keys that are a few times sparser than those of one thread would be.

/// Fewer groups are found as fast by hash.
pub(super) const GROUPS_MIN: usize = 1024;
const PLACES_PER_GROUP: usize = 16;
const PLACES_MAX: usize = 1 << 28;

pub(super) struct Dense {
    /// The key of the first place.
    base: u64,
    /// A group's number and 1, or 0.
    places: Vec<u32>,
}

impl Dense {
    /// A list of groups by their keys, if these lie close enough.
    pub fn of(groups: impl Iterator<Item = (u64, u32)> + Clone) -> Option<Dense> {
        let keys = groups.clone().map(|(key, _)| key as i64);
        let (low, high) = keys.fold((i64::MAX, i64::MIN), |(low, high), key| (low.min(key), high.max(key)));
        let span = usize::try_from(high.checked_sub(low)?).ok()?.checked_add(1)?;
        if span > most(groups.clone().count()) {
            return None;
        }
        let mut dense = Dense { base: low as u64, places: vec![0; span] };
        groups.for_each(|(key, group)| dense.set(key, group));
        Some(dense)
    }

    /// The group of a key.
    #[inline(always)]
    pub fn get(&self, key: u64) -> Option<u32> {
        self.places.get(key.wrapping_sub(self.base) as usize)?.checked_sub(1)
    }

    /// Makes a place for a key; false if it lies too far from the others, of so many groups.
    #[cold]
    fn make_room(&mut self, key: u64, groups: usize) -> bool {
        let (low, high) = (self.base as i64, (self.base as i64).saturating_add(self.places.len() as i64 - 1));
        let key = key as i64;
        let needed = high.max(key).checked_sub(low.min(key)).and_then(|n| usize::try_from(n).ok());
        let most = most(groups);
        // With less room than a quarter more, a list that keys come to one by one would be copied too often.
        let Some(needed) = needed.filter(|n| *n < most / 5 * 4).map(|n| n + 1) else { return false };
        // The list grows by half where it may, towards the side that keys come from.
        let room = needed.max(self.places.len() * 3 / 2).min(most);
        if key > high {
            self.places.resize(room, 0);
            return true;
        }
        let slack = (room - needed) as i64;
        let base = key.saturating_sub(slack);
        let mut places = vec![0; (low - base) as usize];
        places.extend_from_slice(&self.places);
        (self.base, self.places) = (base as u64, places);
        true
    }

    fn set(&mut self, key: u64, group: u32) {
        let at = key.wrapping_sub(self.base) as usize;
        if let Some(place) = self.places.get_mut(at) {
            *place = group + 1;
        }
    }

    /// Notes a group, the last of so many; false if its key lies too far from the others.
    pub fn insert(&mut self, key: u64, group: u32, groups: usize) -> bool {
        let at = key.wrapping_sub(self.base) as usize;
        if at >= self.places.len() && !self.make_room(key, groups) {
            return false;
        }
        self.set(key, group);
        true
    }

    /// The groups with their keys.
    pub fn groups(&self) -> impl Iterator<Item = (u64, u32)> {
        let group =
            |(at, place): (usize, &u32)| Some((self.base.wrapping_add(at as u64), place.checked_sub(1)?));
        self.places.iter().enumerate().filter_map(group)
    }

    pub fn memory_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
    }
}

fn most(groups: usize) -> usize {
    groups.saturating_mul(PLACES_PER_GROUP).min(PLACES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(keys: &[i64]) -> Vec<(u64, u32)> {
        keys.iter().zip(0..).map(|(key, group)| (*key as u64, group)).collect()
    }

    #[test]
    fn keys_close_together() {
        let groups = numbered(&[-3, 5, 0, 2]);
        let mut dense = Dense::of(groups.iter().copied()).unwrap();
        assert_eq!(dense.get(-3i64 as u64), Some(0));
        assert_eq!(
            [dense.get(2), dense.get(1), dense.get(6), dense.get(-4i64 as u64)],
            [Some(3), None, None, None]
        );
        assert!(dense.insert(9, 4, 5) && dense.insert(-9i64 as u64, 5, 6) && dense.insert(1, 6, 7));
        let mut all: Vec<_> = dense.groups().map(|(key, group)| (key as i64, group)).collect();
        all.sort_unstable();
        assert_eq!(all, [(-9, 5), (-3, 0), (0, 2), (1, 6), (2, 3), (5, 1), (9, 4)]);
        assert!(!dense.insert(1000, 7, 8) && !dense.insert(i64::MIN as u64, 7, 8));
        assert!(!dense.insert(i64::MAX as u64, 7, 8));
        assert_eq!(dense.groups().count(), 7);
    }

    #[test]
    fn keys_far_apart() {
        for keys in [&[0, 32][..], &[i64::MIN, i64::MAX], &[i64::MIN, 0]] {
            assert!(Dense::of(numbered(keys).into_iter()).is_none());
        }
        let mut ends = Dense::of(numbered(&[i64::MAX - 1, i64::MAX]).into_iter()).unwrap();
        assert_eq!([ends.get(i64::MAX as u64), ends.get(i64::MIN as u64)], [Some(1), None]);
        assert!(!ends.insert(i64::MIN as u64, 2, 3) && ends.insert(i64::MAX as u64 - 3, 2, 3));
        assert_eq!(ends.get(i64::MAX as u64 - 3), Some(2));
    }
}
