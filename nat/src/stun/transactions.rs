//! Questions that wait for an answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Answer, Change, Message, Refusal, TransactionId, decode};
use super::retry::Retry;
use super::scan::is_stun;

/// BLAKE3 context of the transaction ids.
const IDS: &str = "dchat/1 2026-11 stun transaction ids";

/// Bounds of [`Transactions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Questions that may wait at a time. Each costs some 200 bytes and at most 16 sends.
    pub outstanding: usize,
}

impl Default for Config {
    /// 64 questions: every server, address family and socket of a classification.
    fn default() -> Self {
        Self { outstanding: 64 }
    }
}

/// What happened. `S` names one of the caller's sockets.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, S> {
    /// A datagram came in. Only STUN responses are looked at.
    Datagram {
        /// On this socket.
        socket: S,
        /// From there.
        from: SocketAddr,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// An answer to this question is not wanted any more.
    Cancel(TransactionId),
}

/// What to do, and what became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<S> {
    /// Send this.
    Send {
        /// From this socket.
        socket: S,
        /// The question.
        id: TransactionId,
        /// There.
        to: SocketAddr,
        /// [`request`](super::request).
        datagram: Vec<u8>,
    },
    /// An answer came.
    Answered {
        /// The question.
        id: TransactionId,
        /// What it says: unverified.
        answer: Answer,
        /// From where it came: for a question without a change, where it was sent.
        from: SocketAddr,
        /// Sends until then.
        sends: u8,
        /// Since the last send; a lower bound of the round trip if there were several.
        rtt: Duration,
    },
    /// There will be no answer.
    Failed {
        /// The question.
        id: TransactionId,
        /// Why.
        why: Why,
    },
}

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing came in time.
    Silence,
    /// The server refused, with this code.
    Refused(u16),
}

/// Responses that were not taken, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// STUN by its look, and not readable.
    pub malformed: u64,
    /// To a question never asked, or no longer open.
    pub unsolicited: u64,
    /// To an open question, but from an address that was not asked.
    pub wrong_source: u64,
    /// To an open question, but on another socket.
    pub wrong_socket: u64,
}

/// No further question may wait: the bound of [`Config::outstanding`] is reached. Nothing was changed;
/// ask again when one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many STUN questions wait for an answer")]
pub struct Busy;

#[derive(Debug)]
struct Open<S> {
    socket: S,
    to: SocketAddr,
    change: Change,
    retry: Retry,
    sends: u8,
    sent: Instant,
    due: Instant,
}

/// Open questions.
///
/// **In.** [`ask`](Self::ask), [`Input`]s, time. **Out.** [`Output`]s; every question that is not
/// cancelled ends in exactly one `Answered` or `Failed`. **Invariants.** An answer is taken only on the
/// socket that asked, and only from the address that was asked, unless it was asked for from another;
/// what is not taken is counted and changes nothing. **Bounds.** [`Config::outstanding`] questions, and
/// at most one output for each.
#[derive(Debug)]
pub struct Transactions<S> {
    config: Config,
    ids: blake3::OutputReader,
    open: BTreeMap<TransactionId, Open<S>>,
    outputs: VecDeque<Output<S>>,
    faults: Faults,
}

impl<S: Copy + Eq> Transactions<S> {
    /// None open; ids follow from `seed`, which has to be secret and used once.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            ids: blake3::Hasher::new_derive_key(IDS)
                .update(&seed)
                .finalize_xof(),
            open: BTreeMap::new(),
            outputs: VecDeque::new(),
            faults: Faults::default(),
        }
    }

    /// Asks `to` from `socket`; the first send is among the outputs at once.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn ask(
        &mut self,
        socket: S,
        to: SocketAddr,
        change: Change,
        retry: Retry,
        now: Instant,
    ) -> Result<TransactionId, Busy> {
        if self.open.len() >= self.config.outstanding {
            return Err(Busy);
        }
        let id = self.fresh();
        let open = Open {
            socket,
            to,
            change,
            retry,
            sends: 1,
            sent: now,
            due: now + retry.pause(1),
        };
        self.outputs.push_back(open.send(id));
        self.open.insert(id, open);
        Ok(id)
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input<'_, S>, now: Instant) {
        match input {
            Input::Datagram {
                socket,
                from,
                bytes,
            } => self.datagram(socket, from, bytes, now),
            Input::Cancel(id) => self.cancel(id),
        }
    }

    /// Repeats and gives up what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<TransactionId> = self
            .open
            .iter()
            .filter(|(_, open)| open.due <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(open) = self.open.get_mut(&id) else {
                continue;
            };
            if open.sends < open.retry.sends() {
                open.sends += 1;
                open.sent = now;
                open.due = now + open.retry.pause(open.sends);
                let send = open.send(id);
                self.outputs.push_back(send);
            } else {
                self.open.remove(&id);
                self.fail(id, Why::Silence);
            }
        }
    }

    /// The next thing to do; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.open.values().map(|open| open.due).min()
    }

    /// How many questions are open.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.open.len()
    }

    /// What was not taken so far.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults
    }

    pub(crate) fn cancel(&mut self, id: TransactionId) {
        self.open.remove(&id);
        self.outputs
            .retain(|output| !matches!(output, Output::Send { id: of, .. } if *of == id));
    }

    fn fresh(&mut self) -> TransactionId {
        loop {
            let mut id = [0; 12];
            self.ids.fill(&mut id);
            let id = TransactionId(id);
            if !self.open.contains_key(&id) {
                return id;
            }
        }
    }

    fn datagram(&mut self, socket: S, from: SocketAddr, bytes: &[u8], now: Instant) {
        if !is_stun(bytes) {
            return;
        }
        let message = decode(bytes);
        let id = match &message {
            Ok(Message::Answer(Answer { id, .. }) | Message::Refusal(Refusal { id, .. })) => *id,
            Ok(Message::Request(_) | Message::Indication) => return,
            Err(_) => {
                self.faults.malformed += 1;
                return;
            }
        };
        let Some(open) = self.open.get(&id) else {
            self.faults.unsolicited += 1;
            return;
        };
        if open.socket != socket {
            self.faults.wrong_socket += 1;
            return;
        }
        if open.change == Change::Nothing && canonical(from) != canonical(open.to) {
            self.faults.wrong_source += 1;
            return;
        }
        let (sends, rtt) = (open.sends, now.saturating_duration_since(open.sent));
        self.open.remove(&id);
        match message {
            Ok(Message::Answer(answer)) => self.finish(Output::Answered {
                id,
                answer,
                from: canonical(from),
                sends,
                rtt,
            }),
            Ok(Message::Refusal(refusal)) => self.fail(id, Why::Refused(refusal.code)),
            Ok(Message::Request(_) | Message::Indication) | Err(_) => {}
        }
    }

    fn fail(&mut self, id: TransactionId, why: Why) {
        self.finish(Output::Failed { id, why });
    }

    /// A send that still waits to be picked up has become pointless.
    fn finish(&mut self, last: Output<S>) {
        if let Output::Answered { id: done, .. } | Output::Failed { id: done, .. } = &last {
            self.outputs
                .retain(|output| !matches!(output, Output::Send { id, .. } if id == done));
        }
        self.outputs.push_back(last);
    }
}

impl<S: Copy> Open<S> {
    fn send(&self, id: TransactionId) -> Output<S> {
        Output::Send {
            socket: self.socket,
            id,
            to: self.to,
            datagram: super::request(id, self.change),
        }
    }
}

/// Without IPv4-in-IPv6, flow label and scope, which differ between what was asked and what is seen.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
