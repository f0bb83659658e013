//! Getting to know nodes: those we talk to, by what they say of themselves, and those others name.
//!
//! A node that was spoken to is entered where it was spoken to, once the nonce it says solves its
//! puzzle. One that is only named is entered as hearsay, with its puzzle checked as well: so nobody
//! can be made to ask at positions that cost nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use dchat_kademlia::Key;
use dchat_kademlia::call::{Known, Nodes, Question};
use dchat_kademlia::node::{Fault, Input};
use dchat_wire::PeerId;
use dchat_wire::dht::{Node, Server};

use super::book::{Entry, Handle};
use super::puzzles;
use super::table::{Table, seen_at};
use crate::connection::Connection;
use crate::endpoint::Shared;

/// Whether the peer of `connection` is at the position it was asked at, by what it says of itself. It
/// may have moved; then it is entered at the new one.
pub(super) async fn confirm(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    connection: &Connection,
    handle: Handle,
    entry: &Entry,
) -> Result<(), Fault> {
    let usage = &connection.inner().usage;
    if usage.proven() == Some(handle) {
        return Ok(());
    }
    let Some(server) = usage.heard() else {
        // It does not serve, and says so itself.
        return Ok(());
    };
    if server.nonce == entry.nonce {
        prove(table, connection, &server, entry.at);
        return Ok(());
    }
    meet(shared, table, connection, &server).await;
    Err(Fault::Misbehaved)
}

/// Enters the peer of `connection`, which serves at `at`, in the book. Its handle.
pub(super) fn prove(
    table: &Table,
    connection: &Connection,
    server: &Server,
    at: Key,
) -> Option<Handle> {
    let seen = seen_at(connection)?;
    let peer = connection.peer_id();
    let handle = table.look(|inner| {
        let claimed = inner.reachable(server.socket, server.other);
        let mut sockets = vec![seen];
        let others = claimed
            .into_iter()
            .filter(|at| at.is_ipv4() != seen.is_ipv4());
        sockets.extend(others.take(1));
        inner.prepare();
        let now = inner.clock.now();
        let (handle, void) = inner.book.prove((peer, server.nonce, at), &sockets, now);
        if let Some(handle) = void {
            inner.node.handle_input(Input::Gone { handle }, now);
        }
        handle
    });
    connection.inner().usage.prove(handle);
    Some(handle)
}

/// Makes the acquaintance of the peer of `connection`, which we dialed and which says that it serves.
pub(super) async fn meet(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    connection: &Connection,
    server: &Server,
) {
    let Some(at) = position(table, connection.peer_id(), server.nonce).await else {
        table.look(|inner| inner.counts.claims_refused += 1);
        return;
    };
    if let Some(handle) = prove(table, connection, server, at) {
        table.act(shared, |inner, now| {
            if let Some(contact) = inner.contact(handle) {
                inner.node.handle_input(Input::Seed { contact }, now);
            }
        });
    }
}

/// Where a nonce leads a node; `None` when it does not solve the puzzle.
pub(super) async fn position(table: &Table, peer: PeerId, nonce: u64) -> Option<Key> {
    let (known, difficulty) = table.look(|inner| {
        let known = inner.book.position(&peer, nonce);
        (known, inner.standing.difficulty())
    });
    if known.is_some() {
        return known;
    }
    let positions = puzzles::positions(vec![(peer, nonce)], difficulty).await;
    positions.into_iter().next().flatten()
}

/// The nodes that an answer names and that could be asked themselves.
pub(super) async fn named(table: &Table, nodes: Vec<Node>, question: &Question) -> Nodes<Handle> {
    let known = match question {
        Question::Find { known, .. } | Question::Get { known, .. } => *known,
        Question::Ping | Question::Put { .. } => Known::default(),
    };
    let candidates = candidates(table, nodes).await;
    let mut named = Nodes::default();
    table.look(|inner| {
        inner.prepare();
        for (peer, nonce, at, sockets) in candidates {
            if known.iter().any(|tail| tail == at.tail()) {
                continue;
            }
            let handle = inner.book.hear((peer, nonce, at), &sockets);
            if let Some(contact) = handle.and_then(|handle| inner.contact(handle)) {
                // There is room for as many as one may ask for.
                named.push(contact);
            }
        }
    });
    named
}

type Candidate = (PeerId, u64, Key, Vec<SocketAddr>);

/// Those of `nodes` whose keys are keys, whose addresses can be reached, and whose puzzles are
/// solved, in their order.
async fn candidates(table: &Table, nodes: Vec<Node>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut unknown = Vec::new();
    let difficulty = table.look(|inner| {
        for node in nodes {
            let Ok(peer) = PeerId::from_public_key(node.key) else {
                continue;
            };
            let sockets = inner.reachable(node.socket, node.other);
            if sockets.is_empty() {
                continue;
            }
            let at = inner.book.position(&peer, node.nonce);
            if at.is_none() {
                unknown.push((peer, node.nonce));
            }
            candidates.push((peer, node.nonce, at, sockets));
        }
        inner.standing.difficulty()
    });
    let mut checked = Vec::new();
    if !unknown.is_empty() {
        // It is never closed.
        let _permit = table.checks.acquire().await;
        checked = puzzles::positions(unknown, difficulty).await;
    }
    let mut checked = checked.into_iter();
    let settled = |(peer, nonce, at, sockets): (PeerId, u64, Option<_>, _)| {
        let at = at.or_else(|| checked.next().flatten())?;
        Some((peer, nonce, at, sockets))
    };
    candidates.into_iter().filter_map(settled).collect()
}
