//! What the verbs print and how they end, with a node of a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use core::time::Duration;
use std::sync::{Arc, Mutex};

use super::{
    Exit, Failure, add, ask,
    console::captured::{Captured, console},
    daemon,
    passphrase::Passphrases,
    plan::{Ask, Send},
    recv, send,
    session::Session,
    session_tests::config,
    signal::Signals,
};
use crate::{
    api::{
        ApiError, Contact, ContactRequest, DhtMode, DhtStatus, ErrorKind, Event, Id, InviteLink,
        Message, MessageState, PathKind, PeerInfo, Reply, Request, Sent, Status,
    },
    seam::fake::FakeNode,
};

const BOB: &str = "12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD";
const ME: &str = "12D3KooWGiZoHxVyNT4vTcqD3m3pMmxMLZzZ1r5gJm9FhT7ZWPQ1";
const AT: &str = "2026-03-14T13:23:15.042Z";

fn bob() -> Contact {
    Contact {
        peer_id: BOB.into(),
        name: "Bob \u{1b}[31m".into(),
        verified: true,
    }
}

fn message(id: &str, text: &str) -> Message {
    Message {
        conversation: BOB.into(),
        from: BOB.into(),
        name: None,
        id: id.into(),
        seq: 1,
        text: text.into(),
        sent_at: AT.into(),
        state: None,
        mention: false,
    }
}

/// A home with one contact, one request, one connection and one message.
fn node() -> FakeNode {
    FakeNode::new(|request| {
        Some(Ok(match request {
            Request::Id => Reply::Id(Id {
                peer_id: ME.into(),
                name: "Alice".into(),
                addresses: vec![format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{ME}")],
            }),
            Request::Invite => Reply::Invite(InviteLink {
                invite: "dchat:AAAA".into(),
            }),
            Request::Contacts => Reply::Contacts(vec![bob()]),
            Request::Add { .. } | Request::Accept { .. } => Reply::Contact(bob()),
            Request::Requests => Reply::Requests(vec![ContactRequest {
                peer_id: BOB.into(),
                name: "Eve\n".into(),
                at: AT.into(),
            }]),
            Request::Peers => Reply::Peers(vec![PeerInfo {
                peer_id: BOB.into(),
                name: "Bob".into(),
                path: PathKind::Direct,
                addr: "/ip4/192.0.2.2/udp/1/quic-v1".into(),
                rtt_ms: Some(0.25),
            }]),
            Request::History { .. } => Reply::Messages(vec![
                message("0a", "hi\u{7}"),
                Message {
                    from: ME.into(),
                    state: Some(MessageState::Read),
                    mention: false,
                    ..message("0b", "hello")
                },
            ]),
            Request::Search { .. } => Reply::Messages(vec![message("0a", "hi\u{7}")]),
            Request::Status => Reply::Status(Status {
                peer_id: ME.into(),
                name: "Alice".into(),
                version: "0.1.0".into(),
                running: true,
                addresses: vec![],
                uptime_s: 61,
                connected: 1,
                contacts: 2,
                requests: 3,
                queued: 4,
                unread: 5,
                mentions: 1,
                dht: DhtStatus {
                    mode: DhtMode::Client,
                    position: None,
                    nodes: 6,
                    size_estimate: 7,
                },
            }),
            _ => Reply::Done,
        }))
    })
}

async fn session(node: &FakeNode, home: &tempfile::TempDir) -> Session<FakeNode> {
    Session::open(
        Arc::new(node.clone()),
        config(home.path(), true),
        Passphrases::new(true),
    )
    .await
    .unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// What a verb prints: data and talk.
async fn asked(ask: Ask, json: bool) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    let (mut console, out, talk) = console(json);
    let mut session = session(&node(), &home).await;
    ask::run(ask, &mut session, &mut console).await.unwrap();
    (out.text(), talk.text())
}

#[tokio::test]
async fn objects_are_exactly_those_of_the_contract() {
    let history = Ask::History {
        to: "bob".into(),
        limit: 50,
    };
    let search = Ask::Search {
        words: "hi".into(),
        to: None,
        limit: 50,
    };
    let first = format!(
        r#"{{"event":"message","conversation":"{BOB}","from":"{BOB}","id":"0a","seq":1,"text":"hi\u0007","sent_at":"{AT}","at":"{AT}"}}"#
    );
    let second = format!(
        r#"{{"event":"message","conversation":"{BOB}","from":"{ME}","id":"0b","seq":1,"text":"hello","sent_at":"{AT}","state":"read","at":"{AT}"}}"#
    );
    let cases = [
        (
            Ask::Id,
            format!(
                r#"{{"peer_id":"{ME}","name":"Alice","addresses":["/ip4/192.0.2.1/udp/1/quic-v1/p2p/{ME}"]}}"#
            ),
        ),
        (Ask::Invite, r#"{"invite":"dchat:AAAA"}"#.to_owned()),
        (
            Ask::Contacts,
            format!(r#"{{"peer_id":"{BOB}","name":"Bob \u001b[31m","verified":true}}"#),
        ),
        (
            Ask::Requests,
            format!(r#"{{"peer_id":"{BOB}","name":"Eve\n","at":"{AT}"}}"#),
        ),
        (
            Ask::Peers,
            format!(
                r#"{{"peer_id":"{BOB}","name":"Bob","path":"direct","addr":"/ip4/192.0.2.2/udp/1/quic-v1","rtt_ms":0.25}}"#
            ),
        ),
        (history, format!("{first}\n{second}")),
        (search, first),
        (
            Ask::Status,
            format!(
                r#"{{"peer_id":"{ME}","name":"Alice","version":"0.1.0","running":true,"addresses":[],"uptime_s":61,"connected":1,"contacts":2,"requests":3,"queued":4,"unread":5,"mentions":1,"dht":{{"mode":"client","position":null,"nodes":6,"size_estimate":7}}}}"#
            ),
        ),
    ];
    for (ask, expected) in cases {
        let (out, talk) = asked(ask, true).await;
        assert_eq!(out, expected + "\n");
        assert_eq!(talk, "");
    }
}

#[tokio::test]
async fn a_long_history_is_asked_for_in_pages() {
    let script = |request: &Request| {
        let Request::History { limit, before, .. } = request else {
            return node().answer(request);
        };
        // 2,500 messages, called by their numbers.
        let end: u32 = before.as_ref().map_or(2500, |id| id.parse().unwrap());
        let start = end.saturating_sub((*limit).min(1000));
        let page = start..end;
        let page = page.map(|number| message(&number.to_string(), &format!("said {number}")));
        Some(Ok(Reply::Messages(page.collect())))
    };
    for (limit, first) in [(5000, 0), (2001, 499), (1000, 1500), (7, 2493)] {
        let home = tempfile::tempdir().unwrap();
        let (mut console, out, _) = console(false);
        let to = "bob".to_owned();
        let history = Ask::History { to, limit };
        let mut session = session(&FakeNode::new(script), &home).await;
        ask::run(history, &mut session, &mut console).await.unwrap();
        let printed = out.text();
        let said: Vec<&str> = printed
            .lines()
            .filter_map(|line| line.split_once("said "))
            .map(|(_, number)| number)
            .collect();
        let wanted: Vec<String> = (first..2500).map(|number| number.to_string()).collect();
        assert_eq!(said, wanted, "-n {limit}");
    }
}

#[tokio::test]
async fn text_for_people_has_no_control_characters_in_it() {
    for ask in [
        Ask::Contacts,
        Ask::Requests,
        Ask::Peers,
        Ask::Status,
        Ask::History {
            to: "bob".into(),
            limit: 1,
        },
    ] {
        let (out, _) = asked(ask.clone(), false).await;
        assert!(!out.is_empty());
        assert!(
            !out.replace('\n', "").chars().any(char::is_control),
            "{ask:?}: {out:?}"
        );
    }
}

#[tokio::test]
async fn an_invite_is_alone_on_standard_output() {
    let (out, talk) = asked(Ask::Invite, false).await;
    assert_eq!(out, "dchat:AAAA\n");
    assert!(talk.contains("dchat add"));
}

#[tokio::test]
async fn init_sets_the_name_and_shows_the_identity() {
    let home = tempfile::tempdir().unwrap();
    let node = node();
    let (mut console, out, _) = console(true);
    let mut session = session(&node, &home).await;
    let init = Ask::Init {
        name: Some("Alice".into()),
    };
    ask::run(init, &mut session, &mut console).await.unwrap();
    assert_eq!(
        node.asked(),
        [
            Request::SetName {
                name: "Alice".into()
            },
            Request::Id
        ]
    );
    assert!(out.text().starts_with(r#"{"peer_id":"#));
}

/// Sends with a node at which messages reach `states`, one after the other.
async fn sent(
    wait: MessageState,
    states: [MessageState; 2],
) -> (Result<(), Failure>, String, usize) {
    let home = tempfile::tempdir().unwrap();
    let [queued, waited] = states;
    let node = FakeNode::new(move |request| {
        let state = match request {
            Request::Send { .. } => queued,
            Request::Wait { .. } => waited,
            _ => return Some(Err(ApiError::new(ErrorKind::Usage, "unexpected"))),
        };
        Some(Ok(Reply::Sent(Sent {
            id: "0c".into(),
            state,
        })))
    });
    let (mut console, out, _) = console(true);
    let mut session = session(&node, &home).await;
    let send = Send {
        to: "bob".into(),
        text: None,
        wait,
        timeout: Duration::from_millis(1),
        ttl_s: None,
    };
    let outcome = send::run(send, "hi".into(), &mut session, &mut console).await;
    (outcome, out.text(), node.asked().len())
}

#[tokio::test]
async fn send_ends_well_once_the_state_is_reached() {
    use MessageState::{Delivered, Queued, Read, Stored};
    for (wait, states, said, asked) in [
        (Queued, [Queued, Queued], "queued", 1),
        (Delivered, [Queued, Delivered], "delivered", 2),
        (Stored, [Queued, Delivered], "delivered", 2),
        (Delivered, [Queued, Read], "read", 2),
        (Delivered, [Delivered, Queued], "delivered", 1),
    ] {
        let (outcome, out, requests) = sent(wait, states).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(out, format!("{{\"id\":\"0c\",\"state\":\"{said}\"}}\n"));
        assert_eq!(requests, asked);
    }
}

#[tokio::test]
async fn send_ends_with_six_when_the_message_is_only_queued_or_expired() {
    use MessageState::{Delivered, Failed, Queued, Stored};
    for (states, said, word) in [
        ([Queued, Queued], "queued", "goes out"),
        ([Queued, Stored], "stored", "goes out"),
        ([Queued, Failed], "failed", "expired"),
        ([Failed, Failed], "failed", "expired"),
    ] {
        let (outcome, out, _) = sent(Delivered, states).await;
        let failure = outcome.unwrap_err();
        assert_eq!(failure.exit, Exit::Queued);
        assert!(failure.message.contains(word), "{}", failure.message);
        assert_eq!(out, format!("{{\"id\":\"0c\",\"state\":\"{said}\"}}\n"));
    }
}

/// A node with unread messages, which `MarkRead` takes away.
fn inbox(messages: Vec<Message>) -> (FakeNode, Arc<Mutex<Vec<Message>>>) {
    let unread = Arc::new(Mutex::new(messages));
    let kept = Arc::clone(&unread);
    let node = FakeNode::new(move |request| {
        let mut unread = kept.lock().unwrap();
        Some(Ok(match request {
            Request::Unread { limit, .. } => {
                Reply::Messages(unread.iter().take(*limit as usize).cloned().collect())
            }
            Request::MarkRead { ids } => {
                unread.retain(|message| !ids.contains(&message.id));
                Reply::Done
            }
            _ => Reply::Done,
        }))
    });
    (node, unread)
}

fn ids(out: &Captured) -> Vec<String> {
    out.text()
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["event"], "message");
            assert!(object["at"].is_string());
            object["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn recv_prints_all_that_is_unread_once_and_marks_it() {
    let home = tempfile::tempdir().unwrap();
    let expected: Vec<_> = (0..200).map(|n| format!("{n:04}")).collect();
    let (node, unread) = inbox(expected.iter().map(|id| message(id, "x")).collect());
    let mut session = session(&node, &home).await;
    let (mut console, out, _) = console(true);
    recv::run(false, None, &mut session, &mut console)
        .await
        .unwrap();
    assert_eq!(ids(&out), expected);
    assert!(unread.lock().unwrap().is_empty());
    recv::run(false, None, &mut session, &mut console)
        .await
        .unwrap();
    assert_eq!(ids(&out).len(), 200);
}

#[tokio::test]
async fn recv_follows_what_arrives() {
    let home = tempfile::tempdir().unwrap();
    let (node, unread) = inbox(vec![message("01", "x")]);
    let mut session = session(&node, &home).await;
    let (mut console, out, _) = console(true);
    let following =
        tokio::spawn(async move { recv::run(true, None, &mut session, &mut console).await });
    for id in ["02", "03"] {
        until(|| unread.lock().unwrap().is_empty()).await;
        unread.lock().unwrap().push(message(id, "x"));
        node.events.send(Event::Message(message(id, "x"))).unwrap();
    }
    until(|| ids(&out).len() == 3).await;
    assert_eq!(ids(&out), ["01", "02", "03"]);
    following.abort();
}

/// A reader that is gone.
struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_could_not_be_printed_stays_unread() {
    let home = tempfile::tempdir().unwrap();
    let (node, unread) = inbox(vec![message("01", "x")]);
    let mut session = session(&node, &home).await;
    let mut console = super::Console::new(Box::new(Closed), Box::new(std::io::sink()), true, false);
    let failure = recv::run(false, None, &mut session, &mut console)
        .await
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Done);
    assert_eq!(unread.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn add_stays_until_the_other_side_knows() {
    let home = tempfile::tempdir().unwrap();
    let node = node();
    let mut session = session(&node, &home).await;
    let (mut console, out, talk) = console(true);
    let adding = tokio::spawn(async move {
        add::run("dchat:AAAA".into(), None, &mut session, &mut console).await
    });
    until(|| !out.text().is_empty()).await;
    node.events.send(Event::Contact(bob())).unwrap();
    node.events
        .send(Event::PeerConnected {
            peer_id: BOB.into(),
            path: PathKind::Direct,
            addr: "A".into(),
        })
        .unwrap();
    node.events.send(Event::Contact(bob())).unwrap();
    tokio::time::timeout(Duration::from_secs(5), adding)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(talk.text(), "");
}

#[tokio::test]
async fn a_daemon_tells_each_address_once_and_then_what_happens() {
    let home = tempfile::tempdir().unwrap();
    let node = node();
    let session = Session::take(
        Arc::new(node.clone()),
        config(home.path(), true),
        Passphrases::new(true),
    )
    .await
    .unwrap_or_else(|failure| panic!("{failure:?}"));
    let (console, out, _) = console(true);
    let running = tokio::spawn(daemon::run(session, console, Signals::catch().unwrap()));
    until(|| !out.text().is_empty()).await;
    let addr = format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{ME}");
    node.events
        .send(Event::Listening { addr: addr.clone() })
        .unwrap();
    node.events.send(Event::Missed { count: 1 }).unwrap();
    until(|| out.text().lines().count() == 2).await;
    let mut client = crate::control::Client::connect(home.path())
        .await
        .unwrap()
        .unwrap();
    client.call(&Request::Shutdown).await.unwrap();
    running.await.unwrap().unwrap();
    let lines: Vec<serde_json::Value> = out
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["event"], &lines[0]["addr"]),
        (&"listening".into(), &addr.into())
    );
    assert_eq!(lines[1]["event"], "missed");
    assert!(
        crate::control::Client::connect(home.path())
            .await
            .unwrap()
            .is_none()
    );
}

async fn until(done: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !done() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
