//! A member of a group that the runner plays: a connection, its one-to-one conversation with the peer, its
//! streams of the group and what it writes with.

use core::time::Duration;
use std::sync::Arc;

use dchat_wire::group::GroupOperations;
use dchat_wire::{Frame, FrameType};
use tokio::time::{Instant, timeout};

use super::super::bodies::group::{self, ENTRY_KEYS, ENTRY_OPERATIONS, Signed};
use super::super::bodies::room::{self, Author, Room};
use super::super::case::{Fault, Outcome};
use super::super::chat::person::Taken;
use super::super::chat::talk::{CAN_CHAT, opening};
use super::super::chat::{Content, Person, Talk, now};
use super::super::identity::Identity;
use super::super::journal::RawFrame;
use super::super::link::Link;
use super::super::member;
use super::super::partner::Partner;
use super::keys::Sender;
use super::line::{Line, Shared};
use super::story::CARRIED;

/// After which what did not come is looked for by comparing.
const COMPARES: Duration = Duration::from_secs(2);

/// The member.
pub struct Fellow {
    /// Who.
    pub identity: Identity,
    /// What it signs items with.
    pub key: Identity,
    /// Its connection.
    pub link: Arc<Link>,
    /// Its streams of the group.
    pub line: Line,
    /// Its log.
    pub author: Author,
    /// What it encrypts with.
    pub sender: Sender,
    /// Its conversation with the peer, once there is one.
    pub chat: Option<Talk>,
    pub(super) shared: Shared,
    pub(super) group: [u8; 32],
}

impl Fellow {
    /// Somebody on a connection of its own, in this run of its node, who has opened nothing yet.
    ///
    /// # Errors
    /// A fault when the peer does not do its part.
    pub async fn connect(
        partner: &Partner,
        identity: Identity,
        instance: [u8; 16],
        key: Identity,
        shared: &Shared,
    ) -> Result<Self, Fault> {
        let capabilities = [CAN_CHAT, room::CAPABILITY];
        let link = member::connect_as(partner, &identity, instance, &capabilities).await?;
        let link = Arc::new(link);
        let group = shared.story().group;
        let line = Line::new(
            &link,
            &group,
            partner.subject.peer,
            partner.number(),
            shared,
        );
        let room = Room::of_group(&group);
        let mut incarnation = [0; 16];
        incarnation.copy_from_slice(&partner.fresh()[..16]);
        let author = Author::with_key(&room, identity.clone(), key.clone(), incarnation);
        Ok(Self {
            identity,
            key,
            link,
            line,
            author,
            sender: Sender::new(partner),
            chat: None,
            shared: shared.clone(),
            group,
        })
    }

    /// Opens its stream of the group, and waits until the peer answers questions on it.
    ///
    /// # Errors
    /// A fault when it does not.
    pub async fn enter(&self) -> Outcome {
        self.line.open();
        self.knowledge().await.map(|_| ())
    }

    /// Opens its conversation with the peer, as members do who are no contacts, and exchanges frontiers.
    ///
    /// # Errors
    /// A fault of DC-GROUP-015 when the peer does not do its part.
    pub async fn converse(&mut self, partner: &Partner) -> Outcome {
        let person = Taken::stranger(Person::new(partner, self.identity.clone(), None));
        self.converse_as(partner, person)
            .await
            .map_err(|fault| fault.by("DC-GROUP-015"))
    }

    /// The same as somebody that the peer may know.
    ///
    /// # Errors
    /// A fault when the peer does not do its part.
    pub async fn converse_as(&mut self, partner: &Partner, person: Taken) -> Outcome {
        let first = opening(&person, Vec::new()).frame();
        let link = Arc::clone(&self.link);
        let mut talk = Talk::open_on(partner, link, person, &first).await?;
        talk.begin().await?;
        self.chat = Some(talk);
        Ok(())
    }

    /// Writes something in the group; the item's log and sequence.
    pub async fn says(&mut self, text: &str) -> room::Item {
        let item = self.sender.item(&mut self.author, text);
        self.line.push(&item).await;
        item
    }

    /// Waits until the peer holds what this member has written: it is announced, to whom comes later or to
    /// its author.
    ///
    /// # Errors
    /// A fault when nothing shows that.
    pub async fn held(&self) -> Outcome {
        let (log, seq) = (self.author.mark(), self.author.next.seq - 1);
        let deadline = Instant::now() + self.link.patience();
        let what = format!("item {seq} of a member to be announced or asked beyond");
        loop {
            let found = self.line.until(&what, |frames, _| {
                let shows = |frame: &&RawFrame| shows_held(frame, log, seq);
                frames.iter().find(shows).map(|_| ())
            });
            match timeout(COMPARES, found).await {
                Ok(found) => return found,
                Err(_) if Instant::now() < deadline => self.line.compares().await,
                Err(_) => return Err(Fault::new(what, self.line.summary())),
            }
        }
    }

    /// Hands a session over, in an entry.
    ///
    /// # Errors
    /// A fault when the peer does not take the entry, or there is no conversation.
    pub async fn hands(&mut self, export: Vec<u8>) -> Outcome {
        let body = group::keys(&self.group, &[export]).bytes;
        self.writes(ENTRY_KEYS, body).await
    }

    /// Tells operations in entries.
    ///
    /// # Errors
    /// As [`hands`](Self::hands).
    pub async fn tells(&mut self, operations: &[Signed]) -> Outcome {
        for some in operations.chunks(CARRIED) {
            let body = group::operations(&self.group, &[], &[], some).bytes;
            self.writes(ENTRY_OPERATIONS, body).await?;
        }
        Ok(())
    }

    /// Writes an entry, and waits until the peer has it.
    ///
    /// # Errors
    /// As [`hands`](Self::hands).
    pub async fn writes(&mut self, kind: u16, body: Vec<u8>) -> Outcome {
        let talk = self.talk()?;
        let content = Content {
            sent_at: now(),
            kind,
            body,
            ..Content::text("")
        };
        let entry = talk.person.log.append(&content);
        talk.send(&[], &[entry]).await?;
        talk.delivered().await
    }
}

impl Drop for Fellow {
    /// Leaves: what keeps the streams would keep the connection.
    fn drop(&mut self) {
        self.link.leave();
    }
}

/// Whether a frame says that so much of a log is held.
fn shows_held(frame: &RawFrame, log: u64, seq: u32) -> bool {
    match frame.decoded() {
        Some(Frame::GossipAnnounce(said)) => {
            let mut marks = said.marks.iter();
            marks.any(|mark| mark.log == log && mark.seq >= seq)
        }
        Some(Frame::GossipPull(said)) => {
            let mut wants = said.wants.iter();
            wants.any(|want| want.log == log && want.after >= seq)
        }
        _ => false,
    }
}

/// GROUP_OPERATIONS, read.
#[must_use]
pub fn operations_of(frame: &RawFrame) -> Option<GroupOperations> {
    match FrameType::from_code(frame.code)?.decode(&frame.body).ok()? {
        Frame::GroupOperations(said) => Some(said),
        _ => None,
    }
}

/// In digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
