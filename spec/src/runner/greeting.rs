//! What a partner says first on its control stream (`30-transport` §3).

use crate::structure::{Part, Structure, counted};

use super::frames::{self, flagged, frame};
use super::partner::Partner;

/// HELLO, a frame without meaning, and IDENTIFY. Every field may be made wrong.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Lowest and highest version.
    pub versions: (u16, u16),
    /// This run of the node.
    pub instance: [u8; 16],
    /// Bits of `registry` §6.
    pub roles: u64,
    /// Numbers of `registry` §7.
    pub capabilities: Vec<u16>,
    /// Extensions of HELLO; one of a reserved kind in a correct one.
    pub extensions: Vec<(u16, Vec<u8>)>,
    /// Frames between HELLO and IDENTIFY; one of a reserved type in a correct greeting.
    pub between: Vec<u8>,
    /// IDENTIFY.
    pub identify: Identify,
}

/// The body of IDENTIFY and IDENTIFY_PUSH.
#[derive(Clone, Debug, Default)]
pub struct Identify {
    /// 1 in IDENTIFY.
    pub revision: u64,
    /// Where the peer is seen: a binary multiaddr.
    pub observed: Option<Vec<u8>>,
    /// Where the sender can be reached: binary multiaddrs.
    pub addresses: Vec<Vec<u8>>,
    /// Extensions.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl Identify {
    /// One that says nothing but its revision.
    #[must_use]
    pub fn revision(revision: u64) -> Self {
        Self {
            revision,
            ..Self::default()
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Structure {
        let address = |bytes: &Vec<u8>| Part {
            bytes: counted(bytes),
            json: crate::Json::Null,
        };
        let observed = self.observed.as_ref().map(address);
        let addresses: Vec<Part> = self.addresses.iter().map(address).collect();
        Structure::new()
            .u64("Identify.revision", self.revision)
            .option("Identify.observed", observed.as_ref(), false)
            .list("Identify.addresses", &addresses, false)
            .extensions("Identify.extensions", &borrowed(&self.extensions))
    }

    /// As IDENTIFY.
    #[must_use]
    pub fn first(&self) -> Vec<u8> {
        frame(frames::IDENTIFY, &self.body().bytes)
    }

    /// As IDENTIFY_PUSH.
    #[must_use]
    pub fn push(&self) -> Vec<u8> {
        frame(frames::IDENTIFY_PUSH, &self.body().bytes)
    }
}

impl Greeting {
    /// That of a correct peer with the capability CHAT.
    #[must_use]
    pub fn new(partner: &Partner) -> Self {
        let nibble = |bits: u8| u16::from(bits & 0xf) << 4 | 0x000a;
        let [low, high, type_low, type_high, len] = partner.array();
        // Bit 15 of a kind is never set.
        let kind = (nibble(high & 0x7) << 8) | nibble(low);
        let code = (nibble(type_high) << 8) | nibble(type_low);
        let content = partner.bytes(usize::from(len) % 33);
        Self {
            versions: (1, 1),
            instance: partner.array(),
            roles: 0,
            capabilities: vec![1],
            extensions: vec![(kind, content.clone())],
            between: flagged(code, 0, &content),
            identify: Identify::revision(1),
        }
    }

    /// The body of HELLO.
    #[must_use]
    pub fn hello_body(&self) -> Structure {
        let capabilities: Vec<Part> = self.capabilities.iter().map(|&n| Part::u16(n)).collect();
        let (low, high) = self.versions;
        let versions = [low.to_le_bytes(), high.to_le_bytes()].concat();
        Structure::new()
            .fixed("Hello.versions", &versions)
            .fixed("Hello.instance", &self.instance)
            .u64("Hello.roles", self.roles)
            .list("Hello.capabilities", &capabilities, true)
            .extensions("Hello.extensions", &borrowed(&self.extensions))
    }

    /// HELLO.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        frame(frames::HELLO, &self.hello_body().bytes)
    }

    /// Everything, as it goes out.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.hello(), self.between.clone(), self.identify.first()].concat()
    }
}

fn borrowed(extensions: &[(u16, Vec<u8>)]) -> Vec<(u16, &[u8])> {
    extensions
        .iter()
        .map(|(kind, value)| (*kind, value.as_slice()))
        .collect()
}
