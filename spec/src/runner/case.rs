//! What a case is, and how it ends.

use core::fmt;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use super::partner::Partner;
use super::requirement;

/// Whether the partner of a case keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does, and the peer has to do its part.
    Positive,
    /// It breaks a rule or tempts, and the peer has to refuse, skip or close.
    Negative,
}

impl Kind {
    /// As reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
        }
    }
}

/// What an implementation has to offer for a case to say anything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Every peer: encoding, transport, greeting.
    Core,
    /// One-to-one conversations. Needs invites.
    Chat,
    /// Relaying.
    Relay,
    /// The hash table.
    Dht,
    /// Rooms.
    Gossip,
    /// Hole punching and dial-back.
    Nat,
    /// Private groups. Needs invites, and a command that does what the user has to.
    Group,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Core,
        Self::Chat,
        Self::Relay,
        Self::Dht,
        Self::Gossip,
        Self::Nat,
        Self::Group,
    ];

    /// As the command line and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Chat => "chat",
            Self::Relay => "relay",
            Self::Dht => "dht",
            Self::Gossip => "gossip",
            Self::Nat => "nat",
            Self::Group => "group",
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer did something else than the documents say.
    Failed {
        /// The requirement; of `None` the case's first.
        by: Option<&'static str>,
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// The peer, or what the runner was given, does not allow the case.
    Unsupported(String),
}

impl Fault {
    /// The peer should have done one thing and did another.
    #[must_use]
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Failed {
            by: None,
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// The peer need not do what the case is about, and does not.
    #[must_use]
    pub fn unsupported(why: impl Into<String>) -> Self {
        Self::Unsupported(why.into())
    }

    /// Names the requirement that was broken, where it is not the case's first.
    #[must_use]
    pub fn by(mut self, requirement: &'static str) -> Self {
        if let Self::Failed { by, .. } = &mut self {
            *by = Some(requirement);
        }
        self
    }
}

/// How the run of a case ends.
pub type Outcome = Result<(), Fault>;

/// Nothing if `condition` holds, otherwise a [`Fault`].
///
/// # Errors
/// That fault.
pub fn expect(condition: bool, expected: impl Into<String>, seen: impl Into<String>) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Fault::new(expected, seen))
    }
}

/// What was wrong, with the sentence that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The requirement.
    pub requirement: String,
    /// Its sentence in the documents.
    pub sentence: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub seen: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {}\n    by {}: {}\n    seen {}",
            self.expected, self.requirement, self.sentence, self.seen
        )
    }
}

/// What a report says of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer does what the documents say.
    Passed,
    /// It does not.
    Failed(Failure),
    /// Nothing can be said. Not a failure.
    Unsupported(String),
}

impl Verdict {
    /// As reports write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Unsupported(_) => "unsupported",
        }
    }
}

type Run = dyn Fn(Partner) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync;

/// One thing that a peer has to do right.
#[derive(Clone)]
pub struct Case {
    /// `section/name`, never given to another case.
    pub id: String,
    /// What is checked, in one clause.
    pub about: String,
    /// The requirements, the one that a failure breaks first.
    pub req: &'static [&'static str],
    /// Whether the partner keeps the rules.
    pub kind: Kind,
    /// What the peer has to offer.
    pub profile: Profile,
    /// Whether no other case may run beside it.
    pub is_alone: bool,
    /// How long a correct peer makes it take, where that is more than a moment: such cases begin
    /// first.
    pub takes: Duration,
    run: Arc<Run>,
}

impl Case {
    /// A case whose partner keeps the rules.
    pub fn positive<F, R>(
        id: impl Into<String>,
        about: impl Into<String>,
        req: &'static [&'static str],
        run: F,
    ) -> Self
    where
        F: Fn(Partner) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            id: id.into(),
            about: about.into(),
            req,
            kind: Kind::Positive,
            profile: Profile::Core,
            is_alone: false,
            takes: Duration::ZERO,
            run: Arc::new(move |partner| Box::pin(run(partner))),
        }
    }

    /// A case whose partner breaks one.
    pub fn negative<F, R>(
        id: impl Into<String>,
        about: impl Into<String>,
        req: &'static [&'static str],
        run: F,
    ) -> Self
    where
        F: Fn(Partner) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            kind: Kind::Negative,
            ..Self::positive(id, about, req, run)
        }
    }

    /// For peers of another profile than [`Profile::Core`].
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Lets no other case run beside it.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Says that it takes so many seconds with a correct peer.
    #[must_use]
    pub fn takes(mut self, seconds: u64) -> Self {
        self.takes = Duration::from_secs(seconds);
        self
    }

    /// The part of the id before the slash.
    #[must_use]
    pub fn section(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

    /// Runs it once.
    pub async fn run(&self, partner: Partner) -> Verdict {
        match (self.run)(partner).await {
            Ok(()) => Verdict::Passed,
            Err(fault) => self.verdict(fault),
        }
    }

    /// What a fault means for this case.
    #[must_use]
    pub fn verdict(&self, fault: Fault) -> Verdict {
        match fault {
            Fault::Unsupported(why) => Verdict::Unsupported(why),
            Fault::Failed { by, expected, seen } => {
                let requirement = by.or_else(|| self.req.first().copied()).unwrap_or_default();
                Verdict::Failed(Failure {
                    requirement: requirement.to_owned(),
                    sentence: requirement::sentence(requirement).unwrap_or_default(),
                    expected,
                    seen,
                })
            }
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("id", &self.id)
            .field("req", &self.req)
            .finish_non_exhaustive()
    }
}
