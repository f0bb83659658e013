//! NAT traversal (`50-nat`): STUN and REACH on the usual socket, and what strangers say of themselves.

mod candidates;
mod reach;
mod stun;

use super::super::case::{Case, Profile};

pub(super) fn cases() -> Vec<Case> {
    let cases = [stun::cases(), reach::cases(), candidates::cases()];
    let of_nat = |case: Case| case.profile(Profile::Nat);
    cases.into_iter().flatten().map(of_nat).collect()
}
