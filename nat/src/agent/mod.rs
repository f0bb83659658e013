//! The agent of one connection: which address of the peer is probed from which socket and when, and
//! what is said to the peer about it, so that a direct path opens beside the relayed one.
//!
//! It neither seals nor checks nor answers probes: the path switch does, and tells the agent what
//! came of it. What it may believe is settled there: [`Input::Answered`] and [`Input::Asked`] are
//! authentic, everything in [`Input::Candidates`] and [`Input::Punch`] is what a peer says.
//!
//! **State.** Our addresses and NAT class, the peer's, at most one attempt (its pairs, its
//! [plan](crate::plan) and the rounds of guessing), the [`Outcome`] so far, what was sent where
//! lately, and when the next attempt is due.
//!
//! **In and out.** [`Agent::handle_input`] and [`Agent::handle_timeout`]; then
//! [`Agent::poll_output`] until it is empty, and sleep until [`Agent::poll_timeout`]. Time and the
//! seed are passed in.
//!
//! **An attempt** begins when both sides' candidates are known, and again with every later CANDIDATES
//! of the peer, when a direct path is lost, and after a failure with backoff. Whoever begins one for
//! a reason of its own sends CANDIDATES, so that the other begins one too. Ordinary probes go to each
//! address at once and at growing intervals; where the peer's probe comes from is probed back at
//! once. Where the plan is to guess, rounds of PUNCH run beside them. The attempt ends with the first
//! answer, after which only better addresses are probed for [`bounds::GRACE`] more, or with the
//! [`Reason`] why none came.
//!
//! **Who moves.** Changed CANDIDATES of the peer end every backoff, as a changed network of our own does.
//! They often come before its old address is missed: a loss does not end the search they began.
//!
//! **Roles.** The smaller PeerId is controlling: it breaks ties in the plan and is the first to
//! begin again after a failure. Each side may use whatever path it proved; the switch prefers among
//! proven paths at any time, so there is no nomination.
//!
//! **Late, doubled, replayed.** A CANDIDATES of a generation not above the last one is ignored; so
//! is a PUNCH of a round not above the last one, and an answer to any round but the running one.
//!
//! **Invariants.** Between two probes lie at least [`bounds::PACE`]. No probe goes to an address
//! that [`Permit`](crate::candidate::Permit) refuses. Per IP and in all, no more goes out than
//! [`bounds`] says. Every attempt ends with an [`Output::Outcome`] within [`bounds::ATTEMPT`]. Once
//! direct, nothing more is sent until the path is lost or the peer sends new candidates.

mod attempt;
mod attempting;
pub mod bounds;
mod config;
mod guessing;
mod io;
mod ledger;
mod machine;
mod outcome;
mod pairs;
mod punching;
mod rng;
mod verdict;
mod volley;

pub use config::Config;
pub use io::{Input, Local, Output, Socket};
pub use machine::Agent;
pub use outcome::{Outcome, Reason, Side};
