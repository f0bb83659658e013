//! Packets on their way to a relay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use dchat_wire::relay::datagram::Datagram;
use tokio::sync::Notify;

use crate::relay::proto::parts::{self, Numbers};
use crate::socket::{Carried, Carrier};
use crate::sync::lock;

/// Bytes of packets that may wait for the task of the link, which takes them to the connection's own
/// buffer of 1 MiB as fast as that takes them. Beyond, packets are lost, as in the queue of any
/// router, and the inner connection slows down.
const QUEUE: usize = 256 * 1024;

/// The queue of one link, filled by the sending sides of connections.
#[derive(Debug)]
pub(super) struct Carry {
    queue: Mutex<Queue>,
    news: Notify,
    /// A channel is no more.
    closed: Notify,
}

#[derive(Debug)]
struct Queue {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
    /// The largest datagram of the relay's connection.
    largest: usize,
    /// The open channels, each with the numbers of its packets in parts.
    open: BTreeMap<u32, Numbers>,
    gone: bool,
}

impl Carry {
    pub(super) fn new(largest: usize) -> Self {
        Self {
            queue: Mutex::new(Queue {
                datagrams: VecDeque::new(),
                bytes: 0,
                largest,
                open: BTreeMap::new(),
                gone: false,
            }),
            news: Notify::new(),
            closed: Notify::new(),
        }
    }

    pub(super) fn open(&self, channel: u32) {
        lock(&self.queue).open.insert(channel, Numbers::end());
    }

    pub(super) fn close(&self, channel: u32) {
        lock(&self.queue).open.remove(&channel);
        self.closed.notify_waiters();
    }

    /// Returns once `channel` is closed.
    pub(super) async fn until_closed(&self, channel: u32) {
        loop {
            let mut closed = core::pin::pin!(self.closed.notified());
            // From here on none is missed.
            closed.as_mut().enable();
            if !self.is_open(channel) {
                return;
            }
            closed.await;
        }
    }

    pub(super) fn is_open(&self, channel: u32) -> bool {
        lock(&self.queue).open.contains_key(&channel)
    }

    /// How many channels are open.
    pub(super) fn channels(&self) -> usize {
        lock(&self.queue).open.len()
    }

    /// Nothing more is carried.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.gone = true;
        queue.open.clear();
        queue.datagrams.clear();
        queue.bytes = 0;
        drop(queue);
        self.closed.notify_waiters();
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.queue).datagrams.is_empty()
    }

    /// Takes all that wait into the empty `batch`, and learns how large a datagram may be now.
    fn take(&self, batch: &mut VecDeque<Bytes>, largest: usize) {
        let mut queue = lock(&self.queue);
        queue.largest = largest;
        queue.bytes = 0;
        core::mem::swap(&mut queue.datagrams, batch);
    }

    /// Sends what waits, until the connection is over.
    pub(super) async fn drain(&self, quinn: &quinn::Connection) {
        let mut batch = VecDeque::new();
        loop {
            let largest = quinn.max_datagram_size().unwrap_or(0);
            self.take(&mut batch, largest);
            if batch.is_empty() {
                self.news.notified().await;
                continue;
            }
            let mut room = quinn.datagram_send_buffer_space();
            while let Some(datagram) = batch.pop_front() {
                // The path may have become narrower since it was made.
                for datagram in self.fitting(datagram, largest) {
                    let len = datagram.len();
                    let sent = if len <= room {
                        room -= len;
                        quinn.send_datagram(datagram)
                    } else {
                        let sent = quinn.send_datagram_wait(datagram).await;
                        room = quinn.datagram_send_buffer_space();
                        sent
                    };
                    match sent {
                        // One that became too large just now is lost, as one on the way would be.
                        Ok(()) | Err(quinn::SendDatagramError::TooLarge) => {}
                        Err(_) => return,
                    }
                }
            }
        }
    }

    /// The datagram, or the two parts of its packet.
    fn fitting(&self, datagram: Bytes, largest: usize) -> impl Iterator<Item = Bytes> + use<> {
        if datagram.len() <= largest {
            return [Some(datagram), None].into_iter().flatten();
        }
        let cut = match Datagram::open(&datagram) {
            Some(Datagram::Whole { channel, packet }) => {
                let mut queue = lock(&self.queue);
                let numbers = queue.open.get_mut(&channel);
                numbers.and_then(|numbers| parts::cut(channel, packet, largest, numbers).ok())
            }
            _ => None,
        };
        let (one, other) = match cut {
            Some((one, other)) => (Some(one), other),
            None => (None, None),
        };
        [one, other].into_iter().flatten()
    }
}

impl Carrier for Carry {
    fn carry(&self, channel: u32, packet: &[u8]) -> Carried {
        let mut queue = lock(&self.queue);
        let Queue {
            datagrams,
            bytes,
            largest,
            open,
            gone,
        } = &mut *queue;
        let Some(numbers) = open.get_mut(&channel).filter(|_| !*gone) else {
            return Carried::Gone;
        };
        if *bytes + packet.len() > QUEUE {
            return Carried::Full;
        }
        // What does not fit even in two parts is lost: only a path no relay should be on is so narrow.
        let Ok((one, other)) = parts::cut(channel, packet, *largest, numbers) else {
            return Carried::Full;
        };
        let first = datagrams.is_empty();
        for datagram in [Some(one), other].into_iter().flatten() {
            *bytes += datagram.len();
            datagrams.push_back(datagram);
        }
        drop(queue);
        if first {
            self.news.notify_one();
        }
        Carried::Done
    }
}
