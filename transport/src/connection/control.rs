//! Our control stream: what we have told the peer of our addresses, and what is still to be told.

use std::time::Instant;

use bytes::{Buf as _, Bytes};
use dchat_wire::identify::Identify;
use dchat_wire::{Address, Frame};
use quinn::{SendStream, WriteError};

use crate::hello::identify;
use crate::limits::PUSH_REFILL;

/// What an IDENTIFY says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Where we see the peer.
    pub(crate) observed: Option<Address>,
    /// Where we can be reached.
    pub(crate) addresses: Vec<Address>,
}

impl Announcement {
    pub(super) fn first(&self) -> Identify {
        identify(1, self.observed, self.addresses.iter().copied())
    }
}

/// The sending side. At most one frame waits in it; a newer announcement waits as a state.
pub(super) struct ControlSender {
    send: SendStream,
    told: Announcement,
    revision: u64,
    pending: Bytes,
    not_before: Instant,
}

impl ControlSender {
    /// The stream after `told` went out as revision 1.
    pub(super) fn new(send: SendStream, told: Announcement, now: Instant) -> Self {
        Self {
            send,
            told,
            revision: 1,
            pending: Bytes::new(),
            not_before: now,
        }
    }

    /// Whether `now` differs from what was told last.
    pub(super) fn is_news(&self, current: &Announcement) -> bool {
        self.told != *current
    }

    /// When the next change may be sent: the peer counts them.
    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Whether something is to be written.
    pub(super) fn is_writing(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes an announcement to send. Call while nothing is being written.
    pub(super) fn announce(&mut self, current: Announcement, now: Instant) {
        self.revision += 1;
        let addresses = current.addresses.iter().copied();
        let push = identify(self.revision, current.observed, addresses);
        self.pending = Frame::IdentifyPush(push).to_bytes().into();
        self.told = current;
        self.not_before = now + PUSH_REFILL;
    }

    /// Writes some of what is pending. May be cancelled without losing anything.
    pub(super) async fn write(&mut self) -> Result<(), WriteError> {
        let written = self.send.write(&self.pending).await?;
        self.pending.advance(written);
        Ok(())
    }
}
