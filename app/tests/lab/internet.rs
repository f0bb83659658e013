//! The internet: one router, and the hosts that are on it for everybody.
//!
//! Addresses are those for documentation (RFC 5737, RFC 3849): 198.51.100.0/24 and 192.0.2.0/24
//! for public hosts, 203.0.113.0/24 for those of customers, 2001:db8::/32.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::router::Router;
use crate::support::namespace::{Host, unavailable};

/// What a laboratory is made with; `.ci/run` knows the packages.
const TOOLS: [&str; 8] = [
    "ip",
    "ping",
    "nft",
    "conntrack",
    "miniupnpd",
    "natpmpc",
    "upnpc",
    "turnserver",
];

/// The internet.
#[derive(Debug)]
pub struct Internet {
    /// It forwards between all.
    pub router: Router,
}

impl Internet {
    /// One without hosts, or `None` where a laboratory cannot be had and may be done without.
    pub fn new() -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let there = |tool: &&&str| std::env::split_paths(&paths).any(|dir| dir.join(tool).exists());
        if let Some(missing) = TOOLS.iter().find(|tool| !there(tool)) {
            unavailable(&format!("{missing} is not installed"));
            return None;
        }
        Some(Self {
            router: Router::new(0)?,
        })
    }

    /// A public host with these addresses.
    pub fn host(&self, addresses: &[IpAddr]) -> Option<Host> {
        let host = Host::new()?;
        self.router.attach(&host, "eth0", addresses);
        host.wait_until_up();
        self.router.host.wait_until_up();
        Some(host)
    }
}

/// Addresses of the `number`-th public host of the first or second provider: no two providers
/// share a subnet.
pub fn public(second: bool, number: u8) -> [IpAddr; 2] {
    let (v4, site) = if second {
        ([192, 0, 2], 2)
    } else {
        ([198, 51, 100], 1)
    };
    [
        Ipv4Addr::new(v4[0], v4[1], v4[2], number).into(),
        Ipv6Addr::new(0x2001, 0xdb8, site, 0, 0, 0, 0, u16::from(number)).into(),
    ]
}
