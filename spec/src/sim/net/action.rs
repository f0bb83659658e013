//! What happens to a network while it is used.

use std::net::IpAddr;

use super::host::{HostId, InterfaceId};
use super::link::Quality;
use super::realm::{BoxId, RealmId};
use super::routing::Net;

/// A change of the network. Hosts are not told; that is up to who applies it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A box forgets its mappings and begins its port sequence anywhere.
    Reboot(BoxId),
    /// A box gets other public addresses, and forgets its mappings.
    Renumber(BoxId, Vec<IpAddr>),
    /// An interface moves to a realm and gets addresses there: roaming.
    Roam(HostId, InterfaceId, RealmId, Vec<IpAddr>),
    /// An interface goes down: the host notices, and cannot send from it.
    Down(HostId, InterfaceId),
    /// An interface comes up again.
    Up(HostId, InterfaceId),
    /// The link of an interface loses everything, or no longer does; nobody is told.
    Cut(HostId, InterfaceId, bool),
    /// The same for the outside link of a box.
    CutBox(BoxId, bool),
    /// The link of an interface becomes better or worse.
    Quality(HostId, InterfaceId, Quality),
    /// The same for the outside link of a box.
    BoxQuality(BoxId, Quality),
    /// A host is gone: it neither receives nor wakes again, until it is revived.
    Kill(HostId),
    /// It is back, and knows nothing.
    Revive(HostId),
    /// The internet loses everything between two public addresses, or no longer does.
    Part(IpAddr, IpAddr, bool),
}

impl Action {
    /// A number for the trace.
    pub(super) fn code(&self) -> u64 {
        let (kind, who) = match self {
            Self::Reboot(at) => (1, at.0),
            Self::Renumber(at, _) => (2, at.0),
            Self::Roam(host, ..) => (3, host.0),
            Self::Down(host, _) => (4, host.0),
            Self::Up(host, _) => (5, host.0),
            Self::Cut(host, _, cut) => (6 + u64::from(*cut), host.0),
            Self::CutBox(at, cut) => (8 + u64::from(*cut), at.0),
            Self::Quality(host, ..) => (10, host.0),
            Self::BoxQuality(at, _) => (11, at.0),
            Self::Kill(host) => (12, host.0),
            Self::Revive(host) => (13, host.0),
            Self::Part(.., part) => (14, usize::from(*part)),
        };
        kind << 32 | who as u64
    }
}

impl Net {
    /// Applies a change at once.
    pub fn apply(&mut self, action: Action) {
        self.note_action(action.code());
        match action {
            Action::Reboot(at) => {
                if let Some(middlebox) = self.boxes.get_mut(at.0) {
                    middlebox.translator.reboot();
                }
            }
            Action::Renumber(at, public) => self.renumber(at, public),
            Action::Roam(host, interface, realm, addresses) => {
                self.detach(host, interface);
                if let Some(interface) = self.interface_mut(host, interface) {
                    interface.realm = realm;
                    interface.addresses = addresses;
                    interface.up = true;
                }
                self.attach(host, interface);
            }
            Action::Down(host, interface) => {
                self.detach(host, interface);
                if let Some(interface) = self.interface_mut(host, interface) {
                    interface.up = false;
                }
            }
            Action::Up(host, interface) => {
                if let Some(interface) = self.interface_mut(host, interface) {
                    interface.up = true;
                }
                self.attach(host, interface);
            }
            Action::Cut(host, interface, cut) => {
                if let Some(interface) = self.interface_mut(host, interface) {
                    interface.link.set_cut(cut);
                }
            }
            Action::CutBox(at, cut) => {
                if let Some(middlebox) = self.boxes.get_mut(at.0) {
                    middlebox.link.set_cut(cut);
                }
            }
            Action::Quality(host, interface, quality) => {
                if let Some(interface) = self.interface_mut(host, interface) {
                    interface.link.set_quality(quality);
                }
            }
            Action::BoxQuality(at, quality) => {
                if let Some(middlebox) = self.boxes.get_mut(at.0) {
                    middlebox.link.set_quality(quality);
                }
            }
            Action::Kill(host) => self.kill(host),
            Action::Revive(host) => self.revive(host),
            Action::Part(one, other, part) => self.part([one, other], part),
        }
    }
}
