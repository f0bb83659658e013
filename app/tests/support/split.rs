//! Five people on real networks that part and come together again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::command::{object, output, run};
use super::daemon::Daemon;
use super::namespace::Host;
use super::node::Node;
use super::room::within;

/// What they are called.
pub const NAMES: [&str; 5] = ["Ann", "Ben", "Cem", "Dia", "Eli"];
/// Nodes notice that others are gone, and that they are back, in their own time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Five people, each on a cable of their own to one router.
pub struct Lab {
    router: Host,
    /// Where they talk: `#room` or `@group`.
    place: String,
    /// Their homes and daemons.
    pub people: Vec<(Node, Daemon)>,
}

impl Lab {
    /// Starts them; `None` where namespaces cannot be had.
    pub fn new(place: &str) -> Option<Self> {
        let router = Host::new()?;
        router.sysctl(&[("ipv4/ip_forward", "1")]);
        let mut people: Vec<(Node, Daemon)> = Vec::new();
        for (number, name) in (1..).zip(NAMES) {
            let host = Host::new()?;
            let (here, there) = (
                format!("10.9.6{number}.1/24"),
                format!("10.9.6{number}.2/24"),
            );
            let port = format!("eth{number}");
            router.cable((&port, &here), &host, ("eth0", &there));
            host.ip(&[
                "route",
                "add",
                "default",
                "via",
                here.trim_end_matches("/24"),
            ]);
            let node = Node::new(host, name);
            let daemon = node.start(&[
                "--no-mdns",
                "--no-dht",
                "--listen",
                "/ip4/0.0.0.0/udp/4200/quic-v1",
            ]);
            people.push((node, daemon));
        }
        let place = place.to_owned();
        Some(Self {
            router,
            place,
            people,
        })
    }

    /// What a verb prints, an object a line.
    pub fn verb(&self, who: usize, args: &[&str]) -> Vec<Value> {
        let ended = run(&mut self.people[who].0.dchat(args));
        assert!(ended.well(), "{} {args:?}: {ended:?}", NAMES[who]);
        ended.objects()
    }

    /// A verb that must end well.
    pub fn does(&self, who: usize, args: &[&str]) {
        output(&mut self.people[who].0.dchat(args));
    }

    /// Both are contacts, and connected.
    pub fn befriend(&mut self, inviter: usize, other: usize) {
        let invite = object(&mut self.people[inviter].0.dchat(&["invite", "--json"]));
        let invite = invite["invite"].as_str().unwrap().to_owned();
        self.does(other, &["add", &invite]);
        let peer = self.people[other].0.peer.clone();
        self.people[inviter]
            .1
            .wait_for("contact", |event| event["peer_id"] == peer.as_str());
    }

    /// Nothing passes between the first two and the rest.
    pub fn split(&self) {
        let side = |numbers: &[usize]| {
            let nets = numbers.iter().map(|number| format!("10.9.6{number}.0/24"));
            nets.collect::<Vec<_>>().join(", ")
        };
        let (left, right) = (side(&[1, 2]), side(&[3, 4, 5]));
        self.router.nft(&format!(
            "table ip parted {{\n chain forward {{\n type filter hook forward priority 0;\n \
             ip saddr {{ {left} }} ip daddr {{ {right} }} drop\n \
             ip saddr {{ {right} }} ip daddr {{ {left} }} drop\n }}\n}}\n"
        ));
    }

    /// It does again.
    pub fn heal(&self) {
        self.router.nft("delete table ip parted");
    }

    /// Says something, and waits until somebody else has it.
    pub fn says(&self, who: usize, text: &str) {
        self.does(who, &["send", &self.place, text, "--timeout", "60"]);
    }

    /// What `who` is shown: author and text, in order.
    pub fn history(&self, who: usize) -> Vec<(String, String)> {
        let history = self.verb(who, &["history", &self.place, "--json", "-n", "1000"]);
        let said = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
        let pairs = history.iter();
        pairs
            .map(|message| (said(message, "from"), said(message, "text")))
            .collect()
    }

    /// Whether `who` is shown just these texts.
    pub fn has(&self, who: usize, texts: &[&str]) -> bool {
        let history = self.history(who);
        let here: BTreeSet<&str> = history.iter().map(|(_, text)| text.as_str()).collect();
        here == texts.iter().copied().collect()
    }

    /// Who is in the group, by what `who` knows.
    pub fn members(&self, who: usize) -> BTreeSet<(String, String)> {
        let members = self.verb(who, &["group", "members", &self.place, "--json"]);
        let text = |member: &Value, key: &str| member[key].as_str().unwrap().to_owned();
        let members = members.iter();
        members
            .map(|member| (text(member, "peer_id"), text(member, "standing")))
            .collect()
    }
}

/// Looks again and again until something is so.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(PATIENCE, what, is_so);
}
