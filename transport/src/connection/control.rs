//! Our control stream: what we have told the peer of our addresses, and what is still to be told.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use dchat_wire::defect::{self, Defect};
use dchat_wire::identify::Identify;
use dchat_wire::nat::{Candidates, Punch};
use dchat_wire::{Address, Frame};
use quinn::{SendStream, WriteError};
use tokio::sync::Notify;

use crate::hello::identify;
use crate::limits::{PUNCHES_WAITING, PUSH_REFILL};
use crate::sync::lock;

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

/// What the path switch has to tell the peer: its newest CANDIDATES and its last PUNCHes.
///
/// Bounds: one CANDIDATES, which a newer one replaces, and [`PUNCHES_WAITING`].
#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    candidates: Option<Candidates>,
    punches: VecDeque<Punch>,
}

impl Signals {
    /// Takes a frame that shall be sent; any but the two kinds is dropped.
    pub(crate) fn push(&self, frame: Frame) {
        {
            let mut waiting = lock(&self.waiting);
            match frame {
                Frame::Candidates(candidates) => waiting.candidates = Some(candidates),
                Frame::Punch(punch) => {
                    if waiting.punches.len() >= PUNCHES_WAITING {
                        waiting.punches.pop_front();
                    }
                    waiting.punches.push_back(punch);
                }
                _ => return,
            }
        }
        self.news.notify_one();
    }

    /// Waits until there is something; at most one may wait.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The frames in the order in which they make sense.
    fn take(&self) -> Vec<u8> {
        let waiting = core::mem::take(&mut *lock(&self.waiting));
        let candidates = waiting.candidates.map(Frame::Candidates).into_iter();
        let punches = waiting.punches.into_iter().map(Frame::Punch);
        candidates
            .chain(punches)
            .flat_map(|frame| frame.to_bytes())
            .collect()
    }
}

/// The sending side. One announcement and what [`Signals`] held at one moment wait in it at most;
/// newer ones wait as states.
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
        self.told != *current || defect::is(Defect::PushesWithoutChange)
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
        let known = defect::is(Defect::PushesParts) && current.addresses == self.told.addresses;
        let addresses = current.addresses.iter().copied().filter(|_| !known);
        let push = identify(self.revision, current.observed, addresses);
        self.pending = Frame::IdentifyPush(push).to_bytes().into();
        self.told = current;
        self.not_before = now + PUSH_REFILL;
    }

    /// Takes what there is to signal. Call while nothing is being written.
    pub(super) fn signal(&mut self, signals: &Signals) {
        self.pending = signals.take().into();
    }

    /// Writes some of what is pending. May be cancelled without losing anything.
    pub(super) async fn write(&mut self) -> Result<(), WriteError> {
        let written = self.send.write(&self.pending).await?;
        self.pending.advance(written);
        Ok(())
    }
}
