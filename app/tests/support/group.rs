//! Daemons in a group, on loopback.

use serde_json::Value;

use super::command::{object, output, run};
use super::daemon::Daemon;
use super::room::{Member, eventually};

/// Somebody with a running daemon.
pub struct Person {
    /// Its home.
    pub member: Member,
    /// Its daemon.
    pub daemon: Daemon,
}

impl Person {
    /// Starts its daemon, which dials those of others.
    pub fn new(name: &str, dials: &[&Self]) -> Self {
        let dials: Vec<&Member> = dials.iter().map(|other| &other.member).collect();
        let member = Member::new(name, &dials);
        let daemon = member.start();
        Self { member, daemon }
    }

    /// A verb of `group` that must end well; what it prints.
    pub fn group(&self, args: &[&str]) -> String {
        let args: Vec<&str> = ["group"].iter().chain(args).copied().collect();
        output(&mut self.member.verb(&args))
    }

    /// `group list`, by name.
    pub fn listed(&self, name: &str) -> Option<Value> {
        let list = run(&mut self.member.verb(&["group", "list", "--json"])).objects();
        list.into_iter().find(|group| group["name"] == name)
    }

    /// What it is in a group; `None` when it is not in.
    pub fn standing(&self, name: &str) -> Option<String> {
        let group = self.listed(name)?;
        Some(group["state"].as_str().unwrap().to_owned())
    }

    /// Who is in a group, with who is only invited.
    pub fn members(&self, name: &str) -> Vec<Value> {
        run(&mut self.member.verb(&["group", "members", name, "--json"])).objects()
    }

    /// Waits until so many are in a group, as it knows.
    pub fn wait_for_members(&self, name: &str, count: usize) {
        eventually(&format!("{count} members of {name}"), || {
            let members = self.members(name);
            let inside = members.iter().filter(|one| one["standing"] != "invited");
            inside.count() == count
        });
    }

    /// Waits until it is invited to a group.
    pub fn wait_for_invitation(&self, name: &str) {
        eventually(&format!("an invitation to {name}"), || {
            self.standing(name).as_deref() == Some("invited")
        });
    }

    /// `kill -9`, and another daemon.
    pub fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = self.member.start();
    }
}

/// Both are contacts of each other, and connected.
pub fn befriend(inviter: &mut Person, other: &mut Person) {
    let invite = object(&mut inviter.member.verb(&["invite", "--json"]));
    output(
        &mut other
            .member
            .verb(&["add", invite["invite"].as_str().unwrap()]),
    );
    let peer = other.member.peer.clone();
    inviter
        .daemon
        .wait_for("contact", |event| event["peer_id"] == peer.as_str());
}

/// `first` makes a group, and the others are in it.
pub fn gather(name: &str, first: &Person, others: &[&Person]) {
    first.group(&["create", name]);
    for other in others {
        first.group(&["invite", name, &other.member.peer]);
    }
    for other in others {
        other.wait_for_invitation(name);
        other.group(&["accept", name]);
    }
    let count = others.len() + 1;
    for person in others.iter().chain([&first]) {
        person.wait_for_members(name, count);
    }
}
