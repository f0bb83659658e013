//! Packets cut in two and joined again.

use std::time::{Duration, Instant};

use dchat_transport::relay::proto::parts::{
    AGE_MAX, Numbers, PACKET_MAX, Reassembly, WAITING, cut,
};
use dchat_wire::relay::datagram::{Datagram, Part};

use crate::script::{Script, start};

/// How far a number may be behind the newest of its side, by the specification.
const BEHIND: u16 = 1024;

/// Input: a script of parts, packets to be cut, and time.
///
/// A packet that comes out is one that a naive reading of all parts so far gives: two parts of one
/// number, each used once, in the right order, within the age. Two parts that nothing came between
/// always give their packet. What waits is bounded.
///
/// # Panics
/// When it is not so.
pub fn reassembly(data: &[u8]) {
    let mut script = Script::new(data);
    let mut run = Run {
        reassembly: Reassembly::new(),
        numbers: Numbers::end(),
        now: start(),
        heard: Vec::new(),
    };
    while let Some(step) = script.step() {
        match step % 4 {
            0 => run.now += script.time(),
            1 => {
                let number = script.u16();
                run.part(number, script.flag(), script.bytes(2 * PACKET_MAX).to_vec());
            }
            2 => {
                // Few numbers, and sizes about the bounds, cheaply.
                let number = u16::from(script.u8() & 7) | u16::from(script.u8() & 1) << 15;
                let len = usize::from(script.u8()) * 8;
                run.part(number, script.flag(), vec![script.u8(); len]);
            }
            _ => {
                let len = usize::from(script.u16()) % (PACKET_MAX + 200);
                let largest = usize::from(script.u16()) % (PACKET_MAX + 200);
                run.packet(script.u32(), len, largest, script.flag());
            }
        }
    }
    run.now += AGE_MAX;
    run.reassembly.handle_timeout(run.now);
    assert_eq!(run.reassembly.waiting(), 0, "kept for too long");
    assert_eq!(run.reassembly.poll_timeout(), None);
}

struct Heard {
    number: u16,
    second: bool,
    bytes: Vec<u8>,
    at: Instant,
    used: bool,
}

struct Run {
    reassembly: Reassembly,
    numbers: Numbers,
    now: Instant,
    heard: Vec<Heard>,
}

impl Run {
    fn part(&mut self, number: u16, second: bool, bytes: Vec<u8>) {
        let part = if second { Part::Second } else { Part::First };
        let joined = self.reassembly.handle_part(number, part, &bytes, self.now);
        assert!(self.reassembly.waiting() <= WAITING);
        if let Some(due) = self.reassembly.poll_timeout() {
            assert!(due > self.now && due <= self.now + AGE_MAX, "a wrong timer");
        }
        let other = self.other(number, second);
        match &joined {
            Some(packet) => {
                assert!(packet.len() <= PACKET_MAX);
                let at = other.expect("joined with nothing");
                let other = &mut self.heard[at];
                assert!(!other.used, "used twice");
                other.used = true;
                let (first, rest) = if second {
                    (&other.bytes, &bytes)
                } else {
                    (&bytes, &other.bytes)
                };
                assert_eq!(**packet, [first.as_slice(), rest].concat());
            }
            None => {
                let missed = other.filter(|at| self.must_join(*at, bytes.len()));
                assert_eq!(missed, None, "two parts were not joined");
            }
        }
        // What alone is too large is not looked at further.
        if bytes.len() < PACKET_MAX {
            self.heard.push(Heard {
                number,
                second,
                bytes,
                at: self.now,
                used: joined.is_some(),
            });
        }
    }

    /// The last part of that number, if it is the other one and young enough.
    fn other(&self, number: u16, second: bool) -> Option<usize> {
        let at = self.heard.iter().rposition(|one| one.number == number)?;
        let one = &self.heard[at];
        let young = self.now < one.at + AGE_MAX;
        (young && one.second != second).then_some(at)
    }

    fn must_join(&self, at: usize, len: usize) -> bool {
        let one = &self.heard[at];
        // Nothing of that number was there before it: neither the same part, whose age would count,
        // nor one it was dropped with.
        let before = self.heard[..at].iter().rev();
        let before = before.take_while(|other| one.at < other.at + AGE_MAX);
        let alone = !before
            .into_iter()
            .any(|other| other.number == one.number && !other.used);
        let fits = one.bytes.len() < PACKET_MAX && len < PACKET_MAX;
        let fits = fits && one.bytes.len() + len <= PACKET_MAX;
        let near = |other: &Heard| {
            let same_side = (other.number ^ one.number) & 0x8000 == 0;
            let apart = other.number.wrapping_sub(one.number) & 0x7fff;
            !same_side || apart <= BEHIND || apart >= 0x8000 - BEHIND
        };
        let since = &self.heard[at + 1..];
        alone && !one.used && fits && since.len() < WAITING && since.iter().all(near)
    }

    /// Cuts a packet and, in either order, joins it.
    fn packet(&mut self, channel: u32, len: usize, largest: usize, turned: bool) {
        let packet: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
        let Ok((first, second)) = cut(channel, &packet, largest, &mut self.numbers) else {
            let whole = len > 0 && len + 5 <= largest;
            let halves = len > 1 && len.div_ceil(2) + 7 <= largest;
            assert!(!whole && !halves, "it fits");
            return;
        };
        let Some(second) = second else {
            assert_eq!(
                Datagram::open(&first),
                Some(Datagram::Whole {
                    channel,
                    packet: &packet
                })
            );
            assert!(first.len() <= largest);
            return;
        };
        assert!(first.len().max(second.len()) <= largest && len + 5 > largest);
        self.now += Duration::from_millis(1);
        let mut parts = [Vec::new(), Vec::new()];
        let both = if turned {
            [second, first]
        } else {
            [first, second]
        };
        for datagram in &both {
            match Datagram::open(datagram) {
                Some(Datagram::Part {
                    channel: named,
                    number,
                    part,
                    bytes,
                }) => {
                    assert_eq!(named, channel);
                    assert!(number < 0x8000, "a number of the relay's");
                    parts[usize::from(part == Part::Second)] = bytes.to_vec();
                    // Whether they are joined is judged there, as for all parts.
                    self.part(number, part == Part::Second, bytes.to_vec());
                }
                other => panic!("cut into {other:?}"),
            }
        }
        assert_eq!(parts.concat(), packet);
    }
}
