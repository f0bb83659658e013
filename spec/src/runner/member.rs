//! A partner that is a member of a room, as the least one may be (`80-gossip` §12), and says nothing by
//! itself: what goes out is the case's.

use core::time::Duration;
use std::sync::Arc;

use dchat_wire::Frame;
use tokio::time::{Instant, timeout};

use super::bodies::room::{self, ANNOUNCE, Author, Item, LEAVE, OPEN, PUSH, Room, parting};
use super::case::{Fault, Outcome};
use super::frames::frame;
use super::greeting::Greeting;
use super::identity::Identity;
use super::journal::{Journal, RawFrame};
use super::link::Link;
use super::partner::Partner;
use super::talk::Talk;
use super::tls::Dialing;

/// After which a question that a peer need not answer at once is asked again.
const AGAIN: Duration = Duration::from_millis(300);
/// After which what did not come is looked for as a member does: by comparing.
const COMPARES: Duration = Duration::from_secs(2);

/// The member.
pub struct Member {
    /// Its connection.
    pub link: Arc<Link>,
    /// The room.
    pub room: Room,
    /// The seed of its identity.
    pub seed: [u8; 32],
    /// Its own word in the salt of digests.
    pub nonce: u64,
    talk: Talk,
}

/// A connection of a peer that has rooms; the case answers what it asks.
///
/// # Errors
/// A fault when the peer does not do its part, or has no rooms.
pub async fn connect(partner: &Partner, me: &Identity) -> Result<Link, Fault> {
    connect_as(partner, me, partner.array(), &[room::CAPABILITY]).await
}

/// The same in this run of its node, and with these capabilities.
///
/// # Errors
/// As [`connect`].
pub async fn connect_as(
    partner: &Partner,
    me: &Identity,
    instance: [u8; 16],
    capabilities: &[u16],
) -> Result<Link, Fault> {
    let mut dialing = Dialing::of(me);
    dialing.keeps_questions = true;
    let dialed = partner.dial(me, &dialing).await?;
    let mut link = dialed.map_err(|ending| {
        Fault::new("a handshake that succeeds", ending.to_string()).by("DC-CONN-010")
    })?;
    let mut greeting = Greeting::new(partner);
    greeting.instance = instance;
    greeting.capabilities = capabilities.to_vec();
    link.control(&greeting.bytes()).await;
    let heard = "HELLO and IDENTIFY";
    link.until(heard, |journal| journal.identifies().into_iter().next())
        .await?;
    let hello = link.journal().hello();
    let has = hello.is_some_and(|hello| {
        let capabilities = hello.capabilities.as_slice();
        capabilities.contains(&room::CAPABILITY)
    });
    if has {
        Ok(link)
    } else {
        let why = "its HELLO does not have the capability GOSSIP";
        Err(Fault::unsupported(why))
    }
}

/// The room that the peer was told to join.
///
/// # Errors
/// Unsupported when the runner was not told of one.
pub fn room_of(partner: &Partner) -> Result<Room, Fault> {
    let name = partner.subject.room.as_deref();
    name.map(Room::new)
        .ok_or_else(|| Fault::unsupported("no --room is given, which the peer was told to join"))
}

impl Member {
    /// A new member of the room the peer was told to join, linked with it.
    ///
    /// # Errors
    /// A fault when the peer does not link; unsupported when it is not in the room.
    pub async fn enter(partner: &Partner) -> Result<Self, Fault> {
        Self::enter_as(partner, partner.fresh()).await
    }

    /// Two of them.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub async fn two(partner: &Partner) -> Result<(Self, Self), Fault> {
        tokio::try_join!(Self::enter(partner), Self::enter(partner))
    }

    /// The same with the identity of a seed.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub async fn enter_as(partner: &Partner, seed: [u8; 32]) -> Result<Self, Fault> {
        let mut member = Self::open(partner, seed).await?;
        member.settle(partner).await?;
        Ok(member)
    }

    /// The same without waiting until the link is live on both sides.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub async fn open(partner: &Partner, seed: [u8; 32]) -> Result<Self, Fault> {
        let room = room_of(partner)?;
        let me = Identity::new(&seed);
        let link = Arc::new(connect(partner, &me).await?);
        let peer = partner.subject.peer;
        let tag = room.tag(&me.public(), &peer);
        let nonce = partner.number();
        let opening = room::open(&tag, nonce, false, true);
        let talk = link.talk(&frame(OPEN, &opening.bytes)).await?;
        let theirs = room.tag(&peer, &me.public());
        tokio::spawn(agree(
            Arc::clone(&link),
            frame(OPEN, &room::open(&tag, nonce, true, true).bytes),
        ));
        let mut member = Self {
            link,
            room,
            seed,
            nonce,
            talk,
        };
        // Who opens a stream at the same time agrees by that.
        let first = member
            .until("GOSSIP_OPEN of the peer", |frames| {
                let of = |frame: &&&RawFrame| matches!(frame.code, OPEN | LEAVE);
                frames.iter().find(of).map(|frame| (*frame).clone())
            })
            .await
            .map_err(|fault| fault.by("DC-GOSSIP-009"))?;
        match first.decoded() {
            Some(Frame::GossipOpen(open)) if open.room == theirs => Ok(member),
            Some(Frame::GossipLeave(_)) if first.body.first() == Some(&parting::UNKNOWN_ROOM) => {
                let why = "it is not in the room that --room names";
                Err(Fault::unsupported(why))
            }
            _ => {
                member.talk.finish();
                let what = "GOSSIP_OPEN with the tag of the peer";
                Err(Fault::new(what, first.to_string()).by("DC-GOSSIP-009"))
            }
        }
    }

    /// Waits until the link is live at the peer, too: when both opened a stream at once, one of them wins
    /// first. A digest that has less than the peer shows it, by the one that answers it: twice, for the
    /// first may be the one with which the peer begins.
    async fn settle(&mut self, partner: &Partner) -> Outcome {
        let deadline = Instant::now() + self.link.patience();
        let mut answers = 0;
        while answers < 2 && Instant::now() < deadline {
            let before = self.compared(&self.link.journal());
            let digest = room::digest(partner.number(), 0, room::horizon());
            self.say(room::DIGEST, &digest).await;
            let answer = self.link.until("GOSSIP_DIGEST", |journal| {
                (self.compared(journal) > before).then_some(())
            });
            if let Ok(answer) = timeout(AGAIN, answer).await {
                answer?;
                answers += 1;
            }
        }
        if answers == 2 {
            return Ok(());
        }
        let what = "an answer to a digest that differs";
        Err(Fault::new(what, "none").by("DC-GOSSIP-029"))
    }

    /// Digests and sketches that came.
    fn compared(&self, journal: &Journal) -> usize {
        let compares = |frame: &&RawFrame| matches!(frame.code, room::DIGEST | room::SKETCH);
        self.of(journal).filter(compares).count()
    }

    /// It as an author, with a new log.
    #[must_use]
    pub fn author(&self, partner: &Partner) -> Author {
        let mut incarnation = [0; 16];
        incarnation.copy_from_slice(&partner.fresh()[..16]);
        Author::new(&self.room, &self.seed, incarnation)
    }

    /// Sends a frame of the room.
    pub async fn say(&mut self, code: u16, body: &crate::structure::Structure) {
        self.talk.say(&frame(code, &body.bytes)).await;
    }

    /// Pushes an item.
    pub async fn push(&mut self, item: &Item, hops: u8) {
        self.talk.say(&item.push(hops)).await;
    }

    /// Sends bytes on the stream of the room.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.talk.say(bytes).await;
    }

    /// The stream of the room that this side opened.
    #[must_use]
    pub fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// All frames of the room so far, stream by stream.
    #[must_use]
    pub fn frames(&self) -> Vec<RawFrame> {
        let journal = self.link.journal();
        self.of(&journal).cloned().collect()
    }

    fn of<'j>(&self, journal: &'j Journal) -> impl Iterator<Item = &'j RawFrame> + use<'j> {
        let mine = self.talk.stream;
        let theirs = journal.streams.iter().filter(move |stream| {
            let is_room = stream.first_known().is_some_and(|first| first.code == OPEN);
            stream.number == mine || (!stream.is_ours && stream.is_bidirectional && is_room)
        });
        theirs.flat_map(|stream| &stream.frames)
    }

    /// Waits until `wanted` finds something among the frames of the room.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when the connection ends or patience does.
    pub async fn until<T>(
        &self,
        what: &str,
        wanted: impl Fn(&[&RawFrame]) -> Option<T>,
    ) -> Result<T, Fault> {
        self.link
            .until(what, |journal| {
                let frames: Vec<&RawFrame> = self.of(journal).collect();
                wanted(&frames)
            })
            .await
    }

    /// Waits for a frame of a type.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub async fn frame(&self, code: u16) -> Result<RawFrame, Fault> {
        let name = super::frames::name(code);
        self.until(&name, |frames| {
            let found = frames.iter().find(|frame| frame.code == code);
            found.map(|frame| (*frame).clone())
        })
        .await
    }

    /// With which `hops` an item was pushed here, each time.
    #[must_use]
    pub fn pushed(&self, item: &Item) -> Vec<u8> {
        let journal = self.link.journal();
        self.of(&journal)
            .filter_map(|frame| hops_of(frame, item))
            .collect()
    }

    /// Waits until a log is announced up to an item, or the item is pushed: with which `hops`. After a
    /// while the member compares: it has everything announced.
    ///
    /// # Errors
    /// A fault when neither comes.
    pub async fn hears(&mut self, item: &Item, mark: u64) -> Result<Option<u8>, Fault> {
        let seq = item.header.seq;
        let deadline = Instant::now() + self.link.patience();
        let what = format!("item {seq} of a log, pushed or announced");
        while Instant::now() < deadline {
            let found = self.until(&what, |frames| {
                let pushed = frames.iter().find_map(|frame| hops_of(frame, item));
                let is_told = || frames.iter().any(|frame| announced(frame, mark, seq));
                pushed.map(Some).or_else(|| is_told().then_some(None))
            });
            if let Ok(found) = timeout(COMPARES, found).await {
                return found;
            }
            let sketch = room::sketch(seq ^ mark as u32, room::horizon(), 0, &[]);
            self.say(room::SKETCH, &sketch).await;
        }
        Err(Fault::new(what, self.link.journal().summary()))
    }

    /// Waits until an item comes, by itself or asked for after it was announced. `hops` of the push.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn obtains(&mut self, item: &Item, mark: u64) -> Result<u8, Fault> {
        if let Some(hops) = self.hears(item, mark).await? {
            return Ok(hops);
        }
        let seq = item.header.seq;
        let pull = room::pull(false, &[(mark, seq - 1, seq)]);
        self.say(room::PULL, &pull).await;
        let what = format!("item {seq} of a log, asked for");
        self.until(&what, |frames| {
            frames.iter().find_map(|frame| hops_of(frame, item))
        })
        .await
        .map_err(|fault| fault.by("DC-GOSSIP-043"))
    }

    /// Pushes an item until another member has it: a link that began anew may have lost it.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn passes(&mut self, other: &mut Self, item: &Item, mark: u64) -> Outcome {
        let deadline = Instant::now() + self.link.patience();
        loop {
            self.push(item, 5).await;
            match timeout(2 * COMPARES, other.obtains(item, mark)).await {
                Ok(came) => return came.map(|_| ()),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => {
                    let of = |one: &Self| {
                        let heard = one.link.journal().summary();
                        format!("{heard} {}", one.link.closed())
                    };
                    let seen = format!(
                        "nothing of it; its sender: {}; the other: {}",
                        of(self),
                        of(other)
                    );
                    return Err(Fault::new("an item to be passed on", seen));
                }
            }
        }
    }

    /// Waits for GOSSIP_LEAVE with a reason.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn expect_leave(&self, reason: u8) -> Outcome {
        let what = format!("GOSSIP_LEAVE with reason {reason}");
        let said = self
            .until(&what, |frames| {
                let leave = frames.iter().find(|frame| frame.code == LEAVE)?;
                leave.body.first().copied()
            })
            .await?;
        if said == reason {
            Ok(())
        } else {
            Err(Fault::new(what, format!("reason {said}")))
        }
    }
}

impl Drop for Member {
    /// Leaves its place to the next: what answers the peer's streams would keep the connection.
    fn drop(&mut self) {
        self.link.leave();
    }
}

/// `hops` of a frame that pushes this item.
fn hops_of(frame: &RawFrame, item: &Item) -> Option<u8> {
    let (hops, rest) = frame.body.split_first()?;
    (frame.code == PUSH && rest == item.structure().bytes).then_some(*hops)
}

/// Whether a frame announces at least so much of a log.
#[must_use]
pub fn announced(frame: &RawFrame, mark: u64, seq: u32) -> bool {
    if frame.code != ANNOUNCE {
        return false;
    }
    match frame.decoded() {
        Some(Frame::GossipAnnounce(announce)) => announce
            .marks
            .as_slice()
            .iter()
            .any(|one| one.log == mark && one.seq >= seq),
        _ => false,
    }
}

/// Agrees to every stream that the peer opens for a room, as long as there is a connection.
async fn agree(link: Arc<Link>, answer: Vec<u8>) {
    let mut kept = Vec::new();
    while link.quic().close_reason().is_none() {
        let number = kept.len();
        let next = link.until("another stream of the room", |journal| {
            let stream = journal.questions(OPEN).nth(number)?;
            Some(stream.number)
        });
        let Ok(stream) = next.await else {
            continue;
        };
        let mut talk = link.join(stream);
        if let Some(talk) = &mut talk {
            talk.say(&answer).await;
        }
        kept.push(talk);
    }
}
