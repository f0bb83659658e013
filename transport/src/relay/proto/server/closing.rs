//! How channels end.

use std::time::Instant;

use dchat_wire::defect::{self, Defect};
use dchat_wire::relay::Refusal;

use super::config::Policy;
use super::event::{Event, Output, Release};
use super::relay::Relay;
use super::requests::{RETRY_SHUTDOWN, Refused};
use super::tables::{Side, Stage, Timer};
use crate::relay::proto::{ConnId, StreamId};

/// Seconds after which a peer that did not answer or left may be asked again.
const RETRY_GONE: u32 = 5;

const ENDED: Option<Refused> = Some((Refusal::Ended, RETRY_GONE));

impl Relay {
    pub(super) fn stream_ended(&mut self, conn: ConnId, stream: StreamId) {
        let link = self.links.get(&conn);
        if let Some(place) = link.and_then(|link| link.by_stream(stream))
            && !defect::is(Defect::RelaysAfterEnd)
        {
            self.end_by(place.channel, place.side);
        }
    }

    /// One side ended the channel, or does not deserve it.
    pub(super) fn end_by(&mut self, id: u32, side: Side) {
        let Some(channel) = self.channels.get(id) else {
            return;
        };
        match (side, channel.stage) {
            (Side::Caller, _) => self.end(id, None, ENDED),
            (Side::Callee, Stage::Open) => self.end(id, ENDED, None),
            (Side::Callee, Stage::Asked) => {
                self.end(id, Some((Refusal::NoAnswer, RETRY_GONE)), None);
            }
        }
    }

    /// The relay ends an open channel, or one that was never answered, on its own.
    pub(super) fn end_both(&mut self, id: u32) {
        self.end(id, ENDED, ENDED);
    }

    pub(super) fn channel_due(&mut self, id: u32, now: Instant) {
        let idle = self.limits.idle;
        let Some(channel) = self.channels.get_mut(id) else {
            return;
        };
        match channel.stage {
            Stage::Asked => self.end(id, Some((Refusal::NoAnswer, RETRY_GONE)), ENDED),
            Stage::Open if channel.used + idle <= now => self.end_both(id),
            Stage::Open => {
                channel.timer = channel.used + idle;
                self.timers.insert((channel.timer, Timer::Channel(id)));
            }
        }
    }

    /// Takes a channel out of every table and closes the streams of those connections that live,
    /// with a last word for the caller and one for the callee.
    pub(super) fn end(&mut self, id: u32, caller: Option<Refused>, callee: Option<Refused>) {
        let Some(channel) = self.channels.remove(id) else {
            return;
        };
        self.timers.remove(&(channel.timer, Timer::Channel(id)));
        for (end, word) in [(&channel.caller, caller), (&channel.callee, callee)] {
            if let Some(peer) = self.peers.get_mut(&end.peer) {
                peer.channels -= 1;
            }
            let Some(link) = self.links.get_mut(&end.conn) else {
                continue;
            };
            link.vacate(end.number);
            if let Some(queue) = &mut link.queue {
                let before = queue.charged();
                self.stats.drops.ended += queue.remove(id);
                self.stats.queued -= before - queue.charged();
                if queue.is_empty() {
                    link.queue = None;
                }
            }
            let frame = word.map(|(reason, retry)| self.refusal(reason, retry));
            self.close(end.conn, end.stream, frame);
        }
        let (caller, callee) = (channel.caller.peer, channel.callee.peer);
        match channel.stage {
            Stage::Asked => {
                self.stats.unanswered -= 1;
                if let Some(peer) = self.peers.get_mut(&callee) {
                    peer.unanswered -= 1;
                }
            }
            Stage::Open => self.outputs.push_back(Output::Event(Event::Closed {
                caller,
                callee,
                packets: channel.packets,
                bytes: channel.bytes,
            })),
        }
    }

    /// Takes a policy over and ends what it excludes.
    pub(super) fn adopt(&mut self, policy: Policy) {
        self.policy = policy;
        let excluded: Vec<_> = self
            .channels
            .iter()
            .filter(|(_, channel)| {
                !self.policy.may_connect(&channel.caller.peer)
                    || !self.policy.may_reserve(&channel.callee.peer)
            })
            .map(|(id, _)| id)
            .collect();
        let word = Some((Refusal::NotAllowed, 0));
        for id in excluded {
            self.end(id, word, word);
        }
        let peers = self.peers.keys().copied();
        let excluded: Vec<_> = peers
            .filter(|peer| !self.policy.may_reserve(peer))
            .collect();
        for peer in excluded {
            self.release(peer, Release::Excluded);
        }
    }

    pub(super) fn shut_down(&mut self) {
        self.shutting_down = true;
        let channels: Vec<_> = self.channels.iter().map(|(id, _)| id).collect();
        let word = Some((Refusal::ShuttingDown, RETRY_SHUTDOWN));
        for id in channels {
            self.end(id, word, word);
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.release(peer, Release::ShuttingDown);
        }
    }
}
