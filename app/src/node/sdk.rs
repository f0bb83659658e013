//! The node as programs use it: one method a verb.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream;

use super::Peer;
use crate::api::{
    ApiError, Contact, ContactRequest, DhtFound, DhtRecords, DhtStat, DhtStored, ErrorKind, Event,
    GroupInfo, GroupMember, Id, Member, Message, MessageState, PeerInfo, RecordKind, Reply,
    Request, RoomInfo, Secret, Sent, Status,
};
use crate::seam::{Node as _, OpenError, PeerConfig, Subscription};

/// Unread messages fetched at once.
const FETCH: u32 = 100;

/// What a reply is when it answers its request; the `else` is a defect of ours, told as such.
macro_rules! expect_reply {
    ($reply:expr, $kind:ident) => {
        match $reply {
            Reply::$kind(value) => Ok(value),
            _ => Err(mismatch()),
        }
    };
}

impl Peer {
    /// Starts a node on the home in `dir`, made when missing, with everything else as it is by
    /// default: a listening port of its own choice, and neighbours found by mDNS.
    ///
    /// # Errors
    /// [`OpenError`] says whose fault it is; nothing in the home was changed.
    pub async fn init(dir: impl Into<PathBuf>, name: &str) -> Result<Self, OpenError> {
        Self::open(PeerConfig {
            name: Some(name.to_owned()),
            ..PeerConfig::new(dir)
        })
        .await
    }

    /// Who this node is and where it listens.
    ///
    /// # Errors
    /// [`ApiError`], as for every method here: nothing was changed.
    pub async fn id(&self) -> Result<Id, ApiError> {
        expect_reply!(self.call(Request::Id).await?, Id)
    }

    /// An invite link for one person, valid for 7 days.
    ///
    /// # Errors
    /// [`ApiError`]: too many invites are open, or the database fails.
    pub async fn invite(&self) -> Result<String, ApiError> {
        expect_reply!(self.call(Request::Invite).await?, Invite).map(|link| link.invite)
    }

    /// Adds a contact by invite link, PeerId or address, and connects to it as soon as it is there.
    /// A PeerId alone is looked up in the distributed hash table, or found nearby.
    ///
    /// # Errors
    /// [`ApiError`]: the invite has expired, the name is taken, the text is none of the three.
    pub async fn connect(&self, target: &str, name: Option<&str>) -> Result<Contact, ApiError> {
        let request = Request::Add {
            target: target.to_owned(),
            name: name.map(str::to_owned),
        };
        expect_reply!(self.call(request).await?, Contact)
    }

    /// All contacts.
    ///
    /// # Errors
    /// [`ApiError`]: the database fails.
    pub async fn contacts(&self) -> Result<Vec<Contact>, ApiError> {
        expect_reply!(self.call(Request::Contacts).await?, Contacts)
    }

    /// Strangers who ask to be contacts.
    ///
    /// # Errors
    /// [`ApiError`]: the database fails.
    pub async fn requests(&self) -> Result<Vec<ContactRequest>, ApiError> {
        expect_reply!(self.call(Request::Requests).await?, Requests)
    }

    /// Makes a waiting stranger a contact.
    ///
    /// # Errors
    /// [`ApiError`]: there is no such request.
    pub async fn accept(&self, peer_id: &str) -> Result<Contact, ApiError> {
        let request = Request::Accept {
            peer: peer_id.to_owned(),
            name: None,
        };
        expect_reply!(self.call(request).await?, Contact)
    }

    /// Queues `text` for a contact or a `#room`; when this returns it is durable and will be delivered, whenever
    /// the contact, or anybody in the room, is there.
    ///
    /// # Errors
    /// [`ApiError`]: no such contact, or the text is empty or too long.
    pub async fn send(&self, to: &str, text: &str) -> Result<Sent, ApiError> {
        let request = Request::Send {
            to: to.to_owned(),
            text: text.to_owned(),
            ttl_s: None,
            token: None,
        };
        expect_reply!(self.call(request).await?, Sent)
    }

    /// Waits until a message of ours has come to `state`, or for `timeout`, and tells how far it
    /// has come.
    ///
    /// # Errors
    /// [`ApiError`]: no message has this id.
    pub async fn wait_for(
        &self,
        id: &str,
        state: MessageState,
        timeout: Duration,
    ) -> Result<Sent, ApiError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let request = Request::Wait {
            id: id.to_owned(),
            state,
            timeout_ms,
        };
        expect_reply!(self.call(request).await?, Sent)
    }

    /// The newest `limit` messages of a conversation, oldest first.
    ///
    /// # Errors
    /// [`ApiError`]: no such contact.
    pub async fn history(&self, with: &str, limit: u32) -> Result<Vec<Message>, ApiError> {
        let request = Request::History {
            to: with.to_owned(),
            limit,
            before: None,
        };
        expect_reply!(self.call(request).await?, Messages)
    }

    /// Messages that contain all words, in all conversations, newest last.
    ///
    /// # Errors
    /// [`ApiError`]: the database fails.
    pub async fn search(&self, words: &str, limit: u32) -> Result<Vec<Message>, ApiError> {
        let request = Request::Search {
            words: words.to_owned(),
            to: None,
            limit,
        };
        expect_reply!(self.call(request).await?, Messages)
    }

    /// Joins the room called `name`; with a `secret`, the closed room of that name and secret. It is
    /// joined until it is left, also after a restart. Then `#name` is where messages go.
    ///
    /// # Errors
    /// [`ApiError`]: the name or the secret is none, or too many rooms are joined.
    pub async fn join_room(&self, name: &str, secret: Option<&str>) -> Result<RoomInfo, ApiError> {
        let request = Request::JoinRoom {
            name: name.to_owned(),
            secret: secret.map(|secret| Secret::new(secret.to_owned())),
        };
        expect_reply!(self.call(request).await?, Room)
    }

    /// Leaves a room. What waited there for somebody to come has failed.
    ///
    /// # Errors
    /// [`ApiError`]: this node is not in it.
    pub async fn leave_room(&self, name: &str) -> Result<(), ApiError> {
        let name = name.to_owned();
        match self.call(Request::LeaveRoom { name }).await? {
            Reply::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    /// The rooms this node is in.
    ///
    /// # Errors
    /// [`ApiError`]: the database fails.
    pub async fn rooms(&self) -> Result<Vec<RoomInfo>, ApiError> {
        expect_reply!(self.call(Request::Rooms).await?, Rooms)
    }

    /// Who is known in `#room`: who is connected, and who wrote lately.
    ///
    /// # Errors
    /// [`ApiError`]: this node is not in it.
    pub async fn members(&self, of: &str) -> Result<Vec<Member>, ApiError> {
        let of = of.to_owned();
        expect_reply!(self.call(Request::Members { of }).await?, Members)
    }

    /// Makes a private group, whose administrator this node's user is. Then `@name` is where messages
    /// go.
    ///
    /// # Errors
    /// [`ApiError`]: the name is none or taken, or there are too many groups.
    pub async fn create_group(&self, name: &str) -> Result<GroupInfo, ApiError> {
        let name = name.to_owned();
        expect_reply!(self.call(Request::CreateGroup { name }).await?, Group)
    }

    /// Offers somebody, by contact name or PeerId, a place in a group.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user may not, or they are in already.
    pub async fn invite_member(&self, group: &str, peer: &str) -> Result<(), ApiError> {
        let (group, peer) = (group.to_owned(), peer.to_owned());
        self.done(Request::InviteMember { group, peer }).await
    }

    /// Puts a member out of a group. It reads nothing of what is written by whoever has heard of it.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user may not, or they are not in it.
    pub async fn remove_member(&self, group: &str, peer: &str) -> Result<(), ApiError> {
        let (group, peer) = (group.to_owned(), peer.to_owned());
        self.done(Request::RemoveMember { group, peer }).await
    }

    /// Makes a member an administrator of a group.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user may not, or they are no member.
    pub async fn promote_member(&self, group: &str, peer: &str) -> Result<(), ApiError> {
        let (group, peer) = (group.to_owned(), peer.to_owned());
        self.done(Request::PromoteMember { group, peer }).await
    }

    /// Accepts an invitation to a group.
    ///
    /// # Errors
    /// [`ApiError`]: there is none.
    pub async fn accept_group(&self, group: &str) -> Result<GroupInfo, ApiError> {
        let group = group.to_owned();
        expect_reply!(self.call(Request::AcceptGroup { group }).await?, Group)
    }

    /// Leaves a group, or turns an invitation down.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user is not in it.
    pub async fn leave_group(&self, group: &str) -> Result<(), ApiError> {
        let group = group.to_owned();
        self.done(Request::LeaveGroup { group }).await
    }

    /// Renames a group for all its members.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user may not, or the name is none or taken.
    pub async fn rename_group(&self, group: &str, name: &str) -> Result<GroupInfo, ApiError> {
        let (group, name) = (group.to_owned(), name.to_owned());
        expect_reply!(
            self.call(Request::RenameGroup { group, name }).await?,
            Group
        )
    }

    /// Sets one thing of a group's policy, as [`Request::SetGroupPolicy`] explains it.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user may not, or it is no setting.
    pub async fn set_group_policy(
        &self,
        group: &str,
        setting: &str,
    ) -> Result<GroupInfo, ApiError> {
        let (group, setting) = (group.to_owned(), setting.to_owned());
        let request = Request::SetGroupPolicy { group, setting };
        expect_reply!(self.call(request).await?, Group)
    }

    /// The groups this node's user is in or invited to.
    ///
    /// # Errors
    /// [`ApiError`]: the database fails.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, ApiError> {
        expect_reply!(self.call(Request::Groups).await?, Groups)
    }

    /// Who is in a group, and who has what of ours.
    ///
    /// # Errors
    /// [`ApiError`]: this node's user is not in it.
    pub async fn group_members(&self, group: &str) -> Result<Vec<GroupMember>, ApiError> {
        let group = group.to_owned();
        let request = Request::GroupMembers { group };
        expect_reply!(self.call(request).await?, GroupMembers)
    }

    async fn done(&self, request: Request) -> Result<(), ApiError> {
        match self.call(request).await? {
            Reply::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    /// Live connections.
    ///
    /// # Errors
    /// [`ApiError`]: the node has stopped.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        expect_reply!(self.call(Request::Peers).await?, Peers)
    }

    /// How the node is doing.
    ///
    /// # Errors
    /// [`ApiError`]: the node has stopped.
    pub async fn status(&self) -> Result<Status, ApiError> {
        expect_reply!(self.call(Request::Status).await?, Status)
    }

    /// The nodes of the distributed hash table nearest to `target`: a key of 64 hexadecimal digits, or
    /// a PeerId for the key of its address record.
    ///
    /// # Errors
    /// [`ApiError`]: the target is neither, or no other node is known.
    pub async fn dht_find(&self, target: &str) -> Result<DhtFound, ApiError> {
        let target = target.to_owned();
        let found = expect_reply!(self.call(Request::DhtFind { target }).await?, DhtFound);
        found.map(|found| *found)
    }

    /// What is stored in the distributed hash table for `target`, as [`Request::DhtGet`] explains it;
    /// checked, and possibly nothing.
    ///
    /// # Errors
    /// As for [`dht_find`](Self::dht_find).
    pub async fn dht_get(&self, target: &str, kind: RecordKind) -> Result<DhtRecords, ApiError> {
        let target = target.to_owned();
        let got = self.call(Request::DhtGet { target, kind }).await?;
        expect_reply!(got, DhtRecords).map(|records| *records)
    }

    /// Offers a service under a name in the distributed hash table, or without one stores where this
    /// node can be reached, which it also does by itself. What is stored is renewed while the node
    /// runs.
    ///
    /// # Errors
    /// [`ApiError`]: others cannot reach this node yet, or no node keeps the record.
    pub async fn dht_put(&self, service: Option<&str>) -> Result<DhtStored, ApiError> {
        let service = service.map(str::to_owned);
        let stored = expect_reply!(self.call(Request::DhtPut { service }).await?, DhtStored);
        stored.map(|stored| *stored)
    }

    /// What is known of the distributed hash table here.
    ///
    /// # Errors
    /// [`ApiError`]: the node has stopped.
    pub async fn dht_stat(&self) -> Result<DhtStat, ApiError> {
        expect_reply!(self.call(Request::DhtStat).await?, DhtStat).map(|stat| *stat)
    }

    /// Received messages: first those nobody has read, then each as it comes. A message counts as
    /// read once the next one is asked for, so one that was being worked on when the program died
    /// comes again.
    ///
    /// The stream ends with the node.
    pub fn recv(&self) -> impl Stream<Item = Result<Message, ApiError>> + Send + use<> {
        let inbox = Inbox {
            peer: self.clone(),
            events: self.subscribe(),
            waiting: VecDeque::new(),
            shown: None,
        };
        stream::unfold(inbox, |mut inbox| async move {
            let item = inbox.next().await.transpose()?;
            Some((item, inbox))
        })
    }

    /// Ends the node: says goodbye to its peers, and gives the home back.
    pub async fn close(&self) {
        self.shutdown().await;
    }

    /// Everything that happens, as it happens.
    #[must_use]
    pub fn events(&self) -> Subscription {
        self.subscribe()
    }
}

struct Inbox {
    peer: Peer,
    events: Subscription,
    /// At most [`FETCH`].
    waiting: VecDeque<Message>,
    shown: Option<String>,
}

impl Inbox {
    async fn next(&mut self) -> Result<Option<Message>, ApiError> {
        if let Some(id) = self.shown.take() {
            self.peer.call(Request::MarkRead { ids: vec![id] }).await?;
        }
        loop {
            if let Some(message) = self.waiting.pop_front() {
                self.shown = Some(message.id.clone());
                return Ok(Some(message));
            }
            let unread = Request::Unread {
                from: None,
                limit: FETCH,
            };
            self.waiting = expect_reply!(self.peer.call(unread).await?, Messages)?.into();
            while self.waiting.is_empty() {
                match self.events.next().await {
                    Some(Event::Message(_) | Event::Missed { .. }) => break,
                    Some(_) => {}
                    None => return Ok(None),
                }
            }
        }
    }
}

fn mismatch() -> ApiError {
    ApiError::new(
        ErrorKind::Failed,
        "the node answered another question. This is a defect of DChat.",
    )
}
