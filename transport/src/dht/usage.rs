//! What the DHT knows of one connection.
//!
//! Bounds: constant size; the connection owns it.

use std::sync::Mutex;
use std::time::Instant;

use dchat_wire::dht::Server;

use super::book::Handle;
use crate::sync::lock;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Usage(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Questions under way, of either side.
    under_way: u32,
    /// When the last one began or ended.
    last: Instant,
    /// What was said here of ourselves.
    said: Option<Server>,
    /// What the peer said of itself last.
    heard: Option<Server>,
    /// Who it is, once that was proven.
    proven: Option<Handle>,
    /// Whether the connection's key for pulses is kept.
    keyed: bool,
}

impl Default for Usage {
    fn default() -> Self {
        Self(Mutex::new(State {
            under_way: 0,
            last: Instant::now(),
            said: None,
            heard: None,
            proven: None,
            keyed: false,
        }))
    }
}

impl Usage {
    /// A question is under way until what is returned is dropped.
    pub(super) fn begin(&self) -> InUse<'_> {
        let mut state = lock(&self.0);
        state.under_way = state.under_way.saturating_add(1);
        state.last = Instant::now();
        InUse(self)
    }

    /// Whether no question is under way.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.0).under_way == 0
    }

    /// When the last question began or ended.
    pub(crate) fn last(&self) -> Instant {
        lock(&self.0).last
    }

    /// What is to be said of ourselves now: nothing when it was.
    pub(super) fn say(&self, ours: Option<Server>) -> Option<Server> {
        let mut state = lock(&self.0);
        if ours.is_none() || state.said == ours {
            return None;
        }
        state.said.clone_from(&ours);
        ours
    }

    /// It could not be said after all.
    pub(super) fn unsay(&self) {
        lock(&self.0).said = None;
    }

    /// The peer said this of itself. Tells whether that is news.
    pub(super) fn hear(&self, theirs: &Server) -> bool {
        let mut state = lock(&self.0);
        if state.heard.as_ref() == Some(theirs) {
            return false;
        }
        state.heard = Some(theirs.clone());
        state.proven = None;
        true
    }

    /// What the peer said could not be looked into: it will be news once more.
    pub(super) fn unhear(&self) {
        lock(&self.0).heard = None;
    }

    /// What the peer said of itself.
    pub(super) fn heard(&self) -> Option<Server> {
        lock(&self.0).heard.clone()
    }

    /// It has proven to be this node.
    pub(super) fn prove(&self, handle: Handle) {
        lock(&self.0).proven = Some(handle);
    }

    /// Who the peer has proven to be.
    pub(super) fn proven(&self) -> Option<Handle> {
        lock(&self.0).proven
    }

    /// Whether the key for pulses is still to be kept; from now on it is.
    pub(super) fn take_key(&self) -> bool {
        !core::mem::replace(&mut lock(&self.0).keyed, true)
    }
}

/// A question that is under way.
#[derive(Debug)]
pub(super) struct InUse<'a>(&'a Usage);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.under_way = state.under_way.saturating_sub(1);
        state.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::dht::Socket;

    use super::*;

    fn at(port: u16) -> Option<Server> {
        let socket = Socket::new(([192, 0, 2, 1], port).into()).unwrap();
        Some(Server {
            nonce: 7,
            socket,
            other: None,
        })
    }

    /// Checks DC-DHT-016 (positive, negative).
    #[test]
    fn what_is_to_be_said_of_ourselves_is_said_once_and_again_when_it_has_changed() {
        let usage = Usage::default();
        assert_eq!(usage.say(None), None, "it does not serve yet");
        assert_eq!(usage.say(at(1)), at(1));
        assert_eq!(usage.say(at(1)), None);
        let moved = at(2);
        assert_eq!(usage.say(moved.clone()), moved);
        assert_eq!(usage.say(moved), None);
        let another = at(2).map(|server| Server { nonce: 8, ..server });
        assert_eq!(usage.say(another.clone()), another);
        usage.unsay();
        assert_eq!(usage.say(another.clone()), another, "nobody heard it");
    }
}
