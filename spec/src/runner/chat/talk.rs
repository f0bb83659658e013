//! The chat of one connection.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_wire::chat::{ChatOpen as PeersOpen, Envelope, Stage};
use dchat_wire::parcel::{Frontier as PeersFrontier, Parcel};
use dchat_wire::record::{DeviceRecord, SignedRecord};
use dchat_wire::{Frame, PeerId};
use quinn::SendStream;
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{Message, OlmMessage, PreKeyMessage, Session, SessionConfig};

use super::super::case::{Fault, Outcome};
use super::super::frames::{self, frame};
use super::super::greeting::Greeting;
use super::super::journal::RawFrame;
use super::super::link::Link;
use super::super::partner::{Partner, own};
use super::body::{ChatOpen, Entry, Frontier, envelope, padded, parcel};
use super::now;
use super::person::{Order, Taken};

/// A parcel of the peer's.
#[derive(Clone, Debug)]
pub struct Received {
    /// The session it came with.
    pub session: [u8; 32],
    /// Whether as a pre-key message.
    pub is_opening: bool,
    /// The length of the plaintext.
    pub len: usize,
    /// What it says.
    pub parcel: Parcel,
}

/// A chat on a connection of its own.
pub struct Talk {
    /// The connection.
    pub link: Arc<Link>,
    /// Who talks.
    pub person: Taken,
    /// The peer's CHAT_OPEN.
    pub theirs: PeersOpen,
    /// The keys of the peer's device.
    pub device: DeviceRecord,
    /// All parcels that came.
    pub parcels: Vec<Received>,
    /// Sessions that the peer could not decrypt, in the order in which it said so.
    pub undecryptable: Vec<[u8; 32]>,
    /// The chat stream of this side.
    pub chat: SendStream,
    /// The session this side sends with.
    pub current: Option<[u8; 32]>,
    peer: [u8; 32],
    sessions: BTreeMap<[u8; 32], Session>,
    /// The stream that is read, and how many of its frames are.
    read: (usize, usize),
}

impl Partner {
    /// Somebody who has redeemed an invite, on a connection on which both sides have opened the chat
    /// and sent their frontiers.
    ///
    /// # Errors
    /// A fault when the peer does not do its part; unsupported without an invite.
    pub async fn talk(&self) -> Result<Talk, Fault> {
        self.talk_of(Order::Any).await
    }

    /// The same with somebody of this order.
    ///
    /// # Errors
    /// As [`talk`](Self::talk).
    pub async fn talk_of(&self, order: Order) -> Result<Talk, Fault> {
        let person = self.subject.people.take(self, order).await?;
        self.talk_as(person).await
    }

    /// The same with somebody who is at hand.
    ///
    /// # Errors
    /// As [`talk`](Self::talk).
    pub async fn talk_as(&self, person: Taken) -> Result<Talk, Fault> {
        let mut talk = Talk::open(self, person, Vec::new()).await?;
        talk.begin().await?;
        Ok(talk)
    }

    /// A connection of somebody's, after the greeting.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn link_of(&self, person: &Taken) -> Result<Link, Fault> {
        self.able_link_of(person, &[CAN_CHAT]).await
    }

    /// The same with these capabilities.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn able_link_of(&self, person: &Taken, capabilities: &[u16]) -> Result<Link, Fault> {
        let mut greeting = Greeting::new(self);
        greeting.instance = person.instance;
        greeting.capabilities = capabilities.to_vec();
        self.link_with(&person.identity, &greeting).await
    }

    /// A connection of somebody's whom the peer has accepted, with these capabilities, and the chat
    /// stream on which nothing is said.
    ///
    /// # Errors
    /// As [`link`](Self::link), or when the peer does not open its chat.
    pub async fn contact(
        &self,
        person: &mut Taken,
        capabilities: &[u16],
    ) -> Result<(Link, SendStream), Fault> {
        let link = self.able_link_of(person, capabilities).await?;
        let chat = accepted(&link, person).await?;
        Ok((link, chat))
    }
}

/// Capability of those who chat (`registry` §7).
pub const CAN_CHAT: u16 = 1;

/// Opens the chat, where need be with the proof of an invite, and waits until the peer has, which it
/// does for contacts. The log stays as it is.
///
/// # Errors
/// A fault when the peer does not open its chat.
pub async fn accepted(link: &Link, person: &mut Taken) -> Result<SendStream, Fault> {
    let chat = link.uni(&opening(person, Vec::new()).frame()).await?;
    let what = "CHAT_OPEN of the peer";
    link.until(what, |journal| journal.chat().map(|_| ()))
        .await?;
    person.proof = None;
    person.sure();
    Ok(chat)
}

impl Talk {
    /// A connection on which both sides have opened the chat, and nothing more.
    ///
    /// # Errors
    /// A fault when the peer does not open it.
    pub async fn open(
        partner: &Partner,
        person: Taken,
        sessions: Vec<[u8; 32]>,
    ) -> Result<Self, Fault> {
        let open = opening(&person, sessions);
        Self::open_with(partner, person, &open.frame()).await
    }

    /// The same with any first bytes of the chat stream.
    ///
    /// # Errors
    /// A fault when the peer does not open it.
    pub async fn open_with(partner: &Partner, person: Taken, first: &[u8]) -> Result<Self, Fault> {
        let link = partner.link_of(&person).await?;
        Self::open_on(partner, Arc::new(link), person, first).await
    }

    /// The same on a connection that is there.
    ///
    /// # Errors
    /// A fault when the peer does not open it.
    pub async fn open_on(
        partner: &Partner,
        link: Arc<Link>,
        mut person: Taken,
        first: &[u8],
    ) -> Result<Self, Fault> {
        let chat = link.uni(first).await?;
        let what = "CHAT_OPEN of the peer to somebody it accepted";
        let found = link.until(what, |journal| {
            let stream = journal.chat()?;
            match stream.first_known()?.decoded()? {
                Frame::ChatOpen(open) => Some((stream.number, open)),
                _ => None,
            }
        });
        let (stream, theirs) = found.await.map_err(|fault| fault.by("DC-ID-031"))?;
        person.proof = None;
        let peer = partner.subject.peer;
        let device = device_of(&peer, &theirs.device)?;
        Ok(Self {
            link,
            person,
            theirs,
            device,
            parcels: Vec::new(),
            undecryptable: Vec::new(),
            chat,
            current: None,
            peer,
            sessions: BTreeMap::new(),
            read: (stream, 0),
        })
    }

    /// Makes or awaits the session, and exchanges frontiers.
    ///
    /// # Errors
    /// A fault when the peer does not do its part.
    pub async fn begin(&mut self) -> Outcome {
        if self.makes_session() {
            self.new_session()?;
        } else {
            let what = "an ENVELOPE that opens a session, of the side with the smaller PeerId";
            let opened = self.until(what, |talk| talk.current).await;
            opened.map_err(|fault| fault.by("DC-CHAT-011"))?;
        }
        let frontiers = self.frontiers();
        self.send(&frontiers, &[]).await?;
        let what = "a parcel with frontiers";
        let first = self.until(what, |talk| talk.parcels.first().cloned()).await;
        let first = first.map_err(|fault| fault.by("DC-CHAT-039"))?;
        let entries = first.parcel.entries.as_slice().len();
        if entries > 0 {
            let seen = format!("{entries} entries");
            return Err(Fault::new("a first parcel without entries", seen).by("DC-CHAT-039"));
        }
        Ok(())
    }

    /// What this side holds of both logs.
    #[must_use]
    pub fn frontiers(&self) -> Vec<Frontier> {
        let own = self.person.log.frontier();
        let theirs = self
            .person
            .holds
            .iter()
            .map(|(incarnation, held)| Frontier {
                author: self.peer,
                incarnation: *incarnation,
                held: held.0,
                low_water: 1,
                read: held.0,
                tip: held.1,
            });
        let theirs = theirs.filter(|one| one.held > 0);
        core::iter::once(own).chain(theirs).take(16).collect()
    }

    /// Whether this side makes the session (DC-CHAT-011).
    #[must_use]
    pub fn makes_session(&self) -> bool {
        self.person.identity.public() < self.peer
    }

    /// The peer's key.
    #[must_use]
    pub fn peer(&self) -> [u8; 32] {
        self.peer
    }

    /// Makes a session from the peer's `DeviceRecord` and sends with it from now on.
    ///
    /// # Errors
    /// A fault when the peer's keys are unusable.
    pub fn new_session(&mut self) -> Result<[u8; 32], Fault> {
        let session = self.person.device.account.create_outbound_session(
            SessionConfig::version_1(),
            Curve25519PublicKey::from_bytes(self.device.identity_key),
            Curve25519PublicKey::from_bytes(self.device.fallback_key),
        );
        let unusable = "a DeviceRecord with usable keys";
        let session = session.map_err(|error| Fault::new(unusable, error.to_string()))?;
        let id = id_of(&session)?;
        self.sessions.insert(id, session);
        self.current = Some(id);
        Ok(id)
    }

    /// The same person on a new connection, with its sessions of this one, and `listed` in CHAT_OPEN.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn again(self, partner: &Partner, listed: Vec<[u8; 32]>) -> Result<Self, Fault> {
        self.link.leave();
        let mut next = Self::open(partner, self.person, listed).await?;
        next.sessions = self.sessions;
        Ok(next)
    }

    /// Sends with a session that is at hand from now on.
    pub fn adopt(&mut self, session: [u8; 32]) {
        self.current = Some(session);
    }

    /// Forgets a session, as a device does that lost its store.
    pub fn forget(&mut self, session: &[u8; 32]) {
        self.sessions.remove(session);
    }

    // --- saying --------------------------------------------------------------------------------

    /// Writes to the chat stream; as [`Link::control`] otherwise.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _closed = self.chat.write_all(bytes).await;
    }

    /// Encrypts with the current session: the stage, and the Olm message.
    ///
    /// # Errors
    /// The runner's own when there is no session.
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Result<([u8; 32], u8, Vec<u8>), Fault> {
        let id = self.current.ok_or_else(|| own("no session"))?;
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or_else(|| own("no session"))?;
        match session.encrypt(plaintext) {
            Ok(OlmMessage::PreKey(message)) => Ok((id, 0, message.to_bytes())),
            Ok(OlmMessage::Normal(message)) => Ok((id, 1, message.to_bytes())),
            Err(error) => Err(Fault::new("a usable ratchet key", error.to_string())),
        }
    }

    /// An ENVELOPE of any plaintext, not sent.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub fn sealed(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        let (id, stage, message) = self.encrypt(plaintext)?;
        let body = envelope(&id, stage, &message);
        Ok(frame(frames::ENVELOPE, &body.bytes))
    }

    /// Sends any plaintext.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub async fn send_plain(&mut self, plaintext: &[u8]) -> Outcome {
        let frame = self.sealed(plaintext)?;
        self.write(&frame).await;
        Ok(())
    }

    /// Sends a correct parcel.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub async fn send(&mut self, frontiers: &[Frontier], entries: &[Entry]) -> Outcome {
        self.send_plain(&padded(&parcel(frontiers, entries, &[])))
            .await
    }

    /// Appends a text to the log, sends it, and waits until the peer has it.
    ///
    /// # Errors
    /// A fault of DC-CHAT-048 when it does not acknowledge.
    pub async fn say(&mut self, text: &str) -> Outcome {
        let entry = self.person.log.say(text);
        self.send(&[], &[entry]).await?;
        self.delivered().await
    }

    /// Waits until the peer has the whole log.
    ///
    /// # Errors
    /// A fault of DC-CHAT-048 when it does not acknowledge.
    pub async fn delivered(&mut self) -> Outcome {
        let len = self.person.log.len();
        let tip = self.person.log.hash_at(len);
        let what = format!("a frontier that holds {len} entries of the partner's log");
        let held = self.until(&what, |talk| {
            let frontier = talk.frontier()?;
            (frontier.held >= len).then_some(frontier)
        });
        let held = held.await.map_err(|fault| fault.by("DC-CHAT-048"))?;
        if held.held == len && held.tip == tip {
            Ok(())
        } else {
            Err(Fault::new(what, format!("{held:?}")).by("DC-CHAT-048"))
        }
    }

    // --- waiting -------------------------------------------------------------------------------

    /// The peer's newest frontier of the partner's log.
    #[must_use]
    pub fn frontier(&self) -> Option<PeersFrontier> {
        let log = &self.person.log;
        self.parcels.iter().rev().find_map(|received| {
            let frontiers = received.parcel.frontiers.as_slice();
            let of_log = frontiers.iter().find(|frontier| {
                *frontier.author.public_key() == log.author
                    && frontier.incarnation == log.incarnation
            });
            of_log.cloned()
        })
    }

    /// How many entries of the partner's log the peer says it holds; 0 for a log it does not name.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.frontier().map_or(0, |frontier| frontier.held)
    }

    /// Takes in what comes until `wanted` finds something.
    ///
    /// # Errors
    /// A fault that says `what` was expected; or that the peer sent what it may not.
    pub async fn until<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&Self) -> Option<T>,
    ) -> Result<T, Fault> {
        loop {
            self.take_in()?;
            if let Some(found) = wanted(self) {
                return Ok(found);
            }
            let read = self.read;
            let more = self.link.until(what, |journal| {
                let stream = journal.chat()?;
                (stream.number != read.0 || stream.frames.len() > read.1).then_some(())
            });
            more.await?;
        }
    }

    fn take_in(&mut self) -> Outcome {
        let journal = self.link.journal();
        let Some(stream) = journal.chat() else {
            return Ok(());
        };
        if stream.number != self.read.0 {
            self.read = (stream.number, 0);
        }
        let new = stream.frames.get(self.read.1..).unwrap_or_default();
        self.read.1 = stream.frames.len();
        for frame in new {
            self.take(frame)?;
        }
        Ok(())
    }

    fn take(&mut self, frame: &RawFrame) -> Outcome {
        match frame.decoded() {
            Some(Frame::Envelope(envelope)) => self.take_envelope(&envelope),
            Some(Frame::Undecryptable(said)) => {
                self.undecryptable.push(said.session);
                Ok(())
            }
            Some(Frame::ChatOpen(_)) | None => Ok(()),
            Some(_) => {
                let seen = frames::name(frame.code);
                Err(Fault::new("frames of a chat on the chat stream", seen).by("DC-CHAT-007"))
            }
        }
    }

    fn take_envelope(&mut self, envelope: &Envelope) -> Outcome {
        let is_opening = envelope.stage == Stage::Opening;
        let message = envelope.message.as_slice();
        let plaintext = match self.sessions.get_mut(&envelope.session) {
            Some(session) => {
                let message = if is_opening {
                    PreKeyMessage::from_bytes(message).map(OlmMessage::PreKey)
                } else {
                    Message::from_bytes(message).map(OlmMessage::Normal)
                };
                let message = message.map_err(|error| no_message(&error.to_string()))?;
                session
                    .decrypt(&message)
                    .map_err(|error| no_message(&error.to_string()))?
            }
            // A session that the partner has forgotten on purpose.
            None if !is_opening => return Ok(()),
            None => self.accept(envelope)?,
        };
        let opened = Parcel::open(&plaintext);
        let parcel = opened
            .map_err(|error| Fault::new("a padded parcel", error.to_string()).by("DC-CHAT-030"))?;
        for entry in parcel.entries.iter() {
            let held = self.person.holds.entry(entry.incarnation).or_default();
            if entry.seq == held.0 + 1 {
                *held = (entry.seq, entry.hash);
            }
        }
        self.parcels.push(Received {
            session: envelope.session,
            is_opening,
            len: plaintext.len(),
            parcel,
        });
        Ok(())
    }

    /// Makes the session that the peer opens, and sends with it from now on (DC-CHAT-055).
    fn accept(&mut self, envelope: &Envelope) -> Result<Vec<u8>, Fault> {
        let message = PreKeyMessage::from_bytes(envelope.message.as_slice());
        let message = message.map_err(|error| no_message(&error.to_string()))?;
        let created = self.person.device.account.create_inbound_session(
            SessionConfig::version_1(),
            Curve25519PublicKey::from_bytes(self.device.identity_key),
            &message,
        );
        let created = created.map_err(|error| no_message(&error.to_string()))?;
        let id = id_of(&created.session)?;
        if id != envelope.session {
            let expected = "the id of the session that the message opens";
            return Err(Fault::new(expected, "another one").by("DC-CHAT-014"));
        }
        self.sessions.insert(id, created.session);
        self.current = Some(id);
        Ok(created.plaintext)
    }

    /// Leaves in good order: the peer has all that was said.
    pub fn finish(mut self) {
        if self.held() == self.person.log.len() {
            self.person.sure();
        }
        self.link.leave();
    }

    /// Expects that the peer closes with this code, and that it has kept nothing of what was at fault
    /// (DC-CHAT-063): on the next connection it holds the log as before.
    ///
    /// # Errors
    /// A fault when it does something else.
    pub async fn violates(self, partner: &Partner, code: u64) -> Outcome {
        self.link.expect_close(code).await?;
        let mut again = partner.talk_as(self.person).await?;
        let expected = again.person.log.len();
        // Its first frontiers name every log of which it holds anything.
        let held = again.held();
        if held != expected {
            let seen = format!("{held} entries of it");
            let what = format!("{expected} entries of the partner's log on the next connection");
            return Err(Fault::new(what, seen).by("DC-CHAT-063"));
        }
        again.person.sure();
        again.link.leave();
        Ok(())
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// A correct CHAT_OPEN of somebody.
#[must_use]
pub fn opening(person: &Taken, sessions: Vec<[u8; 32]>) -> ChatOpen {
    ChatOpen {
        name: "Conformance".to_owned(),
        proof: person.proof,
        device: person.device.record(&person.identity),
        sessions,
    }
}

fn device_of(peer: &[u8; 32], record: &SignedRecord) -> Result<DeviceRecord, Fault> {
    let expected = "a DeviceRecord of the peer in its CHAT_OPEN";
    let peer = PeerId::from_public_key(*peer).map_err(|_| own("the peer's key is none"))?;
    let opened = record.open::<DeviceRecord>(&peer, now());
    let verified =
        opened.map_err(|error| Fault::new(expected, error.to_string()).by("DC-ID-017"))?;
    Ok(verified.payload)
}

fn id_of(session: &Session) -> Result<[u8; 32], Fault> {
    let bytes = vodozemac::base64_decode(session.session_id());
    let id = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    id.ok_or_else(|| own("the library names sessions in another way"))
}

fn no_message(seen: &str) -> Fault {
    Fault::new("an Olm message that can be decrypted", seen).by("DC-CHAT-020")
}
