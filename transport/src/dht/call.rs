//! Asking: a question of the core goes to a node and its answer comes back.
//!
//! A ping goes by pulse while a key of an earlier connection is held, everything else over a
//! connection: whichever there is with the peer, or one made for the DHT alone. What comes back is
//! believed when the peer is who the book says, and the nodes it names once their puzzles are
//! checked; that they exist, only once they answer themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_kademlia::call::{Answer, Question};
use dchat_kademlia::node::{Fault, Input};
use dchat_wire::dht::{Refusal, Server};
use dchat_wire::pulse::Pulse;
use dchat_wire::{Address, PeerId};
use quinn::RecvStream;
use tokio::time::timeout;

use super::book::{Entry, Handle};
use super::inner::Call;
use super::meet::{confirm, named};
use super::rpc::{self, Reply};
use super::table::{Table, seen_at};
use crate::connection::{Aim, Connection, Errand};
use crate::dial::dial_for;
use crate::endpoint::Shared;
use crate::error::DialError;

/// Longer than the core waits for anything: what takes longer is given up.
const LONGEST: Duration = Duration::from_secs(6);
/// Pulses of one ping, and the wait for each.
const PULSES: (u32, Duration) = (2, Duration::from_secs(1));

/// What came of a question.
struct Answered {
    answer: Answer<Handle>,
    rtt: Duration,
}

/// Asks what the core wants asked, and tells it what came of it.
pub(super) async fn call(shared: Arc<Shared>, table: Arc<Table>, call: Call) {
    let Call { id, to, question } = call;
    let asked = attempt(&shared, &table, to.handle, &question);
    let result = tokio::select! {
        result = timeout(LONGEST, asked) => result.unwrap_or(Err(Fault::Unreachable)),
        () = shared.closing() => return,
    };
    table.act(&shared, |inner, now| match result {
        Ok(Answered { answer, rtt }) => {
            inner.book.answered(to.handle, Some(rtt), now);
            if let (Question::Put { key, record, .. }, Answer::Refused { reason, .. }) =
                (&question, &answer)
            {
                inner.refused(*key, record, *reason);
            }
            inner
                .node
                .handle_input(Input::Answered { call: id, answer }, now);
        }
        Err(fault) => {
            inner
                .node
                .handle_input(Input::Failed { call: id, fault }, now);
        }
    });
}

/// Asks a node for a sign of life on somebody else's account. How long it took.
pub(super) async fn ping(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    handle: Handle,
) -> Option<Duration> {
    let asked = attempt(shared, table, handle, &Question::Ping);
    let answered = timeout(LONGEST, asked).await.ok()?.ok()?;
    Some(answered.rtt)
}

async fn attempt(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    handle: Handle,
    question: &Question,
) -> Result<Answered, Fault> {
    let entry = table.look(|inner| inner.book.entry(handle).cloned());
    // The book was full, and the core does not hold it.
    let entry = entry.ok_or(Fault::Busy)?;
    let ping = matches!(question, Question::Ping);
    if ping && let Some(rtt) = pulse(shared, table, &entry).await {
        let answer = Answer::Pong;
        return Ok(Answered { answer, rtt });
    }
    // What answers elsewhere says nothing of the address in the table.
    let elsewhere =
        |connection: Connection| seen_at(&connection).is_none_or(|at| !entry.sockets.contains(&at));
    if ping && shared.live(&entry.peer).is_some_and(elsewhere) {
        return Err(Fault::Unreachable);
    }
    let addrs: Vec<Address> = entry.sockets.iter().copied().map(Address::direct).collect();
    let asked = ask(shared, table, Some(entry.peer), &addrs, question).await?;
    let (connection, reply, rtt) = (asked.connection, asked.reply, asked.took);
    confirm(shared, table, &connection, handle, &entry).await?;
    let answer = match (reply.answer, question) {
        // It is there, however much it has to do.
        (rpc::Answer::Refused { reason, .. }, Question::Ping) if reason != Refusal::NotServing => {
            Answer::Pong
        }
        (rpc::Answer::Nodes, Question::Ping) => Answer::Pong,
        (rpc::Answer::Nodes, _) => Answer::Nodes(named(table, reply.nodes, question).await),
        (
            rpc::Answer::Values {
                records,
                held,
                token,
            },
            _,
        ) => Answer::Values {
            nodes: named(table, reply.nodes, question).await,
            records: records.into_iter().map(Arc::new).collect(),
            held,
            token,
        },
        (rpc::Answer::Stored { keep_s }, _) => Answer::Stored { keep_s },
        (
            rpc::Answer::Refused {
                reason,
                retry_after_s,
            },
            _,
        ) => Answer::Refused {
            reason,
            retry_after_s,
        },
    };
    Ok(Answered { answer, rtt })
}

/// Asks for a sign of life by pulse. How long it took; `None` when no key is held or no answer came.
async fn pulse(shared: &Shared, table: &Table, entry: &Entry) -> Option<Duration> {
    let (tries, wait) = PULSES;
    let to = *entry.sockets.first()?;
    for _ in 0..tries {
        let nonce = shared.entropy.draw();
        let (key, told) = table.look(|inner| {
            let key = inner.pulses.key(&entry.peer)?;
            let told = inner.pulses.begin(nonce, entry.peer, to)?;
            inner.counts.pulses += 1;
            Some((key, told))
        })?;
        let began = Instant::now();
        let datagram = Pulse::Question { nonce }.seal(&key);
        // A full buffer loses a pulse, as the network may.
        let _ = shared.paths.send_side(None, None, to, &datagram);
        if let Ok(Ok(())) = timeout(wait, told).await {
            table.look(|inner| inner.counts.pulse_answers += 1);
            return Some(began.elapsed());
        }
    }
    None
}

/// An answer, and how it was got.
pub(super) struct Asked {
    pub(super) connection: Connection,
    pub(super) reply: Reply,
    pub(super) took: Duration,
}

/// Asks `peer`, or whoever answers at `addrs`: on the connection there is, or else on one made for
/// the DHT, which the question opens.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    table: &Arc<Table>,
    peer: Option<PeerId>,
    addrs: &[Address],
    question: &Question,
) -> Result<Asked, Fault> {
    let live = peer.and_then(|peer| shared.live(&peer));
    let (connection, stream) = match live {
        Some(live) => (live, None),
        None => dial(shared, table, peer, addrs, question).await?,
    };
    if !rpc::may_ask(&connection) {
        return Err(Fault::Misbehaved);
    }
    // Before the peer, which may pulse as soon as it hears of us.
    table.keep_key(&connection);
    let usage = &connection.inner().usage;
    let in_use = usage.begin();
    table.look(|inner| inner.counts.asked += 1);
    let began = Instant::now();
    let stream = match stream {
        Some(stream) => Some(stream),
        None => {
            let claim = usage.say(claim(shared, table, Some(&connection), addrs, question));
            let said = claim.is_some();
            let frame = rpc::question(question, table.position().at, claim);
            let stream = rpc::ask(&connection, &frame).await;
            if said && stream.is_none() {
                usage.unsay();
            }
            stream
        }
    };
    let answer = match stream {
        Some(stream) => rpc::answer(&connection, stream).await,
        None => None,
    };
    let Some(frame) = answer else {
        return Err(if connection.close_reason().is_some() {
            Fault::Unreachable
        } else {
            Fault::Misbehaved
        });
    };
    let took = began.elapsed();
    let us = table.us;
    let reply = rpc::reply(question, us.public_key(), frame).ok_or(Fault::Misbehaved)?;
    table.look(|inner| inner.counts.answers += 1);
    if let Some(server) = &reply.server {
        usage.hear(server);
    }
    drop(in_use);
    Ok(Asked {
        connection,
        reply,
        took,
    })
}

/// What we say of ourselves with a question.
fn claim(
    shared: &Shared,
    table: &Table,
    connection: Option<&Connection>,
    addrs: &[Address],
    question: &Question,
) -> Option<Server> {
    if matches!(question, Question::Put { .. }) {
        // It has no place for it.
        return None;
    }
    match connection {
        Some(connection) => table.claim(shared, connection),
        None => table.claim_at(addrs.first()?.socket().ip(), None),
    }
}

/// Connects for the DHT, within the budget for dials. The question goes with our first packets if
/// this makes the connection: then the stream of its answer comes as well.
async fn dial(
    shared: &Arc<Shared>,
    table: &Table,
    peer: Option<PeerId>,
    addrs: &[Address],
    question: &Question,
) -> Result<(Connection, Option<RecvStream>), Fault> {
    // It is never closed.
    let _permit = table.dials.acquire().await;
    let claim = claim(shared, table, None, addrs, question);
    let frame = rpc::question(question, table.position().at, claim.clone());
    let errand = Errand::new(frame.to_bytes());
    table.look(|inner| inner.counts.dials += 1);
    // A contact's connection will be of more use, and is no secret to the application.
    let aim = match peer {
        Some(peer) if shared.matters(&peer) => Aim::Peer,
        _ => Aim::Table,
    };
    let dialed = dial_for(shared, aim, Some(errand.clone()), peer, addrs).await;
    match dialed {
        Ok(connection) => {
            let stream = errand.take();
            if stream.is_some() {
                connection.inner().usage.say(claim);
            }
            Ok((connection, stream))
        }
        Err(error) => {
            tracing::debug!(?peer, %error, "a node of the DHT cannot be asked");
            table.look(|inner| inner.counts.dials_failed += 1);
            Err(match error {
                // Whoever refuses a connection is there, however much it has to do.
                DialError::Refused { .. }
                | DialError::Limit { .. }
                | DialError::Shutdown
                | DialError::Internal(_) => Fault::Busy,
                DialError::WrongPeer { .. } | DialError::Identity { .. } => Fault::Misbehaved,
                _ => Fault::Unreachable,
            })
        }
    }
}
