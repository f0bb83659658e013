//! Dying at a chosen commit (feature `crash-points`, for tests only).
//!
//! Each commit of [`Store::transaction`] makes two events, one right before and one right after
//! COMMIT. A test runs the node with events counted and killed at the n-th, for every n, and
//! checks that nothing is lost or doubled. The application reads the variable [`CrashAt::VARIABLE`]
//! and passes what [`CrashAt::parse`] makes of it to [`Store::observe_commits`].

use super::Store;

/// Which side of COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitSide {
    /// All was written, nothing is committed.
    Before,
    /// Committed and durable; nobody has been told yet.
    After,
}

/// One of the two events of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitEvent {
    /// Counts from 1 over all commits of this store.
    pub number: u64,
    /// As the caller of [`Store::transaction`] named it.
    pub point: &'static str,
    /// Before or after.
    pub side: CommitSide,
}

/// The callback and its count.
pub(super) struct Observer {
    seen: u64,
    call: Box<dyn FnMut(CommitEvent) + Send>,
}

impl Store {
    /// Has `call` called at every commit event from now on.
    pub fn observe_commits(&mut self, call: impl FnMut(CommitEvent) + Send + 'static) {
        self.observer = Some(Observer {
            seen: 0,
            call: Box::new(call),
        });
    }
}

pub(super) fn observe(observer: &mut Option<Observer>, point: &'static str, side: CommitSide) {
    if let Some(observer) = observer {
        observer.seen += 1;
        (observer.call)(CommitEvent {
            number: observer.seen,
            point,
            side,
        });
    }
}

/// Kills the process at one commit event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashAt(u64);

impl CrashAt {
    /// Environment variable for the application to read: the number of the event to die at.
    pub const VARIABLE: &'static str = "DCHAT_CRASH_AT_COMMIT";

    /// A positive decimal number.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self)
    }

    /// Ends the process as `kill -9` would (no destructor, no flush) when it is time.
    pub fn check(self, event: CommitEvent) {
        if event.number == self.0 {
            std::process::abort();
        }
    }
}
