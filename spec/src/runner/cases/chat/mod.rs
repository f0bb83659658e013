//! One-to-one conversations (`40-messaging`).

mod envelope;
mod exchange;
mod open;
mod parcel;
mod session;

use super::super::case::{Case, Profile};

pub(super) fn cases() -> Vec<Case> {
    let all = [
        open::cases(),
        session::cases(),
        envelope::cases(),
        parcel::cases(),
        exchange::cases(),
    ];
    all.into_iter()
        .flatten()
        .map(|case| case.profile(Profile::Chat))
        .collect()
}
