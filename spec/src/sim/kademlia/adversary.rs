//! Who does not play by the rules, and how.

use std::sync::Arc;

use dchat_kademlia::Key;
use dchat_kademlia::call::{Answer, Nodes, Question};
use dchat_wire::record::SignedRecord;

use super::population::Person;
use super::truth::Truth;

/// How a node treats those who ask it. All of them join and keep themselves in tables by the
/// production core, as well as honest nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// By the rules.
    Honest,
    /// Answers pings, and nothing else.
    Silent,
    /// Answers just before others give up.
    Slow,
    /// Names only fellows, nearest to the target first, says nothing is stored, and promises to
    /// store what it drops.
    Colluding,
    /// As honest nodes, but for ever with the first record it was given.
    Stale,
    /// As colluding ones do, with a forged record: the signer's but another's signature.
    Forging,
}

impl Conduct {
    /// Whether it counts among the attackers.
    #[must_use]
    pub fn is_hostile(self) -> bool {
        self != Self::Honest
    }

    /// Whether it counts among those a lookup should find: who never answers cannot be.
    #[must_use]
    pub fn answers(self) -> bool {
        self != Self::Silent
    }
}

/// Milliseconds a [slow](Conduct::Slow) node takes over an answer.
pub const SLOW_MS: u64 = 2_000;

/// What an attacker answers instead of `honest`, which its own core would say; `None` for silence.
///
/// `fellows` are the positions of all of them: they share what they know.
#[must_use]
pub fn distort(
    conduct: Conduct,
    question: &Question,
    honest: Answer<u32>,
    (fellows, people): (&Truth, &[Person]),
    hoard: Option<&Arc<SignedRecord>>,
) -> Option<Answer<u32>> {
    match (conduct, question, honest) {
        (Conduct::Honest | Conduct::Slow, _, honest) => Some(honest),
        (_, Question::Ping, honest) => Some(honest),
        (Conduct::Silent, ..) => None,
        (
            Conduct::Stale,
            _,
            Answer::Values {
                records,
                held,
                token,
                nodes,
            },
        ) => {
            let records = match hoard {
                Some(old) => vec![old.clone()],
                None => records,
            };
            Some(Answer::Values {
                records,
                held,
                token,
                nodes,
            })
        }
        (Conduct::Stale, _, honest) => Some(honest),
        (Conduct::Colluding | Conduct::Forging, Question::Find { target, want, .. }, _) => {
            Some(Answer::Nodes(fellows_near(target, *want, fellows, people)))
        }
        (Conduct::Colluding, Question::Get { key, want, .. }, _) => Some(Answer::Values {
            records: Vec::new(),
            held: 0,
            token: [0; 16],
            nodes: fellows_near(key, *want, fellows, people),
        }),
        (Conduct::Forging, Question::Get { key, want, .. }, _) => Some(Answer::Values {
            records: hoard.map(forged).into_iter().collect(),
            held: 1,
            token: [0; 16],
            nodes: fellows_near(key, *want, fellows, people),
        }),
        (Conduct::Colluding | Conduct::Forging, Question::Put { .. }, _) => {
            Some(Answer::Stored { keep_s: 24 * 3600 })
        }
    }
}

/// What an attacker without a core has to distort.
#[must_use]
pub fn blank(question: &Question) -> Answer<u32> {
    match question {
        Question::Ping => Answer::Pong,
        Question::Find { .. } => Answer::Nodes(Nodes::default()),
        Question::Get { .. } => Answer::Values {
            records: Vec::new(),
            held: 0,
            token: [0; 16],
            nodes: Nodes::default(),
        },
        Question::Put { .. } => Answer::Stored { keep_s: 0 },
    }
}

fn fellows_near(target: &Key, want: u8, fellows: &Truth, people: &[Person]) -> Nodes<u32> {
    let mut nodes = Nodes::default();
    for fellow in fellows.nearest(target, usize::from(want), |_| true) {
        nodes.push(people[fellow as usize].contact(fellow));
    }
    nodes
}

/// The record with one bit of its signature turned over.
fn forged(record: &Arc<SignedRecord>) -> Arc<SignedRecord> {
    let mut forged = SignedRecord::clone(record);
    forged.signature[7] ^= 1;
    Arc::new(forged)
}
