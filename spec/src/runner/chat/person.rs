//! People who redeemed an invite.
//!
//! An invite serves one person, so a person is kept from case to case, and a case has it alone while it
//! runs. The first two invites become people whose PeerIds are on either side of the peer's, since who
//! is smaller makes the session.

use core::ops::{Deref, DerefMut};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dchat_wire::invite::Invite;
use tokio::sync::Notify;

use super::super::case::Fault;
use super::super::identity::Identity;
use super::super::partner::Partner;
use super::device::Device;
use super::log::{Log, conversation};

/// On which side of the peer's a PeerId is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smaller: the partner makes sessions.
    Smaller,
    /// Larger: the peer makes them.
    Larger,
    /// Either.
    Any,
}

/// Somebody who redeemed an invite, or is about to.
#[derive(Debug)]
pub struct Person {
    /// Who.
    pub identity: Identity,
    /// The run of its node: the same for all its connections, as a correct peer's.
    pub instance: [u8; 16],
    /// Its device.
    pub device: Device,
    /// Its log.
    pub log: Log,
    /// The proof to redeem with, until the peer has accepted.
    pub proof: Option<([u8; 16], [u8; 32])>,
    /// How many cases had it since it last was connected for long: its connections with the peer were
    /// short.
    pub restless: u32,
    /// What it holds of the peer's logs: each with its last entry and the hash of that.
    pub holds: BTreeMap<[u8; 16], (u64, [u8; 32])>,
}

impl Person {
    /// Somebody with new keys, an empty log and nothing of the peer's.
    #[must_use]
    pub fn new(partner: &Partner, identity: Identity, proof: Option<([u8; 16], [u8; 32])>) -> Self {
        let me = identity.public();
        let conversation = conversation(&me, &partner.subject.peer);
        Self {
            instance: partner.array(),
            device: Device::new(),
            log: Log::new(conversation, me, partner.array()),
            proof,
            restless: 0,
            holds: BTreeMap::new(),
            identity,
        }
    }
}

/// All of them. Copies are the same people.
#[derive(Clone, Debug, Default)]
pub struct People(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pool: Mutex<Pool>,
    back: Notify,
}

#[derive(Debug, Default)]
struct Pool {
    invites: Vec<Invite>,
    redeemed: Vec<Invite>,
    idle: Vec<Person>,
    smaller: usize,
    larger: usize,
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl People {
    /// Nobody yet, but invites.
    #[must_use]
    pub fn new(mut invites: Vec<Invite>) -> Self {
        // They are taken from the end.
        invites.reverse();
        Self(Arc::new(Shared {
            pool: Mutex::new(Pool {
                invites,
                ..Pool::default()
            }),
            back: Notify::new(),
        }))
    }

    /// An invite of the peer's that is not to be redeemed with this, and whether it still could be.
    #[must_use]
    pub fn any_invite(&self) -> Option<(Invite, bool)> {
        let pool = self.0.pool();
        let open = pool.invites.last().map(|invite| (invite.clone(), true));
        open.or_else(|| pool.redeemed.first().map(|invite| (invite.clone(), false)))
    }

    /// An invite that somebody has redeemed.
    #[must_use]
    pub fn redeemed_invite(&self) -> Option<Invite> {
        self.0.pool().redeemed.first().cloned()
    }

    /// Somebody of this order, alone, once nobody else has them.
    ///
    /// # Errors
    /// Unsupported when there is no such person and no invite to make one.
    pub async fn take(&self, partner: &Partner, order: Order) -> Result<Taken, Fault> {
        let lacks = || Fault::unsupported("it needs a further --invite");
        loop {
            let mut back = core::pin::pin!(self.0.back.notified());
            back.as_mut().enable();
            {
                let mut pool = self.0.pool();
                if let Some(person) = pool.idle(partner, order) {
                    return Ok(self.taken(person));
                }
                if let Some(person) = pool.create(partner, order) {
                    return Ok(self.taken(person));
                }
                if !pool.has(order) {
                    return Err(lacks());
                }
            }
            back.await;
        }
    }

    fn taken(&self, person: Person) -> Taken {
        Taken {
            person: Some(person),
            is_sure: false,
            people: Some(Arc::clone(&self.0)),
        }
    }
}

impl Pool {
    fn idle(&mut self, partner: &Partner, order: Order) -> Option<Person> {
        let fits = |person: &Person| match order {
            Order::Any => true,
            wanted => wanted == order_of(partner, person),
        };
        let index = self.idle.iter().position(fits)?;
        Some(self.idle.remove(index))
    }

    fn has(&self, order: Order) -> bool {
        match order {
            Order::Any => self.smaller + self.larger > 0,
            Order::Smaller => self.smaller > 0,
            Order::Larger => self.larger > 0,
        }
    }

    fn create(&mut self, partner: &Partner, order: Order) -> Option<Person> {
        let is_smaller = match order {
            Order::Smaller => true,
            Order::Larger => false,
            // The scarcer one.
            Order::Any => self.smaller <= self.larger,
        };
        // The last invite is for the order that there is nobody of.
        let lacks_other = if is_smaller {
            self.larger == 0
        } else {
            self.smaller == 0
        };
        if self.invites.len() == 1 && lacks_other && self.has(order) {
            return None;
        }
        let invite = self.invites.pop()?;
        let identity = partner.identity_of_order(is_smaller);
        if is_smaller {
            self.smaller += 1;
        } else {
            self.larger += 1;
        }
        let (me, peer) = (identity.public(), partner.subject.peer);
        let proof = proof(&invite, &peer, &me);
        let person = Person::new(partner, identity, Some(proof));
        self.redeemed.push(invite);
        Some(person)
    }
}

fn order_of(partner: &Partner, person: &Person) -> Order {
    if person.identity.public() < partner.subject.peer {
        Order::Smaller
    } else {
        Order::Larger
    }
}

/// An `InviteProof` (`20-identity` §6.1).
#[must_use]
pub fn proof(invite: &Invite, inviter: &[u8; 32], redeemer: &[u8; 32]) -> ([u8; 16], [u8; 32]) {
    let key = blake3::derive_key("dchat/1 2026-11 invite proof", invite.secret.as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(inviter).update(redeemer);
    (invite.id, *hasher.finalize().as_bytes())
}

/// A person that one case has alone. Given back on drop; if the case has not said that all is in order
/// ([`Taken::sure`]), with a new log: what the peer holds of the old one is not known then.
#[derive(Debug)]
pub struct Taken {
    person: Option<Person>,
    is_sure: bool,
    people: Option<Arc<Shared>>,
}

impl Taken {
    /// Somebody without an invite, who is gone when the case is over.
    #[must_use]
    pub fn stranger(person: Person) -> Self {
        Self {
            person: Some(person),
            is_sure: false,
            people: None,
        }
    }

    /// The log is as long as what the peer holds of it.
    pub fn sure(&mut self) {
        self.is_sure = true;
    }
}

#[expect(clippy::expect_used, reason = "a person is gone on drop only")]
impl Deref for Taken {
    type Target = Person;

    fn deref(&self) -> &Person {
        self.person.as_ref().expect("taken until dropped")
    }
}

#[expect(clippy::expect_used, reason = "a person is gone on drop only")]
impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Person {
        self.person.as_mut().expect("taken until dropped")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let (Some(mut person), Some(people)) = (self.person.take(), self.people.take()) else {
            return;
        };
        person.restless = person.restless.saturating_add(1);
        if !self.is_sure {
            let old = person.log.incarnation;
            let next = blake3::derive_key("dchat/1 2026-11 conformance next log", &old);
            let mut incarnation = [0; 16];
            incarnation.copy_from_slice(&next[..16]);
            person.log = Log::new(person.log.conversation, person.log.author, incarnation);
        }
        people.pool().idle.push(person);
        people.back.notify_waiters();
    }
}
