//! A group with its founder, whom the runner plays, and the peer.

use std::collections::BTreeSet;

use dchat_wire::group::Deed;

use super::super::bodies::group::deed;
use super::super::case::{Fault, Outcome};
use super::super::chat::Order;
use super::super::chat::person::Taken;
use super::super::identity::Identity;
use super::super::partner::{Partner, own};
use super::fellow::{Fellow, hex};
use super::line::Shared;
use super::story::{Hash, Story};
use super::user::User;

/// The group.
pub struct Company {
    /// The partner of the case.
    pub partner: Partner,
    /// What the runner knows of it.
    pub shared: Shared,
    /// Its founder and first administrator, a contact of the peer's.
    pub founder: Fellow,
    /// What it is called; no other group is.
    pub name: String,
    user: User,
    /// What the peer has told the founder of its own deeds.
    heard: BTreeSet<Hash>,
}

impl Company {
    /// A group, of which the peer knows nothing yet.
    ///
    /// # Errors
    /// Unsupported without an invite or a command for what the user does; a fault when the peer does not
    /// do its part.
    pub async fn found(partner: &Partner) -> Result<Self, Fault> {
        let lacks = || Fault::unsupported("no --user is given, which does what its user has to");
        let user = partner.subject.user.clone().ok_or_else(lacks)?;
        let person = partner.subject.people.take(partner, Order::Any).await?;
        let tail = partner.fresh();
        let name = format!("conformance-{}", hex(&tail[..8]));
        let key = Identity::new(&partner.fresh());
        let story = Story::create(&person.identity, &key, &name);
        let shared = Shared::new(story);
        let founder = reach(partner, person, key, &shared).await?;
        Ok(Self {
            partner: partner.clone(),
            shared,
            founder,
            name,
            user,
            heard: BTreeSet::new(),
        })
    }

    /// The peer is offered a place, over the conversation with the founder.
    ///
    /// # Errors
    /// A fault when it does not take the entry.
    pub async fn invites_peer(&mut self) -> Result<Hash, Fault> {
        let peer = self.peer();
        let hash = self.to(deed::INVITE, &peer);
        let past = self.shared.story().upto(&hash);
        self.founder.tells(&past).await?;
        Ok(hash)
    }

    /// The peer's user takes the place; the ACCEPT, which comes to the founder as an entry.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn peer_accepts(&mut self) -> Result<Hash, Fault> {
        self.user_does("accept", &[]).await?;
        self.peer_did(
            Deed::Accept,
            "ACCEPT of the peer in an entry to who invited it",
        )
        .await
    }

    /// Waits for something that the peer did and tells the founder as an entry; it is learned.
    ///
    /// # Errors
    /// A fault when it does not come, or is not right.
    pub async fn peer_did(&mut self, deed: Deed, what: &str) -> Result<Hash, Fault> {
        let peer = self.peer();
        let (shared, heard) = (self.shared.clone(), &self.heard);
        let is_new = |signed: &dchat_wire::group::SignedOperation| {
            let read = signed.open();
            let is_its = read.is_ok_and(|read| {
                read.deed == deed
                    && *read.author.public_key() == peer
                    && read.group == shared.story().group
            });
            is_its && !heard.contains(&signed.hash())
        };
        let signed = self.founder.operation(what, is_new).await?;
        if !self.shared.story().learn(&signed) {
            let expected = "an operation that names what its author was told of";
            return Err(Fault::new(expected, "one that names another").by("DC-GROUP-005"));
        }
        self.heard.insert(signed.hash());
        Ok(signed.hash())
    }

    /// The same as far as the peer is in, and linked with the founder.
    ///
    /// # Errors
    /// A fault when it does not do its part.
    pub async fn peer_joins(&mut self) -> Outcome {
        self.invites_peer().await?;
        self.peer_accepts().await?;
        self.founder.enter().await
    }

    /// Another member, who is in as far as the peer knows, and linked with it.
    ///
    /// # Errors
    /// A fault when the peer does not do its part.
    pub async fn admits(&mut self) -> Result<Fellow, Fault> {
        let fellow = self.knows(&self.partner.clone()).await?;
        fellow.enter().await?;
        Ok(fellow)
    }

    /// The same with a conversation.
    ///
    /// # Errors
    /// As [`admits`](Self::admits).
    pub async fn befriends(&mut self) -> Result<Fellow, Fault> {
        let mut fellow = self.admits().await?;
        fellow.converse(&self.partner).await?;
        Ok(fellow)
    }

    /// Another member, who is in as far as the peer knows, and connected with it.
    async fn knows(&mut self, partner: &Partner) -> Result<Fellow, Fault> {
        let identity = Identity::new(&partner.fresh());
        let key = Identity::new(&partner.fresh());
        self.to(deed::INVITE, &identity.public());
        let accept = self.shared.story().accept(&identity, &key, "Fellow");
        self.founder.teaches(&accept).await?;
        Fellow::connect(partner, identity, partner.array(), key, &self.shared).await
    }

    /// Something that the founder does to somebody.
    pub fn to(&mut self, deed: u8, subject: &[u8; 32]) -> Hash {
        let founder = self.founder.identity.clone();
        self.shared.story().to(&founder, deed, subject, &[])
    }

    /// Something that an administrator does to somebody having seen only this; its name.
    pub fn apart(&self, by: &Identity, seen: &[Hash], deed: u8, subject: &Identity) -> Hash {
        let mut story = self.shared.story();
        let mut operation = story.next(by, seen, deed);
        operation.subject = Some(subject.public());
        story.add(&operation, by)
    }

    /// A name or a setting by the founder.
    pub fn says(&mut self, deed: u8, text: &str) -> Hash {
        let founder = self.founder.identity.clone();
        self.shared.story().says(&founder, deed, text)
    }

    /// The peer's key.
    #[must_use]
    pub fn peer(&self) -> [u8; 32] {
        self.partner.subject.peer
    }

    /// The key that the peer writes with, by its newest ACCEPT.
    ///
    /// # Errors
    /// The runner's own, when it has none.
    pub fn peer_key(&self) -> Result<[u8; 32], Fault> {
        let story = self.shared.story();
        let accept = story.newest(&self.peer(), deed::ACCEPT);
        let read = accept.and_then(|accept| story.read(&accept));
        let seat = read.and_then(|read| read.seat);
        seat.map(|seat| seat.key)
            .ok_or_else(|| own("the peer has no seat"))
    }

    // --- the peer's user -----------------------------------------------------------------------

    /// Has the peer's user do something, which must go well; what it printed.
    ///
    /// # Errors
    /// As [`User::does`].
    pub async fn user_does(&self, verb: &str, more: &[&str]) -> Result<String, Fault> {
        let group = hex(&self.shared.story().group);
        let words = [&[verb, &group, &self.name], more].concat();
        self.user.does(&words, self.partner.subject.patience).await
    }

    /// The same when it may go wrong.
    ///
    /// # Errors
    /// As [`User::tries`].
    pub async fn user_tries(
        &self,
        verb: &str,
        more: &[&str],
    ) -> Result<Result<String, String>, Fault> {
        let group = hex(&self.shared.story().group);
        let words = [&[verb, &group, &self.name], more].concat();
        self.user.tries(&words, self.partner.subject.patience).await
    }

    /// Leaves nothing behind: the peer is put out, so that its groups do not add up.
    pub async fn dissolve(self) {
        let peer = self.peer();
        let Self {
            partner,
            shared,
            mut founder,
            ..
        } = self;
        founder.line.rest();
        let identity = founder.identity.clone();
        let end = shared.story().to(&identity, deed::REMOVE, &peer, &[]);
        let told = shared.story().upto(&end);
        if founder.link.quic().close_reason().is_some() {
            let Some(talk) = founder.chat.take() else {
                return;
            };
            let person = talk.person;
            let key = founder.key.clone();
            match reach(&partner, person, key, &shared).await {
                Ok(again) => founder = again,
                Err(_) => return,
            }
        }
        // What is left there is the peer's own fault: the case has said what it has to say.
        let _left = founder.tells(&told).await;
        if let Some(talk) = founder.chat.take() {
            talk.finish();
        }
    }
}

/// A connection of a contact's, with its conversation.
async fn reach(
    partner: &Partner,
    person: Taken,
    key: Identity,
    shared: &Shared,
) -> Result<Fellow, Fault> {
    let identity = person.identity.clone();
    let mut founder = Fellow::connect(partner, identity, person.instance, key, shared).await?;
    founder.converse_as(partner, person).await?;
    Ok(founder)
}
