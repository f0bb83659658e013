//! Frames on streams: RESERVE, CONNECT, and the answers to INCOMING.

use std::time::{Duration, Instant};

use dchat_wire::defect::{self, Defect};
use dchat_wire::record::SignedRecord;
use dchat_wire::relay::{
    Refusal, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve, RelayReserved,
    Voucher,
};
use dchat_wire::{Frame, PeerId};

use super::config::Limits;
use super::event::{Event, Output};
use super::relay::Relay;
use super::tables::{Channel, End, Reservation, Side, Stage, Timer};
use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::parts::Numbers;
use crate::relay::proto::{ConnId, StreamId};

/// Why a request is refused, and after how many seconds asking again makes sense.
pub(super) type Refused = (Refusal, u32);

/// Seconds after which a full table or an exhausted share may have places again.
const RETRY_FULL: u32 = 60;
/// Seconds after which a request over the rate may be asked again.
const RETRY_RATE: u32 = 5;
/// Seconds after which a peer without a reservation may have one: it is roaming or restarting.
const RETRY_RESERVATION: u32 = 10;
/// Longest wait passed on from a peer that declined, in seconds.
const RETRY_DECLINED_MAX: u32 = 3600;
/// Seconds a relay that shuts down may need to be up again.
pub(super) const RETRY_SHUTDOWN: u32 = 60;

impl Relay {
    pub(super) fn frame(
        &mut self,
        conn: ConnId,
        stream: StreamId,
        frame: Frame,
        unix_ms: u64,
        now: Instant,
    ) {
        let link = self.links.get(&conn);
        let peer = link.map(|link| link.peer);
        if let Some(place) = link.and_then(|link| link.by_stream(stream)) {
            return self.answered(place.channel, place.side, frame, now);
        }
        if stream.is_ours() {
            // The channel ended while the answer was on its way.
            return;
        }
        let answer = match (frame, peer) {
            (Frame::RelayReserve(_) | Frame::RelayConnect(_), None) => {
                Err((Refusal::Full, RETRY_FULL))
            }
            (Frame::RelayReserve(reserve), Some(peer)) => self
                .reserve(peer, &reserve, unix_ms, now)
                .map(|reserved| self.close(conn, stream, Some(Frame::RelayReserved(reserved)))),
            (Frame::RelayConnect(connect), Some(peer)) => {
                self.connect(conn, stream, peer, &connect, now)
            }
            (_, _) => {
                self.stats.unexpected += 1;
                return self.close(conn, stream, None);
            }
        };
        if let Err((reason, retry_after_s)) = answer {
            let frame = self.refusal(reason, retry_after_s);
            self.close(conn, stream, Some(frame));
            self.outputs
                .push_back(Output::Event(Event::Refused { peer, reason }));
        }
    }

    /// What every request needs, whoever makes it.
    fn admit(&mut self, peer: PeerId, now: Instant) -> Result<(), Refused> {
        if self.shutting_down {
            return Err((Refusal::ShuttingDown, RETRY_SHUTDOWN));
        }
        let Some(peer) = self.peers.get_mut(&peer) else {
            return Err((Refusal::Full, RETRY_FULL));
        };
        let holder = peer.subnet.and_then(|subnet| self.subnets.get_mut(&subnet));
        // The peer's own first: one that is over its rate costs its neighbours nothing.
        let in_rate =
            peer.requests.take(1, now) && holder.is_none_or(|holder| holder.requests.take(1, now));
        if !in_rate && !defect::is(Defect::RelaysWithoutRate) {
            return Err((Refusal::Limited, RETRY_RATE));
        }
        Ok(())
    }

    fn reserve(
        &mut self,
        id: PeerId,
        asked: &RelayReserve,
        unix_ms: u64,
        now: Instant,
    ) -> Result<RelayReserved, Refused> {
        self.admit(id, now)?;
        if !self.policy.may_reserve(&id) {
            return Err((Refusal::NotAllowed, 0));
        }
        let held = self.peers.get(&id).and_then(|peer| peer.reservation);
        let subnet = self.peers.get(&id).and_then(|peer| peer.subnet);
        if held.is_none() && self.stats.reservations >= self.limits.reservations {
            return Err((Refusal::Full, RETRY_FULL));
        }
        let moves = held.is_none_or(|held| held.subnet != subnet);
        let full = |holder: &super::tables::Holder| {
            holder.reservations >= self.limits.reservations_per_subnet
        };
        let there = subnet.and_then(|subnet| self.subnets.get(&subnet));
        if moves && there.is_some_and(full) {
            return Err((Refusal::Limited, RETRY_FULL));
        }
        let longest = self.limits.lifetime.max(Limits::LIFETIME_MIN);
        let lifetime = Duration::from_secs(asked.lifetime_s.into());
        let lifetime = if defect::is(Defect::GrantsAnyLifetime) {
            lifetime
        } else {
            lifetime
                .clamp(Limits::LIFETIME_MIN, longest)
                .min(VOUCHER_MAX)
        };
        if moves {
            if let Some(held) = held {
                self.unreserve(held.subnet);
            }
            if let Some(holder) = subnet.and_then(|subnet| self.subnets.get_mut(&subnet)) {
                holder.reservations += 1;
            }
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.reservation = Some(Reservation {
                until: now + lifetime,
                subnet,
            });
        }
        match held {
            Some(_) => self.stats.renewed += 1,
            None => {
                self.stats.reserved += 1;
                self.stats.reservations += 1;
            }
        }
        self.arm_peer(id);
        let lifetime_s = lifetime.as_secs() as u32;
        self.outputs.push_back(Output::Event(Event::Reserved {
            peer: id,
            lifetime_s,
        }));
        Ok(RelayReserved {
            lifetime_s,
            channels: self.limits.channels_per_peer,
            bytes_per_s: self.channel_rate(),
            voucher: self.voucher(id, lifetime, unix_ms),
            extensions: Default::default(),
        })
    }

    /// Each voucher has a higher sequence than all before, so that an old one can be told from a
    /// new one: also in one millisecond, when the clock is set back, and after a restart; only a
    /// clock set back across a restart makes peers refuse vouchers until it has caught up.
    fn voucher(&mut self, peer: PeerId, lifetime: Duration, unix_ms: u64) -> SignedRecord {
        self.sequence = self.sequence.saturating_add(1).max(unix_ms);
        if defect::is(Defect::VouchesWithoutSequence) {
            self.sequence = 1;
        }
        let peer = if defect::is(Defect::VouchesForItself) {
            self.identity.peer_id()
        } else {
            peer
        };
        let voucher = Voucher {
            peer,
            extensions: Default::default(),
        };
        let lifetime = lifetime.as_millis() as u64;
        SignedRecord::issue(&self.identity, self.sequence, unix_ms, lifetime, &voucher)
    }

    fn channel_rate(&self) -> u32 {
        let rate = self.limits.bytes_per_channel;
        rate.map_or(0, |rate| u32::try_from(rate.per_second).unwrap_or(u32::MAX))
    }

    fn connect(
        &mut self,
        conn: ConnId,
        stream: StreamId,
        from: PeerId,
        asked: &RelayConnect,
        now: Instant,
    ) -> Result<(), Refused> {
        self.admit(from, now)?;
        let to = asked.peer;
        if !self.policy.may_connect(&from) || to == from {
            return Err((Refusal::NotAllowed, 0));
        }
        // Whether a peer is denied is nobody else's business: it looks as if it were not there.
        let target = self.peers.get(&to);
        let anybody = defect::is(Defect::RelaysWithoutReservation);
        let target = target.filter(|peer| anybody || peer.reservation.is_some());
        let Some((target, &callee_conn)) = target.and_then(|peer| Some((peer, peer.links.last()?)))
        else {
            if defect::is(Defect::RefusesAsFull) {
                return Err((Refusal::Full, RETRY_RESERVATION));
            }
            return Err((Refusal::NoReservation, RETRY_RESERVATION));
        };
        if self.channels.len() >= self.limits.channels
            || target.channels >= self.limits.channels_per_peer
            || target.unanswered >= self.limits.unanswered_per_peer
        {
            return Err((Refusal::Full, RETRY_RATE));
        }
        let own = self.peers.get(&from).map_or(u16::MAX, |peer| peer.channels);
        let crowded = self.between(from, to) >= self.limits.channels_per_pair;
        if own >= self.limits.channels_per_peer
            || crowded && !defect::is(Defect::RelaysManyChannels)
        {
            return Err((Refusal::Limited, RETRY_RATE));
        }
        self.ask((conn, from, stream), (callee_conn, to), now);
        Ok(())
    }

    /// Channels between two peers, asked for or open.
    fn between(&self, one: PeerId, other: PeerId) -> usize {
        let links = self.peers.get(&one).map(|peer| peer.links.as_slice());
        let links = links.unwrap_or_default().iter();
        let places = links
            .filter_map(|conn| self.links.get(conn))
            .flat_map(|link| &link.places);
        let with = |channel: &Channel| channel.caller.peer == other || channel.callee.peer == other;
        places
            .filter(|place| self.channels.get(place.channel).is_some_and(with))
            .count()
    }

    fn ask(
        &mut self,
        (caller_conn, caller, caller_stream): (ConnId, PeerId, StreamId),
        (callee_conn, callee): (ConnId, PeerId),
        now: Instant,
    ) {
        self.serial += 1;
        let callee_stream = StreamId::ours(self.serial);
        let timer = now + self.limits.answer;
        let rate = self.limits.bytes_per_channel;
        let end = |conn, peer, stream| End {
            conn,
            peer,
            stream,
            number: 0,
            rate: rate.map(|rate| Bucket::new(rate, now)),
            numbers: Numbers::relay(),
        };
        let id = self.channels.insert(Channel {
            caller: end(caller_conn, caller, caller_stream),
            callee: end(callee_conn, callee, callee_stream),
            stage: Stage::Asked,
            timer,
            used: now,
            packets: 0,
            bytes: 0,
        });
        let mut place = |conn, side, stream| {
            let link = self.links.get_mut(&conn);
            link.map_or(0, |link| link.place(id, side, stream))
        };
        let caller_number = place(caller_conn, Side::Caller, caller_stream);
        let callee_number = place(callee_conn, Side::Callee, callee_stream);
        if let Some(channel) = self.channels.get_mut(id) {
            channel.caller.number = caller_number;
            channel.callee.number = callee_number;
        }
        for peer in [caller, callee] {
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.channels += 1;
            }
        }
        if let Some(peer) = self.peers.get_mut(&callee) {
            peer.unanswered += 1;
        }
        self.stats.unanswered += 1;
        self.timers.insert((timer, Timer::Channel(id)));
        self.outputs.push_back(Output::Open {
            conn: callee_conn,
            stream: callee_stream,
            frame: Box::new(Frame::RelayIncoming(RelayIncoming {
                peer: caller,
                channel: callee_number,
                extensions: Default::default(),
            })),
        });
        if defect::is(Defect::RelaysWithoutConsent) {
            self.open(id, now);
        }
    }

    /// A frame on a stream of a channel.
    fn answered(&mut self, id: u32, side: Side, frame: Frame, now: Instant) {
        let Some(stage) = self.channels.get(id).map(|channel| channel.stage) else {
            return;
        };
        match (stage, side, frame) {
            (Stage::Asked, Side::Callee, Frame::RelayAccept(_)) => self.open(id, now),
            (
                Stage::Asked,
                Side::Callee,
                Frame::RelayRefused(RelayRefused { retry_after_s, .. }),
            ) => {
                let retry = retry_after_s.min(RETRY_DECLINED_MAX);
                self.end(id, Some((Refusal::Declined, retry)), None);
            }
            (_, _, Frame::RelayRefused(_)) => self.end_by(id, side),
            (_, _, _) => {
                self.stats.unexpected += 1;
                self.end_by(id, side);
            }
        }
    }

    fn open(&mut self, id: u32, now: Instant) {
        let timer = now + self.limits.idle;
        let Some(channel) = self.channels.get_mut(id) else {
            return;
        };
        channel.stage = Stage::Open;
        channel.used = now;
        let before = std::mem::replace(&mut channel.timer, timer);
        let (caller, callee) = (channel.caller, channel.callee.peer);
        self.timers.remove(&(before, Timer::Channel(id)));
        self.timers.insert((timer, Timer::Channel(id)));
        self.stats.unanswered -= 1;
        self.stats.opened += 1;
        if let Some(peer) = self.peers.get_mut(&callee) {
            peer.unanswered -= 1;
        }
        let opened = RelayOpened {
            channel: caller.number,
            bytes_per_s: self.channel_rate(),
            extensions: Default::default(),
        };
        self.write(caller.conn, caller.stream, Frame::RelayOpened(opened));
        self.outputs.push_back(Output::Event(Event::Opened {
            caller: caller.peer,
            callee,
        }));
    }
}

/// The longest a voucher may be valid.
const VOUCHER_MAX: Duration =
    Duration::from_millis(<Voucher as dchat_wire::record::Payload>::MAX_LIFETIME);
