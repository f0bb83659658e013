//! A node's dealings with NATs: what runs beside its connections.
//!
//! * State: [`NatStatus`], newest of everything. Inputs: word that the network or the set of peers
//!   changed, or that the machine slept; what gateways and others answer. Outputs: the status, and
//!   our mapped and reflexive candidates.
//! * Bounds: one survey at a time by itself, no two within [`PAUSE`], each of 40 datagrams; gateways
//!   are asked as [`PortMapper`] does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dchat_nat::classify::{Report, SERVERS, Server, ServerKind, Setup};
use dchat_nat::reach::{Limits, Policy};
use dchat_wire::nat::CandidateKind;
use tokio::sync::watch;

use super::config::NatConfig;
use super::contacts::Contacts;
use super::helpers::helpers;
use super::portmap::PortMapper;
use super::sample::sample;
use super::server::{StunServer, resolve};
use super::side::Side;
use super::sleep::SleepWatch;
use super::status::NatStatus;
use super::survey::survey;
use super::{dialback, gateway, lifetime};
use crate::connection::Connection;
use crate::endpoint::Shared;

/// Shortest time between two surveys of our own accord.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time: a provider may change its NAT without any sign here.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// Time for names, of the two seconds that a survey may take.
const NAMES: Duration = Duration::from_millis(500);
/// Between a change of the peers and a look at them: they come in numbers.
const SETTLE: Duration = Duration::from_millis(200);
/// All of a survey: a person may wait for it.
const WHOLE: Duration = Duration::from_millis(1_950);
/// Time to give mappings back when the endpoint closes.
const WITHDRAW: Duration = Duration::from_secs(1);

/// The part of an endpoint that deals with NATs.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(super) side: Side,
    /// What others may ask of us.
    pub(super) policy: Mutex<Policy>,
    pub(crate) contacts: Contacts,
    config: NatConfig,
    status: watch::Sender<NatStatus>,
    /// Changes when the node is on another network, or may be.
    pub(super) network: watch::Sender<()>,
}

impl Nat {
    pub(crate) fn new(paths: crate::socket::Paths, config: NatConfig) -> Self {
        Self {
            side: Side::new(paths),
            policy: Mutex::new(Policy::new(Limits::default(), Instant::now())),
            contacts: Contacts::default(),
            status: watch::Sender::new(NatStatus {
                port_mapping: config.port_mapping.begun(),
                ..NatStatus::default()
            }),
            config,
            network: watch::Sender::new(()),
        }
    }

    pub(super) fn serves(&self) -> bool {
        self.config.serve
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut NatStatus)) {
        self.status.send_modify(change);
    }

    /// The newest of everything, to be followed.
    pub(crate) fn status(&self) -> watch::Receiver<NatStatus> {
        self.status.subscribe()
    }

    /// The public address that a mapping made just now gets, by who answered a survey fastest or, if
    /// there was none, by any node.
    pub(crate) async fn sample(&self, shared: &Shared) -> Option<SocketAddr> {
        let reflector = self.reflector(shared)?;
        let local = self.side.beside(reflector);
        sample(local, reflector, shared.entropy.draw()).await
    }

    fn reflector(&self, shared: &Shared) -> Option<SocketAddr> {
        let report = self.status.borrow().report.clone();
        let answered = report.iter().flat_map(|report| &report.servers);
        let fastest = answered
            .filter_map(|server| Some((server.address.is_ipv6(), server.rtt?, server.address)))
            .min();
        let fastest = fastest.map(|(.., addr)| addr);
        let nodes = || helpers(shared.connections()).into_iter();
        fastest.or_else(|| nodes().map(|(addr, _)| addr).next())
    }

    /// Asks `servers` and the nodes we are connected with what our NATs do. Takes at most 2 s and 40
    /// datagrams; `None` when too many surveys run at once.
    pub(crate) async fn survey(&self, shared: &Shared, servers: &[StunServer]) -> Option<Report> {
        let began = Instant::now();
        let stun = resolve(servers, NAMES).await;
        let helpers = helpers(shared.connections());
        let setup = Setup {
            servers: in_turn(&helpers, &stun),
            locals: shared.own_sockets(),
            gateway: self.status.borrow().gateway_ip(),
        };
        let left = WHOLE.saturating_sub(began.elapsed());
        survey(&self.side, setup, &helpers, left, shared.entropy.draw()).await
    }

    /// All that can be found out in 2 s: a [`survey`](Self::survey), and what gateways said until it
    /// ended.
    pub(crate) async fn diagnose(&self, shared: &Shared, servers: &[StunServer]) -> NatStatus {
        let mut status = self.status();
        let settled = async {
            // What it returns holds the status for reading: it has to go before anything waits.
            drop(
                status
                    .wait_for(|status| status.port_mapping.is_settled())
                    .await,
            );
        };
        let settled = tokio::time::timeout(WHOLE, settled);
        let (report, _) = tokio::join!(self.survey(shared, servers), settled);
        let mut status = self.status.borrow().clone();
        if let Some(report) = report {
            status.report = Some(Arc::new(report));
        }
        status
    }

    /// Whether a survey would have anybody to ask.
    fn can_survey(&self, helpers: &[(SocketAddr, Connection)]) -> bool {
        !self.config.stun.is_empty() || !helpers.is_empty()
    }
}

/// Nodes and servers in turn: only the first few are asked, and each can do what the other cannot.
fn in_turn(nodes: &[(SocketAddr, Connection)], stun: &[SocketAddr]) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for place in 0..nodes.len().max(stun.len()) {
        let node = nodes.get(place).map(|(addr, _)| (*addr, ServerKind::Node));
        let server = stun.get(place).map(|addr| (*addr, ServerKind::Stun));
        for (address, kind) in [node, server].into_iter().flatten() {
            if !servers.iter().any(|known| known.address == address) {
                servers.push(Server { address, kind });
            }
        }
    }
    servers
}

/// Serves others and looks after our own NATs until the endpoint closes.
pub(crate) async fn run(shared: Arc<Shared>) {
    let channel = shared.paths.side_channel();
    let serve = shared.nat.side.run(channel, shared.nat.config.serve);
    let mapper = PortMapper::start(
        &shared.nat.config.port_mapping,
        &shared.paths.local_addrs(),
        &shared.nat.network.subscribe(),
        shared.entropy.draw(),
    );
    tokio::select! {
        () = serve => {}
        () = follow_network(&shared) => {}
        () = follow_mapping(&shared, &mapper) => {}
        () = survey_again(&shared) => {}
        () = dialback::follow(&shared) => {}
        () = lifetime::follow(&shared) => {}
        () = shared.closing() => {}
    }
    mapper.withdraw(WITHDRAW).await;
}

/// Tells when this is another network: nothing is known of it, and other gateways have to be asked.
async fn follow_network(shared: &Arc<Shared>) {
    let place = || {
        let gateways = (gateway::default_v4(), gateway::default_v6());
        (shared.own_sockets(), gateways)
    };
    let mut interfaces = shared.interfaces.subscribe();
    let mut sleep = SleepWatch::new();
    let mut here = place();
    loop {
        let slept = tokio::select! {
            // It does not fail: the sender is `shared`'s.
            _ = interfaces.changed() => false,
            () = sleep.woke() => true,
        };
        let there = place();
        // Interfaces also change in what is nothing to us.
        if slept || there != here {
            here = there;
            shared.nat.update(|status| {
                status.report = None;
                status.lifetime = None;
            });
            shared.nat.network.send_replace(());
            publish(shared);
        }
        if slept {
            shared.woke();
        }
    }
}

/// Keeps the mapping in the status, and its candidates told.
async fn follow_mapping(shared: &Shared, mapper: &PortMapper) {
    let mut mapping = mapper.subscribe();
    loop {
        let mapped = *mapping.borrow_and_update();
        shared.nat.update(|status| status.port_mapping = mapped);
        publish(shared);
        if mapping.changed().await.is_err() {
            // With its protocols off the mapper has no task that could tell of anything.
            core::future::pending::<()>().await;
        }
    }
}

/// Surveys whenever there is a reason to.
async fn survey_again(shared: &Shared) {
    let nat = &shared.nat;
    let mut network = nat.network.subscribe();
    let mut peers = shared.peers.subscribe();
    let mut agenda = Agenda::new(Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(agenda.due.into()) => {
                let helpers = helpers(shared.connections());
                let wanted = nat.config.survey && nat.can_survey(&helpers);
                let helpers: Vec<SocketAddr> = helpers.into_iter().map(|(addr, _)| addr).collect();
                if agenda.begin(wanted, helpers, Instant::now())
                    && let Some(report) = nat.survey(shared, &nat.config.stun).await
                {
                    nat.update(|status| status.report = Some(Arc::new(report)));
                    publish(shared);
                }
            }
            // Neither fails: the senders are `shared`'s.
            _ = network.changed() => agenda.network_changed(Instant::now()),
            _ = peers.changed() => agenda.peers_changed(Instant::now()),
        }
    }
}

/// Tells the endpoint our candidates.
fn publish(shared: &Shared) {
    let status = shared.nat.status.borrow().clone();
    let own = shared.own_sockets();
    let class = status.class();
    shared.set_local_candidates(class.clone(), CandidateKind::Mapped, status.mapped());
    shared.set_local_candidates(class, CandidateKind::Reflexive, status.reflexive(&own));
}

/// When the next survey is due.
#[derive(Debug)]
struct Agenda {
    due: Instant,
    /// When the last one was.
    last: Option<Instant>,
    /// Whether whatever was found is of another network.
    stale: bool,
    /// Whom the last one could ask.
    helpers: Vec<SocketAddr>,
}

impl Agenda {
    fn new(now: Instant) -> Self {
        Self {
            due: now,
            last: None,
            stale: true,
            helpers: Vec::new(),
        }
    }

    fn network_changed(&mut self, now: Instant) {
        self.stale = true;
        self.soon(now);
    }

    /// A survey with more to ask may find more, if it had few.
    fn peers_changed(&mut self, now: Instant) {
        if self.helpers.len() < SERVERS {
            self.soon(now);
        }
    }

    fn soon(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| last + PAUSE);
        self.due = self.due.min(earliest.max(now + SETTLE));
    }

    /// It is due: whether one shall be made now, given whom it could ask.
    fn begin(&mut self, wanted: bool, helpers: Vec<SocketAddr>, now: Instant) -> bool {
        let refresh = self.last.is_some_and(|last| now >= last + REFRESH);
        let more = helpers.iter().any(|addr| !self.helpers.contains(addr));
        let begin = wanted && (self.stale || refresh || more);
        self.due = now + REFRESH;
        if begin {
            self.last = Some(now);
            self.stale = false;
            self.helpers = helpers;
        }
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(ports: core::ops::Range<u16>) -> Vec<SocketAddr> {
        ports.map(|port| ([192, 0, 2, 1], port).into()).collect()
    }

    #[test]
    fn the_first_survey_waits_for_somebody_to_ask() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(!agenda.begin(false, Vec::new(), start));
        agenda.peers_changed(start);
        assert_eq!(agenda.due, start + SETTLE);
        assert!(agenda.begin(true, addrs(1..2), agenda.due));
    }

    #[test]
    fn more_to_ask_are_a_reason_only_while_there_are_few() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(agenda.begin(true, addrs(1..2), start));
        agenda.peers_changed(start);
        assert_eq!(agenda.due, start + PAUSE);
        assert!(!agenda.begin(true, addrs(1..2), agenda.due));
        agenda.peers_changed(start);
        assert!(agenda.begin(true, addrs(1..6), agenda.due));
        let enough = agenda.due;
        agenda.peers_changed(start);
        assert_eq!(agenda.due, enough);
    }

    #[test]
    fn a_changed_network_is_surveyed_soon_but_not_in_a_loop() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(agenda.begin(true, addrs(1..9), start));
        agenda.network_changed(start);
        assert_eq!(agenda.due, start + PAUSE);
        assert!(agenda.begin(true, addrs(1..9), agenda.due));
        let last = agenda.due - REFRESH;
        agenda.network_changed(last + PAUSE * 2);
        assert_eq!(agenda.due, last + PAUSE * 2 + SETTLE);
    }
}
