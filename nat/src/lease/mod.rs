//! Port mappings that a gateway was asked for: UPnP (IGD), PCP (RFC 6887) and NAT-PMP (RFC 6886).
//!
//! **[`Lease`]** is one mapping of the main socket by one protocol; a node has one for each protocol and
//! address family. *State:* what was asked and granted, until when, and how the gateway's clock stood.
//! *In:* the local address wanted, the gateway's answers as its driver read them, signs that the gateway
//! restarted, shutdown. *Out:* requests, withdrawals and changes of [`State`]. *Invariants:* at most one
//! request is open, and it ends with an answer or after [`Config::answer`]; nothing a gateway says is
//! believed that cannot be: see [`Failure`]. *Bounds:* constant size; at most one request each
//! [`Config::least`], whatever the gateway does.
//!
//! | state | event | next |
//! |---|---|---|
//! | any | `Wanted(other)` | old one withdrawn, asked at once |
//! | asking | sensible grant | mapped; renewed at half its life (to ⅝, by the seed) |
//! | asking | nonsense, refusal, silence | failed, or still mapped until the lease ends; asked again after a pause that doubles |
//! | mapped | the gateway restarted, or forgot | asked at once; stands until the answer |
//! | mapped | network changed | void, asked at once |
//! | mapped | lease ends unrenewed | failed |
//! | any | shutdown | withdrawn; a grant that comes late is withdrawn too |

mod epoch;
mod grant;
mod state;

pub use grant::{Failure, Grant, Refusal};
pub use state::{Config, Input, Lease, Output, Protocol, State};
