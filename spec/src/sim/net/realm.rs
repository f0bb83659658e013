//! Realms and the boxes between them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::host::{HostId, InterfaceId};
use super::link::Link;
use crate::sim::nat::Translator;

/// A domain of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealmId(pub(super) usize);

/// A middlebox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoxId(pub(super) usize);

/// Who has an address in a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Interface(HostId, InterfaceId),
    Outside(BoxId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Realm {
    pub(super) places: BTreeMap<IpAddr, Place>,
    /// Boxes that lead out of here.
    pub(super) gateways: Vec<BoxId>,
    /// Boxes without translation that lead into realms whose addresses are valid here too.
    pub(super) firewalls: Vec<BoxId>,
}

#[derive(Clone, Debug)]
pub(super) struct Middlebox {
    pub(super) translator: Translator,
    pub(super) inside: RealmId,
    pub(super) outside: RealmId,
    /// The one family it passes.
    pub(super) ipv6: bool,
    pub(super) link: Link,
}
