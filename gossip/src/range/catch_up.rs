//! Asking for what an archive lacks.

use core::time::Duration;

use dchat_wire::codec::List;
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{GossipFetch, GossipRange, Span};

use super::answer::WHOLE;
use super::archive::{Archive, Key};
use crate::time::Time;

/// Ranges under way for each member that answers: enough to fill a link while answers travel.
pub const IN_FLIGHT: usize = 4;
/// Ranges known to differ and not asked for yet; more than that is found again at the end.
const WAITING: usize = 1024;
/// Items fetched at once where nothing is held, and so nothing has to be compared.
const BATCH: u16 = 1024;
/// How long an answer, or the next item of one, is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often everything is compared again before it is given up: what one member lacks another may
/// have, and what all lack nobody can send.
const PASSES: u8 = 4;

/// What to send a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Where do we differ?
    Range(GossipRange),
    /// Send these.
    Fetch(GossipFetch),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Compare,
    /// So many items of the range are still to come.
    Fetch(u32),
}

#[derive(Clone, Copy, Debug)]
struct Part {
    from: Key,
    to: Key,
    task: Task,
}

#[derive(Clone, Copy, Debug)]
struct Asked<H> {
    peer: H,
    part: Part,
    /// Items of this request that are still to come.
    batch: u16,
    at: Time,
}

/// Fills an archive from several members.
///
/// State: at most 1,024 ranges that differ and four under way for each of at most sixteen members.
/// Inputs: [`CatchUp::spans`] and [`CatchUp::came`] for what members send, [`CatchUp::gone`],
/// [`CatchUp::handle_timeout`]. Output: [`CatchUp::poll_request`], until [`CatchUp::is_done`].
/// Items are checked like any others before they are inserted into the archive.
#[derive(Clone, Debug)]
pub struct CatchUp<H> {
    salt: u64,
    peers: Vec<H>,
    newest: u16,
    waiting: Vec<Part>,
    asked: Vec<Asked<H>>,
    passes: u8,
    progress: bool,
}

impl<H: Copy + Eq> CatchUp<H> {
    /// Catches up from `peers`, of whom at most sixteen are asked: the `newest` items first.
    #[must_use]
    pub fn new(salt: u64, peers: Vec<H>, newest: u16) -> Self {
        Self {
            salt,
            peers: peers.into_iter().take(16).collect(),
            newest,
            waiting: vec![Part {
                from: Key::FIRST,
                to: Key::END,
                task: Task::Compare,
            }],
            asked: Vec::new(),
            passes: 1,
            progress: false,
        }
    }

    /// Whether nothing is left to ask.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty() || self.peers.is_empty()
    }

    /// The next request, and to whom: the newest range that waits, to who has the fewest under way.
    pub fn poll_request(&mut self, archive: &Archive, now: Time) -> Option<(H, Request)> {
        let under_way = |peer: &H| {
            self.asked
                .iter()
                .filter(|asked| asked.peer == *peer)
                .count()
        };
        let peer = *self.peers.iter().min_by_key(|peer| under_way(peer))?;
        if under_way(&peer) >= IN_FLIGHT {
            return None;
        }
        let (at, _) = self
            .waiting
            .iter()
            .enumerate()
            .max_by_key(|(_, part)| part.to)?;
        let part = self.waiting.swap_remove(at);
        let batch = match part.task {
            Task::Compare => 0,
            Task::Fetch(count) => u16::try_from(count).unwrap_or(BATCH).min(BATCH),
        };
        self.asked.push(Asked {
            peer,
            part,
            batch,
            at: now,
        });
        let request = match part.task {
            Task::Compare => Request::Range(GossipRange {
                salt: self.salt,
                spans: List::first_of([archive.span(self.salt, part.from, part.to)]),
                newest: core::mem::take(&mut self.newest),
                extensions: Extensions::default(),
            }),
            Task::Fetch(_) => Request::Fetch(GossipFetch {
                from: part.from.into(),
                to: part.to.into(),
                most: batch,
                extensions: Extensions::default(),
            }),
        };
        Some((peer, request))
    }

    /// A member says where its archive differs. False when that cannot be an answer to what it was
    /// asked: it is asked no more.
    pub fn spans(&mut self, peer: H, answer: &[Span], archive: &Archive) -> bool {
        let first = answer.first().map(|span| Key::from(&span.from));
        let mut asked = self.asked.iter();
        let about = asked.position(|asked| {
            let part = asked.part;
            asked.peer == peer
                && part.task == Task::Compare
                && first.is_none_or(|first| part.from <= first && first < part.to)
        });
        let Some(part) = about.map(|at| self.asked.swap_remove(at).part) else {
            return true;
        };
        let mut reached = part.from;
        for span in answer {
            let (from, to) = (Key::from(&span.from), Key::from(&span.to));
            let is_whole = (from, to) == (part.from, part.to);
            // In order, within what was asked, and smaller unless it is to be sent whole: so asking
            // comes to an end.
            if from < reached || from >= to || to > part.to || (is_whole && span.count > WHOLE) {
                self.gone(peer);
                self.wait(part);
                return false;
            }
            reached = to;
            let ours = archive.summary(self.salt, from, to);
            if (ours.count, ours.sum) == (span.count, span.sum) || span.count == 0 {
                continue;
            }
            let task = if span.count <= WHOLE || ours.count == 0 {
                Task::Fetch(span.count)
            } else {
                Task::Compare
            };
            self.wait(Part { from, to, task });
        }
        self.end_of_pass();
        true
    }

    fn wait(&mut self, part: Part) {
        if self.waiting.len() < WAITING {
            self.waiting.push(part);
        }
    }

    /// A member sent an item, which is in the archive by now; `new` when it was not before.
    pub fn came(&mut self, peer: H, key: Key, new: bool, now: Time) {
        self.progress |= new;
        let about = self.asked.iter().position(|asked| {
            let within = asked.part.from <= key && key < asked.part.to;
            asked.peer == peer && within && matches!(asked.part.task, Task::Fetch(_))
        });
        let Some(at) = about else {
            return;
        };
        let Some(asked) = self.asked.get_mut(at) else {
            return;
        };
        asked.at = now;
        // The newest come first, so what is left lies before.
        asked.part.to = key;
        asked.batch = asked.batch.saturating_sub(1);
        let Task::Fetch(left) = &mut asked.part.task else {
            return;
        };
        *left = left.saturating_sub(1);
        let (left, part) = (*left, asked.part);
        if asked.batch == 0 {
            self.asked.swap_remove(at);
            if left > 0 {
                self.wait(part);
            }
        }
        self.end_of_pass();
    }

    /// A member answers no more: others are asked for what it was asked for.
    pub fn gone(&mut self, peer: H) {
        self.peers.retain(|other| *other != peer);
        self.again(|asked| asked.peer == peer);
    }

    /// Asks elsewhere for what has not come in time.
    pub fn handle_timeout(&mut self, now: Time) {
        let late = |asked: &Asked<H>| asked.at + TIMEOUT <= now;
        let slow: Vec<H> = self
            .asked
            .iter()
            .filter(|asked| late(asked))
            .map(|asked| asked.peer)
            .collect();
        self.again(late);
        // The last of those who answer is asked before others, unless it is the only one.
        for peer in slow {
            if let Some(at) = self.peers.iter().position(|other| *other == peer) {
                let peer = self.peers.remove(at);
                self.peers.push(peer);
            }
        }
        self.end_of_pass();
    }

    fn again(&mut self, which: impl Fn(&Asked<H>) -> bool) {
        let (again, keep): (Vec<_>, Vec<_>) = self.asked.drain(..).partition(which);
        self.asked = keep;
        for asked in again {
            self.wait(Part {
                // What was to be fetched may be there in part by now.
                task: Task::Compare,
                ..asked.part
            });
        }
    }

    /// When [`CatchUp::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.asked.iter().map(|asked| asked.at + TIMEOUT).min()
    }

    /// Compares everything once more when all that differed has come, as long as something came.
    fn end_of_pass(&mut self) {
        if self.waiting.is_empty() && self.asked.is_empty() && self.progress && self.passes < PASSES
        {
            self.passes += 1;
            self.progress = false;
            self.wait(Part {
                from: Key::FIRST,
                to: Key::END,
                task: Task::Compare,
            });
        }
    }
}
