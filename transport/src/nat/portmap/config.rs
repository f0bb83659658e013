//! Which protocols to use, and where.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::state::{MappingState, PortMapping};

/// Settings of a [`PortMapper`](super::PortMapper).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapConfig {
    /// Whether to use UPnP. Default yes.
    pub upnp: bool,
    /// Whether to use NAT-PMP. Default yes.
    pub nat_pmp: bool,
    /// Whether to use PCP. Default yes.
    pub pcp: bool,
    /// For how long a mapping is asked for, to be renewed at half of it. Default an hour: a router
    /// that restarts forgets, and what we leave behind in a crash stays for no longer.
    pub lifetime: Duration,
    /// Whom to ask by NAT-PMP and PCP instead of the default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Where to search UPnP devices for IPv4 instead of the multicast group. What answers there is
    /// believed also when it is on this machine.
    pub ssdp: Option<SocketAddr>,
    /// The same for pinholes.
    pub ssdp_v6: Option<SocketAddr>,
}

impl Default for PortMapConfig {
    fn default() -> Self {
        Self {
            upnp: true,
            nat_pmp: true,
            pcp: true,
            lifetime: Duration::from_secs(60 * 60),
            gateway: None,
            ssdp: None,
            ssdp_v6: None,
        }
    }
}

impl PortMapConfig {
    /// No protocol at all.
    #[must_use]
    pub fn off() -> Self {
        Self {
            upnp: false,
            nat_pmp: false,
            pcp: false,
            ..Self::default()
        }
    }

    /// How it stands before anybody answered.
    pub(crate) fn begun(&self) -> PortMapping {
        let asking = |wanted| match wanted {
            true => MappingState::Asking,
            false => MappingState::Off,
        };
        PortMapping {
            upnp: asking(self.upnp),
            nat_pmp: asking(self.nat_pmp),
            pcp: asking(self.pcp),
            pinhole: asking(self.upnp),
        }
    }
}
