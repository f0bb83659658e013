//! What the node does about the distributed hash table: it finds contacts that are not where they
//! were, publishes where this node is, meets those who are in the same rooms, finds relays when they
//! are needed, and remembers nodes.
//!
//! * [`seek`], [`members`], [`publish`], [`order`], [`rendezvous`], [`relays`] and [`own`] decide, without a clock or a socket; the
//!   [`Directory`] carries out: it [looks](look) at what the endpoint knows every [`LOOK`], runs
//!   lookups as tasks, [puts](put) records, [answers](ask) this home's user, and tells the engine what
//!   is to be [kept](remember).
//! * Bounds: those of the seven, and with them of the tasks.

mod answer;
mod ask;
mod backoff;
mod look;
mod meet;
mod meeting;
mod members;
mod order;
mod own;
mod publish;
mod put;
mod record;
mod relays;
mod remember;
mod rendezvous;
mod seek;

pub(super) use ask::off;
pub(super) use meeting::Member;
pub(super) use remember::settings;
pub(super) use rendezvous::Topic;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dchat_nat::scope::is_global;
use dchat_transport as transport;
use dchat_wire::hello::role;
use dchat_wire::record::SignedRecord;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use transport::dht::Dht;

use self::members::Members;
use self::order::Order;
use self::publish::{Item, Publish};
use self::put::{PutDone, Wanted};
use self::record::Content;
use self::relays::RelaySearch;
use self::remember::Remembered;
use self::rendezvous::Rendezvous;
use self::seek::Seek;
use super::engine::Input;
use super::hub::Hub;
use super::profile::random;
use crate::api::{ApiError, DhtPublished, Reply};
use crate::seam::PeerConfig;
use crate::settings::{Admission, Serve};
use crate::store::OwnRecord;

/// Between two looks at what the endpoint knows.
const LOOK: Duration = Duration::from_secs(1);
/// How long this node may be unreachable, as far as it knows, before relays are looked for.
const GRACE: Duration = Duration::from_secs(3);
/// How long a question waits until somebody is known to put it to.
const JOINING: Duration = Duration::from_secs(10);

/// One question of this home's user.
pub(super) type Answer = oneshot::Sender<Result<Reply, ApiError>>;

/// What of the settings concerns the table.
#[derive(Clone, Copy, Debug)]
struct Policy {
    /// Whoever runs the node says that it can be reached.
    vouched: bool,
    /// Relays are to be found when they are needed.
    find_relays: bool,
    /// We relay for anybody.
    advertise: bool,
    /// There is somebody to begin with.
    bootstrap: bool,
    /// All that there is to begin with is private.
    private: bool,
}

/// See the [module](self).
pub(super) struct Directory {
    endpoint: transport::Endpoint,
    dht: Dht,
    identity: Identity,
    engine: mpsc::Sender<Input>,
    hub: Hub,
    policy: Policy,
    seek: Seek,
    publish: Publish<Content>,
    rendezvous: Rendezvous,
    members: Members,
    relays: RelaySearch,
    published: BTreeMap<Item, DhtPublished>,
    order: Order,
    /// Our own addresses.
    own: Vec<Address>,
    began: Instant,
    looked: Instant,
    device_asked: Option<Instant>,
    remembered: Remembered,
    /// Records to be put now, at most as many as there are clients of the control socket.
    wanted: Vec<Wanted>,
    /// Since when nobody is known, and whether that was told.
    alone: Option<(Instant, bool)>,
    work: JoinSet<Done>,
}

/// What came of a task.
enum Done {
    Looked(PeerId, Vec<Address>),
    Members(Topic, Vec<Member>),
    Relays(Vec<Address>),
    Put(Box<PutDone>),
    Device(Option<SignedRecord>),
}

impl Directory {
    /// `None` when the endpoint takes no part in the table. `earlier` is what the home remembers of own
    /// records.
    pub(super) fn new(
        endpoint: &transport::Endpoint,
        identity: &Identity,
        engine: &mpsc::Sender<Input>,
        hub: &Hub,
        config: &PeerConfig,
        earlier: &[OwnRecord],
    ) -> Option<Self> {
        let now = Instant::now();
        let relays = config.roles & role::RELAY != 0;
        let vouched = config.dht.serve == Serve::Always;
        Some(Self {
            dht: endpoint.dht()?,
            endpoint: endpoint.clone(),
            identity: identity.clone(),
            engine: engine.clone(),
            hub: hub.clone(),
            policy: Policy {
                vouched: vouched || relays || config.roles & role::BOOTSTRAP != 0,
                find_relays: config.relays.is_empty() && !relays,
                advertise: relays && config.relaying.reservations == Admission::Anyone,
                bootstrap: !config.bootstrap.is_empty(),
                private: !config.bootstrap.is_empty()
                    && config
                        .bootstrap
                        .iter()
                        .all(|one| !is_global(one.socket().ip())),
            },
            seek: Seek::default(),
            publish: Publish::default(),
            rendezvous: Rendezvous::default(),
            members: Members::default(),
            relays: RelaySearch::default(),
            published: BTreeMap::new(),
            order: Order::after(earlier),
            own: Vec::new(),
            began: now,
            looked: now,
            device_asked: None,
            remembered: Remembered::default(),
            wanted: Vec::new(),
            alone: None,
            work: JoinSet::new(),
        })
    }

    /// A contact is to be connected; it may be at these addresses.
    pub(super) fn want(&mut self, peer: PeerId, addresses: &[Address]) {
        self.seed(peer, addresses);
        self.seek.want(peer, !addresses.is_empty(), Instant::now());
    }

    /// No longer.
    pub(super) fn unwant(&mut self, peer: &PeerId) {
        self.seek.unwant(peer);
    }

    /// Somebody of this home wants to reach a contact now.
    pub(super) fn hurry(&mut self, peer: &PeerId) {
        self.seek.hurry(peer, Instant::now());
    }

    /// A connection with a peer is up.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        self.seek.connected(peer);
        self.members.connected(peer);
    }

    /// A member of a group is to be reached; where to look it up, unless that was done a moment ago.
    pub(super) fn look_for_member(&mut self, peer: PeerId) -> Option<Dht> {
        let somebody = self.dht.stat().contacts > 0;
        let may = somebody && self.members.may_look(peer, Instant::now());
        may.then(|| self.dht.clone())
    }

    /// It is gone.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.seek.disconnected(peer, Instant::now());
    }

    /// A peer that may be a node of the table is at these addresses.
    pub(super) fn seed(&self, peer: PeerId, addresses: &[Address]) {
        let direct = addresses
            .iter()
            .filter(|one| matches!(one, Address::Direct { .. }));
        let direct: Vec<Address> = direct.map(|one| one.of(peer)).collect();
        if !direct.is_empty() {
            self.dht.seed(&direct);
        }
    }

    /// We listen at these addresses now.
    pub(super) fn listening(&mut self, addresses: &[Address]) {
        let own = addresses.iter().copied();
        let own = own.filter(|one| matches!(one, Address::Direct { .. }));
        let own: Vec<Address> = own.collect();
        if own == self.own {
            return;
        }
        self.own = own;
        let now = Instant::now();
        self.seek.network_changed(now);
        self.rendezvous.network_changed(now);
        self.publish.network_changed(now);
    }

    /// Waits until there is something to [`carry on`](Self::go_on) with. May be dropped.
    pub(super) async fn ready(&mut self) -> Next {
        let due = [self.seek.due(), self.publish.due(), self.relays.due()];
        let look = self.looked + LOOK;
        // What is due and cannot be done yet is looked at again with everything else.
        let due = due
            .into_iter()
            .flatten()
            .map(|due| due.max(self.looked + LOOK / 4));
        let soon = (!self.wanted.is_empty()).then_some(self.looked + LOOK / 4);
        let due = due.chain(soon).chain([look]).min().unwrap_or(look);
        tokio::select! {
            Some(done) = self.work.join_next() => Next(done.ok()),
            () = tokio::time::sleep_until(due.into()) => Next(None),
        }
    }

    /// Does what is due.
    pub(super) async fn go_on(&mut self, next: Next) {
        if let Some(done) = next.0 {
            self.take(done).await;
        }
        let now = Instant::now();
        let stat = self.dht.stat();
        self.look(&stat, now);
        self.remember(false, now).await;
        self.put_what_was_wanted(now);
        if stat.contacts == 0 {
            return;
        }
        self.look_up(now);
        self.look_for_members(&stat, now);
        self.find_relays(now);
        self.put_due(now);
    }

    /// Writes down what is to be known at the next start.
    pub(super) async fn finish(&mut self) {
        self.work.shutdown().await;
        self.remember(true, Instant::now()).await;
    }

    async fn take(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Looked(peer, addresses) => {
                // Whoever is no contact any more is not to be connected again.
                let sought = self.seek.done(&peer, number(), now);
                if !sought || addresses.is_empty() {
                    return;
                }
                tracing::debug!(%peer, ?addresses, "a contact was found");
                if let Err(error) = self.endpoint.keep(peer, &addresses) {
                    tracing::debug!(%error, "a contact that was found is not kept connected");
                }
                self.tell(Input::Identified { peer, addresses }).await;
            }
            Done::Members(topic, found) => self.members_found(topic, found, now).await,
            Done::Relays(relays) => {
                self.relays.found(relays, now);
                if self.relays.is_short() {
                    let chosen = self.relays.chosen(&self.held(), number());
                    self.endpoint.set_relays(&chosen);
                }
            }
            Done::Put(put) => self.put_done(*put, now),
            Done::Device(record) => {
                if let Some(record) = record {
                    self.publish
                        .set(Item::Device, Some(Content::Device(record)), now);
                }
            }
        }
    }

    async fn tell(&self, input: Input) {
        // The engine ends only after this half has.
        let _ = self.engine.send(input).await;
    }
}

/// What [`Directory::ready`] waited for.
pub(super) struct Next(Option<Done>);

/// A random number; where the system gives none, one that is not.
fn number() -> u64 {
    random::<8>().map_or(0, u64::from_le_bytes)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
