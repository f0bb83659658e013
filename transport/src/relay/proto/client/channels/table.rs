//! The channels of a node, by connection and stream.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use dchat_wire::relay::{Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayRefused};
use dchat_wire::{Frame, PeerId};

use super::config::{Config, Consent};
use super::event::{Failure, Input, Output, Stats};
use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::{ConnId, StreamId};

#[derive(Debug)]
struct Link {
    relay: PeerId,
    channels: BTreeMap<StreamId, Channel>,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    peer: PeerId,
    asked: bool,
    stranger: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Asking { until: Instant },
    Open { number: u32 },
}

/// Channels over relays; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Channels {
    config: Config,
    ours: PeerId,
    consent: Consent,
    links: BTreeMap<ConnId, Link>,
    timers: BTreeSet<(Instant, ConnId, StreamId)>,
    admitted: Bucket,
    serial: u64,
    stats: Stats,
    outputs: VecDeque<Output>,
}

impl Channels {
    /// No connection yet.
    #[must_use]
    pub fn new(config: Config, ours: PeerId, consent: Consent, now: Instant) -> Self {
        Self {
            config,
            ours,
            consent,
            links: BTreeMap::new(),
            timers: BTreeSet::new(),
            admitted: Bucket::new(config.stranger_rate, now),
            serial: 0,
            stats: Stats::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Up { conn, relay } => {
                if self.links.len() < self.config.connections {
                    self.links.entry(conn).or_insert_with(|| Link {
                        relay,
                        channels: BTreeMap::new(),
                    });
                }
            }
            Input::Gone { conn } => self.gone(conn),
            Input::Ask { conn, peer } => self.ask(conn, peer, now),
            Input::Shut { conn, channel } => {
                if let Some(stream) = self.stream_of(conn, channel) {
                    self.end(conn, stream, None);
                }
            }
            Input::Frame {
                conn,
                stream,
                frame,
            } => self.frame(conn, stream, frame, now),
            Input::Ended { conn, stream } => self.end(conn, stream, Some(Failure::NoAnswer)),
            Input::Consent(consent) => self.adopt(consent),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, conn, stream)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            self.end(conn, stream, Some(Failure::NoAnswer));
        }
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Channels::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|&(due, _, _)| due)
    }

    /// Counters and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn gone(&mut self, conn: ConnId) {
        let Some(link) = self.links.get(&conn) else {
            return;
        };
        let streams: Vec<_> = link.channels.keys().copied().collect();
        for stream in streams {
            self.remove(conn, stream, Failure::NotConnected);
        }
        self.links.remove(&conn);
    }

    fn ask(&mut self, conn: ConnId, peer: PeerId, now: Instant) {
        let failed = |failure| Output::Failed {
            conn,
            peer,
            failure,
        };
        let Some(link) = self.links.get_mut(&conn) else {
            return self.outputs.push_back(failed(Failure::NotConnected));
        };
        let mut of_peer = 0;
        for channel in link
            .channels
            .values()
            .filter(|channel| channel.peer == peer)
        {
            match channel.state {
                State::Asking { .. } => return,
                State::Open { .. } => of_peer += 1,
            }
        }
        if of_peer >= self.config.per_peer || self.stats.channels >= self.config.channels {
            return self.outputs.push_back(failed(Failure::TooMany));
        }
        self.serial += 1;
        let stream = StreamId::ours(self.serial);
        let until = now + self.config.answer;
        link.channels.insert(
            stream,
            Channel {
                peer,
                asked: true,
                stranger: false,
                state: State::Asking { until },
            },
        );
        self.stats.channels += 1;
        self.timers.insert((until, conn, stream));
        self.outputs.push_back(Output::Open {
            conn,
            stream,
            frame: Box::new(Frame::RelayConnect(RelayConnect {
                peer,
                extensions: Default::default(),
            })),
        });
    }

    fn frame(&mut self, conn: ConnId, stream: StreamId, frame: Frame, now: Instant) {
        let Some(link) = self.links.get(&conn) else {
            return;
        };
        let state = link.channels.get(&stream).map(|channel| channel.state);
        match (state, frame) {
            (None, Frame::RelayIncoming(incoming)) if !stream.is_ours() => {
                self.incoming(conn, stream, &incoming, now);
            }
            (None, _) if stream.is_ours() => {}
            (None, _) => {
                self.stats.nonsense += 1;
                self.close(conn, stream, None);
            }
            (Some(State::Asking { until }), Frame::RelayOpened(opened)) => {
                if self.stream_of(conn, opened.channel).is_some() {
                    self.stats.nonsense += 1;
                    return self.end(conn, stream, Some(Failure::Nonsense));
                }
                self.timers.remove(&(until, conn, stream));
                self.opened(conn, stream, opened.channel, opened.bytes_per_s);
            }
            (Some(_), Frame::RelayRefused(refused)) => {
                let retry_after = (refused.retry_after_s > 0)
                    .then(|| Duration::from_secs(refused.retry_after_s.into()));
                let failure = Failure::Refused {
                    reason: refused.reason,
                    retry_after,
                };
                self.end(conn, stream, Some(failure));
            }
            (Some(_), _) => {
                self.stats.nonsense += 1;
                self.end(conn, stream, Some(Failure::Nonsense));
            }
        }
    }

    fn opened(&mut self, conn: ConnId, stream: StreamId, number: u32, bytes_per_s: u32) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        let relay = link.relay;
        let Some(channel) = link.channels.get_mut(&stream) else {
            return;
        };
        channel.state = State::Open { number };
        self.outputs.push_back(Output::Opened {
            conn,
            relay,
            peer: channel.peer,
            channel: number,
            asked: channel.asked,
            bytes_per_s,
        });
    }

    fn incoming(&mut self, conn: ConnId, stream: StreamId, asked: &RelayIncoming, now: Instant) {
        if self.stream_of(conn, asked.channel).is_some() {
            self.stats.nonsense += 1;
            return self.decline(conn, stream, 0);
        }
        let stranger = !self.consent.contacts.contains(&asked.peer);
        if let Err(retry) = self.admit(conn, asked.peer, stranger, now) {
            return self.decline(conn, stream, retry);
        }
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        let number = asked.channel;
        link.channels.insert(
            stream,
            Channel {
                peer: asked.peer,
                asked: false,
                stranger,
                state: State::Open { number },
            },
        );
        self.stats.channels += 1;
        self.stats.strangers += usize::from(stranger);
        self.stats.accepted += 1;
        let frame = Frame::RelayAccept(RelayAccept {
            extensions: Default::default(),
        });
        self.outputs.push_back(Output::Write {
            conn,
            stream,
            frame: Box::new(frame),
        });
        self.opened(conn, stream, number, 0);
    }

    /// Whether a channel is let in; if not, after how many seconds it may be.
    fn admit(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        stranger: bool,
        now: Instant,
    ) -> Result<(), u32> {
        /// Seconds after which a place may be free.
        const RETRY: u32 = 60;
        let strangers_may = self.consent.strangers || !stranger;
        if peer == self.ours || self.consent.denied.contains(&peer) || !strangers_may {
            return Err(0);
        }
        let channels = self.links.get(&conn).map(|link| link.channels.values());
        let of_peer = channels.map_or(0, |all| all.filter(|one| one.peer == peer).count());
        if of_peer >= self.config.per_peer || self.stats.channels >= self.config.channels {
            return Err(RETRY);
        }
        let enough = self.stats.strangers >= self.config.strangers;
        if stranger && (enough || !self.admitted.take(1, now)) {
            return Err(RETRY);
        }
        Ok(())
    }

    fn decline(&mut self, conn: ConnId, stream: StreamId, retry_after_s: u32) {
        self.stats.declined += 1;
        let refused = RelayRefused {
            reason: Refusal::Declined,
            retry_after_s,
            extensions: Default::default(),
        };
        self.close(conn, stream, Some(Frame::RelayRefused(refused)));
    }

    fn adopt(&mut self, consent: Consent) {
        self.consent = consent;
        let mut excluded = Vec::new();
        for (&conn, link) in &mut self.links {
            for (&stream, channel) in &mut link.channels {
                let contact = self.consent.contacts.contains(&channel.peer);
                let stranger = !channel.asked && !contact;
                self.stats.strangers += usize::from(stranger);
                self.stats.strangers -= usize::from(channel.stranger);
                channel.stranger = stranger;
                let denied = self.consent.denied.contains(&channel.peer);
                if denied || (stranger && !self.consent.strangers) {
                    excluded.push((conn, stream));
                }
            }
        }
        for (conn, stream) in excluded {
            let refused = Failure::Refused {
                reason: Refusal::Declined,
                retry_after: None,
            };
            self.end(conn, stream, Some(refused));
        }
    }

    /// Ends a channel and its stream.
    fn end(&mut self, conn: ConnId, stream: StreamId, failure: Option<Failure>) {
        if self.remove(conn, stream, failure.unwrap_or(Failure::NoAnswer)) {
            self.close(conn, stream, None);
        }
    }

    /// Takes a channel out of the tables and says so; whether there was one.
    fn remove(&mut self, conn: ConnId, stream: StreamId, failure: Failure) -> bool {
        let Some(link) = self.links.get_mut(&conn) else {
            return false;
        };
        let relay = link.relay;
        let Some(channel) = link.channels.remove(&stream) else {
            return false;
        };
        self.stats.channels -= 1;
        self.stats.strangers -= usize::from(channel.stranger);
        let peer = channel.peer;
        self.outputs.push_back(match channel.state {
            State::Asking { until } => {
                self.timers.remove(&(until, conn, stream));
                Output::Failed {
                    conn,
                    peer,
                    failure,
                }
            }
            State::Open { number } => Output::Closed {
                conn,
                relay,
                peer,
                channel: number,
            },
        });
        true
    }

    fn stream_of(&self, conn: ConnId, number: u32) -> Option<StreamId> {
        let channels = &self.links.get(&conn)?.channels;
        let named =
            |channel: &Channel| matches!(channel.state, State::Open { number: of } if of == number);
        let mut channels = channels.iter();
        channels
            .find(|(_, channel)| named(channel))
            .map(|(&stream, _)| stream)
    }

    fn close(&mut self, conn: ConnId, stream: StreamId, frame: Option<Frame>) {
        let frame = frame.map(Box::new);
        self.outputs.push_back(Output::Close {
            conn,
            stream,
            frame,
        });
    }
}
