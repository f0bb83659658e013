//! The conformance runner against peers that are wrong on purpose: a case that cannot fail is worth
//! nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod peer;

use std::sync::Arc;
use std::time::Duration;

use dchat_spec::runner::cases::catalogue;
use dchat_spec::runner::chat::People;
use dchat_spec::runner::run::{Plan, Ran, run};
use dchat_spec::runner::{Case, Kind, Ports, Profile, Subject, Verdict};

use peer::{Conduct, Peer};

/// Cases of every peer, whose partner breaks a rule or keeps all; but for those of what lies below
/// streams, where the libraries of these peers are right.
fn cases(kind: Kind) -> Vec<Case> {
    let wanted = |case: &Case| {
        case.kind == kind && case.profile == Profile::Core && case.section() != "quic"
    };
    catalogue().into_iter().filter(wanted).collect()
}

async fn against(conduct: Conduct, cases: &[Case]) -> Vec<Ran> {
    let peer = Peer::start(conduct);
    let subject = Subject {
        address: peer.address,
        peer: peer.key,
        // These peers do at once all that they ever do.
        patience: Duration::from_secs(2),
        people: People::default(),
        room: None,
        user: None,
        ports: Ports::default(),
    };
    let plan = Plan {
        jobs: 64,
        seed: 1,
        rounds: 1,
    };
    run(Arc::new(subject), cases, plan, |_| ()).await
}

fn passed(ran: &[Ran]) -> Vec<&str> {
    ran.iter()
        .filter(|ran| ran.verdict == Verdict::Passed)
        .map(|ran| ran.case.id.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_puts_up_with_everything_fails_every_negative_case() {
    let cases = cases(Kind::Negative);
    let ran = against(Conduct::Tolerant, &cases).await;
    let passed: Vec<&str> = passed(&ran);
    // What such a peer or its TLS library does here is what it should.
    let right = [
        "tls/alpn-none",
        "tls/server-name",
        "stream/question-reset",
        "stream/answer-stopped",
        "stream/question-never-ends",
    ];
    let wrong: Vec<&&str> = passed.iter().filter(|id| !right.contains(*id)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_closes_on_everybody_fails_every_positive_case() {
    let cases = cases(Kind::Positive);
    let ran = against(Conduct::Hostile, &cases).await;
    // Of these the handshake is all there is to see.
    let of_handshake = |id: &&str| !id.starts_with("tls/");
    let wrong: Vec<&str> = passed(&ran).into_iter().filter(of_handshake).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What the runner was not given says nothing against a peer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_user_the_cases_of_groups_are_unsupported() {
    let of_groups = |case: &Case| case.profile == Profile::Group;
    let cases: Vec<Case> = catalogue().into_iter().filter(of_groups).collect();
    assert!(cases.len() > 70, "{}", cases.len());
    for ran in against(Conduct::Tolerant, &cases).await {
        let Verdict::Unsupported(why) = &ran.verdict else {
            panic!("{}: {:?}", ran.case.id, ran.verdict);
        };
        assert!(why.contains("--user"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_cites_the_sentence_and_says_what_was_seen() {
    let cases: Vec<Case> = catalogue()
        .into_iter()
        .filter(|case| case.id == "hello/second")
        .collect();
    let ran = against(Conduct::Tolerant, &cases).await;
    let Verdict::Failed(failure) = &ran[0].verdict else {
        panic!("{:?}", ran[0].verdict);
    };
    assert_eq!(failure.requirement, "DC-CONN-030");
    assert!(failure.sentence.contains("a second HELLO"), "{failure}");
    assert!(failure.expected.contains("UNEXPECTED"), "{failure}");
    assert!(failure.seen.contains("goes on"), "{failure}");
}
