//! The conversation with one connected peer: its verbs, the opening, and the choice of session.

use std::collections::{BTreeSet, VecDeque};

use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Stage, Undecryptable};
use dchat_wire::codec::{List, Text};
use dchat_wire::defect::{self, Defect};
use dchat_wire::extension::Extensions;
use dchat_wire::parcel::Parcel;
use dchat_wire::record::{DeviceRecord, SignedRecord, Verified};
use dchat_wire::{Frame, limits};
use zeroize::Zeroizing;

use crate::e2ee::{self, AcceptError, DecryptError, Device, SessionId};

use super::divergence::Divergence;
use super::frontier::Reports;
use super::sessions::Sessions;
use super::window::Window;
use super::{Author, Error, Incarnation, Ledger, Misbehaviour, Notice, Output, Pair, Warning};

/// New sessions that a peer may make, or ask for, in one connection: enough for an unlucky start (one for
/// each session both listed), few enough to end a loop.
pub const MAX_RENEWALS: u32 = 8;
/// Sessions of a peer that may be undecryptable in one connection.
pub const MAX_REFUSED: usize = 8;

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// The chat begins on this connection: once, and first.
    Open {
        /// What we call ourselves.
        name: Text<{ limits::NAME }>,
        /// Proof of the invite that we redeem.
        invite: Option<InviteProof>,
        /// Our device record, from [`publish_device`](super::publish_device).
        device: SignedRecord,
    },
    /// A frame of the peer's chat stream, in order. CHAT_OPEN only once the caller has accepted
    /// the peer: blocked ones and strangers are the caller's to turn away.
    Frame(Frame),
    /// The peer replaced its chat stream: the next frame is of the new one, and none of the old one
    /// follows. How often is the caller's to bound.
    Replaced,
    /// A person read the peer's log through this number.
    Read {
        /// The log.
        incarnation: Incarnation,
        /// The last number read.
        through: u64,
    },
}

/// One connected peer. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Conversation {
    pub(super) pair: Pair,
    /// Name of the log to begin if ours turns out to be an old copy; used at most once.
    pub(super) fresh: Option<Incarnation>,
    opened: bool,
    peer: Option<PeerOpen>,
    pub(super) sessions: Sessions,
    /// The session we encrypt with.
    pub(super) sending: Option<SessionId>,
    /// Only a session that is newer than all we have will do.
    renew: bool,
    renewals: u32,
    /// The peer has replaced its chat stream: what it has us make then counts as a renewal.
    replaced: bool,
    /// Sessions we sent with in this connection and the peer did not complain of.
    pub(super) used: BTreeSet<SessionId>,
    refused: BTreeSet<SessionId>,
    /// All our frontiers went out in the current session.
    pub(super) synced: bool,
    /// They did in this connection.
    pub(super) sync_sent: bool,
    /// The peer's frontiers arrived.
    pub(super) peer_synced: bool,
    /// Our current log and what is on the way of it.
    pub(super) outgoing: Option<(Incarnation, Window)>,
    pub(super) divergence: Divergence,
    /// The number last asked for.
    pub(super) asked: Option<u64>,
    pub(super) reports: Reports,
    pub(super) staged: Vec<Output>,
    /// As many as entries came in this transaction.
    pub(super) notices: Vec<Notice>,
    ready: VecDeque<Output>,
    failed: bool,
}

#[derive(Debug)]
struct PeerOpen {
    device: Verified<DeviceRecord>,
    sessions: Vec<SessionId>,
}

impl Conversation {
    /// A conversation over a new connection. `fresh` is 16 random bytes, of which nothing else may
    /// be made.
    #[must_use]
    pub fn new(pair: Pair, fresh: Incarnation) -> Self {
        Self {
            pair,
            fresh: Some(fresh),
            opened: false,
            peer: None,
            sessions: Sessions::default(),
            sending: None,
            renew: false,
            renewals: 0,
            replaced: false,
            used: BTreeSet::new(),
            refused: BTreeSet::new(),
            synced: false,
            sync_sent: false,
            peer_synced: false,
            outgoing: None,
            divergence: Divergence::default(),
            asked: None,
            reports: Reports::default(),
            staged: Vec::new(),
            notices: Vec::new(),
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// Takes one input; any number in a transaction. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error`]: the conversation is over; undo the transaction.
    pub fn handle_input<L: Ledger>(
        &mut self,
        ledger: &mut L,
        input: Input,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        self.guarded(|conversation| match input {
            Input::Open {
                name,
                invite,
                device,
            } => conversation.open(ledger, name, invite, device),
            Input::Frame(frame) => conversation.frame(ledger, frame, now),
            Input::Replaced => {
                conversation.replaced();
                Ok(())
            }
            Input::Read {
                incarnation,
                through,
            } => {
                if ledger
                    .mark_read(&incarnation, through)
                    .map_err(Error::Ledger)?
                {
                    conversation.reports.log(Author::Peer, incarnation);
                }
                Ok(())
            }
        })
    }

    /// Encrypts what is due and saves the sessions used: once, last in the transaction.
    ///
    /// # Errors
    /// [`Error`]: the conversation is over; undo the transaction.
    pub fn settle<L: Ledger>(&mut self, ledger: &mut L, now: u64) -> Result<(), Error<L::Error>> {
        self.guarded(|conversation| {
            if conversation.opened && conversation.peer.is_some() {
                conversation.choose_session(ledger, now)?;
                if !conversation.send_due(ledger, now)? {
                    // What was stored of the session is damaged; one that was just made is not.
                    conversation.choose_session(ledger, now)?;
                    conversation.send_due(ledger, now)?;
                }
            }
            conversation.sessions.save(ledger, now)
        })
    }

    /// What came since the last call that is no text: to be acted on in this transaction.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        core::mem::take(&mut self.notices)
    }

    /// How many texts of the peer's came that are not committed yet.
    #[must_use]
    pub fn brought_texts(&self) -> usize {
        let staged = self.staged.iter();
        staged
            .filter(|output| matches!(output, Output::Message(_)))
            .count()
    }

    /// Says that the transaction was committed: what it staged may leave.
    pub fn committed(&mut self) {
        if !self.failed {
            self.ready.extend(self.staged.drain(..));
        }
    }

    /// The next committed output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// Runs a step; after a failed one nothing is output and nothing runs any more.
    fn guarded<E>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), Error<E>>,
    ) -> Result<(), Error<E>> {
        if self.failed {
            return Err(Error::Misuse("it had failed before"));
        }
        step(self).inspect_err(|_| {
            self.failed = true;
            self.staged.clear();
            self.notices.clear();
        })
    }

    fn open<L: Ledger>(
        &mut self,
        ledger: &mut L,
        name: Text<{ limits::NAME }>,
        invite: Option<InviteProof>,
        device: SignedRecord,
    ) -> Result<(), Error<L::Error>> {
        if self.opened {
            return Err(Error::Misuse("it was opened before"));
        }
        self.opened = true;
        self.sessions = Sessions::load(ledger).map_err(Error::Ledger)?;
        self.staged.push(Output::Send(Frame::ChatOpen(ChatOpen {
            name,
            invite,
            device,
            sessions: List::first_of(self.sessions.ids().map(|id| id.0)),
            extensions: Extensions::default(),
        })));
        Ok(())
    }

    fn frame<L: Ledger>(
        &mut self,
        ledger: &mut L,
        frame: Frame,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        match frame {
            Frame::ChatOpen(open) => self.peer_opened(&open, now).map_err(Error::Peer),
            Frame::Envelope(envelope) => {
                let Some(plaintext) = self.decrypt(ledger, &envelope, now)? else {
                    return Ok(());
                };
                let parcel = Parcel::open(&plaintext).map_err(Misbehaviour::Parcel)?;
                self.receive(ledger, &parcel, now)
            }
            Frame::Undecryptable(frame) => self
                .renewal_asked(SessionId(frame.session))
                .map_err(Error::Peer),
            other => Err(Misbehaviour::ForeignFrame(other.frame_type()).into()),
        }
    }

    fn peer_opened(&mut self, open: &ChatOpen, now: u64) -> Result<(), Misbehaviour> {
        if self.peer.is_some() && !defect::is(Defect::AcceptsSecondOpen) {
            return Err(Misbehaviour::OpenTwice);
        }
        let device = open.device.open(self.pair.peer(), now);
        self.peer = Some(PeerOpen {
            device: device.map_err(Misbehaviour::DeviceRecord)?,
            sessions: open.sessions.iter().copied().map(SessionId).collect(),
        });
        Ok(())
    }

    /// The peer begins again, as after a new connection; what is bounded for a connection goes on
    /// counting, and our own stream stays.
    fn replaced(&mut self) {
        if self.peer.take().is_none() {
            return;
        }
        self.replaced = true;
        self.peer_synced = false;
        self.sending = None;
        self.renew = false;
        self.asked = None;
        self.begin_anew();
    }

    /// Picks the session to encrypt with when there is none: the newest that both hold, or a new
    /// one if it is ours to make it.
    fn choose_session<L: Ledger>(
        &mut self,
        ledger: &mut L,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        let Some(peer) = self.peer.as_ref().filter(|_| self.sending.is_none()) else {
            return Ok(());
        };
        let common = self.sessions.ids().find(|id| peer.sessions.contains(id));
        match common.filter(|_| !self.renew) {
            Some(id) => self.sending = Some(id),
            None if self.renew || self.pair.leads() => {
                let session = device(ledger)?
                    .open_session(&peer.device)
                    .map_err(Misbehaviour::DeviceKey)?;
                // One that was asked for is counted when it is.
                if self.replaced && !self.renew {
                    self.count_renewal()?;
                }
                self.adopt(ledger, session, now)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Keeps a new session and encrypts with it from now on: who made it has nothing better.
    fn adopt<L: Ledger>(
        &mut self,
        ledger: &mut L,
        session: e2ee::OlmSession,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        let session: Box<dyn e2ee::PairwiseSession> = Box::new(session);
        self.sending = Some(session.id());
        self.renew = false;
        self.sessions
            .insert(ledger, session, now)
            .map_err(Error::Ledger)
    }

    /// The plaintext, or `None` when the peer was asked for a new session instead.
    fn decrypt<L: Ledger>(
        &mut self,
        ledger: &mut L,
        envelope: &Envelope,
        now: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error<L::Error>> {
        if self.peer.is_none() || !self.opened {
            return Err(Misbehaviour::NotOpen.into());
        }
        let id = SessionId(envelope.session);
        let message = envelope.message.as_slice();
        if envelope.stage == Stage::Opening {
            let opens = e2ee::opened_session(message).map_err(Misbehaviour::Ratchet)?;
            if opens != id && !defect::is(Defect::AcceptsOtherSession) {
                return Err(Misbehaviour::SessionMismatch.into());
            }
            if !self.sessions.contains(id) {
                self.count_renewal()?;
                let Some(peer) = &self.peer else {
                    return Err(Misbehaviour::NotOpen.into());
                };
                return match device(ledger)?.accept_session(&peer.device, message) {
                    Ok((session, plaintext)) => {
                        self.adopt(ledger, session, now)?;
                        Ok(Some(plaintext))
                    }
                    Err(error) if error.is_curable() => self.refuse(id, error),
                    Err(error) => Err(Misbehaviour::Opening(error).into()),
                };
            }
        }
        match self.sessions.live(id, now) {
            Ok(None) => self.refuse(id, DecryptError::NoKey.into()),
            Ok(Some(session)) => match session.decrypt(envelope.stage, message) {
                Ok(plaintext) => Ok(Some(plaintext)),
                Err(error) if error.is_curable() => self.refuse(id, error.into()),
                Err(error) => Err(Misbehaviour::Ratchet(error).into()),
            },
            Err(_) => {
                self.lose_session(ledger, id)?;
                self.refuse(id, DecryptError::NoKey.into())
            }
        }
    }

    /// Asks for a new session, once for each that fails.
    fn refuse<E>(
        &mut self,
        id: SessionId,
        error: AcceptError,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error<E>> {
        if !self.refused.insert(id) || defect::is(Defect::AcknowledgesUndecryptable) {
            return Ok(None);
        }
        if self.refused.len() > MAX_REFUSED {
            return Err(Misbehaviour::TooManyUndecryptable.into());
        }
        self.staged
            .push(Output::Send(Frame::Undecryptable(Undecryptable {
                session: id.0,
                extensions: Extensions::default(),
            })));
        self.staged
            .push(Output::Warn(Warning::Undecryptable(error)));
        Ok(None)
    }

    fn renewal_asked(&mut self, session: SessionId) -> Result<(), Misbehaviour> {
        if self.peer.is_none() {
            return Err(Misbehaviour::NotOpen);
        }
        // Not ours, or cured already.
        if !self.used.remove(&session) {
            return Ok(());
        }
        self.count_renewal()?;
        self.staged.push(Output::Warn(Warning::Renewed));
        if self.sending == Some(session) {
            self.renew_session();
        } else {
            // The one in use since then is good, but what went before it is lost.
            self.begin_anew();
        }
        Ok(())
    }

    fn count_renewal(&mut self) -> Result<(), Misbehaviour> {
        self.renewals += 1;
        if self.renewals > MAX_RENEWALS {
            return Err(Misbehaviour::TooManyRenewals);
        }
        Ok(())
    }

    /// Goes on with a new session.
    pub(super) fn renew_session(&mut self) {
        self.sending = None;
        self.renew = true;
        self.begin_anew();
    }

    /// Sends all frontiers and what is not acknowledged again.
    fn begin_anew(&mut self) {
        self.synced = false;
        if let Some((_, window)) = &mut self.outgoing {
            window.rewind();
        }
    }

    /// Drops a session whose stored state cannot be read.
    pub(super) fn lose_session<L: Ledger>(
        &mut self,
        ledger: &mut L,
        id: SessionId,
    ) -> Result<(), Error<L::Error>> {
        self.sessions.remove(ledger, id).map_err(Error::Ledger)?;
        self.staged.push(Output::Warn(Warning::SessionLost));
        Ok(())
    }
}

fn device<L: Ledger>(ledger: &mut L) -> Result<Device, Error<L::Error>> {
    let state = ledger.device().map_err(Error::Ledger)?;
    let state = state.ok_or(Error::Misuse("no device was published"))?;
    Ok(Device::from_state(&state)?)
}
