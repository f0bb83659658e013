//! The task of one connection.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use dchat_nat::agent;
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::Hello;
use dchat_wire::probe::ProbeKeys;
use dchat_wire::{Frame, PeerId};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::aim::{Aim, Errand};
use super::arbitration::Claim;
use super::control::{Announcement, ControlSender, Signals};
use super::frames::FrameStream;
use super::handle::{Connection, Inner, close};
use super::streams::{self, Opened};
use crate::congestion::{PathControl, PathId};
use crate::dht::Usage;
use crate::endpoint::{Admitted, DialTurn, Event, Identified, Permit, Shared, VirtualAddress};
use crate::error::{CloseReason, DialError, StreamError};
use crate::hello::{ControlReader, ControlViolation, Heard, Opening};
use crate::limits::HELLO_TIMEOUT;
use crate::path::ProbePair;
use crate::relay::{self, Channel, Channels};
use crate::sync::lock;

/// A connection whose handshake is done.
pub(crate) struct Established {
    pub(crate) quinn: quinn::Connection,
    pub(crate) peer: PeerId,
    pub(crate) opened_by_us: bool,
    /// What it is dialed for; what others dial for their HELLO says.
    pub(crate) aim: Aim,
    /// The question it is dialed for.
    pub(crate) errand: Option<Errand>,
    /// When it was dialed, among our own dials.
    pub(crate) dialed: u64,
    pub(crate) control: PathControl,
    pub(crate) address: VirtualAddress,
    /// The place it takes in the counts of incoming ones.
    pub(crate) permit: Option<Permit>,
    /// For a dial: its turn at the address, until it is up.
    pub(crate) turn: Option<DialTurn>,
    /// For one dialed over a relay: its channel there, as long as it lives.
    pub(crate) channel: Option<Channel>,
}

/// Why a connection did not come up.
enum Failure {
    /// Another connection with the peer stays.
    Instead(Connection),
    /// The peer broke a rule, or we have no place.
    Close(Code),
    /// The connection is over.
    Over,
}

impl From<ControlViolation> for Failure {
    fn from(violation: ControlViolation) -> Self {
        Self::Close(violation.code())
    }
}

/// A connection that is up.
struct Up {
    connection: Connection,
    reader: ControlReader,
    incoming: FrameStream,
    sender: ControlSender,
    tasks: JoinSet<Opened>,
    held: Vec<Opened>,
    announcements: watch::Receiver<()>,
}

/// Drives a connection until it is over. `ready` is called once it is up, or failed to be.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut established: Established,
    ready: impl FnOnce(Result<Connection, DialError>),
) {
    let up = bring_up(&shared, &established).await;
    drop(established.turn.take());
    match up {
        Ok(up) => {
            let connection = up.connection.clone();
            if let Some(permit) = &mut established.permit {
                permit.connected();
            }
            connection.inner().channels.add(established.channel.take());
            ready(Ok(connection.clone()));
            if let Err(code) = serve(&shared, up).await {
                connection.close(code);
            }
            let reason = connection.closed().await;
            tracing::debug!(peer = ?established.peer, %reason, "connection over");
            if let Some(dht) = &shared.dht {
                let bye = reason == CloseReason::Peer(Code::Done);
                dht.over(&shared, &connection, bye);
            }
            shared.gone(&connection, reason);
            relay::gone(&shared, &connection);
            connection.inner().channels.close();
        }
        Err(failure) => {
            let result = give_up(&shared, &established.quinn, failure).await;
            if let Err(error) = &result {
                tracing::debug!(peer = ?established.peer, %error, "connection did not come up");
            }
            ready(result);
        }
    }
}

async fn give_up(
    shared: &Shared,
    quinn: &quinn::Connection,
    failure: Failure,
) -> Result<Connection, DialError> {
    match failure {
        Failure::Instead(existing) => {
            close(quinn, Code::Duplicate);
            Ok(existing)
        }
        Failure::Close(code) => {
            close(quinn, code);
            Err(match code {
                Code::Myself => DialError::Myself,
                Code::Limit => DialError::Limit {
                    limit: shared.limits.connections,
                },
                code => DialError::Closed(CloseReason::Here(code)),
            })
        }
        Failure::Over => {
            let reason = CloseReason::of(&quinn.closed().await, None);
            Err(DialError::Closed(reason))
        }
    }
}

async fn bring_up(shared: &Arc<Shared>, established: &Established) -> Result<Up, Failure> {
    let Established { quinn, peer, .. } = established;
    if *peer == shared.us {
        return Err(Failure::Close(Code::Myself));
    }
    // Ends once this connection is up or failed, and lets another dial of ours go on.
    let _claim = if established.opened_by_us {
        tokio::select! {
            claim = shared.claim(*peer) => Some(claim.map_err(Failure::Instead)?),
            _ = quinn.closed() => return Err(Failure::Over),
        }
    } else {
        None
    };
    let announcements = shared.announcements.subscribe();
    let mut reader = ControlReader::new(Instant::now());
    let mut tasks = JoinSet::new();
    let mut held = Vec::new();
    // TLS has proven the peer: its probes may come as soon as it knows our addresses.
    attach(shared, established)?;
    let greeting = async {
        let (sender, told) = greet(shared, established).await?;
        if let Some(errand) = &established.errand {
            errand.ask(quinn).await;
        }
        let (incoming, hello) = hear_hello(quinn, &mut reader, &mut tasks, &mut held).await?;
        Ok::<_, Failure>((sender, told, incoming, hello))
    };
    let patience = if defect::is(Defect::WaitsForeverForHello) {
        HELLO_TIMEOUT * 1000
    } else {
        HELLO_TIMEOUT
    };
    let (sender, told, incoming, hello) = match tokio::time::timeout(patience, greeting).await {
        Ok(greeted) => greeted?,
        Err(_) if defect::is(Defect::LateHelloAsUnexpected) => {
            return Err(Failure::Close(Code::Unexpected));
        }
        Err(_) => return Err(Failure::Close(Code::Timeout)),
    };
    let connection = connection(shared, established, hello, told);
    let claim = Claim {
        dialer: if established.opened_by_us {
            shared.us
        } else {
            *peer
        },
        instance: connection.hello().instance,
        order: if established.opened_by_us {
            established.dialed
        } else {
            connection.number()
        },
    };
    match shared.admit(&connection, claim).await {
        Admitted::Yes => Ok(Up {
            connection,
            reader,
            incoming,
            sender,
            tasks,
            held,
            announcements,
        }),
        Admitted::Instead(existing) => Err(Failure::Instead(existing)),
        Admitted::Full => Err(Failure::Close(Code::Limit)),
    }
}

/// Opens our control stream: HELLO, a reserved frame, IDENTIFY and, for a trusted peer, CANDIDATES in
/// one write. With what the peer was told in these.
async fn greet(
    shared: &Shared,
    established: &Established,
) -> Result<(ControlSender, Option<agent::Local>), Failure> {
    let (peer, virt) = (established.peer, established.address.virt);
    let mut send = established
        .quinn
        .open_uni()
        .await
        .map_err(|_| Failure::Over)?;
    let told = shared.announcement(&peer, virt);
    let candidates = shared.opening_candidates(&peer, virt);
    let (local, candidates) = candidates.unzip();
    let opening = Opening {
        instance: shared.instance,
        roles: shared.roles,
        grease: if defect::is(Defect::RepeatsGrease) {
            *peer.public_key()
        } else {
            shared.entropy.draw()
        },
        capabilities: established.aim.capabilities(&shared.capabilities),
        identify: told.first(),
        candidates,
    };
    let written = send.write_all(&opening.to_bytes()).await;
    // A peer that stops our control stream breaks the protocol as one that ends its own.
    written.map_err(|_| Failure::Close(Code::Unexpected))?;
    Ok((ControlSender::new(send, told, Instant::now()), local))
}

/// Waits for the stream that begins with HELLO. Others that come before it wait.
async fn hear_hello(
    quinn: &quinn::Connection,
    reader: &mut ControlReader,
    tasks: &mut JoinSet<Opened>,
    held: &mut Vec<Opened>,
) -> Result<(FrameStream, Hello), Failure> {
    loop {
        tokio::select! {
            stream = quinn.accept_uni() => {
                let stream = stream.map_err(|_| Failure::Over)?;
                tasks.spawn(streams::open(stream));
            }
            Some(opened) = tasks.join_next() => match opened {
                Ok(Opened::Control(control)) => {
                    let (incoming, frame) = *control;
                    return match reader.handle_input(frame, Instant::now())? {
                        Heard::Hello(hello) => Ok((incoming, hello)),
                        _ => Err(Failure::Close(Code::Unexpected)),
                    };
                }
                Ok(Opened::Violation(code)) => return Err(Failure::Close(code)),
                // At most as many as the peer may have streams open.
                Ok(application @ Opened::Application(_)) => held.push(application),
                Ok(Opened::Done) | Err(_) => {}
            },
        }
    }
}

fn connection(
    shared: &Shared,
    established: &Established,
    hello: Hello,
    told: Option<agent::Local>,
) -> Connection {
    Connection::new(Inner {
        quinn: established.quinn.clone(),
        peer: established.peer,
        opened_by_us: established.opened_by_us,
        aim: if established.opened_by_us {
            established.aim
        } else {
            Aim::of(&hello.capabilities)
        },
        usage: Usage::default(),
        number: shared.number(),
        virt: established.address.virt,
        hello,
        paths: shared.paths.clone(),
        closed_with: OnceLock::new(),
        told,
        signals: Signals::default(),
        channels: Channels::default(),
        linked: Mutex::new(false),
        nonce: AtomicU64::new(shared.entropy.number()),
    })
}

/// From now on the connection may take other paths.
fn attach(shared: &Shared, established: &Established) -> Result<(), Failure> {
    let mut exported = [0; ProbeKeys::EXPORTED];
    let export =
        established
            .quinn
            .export_keying_material(&mut exported, ProbeKeys::EXPORTER_LABEL, &[]);
    export.map_err(|_| Failure::Close(Code::Internal))?;
    let (dialers, accepters) = ProbeKeys::from_exporter(&exported);
    let (ours, theirs) = if established.opened_by_us {
        (dialers, accepters)
    } else {
        (accepters, dialers)
    };
    let control = established.control.clone();
    let on_switch = Box::new(move |path: crate::path::PathId, now| {
        control.switch_path(PathId(path.0), now);
    });
    let keys = ProbePair { ours, theirs };
    shared
        .paths
        .attach(established.address.virt, keys, on_switch);
    Ok(())
}

/// Serves a connection that is up until it is over, or returns the code to close it with.
async fn serve(shared: &Arc<Shared>, up: Up) -> Result<(), Code> {
    let Up {
        connection,
        mut reader,
        mut incoming,
        mut sender,
        mut tasks,
        held,
        mut announcements,
    } = up;
    let quinn = connection.inner().quinn.clone();
    let signals = &connection.inner().signals;
    // Before any answer shows the peer that it is known here.
    relay::server::returned(shared, &connection);
    for opened in held {
        act(shared, &connection, opened, &mut tasks)?;
    }
    relay::client::link(shared, &connection);
    let mut forwarded = false;
    let current = || shared.announcement(&connection.peer_id(), connection.virt());
    let mut announcement: Announcement = current();
    loop {
        let carries = forwarded || *lock(&connection.inner().linked);
        let writing = sender.is_writing();
        let news = !writing && sender.is_news(&announcement);
        tokio::select! {
            _ = quinn.closed() => return Ok(()),
            frame = incoming.next() => {
                let frame = control_frame(frame)?;
                let Some(frame) = frame else { return Ok(()) };
                let heard = reader.handle_input(frame, Instant::now());
                hear(shared, &connection, heard.map_err(ControlViolation::code)?);
            }
            stream = quinn.accept_uni() => {
                let Ok(stream) = stream else { return Ok(()) };
                tasks.spawn(streams::open(stream));
            }
            stream = quinn.accept_bi() => {
                let Ok((send, recv)) = stream else { return Ok(()) };
                let (shared, connection) = (Arc::clone(shared), connection.clone());
                tasks.spawn(streams::answer(shared, connection, send, recv));
            }
            Some(opened) = tasks.join_next(), if !tasks.is_empty() => {
                act(shared, &connection, done(opened), &mut tasks)?;
            }
            // Between peers only the byte that wakes a moved connection. Datagrams of the relay
            // protocol have a task that reads them, which begins with the first.
            datagram = quinn.read_datagram(), if !carries => {
                let Ok(datagram) = datagram else { return Ok(()) };
                if let Some(forwarding) = relay::forwards(shared, &connection, datagram) {
                    forwarded = true;
                    tasks.spawn(done_after(forwarding));
                }
            }
            _ = announcements.changed() => announcement = current(),
            () = tokio::time::sleep_until(sender.not_before().into()), if news => {
                sender.announce(announcement.clone(), Instant::now());
            }
            () = signals.news(), if !writing => sender.signal(signals),
            written = sender.write(), if writing => {
                if written.is_err() && quinn.close_reason().is_none() {
                    return Err(Code::Unexpected);
                }
            }
        }
    }
}

/// Acts on what the peer said on its control stream.
fn hear(shared: &Arc<Shared>, connection: &Connection, heard: Heard) {
    match heard {
        Heard::Identify(identify) => {
            let identified = Identified {
                addresses: identify.addresses.into_vec(),
                observed: identify.observed,
            };
            shared.identified(connection, identified);
        }
        Heard::Candidates(candidates) => {
            shared.signalled(connection, Frame::Candidates(candidates));
        }
        Heard::Punch(punch) => shared.signalled(connection, Frame::Punch(punch)),
        // A second HELLO is a violation.
        Heard::Hello(_) | Heard::Stale => {}
    }
}

/// A task that leaves nothing to do.
async fn done_after(task: impl Future<Output = ()>) -> Opened {
    task.await;
    Opened::Done
}

/// The next frame of the control stream, which may not end while the connection lives; `None` when
/// the connection is over.
fn control_frame(next: Result<Option<Frame>, StreamError>) -> Result<Option<Frame>, Code> {
    match next {
        Ok(Some(frame)) => Ok(Some(frame)),
        Ok(None) | Err(StreamError::Reset(_)) if defect::is(Defect::AcceptsEndOfControl) => {
            Ok(None)
        }
        Ok(None) | Err(StreamError::Reset(_)) => Err(Code::Unexpected),
        Err(error) => error.code().map_or(Ok(None), Err),
    }
}

/// A task that panicked has dropped its stream, which stops it.
fn done(opened: Result<Opened, JoinError>) -> Opened {
    opened.unwrap_or(Opened::Done)
}

/// Does what a stream's first frame asks for.
fn act(
    shared: &Shared,
    connection: &Connection,
    opened: Opened,
    tasks: &mut JoinSet<Opened>,
) -> Result<(), Code> {
    match opened {
        Opened::Done => Ok(()),
        // There is one control stream.
        Opened::Control(_) if defect::is(Defect::AcceptsSecondControl) => Ok(()),
        Opened::Control(_) => Err(Code::Unexpected),
        Opened::Violation(code) => Err(code),
        Opened::Application(stream) => {
            let (mut send, mut recv, reader, first) = *stream;
            if !shared.show_to_stranger(connection) {
                refuse_stream(send.as_mut(), &mut recv, Code::Limit);
                return Ok(());
            }
            let event = Event::Stream {
                conn: connection.clone(),
                send,
                recv,
                first: Box::new(first),
                reader,
            };
            let streams = shared.streams.clone();
            tasks.spawn(async move {
                if let Err(refused) = streams.send(event).await {
                    refuse(refused.0);
                }
                Opened::Done
            });
            Ok(())
        }
    }
}

/// Nobody reads events any more.
fn refuse(event: Event) {
    if let Event::Stream {
        mut send, mut recv, ..
    } = event
    {
        refuse_stream(send.as_mut(), &mut recv, Code::Refused);
    }
}

fn refuse_stream(send: Option<&mut quinn::SendStream>, recv: &mut quinn::RecvStream, code: Code) {
    // Both fail only for a direction that is over.
    let _ = recv.stop((code as u32).into());
    if let Some(send) = send {
        let _ = send.reset((code as u32).into());
    }
}
