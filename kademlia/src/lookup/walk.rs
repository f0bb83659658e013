//! One iterative search for the nodes nearest to a target.
//!
//! **State.** Whom we heard of, nearest first: where it came from, and whether it was asked, is
//! late, answered or failed. The caller asks and keeps the time.
//!
//! **Closing in.** [`Walk::next`] names the nearest that were not asked, so that `alpha` questions
//! are under way at most; one that is late does not count, another is asked beside it. When the k
//! nearest lie as near as k nodes should by the size of the network, or the nearest `alpha` have
//! answered, all of the k nearest are asked at once.
//!
//! **The end.** The walk is settled when the k nearest, without those that failed and those beyond
//! the limit for their subnet, have all answered *themselves*: a name in somebody's answer is worth
//! a question, nothing more. The first honest one among the k nearest knows the others, and so a
//! result is wrong only if nobody honest near the target was heard of.
//!
//! **Paths.** For that case the walk can be sent on disjoint paths, each from other contacts of ours.
//! Who was named by one path first is asked on that path alone, and each path closes in by itself.
//!
//! **Bounds.** [`KEPT`] candidates, or [`Walk::widen`]'s.

use crate::call::{Known, Nodes};
use crate::contact::Contact;
use crate::key::{Distance, Key};

/// Candidates remembered: whoever is farther than so many cannot be among the nearest k unless
/// most of them failed.
pub(super) const KEPT: usize = 128;
/// Nearest candidates of a path that have to answer until the path has closed in.
const PATH_WIDTH: usize = 3;
/// Paths at most: a bit each.
const PATHS: u8 = 8;
/// Questions one path may ask beyond the first.
const PATH_CALLS: u8 = 16;

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Fresh,
    Asked,
    Late,
    Answered,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<H> {
    pub(super) contact: Contact<H>,
    pub(super) state: State,
    /// The path it is asked on.
    path: u8,
    /// The paths it was named on, a bit each.
    named: u8,
    /// Answers of the chain that led to it.
    pub(super) hops: u8,
}

/// What a walk goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Never asked, whoever names us.
    pub(super) ourselves: Key,
    pub(super) k: usize,
    pub(super) alpha: usize,
    pub(super) subnet: usize,
    /// Within which distance k nodes are expected, as a fraction of the space.
    pub(super) expected: Option<f64>,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Walk<H> {
    pub(super) target: Key,
    rules: Rules,
    candidates: Vec<Candidate<H>>,
    kept: usize,
    /// All candidates up to here belong to the result, not the k nearest alone.
    radius: Option<Distance>,
    /// Nobody so near to this position is taken in.
    shunned: Option<(Key, Distance)>,
    /// Questions under way that are not late.
    under_way: usize,
    paths: u8,
    path_calls: [u8; PATHS as usize],
}

impl<H: Copy> Walk<H> {
    /// From `seeds`, all on the first path.
    pub(super) fn new(target: Key, rules: Rules, seeds: impl Iterator<Item = Contact<H>>) -> Self {
        let mut walk = Self {
            target,
            rules,
            candidates: Vec::with_capacity(KEPT),
            kept: KEPT,
            radius: None,
            shunned: None,
            under_way: 0,
            paths: 1,
            path_calls: [0; PATHS as usize],
        };
        for seed in seeds {
            walk.offer(seed, 0, 0);
        }
        walk
    }

    /// The same, without anybody as near to `centre` as `radius`: a crowd there would else lead the
    /// walk back to itself.
    pub(super) fn beside(
        target: Key,
        rules: Rules,
        crowd: (Key, Distance),
        seeds: impl Iterator<Item = Contact<H>>,
    ) -> Self {
        let mut walk = Self::new(target, rules, core::iter::empty());
        walk.shunned = Some(crowd);
        for seed in seeds {
            walk.offer(seed, 0, 0);
        }
        walk
    }

    /// Paths taken.
    pub(super) fn paths(&self) -> u8 {
        self.paths
    }

    /// Takes in somebody heard of; true when it is news.
    fn offer(&mut self, contact: Contact<H>, path: u8, hops: u8) -> bool {
        let is_shunned = |(centre, radius): (Key, Distance)| centre.distance(&contact.at) <= radius;
        if contact.at == self.rules.ourselves || self.shunned.is_some_and(is_shunned) {
            return false;
        }
        let distance = self.target.distance(&contact.at);
        let place = self.place(&contact.at);
        let named = 1 << path.min(PATHS - 1);
        let mut index = match place {
            Ok(index) => {
                if let Some(known) = self.candidates.get_mut(index) {
                    known.named |= named;
                }
                return false;
            }
            Err(index) => index,
        };
        if self.candidates.len() >= self.kept {
            // The farthest that was not asked makes room, unless the newcomer is farther yet. Other
            // paths begin far away.
            let is_first = path > 0 && hops == 0;
            let spare = |c: &Candidate<H>| c.state == State::Fresh && (c.path == 0 || c.hops > 0);
            let Some(last) = self.candidates.iter().rposition(spare) else {
                return false;
            };
            let farthest = self.candidates.get(last);
            let is_nearer = |c: &Candidate<H>| self.target.distance(&c.contact.at) < distance;
            if !is_first && farthest.is_some_and(is_nearer) {
                return false;
            }
            self.candidates.remove(last);
            index -= usize::from(last < index);
        }
        let candidate = Candidate {
            contact,
            state: State::Fresh,
            path,
            named,
            hops,
        };
        index = index.min(self.candidates.len());
        self.candidates.insert(index, candidate);
        true
    }

    fn place(&self, at: &Key) -> Result<usize, usize> {
        let distance = self.target.distance(at);
        self.candidates
            .binary_search_by_key(&distance, |c| self.target.distance(&c.contact.at))
    }

    pub(super) fn candidate(&self, at: &Key) -> Option<&Candidate<H>> {
        self.candidates.get(self.place(at).ok()?)
    }

    fn set(&mut self, at: &Key, state: State) {
        if let Ok(index) = self.place(at)
            && let Some(candidate) = self.candidates.get_mut(index)
        {
            let was = candidate.state == State::Asked;
            candidate.state = state;
            self.under_way -= usize::from(was);
        }
    }

    /// `at` answered and named `nodes`.
    pub(super) fn answered(&mut self, at: &Key, nodes: &Nodes<H>) {
        let Some(candidate) = self.candidate(at) else {
            return;
        };
        let (path, hops) = (candidate.path, candidate.hops.saturating_add(1));
        self.set(at, State::Answered);
        for node in nodes.iter() {
            self.offer(node, path, hops);
        }
    }

    /// `at` did not answer and will not.
    pub(super) fn failed(&mut self, at: &Key) {
        self.set(at, State::Failed);
    }

    /// `at` takes longer than it should.
    pub(super) fn late(&mut self, at: &Key) {
        if self.candidate(at).is_some_and(|c| c.state == State::Asked) {
            self.set(at, State::Late);
        }
    }

    /// Somebody else found `contact`.
    pub(super) fn learned(&mut self, contact: Contact<H>, hops: u8) {
        self.offer(contact, 0, hops);
    }

    /// Indices of the candidates the result is made of, nearest first: the k nearest (or all within
    /// the radius) that did not fail, at most so many of a subnet. Those that are late are in
    /// addition, so that others are asked beside them.
    fn window(&self, mut see: impl FnMut(usize, &Candidate<H>) -> bool) {
        let mut subnets = [(0_u64, 0_usize); KEPT];
        let mut seen = 0;
        let mut counted = 0;
        for (index, candidate) in self.candidates.iter().enumerate() {
            let distance = self.target.distance(&candidate.contact.at);
            let is_within = self.radius.is_some_and(|radius| distance <= radius);
            if counted >= self.rules.k && !is_within {
                break;
            }
            if candidate.state == State::Failed {
                continue;
            }
            let subnet = candidate.contact.subnet;
            if !subnet.is_exempt() {
                let known = subnets.iter_mut().take(seen).find(|s| s.0 == subnet.bits());
                if let Some(known) = known {
                    known.1 += 1;
                    if known.1 > self.rules.subnet {
                        continue;
                    }
                } else if let Some(place) = subnets.get_mut(seen) {
                    *place = (subnet.bits(), 1);
                    seen += 1;
                }
            }
            if candidate.state != State::Late {
                counted += 1;
            }
            if !see(index, candidate) {
                break;
            }
        }
    }

    /// Whether all of the nearest may be asked at once.
    pub(super) fn has_closed_in(&self) -> bool {
        let (mut ranked, mut leading, mut last) = (0, 0, Distance::ZERO);
        self.window(|_, candidate| {
            if ranked == leading && candidate.state == State::Answered {
                leading += 1;
            }
            ranked += 1;
            last = self.target.distance(&candidate.contact.at);
            true
        });
        let is_near = self
            .rules
            .expected
            .is_some_and(|expected| ranked >= self.rules.k && last.fraction() <= 2.0 * expected);
        is_near || leading >= self.rules.alpha.min(ranked)
    }

    /// Whom to ask now, if anybody; it counts as asked. A narrow walk never has more than `alpha`
    /// questions under way.
    pub(super) fn next(&mut self, is_narrow: bool) -> Option<Contact<H>> {
        let nearest = self.next_nearest(is_narrow);
        let index = nearest.or_else(|| self.next_of_paths())?;
        let candidate = self.candidates.get_mut(index)?;
        candidate.state = State::Asked;
        self.under_way += 1;
        if let Some(calls) = self.path_calls.get_mut(usize::from(candidate.path)) {
            *calls = calls.saturating_add(1);
        }
        Some(candidate.contact)
    }

    fn next_nearest(&self, is_narrow: bool) -> Option<usize> {
        let is_busy = self.under_way >= self.rules.alpha;
        if is_busy && (is_narrow || !self.has_closed_in()) {
            return None;
        }
        let mut next = None;
        self.window(|index, candidate| {
            if candidate.state == State::Fresh {
                next = Some(index);
            }
            next.is_none()
        });
        next
    }

    fn next_of_paths(&self) -> Option<usize> {
        (1..self.paths).find_map(|path| {
            let calls = self.path_calls.get(usize::from(path)).copied();
            if calls.unwrap_or(u8::MAX) >= PATH_CALLS {
                return None;
            }
            let own = self.candidates.iter().enumerate();
            let own = own.filter(|(_, c)| c.path == path && c.state != State::Failed);
            let mut own = own.take(PATH_WIDTH);
            own.find(|(_, c)| c.state == State::Fresh)
                .map(|(index, _)| index)
        })
    }

    /// Whether nothing is left to ask or to wait for.
    pub(super) fn is_settled(&self) -> bool {
        let mut settled = true;
        self.window(|_, candidate| {
            settled &= candidate.state == State::Answered;
            settled
        });
        settled && self.next_of_paths().is_none() && !self.is_path_waiting()
    }

    fn is_path_waiting(&self) -> bool {
        let waits = |c: &Candidate<H>| c.path > 0 && c.state == State::Asked;
        self.candidates.iter().any(waits)
    }

    /// Sends the walk on `paths` paths in all, the new ones from `seeds` that were not asked yet, in
    /// turn. False when there are none.
    pub(super) fn part(&mut self, paths: u8, seeds: impl Iterator<Item = Contact<H>>) -> bool {
        let first = self.paths;
        let more = paths.min(PATHS).saturating_sub(first);
        let mut turn = 0;
        for seed in seeds {
            let path = first + turn;
            if more > 0 && (self.offer(seed, path, 0) || self.move_to(&seed.at, path)) {
                self.paths = self.paths.max(path + 1);
                turn = (turn + 1) % more;
            }
        }
        self.paths > 1
    }

    /// Moves a contact of ours that was not asked yet to another path.
    fn move_to(&mut self, at: &Key, path: u8) -> bool {
        let place = self.place(at).ok();
        let Some(candidate) = place.and_then(|index| self.candidates.get_mut(index)) else {
            return false;
        };
        let is_free = candidate.state == State::Fresh && candidate.hops == 0 && candidate.path == 0;
        if is_free {
            candidate.path = path;
        }
        is_free
    }

    /// Lets everybody within `radius` belong to the result, and remembers `kept` candidates.
    pub(super) fn widen(&mut self, radius: Distance, kept: usize) {
        self.radius = Some(radius);
        self.kept = self.kept.max(kept);
        self.candidates
            .reserve_exact(self.kept.saturating_sub(self.candidates.len()));
    }

    /// Those who answered and belong to the result, nearest first.
    pub(super) fn verified(&self, mut each: impl FnMut(&Candidate<H>)) {
        self.window(|_, candidate| {
            if candidate.state == State::Answered {
                each(candidate);
            }
            true
        });
    }

    /// Those who answered.
    pub(super) fn answerers(&self) -> impl Iterator<Item = Contact<H>> {
        let answered = |c: &&Candidate<H>| c.state == State::Answered;
        let answered = self.candidates.iter().filter(answered);
        answered.map(|candidate| candidate.contact)
    }

    /// Those who were not asked, nearest first.
    pub(super) fn unasked(&self) -> impl Iterator<Item = Contact<H>> {
        let fresh = self.candidates.iter().filter(|c| c.state == State::Fresh);
        fresh.map(|candidate| candidate.contact)
    }

    /// How many paths named the nearest node that answered.
    pub(super) fn agreed(&self) -> u8 {
        let mut answered = self
            .candidates
            .iter()
            .filter(|c| c.state == State::Answered);
        answered
            .next()
            .map_or(0, |nearest| nearest.named.count_ones() as u8)
    }

    /// Whom the answer of `to` may leave out: the nearest we know of. On other paths than the first
    /// nobody, for whether they name the same is what they are asked for.
    pub(super) fn known(&self, to: &Key) -> Known {
        let mut known = Known::default();
        if self
            .candidate(to)
            .is_some_and(|candidate| candidate.path > 0)
        {
            return known;
        }
        for candidate in &self.candidates {
            if !known.push(candidate.contact.at.tail()) {
                break;
            }
        }
        known
    }
}
