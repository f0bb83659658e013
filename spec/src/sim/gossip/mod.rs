//! A room of ten thousand members in virtual time.
//!
//! Every member is a [production core](dchat_gossip::Node), driven through its own four verbs; the
//! world carries its frames, keeps what its database would keep, and moves its clock. What it models
//! is stated where it is modelled: delay and loss ([`links`]), who comes and goes ([`world`]), what
//! attackers do ([`conduct`]), what items are made of ([`library`]).
//!
//! Not modelled: the rate of links but in [`catch_up()`], and what QUIC and the packets around frames cost. Bytes are those
//! of frames with their headers, counted where they are sent.
//!
//! **Contract.** A world is a function of its [setting](Setting): the same one gives the same events,
//! and [`World::digest`] shows it. [`run()`] makes a world, has its members talk and reports.
//! [`reconcile()`] is apart: two members that compare what they hold, and what that costs. So is
//! [`catch_up()`], in which links have a rate, and a [`Burden`], one core that is weighed.

pub mod burden;
pub mod catch_up;
pub mod conduct;
pub mod library;
pub mod links;
pub mod reconcile;
pub mod tally;
pub mod world;

mod churn;
mod flooding;
mod plan;
mod scenario;

pub use burden::Burden;
pub use catch_up::{Absence, CaughtUp, catch_up};
pub use links::Manner;
pub use plan::{Plan, Report};
pub use reconcile::{Gap, Reconciled, reconcile};
pub use scenario::run;
pub use world::{Setting, World};
