//! Answering others' Binding requests: where from they seem to come.

use std::net::SocketAddr;

use dchat_wire::defect::{self, Defect};
use stun_rs::attributes::stun::{
    ErrorCode, Fingerprint, MappedAddress, UnknownAttributes, XorMappedAddress,
};
use stun_rs::{ErrorCode as Code, MessageClass, StunMessageBuilder};

use super::encode::{builder, bytes};
use super::message::{Change, Message, Request, TransactionId, decode};
use super::scan::kind;

/// Unknown attribute (RFC 8489 §14.8).
const UNKNOWN_ATTRIBUTE: u16 = 420;

/// What to send back to `from`, if anything.
///
/// Only a Binding request is answered, and never with more bytes than it has: one without padding
/// that has no room for an IPv6 address gets nothing. What has to be understood and is not (which
/// includes a CHANGE-REQUEST with a flag set: there is no other address here) gets an error 420 if
/// that fits, else nothing (RFC 8489 §6.3.1, RFC 5780 §6.1). The answer has a fingerprint when the
/// request has one and there is room.
#[must_use]
pub fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let Ok(Message::Request(mut request)) = decode(datagram) else {
        return None;
    };
    if request.change != Change::Nothing && !defect::is(Defect::StunOverlooksChange) {
        request.unknown.push(kind::CHANGE_REQUEST);
    }
    let body = || {
        if request.unknown.is_empty() || defect::is(Defect::StunOverlooksAttributes) {
            Some(success(&request, from))
        } else {
            refusal(&request)
        }
    };
    let longest = request
        .fingerprint
        .then(|| body().map(|body| bytes(&body.with_attribute(Fingerprint::default()).build())))
        .flatten();
    let longest_allowed = if defect::is(Defect::StunAnswersLonger) {
        usize::MAX
    } else {
        datagram.len()
    };
    let fits = |answer: &Vec<u8>| !answer.is_empty() && answer.len() <= longest_allowed;
    longest
        .filter(fits)
        .or_else(|| body().map(|body| bytes(&body.build())).filter(fits))
}

fn success(request: &Request, from: SocketAddr) -> StunMessageBuilder {
    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
    let id = if defect::is(Defect::StunOtherTransaction) {
        TransactionId([0; 12])
    } else {
        request.id
    };
    if defect::is(Defect::StunWithoutXor) {
        return builder(MessageClass::SuccessResponse, id)
            .with_attribute(MappedAddress::from(from));
    }
    builder(MessageClass::SuccessResponse, id).with_attribute(XorMappedAddress::from(from))
}

fn refusal(request: &Request) -> Option<StunMessageBuilder> {
    let code = Code::new(UNKNOWN_ATTRIBUTE, "").ok()?;
    Some(
        builder(MessageClass::ErrorResponse, request.id)
            .with_attribute(ErrorCode::from(code))
            .with_attribute(UnknownAttributes::from(request.unknown.as_slice())),
    )
}
