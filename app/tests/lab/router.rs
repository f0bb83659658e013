//! A host that forwards, and the cables from it to those whom it gives their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::namespace::Host;

/// A router answers to this address on every cable.
pub const NEXT_HOP_V6: &str = "fe80::1";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The router.
#[derive(Debug)]
pub struct Router {
    /// The namespace it is.
    pub host: Host,
    /// The router answers to this address on every cable (RFC 3927).
    next_hop: Ipv4Addr,
}

impl Router {
    /// One without cables, so many routers away from the internet.
    pub fn new(depth: u8) -> Option<Self> {
        let next_hop = Ipv4Addr::new(169, 254, 0, depth + 1);
        let host = Host::new()?;
        host.sysctl(&[
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv6/conf/all/forwarding", "1"),
        ]);
        host.ip(&["addr", "add", &format!("{next_hop}/32"), "dev", "lo"]);
        Some(Self { host, next_hop })
    }

    /// A name for an interface that no other has.
    pub fn fresh_name(prefix: char) -> String {
        format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// How many routers are between this one and the internet.
    pub fn depth(&self) -> u8 {
        self.next_hop.octets()[3] - 1
    }

    /// Joins `host` by its new `interface`, where it has exactly these addresses, with its
    /// default routes this way.
    pub fn attach(&self, host: &Host, interface: &str, addresses: &[IpAddr]) {
        let ours = self.cable(host, interface);
        for address in addresses {
            let (bits, more) = if address.is_ipv4() {
                (32, "")
            } else {
                (128, "nodad")
            };
            host.batch(&format!("addr add {address}/{bits} dev {interface} {more}"));
            let route = format!("{address}/{bits}");
            self.host.ip(&["route", "add", &route, "dev", &ours]);
        }
        host.batch(&format!(
            "route add default via {} dev {interface} onlink\n\
             route add default via {NEXT_HOP_V6} dev {interface}",
            self.next_hop
        ));
    }

    /// Joins a router by its new `interface`: as [`attach`](Self::attach), with a network behind.
    pub fn delegate(
        &self,
        to: &Self,
        interface: &str,
        address: Ipv4Addr,
        prefix: Option<Ipv6Addr>,
    ) {
        self.attach(&to.host, interface, &[address.into()]);
        if let Some(prefix) = prefix {
            to.host
                .ip(&["addr", "add", "fe80::2/64", "dev", interface, "nodad"]);
            let ours = self.interface_to(address);
            let route = [
                "route",
                "add",
                &format!("{prefix}/64"),
                "via",
                "fe80::2",
                "dev",
                &ours,
            ];
            self.host.ip(&route);
        }
    }

    /// Lets no packet through to this neighbour that is larger; its sender is told (RFC 1191,
    /// RFC 8201).
    pub fn narrow(&self, neighbour: Ipv4Addr, mtu: u16) {
        let interface = self.interface_to(neighbour);
        self.host
            .ip(&["link", "set", &interface, "mtu", &mtu.to_string()]);
    }

    fn cable(&self, host: &Host, interface: &str) -> String {
        let ours = Self::fresh_name('c');
        self.host.wire(&ours, host, interface);
        let up = |name: &str| format!("link set {name} addrgenmode none\nlink set {name} up\n");
        host.batch(&up(interface));
        self.host.batch(&format!(
            "{}addr add {NEXT_HOP_V6}/64 dev {ours} nodad",
            up(&ours)
        ));
        ours
    }

    fn interface_to(&self, address: Ipv4Addr) -> String {
        let route = self
            .host
            .run("ip", &["route", "get", &address.to_string()], "")
            .unwrap();
        let mut words = route.split_whitespace().skip_while(|word| *word != "dev");
        words.nth(1).unwrap().to_owned()
    }
}
