//! The bounded table of path models.

use std::time::Instant;

use super::model::PathModel;

/// Most paths remembered for a connection: two address families times two interfaces times two
/// relays; the least recently used one is forgotten beyond that.
pub const MAX_PATHS: usize = 8;

/// Names one real path of a connection; the caller chooses the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u64);

/// Path models, least recently used first; the last one is current.
#[derive(Debug)]
pub(super) struct Paths {
    older: Vec<(PathId, PathModel)>,
    current: (PathId, PathModel),
}

impl Paths {
    pub(super) fn new(path: PathId, model: PathModel) -> Self {
        Self {
            older: Vec::new(),
            current: (path, model),
        }
    }

    pub(super) fn current_id(&self) -> PathId {
        self.current.0
    }

    pub(super) fn current(&self) -> &PathModel {
        &self.current.1
    }

    pub(super) fn current_mut(&mut self) -> &mut PathModel {
        &mut self.current.1
    }

    /// The model of `path`, unless it was forgotten.
    pub(super) fn find_mut(&mut self, path: PathId) -> Option<&mut PathModel> {
        if self.current.0 == path {
            return Some(&mut self.current.1);
        }
        let found = self.older.iter_mut().find(|(id, _)| *id == path);
        found.map(|(_, model)| model)
    }

    /// All models, the current one last.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PathId, &mut PathModel)> {
        let older = self.older.iter_mut();
        older
            .chain(std::iter::once(&mut self.current))
            .map(|(id, model)| (*id, model))
    }

    /// Makes `path` current; `fresh` makes the model of a path not known.
    pub(super) fn switch(&mut self, path: PathId, now: Instant, fresh: impl FnOnce() -> PathModel) {
        let known = self.older.iter().position(|(id, _)| *id == path);
        let next = match known {
            Some(index) => self.older.remove(index),
            None => (path, fresh()),
        };
        let mut left = std::mem::replace(&mut self.current, next);
        left.1.leave();
        if self.older.len() + 2 > MAX_PATHS {
            self.older.remove(0);
        }
        self.older.push(left);
        self.current.1.enter(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_small_as_documented() {
        assert!(size_of::<(PathId, PathModel)>() * MAX_PATHS <= 6 * 1024);
    }

    #[test]
    fn the_least_recently_used_path_goes_and_the_current_one_stays() {
        let now = Instant::now();
        let model = || PathModel::new(now, 1200, 0);
        let mut paths = Paths::new(PathId(0), model());
        for id in 1..MAX_PATHS as u64 {
            paths.switch(PathId(id), now, model);
        }
        paths.switch(PathId(0), now, model);
        paths.switch(PathId(100), now, model);
        assert!(paths.find_mut(PathId(0)).is_some());
        assert!(paths.find_mut(PathId(1)).is_none());
        assert_eq!(paths.iter_mut().count(), MAX_PATHS);
        assert_eq!(paths.current_id(), PathId(100));
    }
}
