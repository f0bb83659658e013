//! Congestion control for quinn: one rate model per real path under one virtual address.
//!
//! # Contract
//!
//! quinn sees one address per peer and so keeps one congestion controller a connection, while the
//! packets travel over several real paths in turn. [`PathControl`] is the handle of the layer that
//! knows: it is told `switch_path(path, now)` and every packet sent from then on belongs to that
//! path. Give each connection its own handle and its own factory, since
//! [`ControllerFactory::build`](quinn_proto::congestion::ControllerFactory::build) does not learn
//! for which connection it builds ([`recommended_transport_config`] makes both fit).
//!
//! * State: a model for each of at most [`MAX_PATHS`] paths (the least recently used
//!   one goes), a record of at most [`MAX_BURSTS`] sent bursts, the current epoch.
//! * Inputs: what quinn reports (sent, acknowledged, lost, MTU), the switches, and time, always as
//!   an argument. No clock; the only randomness is the seed, which shifts the probing cycle so
//!   that flows which start together do not probe together.
//! * Output: `window()`: the window of the current path plus what is still in flight on the paths
//!   left behind, so that packets lost with a dead path do not block the new one.
//! * Invariants: an acknowledgement or loss counts for the path on which its packet was sent, told
//!   apart by the sending time; no RTT sample crosses a switch; the window of a path is never below
//!   4 packets nor above 1 GiB.
//! * Memory: at most 34 KiB a connection, under 3 KiB while idle on one path.
//!
//! # The model
//!
//! Delivery rate (windowed maximum over 10 rounds) times the smallest RTT is the volume the path
//! holds. The window is that volume and 5 ms more of queue; every 6 to 9 rounds a round at 5/4
//! looks for more and a round at 9/10 empties the queue again. Losses below 5 % a round do not count:
//! they say nothing about a queue.
//!
//! A CUBIC flow beside us fills the queue, and a model that respects the queue would starve.
//! Whoever shares the bottleneck is recognised by a queue that stays through our own draining
//! round; then the window follows CUBIC's law (RFC 9438) with losses and all, which is fair by
//! construction, until the queue is seen empty again. The module `model` names the phases.
//!
//! # What quinn's pacer means for the model
//!
//! quinn paces at 1.25 × window / smoothed RTT in bursts of about 2 ms and asks the controller for
//! nothing but the window. So the window is both the cap and the rate: a model cannot pace below
//! its window, and pacing only spreads a flight, it does not shape the average, which is
//! window / RTT. A BBR that returns twice the volume, as its authors' pacing allows, would therefore
//! keep a full volume of queue standing here. That is why ours steers the *window* close to the
//! volume, probes by window, and counts a queue as seen by RTT. Two limits follow: after a switch
//! to a slower path the smoothed RTT is still the short one and the first flight leaves as one
//! burst of at most one window; after a switch to a faster one the pacer needs some 20
//! acknowledgements to come down to the new RTT.

mod bursts;
mod config;
mod control;
mod cubic;
mod model;
mod paths;
mod rate;
mod round;

pub use bursts::MAX_BURSTS;
pub use config::{
    ConnectionMemory, MEMORY, carrying_transport_config, recommended_transport_config,
};
pub use control::{PathControl, PathControlSnapshot, PathFactory};
pub use paths::{MAX_PATHS, PathId};
