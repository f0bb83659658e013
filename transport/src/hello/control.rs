//! What may come on the peer's control stream, without any input or output of its own.
//!
//! * State: whether HELLO and IDENTIFY came, the highest revision, an allowance of pushes.
//! * Input: frames in order, with the time. Output: what was heard, or a violation with its code.
//! * Invariants: HELLO first and once, then IDENTIFY first and once; revisions only grow.
//! * Bounds: constant size; more than [`PUSH_BURST`] changes at once are a violation.

use std::time::Instant;

use dchat_wire::Frame;
use dchat_wire::close::Code;
use dchat_wire::hello::{Hello, Versions};
use dchat_wire::identify::Identify;

use crate::limits::{PUSH_BURST, PUSH_REFILL};

/// A new fact from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The peer's HELLO, with a version in common.
    Hello(Hello),
    /// Its addresses, newer than those before.
    Identify(Identify),
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
    TooMany,
}

impl ControlViolation {
    /// The code to close the connection with.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Unexpected => Code::Unexpected,
            Self::Version => Code::Version,
            Self::TooMany => Code::Limit,
        }
    }
}

/// The rules of one control stream.
#[derive(Debug)]
pub struct ControlReader {
    stage: Stage,
    revision: u64,
    allowance: u32,
    refilled: Instant,
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
            allowance: PUSH_BURST,
            refilled: now,
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
                match hello.versions.common(Versions::OURS) {
                    Some(_) => Ok(Heard::Hello(hello)),
                    None => Err(ControlViolation::Version),
                }
            }
            (Stage::Identify, Frame::Identify(identify)) => {
                self.stage = Stage::Push;
                Ok(self.newer(identify))
            }
            (Stage::Push, Frame::IdentifyPush(identify)) => {
                self.spend(now)?;
                Ok(self.newer(identify))
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

    fn spend(&mut self, now: Instant) -> Result<(), ControlViolation> {
        let periods =
            now.saturating_duration_since(self.refilled).as_nanos() / PUSH_REFILL.as_nanos().max(1);
        let earned = u32::try_from(periods).unwrap_or(u32::MAX);
        if earned > 0 {
            self.allowance = self.allowance.saturating_add(earned).min(PUSH_BURST);
            self.refilled = now;
        }
        self.allowance = self
            .allowance
            .checked_sub(1)
            .ok_or(ControlViolation::TooMany)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

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

    #[test]
    fn a_second_hello_and_a_second_identify_are_unexpected() {
        let now = Instant::now();
        for frame in [hello(), Frame::Identify(identify(2, None, []))] {
            let heard = greeted(now).handle_input(frame, now);
            assert_eq!(heard, Err(ControlViolation::Unexpected));
        }
    }

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

    #[test]
    fn a_flood_of_pushes_is_a_violation_and_a_slow_series_is_not() {
        let now = Instant::now();
        let mut control = greeted(now);
        for revision in 0..u64::from(PUSH_BURST) {
            control.handle_input(push(revision + 2), now).unwrap();
        }
        assert_eq!(
            control.handle_input(push(99), now),
            Err(ControlViolation::TooMany)
        );
        let mut control = greeted(now);
        for step in 0..10 * PUSH_BURST {
            let at = now + PUSH_REFILL * step;
            control.handle_input(push(u64::from(step) + 2), at).unwrap();
        }
    }
}
