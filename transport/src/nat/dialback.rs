//! Whether strangers can reach us: the streams and datagrams under [`Reachability`].
//!
//! Bounds: a question has one task and ends in 2 s; the machine asks six nodes at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::reach::{Ask, Config, Input, Output, Reachability};
use dchat_wire::PeerId;
use dchat_wire::nat::{ReachFrom, ReachResult, reach_datagram};
use tokio::task::JoinSet;

use super::ask;
use super::helpers::reachers;
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::socket::SideDatagram;

/// Between a change of the peers and a look at them: they come in numbers.
const SETTLE: Duration = Duration::from_millis(500);
/// Tokens remembered, so that datagrams without one cost nothing.
const TOKENS: usize = 64;

/// Keeps the verdict in the status until the endpoint closes.
pub(super) async fn follow(shared: &Shared) {
    if shared.relay_only {
        // Whoever tried would have to know our address.
        return core::future::pending().await;
    }
    let Some(mut arriving) = shared.nat.side.listen() else {
        return;
    };
    let mut status = shared.nat.status();
    let mut peers = shared.peers.subscribe();
    let mut network = shared.nat.network.subscribe();
    let mut back = DialBack {
        shared,
        machine: Reachability::new(Config::default(), shared.entropy.draw(), Instant::now()),
        nodes: BTreeMap::new(),
        tokens: BTreeSet::new(),
        tasks: JoinSet::new(),
    };
    let mut look = Some(Instant::now());
    loop {
        back.act();
        let (due, looking) = (back.machine.poll_timeout(), look);
        tokio::select! {
            () = until(due) => back.machine.handle_timeout(Instant::now()),
            () = until(looking) => {
                look = None;
                back.look();
            }
            // None of these fails: the senders are `shared`'s.
            _ = peers.changed() => {
                look.get_or_insert_with(|| Instant::now() + SETTLE);
            }
            _ = network.changed() => back.tell(Input::NetworkChanged),
            _ = status.changed() => {
                let address = status.borrow_and_update().reachable_at(&shared.own_sockets());
                back.tell(Input::Address(address));
            }
            Some(answered) = back.tasks.join_next(), if !back.tasks.is_empty() => {
                // One that panicked has no answer; the machine waits for none.
                if let Ok((token, result)) = answered {
                    back.tell(Input::Reached { token, result });
                }
            }
            datagram = arriving.recv() => match datagram {
                Some(datagram) => back.arrived(&datagram),
                None => return,
            },
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => core::future::pending().await,
    }
}

struct DialBack<'a> {
    shared: &'a Shared,
    machine: Reachability,
    /// Who can be asked now.
    nodes: BTreeMap<PeerId, Connection>,
    /// Those that were asked about.
    tokens: BTreeSet<[u8; 16]>,
    tasks: JoinSet<([u8; 16], ReachResult)>,
}

impl DialBack<'_> {
    fn tell(&mut self, input: Input) {
        self.machine.handle_input(input, Instant::now());
    }

    fn look(&mut self) {
        let found = reachers(self.shared.connections());
        let nodes: Vec<(PeerId, SocketAddr)> = found
            .iter()
            .map(|(addr, connection)| (connection.peer_id(), *addr))
            .collect();
        self.nodes = found
            .into_iter()
            .map(|(_, connection)| (connection.peer_id(), connection))
            .collect();
        self.tell(Input::Nodes(nodes));
    }

    fn act(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Ask(ask) => self.ask(ask),
                Output::Changed(verdict) => {
                    tracing::debug!(?verdict, "reachability");
                    self.shared
                        .nat
                        .update(|status| status.reachability = verdict);
                }
                Output::Silent(nodes) => {
                    tracing::debug!(?nodes, "say they sent what did not arrive");
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        if self.tokens.len() >= TOKENS {
            // Of tests long over.
            self.tokens.clear();
        }
        self.tokens.insert(ask.token);
        let connection = self.nodes.get(&ask.node).cloned();
        self.tasks.spawn(async move {
            let result = match connection {
                Some(node) => ask::reach(&node, ask.token, ReachFrom::OtherNode, ask.target).await,
                None => ReachResult::Unable,
            };
            (ask.token, result)
        });
    }

    fn arrived(&mut self, datagram: &SideDatagram) {
        let Some(token) = reach_datagram::open(&datagram.bytes) else {
            return;
        };
        if !self.tokens.contains(&token) {
            return;
        }
        let from = crate::path::canonical(datagram.from);
        self.tell(Input::Datagram {
            from,
            bytes: datagram.bytes.to_vec(),
            contacted: self.shared.has_contacted(from.ip()),
        });
    }
}
