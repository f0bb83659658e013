//! A member of a group that the runner plays: a connection, its one-to-one conversation with the peer, its
//! streams of the group and what it writes with.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use dchat_wire::Frame;
use dchat_wire::gossip::SignedItem;
use dchat_wire::group::{GroupOperations, SignedOperation};
use dchat_wire::{FrameType, codec};
use tokio::time::{Instant, timeout};

use super::super::bodies::group::{self, ENTRY_KEYS, ENTRY_OPERATIONS, OPERATIONS, Signed};
use super::super::bodies::room::{self, Author, LEAVE, Room};
use super::super::case::{Fault, Outcome};
use super::super::chat::person::Taken;
use super::super::chat::talk::{CAN_CHAT, opening};
use super::super::chat::{Content, Person};
use super::super::chat::{Talk, now};
use super::super::identity::Identity;
use super::super::journal::RawFrame;
use super::super::link::Link;
use super::super::member;
use super::super::partner::Partner;
use super::keys::{Handed, Sender, body_of, handed};
use super::line::{Line, Shared};
use super::story::{CARRIED, Hash};

/// After which what a peer need not have heard is said again.
const AGAIN: Duration = Duration::from_millis(500);
/// Operations told without being asked for.
const TOLD: usize = 8;
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
    shared: Shared,
    group: [u8; 32],
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

    // --- what the peer knows -------------------------------------------------------------------

    /// The operations that the peer knows, by its heads: it is asked as by one who knows nothing.
    ///
    /// # Errors
    /// A fault of DC-GROUP-011 when it does not answer, of DC-GROUP-003 when it names what is no
    /// operation of anybody's.
    pub async fn knowledge(&self) -> Result<BTreeSet<Hash>, Fault> {
        let said = self.told_all().await?;
        self.seen(&said)
    }

    /// GROUP_OPERATIONS that answers a question of one who knows nothing.
    async fn told_all(&self) -> Result<GroupOperations, Fault> {
        let what = "an answer with operations to one who knows none";
        let is_all = |said: &GroupOperations| {
            let mut operations = said.operations.iter();
            operations.any(|signed| signed.hash() == self.group)
        };
        self.asks(&[], &[], what, is_all).await
    }

    /// Asks as one who has these heads and lacks that, again while no answer comes: what the link carried
    /// when it began anew is lost.
    ///
    /// # Errors
    /// A fault of DC-GROUP-011 that says `what` was expected.
    pub async fn asks(
        &self,
        heads: &[Hash],
        lacking: &[Hash],
        what: &str,
        wanted: impl Fn(&GroupOperations) -> bool,
    ) -> Result<GroupOperations, Fault> {
        let deadline = Instant::now() + self.link.patience();
        let question = group::operations(&self.group, heads, lacking, &[]).bytes;
        let mut pause = AGAIN / 5;
        loop {
            let before = self.line.count();
            self.line.say(OPERATIONS, &question).await;
            let answer = self.line.until(what, |frames, _| {
                let new = frames.get(before..).unwrap_or_default().iter();
                new.filter_map(operations_of).find(|said| wanted(said))
            });
            match timeout(pause, answer).await {
                Ok(found) => return found.map_err(|fault| fault.by("DC-GROUP-011")),
                Err(_) if Instant::now() < deadline => pause = (2 * pause).min(4 * AGAIN),
                Err(_) => {
                    return Err(Fault::new(what, self.line.summary()).by("DC-GROUP-011"));
                }
            }
        }
    }

    /// What somebody knows who says this.
    fn seen(&self, said: &GroupOperations) -> Result<BTreeSet<Hash>, Fault> {
        let story = self.shared.story();
        let heads = said.heads.as_slice();
        if let Some(other) = heads.iter().find(|head| !story.has(head)) {
            let expected = "heads that are operations of the group";
            let seen = format!("{} among {}", hex(other), heads.len());
            return Err(Fault::new(expected, seen).by("DC-GROUP-003"));
        }
        Ok(story.past(heads))
    }

    /// Waits until the peer knows an operation of the story; all that it knows then.
    ///
    /// # Errors
    /// A fault when it does not take it, and as [`knowledge`](Self::knowledge).
    pub async fn teaches(&self, hash: &Hash) -> Result<BTreeSet<Hash>, Fault> {
        let told = self.shared.story().upto(hash);
        // What it lacks before these it asks for.
        let newest = told.len().saturating_sub(TOLD);
        self.line.tell(&told[newest..]).await;
        let deadline = Instant::now() + self.link.patience();
        loop {
            // What it lacks it is told by the line, with each of its answers.
            let known = self.knowledge().await?;
            if known.contains(hash) {
                return Ok(known);
            }
            if Instant::now() > deadline {
                let seen = format!("{} others of it", known.len());
                return Err(Fault::new("heads that rest on a valid operation", seen));
            }
            tokio::time::sleep(AGAIN / 10).await;
        }
    }

    /// GROUP_OPERATIONS that came on the streams of the group.
    #[must_use]
    pub fn told(&self) -> Vec<GroupOperations> {
        self.line
            .frames()
            .iter()
            .filter_map(operations_of)
            .collect()
    }

    /// Waits for GROUP_OPERATIONS of a kind.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn hears(
        &self,
        what: &str,
        wanted: impl Fn(&GroupOperations) -> bool,
    ) -> Result<GroupOperations, Fault> {
        self.line
            .until(what, |frames, _| {
                frames
                    .iter()
                    .filter_map(operations_of)
                    .find(|said| wanted(said))
            })
            .await
    }

    /// Waits for GOSSIP_LEAVE; its reason.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn parted(&self) -> Result<u8, Fault> {
        self.line
            .until("GOSSIP_LEAVE", |frames, _| {
                let mut left = frames.iter().filter(|frame| frame.code == LEAVE);
                left.find_map(|frame| frame.body.first().copied())
            })
            .await
    }

    // --- what it says --------------------------------------------------------------------------

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

    // --- what it hears -------------------------------------------------------------------------

    /// Its conversation.
    ///
    /// # Errors
    /// The runner's own, when there is none.
    pub fn talk(&mut self) -> Result<&mut Talk, Fault> {
        self.chat.as_mut().ok_or_else(no_conversation)
    }

    /// Waits for an entry of the peer's of a kind, and acknowledges what came.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn entry<T>(
        &mut self,
        what: &str,
        kind: u16,
        wanted: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Fault> {
        let talk = self.talk()?;
        let found = talk
            .until(what, |talk| {
                bodies(talk, kind)
                    .into_iter()
                    .find_map(|body| wanted(&body))
            })
            .await?;
        self.acknowledges().await?;
        Ok(found)
    }

    /// Waits for an operation of the group in an entry.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn operation(
        &mut self,
        what: &str,
        wanted: impl Fn(&SignedOperation) -> bool,
    ) -> Result<SignedOperation, Fault> {
        let group = self.group;
        self.entry(what, ENTRY_OPERATIONS, |body| {
            let said: GroupOperations = codec::decode(body).ok()?;
            let mut operations = said.operations.iter().filter(|_| said.group == group);
            operations.find(|signed| wanted(signed)).cloned()
        })
        .await
    }

    /// All sessions of the group that were handed over so far.
    ///
    /// # Errors
    /// A fault when an entry is not what its kind says.
    pub async fn sessions(&mut self) -> Result<Vec<Handed>, Fault> {
        let group = self.group;
        let talk = self.talk()?;
        // Takes in what is there.
        talk.until("", |_| Some(())).await?;
        let mut all = Vec::new();
        for body in bodies(talk, ENTRY_KEYS) {
            all.extend(handed(&group, &body)?);
        }
        Ok(all)
    }

    /// Waits for the item that `author`, the key of the peer's, signed and that says `text`, with a session
    /// that was handed over here.
    ///
    /// # Errors
    /// A fault when item or session do not come.
    pub async fn reads(&mut self, author: &[u8; 32], text: &str) -> Result<Said, Fault> {
        let deadline = Instant::now() + self.link.patience();
        loop {
            let sessions = self.sessions().await?;
            let items = self.line.items();
            let own = items.iter().filter(|item| item.header.author == *author);
            let found = own.clone().find_map(|item| said(item, &sessions, text));
            if let Some(said) = found {
                super::keys::expect_signed(&self.group, &said.item)?;
                self.acknowledges().await?;
                return Ok(said);
            }
            if Instant::now() > deadline {
                let seen = format!(
                    "{} items and {} sessions of the peer's",
                    own.count(),
                    sessions.len()
                );
                let expected =
                    format!("an item that says {text:?}, and the session it is sealed with");
                return Err(Fault::new(expected, seen));
            }
            let count = items.len();
            let talk = self.chat.as_mut().ok_or_else(no_conversation)?;
            let parcels = talk.parcels.len();
            tokio::select! {
                more = self.line.until("an item", |_, items| (items.len() > count).then_some(())) => more?,
                more = talk.until("a session", |talk| (talk.parcels.len() > parcels).then_some(())) => more?,
                () = tokio::time::sleep(COMPARES) => self.line.compares().await,
            }
        }
    }

    /// Says what it holds of the peer's log.
    async fn acknowledges(&mut self) -> Outcome {
        let talk = self.talk()?;
        let frontiers = talk.frontiers();
        talk.send(&frontiers, &[]).await
    }
}

/// An item that was read.
#[derive(Clone, Debug)]
pub struct Said {
    /// It.
    pub item: SignedItem,
    /// The session that reads it, as it was handed over.
    pub handed: Handed,
    /// At which index it was encrypted.
    pub index: u32,
}

/// An item, when one of these sessions reads `text` in it.
fn said(item: &SignedItem, sessions: &[Handed], text: &str) -> Option<Said> {
    let body = body_of(item)?;
    let mut fitting = sessions.iter().filter(|one| one.session() == body.session);
    fitting.find_map(|handed| {
        let (index, plain) = handed.opens(body.message.as_slice()).ok()?;
        (plain == text.as_bytes()).then(|| Said {
            item: item.clone(),
            handed: *handed,
            index,
        })
    })
}

fn no_conversation() -> Fault {
    super::super::partner::own("no conversation")
}

impl Drop for Fellow {
    /// Leaves: what keeps the streams would keep the connection.
    fn drop(&mut self) {
        self.link.leave();
    }
}

/// The bodies of the peer's entries of a kind, each entry once.
fn bodies(talk: &Talk, kind: u16) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut bodies = Vec::new();
    for entry in talk
        .parcels
        .iter()
        .flat_map(|one| one.parcel.entries.iter())
    {
        let content = entry
            .content
            .as_ref()
            .filter(|content| content.kind == kind);
        if let Some(content) = content
            && seen.insert((entry.incarnation, entry.seq))
        {
            bodies.push(content.body.as_slice().to_vec());
        }
    }
    bodies
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
