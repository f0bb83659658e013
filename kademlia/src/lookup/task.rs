//! One search of ours from its first question to its outcome.

use std::sync::Arc;

use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use super::finds::Finds;
use super::walk::{Rules, State, Walk};
use crate::call::{K, Known, Nodes, Question};
use crate::config::Config;
use crate::contact::Contact;
use crate::key::{Distance, Key};
use crate::node::{Evidence, Outcome, Search};
use crate::record::Notary;
use crate::size::extrapolated;
use crate::time::Time;

/// Branches beside a crowded key that are searched: with a radius of k nodes the four hold all but
/// one in sixteen of them.
pub(crate) const BRANCHES: usize = 4;
/// One or two honest nodes are expected within this part of the radius; who grinds ids to be nearest
/// to a key is nearer.
const CROWD: f64 = 16.0;
/// The radius is a quarter wider than k nodes should fill.
const MARGIN: f64 = 1.25;
/// Nodes wanted of those who are asked only whether they know somebody nearer: they are told whom
/// we know, so that whatever they name first is news.
const NEWS: u8 = 6;
/// Reasons for refusals that are told apart.
const REASONS: usize = 16;

/// What a search is for.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// The nodes near a target.
    Find,
    /// The nodes near ourselves.
    Join,
    /// Records of a kind.
    Get(u16),
    /// To store a record.
    Put(Arc<SignedRecord>),
}

/// Which part of a search a question belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// While closing in.
    Walk,
    /// Of the nearest, who all have to answer anyway.
    Last,
    Branch(u8),
    Put,
}

/// An answer, as far as it matters to a search.
#[derive(Clone, Debug)]
pub(crate) enum Reply<H> {
    Nodes(Nodes<H>),
    Values {
        records: Vec<Arc<SignedRecord>>,
        held: u16,
        token: [u8; 16],
        nodes: Nodes<H>,
    },
    Stored,
    Refused(Refusal),
}

/// What a search needs of its node.
pub(crate) struct Means<'a, N: ?Sized> {
    pub(crate) config: &'a Config,
    pub(crate) ourselves: Key,
    pub(crate) size: Option<f64>,
    pub(crate) now: Time,
    pub(crate) notary: &'a mut N,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Going,
    /// The result is implausible: it wants to go on from other contacts of ours.
    Parting,
    /// Nodes crowd around the key: it wants to go on in the whole region.
    Widening,
    Over {
        /// Whether all that should have answered did.
        complete: bool,
    },
}

/// What is searched where nodes crowd around a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    key: Key,
    /// Within it k nodes are expected.
    radius: Distance,
    /// Whoever is as near as that may be one of the crowd, who are likely to name nobody else: it
    /// is asked what it holds, but not whom it knows.
    crowd: Distance,
    /// The nearest key of each branch beside that of the key.
    pub(crate) branches: [Key; BRANCHES],
}

impl Region {
    /// Whether a node at `at` may be one of the crowd.
    pub(crate) fn is_crowd(&self, at: &Key) -> bool {
        self.key.distance(at) <= self.crowd
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Walking,
    Region,
    Putting,
}

/// See the [module](super).
#[derive(Clone, Debug)]
pub(crate) struct Task<H> {
    pub(crate) id: Search,
    pub(crate) goal: Goal,
    pub(crate) deadline: Time,
    walk: Walk<H>,
    branches: Vec<Walk<H>>,
    stage: Stage,
    /// How often it took more paths.
    parted: u8,
    finds: Finds,
    tokens: Vec<(Key, [u8; 16])>,
    /// Nodes still to be asked to store, farthest first.
    puts: Vec<Contact<H>>,
    putting: u16,
    stored: u16,
    refused: Vec<(Refusal, u16)>,
    calls: u16,
}

impl<H: Copy> Task<H> {
    pub(crate) fn new<N: ?Sized>(
        (id, goal, target): (Search, Goal, Key),
        seeds: impl Iterator<Item = Contact<H>>,
        means: &Means<'_, N>,
    ) -> Self {
        Self {
            id,
            goal,
            deadline: means.now + means.config.deadline,
            walk: Walk::new(target, rules(means), seeds),
            branches: Vec::new(),
            stage: Stage::Walking,
            parted: 0,
            finds: Finds::default(),
            tokens: Vec::new(),
            puts: Vec::new(),
            putting: 0,
            stored: 0,
            refused: Vec::new(),
            calls: 0,
        }
    }

    pub(crate) fn target(&self) -> Key {
        self.walk.target
    }

    /// One more to begin with.
    pub(crate) fn seed(&mut self, contact: Contact<H>) {
        self.walk.learned(contact, 0);
    }

    /// The next question, if one is to be asked now.
    pub(crate) fn next(&mut self) -> Option<(Contact<H>, Step, Question)> {
        let next = match self.stage {
            Stage::Walking => self.next_of_walk(),
            Stage::Region => self.next_of_branches().or_else(|| self.next_of_walk()),
            Stage::Putting => self.next_put(),
        };
        self.calls = self.calls.saturating_add(u16::from(next.is_some()));
        next
    }

    fn next_of_walk(&mut self) -> Option<(Contact<H>, Step, Question)> {
        // Who has found something need not ask everybody at once whether it is the newest.
        let is_narrow = !self.finds.is_empty() && matches!(self.goal, Goal::Get(_));
        let to = self.walk.next(is_narrow)?;
        let known = self.walk.known(&to.at);
        let is_last = self.walk.has_closed_in() && !is_narrow && !known.is_empty();
        let (step, want) = match is_last {
            true => (Step::Last, NEWS),
            false => (Step::Walk, K as u8),
        };
        let key = self.walk.target;
        let question = match self.goal {
            Goal::Find | Goal::Join => find(key, want, known),
            Goal::Get(_) | Goal::Put(_) => Question::Get {
                key,
                want,
                known,
                have: self.finds.have(),
            },
        };
        Some((to, step, question))
    }

    fn next_of_branches(&mut self) -> Option<(Contact<H>, Step, Question)> {
        let mut branches = (0_u8..).zip(&mut self.branches);
        branches.find_map(|(index, branch)| {
            let to = branch.next(false)?;
            let question = find(branch.target, K as u8, branch.known(&to.at));
            Some((to, Step::Branch(index), question))
        })
    }

    fn next_put(&mut self) -> Option<(Contact<H>, Step, Question)> {
        let Goal::Put(record) = &self.goal else {
            return None;
        };
        let to = self.puts.pop()?;
        let token = self.tokens.iter().find(|(at, _)| *at == to.at)?.1;
        self.putting += 1;
        let question = Question::Put {
            key: self.walk.target,
            token,
            record: Arc::clone(record),
        };
        Some((to, Step::Put, question))
    }

    /// `from` answered a question of `step`. False when what it says cannot be so: it is to be
    /// treated as one that does not answer.
    pub(crate) fn answered<N: Notary + ?Sized>(
        &mut self,
        from: &Key,
        step: Step,
        reply: Reply<H>,
        means: &mut Means<'_, N>,
    ) -> bool {
        match (step, reply) {
            (Step::Walk | Step::Last, Reply::Nodes(nodes))
                if matches!(self.goal, Goal::Find | Goal::Join) =>
            {
                self.walk.answered(from, &nodes);
            }
            (
                Step::Walk | Step::Last,
                Reply::Values {
                    records,
                    held,
                    token,
                    nodes,
                },
            ) => {
                return self.values(from, (records, held), token, &nodes, means);
            }
            (Step::Branch(index), Reply::Nodes(nodes)) => {
                if let Some(branch) = self.branches.get_mut(usize::from(index)) {
                    branch.answered(from, &nodes);
                    let (hops, own) = match branch.candidate(from) {
                        Some(candidate) => (candidate.hops, Some(candidate.contact)),
                        None => (0, None),
                    };
                    for node in own.into_iter().chain(nodes.iter()) {
                        self.walk.learned(node, hops.saturating_add(1));
                    }
                }
            }
            (Step::Put, reply) => {
                self.putting = self.putting.saturating_sub(1);
                match reply {
                    Reply::Stored => self.stored += 1,
                    Reply::Refused(reason) => self.count_refusal(reason),
                    _ => return false,
                }
            }
            _ => {
                self.failed(from, step);
                return false;
            }
        }
        true
    }

    fn values<N: Notary + ?Sized>(
        &mut self,
        from: &Key,
        (records, held): (Vec<Arc<SignedRecord>>, u16),
        token: [u8; 16],
        nodes: &Nodes<H>,
        means: &mut Means<'_, N>,
    ) -> bool {
        let is_honest = match &self.goal {
            Goal::Get(kind) => {
                let what = (&self.walk.target, *kind);
                self.finds
                    .take(what, records, held, means.now, means.notary)
            }
            Goal::Put(_) => {
                self.tokens.push((*from, token));
                true
            }
            Goal::Find | Goal::Join => false,
        };
        if is_honest {
            self.walk.answered(from, nodes);
        } else {
            self.walk.failed(from);
        }
        is_honest
    }

    fn count_refusal(&mut self, reason: Refusal) {
        let known = self.refused.iter_mut().find(|(known, _)| *known == reason);
        if let Some((_, count)) = known {
            *count += 1;
        } else if self.refused.len() < REASONS {
            self.refused.push((reason, 1));
        }
    }

    /// `to` will not answer.
    pub(crate) fn failed(&mut self, to: &Key, step: Step) {
        match step {
            Step::Walk | Step::Last => self.walk.failed(to),
            Step::Branch(index) => {
                if let Some(branch) = self.branches.get_mut(usize::from(index)) {
                    branch.failed(to);
                }
            }
            Step::Put => self.putting = self.putting.saturating_sub(1),
        }
    }

    /// `to` takes long.
    pub(crate) fn late(&mut self, to: &Key, step: Step) {
        match step {
            Step::Walk | Step::Last => self.walk.late(to),
            Step::Branch(index) => {
                if let Some(branch) = self.branches.get_mut(usize::from(index)) {
                    branch.late(to);
                }
            }
            Step::Put => {}
        }
    }

    /// Goes on to the next stage if this one is over.
    pub(crate) fn progress<N: ?Sized>(&mut self, means: &Means<'_, N>) -> Progress {
        if means.now >= self.deadline {
            // A record at most of the nodes it belongs to is better than one at none.
            let is_late_put = matches!(self.goal, Goal::Put(_)) && self.stage != Stage::Putting;
            if !is_late_put || !self.begin_putting() {
                return Progress::Over { complete: false };
            }
            self.deadline = means.now + means.config.hard;
            return Progress::Going;
        }
        let has_enough = self.finds.agreeing() >= means.config.quorum;
        if matches!(self.goal, Goal::Get(_)) && has_enough {
            return Progress::Over { complete: true };
        }
        let is_over = match self.stage {
            Stage::Walking if !self.walk.is_settled() => false,
            Stage::Walking if self.is_implausible(means) => return Progress::Parting,
            Stage::Walking if self.region(means).is_some() => return Progress::Widening,
            Stage::Walking => true,
            Stage::Region => self.walk.is_settled() && self.branches.iter().all(Walk::is_settled),
            Stage::Putting => self.puts.is_empty() && self.putting == 0,
        };
        let is_put = matches!(self.goal, Goal::Put(_)) && self.stage != Stage::Putting;
        if is_over && is_put && self.begin_putting() {
            return Progress::Going;
        }
        match is_over {
            true => Progress::Over { complete: true },
            false => Progress::Going,
        }
    }

    /// Goes on to ask those found to store; false when there are none.
    fn begin_putting(&mut self) -> bool {
        self.stage = Stage::Putting;
        let (puts, tokens) = (&mut self.puts, &self.tokens);
        self.walk.verified(|candidate| {
            // Who was asked on the way may have no token for us.
            if tokens.iter().any(|(at, _)| *at == candidate.contact.at) {
                puts.push(candidate.contact);
            }
        });
        puts.reverse();
        !puts.is_empty()
    }

    /// Whether the result so far asks for other paths.
    fn is_implausible<N: ?Sized>(&self, means: &Means<'_, N>) -> bool {
        let is_grave = match self.goal {
            Goal::Get(_) => self.finds.is_empty(),
            // Whoever is wrong about its own place is so in everything.
            Goal::Join => true,
            Goal::Find | Goal::Put(_) => false,
        };
        match self.parted {
            0 => is_grave || self.finds.has_conflict() || self.is_thin(means),
            // Other contacts led to the same few: the rest of ours is asked.
            1 => self.is_thin(means),
            _ => false,
        }
    }

    /// Whether the nodes found lie too thin for the size of the network: nobody honest near the
    /// target was heard of, or chance made them so.
    pub(crate) fn is_thin<N: ?Sized>(&self, means: &Means<'_, N>) -> bool {
        self.density(means)
            .is_some_and(|ratio| ratio < 1.0 / f64::from(means.config.odd))
    }

    /// Whether nobody at `at` was asked, or is named by those who were.
    pub(crate) fn is_unasked(&self, at: &Key) -> bool {
        let known = self.walk.candidate(at);
        known.is_none_or(|known| known.state == State::Fresh && known.hops == 0)
    }

    /// Whether it took more paths.
    pub(crate) fn has_parted(&self) -> bool {
        self.parted > 0
    }

    /// Takes `paths` paths in all, the new ones from `seeds`; whoever was asked already is left out.
    pub(crate) fn part(&mut self, paths: u8, seeds: impl Iterator<Item = Contact<H>>) {
        self.parted += 1;
        self.walk.part(paths, seeds);
    }

    /// The region to be searched, if nodes crowd around the key and it was not done yet.
    pub(crate) fn region<N: ?Sized>(&self, means: &Means<'_, N>) -> Option<Region> {
        let size = means.size?.max(1.0);
        let radius = MARGIN * means.config.k as f64 / size;
        let is_dense = self
            .density(means)
            .is_some_and(|ratio| ratio > f64::from(means.config.odd));
        let is_wanted = matches!(self.goal, Goal::Get(_) | Goal::Put(_));
        if !is_wanted || !is_dense || radius >= 0.5 || self.stage != Stage::Walking {
            return None;
        }
        let depth = (-radius.log2()).floor().max(0.0) as u32;
        let key = self.walk.target;
        let last = self.verified(means.config.k).1;
        Some(Region {
            key,
            radius: Distance::of_fraction(radius),
            crowd: last.max(Distance::of_fraction(radius / CROWD)),
            branches: core::array::from_fn(|i| key.with_bit_turned(depth + i as u32)),
        })
    }

    /// Searches the region, its branches from `seeds` and from those who answered.
    pub(crate) fn widen<N: ?Sized>(
        &mut self,
        region: &Region,
        seeds: &[Nodes<H>; BRANCHES],
        means: &Means<'_, N>,
    ) {
        self.stage = Stage::Region;
        self.walk.widen(region.radius, means.config.region);
        for (target, seeds) in region.branches.iter().zip(seeds) {
            let seeds = seeds.iter().chain(self.walk.answerers());
            let crowd = (region.key, region.crowd);
            let branch = Walk::beside(*target, rules(means), crowd, seeds);
            self.branches.push(branch);
        }
    }

    /// How dense the nodes found lie, by what the size of the network lets expect.
    fn density<N: ?Sized>(&self, means: &Means<'_, N>) -> Option<f64> {
        let measured = self.measured(means.config.k)?;
        Some(measured / means.size?.max(1.0))
    }

    /// The size of the network, by the `k` nearest.
    pub(crate) fn measured(&self, k: usize) -> Option<f64> {
        let (count, last) = self.verified(k);
        (count >= k.min(4)).then(|| extrapolated(count, last))
    }

    /// How many of the `k` nearest answered, and how far the last of them is.
    fn verified(&self, k: usize) -> (usize, Distance) {
        let (mut count, mut last) = (0, Distance::ZERO);
        self.walk.verified(|candidate| {
            if count < k {
                count += 1;
                last = self.walk.target.distance(&candidate.contact.at);
            }
        });
        (count, last)
    }

    /// What came of it, and how many nodes the network has by it.
    pub(crate) fn finish<N: ?Sized>(
        self,
        complete: bool,
        means: &Means<'_, N>,
    ) -> (Box<Outcome<H>>, Option<f64>) {
        let mut nodes = Nodes::default();
        let mut hops = None;
        self.walk.verified(|candidate| {
            nodes.push(candidate.contact);
            hops.get_or_insert(candidate.hops);
        });
        let mut subnets: Vec<_> = nodes.iter().map(|node| node.subnet).collect();
        subnets.sort_unstable();
        subnets.dedup();
        let density = self.density(means);
        let measured = self.measured(means.config.k).filter(|_| complete);
        let is_odd = density.is_some_and(|ratio| {
            let odd = f64::from(means.config.odd);
            ratio > odd || ratio < 1.0 / odd
        });
        // Keys that somebody stores under are worth crowding; others say more about the network.
        let counts = matches!(self.goal, Goal::Find | Goal::Join) || !is_odd;
        let (records, conflicts) = self.finds.finish();
        let outcome = Outcome {
            nodes,
            records,
            stored: self.stored,
            refused: self.refused,
            evidence: Evidence {
                paths_agreed: self.walk.agreed(),
                paths: self.walk.paths(),
                subnets: u8::try_from(subnets.len()).unwrap_or(u8::MAX),
                density_ratio: density.unwrap_or(0.0) as f32,
                size_estimate: means.size.unwrap_or(0.0) as f32,
                conflicts,
            },
            complete,
            hops: hops.unwrap_or(0),
            calls: self.calls,
        };
        (Box::new(outcome), measured.filter(|_| counts))
    }

    /// The farthest of the nodes found, if there are as many as should hold a record.
    pub(crate) fn last(&self, k: usize) -> Option<Key> {
        let (mut count, mut last) = (0, None);
        self.walk.verified(|candidate| {
            count += 1;
            last = Some(candidate.contact.at);
        });
        last.filter(|_| count >= k)
    }

    /// Those heard of that were not asked, nearest first.
    pub(crate) fn unasked(&self) -> impl Iterator<Item = Contact<H>> {
        self.walk.unasked()
    }
}

fn rules<N: ?Sized>(means: &Means<'_, N>) -> Rules {
    let k = means.config.k;
    Rules {
        ourselves: means.ourselves,
        k,
        alpha: means.config.alpha,
        subnet: means.config.subnet_lookup,
        expected: means.size.map(|size| k as f64 / size.max(1.0)),
    }
}

fn find(target: Key, want: u8, known: Known) -> Question {
    Question::Find {
        target,
        want,
        known,
    }
}
