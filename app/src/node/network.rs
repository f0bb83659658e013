//! The half that owns the endpoint and the streams, and does not know what the bytes mean.
//!
//! One task reads the endpoint's events and the engine's orders. Each connection gets one writer
//! task, which opens the chat stream on the first frame, and each chat stream a peer opens gets one
//! reader task. A reader waits when the engine's queue is full, so the peer waits in QUIC's flow
//! control. A writer's queue is bounded by [`FRAMES`]; a connection that does not take what it asked
//! for is closed, and its frontiers tell the rest when it is back. Rooms have
//! [streams of their own](super::streams).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_transport as transport;
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::capability;
use dchat_wire::{Address, Frame, FrameReader, PeerId};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::dht::{self, Directory};
use super::doctor;
use super::engine::{Command, Effect, Input, LinkId};
use super::hub::Hub;
use super::streams::Streams;
use crate::api::{DhtStatus, Doctor, Event, Nearby, PathKind, PeerInfo, Request};
use crate::seam::PeerConfig;

/// Frames that may wait for one connection: a window of entries is at most 1,024, and acknowledgements
/// are fewer.
const FRAMES: usize = 2048;
/// Connections up to which nodes found nearby are connected to without being contacts.
const NEARBY: usize = 32;
/// First and longest pause between two attempts to reach an address given at start.
const DIAL_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long a connection that was made for a room alone is kept when no room needs it.
const UNUSED: Duration = Duration::from_secs(60);
/// Between two looks for such connections.
const SWEEP: Duration = Duration::from_secs(15);
/// Attempts at a time to reach members of rooms; more wait.
const REACHES: usize = 8;
/// How long one may take.
const REACH: Duration = Duration::from_secs(20);
/// How long connections get to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A question to the network half.
#[derive(Debug)]
pub(super) enum Question {
    /// Live connections.
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    /// Nodes found nearby and not expired.
    Nearby(oneshot::Sender<Vec<Nearby>>),
    /// What stands between this node and others.
    Doctor(doctor::Question, oneshot::Sender<Doctor>),
    /// A question to the distributed hash table.
    Dht(Request, dht::Answer),
    /// How this node takes part in it.
    DhtStatus(oneshot::Sender<DhtStatus>),
    /// Close everything and end.
    Shutdown(oneshot::Sender<()>),
}

/// The network half.
pub(super) struct Network {
    endpoint: transport::Endpoint,
    engine: mpsc::Sender<Input>,
    hub: Hub,
    links: BTreeMap<LinkId, Link>,
    /// As many as the endpoint remembers.
    nearby: BTreeMap<PeerId, Nearby>,
    /// `None` without a part in the distributed hash table.
    directory: Option<Directory>,
    tasks: JoinSet<()>,
    /// Attempts to reach members of rooms, so that not all are made at once.
    reaches: Arc<Semaphore>,
    /// Peers that were reached for rooms, and for nothing else as far as is known.
    reached: BTreeSet<PeerId>,
    /// Contacts, which are kept connected.
    kept: BTreeSet<PeerId>,
    /// Numbers of the streams of rooms that peers open.
    next_stream: u64,
}

struct Link {
    connection: transport::Connection,
    frames: mpsc::Sender<Frame>,
    streams: Streams,
    /// What reads the peer's chat stream.
    chat: Option<AbortHandle>,
    /// When a room last needed it.
    used: Instant,
}

impl Network {
    pub(super) fn new(
        endpoint: transport::Endpoint,
        directory: Option<Directory>,
        engine: mpsc::Sender<Input>,
        hub: Hub,
    ) -> Self {
        Self {
            endpoint,
            engine,
            hub,
            links: BTreeMap::new(),
            nearby: BTreeMap::new(),
            directory,
            tasks: JoinSet::new(),
            reaches: Arc::new(Semaphore::new(REACHES)),
            reached: BTreeSet::new(),
            kept: BTreeSet::new(),
            next_stream: 0,
        }
    }

    /// Runs until it is told to shut down.
    pub(super) async fn run(
        mut self,
        config: &PeerConfig,
        mut events: transport::Events,
        mut effects: mpsc::UnboundedReceiver<Effect>,
        mut questions: mpsc::Receiver<Question>,
    ) {
        for address in &config.dial {
            let task = keep_dialing(self.endpoint.clone(), *address);
            self.tasks.spawn(task);
        }
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.event(event).await,
                    None => break None,
                },
                Some(effect) = effects.recv() => self.effect(effect).await,
                _ = sweep.tick() => self.sweep(),
                question = questions.recv() => match question {
                    Some(Question::Peers(to)) => drop(to.send(self.peers())),
                    Some(Question::Nearby(to)) => {
                        drop(to.send(self.nearby.values().cloned().collect()));
                    }
                    Some(Question::Doctor(question, to)) => self.diagnose(question, to),
                    Some(Question::Dht(request, answer)) => self.ask_dht(request, answer),
                    Some(Question::DhtStatus(to)) => {
                        let directory = self.directory.as_ref();
                        let _ = to.send(directory.map(Directory::status).unwrap_or_default());
                    }
                    Some(Question::Shutdown(done)) => break Some(done),
                    None => break None,
                },
                Some(_) = self.tasks.join_next() => {}
                Some(next) = ready(&mut self.directory) => {
                    if let Some(directory) = &mut self.directory {
                        directory.go_on(next).await;
                    }
                }
            }
        };
        if let Some(directory) = &mut self.directory {
            directory.finish().await;
        }
        self.tasks.shutdown().await;
        self.endpoint.shutdown(GOODBYE).await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    async fn event(&mut self, event: transport::Event) {
        use transport::Event as From;
        match event {
            From::Connected(connection) => self.connected(connection).await,
            From::Disconnected { peer, reason } => self.disconnected(peer, &reason).await,
            From::PathChanged { peer, path } => {
                self.hub.publish(Event::PathChanged {
                    peer_id: peer.to_string(),
                    path: kind(path.kind),
                    addr: path.addr.to_string(),
                });
            }
            From::Discovered { peer, addrs, .. } => self.discovered(peer, &addrs).await,
            From::Expired { peer } => {
                self.nearby.remove(&peer);
                self.hub.publish(Event::Expired {
                    peer_id: peer.to_string(),
                });
            }
            From::Stream {
                conn,
                send: Some(send),
                recv,
                first,
                reader,
            } => {
                // Even numbers: odd ones are the engine's.
                self.next_stream += 2;
                let frames = transport::FrameStream::new(recv, reader);
                if let Some(link) = self.links.get_mut(&conn.number()) {
                    let (stream, tasks) = (self.next_stream, &mut self.tasks);
                    link.streams.accept(stream, send, *first, frames, tasks);
                }
            }
            From::Stream {
                conn,
                send: None,
                recv,
                first,
                reader,
            } => {
                let incoming = Incoming {
                    link: conn.number(),
                    conn,
                    recv,
                    first: *first,
                    reader,
                };
                let Some(link) = self.links.get_mut(&incoming.link) else {
                    return;
                };
                let reading = self.tasks.spawn(read(incoming, self.engine.clone()));
                // It replaces the peer's earlier chat stream.
                if let Some(earlier) = link.chat.replace(reading) {
                    earlier.abort();
                }
            }
            From::Identified {
                peer, addresses, ..
            } => {
                self.tell(Input::Identified { peer, addresses }).await;
            }
            From::ListenAddrs(addresses) => {
                if let Some(directory) = &mut self.directory {
                    directory.listening(&addresses);
                }
                self.tell(Input::Addresses(addresses)).await;
            }
            _ => {}
        }
    }

    fn ask_dht(&mut self, request: Request, answer: dht::Answer) {
        match &mut self.directory {
            Some(directory) => directory.ask(request, answer),
            None => drop(answer.send(Err(dht::off()))),
        }
    }

    fn diagnose(&mut self, question: doctor::Question, to: oneshot::Sender<Doctor>) {
        let endpoint = self.endpoint.clone();
        self.tasks.spawn(async move {
            let _ = to.send(doctor::diagnose(&endpoint, question).await);
        });
    }

    async fn tell(&self, input: Input) {
        // The engine ends only after this half has.
        let _ = self.engine.send(input).await;
    }

    async fn connected(&mut self, connection: transport::Connection) {
        let (link, peer) = (connection.number(), connection.peer_id());
        // It replaces the peer's earlier connection, of which nothing else is told.
        self.down(peer).await;
        let (frames, queue) = mpsc::channel(FRAMES);
        self.tasks.spawn(write(connection.clone(), queue));
        let path = connection.path();
        let capabilities = &connection.hello().capabilities;
        let rooms =
            capabilities.contains(capability::GOSSIP) || defect::is(Defect::SpeaksToAnybody);
        let streams = Streams::new(link, connection.clone(), self.engine.clone());
        let up = Link {
            connection,
            frames,
            streams,
            chat: None,
            used: Instant::now(),
        };
        self.links.insert(link, up);
        if let Some(directory) = &mut self.directory {
            directory.connected(&peer);
        }
        self.hub.publish(Event::PeerConnected {
            peer_id: peer.to_string(),
            path: kind(path.kind),
            addr: path.addr.to_string(),
        });
        let up = Input::Up {
            link,
            peer,
            rooms: rooms.then_some(path.addr),
        };
        self.tell(up).await;
    }

    async fn disconnected(&mut self, peer: PeerId, reason: &transport::CloseReason) {
        self.down(peer).await;
        self.reached.remove(&peer);
        if let Some(directory) = &mut self.directory {
            directory.disconnected(&peer);
        }
        self.hub.publish(Event::PeerDisconnected {
            peer_id: peer.to_string(),
            reason: reason.to_string(),
        });
    }

    /// Forgets the connections with `peer`.
    async fn down(&mut self, peer: PeerId) {
        let of_peer =
            |(id, link): (&LinkId, &Link)| (link.connection.peer_id() == peer).then_some(*id);
        let gone: Vec<LinkId> = self.links.iter().filter_map(of_peer).collect();
        for link in gone {
            self.links.remove(&link);
            self.tell(Input::Down { link }).await;
        }
    }

    async fn discovered(&mut self, peer: PeerId, addresses: &[Address]) {
        if let Some(address) = addresses.first() {
            let found = Nearby {
                peer_id: peer.to_string(),
                addr: address.of(peer).to_string(),
                via: "mdns".to_owned(),
            };
            self.nearby.insert(peer, found.clone());
            self.hub.publish(Event::Discovered {
                peer_id: found.peer_id,
                addr: found.addr,
                via: found.via,
            });
        }
        if let Some(directory) = &self.directory {
            directory.seed(peer, addresses);
        }
        self.tell(Input::Nearby {
            peer,
            addresses: addresses.to_vec(),
        })
        .await;
        let known = self
            .links
            .values()
            .any(|link| link.connection.peer_id() == peer);
        if !known && self.links.len() < NEARBY {
            let (endpoint, addresses) = (self.endpoint.clone(), addresses.to_vec());
            self.tasks.spawn(async move {
                // A failure is told by the absence of a connection; it is announced again.
                let _ = endpoint.connect(Some(peer), &addresses).await;
            });
        }
    }

    async fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::RoomFrame {
                link,
                stream,
                frame,
            } => {
                let Some(link) = self.links.get_mut(&link) else {
                    return;
                };
                link.used = Instant::now();
                let news = link.streams.send(stream, &frame, &mut self.tasks);
                if let Some(news) = news {
                    self.tell(news).await;
                }
            }
            Effect::Command(Command::EndStream { link, stream }) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.streams.end(stream);
                }
            }
            Effect::Command(Command::TellRoom { link, stream }) => {
                let link = self.links.get_mut(&link);
                let news = link.and_then(|link| link.streams.tell_room(stream));
                if let Some(news) = news {
                    self.tell(news).await;
                }
            }
            Effect::Command(Command::ResetRooms) => {
                self.links
                    .values_mut()
                    .for_each(|link| link.streams.reset());
            }
            Effect::Command(Command::Reach {
                peer,
                addresses,
                member,
            }) => self.reach(peer, addresses, member),
            Effect::Frame { link, frame } => {
                if let Some(open) = self.links.get(&link)
                    && let Err(mpsc::error::TrySendError::Full(_)) = open.frames.try_send(frame)
                {
                    open.connection.close(Code::Limit);
                }
            }
            Effect::Command(Command::Keep { peer, addresses }) => {
                self.kept.insert(peer);
                self.endpoint.trust(peer, true);
                if let Some(directory) = &mut self.directory {
                    directory.want(peer, &addresses);
                }
                if let Err(error) = self.endpoint.keep(peer, &addresses) {
                    tracing::debug!(%error, "a contact is not kept connected");
                }
            }
            Effect::Command(Command::Forget { peer }) => {
                self.kept.remove(&peer);
                self.endpoint.trust(peer, false);
                self.endpoint.forget(&peer);
                if let Some(directory) = &mut self.directory {
                    directory.unwant(&peer);
                }
            }
            Effect::Command(Command::Hurry { peer }) => {
                if let Some(directory) = &mut self.directory {
                    directory.hurry(&peer);
                }
            }
            Effect::Command(Command::Meet {
                topic,
                secret,
                neighbours,
            }) => {
                if let Some(directory) = &mut self.directory {
                    directory.meet(topic, secret, neighbours);
                }
            }
            Effect::Command(Command::Part { topic }) => {
                if let Some(directory) = &mut self.directory {
                    directory.part(&topic);
                }
            }
            Effect::Command(Command::Drop { link, code }) => {
                if let Some(link) = self.links.get(&link) {
                    link.connection.close(code);
                }
            }
            // Released by the engine itself.
            Effect::Event(_) | Effect::Reply(..) | Effect::Device(..) | Effect::Remembered(_) => {}
        }
    }

    /// Connects to a member of a room, or of a group, and tells the engine when that fails. That it did
    /// not, it learns from the connection.
    fn reach(&mut self, peer: PeerId, addresses: Vec<Address>, member: bool) {
        self.reached.insert(peer);
        let directory = self.directory.as_mut().filter(|_| member);
        let dht = directory.and_then(|directory| directory.look_for_member(peer));
        let (endpoint, engine) = (self.endpoint.clone(), self.engine.clone());
        let turns = Arc::clone(&self.reaches);
        self.tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let mut connected = connects(&endpoint, peer, &addresses).await;
            if let Some(dht) = dht.filter(|_| !connected) {
                // A lookup ends by itself.
                let found = dht.find_peer(peer).await.unwrap_or_default();
                tracing::debug!(%peer, ?found, "a member was looked up");
                connected = connects(&endpoint, peer, &found).await;
            }
            if !connected {
                // The engine ends only after this half has.
                let _ = engine.send(Input::Unreachable { peer }).await;
            }
        });
    }

    /// Closes connections that were made for rooms and are needed by none any more.
    fn sweep(&mut self) {
        for link in self.links.values() {
            let peer = link.connection.peer_id();
            if link.streams.is_empty()
                && link.used.elapsed() >= UNUSED
                && self.reached.contains(&peer)
                && !self.kept.contains(&peer)
                && !self.nearby.contains_key(&peer)
            {
                link.connection.close(Code::Done);
            }
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        self.links
            .values()
            .map(|link| {
                let path = link.connection.path();
                PeerInfo {
                    peer_id: link.connection.peer_id().to_string(),
                    name: String::new(),
                    path: kind(path.kind),
                    addr: path.addr.to_string(),
                    rtt_ms: Some(path.rtt.as_secs_f64() * 1000.0),
                }
            })
            .collect()
    }
}

/// Connects to `peer` at one of these addresses, within [`REACH`].
async fn connects(endpoint: &transport::Endpoint, peer: PeerId, addresses: &[Address]) -> bool {
    let connecting = endpoint.connect(Some(peer), addresses);
    let connected = tokio::time::timeout(REACH, connecting).await;
    matches!(connected, Ok(Ok(_)))
}

/// What the directory has to go on with; nothing ever without one.
async fn ready(directory: &mut Option<Directory>) -> Option<dht::Next> {
    match directory {
        Some(directory) => Some(directory.ready().await),
        None => None,
    }
}

/// The word for a path.
fn kind(kind: transport::PathKind) -> PathKind {
    match kind {
        transport::PathKind::Direct => PathKind::Direct,
        transport::PathKind::Relayed => PathKind::Relay,
    }
}

/// Reaches an address given at start, and again whenever the connection is lost.
async fn keep_dialing(endpoint: transport::Endpoint, address: Address) {
    let mut pause = DIAL_PAUSE.0;
    loop {
        match endpoint.connect(address.peer(), &[address]).await {
            Ok(connection) => {
                pause = DIAL_PAUSE.0;
                connection.closed().await;
            }
            Err(error) => tracing::debug!(%error, "an address given at start is not reachable"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(DIAL_PAUSE.1);
    }
}

/// Writes the frames of one connection to its chat stream, opened by the first of them and replaced
/// whenever another chat opens.
async fn write(connection: transport::Connection, mut frames: mpsc::Receiver<Frame>) {
    let mut stream = None;
    let mut bytes = Vec::new();
    while let Some(first) = frames.recv().await {
        bytes.clear();
        let mut next = Some(first);
        while let Some(frame) = next {
            if matches!(frame, Frame::ChatOpen(_)) {
                // What the old stream still holds belongs to a chat that is over.
                bytes.clear();
                stream = connection.open_uni().await.ok();
            }
            bytes.extend_from_slice(&frame.to_bytes());
            next = if bytes.len() < WRITE {
                frames.try_recv().ok()
            } else {
                None
            };
        }
        let Some(stream) = stream.as_mut() else {
            return;
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Bytes written at once.
const WRITE: usize = 256 * 1024;

/// A chat stream a peer opened, read up to the end of its first frame.
struct Incoming {
    link: LinkId,
    conn: transport::Connection,
    recv: quinn::RecvStream,
    first: Frame,
    reader: FrameReader,
}

/// Reads one chat stream into the engine. CHAT_OPEN stands in front of it and nowhere else.
async fn read(incoming: Incoming, engine: mpsc::Sender<Input>) {
    let Incoming {
        link,
        conn,
        recv,
        first,
        reader,
    } = incoming;
    let stream = recv.id().index();
    let mut frames = transport::FrameStream::new(recv, reader);
    let mut next = Some(first);
    while let Some(frame) = next {
        let frame = Box::new(frame);
        let frame = Input::Frame {
            link,
            stream,
            frame,
        };
        if engine.send(frame).await.is_err() {
            return;
        }
        next = match frames.next().await {
            Ok(Some(Frame::ChatOpen(_))) if !defect::is(Defect::AcceptsSecondOpen) => {
                conn.close(Code::Unexpected);
                return;
            }
            Ok(next) => next,
            Err(error) => {
                tracing::debug!(%error, "a peer's chat stream cannot be read");
                if let Some(code) = error.code() {
                    conn.close(code);
                }
                return;
            }
        };
    }
}

#[cfg(test)]
mod tests;
