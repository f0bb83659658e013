//! A node's dealings with NATs: what runs beside its connections.
//!
//! * State: [`NatStatus`], newest of everything. Inputs: word that the network or the set of peers
//!   changed, or that the machine slept; what gateways and others answer. Outputs: the status, and
//!   our mapped and reflexive candidates.
//! * Bounds: one survey at a time by itself, no two within 5 s, each of 40 datagrams; gateways
//!   are asked as [`PortMapper`] does.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dchat_nat::classify::{Report, Server, ServerKind, Setup};
use dchat_nat::reach::{Limits, Policy};
use tokio::sync::watch;

use super::agenda::Agenda;
use super::config::NatConfig;
use super::contacts::Contacts;
use super::helpers::helpers;
use super::portmap::PortMapper;
use super::publish::{Published, publish};
use super::sample::sample;
use super::server::{StunServer, resolve};
use super::side::Side;
use super::sleep::SleepWatch;
use super::status::NatStatus;
use super::survey::survey;
use super::{dialback, gateway, lifetime};
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::sync::lock;

/// For how long a survey is as good as another one: a whole one and some more, and less than the
/// time between two of our own accord.
const STILL_NEW: Duration = Duration::from_secs(3);
/// Time for names, of the two seconds that a survey may take.
const NAMES: Duration = Duration::from_millis(500);
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
    /// Held while a survey runs.
    last: tokio::sync::Mutex<Option<LastSurvey>>,
    status: watch::Sender<NatStatus>,
    pub(super) published: Mutex<Option<Published>>,
    /// Changes when the node is on another network, or may be.
    pub(super) network: watch::Sender<()>,
}

/// The newest survey.
#[derive(Debug)]
struct LastSurvey {
    began: Instant,
    servers: Vec<StunServer>,
    report: Arc<Report>,
}

impl LastSurvey {
    /// Whether one that asks `servers` now would find nothing else.
    fn answers(&self, servers: &[StunServer]) -> bool {
        self.servers == servers && self.began.elapsed() < STILL_NEW
    }
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
            last: tokio::sync::Mutex::default(),
            published: Mutex::default(),
            network: watch::Sender::new(()),
        }
    }

    /// Changes when the node is on another network, or may be.
    pub(crate) fn network_changes(&self) -> watch::Receiver<()> {
        self.network.subscribe()
    }

    pub(super) fn serves(&self) -> bool {
        self.config.serve
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut NatStatus)) {
        self.status.send_modify(change);
    }

    /// Lets `change` withdraw what the endpoint was told of our NATs: until it has, nothing more is
    /// told, and everything anew after it.
    pub(crate) fn withdraw_published(&self, change: impl FnOnce()) {
        let mut published = lock(&self.published);
        *published = None;
        change();
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

    /// Asks `servers` and the nodes we are connected with what our NATs do, and puts it into the
    /// status. Takes at most 2 s and 40 datagrams; while another survey runs, or has just run, that
    /// asks the same servers, its report is the answer. `None` when the sockets are gone, or the node
    /// came to another network meanwhile: what was found is of neither.
    pub(crate) async fn survey(
        &self,
        shared: &Shared,
        servers: &[StunServer],
    ) -> Option<Arc<Report>> {
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.answers(servers))
            && let Some(report) = self.status.borrow().report.clone()
            && Arc::ptr_eq(&report, &last.report)
        {
            return Some(report);
        }
        let began = Instant::now();
        let network = self.network.subscribe();
        let report = Arc::new(self.survey_now(shared, servers).await?);
        if network.has_changed().is_ok_and(|changed| changed) {
            return None;
        }
        *last = Some(LastSurvey {
            began,
            servers: servers.to_vec(),
            report: Arc::clone(&report),
        });
        self.update(|status| status.report = Some(Arc::clone(&report)));
        publish(shared);
        Some(report)
    }

    async fn survey_now(&self, shared: &Shared, servers: &[StunServer]) -> Option<Report> {
        let began = Instant::now();
        let stun = resolve(servers, NAMES).await;
        let helpers = helpers(shared.connections());
        let setup = Setup {
            servers: in_turn(&helpers, &stun, shared.relay_only),
            locals: with_loopback(shared.own_sockets()),
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
        status.report = report;
        status
    }

    /// Whether a survey would have anybody to ask.
    fn can_survey(&self, helpers: &[(SocketAddr, Connection)]) -> bool {
        !self.config.stun.is_empty() || !helpers.is_empty()
    }
}

/// Nodes and servers in turn: only the first few are asked, and each can do what the other cannot.
/// `hidden` keeps the nodes from telling others where we are.
fn in_turn(nodes: &[(SocketAddr, Connection)], stun: &[SocketAddr], hidden: bool) -> Vec<Server> {
    let kind = match hidden {
        true => ServerKind::Stun,
        false => ServerKind::Node,
    };
    let mut servers: Vec<Server> = Vec::new();
    for place in 0..nodes.len().max(stun.len()) {
        let node = nodes.get(place).map(|(addr, _)| (*addr, kind));
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
        }
        // Even here it may have been withdrawn.
        publish(shared);
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
                if agenda.begin(wanted, helpers, Instant::now()) {
                    nat.survey(shared, &nat.config.stun).await;
                }
            }
            // Neither fails: the senders are `shared`'s.
            _ = network.changed() => agenda.network_changed(Instant::now()),
            _ = peers.changed() => agenda.peers_changed(Instant::now()),
        }
    }
}

/// The same with the loopback addresses of their ports: a server on this machine sees us there, and
/// no NAT is between.
fn with_loopback(mut sockets: Vec<SocketAddr>) -> Vec<SocketAddr> {
    for at in 0..sockets.len() {
        let loopback = match sockets[at] {
            SocketAddr::V4(addr) => SocketAddr::from((Ipv4Addr::LOCALHOST, addr.port())),
            SocketAddr::V6(addr) => SocketAddr::from((Ipv6Addr::LOCALHOST, addr.port())),
        };
        if !sockets.contains(&loopback) {
            sockets.push(loopback);
        }
    }
    sockets
}
