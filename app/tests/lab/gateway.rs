//! A home router: a LAN on one side, an uplink on the other, and a NAT or firewall between.
//!
//! The NAT is the kernel's (nftables) or the emulated one (a [`Middlebox`] between the router and
//! its upstream), and so is the firewall. IPv6 is never translated; from outside only answers come in. The router itself
//! answers nothing from outside, so that an unsolicited packet leaves no trace in its tables.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::firewall::Firewall;
use super::link::{Conditions, Link};
use super::router::{NEXT_HOP_V6, Router};
use super::translator::{Behaviour, Translator};
use super::tun::{Core, Middlebox};
use crate::support::namespace::Host;

/// Address of the router in its LAN.
pub const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The interface of the uplink, whatever it is.
const WAN: &str = "wan";

/// What stands between LAN and uplink for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// The kernel's masquerading, which keeps ports.
    Masquerade,
    /// The kernel's, with a random port for every connection: symmetric.
    Random,
    /// The kernel's, with the ports of a block: symmetric.
    PortBlock {
        /// The lowest port.
        first: u16,
        /// The highest.
        last: u16,
    },
    /// Ours.
    Emulated(Behaviour),
}

impl Nat {
    /// The rule for UDP that leaves by the uplink; none for an emulated NAT.
    fn rule(self) -> String {
        match self {
            Self::Masquerade => "masquerade".to_owned(),
            Self::Random => "masquerade fully-random".to_owned(),
            Self::PortBlock { first, last } => {
                format!("meta l4proto udp masquerade to :{first}-{last} fully-random")
            }
            Self::Emulated(_) => String::new(),
        }
    }
}

/// Where a gateway is plugged in.
#[derive(Clone, Copy, Debug)]
pub struct Uplink {
    /// Its address there.
    pub address: Ipv4Addr,
    /// The /64 that is routed to it and used in its LAN.
    pub prefix: Option<Ipv6Addr>,
    /// What the line to the upstream does, in each direction; only an emulated NAT has one.
    pub line: Conditions,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    middlebox: Option<Middlebox>,
    /// Last, so that the devices of the box go before the namespaces they are in.
    pub router: Router,
    prefix: Option<Ipv6Addr>,
}

impl Gateway {
    /// One with an empty LAN.
    pub fn new(upstream: &Router, nat: Nat, uplink: Uplink) -> Option<Self> {
        let router = Router::new(upstream.depth() + 1)?;
        router.host.batch(&format!(
            "link add lan type bridge forward_delay 0 stp_state 0\n\
             link set lan addrgenmode none\n\
             link set lan up\n\
             addr add {LAN}/24 dev lan\n\
             addr add {NEXT_HOP_V6}/64 dev lan nodad"
        ));
        let Uplink {
            address,
            prefix,
            line,
        } = uplink;
        let middlebox = match nat {
            Nat::Emulated(behaviour) => Some(emulate(upstream, &router, behaviour, uplink)),
            _ => {
                assert_eq!(
                    line,
                    Conditions::default(),
                    "only an emulated NAT has a line"
                );
                upstream.delegate(&router, WAN, address, prefix);
                None
            }
        };
        if let Some(prefix) = prefix {
            router
                .host
                .ip(&["route", "add", &format!("{prefix}/64"), "dev", "lan"]);
        }
        router.host.nft(&ruleset(nat));
        Some(Self {
            middlebox,
            router,
            prefix,
        })
    }

    /// Puts a host into the LAN as number `number` with interface `eth0`, and its default routes
    /// this way.
    pub fn plug(&self, host: &Host, number: u8) {
        let ours = Router::fresh_name('l');
        self.router.host.wire(&ours, host, "eth0");
        self.router
            .host
            .batch(&format!("link set {ours} master lan\nlink set {ours} up"));
        let [a, b, c, _] = LAN.octets();
        host.batch(&format!(
            "link set eth0 up\n\
             addr add {a}.{b}.{c}.{number}/24 broadcast + dev eth0\n\
             route add default via {LAN}"
        ));
        if let Some(prefix) = self.prefix {
            let address = Ipv6Addr::from(u128::from(prefix) | u128::from(number));
            host.batch(&format!(
                "addr add {address}/64 dev eth0 nodad\n\
                 route add default via {NEXT_HOP_V6} dev eth0"
            ));
        }
    }

    /// Loses every mapping, as after a loss of power. A NAT of the kernel's that keeps ports will
    /// choose the same ones again; an emulated one chooses elsewhere.
    pub fn reboot(&self) {
        match &self.middlebox {
            Some(middlebox) => middlebox.with(Core::reboot),
            None => {
                self.router.host.run("conntrack", &["-F"], "").unwrap();
            }
        }
    }

    /// Lets no UDP through any more.
    pub fn cut_udp(&self) {
        self.forbid("meta l4proto udp drop");
    }

    /// Lets no packet through any more that goes to or comes from these addresses.
    pub fn cut_off(&self, remote: &[Ipv4Addr]) {
        let set: Vec<String> = remote.iter().map(ToString::to_string).collect();
        let set = set.join(", ");
        self.forbid(&format!(
            "ip daddr {{ {set} }} drop; ip saddr {{ {set} }} drop"
        ));
    }

    /// Lets everything through again that was cut.
    pub fn restore(&self) {
        self.router
            .host
            .nft("table inet cut\ndelete table inet cut");
    }

    /// Lets no packet out that is larger; its sender is told.
    pub fn narrow(&self, mtu: u16) {
        self.router
            .host
            .ip(&["link", "set", WAN, "mtu", &mtu.to_string()]);
    }

    /// Changes the line of an emulated NAT.
    pub fn set_line(&self, conditions: Conditions) {
        self.middlebox()
            .with(|core| core.set_conditions(conditions));
    }

    /// The emulated NAT.
    pub fn middlebox(&self) -> &Middlebox {
        self.middlebox.as_ref().expect("this NAT is the kernel's")
    }

    fn forbid(&self, rules: &str) {
        self.router.host.nft(&format!(
            "table inet cut {{ chain forward {{ type filter hook forward priority -10; {rules}; }}; }}"
        ));
    }
}

fn emulate(upstream: &Router, router: &Router, behaviour: Behaviour, uplink: Uplink) -> Middlebox {
    let Uplink {
        address,
        prefix,
        line,
    } = uplink;
    let seed = u64::from(u32::from(address));
    let core = Core {
        nat: Some(Translator::new(behaviour, address, seed)),
        firewall: Some(Firewall::new(behaviour.lifetime)),
        up: Link::new(line, seed),
        down: Link::new(line, !seed),
    };
    let far = Router::fresh_name('t');
    let middlebox = Middlebox::start(&router.host, &upstream.host, (WAN, &far), core);
    upstream
        .host
        .ip(&["route", "add", &format!("{address}/32"), "dev", &far]);
    router.host.ip(&["route", "add", "default", "dev", WAN]);
    if let Some(prefix) = prefix {
        upstream
            .host
            .ip(&["route", "add", &format!("{prefix}/64"), "dev", &far]);
        router
            .host
            .ip(&["-6", "route", "add", "default", "dev", WAN]);
    }
    middlebox
}

fn ruleset(nat: Nat) -> String {
    format!(
        "table inet guard {{
            chain input {{
                type filter hook input priority 0; policy accept;
                iifname {WAN} ct state established,related accept
                iifname {WAN} meta l4proto icmpv6 accept
                iifname {WAN} drop
            }}
            chain forward {{
                type filter hook forward priority 0; policy accept;
                iifname {WAN} ct state established,related accept
                iifname {WAN} ct status dnat accept
                iifname {WAN} {from_outside}
            }}
        }}
        table ip nat {{
            chain postrouting {{
                type nat hook postrouting priority srcnat; policy accept;
                oifname {WAN} {rule}
            }}
        }}
        ",
        // The emulated NAT has its own filter.
        from_outside = match nat {
            Nat::Emulated(_) => "accept",
            _ => "drop",
        },
        rule = match nat {
            Nat::Emulated(_) => "accept".to_owned(),
            _ => nat.rule(),
        },
    )
}

/// How long the kernel keeps the mapping of an answered flow, as it is set by default.
pub const KERNEL_LIFETIME: Duration = Duration::from_secs(120);
