//! Whether strangers can reach a node: the verdict, and what a node does for another's.
//!
//! **[`Reachability`]** asks nodes (frame REACH, spec `50-nat`) to let a third one send a datagram with
//! a token to our public address. *State:* tokens that are out, what arrived, a verdict with its expiry.
//! *In:* the address to test, nodes that can be asked, what they say, what arrives. *Out:* questions and
//! the verdict. *Invariants:* an arrival counts if it carries a token that is out and comes from an
//! address that nothing had been sent to, which is proof whoever sent it; `Public` needs arrivals from
//! [`NEEDED`] subnets, `Private` needs that many nodes of different subnets which each say repeatedly
//! that it was sent, and no arrival; all else is `Unknown`.
//!
//! | arrivals from subnets | silent nodes in subnets | verdict |
//! |---|---|---|
//! | ≥ 2 | any | `Public`; the silent ones are named |
//! | 1 | any | `Unknown`: one node may have been sent to before, by somebody behind the same address |
//! | 0 | ≥ 2 | `Private` |
//! | 0 | < 2 | `Unknown` |
//!
//! A node whose datagram came from an address we had sent to is neither: it proves nothing, and was not
//! silent.
//!
//! **[`Policy`]** decides for a node that is asked. *In:* the request, who asks and from where. *Out:*
//! what to send, or the refusal. *Invariants:* a datagram goes to the asker's own IP address, or, for
//! another node that asks on behalf of a third, to an address of the same scope; never more than the
//! buckets of the asker, of the target's address and subnet, and of the node allow. Its tables are
//! bounded and full tables refuse.

mod bucket;
mod policy;
mod verdict;

pub use policy::{Limits, Policy, Task};
pub use verdict::{Ask, Config, Input, NEEDED, Output, Reachability, Verdict};
