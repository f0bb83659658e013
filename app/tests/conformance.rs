//! The conformance runner against this program: every case that is over in a moment. CI runs all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use dchat_spec::runner::cases::catalogue;
use dchat_spec::runner::group::User;
use dchat_spec::runner::run::{Plan, run};
use dchat_spec::runner::subject::{PATIENCE, Subject, parse_address, parse_invites};
use dchat_spec::runner::{Case, Ports, Profile, Verdict, grease, scenario};
use support::daemon::Daemon;
use support::home::Home;

/// Enough for people on both sides of the daemon's PeerId, and some beside each other.
const INVITES: usize = 6;

/// The room that the daemon joins.
const ROOM: &str = "conformance";

/// A daemon on loopback that takes part in everything it can, and what the runner needs of it.
fn subject() -> (Home, Daemon, Arc<Subject>) {
    with(&["--role", "relay,bootstrap"], INVITES)
}

/// The same with these arguments and as many invites.
fn with(more: &[&str], invites: usize) -> (Home, Daemon, Arc<Subject>) {
    let (home, _) = Home::of("Subject");
    let listen = "/ip4/127.0.0.1/udp/0/quic-v1";
    let args = ["daemon", "--json", "--listen", listen, "--no-mdns"];
    let args = [args.as_slice(), more].concat();
    let mut daemon = Daemon::spawn(home.path(), &mut home.command(&args));
    let listening = daemon.wait_for("listening", |_| true);
    let (address, peer) = parse_address(listening["addr"].as_str().unwrap()).unwrap();
    let peer = peer.unwrap();
    let invite = || {
        home.json(&["invite"])[0]["invite"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let invites: Vec<String> = (0..invites).map(|_| invite()).collect();
    home.json(&["room", "join", ROOM]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/user");
    let dchat = env!("CARGO_BIN_EXE_dchat");
    let user = format!(
        "DCHAT_HOME='{}' '{script}' '{dchat}'",
        home.path().display()
    );
    let subject = Subject {
        address,
        peer,
        patience: PATIENCE,
        people: parse_invites(&invites, &peer).unwrap(),
        room: Some(ROOM.to_owned()),
        user: Some(User::new(&user)),
        ports: Ports::default(),
    };
    (home, daemon, Arc::new(subject))
}

/// Runs cases, which must all pass or say that they do not apply; the ids of those that passed.
fn all_pass(subject: Arc<Subject>, cases: &[Case]) -> Vec<String> {
    in_rounds(1, subject, cases)
}

/// The same as often as this.
fn in_rounds(rounds: u64, subject: Arc<Subject>, cases: &[Case]) -> Vec<String> {
    let plan = Plan {
        jobs: 16,
        seed: 1,
        rounds,
    };
    let (mut failures, mut passed) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = runtime.block_on(run(subject, cases, plan, |ran| match &ran.verdict {
        Verdict::Failed(failure) => failures.push(format!("{}: {failure}", ran.case.id)),
        Verdict::Passed => passed.push(ran.case.id.clone()),
        Verdict::Unsupported(_) => {}
    }));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(ran.len() as u64, rounds * cases.len() as u64);
    passed
}

fn chosen(wanted: impl Fn(&Case) -> bool) -> Vec<Case> {
    catalogue().into_iter().filter(wanted).collect()
}

#[test]
fn the_daemon_passes_every_case_that_is_over_in_a_moment() {
    let (_home, mut daemon, subject) = subject();
    let cases = chosen(|case| {
        let has_its_own = case.profile == Profile::Group;
        case.takes <= Duration::from_secs(1) && !case.is_alone && !has_its_own
    });
    all_pass(subject, &cases);
    assert!(!daemon.has_ended());
}

#[test]
fn the_daemon_is_seen_to_dial_in_later_rounds_too() {
    // Two people, who are often dialed and leave soon. When it dials is the daemon's own affair, so a case
    // may have nothing to say on a busy machine.
    let (_home, mut daemon, subject) = with(&[], 2);
    let cases = chosen(|case| case.id.starts_with("dialer/"));
    let passed = in_rounds(2, subject, &cases);
    assert!(passed.len() > cases.len(), "{passed:?}");
    assert!(!daemon.has_ended());
}

#[test]
fn the_daemon_passes_every_case_of_rooms() {
    let (_home, mut daemon, subject) = subject();
    let cases = chosen(|case| case.profile == Profile::Gossip);
    let passed = all_pass(subject, &cases);
    assert!(passed.len() > 100, "{} of {}", passed.len(), cases.len());
    // These a member may leave unanswered.
    for answered in ["gossip/fetch", "gossip/range"] {
        assert!(passed.iter().any(|id| id == answered), "{answered}");
    }
    assert!(!daemon.has_ended());
}

#[test]
fn the_daemon_passes_every_case_of_groups() {
    let (_home, mut daemon, subject) = subject();
    let cases = chosen(|case| case.profile == Profile::Group);
    let passed = all_pass(subject, &cases);
    assert_eq!(passed.len(), cases.len(), "{passed:?}");
    assert!(!daemon.has_ended());
}

#[test]
fn the_daemon_passes_every_scenario() {
    let (_home, mut daemon, subject) = subject();
    let cases = scenario::catalogue();
    let passed = all_pass(subject, &cases);
    assert_eq!(passed.len(), cases.len());
    assert!(!daemon.has_ended());
}

#[test]
fn a_daemon_without_roles_refuses_to_relay_and_to_serve_the_table_unseen() {
    let (_home, mut daemon, subject) = with(&[], INVITES);
    let wanted = ["relay/none-reserve", "relay/none-connect", "dht/client"];
    let cases = chosen(|case| wanted.contains(&case.id.as_str()));
    let passed = all_pass(subject, &cases);
    assert_eq!(passed.len(), wanted.len(), "{passed:?}");
    assert!(!daemon.has_ended());
}

#[test]
fn a_hundred_partners_from_the_future_are_served() {
    let (_home, mut daemon, subject) = subject();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let grease = runtime.block_on(grease::run(subject, 7, 100, 8, |_| ()));
    assert_eq!(grease.fine, 100, "{:?}", grease.failed);
    assert!(!daemon.has_ended());
}
