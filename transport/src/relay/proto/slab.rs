//! Values under small numbers that are used again.

/// A table that gives each value the lowest-cost free key. Keys of removed values are used again,
/// so whoever removes a value also removes every copy of its key.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(key) = self.free.pop()
            && let Some(place) = self.places.get_mut(key as usize)
        {
            *place = Some(value);
            return key;
        }
        self.places.push(Some(value));
        (self.places.len() - 1) as u32
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let value = self.places.get_mut(key as usize)?.take()?;
        self.free.push(key);
        if self.free.len() == self.places.len() {
            *self = Self::new();
        }
        Some(value)
    }

    pub(super) fn get(&self, key: u32) -> Option<&T> {
        self.places.get(key as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        self.places.get_mut(key as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let filled =
            |(key, place): (usize, _)| Option::as_ref(place).map(|value| (key as u32, value));
        self.places.iter().enumerate().filter_map(filled)
    }
}
