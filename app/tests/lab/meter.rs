//! Counts IP packets at a host.

use std::net::Ipv4Addr;

use crate::support::namespace::Host;

/// Everything that leaves, but for what the kernel says of itself about neighbours. What is said
/// to the router itself, and to find it, is counted apart.
const LEAVING: &str = "
    chain output {
        type filter hook output priority 0;
        oifname lo accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        icmpv6 type { nd-router-solicit, mld2-listener-report } accept
        ip daddr { 192.168.1.1, 224.0.0.0/4 } counter name near accept
        ip6 daddr { fe80::/10, ff00::/8 } counter name near accept
        counter name seen
    }
";

/// A counter at one host.
#[derive(Debug)]
pub struct Meter<'a> {
    host: &'a Host,
}

impl<'a> Meter<'a> {
    /// Counts what leaves a host.
    pub fn leaving(host: &'a Host) -> Self {
        Self::new(host, LEAVING)
    }

    /// Counts what a host sends to or hears from an address.
    pub fn with(host: &'a Host, remote: Ipv4Addr) -> Self {
        let chain = |hook, side| {
            format!(
                "chain {hook} {{
                    type filter hook {hook} priority 0;
                    ip {side} {remote} counter name seen;
                }}\n"
            )
        };
        Self::new(host, &(chain("input", "saddr") + &chain("output", "daddr")))
    }

    /// Packets so far.
    pub fn read(&self) -> u64 {
        self.counter("seen")
    }

    /// Packets that went no further than the router.
    pub fn near(&self) -> u64 {
        self.counter("near")
    }

    fn counter(&self, name: &str) -> u64 {
        let args = ["list", "counter", "inet", "counting", name];
        let shown = self.host.run("nft", &args, "").unwrap();
        let mut words = shown
            .split_whitespace()
            .skip_while(|word| *word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    }

    fn new(host: &'a Host, chains: &str) -> Self {
        host.nft(&format!(
            "table inet counting {{\n counter seen {{ }}\n counter near {{ }}\n {chains} }}"
        ));
        Self { host }
    }
}
