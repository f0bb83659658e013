//! What PUNCH, samples and their timers do to the rounds of guessing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::extension::Extensions;
use dchat_wire::nat::{Filtering, Mapping, Prediction, Punch};
use dchat_wire::{Address, Frame};

use super::bounds;
use super::io::Output;
use super::machine::Agent;
use super::punching::{Failure, Step};
use super::volley::{Mark, Volley};
use crate::candidate::seen;
use crate::plan::{Law, Plan, Shots, plan, predicted_ports, spare_ports};

impl Agent {
    /// Does what is due in the rounds.
    pub(super) fn advance_rounds(&mut self, now: Instant) {
        let waits = self.awaits_source(now);
        let Some(punching) = self.punching() else {
            return;
        };
        if punching.wake_at().is_none_or(|at| at > now) {
            return;
        }
        match punching.step {
            Step::Due(_) if waits => punching.step = Step::Due(now + bounds::PACE * 2),
            Step::Due(_) => self.begin_round(now),
            Step::Sampling { .. } => self.on_sampled(None, now),
            Step::Awaiting { .. } => punching.fail(Failure::Silent, now),
            Step::Firing { .. } => punching.fail(Failure::Missed, now),
            Step::Waiting { .. } | Step::Over => punching.stop(),
        }
    }

    /// Whether our scatter has to go to where the peer's packets come from, which only they tell, and
    /// none has come yet: the peer may begin later than we.
    fn awaits_source(&self, now: Instant) -> bool {
        let (Some(attempt), Some(local), Some(theirs)) = (&self.attempt, &self.local, &self.theirs)
        else {
            return false;
        };
        let scatters = attempt
            .punching
            .as_ref()
            .is_some_and(|punching| matches!(punching.part.shots, Shots::Scatter { .. }));
        let admits = matches!(
            local.class.filtering,
            Filtering::None | Filtering::EndpointIndependent
        );
        scatters
            && admits
            && theirs.class.mapping == Mapping::AddressDependent
            && attempt.learned.is_none()
            && now < attempt.began + bounds::SOURCE_WAIT
    }

    fn begin_round(&mut self, now: Instant) {
        let Some(punching) = self.punching() else {
            return;
        };
        if !punching.begin() {
            punching.stop();
            return;
        }
        self.round = self.round.saturating_add(1);
        self.open_and_sample(false, now);
    }

    /// Opens the sockets of our part and takes a sample if it needs one; otherwise says PUNCH.
    fn open_and_sample(&mut self, answers: bool, now: Instant) {
        let Some(punching) = self.punching() else {
            return;
        };
        let part = punching.part;
        punching.volley = None;
        punching.open = part.sockets;
        punching.step = Step::Sampling {
            until: now + bounds::SAMPLE_TIMEOUT,
            answers,
        };
        if part.sockets > 0 {
            self.push(Output::Open {
                sockets: part.sockets,
            });
        }
        if part.sample {
            self.push(Output::Sample);
        } else {
            let prediction = self.block();
            self.say_punch(prediction, answers, now);
        }
    }

    pub(super) fn on_sampled(&mut self, addr: Option<SocketAddr>, now: Instant) {
        let law = self.local.as_ref().map(|local| Law::of(&local.class));
        let Some(punching) = self.punching() else {
            return;
        };
        let Step::Sampling { answers, .. } = punching.step else {
            return;
        };
        let (Some(addr), Some(Law::Sequence { stride })) = (addr, law) else {
            punching.fail(Failure::NoSample, now);
            return;
        };
        let next = addr.port().wrapping_add(stride);
        let prediction = (next != 0 && addr.is_ipv4()).then(|| Prediction {
            address: Address::direct(SocketAddr::new(addr.ip(), next)),
            stride,
            count: predicted_ports(&punching.part),
        });
        if prediction.is_none() {
            punching.fail(Failure::NoSample, now);
            return;
        }
        self.say_punch(prediction, answers, now);
    }

    /// Our block, where our NAT gives us one.
    fn block(&self) -> Option<Prediction> {
        let local = self.local.as_ref()?;
        let seen = seen(&local.candidates, &self.permit)?;
        match Law::of(&local.class) {
            Law::Among { first, len } if first != 0 && maps_by_destination(local) => {
                Some(Prediction {
                    address: Address::direct(SocketAddr::new(seen.ip(), first)),
                    stride: 1,
                    count: len,
                })
            }
            Law::Among { .. } | Law::Sequence { .. } => None,
        }
    }

    fn say_punch(&mut self, prediction: Option<Prediction>, answers: bool, now: Instant) {
        let round = if answers {
            self.their_round
        } else {
            self.round
        };
        let takes = self.peer_takes();
        let scatter = self.scatter_mark();
        // A sprayer whose own port differs each time is met by nothing the target sends: only a
        // mapping that is there already can be hit.
        let in_turn = self.local.as_ref().is_some_and(maps_by_destination);
        let Some(punching) = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.punching.as_mut())
        else {
            return;
        };
        let sockets = punching.open.max(1);
        let (shots, open) = (punching.part.shots, punching.open);
        if answers {
            let mark = punching.mark.take();
            let rng = match shots {
                Shots::Spray => &mut self.sprayed.clone(),
                _ => &mut self.rng,
            };
            punching.volley = mark.map(|mark| Volley::new(shots, open, &mark, takes, rng, now));
            if shots == Shots::Spray && in_turn {
                punching.hold_until(now + takes);
            }
            punching.step = Step::Firing {
                until: now + takes + bounds::ROUND_SETTLE,
            };
        } else {
            if let (Shots::Scatter { .. }, Some(mark)) = (shots, scatter) {
                // Our mappings have to be there before the peer's packets.
                punching.volley = Some(Volley::new(shots, open, &mark, takes, &mut self.rng, now));
            }
            punching.step = Step::Awaiting {
                until: now + bounds::PUNCH_TIMEOUT,
            };
        }
        self.push(Output::Send(Frame::Punch(Punch {
            round,
            answers,
            prediction,
            sockets,
            extensions: Extensions::default(),
        })));
    }

    pub(super) fn on_punch(&mut self, punch: &Punch, now: Instant) {
        self.punched = true;
        if punch.answers {
            self.on_punch_answered(punch, now);
        } else {
            self.on_punch_begun(punch, now);
        }
    }

    /// The peer begins a round.
    fn on_punch_begun(&mut self, punch: &Punch, now: Instant) {
        if punch.round <= self.their_round {
            return;
        }
        let Some(mark) = self.mark(punch) else {
            return;
        };
        let Some(punching) = self.punching() else {
            return;
        };
        let follows = !punching.part.starts && !matches!(punching.step, Step::Over);
        if !follows || !punching.begin() {
            return;
        }
        punching.mark = Some(mark);
        self.their_round = punch.round;
        self.open_and_sample(true, now);
    }

    /// The peer answers our round.
    fn on_punch_answered(&mut self, punch: &Punch, now: Instant) {
        let (mark, takes) = (self.mark(punch), self.peer_takes());
        let current = punch.round == self.round;
        let Some(punching) = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.punching.as_mut())
        else {
            return;
        };
        let awaited = punching.part.starts && matches!(punching.step, Step::Awaiting { .. });
        if !current || !awaited {
            return;
        }
        let (shots, open) = (punching.part.shots, punching.open);
        if !matches!(shots, Shots::Scatter { .. }) {
            let Some(mark) = mark else {
                return;
            };
            punching.volley = Some(Volley::new(shots, open, &mark, takes, &mut self.rng, now));
        }
        punching.step = Step::Firing {
            until: now + takes + bounds::ROUND_SETTLE,
        };
    }

    /// Where the peer is to be guessed, by what it says.
    fn mark(&self, punch: &Punch) -> Option<Mark> {
        let theirs = self.theirs.as_ref()?;
        let seen = seen(&theirs.candidates, &self.permit)?;
        let law = Law::of(&theirs.class);
        match self.attempt.as_ref()?.punching.as_ref()?.part.shots {
            Shots::Scatter { .. } => None,
            Shots::Spray | Shots::Count { .. } | Shots::Grid { .. } => {
                let spare = spare_ports(&self.local.as_ref()?.class);
                Mark::new(seen, law, punch.prediction.as_ref(), punch.sockets, spare)
            }
        }
    }

    /// Where our scatter goes: to where the peer is seen, or where its packets to us come from when
    /// its NAT gives each IP another port.
    fn scatter_mark(&self) -> Option<Mark> {
        let theirs = self.theirs.as_ref()?;
        let seen = seen(&theirs.candidates, &self.permit)?;
        let learned = self.attempt.as_ref()?.learned.filter(|learned| {
            theirs.class.mapping == Mapping::AddressDependent && learned.ip() == seen.ip()
        });
        Some(Mark {
            seen: learned.unwrap_or(seen),
            law: Law::of(&theirs.class),
            prediction: None,
            sockets: 1,
            spare: bounds::GUESSES,
        })
    }

    /// How long the peer fires in a round.
    fn peer_takes(&self) -> Duration {
        let (Some(local), Some(theirs)) = (&self.local, &self.theirs) else {
            return Duration::ZERO;
        };
        let peers = plan(
            &theirs.class,
            &local.class,
            !self.controlling,
            bounds::SOCKETS,
        );
        let Plan::Guess(part) = peers else {
            return Duration::ZERO;
        };
        let waits = part.shots == Shots::Spray
            && matches!(
                theirs.class.mapping,
                Mapping::AddressDependent | Mapping::AddressAndPortDependent
            );
        let open = self.attempt.as_ref().and_then(|attempt| {
            let punching = attempt.punching.as_ref()?;
            Some(punching.open)
        });
        let open = open.unwrap_or_default();
        let before = if waits {
            bounds::PACE * u32::from(open)
        } else {
            Duration::ZERO
        };
        let spare = spare_ports(&theirs.class);
        before + super::volley::takes(part, Law::of(&local.class), open, spare)
    }

    fn punching(&mut self) -> Option<&mut super::punching::Punching> {
        self.attempt.as_mut()?.punching.as_mut()
    }
}

fn maps_by_destination(local: &super::io::Local) -> bool {
    matches!(
        local.class.mapping,
        Mapping::AddressDependent | Mapping::AddressAndPortDependent
    )
}
