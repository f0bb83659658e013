//! Answering others.
//!
//! The core answers, within its limits for one asker and one subnet. What an asker says of itself is
//! looked into before: a node that says it serves has to have solved the puzzle, and counts as proven
//! when its packets come from the address it names; otherwise the core pings it there first.

use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::call::Answer;
use dchat_kademlia::node::{Asker, Input};
use dchat_wire::Frame;
use dchat_wire::dht::{Refusal, Server};
use tokio::time::timeout;

use super::book::Handle;
use super::inner::Inner;
use super::meet::{position, prove};
use super::rpc;
use super::table::{Table, counted_at, rtt, seen_at};
use crate::connection::Connection;
use crate::endpoint::Shared;

/// Wait until a claim may be checked; a thousand a second are.
const CHECK: Duration = Duration::from_millis(500);

/// Wait before saying that there are too many questions. Its stream stays open so long, of which a
/// peer has 80: so a flood takes no more than 800 streams a second of each connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The answer to a peer's question; `None` when we have no part in the DHT, or it is no question.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    connection: &Connection,
    question: Frame,
) -> Option<Frame> {
    let table = shared.dht.as_ref()?;
    let (question, server) = rpc::asked(question)?;
    let usage = &connection.inner().usage;
    let _in_use = usage.begin();
    table.keep_key(connection);
    // Who has no part in the DHT is not asked whether it serves.
    if let Some(server) = server.filter(|_| rpc::may_ask(connection))
        && usage.hear(&server)
        && !believe(shared, table, connection, &server).await
    {
        table.look(|inner| {
            inner.counts.served += 1;
            inner.counts.refused += 1;
        });
        return Some(rpc::refused(Refusal::BadPuzzle, 0));
    }
    let ip = counted_at(connection);
    let id = *connection.peer_id().public_key();
    let ours = table.claim(shared, connection);
    let answer = table.act(shared, |inner, now| {
        let contact = usage.proven().and_then(|handle| inner.contact(handle));
        let subnet = inner.standing.subnet(ip);
        let asker = Asker {
            subnet,
            id,
            contact,
        };
        let answer = inner.node.answer(&asker, &question, now);
        inner.counts.served += 1;
        frame(inner, answer, || usage.say(ours))
    });
    if matches!(&answer, Some(Frame::DhtRefused(no)) if no.reason == Refusal::TooMany) {
        tokio::time::sleep(PAUSE).await;
    }
    answer
}

/// Looks into what an asker says of itself. False when its puzzle is not solved.
async fn believe(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    connection: &Connection,
    server: &Server,
) -> bool {
    let usage = &connection.inner().usage;
    let peer = connection.peer_id();
    let Ok(Ok(permit)) = timeout(CHECK, table.claims.acquire()).await else {
        usage.unhear();
        return true;
    };
    let at = position(table, peer, server.nonce).await;
    drop(permit);
    let Some(at) = at else {
        table.look(|inner| inner.counts.claims_refused += 1);
        return false;
    };
    let claimed = table.look(|inner| inner.reachable(server.socket, server.other));
    let seen = seen_at(connection).filter(|seen| claimed.contains(seen));
    let handle = match seen {
        Some(_) => prove(table, connection, server, at),
        None => table.look(|inner| {
            inner.prepare();
            inner.book.hear((peer, server.nonce, at), &claimed)
        }),
    };
    let Some(handle) = handle.filter(|_| !claimed.is_empty()) else {
        return true;
    };
    let rtt = seen.map(|_| rtt(connection));
    table.act(shared, |inner, now| {
        if let Some(contact) = inner.contact(handle) {
            let seen = Input::Seen {
                contact,
                rtt,
                // We did not choose the address.
                ours: false,
            };
            inner.node.handle_input(seen, now);
        }
    });
    true
}

fn frame(
    inner: &mut Inner,
    answer: Answer<Handle>,
    claim: impl FnOnce() -> Option<Server>,
) -> Option<Frame> {
    Some(match answer {
        Answer::Nodes(nodes) => {
            let nodes = nodes.iter().filter_map(|one| inner.wire(one.handle));
            rpc::nodes(nodes.collect(), claim())
        }
        Answer::Values {
            records,
            held,
            token,
            nodes,
        } => {
            let nodes = nodes.iter().filter_map(|one| inner.wire(one.handle));
            let records = records.into_iter().map(Arc::unwrap_or_clone);
            rpc::values(records, (held, token), nodes.collect(), claim())
        }
        Answer::Stored { keep_s } => rpc::stored(keep_s),
        Answer::Refused {
            reason,
            retry_after_s,
        } => {
            inner.counts.refused += 1;
            rpc::refused(reason, retry_after_s)
        }
        // It has no frame: pings come as questions for no nodes.
        Answer::Pong => return None,
    })
}
