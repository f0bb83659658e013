//! Writing messages.

use stun_rs::attributes::discovery::{ChangeRequest, ChangeRequestFlags};
use stun_rs::attributes::stun::{Fingerprint, Software};
use stun_rs::{
    MessageClass, MessageEncoder, StunMessage, StunMessageBuilder, TransactionId as StunId,
};

use super::message::{Change, TransactionId};
use super::{MAX_DATAGRAM, REQUEST};

/// Bytes of the padding's value: what [`REQUEST`] leaves after the header, this attribute's own and
/// the fingerprint.
const PADDING: usize = REQUEST - 20 - 4 - 8;

/// A Binding request: [`REQUEST`] bytes, or 8 more when a change is asked for. Empty only if the codec
/// refuses, which a test of every `change` excludes.
///
/// ```text
///  0        20         28                   60           68
/// | header | (CHANGE-   | SOFTWARE: dashes  | FINGERPRINT |
/// |        |  REQUEST)  |                   |             |
/// ```
///
/// The software is not named: who answers is not told what asks.
#[must_use]
pub fn request(id: TransactionId, change: Change) -> Vec<u8> {
    let mut builder = builder(MessageClass::Request, id);
    let flags = match change {
        Change::Nothing => None,
        Change::Port => Some(ChangeRequestFlags::ChangePort.into()),
        Change::AddressAndPort => {
            Some(ChangeRequestFlags::ChangeIp | ChangeRequestFlags::ChangePort)
        }
    };
    if flags.is_some() {
        builder = builder.with_attribute(ChangeRequest::new(flags));
    }
    if let Ok(padding) = Software::new("-".repeat(PADDING)) {
        builder = builder.with_attribute(padding);
    }
    bytes(&builder.with_attribute(Fingerprint::default()).build())
}

pub(super) fn builder(class: MessageClass, id: TransactionId) -> StunMessageBuilder {
    StunMessageBuilder::new(stun_rs::methods::BINDING, class)
        .with_transaction_id(StunId::from(&id.0))
}

/// The message's bytes; none if the codec cannot write it in [`MAX_DATAGRAM`].
pub(super) fn bytes(message: &StunMessage) -> Vec<u8> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    let length = MessageEncoder::default()
        .encode(&mut buffer, message)
        .unwrap_or_default();
    buffer.truncate(length);
    buffer
}
