//! Doing what the state machines of relays want done.

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use dchat_wire::{Address, Frame, FrameReader, PeerId};
use tokio::sync::mpsc;

use super::channel::Channel;
use super::link::{Link, link};
use super::relays::{Relays, State};
use crate::connection::FrameStream;
use crate::dial::dial_boxed;
use crate::endpoint::Shared;
use crate::limits::RELAY_ANSWER;
use crate::relay::proto::client::{channels, reservations};
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::server::unix_ms;
use crate::relay::stream::{self, Machine, ORDERS, Order};

impl State {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = [
            self.reservations.poll_timeout(),
            self.channels.poll_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    fn order(&mut self, conn: ConnId, stream: StreamId, order: Order) {
        if let Some(orders) = self.streams.get(&(conn, stream)) {
            // A stream gets fewer orders than fit; one whose task is gone needs none.
            let _ = orders.try_send(order);
        }
    }
}

impl Relays {
    /// Does what is wanted done. The lock may be held while those of the endpoint and of the socket
    /// are taken, never the other way round.
    pub(super) fn settle(&self, shared: &Arc<Shared>, mut state: MutexGuard<'_, State>) {
        // Handles nobody waits for any more: their end is another input.
        let mut unwanted = Vec::new();
        loop {
            if let Some(output) = state.reservations.poll_output() {
                reserve(shared, &mut state, output);
            } else if let Some(output) = state.channels.poll_output() {
                channel(shared, &mut state, output, &mut unwanted);
            } else {
                break;
            }
        }
        let due = state.poll_timeout();
        let oversleeps = match (due, state.asleep_until) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(due), Some(until)) => due < until,
        };
        if oversleeps {
            state.asleep_until = due;
            self.wake.notify_one();
        }
        drop(state);
        drop(unwanted);
    }
}

fn reserve(shared: &Arc<Shared>, state: &mut State, output: reservations::Output) {
    use reservations::Output;
    match output {
        Output::Connect { relay, sockets } => {
            state.reserving.insert(relay);
            tokio::spawn(connect(Arc::clone(shared), relay, sockets));
        }
        Output::Release { relay } => {
            // Its link ends once nothing goes over it.
            state.reserving.remove(&relay);
        }
        Output::Reserve { relay, ask, frame } => {
            state.reserving.insert(relay);
            let mut links = state.links.values();
            let link = links.rfind(|link| link.connection.peer_id() == relay);
            let link = link.cloned();
            tokio::spawn(ask_for(Arc::clone(shared), link, relay, ask, *frame));
        }
        Output::Circuits(circuits) => {
            let unnamed = circuits.iter().filter_map(|circuit| match *circuit {
                Address::Circuit { socket, relay, .. } => Some(Address::Circuit {
                    socket,
                    relay,
                    peer: None,
                }),
                Address::Direct { .. } => None,
            });
            shared.circuits_changed(unnamed.collect());
        }
        Output::Event(event) => tracing::debug!(?event, "reservation"),
    }
}

fn channel(
    shared: &Arc<Shared>,
    state: &mut State,
    output: channels::Output,
    unwanted: &mut Vec<Channel>,
) {
    use channels::Output;
    match output {
        Output::Open {
            conn,
            stream,
            frame,
        } => {
            let Some(link) = state.links.get(&conn) else {
                return;
            };
            let quinn = link.quinn().clone();
            let (orders, receiver) = mpsc::channel(ORDERS);
            state.streams.insert((conn, stream), orders);
            let machine = Arc::new(Client(Arc::clone(shared)));
            // Bounded by the channels, and ends with the connection.
            tokio::spawn(stream::call(machine, quinn, conn, stream, *frame, receiver));
        }
        Output::Write {
            conn,
            stream,
            frame,
        } => state.order(conn, stream, Order::Write(*frame)),
        Output::Close {
            conn,
            stream,
            frame,
        } => {
            state.order(conn, stream, Order::Close(frame.map(|frame| *frame)));
            state.streams.remove(&(conn, stream));
        }
        Output::Opened {
            conn,
            peer,
            channel,
            asked,
            ..
        } => {
            let Some(link) = state.links.get(&conn) else {
                return;
            };
            link.carry.open(channel);
            state.open.insert((conn, channel), peer);
            if asked {
                let handle = Channel::new(shared, Arc::clone(link), channel);
                let waiters = state.asks.remove(&(conn, peer)).unwrap_or_default();
                for waiter in waiters {
                    if let Err(Ok(handle)) = waiter.send(Ok(handle.clone())) {
                        unwanted.push(handle);
                    }
                }
                unwanted.push(handle);
            }
        }
        Output::Failed {
            conn,
            peer,
            failure,
        } => {
            for waiter in state.asks.remove(&(conn, peer)).unwrap_or_default() {
                // Nobody may wait any more.
                let _ = waiter.send(Err(failure));
            }
        }
        Output::Closed { conn, channel, .. } => {
            state.open.remove(&(conn, channel));
            if let Some(link) = state.links.get(&conn) {
                link.carry.close(channel);
                shared.paths.channel_closed(link.leg, channel);
            }
        }
    }
}

/// Connects to a relay that is to hold a reservation.
async fn connect(shared: Arc<Shared>, relay: PeerId, sockets: Vec<SocketAddr>) {
    let addrs: Vec<Address> = sockets.iter().copied().map(Address::direct).collect();
    let dialed = dial_boxed(&shared, relay, &addrs).await;
    match dialed {
        Ok(connection) if link(&shared, &connection) => {
            // Where the link was there before, nothing has been said.
            if let Some(link) = shared.relays.link(ConnId(connection.number())) {
                let (socket, rtt) = (link.socket, link.quinn().rtt());
                let up = reservations::Input::Up { relay, socket, rtt };
                shared.relays.reservation_input(&shared, up);
            }
            return;
        }
        Ok(_) => tracing::debug!(?relay, "a relay is not reached directly"),
        Err(error) => tracing::debug!(?relay, %error, "a relay is not reached"),
    }
    let gone = reservations::Input::Gone { relay };
    shared.relays.reservation_input(&shared, gone);
}

/// Asks for a reservation.
async fn ask_for(
    shared: Arc<Shared>,
    link: Option<Arc<Link>>,
    relay: PeerId,
    ask: u64,
    question: Frame,
) {
    let answer = async {
        let link = link?;
        let (mut send, recv) = link.quinn().open_bi().await.ok()?;
        send.write_all(&question.to_bytes()).await.ok()?;
        send.finish().ok()?;
        let mut frames = FrameStream::new(recv, FrameReader::new());
        frames.next().await.ok()?
    };
    let answer = tokio::time::timeout(RELAY_ANSWER, answer).await;
    let input = reservations::Input::Answer {
        relay,
        ask,
        frame: answer.unwrap_or_default(),
        unix_ms: unix_ms(),
    };
    shared.relays.reservation_input(&shared, input);
}

/// Follows the streams of channels.
pub(super) struct Client(pub(super) Arc<Shared>);

impl Machine for Client {
    fn frame(&self, conn: ConnId, stream: StreamId, frame: Frame) {
        let input = channels::Input::Frame {
            conn,
            stream,
            frame,
        };
        self.0.relays.channel_input(&self.0, input);
    }

    fn ended(&self, conn: ConnId, stream: StreamId) {
        let input = channels::Input::Ended { conn, stream };
        self.0.relays.channel_input(&self.0, input);
    }
}

/// How long the word of a peer that is closed over a relay gets to leave before the channel does.
pub(super) const LINGER: Duration = Duration::from_secs(1);
