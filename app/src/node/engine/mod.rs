//! The thread that owns everything durable.
//!
//! State: the open [`Profile`] and, per connection with a contact, a conversation. Inputs come in
//! over one bounded queue; up to [`BATCH`] of those waiting are applied in one transaction, in their
//! order. When it is committed, what they caused is handed out in the same order; when it fails, all
//! of it is forgotten, everyone who waits is told, and every conversation starts over from the
//! database.
//!
//! A batch of what others say in open rooms is committed without waiting for the disk: it outlasts the
//! process, and what the machine's power takes with it is had again from the others. Nothing that
//! could then contradict them leaves before it is on disk: our own items, keys, and answers.

mod chat;
mod contacts;
mod effect;
mod fault;
mod ledger;
mod messages;
mod passphrase;
mod rooms;
mod status;

use dchat_wire::record::SignedRecord;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};
use tokio::sync::{mpsc, oneshot};

use self::chat::Chats;
use self::effect::Effects;
pub(super) use self::effect::{Command, Effect, LinkId};
use self::fault::Fault;
use self::rooms::{MemberChange, Rooms};
pub(super) use self::rooms::{StreamId, is_ours};
use super::dht::{Member, Topic};
use super::hub::Hub;
use super::profile::Profile;
use crate::api::{ApiError, ErrorKind, Event, Reply, Request};
use crate::home::LockedHome;
use crate::store::{DhtNode, MetaKey, Outlasts, OwnRecord, Store, Tx, UnixMillis};
use crate::vault::DatabaseKey;

/// Inputs applied in one transaction: one sync to disk serves them all, and a reply waits for no
/// more than these.
pub(super) const BATCH: usize = 128;
/// Inputs that may wait. A full queue makes whoever puts something in wait.
pub(super) const QUEUE: usize = 512;

/// What the engine is told.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody of this home asks for something.
    Call(Box<Request>, oneshot::Sender<Result<Reply, ApiError>>),
    /// A connection is up; with a peer that takes part in rooms, where the peer is.
    Up {
        link: LinkId,
        peer: PeerId,
        rooms: Option<Address>,
    },
    /// A connection is gone.
    Down { link: LinkId },
    /// A frame of a chat stream of the peer's. Streams that the peer opened later have higher
    /// numbers. The first frame of each opens the chat anew.
    Frame {
        link: LinkId,
        stream: u64,
        frame: Box<Frame>,
    },
    /// A frame of a room's stream. The first of each names the room.
    RoomFrame {
        link: LinkId,
        stream: StreamId,
        frame: Box<Frame>,
    },
    /// A room's stream is over.
    StreamEnded { stream: StreamId },
    /// A room's stream takes no more for now, or does again.
    StreamCongested { stream: StreamId, congested: bool },
    /// A peer that was to be reached for a room is not to be had.
    Unreachable { peer: PeerId },
    /// A peer was found nearby, which may be in any room.
    Nearby {
        peer: PeerId,
        addresses: Vec<Address>,
    },
    /// A peer said where it can be reached.
    Identified {
        peer: PeerId,
        addresses: Vec<Address>,
    },
    /// Members of a room were found in the distributed hash table, by what they say: a connection
    /// proves who they are. At most 32 at a time.
    Met { topic: Topic, members: Vec<Member> },
    /// Our own addresses changed.
    Addresses(Vec<Address>),
    /// Our device record is to be published.
    Device(oneshot::Sender<SignedRecord>),
    /// Nodes of the distributed hash table that are there.
    Nodes(Vec<DhtNode>),
    /// A record of ours is about to be put there. Answered once that is remembered; when it cannot be,
    /// the question is dropped.
    OwnRecord(OwnRecord, oneshot::Sender<()>),
    /// The nonce of our own puzzle there.
    Nonce(u64),
    /// A deadline given to the clock has come.
    Tick,
    /// The network half has ended; so does the engine, after what waits before this.
    Stop(oneshot::Sender<()>),
}

/// What the engine needs of the other half.
pub(super) struct Outlets {
    pub(super) hub: Hub,
    /// To the network half, which drops those for a link that is gone. The engine must never wait
    /// for it, as it waits for the engine; what can be under way is bounded by the windows of the
    /// conversations and the queue of inputs.
    pub(super) effects: mpsc::UnboundedSender<Effect>,
    /// Milliseconds since 1970.
    pub(super) clock: fn() -> UnixMillis,
    /// When the next [`Input::Tick`] is due.
    pub(super) deadline: tokio::sync::watch::Sender<Option<UnixMillis>>,
}

/// What one input is applied to, apart from the database.
pub(super) struct Session {
    identity: Identity,
    name: String,
    addresses: Vec<Address>,
    chats: Chats,
    rooms: Rooms,
}

/// The engine.
pub(super) struct Engine {
    home: LockedHome,
    key: DatabaseKey,
    store: Store,
    session: Session,
    outlets: Outlets,
    inputs: mpsc::Receiver<Input>,
}

impl Engine {
    pub(super) fn new(
        profile: Profile,
        addresses: Vec<Address>,
        inputs: mpsc::Receiver<Input>,
        outlets: Outlets,
    ) -> Self {
        let Profile {
            home,
            key,
            store,
            identity,
            name,
            ..
        } = profile;
        let session = Session {
            chats: Chats::new(identity.peer_id()),
            rooms: Rooms::new(identity.peer_id()),
            identity,
            name,
            addresses,
        };
        Self {
            home,
            key,
            store,
            session,
            outlets,
            inputs,
        }
    }

    /// Runs until it is told to stop or everybody who could tell it anything is gone. Then closes
    /// the database and, at last, gives the home back.
    pub(super) fn run(mut self) {
        self.batch(Vec::new(), true);
        let mut stop = None;
        while stop.is_none() {
            let Some(first) = self.inputs.blocking_recv() else {
                break;
            };
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = self.inputs.try_recv()
            {
                batch.push(next);
            }
            if let Some(place) = batch
                .iter()
                .position(|input| matches!(input, Input::Stop(_)))
            {
                batch.truncate(place + 1);
                if let Some(Input::Stop(done)) = batch.pop() {
                    stop = Some(done);
                }
            }
            self.batch(batch, false);
        }
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "closing the database");
        }
        drop(self.home);
        if let Some(done) = stop {
            let _ = done.send(());
        }
    }

    fn batch(&mut self, inputs: Vec<Input>, starting: bool) {
        let now = (self.outlets.clock)();
        let mut effects = Effects::default();
        let mut inputs = inputs.into_iter();
        let session = &mut self.session;
        let vault = passphrase::Keyring {
            home: &self.home,
            key: &self.key,
        };
        let light = !starting
            && inputs
                .as_slice()
                .iter()
                .all(|input| session.is_light(input));
        let outlasts = if light {
            Outlasts::Process
        } else {
            Outlasts::Power
        };
        let done = self.store.transaction_that(outlasts, "engine-batch", |tx| {
            if starting {
                session
                    .greet_contacts(tx, &mut effects)
                    .or_else(skip_refusal)?;
            }
            // Before anything else happens in them.
            session
                .restore_rooms(tx, now, &mut effects)
                .or_else(skip_refusal)?;
            for input in inputs.by_ref() {
                session.apply(tx, &vault, input, now, &mut effects)?;
            }
            session.finish(tx, now, &mut effects)
        });
        let done = match done {
            Ok(deadline) if light && !effects.are_light() => {
                self.store.settle("engine-settle").map(|()| deadline)
            }
            done => done,
        };
        match done {
            Ok(deadline) => {
                self.outlets.deadline.send_if_modified(|known| {
                    let changed = *known != deadline;
                    *known = deadline;
                    changed
                });
                self.session.chats.committed(&mut effects);
                self.release(effects);
            }
            Err(error) => self.fail(effects, inputs, &ApiError::from(error)),
        }
    }

    fn release(&self, mut effects: Effects) {
        for effect in effects.take() {
            match effect {
                Effect::Event(event) => self.outlets.hub.publish(event),
                Effect::Reply(to, reply) => drop(to.send(*reply)),
                Effect::Device(to, record) => drop(to.send(*record)),
                Effect::Remembered(to) => drop(to.send(())),
                other => drop(self.outlets.effects.send(other)),
            }
        }
    }

    /// Nothing of the batch happened: says so, and starts every chat over.
    fn fail(&mut self, mut effects: Effects, rest: impl Iterator<Item = Input>, error: &ApiError) {
        tracing::error!(%error, "a transaction failed");
        for effect in effects.take() {
            if let Effect::Reply(to, _) = effect {
                let _ = to.send(Err(error.clone()));
            }
        }
        for input in rest {
            if let Input::Call(_, to) = input {
                let _ = to.send(Err(error.clone()));
            }
        }
        let mut dropped = Effects::default();
        self.session.chats.rolled_back(&mut dropped);
        self.session.rooms.rolled_back(&mut dropped);
        self.release(dropped);
        self.outlets.hub.publish(Event::Error {
            code: "store".to_owned(),
            message: error.message.clone(),
        });
    }
}

impl Session {
    /// Whether what comes of `input` may be lost with the machine's power: what others say in open
    /// rooms, which they say again. In groups, keys move.
    fn is_light(&self, input: &Input) -> bool {
        match input {
            Input::RoomFrame { stream, .. } => self.rooms.is_of_open_room(*stream),
            Input::StreamCongested { .. } => true,
            _ => false,
        }
    }

    fn apply(
        &mut self,
        tx: &Tx<'_>,
        vault: &passphrase::Keyring<'_>,
        input: Input,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), crate::store::StoreError> {
        let result = match input {
            Input::Call(request, to) => {
                let reply = match self.call(tx, vault, *request, now, out) {
                    Ok(reply) => Ok(reply),
                    Err(Fault::Refused(error)) => Err(error),
                    Err(Fault::Store(error)) => {
                        // Nobody else knows of this caller any more.
                        out.reply(to, Err(ApiError::new(ErrorKind::Failed, error.to_string())));
                        return Err(error);
                    }
                };
                out.reply(to, reply);
                return Ok(());
            }
            Input::Up { link, peer, rooms } => self
                .link_up(tx, link, peer, now, out)
                .or_else(told)
                .and_then(|()| match rooms {
                    Some(path) => self.room_link_up(tx, link, peer, path, now, out),
                    None => self.unreachable(tx, &peer, now, out),
                }),
            Input::Down { link } => {
                self.chats.link_down(link);
                self.room_link_down(tx, link, now, out)
            }
            Input::RoomFrame {
                link,
                stream,
                frame,
            } => self.room_frame(tx, (link, stream), *frame, now, out),
            Input::StreamEnded { stream } => self.stream_ended(tx, stream, now, out),
            Input::StreamCongested { stream, congested } => {
                self.stream_congested(tx, stream, congested, now, out)
            }
            Input::Unreachable { peer } => self.unreachable(tx, &peer, now, out),
            Input::Nearby { peer, addresses } => {
                self.found(tx, None, vec![(peer, addresses)], now, out)
            }
            Input::Met { topic, members } => {
                let met = members.into_iter();
                let met = met.map(|member| (member.peer, member.addresses)).collect();
                self.found(tx, Some(topic), met, now, out)
            }
            Input::Frame {
                link,
                stream,
                frame,
            } => self.frame(tx, (link, stream), *frame, now, out),
            Input::Identified { peer, addresses } => self.learn(tx, &peer, &addresses, now),
            Input::Addresses(addresses) => {
                let me = self.identity.peer_id();
                for address in addresses.iter().filter(|new| !self.addresses.contains(new)) {
                    out.event(Event::Listening {
                        addr: address.of(me).to_string(),
                    });
                }
                self.addresses = addresses;
                Ok(())
            }
            Input::Device(to) => self
                .device_record(tx, now)
                .map(|record| out.device(to, record)),
            Input::Nodes(nodes) => tx.remember_dht_nodes(&nodes, now).map_err(Fault::from),
            Input::OwnRecord(record, to) => tx
                .remember_own_record(&record)
                .map(|()| out.remembered(to))
                .map_err(Fault::from),
            Input::Nonce(nonce) => tx
                .set_meta(MetaKey::DHT_NONCE, &nonce.to_le_bytes())
                .map_err(Fault::from),
            Input::Tick | Input::Stop(_) => Ok(()),
        };
        result.or_else(skip_refusal)
    }

    fn call(
        &mut self,
        tx: &Tx<'_>,
        vault: &passphrase::Keyring<'_>,
        request: Request,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        match request {
            Request::Id => Ok(Reply::Id(self.id())),
            Request::SetName { name } => self.set_name(tx, &name),
            Request::Invite => self.invite(tx, now),
            Request::Add { target, name } => self.add(tx, &target, name.as_deref(), now, out),
            Request::Contacts => self.contacts(tx),
            Request::RenameContact { peer, name } => self.rename(tx, &peer, &name),
            Request::RemoveContact { peer } => self.remove(tx, &peer, out),
            Request::Requests => self.requests(tx),
            Request::Accept { peer, name } => self.accept(tx, &peer, name.as_deref(), now, out),
            Request::Refuse { peer } => self.refuse(tx, &peer, now, out),
            Request::Send {
                to,
                text,
                ttl_s,
                token,
            } => self.send(tx, &to, &text, ttl_s, token.as_deref(), now, out),
            Request::Wait { id, .. } => self.sent(tx, &id),
            Request::History { to, limit, before } => {
                self.history(tx, &to, limit, before.as_deref())
            }
            Request::Search { words, to, limit } => self.search(tx, &words, to.as_deref(), limit),
            Request::Unread { from, limit } => self.unread(tx, from.as_deref(), limit),
            Request::MarkRead { ids } => self.mark_read(tx, &ids, now, out),
            Request::JoinRoom { name, secret } => {
                self.join_room(tx, &name, secret.as_ref(), now, out)
            }
            Request::LeaveRoom { name } => self.leave_room(tx, &name, now, out),
            Request::Rooms => self.list_rooms(tx),
            Request::Members { of } => self.members(tx, &of),
            Request::CreateGroup { name } => self.create_group(tx, &name, now, out),
            Request::InviteMember { group, peer } => {
                self.change_member(tx, (&group, &peer), MemberChange::Invite, now, out)
            }
            Request::RemoveMember { group, peer } => {
                self.change_member(tx, (&group, &peer), MemberChange::Remove, now, out)
            }
            Request::PromoteMember { group, peer } => {
                self.change_member(tx, (&group, &peer), MemberChange::Promote, now, out)
            }
            Request::AcceptGroup { group } => self.accept_group(tx, &group, now, out),
            Request::LeaveGroup { group } => self.leave_group(tx, &group, now, out),
            Request::RenameGroup { group, name } => {
                self.rename_group(tx, (&group, &name), now, out)
            }
            Request::SetGroupPolicy { group, setting } => {
                self.set_group_policy(tx, (&group, &setting), now, out)
            }
            Request::Groups => self.list_groups(tx),
            Request::GroupMembers { group } => self.group_members(tx, &group),
            Request::SetPassphrase { current, new } => vault
                .exchange(current.as_ref(), new.as_ref())
                .map_err(Fault::Refused),
            Request::Status => self.status(tx),
            Request::Peers
            | Request::Nearby
            | Request::Doctor { .. }
            | Request::DhtFind { .. }
            | Request::DhtGet { .. }
            | Request::DhtPut { .. }
            | Request::DhtStat
            | Request::Subscribe
            | Request::Shutdown => Err(Fault::usage("the engine does not answer this request.")),
        }
    }
}

/// As [`skip_refusal`], where the input goes on.
fn told(fault: Fault) -> Result<(), Fault> {
    skip_refusal(fault).map_err(Fault::Store)
}

/// A refusal changed nothing and has nobody to tell; a failing database undoes the batch.
fn skip_refusal(fault: Fault) -> Result<(), crate::store::StoreError> {
    match fault {
        Fault::Refused(error) => {
            tracing::debug!(%error, "an input was refused");
            Ok(())
        }
        Fault::Store(error) => Err(error),
    }
}
