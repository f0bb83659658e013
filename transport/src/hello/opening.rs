//! What we send on our control stream.

use dchat_wire::codec::List;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::{Capabilities, Hello, Versions};
use dchat_wire::identify::Identify;
use dchat_wire::nat::Candidates;
use dchat_wire::{Address, Frame, grease};

/// HELLO with a reserved extension, one frame of a reserved type, the first IDENTIFY and the first
/// CANDIDATES, in the bytes of one write. A peer that does not know CANDIDATES skips them.
pub(crate) struct Opening {
    /// This process's instance.
    pub(crate) instance: [u8; 16],
    /// What the node offers.
    pub(crate) roles: u64,
    /// Random per connection: chooses the reserved values.
    pub(crate) grease: [u8; 32],
    /// What it can do.
    pub(crate) capabilities: Capabilities,
    /// The first IDENTIFY.
    pub(crate) identify: Identify,
    /// The first CANDIDATES, where the peer may know them.
    pub(crate) candidates: Option<Candidates>,
}

impl Opening {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let [extension, frame, len, content @ ..] = self.grease;
        let content = content
            .get(..usize::from(len) % content.len())
            .unwrap_or(&[]);
        let hello = Hello {
            versions: Versions::OURS,
            instance: self.instance,
            roles: self.roles,
            capabilities: self.capabilities.clone(),
            extensions: grease::extensions(extension, content),
        };
        let hello = if defect::is(Defect::SendsNoGrease) {
            Hello {
                extensions: Default::default(),
                ..hello
            }
        } else {
            hello
        };
        let mut bytes = Frame::Hello(hello).to_bytes();
        let identify = Frame::Identify(self.identify.clone()).to_bytes();
        if defect::is(Defect::IdentifiesFirst) {
            return [identify, bytes].concat();
        }
        if !defect::is(Defect::SendsNoGrease) {
            bytes.extend(grease::frame(frame, content));
        }
        if !defect::is(Defect::SendsNoIdentify) {
            bytes.extend(identify);
        }
        let candidates = self.candidates.clone().map(Frame::Candidates);
        bytes.extend(candidates.into_iter().flat_map(|frame| frame.to_bytes()));
        bytes
    }
}

/// An IDENTIFY of `addresses`, of which the first that fit are sent.
pub(crate) fn identify(
    revision: u64,
    observed: Option<Address>,
    addresses: impl IntoIterator<Item = Address>,
) -> Identify {
    Identify {
        revision,
        observed,
        addresses: List::first_of(addresses),
        extensions: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed assumption fails the test"
    )]

    use dchat_wire::FrameReader;
    use dchat_wire::nat::NatClass;

    use super::*;

    /// Checks DC-CONN-020 (positive), DC-CONN-026 (positive), DC-CONN-027 (positive).
    #[test]
    fn the_opening_is_hello_then_a_reserved_frame_then_identify_and_candidates() {
        let candidates = Candidates {
            generation: 1,
            class: NatClass::UNKNOWN,
            candidates: List::default(),
            extensions: Default::default(),
        };
        for seed in 0..=255u8 {
            let opening = Opening {
                instance: [9; 16],
                roles: 3,
                grease: [seed; 32],
                capabilities: Capabilities::default(),
                identify: identify(1, None, []),
                candidates: Some(candidates.clone()),
            };
            let bytes = opening.to_bytes();
            let mut input = &bytes[..];
            let mut reader = FrameReader::new();
            let Some(Frame::Hello(hello)) = reader.read(&mut input).unwrap() else {
                panic!("HELLO comes first");
            };
            assert_eq!(hello.instance, [9; 16]);
            assert_eq!(hello.roles, 3);
            let [extension] = hello.extensions.as_slice() else {
                panic!("one extension");
            };
            assert!(grease::is_reserved(extension.kind));
            assert!(grease::is_reserved(u16::from_le_bytes([
                input[4], input[5]
            ])));
            let second = reader.read(&mut input).unwrap();
            assert!(matches!(second, Some(Frame::Identify(_))));
            let third = reader.read(&mut input).unwrap();
            assert_eq!(third, Some(Frame::Candidates(candidates.clone())));
            assert!(input.is_empty());
        }
    }
}
