//! Asking for channels, and consenting to those others ask for.
//!
//! **State.** For each connection to a relay the channels on it: asked for, or open.
//!
//! **In.** [`Input`]: connections to relays, peers a channel is wanted to, frames on streams and
//! their ends. **Out.** [`Output`]: streams to open, write to and close, and channels that opened,
//! failed or closed. After each input and each timeout the caller drains
//! [`Channels::poll_output`].
//!
//! **Who may have a channel to us.** A contact always, within [`Config::per_peer`]; a stranger
//! while fewer than [`Config::strangers`] have one and not too often; one who is denied never;
//! strangers never while [`Consent::strangers`] is false. The relay proves nothing about whom it
//! asks for, so this only bounds what is let in: who really is there shows in the handshake that
//! follows.
//!
//! **Invariants.** Every stream is closed exactly once while its connection lives. Each
//! [`Input::Ask`] is followed by exactly one [`Output::Opened`] or [`Output::Failed`], but for one
//! repeated while it is being answered. A number names at most one channel of a connection.
//!
//! **Bounds.** [`Config`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use dchat_wire::relay::{Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayRefused};
use dchat_wire::{Frame, PeerId};

use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::{ConnId, Rate, StreamId};

/// How much is kept and let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections to relays, default 32: those held and those contacts are reached over.
    pub connections: usize,
    /// Channels in all, open or asked for, default 512.
    pub channels: usize,
    /// Channels of one peer over one relay, default 4: both may ask at once, and again before the
    /// old ones are seen to be dead.
    pub per_peer: usize,
    /// Strangers that may have a channel at once, default 16.
    pub strangers: usize,
    /// Strangers let in over time, default 1/s and 16 at once.
    pub stranger_rate: Rate,
    /// How long an answer to CONNECT may take, default 8 s: the relay waits 5 s for the other side.
    pub answer: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 32,
            channels: 512,
            per_peer: 4,
            strangers: 16,
            stranger_rate: Rate {
                per_second: 1,
                burst: 16,
            },
            answer: Duration::from_secs(8),
        }
    }
}

/// Who may have a channel to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Always.
    pub contacts: BTreeSet<PeerId>,
    /// Never, contact or not.
    pub denied: BTreeSet<PeerId>,
    /// Whether those in neither list may, within the bounds for strangers; false in private mode.
    pub strangers: bool,
}

impl Default for Consent {
    /// Strangers may: it is how one gets to know somebody.
    fn default() -> Self {
        Self {
            contacts: BTreeSet::new(),
            denied: BTreeSet::new(),
            strangers: true,
        }
    }
}

/// What is told about channels.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to a relay is up.
    Up {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
    },
    /// It is gone, with all its streams.
    Gone {
        /// The connection.
        conn: ConnId,
    },
    /// A channel is wanted. While one is being asked for, asking again changes nothing.
    Ask {
        /// The connection to the relay.
        conn: ConnId,
        /// To whom.
        peer: PeerId,
    },
    /// A channel is wanted no more.
    Shut {
        /// The connection.
        conn: ConnId,
        /// The channel's number.
        channel: u32,
    },
    /// A frame came on a stream: INCOMING, the first of a stream the relay opened, or the answer on
    /// one of ours.
    Frame {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// The frame.
        frame: Frame,
    },
    /// The relay ended or reset its side of a stream, or it could not be opened.
    Ended {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
    },
    /// Another consent. Channels it excludes end.
    Consent(Consent),
}

/// What is wanted done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a stream, write the frame, keep it open.
    Open {
        /// The connection.
        conn: ConnId,
        /// What the stream is called from now on.
        stream: StreamId,
        /// CONNECT.
        frame: Box<Frame>,
    },
    /// Write the frame and keep the stream open.
    Write {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// ACCEPT.
        frame: Box<Frame>,
    },
    /// Write the frame if there is one, finish the stream, and read no more from it.
    Close {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// REFUSED, or nothing.
        frame: Option<Box<Frame>>,
    },
    /// A channel is there.
    Opened {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
        /// With whom, says the relay.
        peer: PeerId,
        /// What its datagrams are named with on this connection.
        channel: u32,
        /// Whether we asked for it.
        asked: bool,
        /// Bytes per second of each direction, where we asked; 0 for no limit of its own.
        bytes_per_s: u32,
    },
    /// A channel that was asked for cannot be had.
    Failed {
        /// The connection.
        conn: ConnId,
        /// To whom.
        peer: PeerId,
        /// Why.
        failure: Failure,
    },
    /// A channel that was there is not any more.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
        /// With whom it was.
        peer: PeerId,
        /// Its number.
        channel: u32,
    },
}

/// Why a channel cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The relay refused.
    #[error("{}", reason.text())]
    Refused {
        /// Why.
        reason: Refusal,
        /// After which time asking again makes sense; `None` when it does not.
        retry_after: Option<Duration>,
    },
    /// The relay did not answer.
    #[error("the relay did not answer")]
    NoAnswer,
    /// The connection to the relay is gone, or was never known.
    #[error("there is no connection to the relay")]
    NotConnected,
    /// Too many channels already.
    #[error("there are too many channels already")]
    TooMany,
    /// The relay's answer makes no sense; it is at fault.
    #[error("the relay's answer makes no sense")]
    Nonsense,
}

/// Counters since the start, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Channels open or asked for.
    pub channels: usize,
    /// Of these, of strangers who asked for them.
    pub strangers: usize,
    /// Channels let in.
    pub accepted: u64,
    /// Channels not let in.
    pub declined: u64,
    /// Frames and numbers of relays that make no sense.
    pub nonsense: u64,
}

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

/// Channels over relays; see the [module](self) for the contract.
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
