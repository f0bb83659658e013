//! Packets that do not fit one datagram: cut in two, numbered, joined again.
//!
//! [`cut`] makes the one or two datagrams of a packet. [`Reassembly`] joins the parts of one
//! channel, in whatever order they come.
//!
//! Whole packets are never kept, so only parts can fill a memory. A [`Reassembly`] keeps at most
//! [`WAITING`] parts of at most [`PACKET_MAX`] bytes, each for at most [`AGE_MAX`]; what is over a
//! bound drops the oldest. A wrong join (a number used again too early) gives a packet whose
//! authentication fails at the inner connection, like any damaged packet.
//!
//! A relay cuts packets, too, on a channel whose ends do so: the ends number theirs below
//! [`RELAY_NUMBERS`], the relay from there on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_wire::relay::datagram::{Datagram, PART_HEADER, Part, WHOLE_HEADER};

/// Parts that may wait for their other part on one channel: at most as many packets are torn apart
/// by loss and reordering on a path that is still of use.
pub const WAITING: usize = 64;
/// Largest packet that is joined, in bytes: what an Ethernet link carries. An inner packet is at
/// most 1472 bytes.
pub const PACKET_MAX: usize = 1500;
/// How long a part waits for the other: they are sent together, so longer than any reordering.
pub const AGE_MAX: Duration = Duration::from_secs(1);
/// The first number of those a relay uses.
pub const RELAY_NUMBERS: u16 = 0x8000;
/// How far a number may be behind the newest: far less than half of the numbers there are, so that
/// a part whose other part was lost is gone before its number comes again.
const BEHIND_MAX: u16 = 1024;

/// Numbers for packets cut in two, of one channel and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    next: u16,
    base: u16,
}

impl Numbers {
    /// Those of an end of the channel.
    #[must_use]
    pub fn end() -> Self {
        Self { next: 0, base: 0 }
    }

    /// Those of the relay.
    pub(super) fn relay() -> Self {
        Self {
            next: 0,
            base: RELAY_NUMBERS,
        }
    }

    pub(super) fn next(&mut self) -> u16 {
        let number = self.base | self.next;
        self.next = self.next.wrapping_add(1) & !RELAY_NUMBERS;
        number
    }
}

/// A packet does not fit even in two parts, or is empty. It was not sent; a smaller one may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {packet} bytes does not fit two datagrams of {largest}")]
pub struct TooLarge {
    /// Bytes of the packet.
    pub packet: usize,
    /// Largest datagram.
    pub largest: usize,
}

/// The one or two datagrams of a packet on `channel` where a datagram has at most `largest` bytes.
///
/// # Errors
/// [`TooLarge`], and nothing is to be sent.
pub fn cut(
    channel: u32,
    packet: &[u8],
    largest: usize,
    numbers: &mut Numbers,
) -> Result<(Bytes, Option<Bytes>), TooLarge> {
    if packet.is_empty() {
        return Err(TooLarge { packet: 0, largest });
    }
    if packet.len() + WHOLE_HEADER <= largest {
        let whole = Datagram::Whole { channel, packet };
        return Ok((datagram(&whole, WHOLE_HEADER + packet.len()), None));
    }
    let (first, second) = halves(channel, numbers.next(), packet, largest)?;
    Ok((first, Some(second)))
}

/// The two halves of a packet: alike in size, so that both pass where one does.
pub(super) fn halves(
    channel: u32,
    number: u16,
    packet: &[u8],
    largest: usize,
) -> Result<(Bytes, Bytes), TooLarge> {
    let half = packet.len().div_ceil(2);
    let (first, second) = packet.split_at(half);
    if half + PART_HEADER > largest || second.is_empty() {
        return Err(TooLarge {
            packet: packet.len(),
            largest,
        });
    }
    let part = |part, bytes: &[u8]| {
        let whole = Datagram::Part {
            channel,
            number,
            part,
            bytes,
        };
        datagram(&whole, PART_HEADER + bytes.len())
    };
    Ok((part(Part::First, first), part(Part::Second, second)))
}

fn datagram(content: &Datagram<'_>, len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len);
    content.append_to(&mut bytes);
    bytes.into()
}

/// What a reassembly counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartStats {
    /// Packets joined.
    pub joined: u64,
    /// Parts that were there already.
    pub duplicate: u64,
    /// Parts whose number was used again before the other part came.
    pub superseded: u64,
    /// Parts whose other part did not come in time.
    pub expired: u64,
    /// Parts dropped for newer ones.
    pub overflowed: u64,
    /// Parts of a packet over [`PACKET_MAX`].
    pub too_large: u64,
}

/// Joins the parts of one channel; see the [module](self) for its bounds.
#[derive(Debug, Default)]
pub struct Reassembly {
    /// In the order they came.
    waiting: VecDeque<Waiting>,
    stats: PartStats,
}

#[derive(Debug)]
struct Waiting {
    number: u16,
    part: Part,
    bytes: Box<[u8]>,
    since: Instant,
}

impl Reassembly {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a part; returns the packet when it was the second of the two to come.
    pub fn handle_part(
        &mut self,
        number: u16,
        part: Part,
        bytes: &[u8],
        now: Instant,
    ) -> Option<Bytes> {
        self.handle_timeout(now);
        // Alone it takes one byte less: the other has at least one. What is dropped tells nothing of
        // how far the numbers are either.
        if bytes.len() >= PACKET_MAX {
            self.stats.too_large += 1;
            return None;
        }
        self.forget_before(number);
        if let Some(at) = self.waiting.iter().position(|one| one.number == number)
            && let Some(one) = self.waiting.remove(at)
        {
            if one.part != part {
                return self.join(&one, bytes);
            }
            if *one.bytes == *bytes {
                self.stats.duplicate += 1;
                self.waiting.insert(at, one);
                return None;
            }
            self.stats.superseded += 1;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
            self.stats.overflowed += 1;
        }
        self.waiting.push_back(Waiting {
            number,
            part,
            bytes: bytes.into(),
            since: now,
        });
        None
    }

    /// Forgets what has waited for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(one) = self.waiting.front()
            && one.since + AGE_MAX <= now
        {
            self.waiting.pop_front();
            self.stats.expired += 1;
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            self.waiting = VecDeque::new();
        }
    }

    /// When there is something to forget.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|one| one.since + AGE_MAX)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> PartStats {
        self.stats
    }

    /// Parts that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn join(&mut self, one: &Waiting, bytes: &[u8]) -> Option<Bytes> {
        if one.bytes.len() + bytes.len() > PACKET_MAX {
            self.stats.too_large += 1;
            return None;
        }
        self.stats.joined += 1;
        let packet = match one.part {
            Part::First => [&one.bytes, bytes].concat(),
            Part::Second => [bytes, &one.bytes].concat(),
        };
        Some(packet.into())
    }

    fn forget_before(&mut self, newest: u16) {
        let before = self.waiting.len();
        self.waiting.retain(|one| {
            let same_side = (one.number ^ newest) & RELAY_NUMBERS == 0;
            let apart = newest.wrapping_sub(one.number) & !RELAY_NUMBERS;
            !same_side || apart <= BEHIND_MAX || apart >= RELAY_NUMBERS - BEHIND_MAX
        });
        self.stats.expired += (before - self.waiting.len()) as u64;
    }
}
