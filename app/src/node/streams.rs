//! The streams of rooms over one connection.
//!
//! A room's stream goes both ways and begins with GOSSIP_OPEN; either side opens one. What is written
//! to it waits in a queue of its own, so that a slow room holds up neither chats nor other rooms. From
//! [`HIGH`] bytes on the engine is told that the stream is congested, and sends announcements instead of
//! items; below [`LOW`] that it is no longer. A queue that all the same reaches [`MOST`] bytes or
//! [`FRAMES`] frames is broken off: its neighbour begins anew when it can. A reader waits when the
//! engine's queue is full, so the peer waits in QUIC's flow control.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dchat_transport as transport;
use dchat_wire::close::Code;
use dchat_wire::{Frame, FrameReader};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::engine::{Input, LinkId, StreamId, is_ours};

/// Bytes that may wait before the engine is told.
const HIGH: usize = 256 * 1024;
/// Bytes at which it is told that there is room again.
const LOW: usize = 64 * 1024;
/// Bytes that may wait: what a node says of what it was asked before it heard of the congestion.
const MOST: usize = 4 * 1024 * 1024;
/// Frames that may wait.
const FRAMES: usize = 8192;
/// Bytes written at once.
const WRITE: usize = 64 * 1024;
/// Streams of rooms over one connection: those of 64 rooms, and as many that are ending.
const STREAMS: usize = 128;

/// The rooms' streams of one connection, which end with this.
pub(super) struct Streams {
    link: LinkId,
    connection: transport::Connection,
    engine: mpsc::Sender<Input>,
    /// At most [`STREAMS`].
    open: BTreeMap<StreamId, Outlet>,
    /// Tasks that read; those that have ended are let go of with the next.
    readers: Vec<AbortHandle>,
}

/// The writing end of one stream.
struct Outlet {
    frames: mpsc::Sender<Vec<u8>>,
    queue: Arc<Queue>,
}

/// What the two ends of a queue share.
#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    congested: AtomicBool,
    /// Wakes the writer to break the stream off.
    broken: Notify,
}

impl Streams {
    pub(super) fn new(
        link: LinkId,
        connection: transport::Connection,
        engine: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            link,
            connection,
            engine,
            open: BTreeMap::new(),
            readers: Vec::new(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sends a frame, which opens the stream when it is the first of ours. True when the stream has
    /// just become congested.
    pub(super) fn send(
        &mut self,
        stream: StreamId,
        frame: &Frame,
        tasks: &mut JoinSet<()>,
    ) -> Option<Input> {
        if !self.open.contains_key(&stream) {
            // Of a stream that is over, unless it begins one.
            let begins = is_ours(stream) && matches!(frame, Frame::GossipOpen(_));
            if !begins || self.open.len() >= STREAMS {
                return Some(Input::StreamEnded { stream });
            }
            self.begin(stream, Writing::Open, tasks);
        }
        let outlet = self.open.get(&stream)?;
        let bytes = frame.to_bytes();
        let waiting = outlet.queue.bytes.fetch_add(bytes.len(), Ordering::SeqCst) + bytes.len();
        if waiting > MOST || outlet.frames.try_send(bytes).is_err() {
            outlet.queue.broken.notify_one();
            self.open.remove(&stream);
            return Some(Input::StreamEnded { stream });
        }
        let is_news = waiting > HIGH && !outlet.queue.congested.swap(true, Ordering::SeqCst);
        is_news.then_some(Input::StreamCongested {
            stream,
            congested: true,
        })
    }

    /// Has the engine told when the stream has room: now, when it has.
    pub(super) fn tell_room(&mut self, stream: StreamId) -> Option<Input> {
        let queue = &self.open.get(&stream)?.queue;
        queue.congested.store(true, Ordering::SeqCst);
        // The writer may have emptied the queue before it was marked; one of both tells.
        let has_room = queue.bytes.load(Ordering::SeqCst) <= LOW
            && queue.congested.swap(false, Ordering::SeqCst);
        has_room.then_some(Input::StreamCongested {
            stream,
            congested: false,
        })
    }

    /// Takes a stream the peer opened, read up to the end of its first frame.
    pub(super) fn accept(
        &mut self,
        stream: StreamId,
        send: quinn::SendStream,
        first: Frame,
        frames: transport::FrameStream,
        tasks: &mut JoinSet<()>,
    ) {
        if self.open.len() >= STREAMS {
            return;
        }
        self.begin(stream, Writing::Back(send), tasks);
        self.read(stream, Some(first), frames, tasks);
    }

    fn read(
        &mut self,
        stream: StreamId,
        first: Option<Frame>,
        frames: transport::FrameStream,
        tasks: &mut JoinSet<()>,
    ) {
        let reading = Reading {
            link: self.link,
            stream,
            connection: self.connection.clone(),
            engine: self.engine.clone(),
        };
        self.readers.retain(|reader| !reader.is_finished());
        self.readers.push(tasks.spawn(reading.run(first, frames)));
    }

    fn begin(&mut self, stream: StreamId, how: Writing, tasks: &mut JoinSet<()>) {
        let (frames, queue) = mpsc::channel(FRAMES);
        let shared = Arc::new(Queue::default());
        let outlet = Outlet {
            frames,
            queue: Arc::clone(&shared),
        };
        self.open.insert(stream, outlet);
        let writer = Writer {
            link: self.link,
            stream,
            connection: self.connection.clone(),
            engine: self.engine.clone(),
            frames: queue,
            queue: shared,
        };
        let reader = tasks.spawn(writer.run(how));
        if is_ours(stream) {
            // It reads the way back as well, and is broken off with the readers.
            self.readers.retain(|reader| !reader.is_finished());
            self.readers.push(reader);
        }
    }

    /// Ends a stream after what was sent on it. What the other side still sends is read.
    pub(super) fn end(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }

    /// Breaks off every stream.
    pub(super) fn reset(&mut self) {
        for outlet in core::mem::take(&mut self.open).into_values() {
            outlet.queue.broken.notify_one();
        }
        for reader in self.readers.drain(..) {
            reader.abort();
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.reset();
    }
}

/// How a stream is written to.
enum Writing {
    /// It is to be opened.
    Open,
    /// The peer opened it.
    Back(quinn::SendStream),
}

struct Writer {
    link: LinkId,
    stream: StreamId,
    connection: transport::Connection,
    engine: mpsc::Sender<Input>,
    frames: mpsc::Receiver<Vec<u8>>,
    queue: Arc<Queue>,
}

impl Writer {
    async fn run(mut self, how: Writing) {
        match how {
            Writing::Back(mut send) => self.write(&mut send).await,
            Writing::Open => {
                let Ok((mut send, recv)) = self.connection.open_bi().await else {
                    return;
                };
                let reading = Reading {
                    link: self.link,
                    stream: self.stream,
                    connection: self.connection.clone(),
                    engine: self.engine.clone(),
                };
                let frames = transport::FrameStream::new(recv, FrameReader::new());
                tokio::join!(self.write(&mut send), reading.run(None, frames));
            }
        }
    }

    async fn write(&mut self, send: &mut quinn::SendStream) {
        let queue = Arc::clone(&self.queue);
        let broken = tokio::select! {
            biased;
            () = queue.broken.notified() => true,
            written = self.write_all(send) => written.is_err(),
        };
        // Both fail only for a stream that is over.
        if broken {
            let _ = send.reset((Code::Limit as u32).into());
        } else {
            let _ = send.finish();
        }
        // Nobody writes any more, and whoever still would is told.
        self.frames.close();
    }

    async fn write_all(&mut self, send: &mut quinn::SendStream) -> Result<(), quinn::WriteError> {
        let mut bytes = Vec::new();
        while let Some(first) = self.frames.recv().await {
            bytes.clear();
            bytes.extend_from_slice(&first);
            while bytes.len() < WRITE
                && let Ok(next) = self.frames.try_recv()
            {
                bytes.extend_from_slice(&next);
            }
            send.write_all(&bytes).await?;
            let before = self.queue.bytes.fetch_sub(bytes.len(), Ordering::SeqCst);
            if before.saturating_sub(bytes.len()) <= LOW
                && self.queue.congested.swap(false, Ordering::SeqCst)
            {
                let congested = false;
                let stream = self.stream;
                let input = Input::StreamCongested { stream, congested };
                // The engine ends only after this half has.
                let _ = self.engine.send(input).await;
            }
        }
        Ok(())
    }
}

struct Reading {
    link: LinkId,
    stream: StreamId,
    connection: transport::Connection,
    engine: mpsc::Sender<Input>,
}

impl Reading {
    async fn run(self, first: Option<Frame>, mut frames: transport::FrameStream) {
        let (link, stream) = (self.link, self.stream);
        let mut next = first;
        loop {
            let frame = match next.take() {
                Some(frame) => frame,
                None => match frames.next().await {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a room's stream cannot be read");
                        if let Some(code) = error.code() {
                            self.connection.close(code);
                        }
                        break;
                    }
                },
            };
            let frame = Box::new(frame);
            let input = Input::RoomFrame {
                link,
                stream,
                frame,
            };
            if self.engine.send(input).await.is_err() {
                return;
            }
        }
        let _ = self.engine.send(Input::StreamEnded { stream }).await;
    }
}
