//! What may come on the peer's control stream, without any input or output of its own.
//!
//! * State: whether HELLO and IDENTIFY came, the highest revision, an allowance for each kind of
//!   frame that may come again and again.
//! * Input: frames in order, with the time. Output: what was heard, or a violation with its code.
//! * Invariants: HELLO first and once, then IDENTIFY first and once; revisions only grow. Whether a
//!   generation of CANDIDATES or a round of PUNCH is a late one is for those to say who use them.
//! * Bounds: constant size; more than [`PUSH_BURST`] changes of address, [`CANDIDATES_BURST`] of
//!   candidates or [`PUNCH_BURST`] rounds at once are a violation.

use std::time::{Duration, Instant};

use dchat_wire::Frame;
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::{Hello, Versions, capability, role};
use dchat_wire::identify::Identify;
use dchat_wire::nat::{Candidates, Punch};

use crate::limits::{
    CANDIDATES_BURST, CANDIDATES_REFILL, PUNCH_BURST, PUNCH_REFILL, PUSH_BURST, PUSH_REFILL,
};

/// A new fact from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The peer's HELLO, with a version in common.
    Hello(Hello),
    /// Its addresses, newer than those before.
    Identify(Identify),
    /// Where it may be probed.
    Candidates(Candidates),
    /// It begins a round of probing, or answers ours.
    Punch(Punch),
    /// Nothing new.
    Stale,
}

/// The peer broke the rules of the control stream: close the connection with the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlViolation {
    /// A frame that may not come here or now.
    #[error("unexpected frame on the control stream")]
    Unexpected,
    /// No version in common.
    #[error("no protocol version in common")]
    Version,
    /// Too many changes of address.
    #[error("too many IDENTIFY_PUSH frames")]
    TooManyPushes,
    /// Too many changes of candidates.
    #[error("too many CANDIDATES frames")]
    TooManyCandidates,
    /// Too many rounds of probing.
    #[error("too many PUNCH frames")]
    TooManyPunches,
}

impl ControlViolation {
    /// The code to close the connection with.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Unexpected => Code::Unexpected,
            Self::Version if defect::is(Defect::VersionAsRefused) => Code::Refused,
            Self::Version => Code::Version,
            Self::TooManyPushes | Self::TooManyCandidates | Self::TooManyPunches => Code::Limit,
        }
    }
}

/// The rules of one control stream.
#[derive(Debug)]
pub struct ControlReader {
    stage: Stage,
    revision: u64,
    pushes: Allowance,
    candidates: Allowance,
    punches: Allowance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Hello,
    Identify,
    Push,
}

impl ControlReader {
    /// A control stream on which nothing has come yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Hello,
            revision: 0,
            pushes: Allowance::new(PUSH_BURST, PUSH_REFILL, now),
            candidates: Allowance::new(CANDIDATES_BURST, CANDIDATES_REFILL, now),
            punches: Allowance::new(PUNCH_BURST, PUNCH_REFILL, now),
        }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// [`ControlViolation`]: close the connection with its code; nothing more may come.
    pub fn handle_input(&mut self, frame: Frame, now: Instant) -> Result<Heard, ControlViolation> {
        match (self.stage, frame) {
            (Stage::Hello, Frame::Hello(hello)) => {
                self.stage = Stage::Identify;
                let known = capability::CHAT..=capability::GOSSIP;
                let mut capabilities = hello.capabilities.as_slice().iter();
                let strange = defect::is(Defect::ClosesOnUnknownCapability)
                    && capabilities.any(|capability| !known.contains(capability))
                    || defect::is(Defect::ClosesOnUnknownRole)
                        && hello.roles >= role::BOOTSTRAP << 1
                    || defect::is(Defect::ClosesOnUnknownExtension)
                        && !hello.extensions.as_slice().is_empty();
                if strange {
                    return Err(ControlViolation::Unexpected);
                }
                match hello.versions.common(Versions::OURS) {
                    None if defect::is(Defect::AcceptsAnyVersion) => Ok(Heard::Hello(hello)),
                    Some(_) => Ok(Heard::Hello(hello)),
                    None => Err(ControlViolation::Version),
                }
            }
            (Stage::Push, Frame::Hello(_)) if defect::is(Defect::AcceptsSecondHello) => {
                Ok(Heard::Stale)
            }
            (Stage::Push, Frame::Identify(_)) if defect::is(Defect::AcceptsSecondIdentify) => {
                Ok(Heard::Stale)
            }
            (Stage::Identify, frame)
                if defect::is(Defect::AcceptsEarlyFrames)
                    && !matches!(frame, Frame::Identify(_)) =>
            {
                Ok(Heard::Stale)
            }
            (Stage::Identify, Frame::Identify(identify)) => {
                self.stage = Stage::Push;
                Ok(self.newer(identify))
            }
            (Stage::Push, Frame::IdentifyPush(identify)) => {
                if !self.pushes.spend(now) {
                    return Err(ControlViolation::TooManyPushes);
                }
                Ok(self.newer(identify))
            }
            (Stage::Push, Frame::Candidates(candidates)) => {
                if !self.candidates.spend(now) {
                    return Err(ControlViolation::TooManyCandidates);
                }
                Ok(Heard::Candidates(candidates))
            }
            (Stage::Push, Frame::Punch(punch)) => {
                if !self.punches.spend(now) {
                    return Err(ControlViolation::TooManyPunches);
                }
                Ok(Heard::Punch(punch))
            }
            _ => Err(ControlViolation::Unexpected),
        }
    }

    fn newer(&mut self, identify: Identify) -> Heard {
        if identify.revision <= self.revision {
            return Heard::Stale;
        }
        self.revision = identify.revision;
        Heard::Identify(identify)
    }
}

/// How many more frames of one kind may come.
#[derive(Debug)]
struct Allowance {
    left: u32,
    burst: u32,
    refill: Duration,
    refilled: Instant,
}

impl Allowance {
    fn new(burst: u32, refill: Duration, now: Instant) -> Self {
        Self {
            left: burst,
            burst,
            refill,
            refilled: now,
        }
    }

    /// Takes one, unless none is left.
    fn spend(&mut self, now: Instant) -> bool {
        let periods =
            now.saturating_duration_since(self.refilled).as_nanos() / self.refill.as_nanos().max(1);
        let earned = u32::try_from(periods).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.burst);
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::nat::NatClass;
    use dchat_wire::ping::Ping;

    use super::super::opening::identify;
    use super::*;

    fn hello() -> Frame {
        Frame::Hello(Hello {
            versions: Versions::OURS,
            instance: [0; 16],
            roles: 0,
            capabilities: Default::default(),
            extensions: Default::default(),
        })
    }

    fn push(revision: u64) -> Frame {
        Frame::IdentifyPush(identify(revision, None, []))
    }

    fn greeted(now: Instant) -> ControlReader {
        let mut control = ControlReader::new(now);
        control.handle_input(hello(), now).unwrap();
        let first = Frame::Identify(identify(1, None, []));
        control.handle_input(first, now).unwrap();
        control
    }

    /// Checks DC-CONN-021 (negative).
    #[test]
    fn anything_before_hello_is_unexpected() {
        let now = Instant::now();
        for frame in [
            Frame::Identify(identify(1, None, [])),
            push(1),
            Frame::Ping(Ping {
                nonce: 0,
                extensions: Default::default(),
            }),
        ] {
            let heard = ControlReader::new(now).handle_input(frame, now);
            assert_eq!(heard, Err(ControlViolation::Unexpected));
        }
    }

    /// Checks DC-CONN-030 (negative).
    #[test]
    fn a_second_hello_and_a_second_identify_are_unexpected() {
        let now = Instant::now();
        for frame in [hello(), Frame::Identify(identify(2, None, []))] {
            let heard = greeted(now).handle_input(frame, now);
            assert_eq!(heard, Err(ControlViolation::Unexpected));
        }
    }

    /// Checks DC-CONN-030 (negative).
    #[test]
    fn a_push_before_identify_is_unexpected() {
        let now = Instant::now();
        let mut control = ControlReader::new(now);
        control.handle_input(hello(), now).unwrap();
        assert_eq!(
            control.handle_input(push(1), now),
            Err(ControlViolation::Unexpected)
        );
    }

    /// Checks DC-CONN-028 (negative).
    #[test]
    fn a_late_revision_changes_nothing() {
        let now = Instant::now();
        let mut control = greeted(now);
        assert!(matches!(
            control.handle_input(push(3), now),
            Ok(Heard::Identify(_))
        ));
        assert_eq!(control.handle_input(push(3), now), Ok(Heard::Stale));
        assert_eq!(control.handle_input(push(2), now), Ok(Heard::Stale));
    }

    /// Checks DC-CONN-059 (positive, negative).
    #[test]
    fn a_flood_of_pushes_is_a_violation_and_a_slow_series_is_not() {
        let now = Instant::now();
        let mut control = greeted(now);
        for revision in 0..u64::from(PUSH_BURST) {
            control.handle_input(push(revision + 2), now).unwrap();
        }
        assert_eq!(
            control.handle_input(push(99), now),
            Err(ControlViolation::TooManyPushes)
        );
        let mut control = greeted(now);
        for step in 0..10 * PUSH_BURST {
            let at = now + PUSH_REFILL * step;
            control.handle_input(push(u64::from(step) + 2), at).unwrap();
        }
    }

    fn candidates(generation: u32) -> Frame {
        Frame::Candidates(Candidates {
            generation,
            class: NatClass::UNKNOWN,
            candidates: Default::default(),
            extensions: Default::default(),
        })
    }

    fn punch(round: u32) -> Frame {
        Frame::Punch(Punch {
            round,
            answers: false,
            prediction: None,
            sockets: 1,
            extensions: Default::default(),
        })
    }

    /// Checks DC-CONN-030 (positive, negative), DC-NAT-040 (positive).
    #[test]
    fn candidates_and_punches_come_after_identify_only() {
        let now = Instant::now();
        for frame in [candidates(1), punch(1)] {
            let mut control = ControlReader::new(now);
            control.handle_input(hello(), now).unwrap();
            let early = control.handle_input(frame.clone(), now);
            assert_eq!(early, Err(ControlViolation::Unexpected));
            let heard = greeted(now).handle_input(frame, now);
            assert!(matches!(heard, Ok(Heard::Candidates(_) | Heard::Punch(_))));
        }
    }

    /// Checks DC-NAT-040 (negative).
    #[test]
    fn floods_of_candidates_and_punches_are_violations_by_their_own_names() {
        let now = Instant::now();
        let mut control = greeted(now);
        for generation in 0..CANDIDATES_BURST {
            control.handle_input(candidates(generation), now).unwrap();
        }
        let flood = control.handle_input(candidates(99), now);
        assert_eq!(flood, Err(ControlViolation::TooManyCandidates));
        let mut control = greeted(now);
        for round in 0..PUNCH_BURST {
            control.handle_input(punch(round), now).unwrap();
        }
        let flood = control.handle_input(punch(99), now);
        assert_eq!(flood, Err(ControlViolation::TooManyPunches));
    }
}
