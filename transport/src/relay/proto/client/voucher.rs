//! Whether a relay's word about a reservation is to be believed.

use dchat_wire::PeerId;
use dchat_wire::record::{RecordError, SignedRecord, Verified};
use dchat_wire::relay::Voucher;

/// The relay's fault: its voucher is worth nothing. The reservation is taken as not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Not signed by the relay, not valid now, or no voucher at all.
    #[error("the voucher is not the relay's valid word: {0}")]
    Record(#[from] RecordError),
    /// It is for another peer.
    #[error("the voucher is for another peer")]
    OtherPeer,
    /// Not newer than one the relay gave before: somebody replays an old one.
    #[error("the voucher is a replayed one")]
    Replayed,
}

/// Checks a voucher that `relay` gave to `ours`, whose last one had the sequence `last`.
pub(super) fn check(
    record: &SignedRecord,
    relay: &PeerId,
    ours: &PeerId,
    last: Option<u64>,
    unix_ms: u64,
) -> Result<Verified<Voucher>, VoucherError> {
    let voucher = record.open::<Voucher>(relay, unix_ms)?;
    if voucher.payload.peer != *ours {
        return Err(VoucherError::OtherPeer);
    }
    if last.is_some_and(|last| voucher.sequence <= last) {
        return Err(VoucherError::Replayed);
    }
    Ok(voucher)
}
