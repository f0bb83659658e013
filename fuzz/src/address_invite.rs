//! What people paste, and the binary forms inside it.

use dchat_wire::hash::Context;
use dchat_wire::invite::{Invite, InviteError};
use dchat_wire::{Address, PeerId, decode, encode};

use crate::hand;

/// Input: text of a person's, the bytes of an address, or the content of an invite. What is read
/// must be written so that it is read again as the same, and one invite has one link.
///
/// # Panics
/// When it is not.
pub fn address_invite(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        written(text);
    }
    let address = decode::<Address>(data);
    assert_eq!(
        address.map_err(|error| error.name()),
        hand::decode::<Address>(data)
    );
    if let Ok(address) = address {
        assert_eq!(encode(&address), data);
        assert!(address.names_one_socket());
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    sealed(data);
}

fn written(text: &str) {
    if let Ok(peer) = text.parse::<PeerId>() {
        assert_eq!(peer.to_string(), text);
    }
    if let Ok(address) = text.parse::<Address>() {
        // Text may say the same in several ways; what is written is one of them for good.
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!(
            decode::<Address>(&encode(&address)).is_ok(),
            address.names_one_socket()
        );
    }
    if let Ok(invite) = text.parse::<Invite>() {
        assert_eq!(invite.to_string(), text.trim());
    }
}

/// The link of any content, with the right checksum.
fn sealed(content: &[u8]) {
    let check = Context::INVITE_CHECK.digest(&[content]);
    let link = format!("dchat:{}", base64url(&[content, &check[..4]].concat()));
    let parsed = link.parse::<Invite>();
    let decoded = decode::<Invite>(content);
    match (parsed, decoded) {
        (Ok(invite), Ok(decoded)) => {
            assert_eq!(invite, decoded);
            assert_eq!(invite.to_string(), link);
        }
        (Err(InviteError::Malformed(error)), Err(decoded)) => assert_eq!(error, decoded),
        (Err(InviteError::Newer(version)), _) => {
            assert_eq!(content.first(), Some(&version));
            assert_ne!(version, 1);
        }
        (Err(InviteError::Damaged), _) => {
            assert!(content.is_empty() || link.len() > 4096 + 6, "a whole link");
        }
        (parsed, decoded) => panic!("{parsed:?} but {decoded:?}"),
    }
}

/// Unpadded base64url (RFC 4648 §5), bit by bit.
fn base64url(bytes: &[u8]) -> String {
    let bit = |index: usize| {
        let byte = bytes.get(index / 8).copied().unwrap_or(0);
        usize::from(byte >> (7 - index % 8) & 1)
    };
    (0..(bytes.len() * 8).div_ceil(6))
        .map(|digit| {
            let value = (0..6).fold(0, |value, index| value << 1 | bit(digit * 6 + index));
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            char::from(alphabet[value])
        })
        .collect()
}
