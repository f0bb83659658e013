//! The conformance runner: a second opinion on whether an implementation does what the documents say.
//!
//! `dchat-conformance network ADDR` plays a partner against a running implementation, over QUIC and
//! with nothing else between them: no shim, no knowledge of its insides. In some cases the partner is
//! correct and the implementation has to do its part (*positive*), in the others the partner breaks
//! a rule or tempts, and the implementation has to refuse, skip or close as the documents say
//! (*negative*). `dchat-conformance vectors` drives an implementation of the encodings alone.
//!
//! What a partner sends is put down by hand from the documents ([`frames`], [`greeting`],
//! [`identity`], the generator's [`structure`](crate::structure)); what it is sent is read with
//! dchat-wire. Neither dchat-transport nor the program is used.
//!
//! The parts, from the bottom:
//!
//! * [`case`]: what a case is, and how it ends. [`requirement`]: the sentences that cases cite.
//! * [`draw`]: everything random, a function of the seed, the case and the round.
//! * [`frames`], [`greeting`], [`bodies`], [`breaks`], [`identity`], [`tls`]: the bytes of a partner,
//!   right and wrong.
//! * [`listener`]: a partner that is dialed. [`initial`]: first packets of QUIC by hand.
//! * [`tap`], [`probe`], [`journal`], [`link`], [`talk`], [`ending`]: a connection of a partner, and all
//!   that the peer did on it. [`udp`]: datagrams beside them. [`member`]: a member of a room on one.
//! * [`subject`], [`partner`]: whom the cases run against, and what a case is given.
//! * [`chat`]: the chat of a partner. [`group`]: a private group around it.
//! * [`cases`]: the cases, a file for each section. [`scenario`]: those in which several peers act.
//! * [`vectors`]: driving a program of the encodings, without a network.
//! * [`run`], [`selection`], [`report`]: running them, and telling what came out. [`grease`]: many
//!   connections of a partner from the future.
//!
//! # How to write a case
//!
//! A case is an entry in the table of its section's file and an `async fn(Partner) -> Outcome`:
//!
//! ```ignore
//! Case::negative("hello/second", "a second HELLO closes with UNEXPECTED", &["DC-CONN-030"], second)
//!
//! async fn second(partner: Partner) -> Outcome {
//!     let mut link = partner.link().await?;               // handshake, HELLO and IDENTIFY both ways
//!     link.control(&Greeting::new(&partner).hello()).await; // break the rule
//!     link.expect_close(codes::UNEXPECTED).await          // the only reaction that passes
//! }
//! ```
//!
//! Rules that keep false alarms out:
//!
//! * Wait for events ([`Link::until`], [`Link::expect_close`], [`Link::ask`]), never for time to pass.
//!   Their deadline is [`Subject::patience`], which only an implementation that hangs reaches.
//! * "Nothing happens" is shown by something ordered after it: a question behind the frame on the same
//!   stream, or [`Link::reads_on`], a last violation on the same stream whose code is another one.
//! * What an implementation may leave out (a SHOULD, a service) ends as [`Fault::unsupported`].
//! * A case that needs the whole node for itself is [`Case::alone`].

pub mod bodies;
pub mod breaks;
pub mod case;
pub mod cases;
pub mod chat;
pub mod clock;
pub mod draw;
pub mod ending;
pub mod frames;
pub mod grease;
pub mod greeting;
pub mod group;
mod heard;
pub mod identity;
pub mod initial;
pub mod journal;
pub mod link;
pub mod listener;
pub mod member;
pub mod partner;
pub mod ports;
pub mod probe;
pub mod report;
pub mod requirement;
pub mod run;
pub mod scenario;
pub mod selection;
pub mod subject;
pub mod talk;
pub mod tap;
pub mod tls;
pub mod udp;
pub mod vectors;

pub use case::{Case, Failure, Fault, Kind, Outcome, Profile, Verdict};
pub use frames::codes;
pub use greeting::Greeting;
pub use identity::Identity;
pub use journal::{End, Journal, RawFrame};
pub use link::{Answer, Ending, Link};
pub use partner::Partner;
pub use ports::Ports;
pub use subject::Subject;
pub use talk::Talk;
pub use tls::Dialing;
