//! Datagrams from one end of a channel to the other.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dchat_wire::defect::{self, Defect};
use dchat_wire::relay::datagram::{self, Datagram};

use super::config::Limits;
use super::event::Output;
use super::queue::{CHARGE, FairQueue};
use super::relay::Relay;
use super::stats::{Drops, Stats};
use super::tables::{Link, Stage};
use crate::relay::proto::ConnId;
use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::parts;

impl Relay {
    /// The fast path: two lookups, five bytes written, nothing allocated.
    pub(super) fn forward(&mut self, conn: ConnId, bytes: Bytes, now: Instant) {
        if let Err(reason) = self.try_forward(conn, bytes, now) {
            *reason(&mut self.stats.drops) += 1;
        }
    }

    fn try_forward(
        &mut self,
        conn: ConnId,
        bytes: Bytes,
        now: Instant,
    ) -> Result<(), fn(&mut Drops) -> &mut u64> {
        if bytes.first() == Some(&datagram::WAKE) {
            return Ok(());
        }
        let Some(from) = self.links.get(&conn) else {
            return Err(|drops| &mut drops.no_connection);
        };
        let Some(opened) = Datagram::open(&bytes) else {
            return Err(|drops| &mut drops.meaningless);
        };
        let Some(place) = from.by_number(opened.channel()) else {
            return Err(|drops| &mut drops.no_channel);
        };
        let sender = from.peer;
        let Some(channel) = self.channels.get_mut(place.channel) else {
            return Err(|drops| &mut drops.no_channel);
        };
        if channel.stage != Stage::Open && !defect::is(Defect::RelaysBeforeAccept) {
            return Err(|drops| &mut drops.not_open);
        }
        let len = bytes.len() as u64;
        let rate = &mut channel.end_mut(place.side).rate;
        if !has(rate.as_mut(), len, now) {
            return Err(|drops| &mut drops.channel_rate);
        }
        let limited = self.limits.bytes_per_peer.is_some();
        let peer = limited.then(|| self.peers.get_mut(&sender)).flatten();
        let mut peer_rate = peer.and_then(|peer| peer.bytes.as_mut());
        if !has(peer_rate.as_deref_mut(), len, now) {
            return Err(|drops| &mut drops.peer_rate);
        }
        if !has(self.bytes_in_all.as_mut(), len, now) {
            return Err(|drops| &mut drops.total_rate);
        }
        let all = [rate.as_mut(), peer_rate, self.bytes_in_all.as_mut()];
        for bucket in all.into_iter().flatten() {
            bucket.take(len, now);
        }
        channel.used = now;
        channel.packets += 1;
        channel.bytes += len;
        let other = channel.end_mut(place.side.other());
        let Some(to) = self.links.get_mut(&other.conn) else {
            return Err(|drops| &mut drops.ended);
        };
        let mut exit = Exit {
            conn: other.conn,
            link: to,
            channel: place.channel,
            limits: &self.limits,
            stats: &mut self.stats,
            outputs: &mut self.outputs,
        };
        if bytes.len() <= exit.link.largest {
            let number = if defect::is(Defect::RelaysUnderSameNumber) {
                opened.channel()
            } else {
                other.number
            };
            exit.send(renamed(bytes, number));
            return Ok(());
        }
        let Datagram::Whole { packet, .. } = opened else {
            return Err(|drops| &mut drops.too_large);
        };
        let halves = parts::halves(
            other.number,
            other.numbers.next(),
            packet,
            exit.link.largest,
        );
        let Ok((first, second)) = halves else {
            return Err(|drops| &mut drops.too_large);
        };
        exit.stats.split += 1;
        exit.send(first);
        exit.send(second);
        Ok(())
    }

    pub(super) fn room(&mut self, conn: ConnId, bytes: usize) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        link.room = bytes;
        let Some(queue) = &mut link.queue else {
            return;
        };
        let before = queue.charged();
        while let Some(datagram) = queue.pop(link.room) {
            // It fitted when it came.
            if datagram.len() > link.largest {
                self.stats.drops.too_large += 1;
                continue;
            }
            link.room -= datagram.len();
            transmit(&mut self.outputs, &mut self.stats, conn, datagram);
        }
        self.stats.queued -= before - queue.charged();
        if queue.is_empty() {
            link.queue = None;
        } else {
            self.outputs.push_back(Output::Waiting { conn });
        }
    }
}

/// The way out to one connection, for one channel.
struct Exit<'a> {
    conn: ConnId,
    link: &'a mut Link,
    channel: u32,
    limits: &'a Limits,
    stats: &'a mut Stats,
    outputs: &'a mut VecDeque<Output>,
}

impl Exit<'_> {
    /// At once if there is room and nobody waits, else after those who do.
    fn send(&mut self, datagram: Bytes) {
        if self.link.queue.is_none() && datagram.len() <= self.link.room {
            self.link.room -= datagram.len();
            transmit(self.outputs, self.stats, self.conn, datagram);
            return;
        }
        let free = self.limits.queue_in_all.saturating_sub(self.stats.queued);
        if datagram.len() + CHARGE > free {
            self.stats.drops.queue_full += 1;
            return;
        }
        let first = self.link.queue.is_none();
        let queue = self
            .link
            .queue
            .get_or_insert_with(Box::<FairQueue>::default);
        let before = queue.charged();
        // A copy of its own: the buffer it came in may be a whole batch's, and would be kept alive
        // by the least of its datagrams.
        let datagram = Bytes::copy_from_slice(&datagram);
        let in_all = self.limits.queue_per_connection.min(free);
        self.stats.drops.queue_full += queue.push(
            self.channel,
            datagram,
            self.limits.queue_per_channel,
            in_all,
        );
        self.stats.queued = self.stats.queued + queue.charged() - before;
        if queue.is_empty() {
            self.link.queue = None;
        } else if first {
            self.outputs.push_back(Output::Waiting { conn: self.conn });
        }
    }
}

fn transmit(outputs: &mut VecDeque<Output>, stats: &mut Stats, conn: ConnId, datagram: Bytes) {
    stats.packets += 1;
    stats.bytes += datagram.len() as u64;
    outputs.push_back(Output::Transmit { conn, datagram });
}

/// The same datagram under the receiver's number, in the same buffer unless that is shared.
fn renamed(bytes: Bytes, number: u32) -> Bytes {
    let mut bytes = bytes
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    datagram::rename(&mut bytes, number);
    bytes.freeze()
}

fn has(bucket: Option<&mut Bucket>, bytes: u64, now: Instant) -> bool {
    bucket.is_none_or(|bucket| bucket.has(bytes, now))
}
