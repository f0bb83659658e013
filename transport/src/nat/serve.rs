//! What we do for others: a datagram to an address of theirs, from where they ask for it.
//!
//! [`Policy`] decides what may be sent, and how often. The asker has to be connected directly: over a
//! relay nobody knows which address is its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dchat_nat::reach::{Policy, Task};
use dchat_wire::nat::{Reach, ReachFrom, ReachResult, reach_datagram};
use dchat_wire::{Address, PeerId};

use super::helpers::reachers;
use super::node::Nat;
use super::{ask, fresh};
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::path::PathKind;
use crate::sync::lock;

/// Does what `connection`'s peer asks for, as far as that is allowed and possible.
pub(crate) async fn serve(shared: &Shared, connection: &Connection, asked: &Reach) -> ReachResult {
    let nat = &shared.nat;
    let path = connection.path();
    let (PathKind::Direct, Address::Direct { socket: seen, .. }) = (path.kind, path.addr) else {
        return ReachResult::Unable;
    };
    if !nat.serves() {
        return ReachResult::Unable;
    }
    let asker = connection.peer_id();
    let decided = lock(&nat.policy).decide(asked, asker, seen, Instant::now());
    let token = asked.token;
    match decided {
        Err(refused) => refused,
        Ok(Task::OtherPort { target }) => from_other_port(nat, target, token).await,
        Ok(Task::Here { target }) => from_here(nat, target, token),
        Ok(Task::OtherNode { target }) => {
            from_other_node(shared, asker, seen.ip(), target, token).await
        }
    }
}

async fn from_other_port(nat: &Nat, target: SocketAddr, token: [u8; 16]) -> ReachResult {
    let Ok(socket) = fresh::open(nat.side.beside(target)) else {
        return ReachResult::Unable;
    };
    if fresh::send(&socket, target, &reach_datagram::seal(&token)).await {
        ReachResult::Sent
    } else {
        ReachResult::Unable
    }
}

fn from_here(nat: &Nat, target: SocketAddr, token: [u8; 16]) -> ReachResult {
    if nat.side.send(target, &reach_datagram::seal(&token)) {
        ReachResult::Sent
    } else {
        ReachResult::Unable
    }
}

/// Asks another node, in no order that anybody could foresee.
async fn from_other_node(
    shared: &Shared,
    asker: PeerId,
    asker_ip: IpAddr,
    target: SocketAddr,
    token: [u8; 16],
) -> ReachResult {
    let mut others = reachers(shared.connections());
    others.retain(|(_, connection)| connection.peer_id() != asker);
    if others.is_empty() {
        return ReachResult::Unable;
    }
    let first = shared.entropy.number() % others.len() as u64;
    others.rotate_left(usize::try_from(first).unwrap_or(0));
    let nodes: Vec<(PeerId, SocketAddr)> = others
        .iter()
        .map(|(addr, connection)| (connection.peer_id(), *addr))
        .collect();
    let mut ours: Vec<IpAddr> = shared.own_sockets().iter().map(SocketAddr::ip).collect();
    ours.push(asker_ip);
    let chosen = Policy::other_node(&nodes, &ours, target);
    let chosen = others
        .iter()
        .find(|(_, connection)| Some(connection.peer_id()) == chosen);
    match chosen {
        Some((_, other)) => match ask::reach(other, token, ReachFrom::Here, target).await {
            ReachResult::Sent => ReachResult::Sent,
            ReachResult::Limited => ReachResult::Limited,
            ReachResult::Forbidden | ReachResult::Unable => ReachResult::Unable,
        },
        None => ReachResult::Unable,
    }
}
