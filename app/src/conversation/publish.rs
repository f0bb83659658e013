//! The device record that others get of us.

use dchat_wire::record::SignedRecord;
use dchat_wire::sign::Identity;

use crate::e2ee::Device;

use super::{Error, Ledger};

/// Our current signed device record, for CHAT_OPEN and invites. Makes the device when there is
/// none, rotates and renews what is due, and saves it: publish the record only after the commit.
///
/// # Errors
/// [`Error::Ledger`], [`Error::State`].
pub fn publish_device<L: Ledger>(
    ledger: &mut L,
    identity: &Identity,
    now: u64,
) -> Result<SignedRecord, Error<L::Error>> {
    let (mut device, made) = match ledger.device().map_err(Error::Ledger)? {
        Some(state) => (Device::from_state(&state)?, false),
        None => (Device::generate(identity, now), true),
    };
    if device.refresh(identity, now) || made {
        ledger
            .save_device(&device.to_state()?)
            .map_err(Error::Ledger)?;
    }
    device
        .record()
        .cloned()
        .ok_or(Error::Misuse("a refreshed device has a record"))
}
