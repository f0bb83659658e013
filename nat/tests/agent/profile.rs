//! The fourteen kinds of access to the network.

use dchat_wire::nat::{Allocation, Filtering, Mapping, NatClass};

#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// NATs over IPv4, the innermost first.
    pub(crate) nats: Vec<NatClass>,
    /// The firewall over IPv6, where there is IPv6.
    pub(crate) v6: Option<NatClass>,
}

impl Profile {
    /// What the peer's own classification finds over IPv4.
    pub(crate) fn class(&self) -> NatClass {
        match self.nats.as_slice() {
            [] => class(Mapping::None, Filtering::None, Allocation::Unknown),
            [one] => one.clone(),
            [.., outer] => outer.clone(),
        }
    }
}

pub(crate) fn class(mapping: Mapping, filtering: Filtering, allocation: Allocation) -> NatClass {
    let block = allocation == Allocation::Block;
    NatClass {
        mapping,
        filtering,
        allocation,
        stride: u16::from(allocation == Allocation::Sequential),
        block_first: if block { 20_480 } else { 0 },
        block_len: if block { 512 } else { 0 },
    }
}

pub(crate) fn profiles() -> Vec<Profile> {
    use Allocation::{Block, Preserving, Random, Sequential, Unknown};
    use Filtering::{AddressAndPortDependent as Apdf, AddressDependent as Adf};
    use Mapping::{
        AddressAndPortDependent as Apdm, AddressDependent as Adm, EndpointIndependent as Eim,
    };
    let nine = [
        ("eim/eif", Eim, Filtering::EndpointIndependent),
        ("eim/adf", Eim, Adf),
        ("eim/apdf", Eim, Apdf),
        ("adm/eif", Adm, Filtering::EndpointIndependent),
        ("adm/adf", Adm, Adf),
        ("adm/apdf", Adm, Apdf),
        ("apdm/eif", Apdm, Filtering::EndpointIndependent),
        ("apdm/adf", Apdm, Adf),
        ("apdm/apdf", Apdm, Apdf),
    ];
    let one = |name, class| Profile {
        name,
        nats: vec![class],
        v6: None,
    };
    let mut all = vec![
        Profile {
            name: "public",
            nats: Vec::new(),
            v6: Some(class(Mapping::None, Filtering::None, Unknown)),
        },
        Profile {
            name: "v6fw",
            nats: vec![class(Eim, Apdf, Preserving)],
            v6: Some(class(Mapping::None, Apdf, Unknown)),
        },
    ];
    all.extend(nine.map(|(name, mapping, filtering)| {
        let allocation = if mapping == Eim { Preserving } else { Random };
        one(name, class(mapping, filtering, allocation))
    }));
    all.extend([
        one("seq", class(Apdm, Apdf, Sequential)),
        one("block", class(Apdm, Apdf, Block)),
        Profile {
            name: "double",
            nats: vec![class(Eim, Apdf, Preserving), class(Eim, Apdf, Random)],
            v6: None,
        },
    ]);
    all
}
