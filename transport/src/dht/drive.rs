//! The task that keeps our part in the DHT going.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dchat_kademlia::Contact;
use dchat_kademlia::call::{K, Known, Question};
use dchat_kademlia::node::Input;
use dchat_kademlia::puzzle::Solution;
use dchat_kademlia::table::Entry;
use dchat_wire::Address;
use dchat_wire::close::Code;
use dchat_wire::pulse::Pulse;
use tokio::task::JoinSet;

use super::book::Handle;
use super::config::KnownNode;
use super::inner::Position;
use super::puzzles::{self, Wanted};
use super::table::Table;
use super::{STALE, call, meet};
use crate::endpoint::Shared;
use crate::path::canonical;
use crate::socket::SideDatagram;

/// Between two looks at connections nobody uses.
const SWEEP: Duration = Duration::from_secs(5);
/// However short the patience with them.
const LEAST: Duration = Duration::from_millis(100);
/// Acquaintances made at a time.
const MEETINGS: usize = 4;
/// Time for one.
const MEETING: Duration = Duration::from_secs(12);
/// Nodes known from before that are begun with.
const RESTORED: usize = 256;

/// Drives `table` until the endpoint closes.
pub(crate) async fn drive(shared: Arc<Shared>, table: Arc<Table>, known: Vec<KnownNode>) {
    let mut pulses = shared.paths.pulse_channel();
    let mut nat = shared.nat.status();
    let mut network = shared.nat.network_changes();
    let mut sweep = tokio::time::interval(SWEEP.min(table.limits.idle.max(LEAST)));
    let mut meetings = JoinSet::new();
    let mut solving: Option<Solving> = None;
    let closing = shared.closing();
    tokio::pin!(closing);
    table.restand(&shared);
    meetings.spawn(restore(Arc::clone(&shared), Arc::clone(&table), known));
    loop {
        solving = solve(&table, solving);
        begin_meetings(&shared, &table, &mut meetings);
        ask_again(&shared, &table);
        let due = table.look(|inner| {
            let seeds = Some(inner.seeds.due());
            [inner.sleep(), seeds].into_iter().flatten().min()
        });
        tokio::select! {
            () = until(due) => table.act(&shared, |inner, now| {
                inner.node.handle_timeout(now);
            }),
            () = table.wake.notified() => {}
            datagram = pulses.recv() => match datagram {
                Some(datagram) => pulsed(&shared, &table, &datagram),
                None => return,
            },
            // Neither fails: the senders are `shared`'s.
            _ = nat.changed() => {
                nat.borrow_and_update();
                table.restand(&shared);
            }
            _ = network.changed() => {
                table.restand(&shared);
                table.act(&shared, |inner, _| {
                    inner.clock.catch_up();
                    let now = inner.clock.now();
                    inner.seeds.begin_again(Instant::now());
                    inner.node.handle_input(Input::Resumed, now);
                });
            }
            solution = solved(&mut solving) => {
                solving = None;
                if let Some(Solution { nonce, at }) = solution {
                    let position = Position { nonce, at, solved: true };
                    table.moved(&shared, position);
                }
            }
            _ = sweep.tick() => {
                // Our addresses may be others without anything of the NATs having changed.
                table.restand(&shared);
                close_unused(&shared, &table);
            }
            Some(_) = meetings.join_next(), if !meetings.is_empty() => {}
            () = &mut closing => {
                table.act(&shared, |inner, now| inner.node.leave(now));
                return;
            }
        }
    }
}

/// Looks around once more while few are known.
fn ask_again(shared: &Arc<Shared>, table: &Arc<Table>) {
    table.act(shared, |inner, now| {
        let known = inner.node.contacts().take(K).count();
        // With a bucket full the core looks for others as they are needed.
        if inner.seeds.asks_again(known, known < K, Instant::now()) {
            let first = inner.node.contacts().next().map(Entry::contact);
            if let Some(contact) = first {
                inner.node.handle_input(Input::Seed { contact }, now);
            }
        }
    });
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => core::future::pending().await,
    }
}

/// A search for the solution of our puzzle.
struct Solving {
    difficulty: u8,
    solution: core::pin::Pin<Box<dyn Future<Output = Option<Solution>> + Send>>,
    _wanted: Wanted,
}

/// Begins, goes on with or gives up the search, as is needed now.
fn solve(table: &Table, solving: Option<Solving>) -> Option<Solving> {
    let difficulty = table.unsolved()?;
    let running = solving.filter(|solving| solving.difficulty == difficulty);
    Some(running.unwrap_or_else(|| {
        let (wanted, solution) = puzzles::solve(table.us, difficulty);
        Solving {
            difficulty,
            solution: Box::pin(solution),
            _wanted: wanted,
        }
    }))
}

async fn solved(solving: &mut Option<Solving>) -> Option<Solution> {
    match solving {
        Some(solving) => solving.solution.as_mut().await,
        None => core::future::pending().await,
    }
}

/// Goes on with what waits in the seeds.
fn begin_meetings(shared: &Arc<Shared>, table: &Arc<Table>, meetings: &mut JoinSet<()>) {
    table.look(|inner| {
        let known = inner.node.contacts().next().is_some();
        inner.seeds.handle_timeout(known, Instant::now());
    });
    while meetings.len() < MEETINGS {
        let Some(address) = table.look(|inner| inner.seeds.pop()) else {
            return;
        };
        let (shared, table) = (Arc::clone(shared), Arc::clone(table));
        meetings.spawn(async move {
            // What takes longer is tried again.
            let _ = tokio::time::timeout(MEETING, approach(&shared, &table, address)).await;
        });
    }
}

/// Makes the acquaintance of whoever is at `address`.
async fn approach(shared: &Arc<Shared>, table: &Arc<Table>, address: Address) {
    let peer = address.peer();
    let known = peer.and_then(|peer| {
        table.look(|inner| {
            let (handle, _) = inner.book.of(&peer)?;
            inner.contact(handle)
        })
    });
    if let Some(contact) = known {
        // It answers or it does not: the core asks.
        table.act(shared, |inner, now| {
            inner.node.handle_input(Input::Seed { contact }, now);
        });
    }
    let question = Question::Find {
        target: table.position().at,
        want: 1,
        known: Known::default(),
    };
    let Ok(asked) = call::ask(shared, table, peer, &[address], &question).await else {
        return;
    };
    let server = asked.connection.inner().usage.heard();
    if let Some(server) = server {
        meet::meet(shared, table, &asked.connection, &server).await;
    }
}

/// Begins with the nodes known from before the last shutdown.
async fn restore(shared: Arc<Shared>, table: Arc<Table>, mut known: Vec<KnownNode>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let stale = u64::try_from(STALE.as_millis()).unwrap_or(u64::MAX);
    known.retain(|node| now.saturating_sub(node.last_seen) <= stale && node.peer != table.us);
    known.sort_unstable_by_key(|node| core::cmp::Reverse(node.last_seen));
    known.truncate(RESTORED);
    let claims = known.iter().map(|node| (node.peer, node.nonce)).collect();
    let difficulty = table.look(|inner| inner.standing.difficulty());
    let positions = puzzles::positions(claims, difficulty).await;
    table.act(&shared, |inner, now| {
        for (node, at) in known.into_iter().zip(positions) {
            let mut sockets: Vec<_> = [Some(node.socket), node.other]
                .into_iter()
                .flatten()
                .collect();
            sockets.retain(|socket| inner.standing.takes(socket.ip()));
            let Some(at) = at.filter(|_| !sockets.is_empty()) else {
                continue;
            };
            let handle = inner.book.hear((node.peer, node.nonce, at), &sockets);
            let contact = handle.and_then(|handle| inner.contact(handle));
            let contact: Option<Contact<Handle>> = contact;
            if let Some(contact) = contact {
                inner.node.handle_input(Input::Seed { contact }, now);
            }
        }
    });
}

/// A pulse came: a question is answered, with as many bytes, and an answer told to who waits.
fn pulsed(shared: &Shared, table: &Table, datagram: &SideDatagram) {
    let from = canonical(datagram.from);
    let answer = table.look(|inner| {
        let (peer, key, pulse) = inner.pulses.open(&datagram.bytes)?;
        match pulse {
            Pulse::Question { nonce } if inner.serving() => {
                inner.counts.pulses_served += 1;
                Some(Pulse::Answer { nonce }.seal(&key))
            }
            // Who serves no longer shall be forgotten.
            Pulse::Question { .. } => None,
            Pulse::Answer { nonce } => {
                inner.pulses.answered(nonce, peer, from);
                None
            }
        }
    });
    if let Some(answer) = answer {
        // A full buffer loses a pulse, as the network may.
        let (leg, local) = (Some(datagram.leg), datagram.local);
        let _ = shared.paths.send_side(leg, local, datagram.from, &answer);
    }
}

/// Closes the connections that serve the DHT alone and did not for a while: those that others made
/// later, since it is for them to know.
fn close_unused(shared: &Shared, table: &Table) {
    for connection in shared.hidden() {
        let usage = &connection.inner().usage;
        let patience = if connection.opened_by_us() {
            table.limits.idle
        } else {
            table.limits.idle * 2
        };
        if usage.is_idle() && usage.last().elapsed() >= patience {
            connection.close(Code::Done);
        }
    }
}
