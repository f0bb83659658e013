#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use core::time::Duration;
use std::{
    io::{self, Read},
    sync::{Arc, Mutex, mpsc},
    time::Instant,
};

use super::{Chat, Input, Interactive, Screen, Whom};
use crate::{
    api::{
        ApiError, Contact, ContactRequest, ErrorKind, Event, Id, Message, MessageState, Nearby,
        PathKind, PeerInfo, Reply, Request, Sent,
    },
    cli::{
        Exit, Failure, console::captured::Captured, passphrase::Passphrases, session::Session,
        session_tests::config, signal::Signals,
    },
    seam::fake::FakeNode,
};

const ME: &str = "12D3KooWGiZoHxVyNT4vTcqD3m3pMmxMLZzZ1r5gJm9FhT7ZWPQ1";
const BOB: &str = "12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD";
const EVE: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

fn contact(peer_id: &str, name: &str) -> Contact {
    Contact {
        peer_id: peer_id.into(),
        name: name.into(),
        verified: true,
    }
}

fn me() -> Id {
    Id {
        peer_id: ME.into(),
        name: "Alice".into(),
        addresses: vec!["/ip4/192.0.2.1/udp/1/quic-v1".into()],
    }
}

fn connected(peer_id: &str) -> PeerInfo {
    PeerInfo {
        peer_id: peer_id.into(),
        name: String::new(),
        path: PathKind::Direct,
        addr: "A".into(),
        rtt_ms: None,
    }
}

fn message(from: &str, id: &str, text: &str) -> Message {
    Message {
        conversation: from.into(),
        from: from.into(),
        name: None,
        id: id.into(),
        seq: 1,
        text: text.into(),
        sent_at: crate::time::now(),
        state: None,
        mention: false,
    }
}

fn whom(contacts: Vec<Contact>, peers: Vec<PeerInfo>) -> Whom {
    Whom {
        contacts,
        peers,
        ..Whom::default()
    }
}

fn chat(contacts: Vec<Contact>) -> Chat {
    Chat::new(me(), whom(contacts, vec![]), Instant::now())
}

fn sent(id: &str, state: MessageState) -> Sent {
    Sent {
        id: id.into(),
        state,
    }
}

#[test]
fn text_goes_to_the_only_contact_the_chosen_one_or_the_last_who_wrote() {
    let mut chat = chat(vec![]);
    assert_eq!(chat.target(), None);
    chat.learn(contact(BOB, "Bob"), false);
    assert_eq!(chat.target().as_deref(), Some(BOB));
    chat.learn(contact(EVE, "Eve"), false);
    assert_eq!(chat.target(), None);
    chat.received(&message(EVE, "1", "hi"));
    assert_eq!(chat.target().as_deref(), Some(EVE));
    chat.choose("bo").unwrap();
    chat.received(&message(EVE, "2", "hi"));
    assert_eq!(chat.target().as_deref(), Some(BOB));
    chat.refresh(whom(vec![contact(EVE, "Eve")], vec![]));
    assert_eq!(chat.target().as_deref(), Some(EVE));
}

fn said_in(room: &str, from: &str, id: &str, text: &str) -> Message {
    Message {
        conversation: room.into(),
        name: Some("Eve".into()),
        ..message(from, id, text)
    }
}

#[test]
fn a_room_is_written_to_when_it_was_entered_chosen_or_is_the_only_one() {
    let mut chat = chat(vec![]);
    chat.refresh(Whom {
        rooms: ["#lobby".to_owned()].into(),
        ..Whom::default()
    });
    assert_eq!(chat.target().as_deref(), Some("#lobby"));
    assert_eq!(chat.prompt(), "Alice #lobby> ");
    chat.learn(contact(BOB, "Bob"), false);
    assert_eq!(chat.target(), None);
    chat.received(&said_in("#lobby", EVE, "1", "hi"));
    assert_eq!(chat.target().as_deref(), Some("#lobby"));
    chat.choose("Bob").unwrap();
    assert_eq!(chat.prompt(), "Alice> ");
    assert_eq!(chat.choose("#LOBBY").unwrap(), "#lobby");
    assert_eq!(chat.target().as_deref(), Some("#lobby"));
    assert!(chat.choose("#den").unwrap_err().contains("/join #den"));
    chat.enter("#den".into());
    assert_eq!(chat.target().as_deref(), Some("#den"));
    chat.leave("#den");
    assert_eq!(chat.target().as_deref(), Some("#lobby"));
}

#[test]
fn a_message_of_a_room_says_where_it_is_from_and_what_its_author_calls_itself() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    let line = chat.received(&said_in("#lobby", EVE, "1", "hi")).unwrap();
    assert!(line.contains("] #lobby Eve (12D3Ko…"), "{line}");
    // Whom we know is called as we call them.
    let line = chat.received(&said_in("#lobby", BOB, "2", "hi")).unwrap();
    assert!(line.contains("] #lobby Bob (12D3Ko…"), "{line}");
}

#[test]
fn an_ambiguous_or_unknown_name_chooses_nobody() {
    let mut chat = chat(vec![contact(BOB, "Bob"), contact(EVE, "Bobby")]);
    assert!(chat.choose("b").unwrap_err().contains("more than one"));
    assert!(chat.choose("carol").unwrap_err().contains("/contacts"));
    assert!(chat.choose("Bob").is_ok());
    assert_eq!(chat.target().as_deref(), Some(BOB));
}

#[test]
fn the_banner_says_who_and_where_one_is_and_what_to_do_first() {
    let banner = chat(vec![]).banner();
    for word in [
        "Alice",
        ME,
        "/ip4/192.0.2.1/udp/1/quic-v1",
        "/invite",
        "/add",
    ] {
        assert!(banner.contains(word), "{word}: {banner}");
    }
    assert_eq!(chat(vec![]).prompt(), "Alice> ");
}

#[test]
fn each_received_message_is_shown_once() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    let line = chat.received(&message(BOB, "1", "hi")).unwrap();
    assert!(line.ends_with("] Bob (12D3Ko…QqgD): hi"), "{line}");
    assert_eq!(chat.received(&message(BOB, "1", "hi")), None);
}

#[test]
fn the_way_of_an_own_message_is_told_step_by_step_and_never_back() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    chat.sent(
        &sent("1", MessageState::Queued),
        BOB,
        "hello",
        Instant::now(),
    );
    assert_eq!(chat.undelivered(), ["1"]);
    let delivered = chat.state("1", MessageState::Delivered).unwrap();
    assert_eq!(delivered, "  ✓ delivered to Bob: hello");
    assert!(chat.undelivered().is_empty());
    assert_eq!(chat.state("1", MessageState::Stored), None);
    assert_eq!(chat.state("1", MessageState::Delivered), None);
    assert_eq!(
        chat.state("1", MessageState::Read).unwrap(),
        "  ✓✓ read by Bob: hello"
    );
    assert_eq!(chat.state("1", MessageState::Read), None);
    assert_eq!(chat.state("2", MessageState::Read), None);
}

#[test]
fn a_slow_delivery_is_mentioned_once_a_person() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    chat.refresh(whom(vec![contact(BOB, "Bob")], vec![connected(EVE)]));
    let start = Instant::now();
    chat.sent(&sent("1", MessageState::Queued), BOB, "a", start);
    chat.sent(&sent("2", MessageState::Queued), BOB, "b", start);
    assert!(chat.tick(start + Duration::from_secs(2)).is_empty());
    let lines = chat.tick(start + Duration::from_secs(4));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("Bob is not reachable"), "{lines:?}");
    assert!(chat.tick(start + Duration::from_secs(60)).is_empty());
}

#[test]
fn being_alone_is_said_once_with_what_to_try() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    let start = Instant::now();
    assert!(chat.tick(start + Duration::from_secs(1)).is_empty());
    let lines = chat.tick(start + Duration::from_secs(6));
    assert_eq!(lines.len(), 1);
    for word in ["Nobody is reachable", "waits", "/invite", "--bootstrap"] {
        assert!(lines[0].contains(word), "{word}: {lines:?}");
    }
    assert!(chat.tick(start + Duration::from_secs(60)).is_empty());
}

#[test]
fn strangers_are_introduced_with_what_to_type() {
    let mut chat = chat(vec![contact(BOB, "Bob")]);
    let found = |peer: &str| Event::Discovered {
        peer_id: peer.into(),
        addr: "A".into(),
        via: "mdns".into(),
    };
    let line = chat.event(&found(EVE)).unwrap();
    assert!(line.contains(&format!("/add {EVE}")), "{line}");
    assert_eq!(chat.event(&found(EVE)), None);
    assert_eq!(chat.event(&found(BOB)), None);
    let asking = Event::Request(ContactRequest {
        peer_id: EVE.into(),
        name: "Eve\u{1b}\n".into(),
        at: crate::time::now(),
    });
    let line = chat.event(&asking).unwrap();
    assert!(line.contains(&format!("/accept {EVE}")), "{line}");
    assert!(!line.chars().any(char::is_control));
}

#[test]
fn the_memory_of_what_was_shown_is_bounded() {
    let mut chat = chat(vec![]);
    for n in 0..10_000 {
        chat.received(&message(BOB, &n.to_string(), "x"));
        chat.sent(
            &sent(&format!("s{n}"), MessageState::Delivered),
            BOB,
            "x",
            Instant::now(),
        );
    }
    assert!(chat.received(&message(BOB, "9999", "x")).is_none());
    assert!(chat.received(&message(BOB, "0", "x")).is_some());
}

/// A standard input that a test writes line by line, and ends by dropping the sender.
struct Pipe {
    lines: mpsc::Receiver<String>,
    rest: io::Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.rest.read(buffer)? {
                0 => match self.lines.recv() {
                    Ok(line) => self.rest = io::Cursor::new(line.into_bytes()),
                    Err(_) => return Ok(0),
                },
                read => return Ok(read),
            }
        }
    }
}

/// A chat that runs: what it is typed, what it shows, and how it ends.
struct Running {
    typed: mpsc::Sender<String>,
    shown: Captured,
    node: FakeNode,
    task: tokio::task::JoinHandle<Result<(), Failure>>,
    _home: tempfile::TempDir,
}

impl Running {
    fn start(node: FakeNode) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (typed, lines) = mpsc::channel();
        let pipe = Pipe {
            lines,
            rest: io::Cursor::default(),
        };
        let shown = Captured::default();
        let screen = Screen::Plain(Box::new(shown.clone()));
        let (opener, config) = (Arc::new(node.clone()), config(home.path(), true));
        let task = tokio::spawn(async move {
            let session = Session::open(opener, config, Passphrases::new(true)).await?;
            let input = Input::plain(pipe);
            Interactive::run(session, None, input, screen, Signals::catch()?).await
        });
        Self {
            typed,
            shown,
            node,
            task,
            _home: home,
        }
    }

    fn say(&self, line: &str) {
        self.typed.send(format!("{line}\n")).unwrap();
    }

    async fn until_shown(&self, word: &str) {
        self.until(word, || self.shown.text().contains(word)).await;
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        tokio::time::timeout(Duration::from_secs(30), async {
            while !done() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {what} in:\n{}", self.shown.text()));
    }

    /// Ends the input and returns the outcome and all that was shown.
    async fn end(self) -> (Result<(), Failure>, String) {
        drop(self.typed);
        // Without a deadline: under a paused clock it would pass while a thread reads the input.
        let outcome = self.task.await;
        (outcome.unwrap(), self.shown.text())
    }
}

/// Bob is the contact; messages are numbered, and `state` is how far they have come when asked.
fn node(state: MessageState) -> FakeNode {
    let count = Mutex::new(0);
    FakeNode::new(move |request| {
        Some(match request {
            Request::Id => Ok(Reply::Id(me())),
            Request::Contacts => Ok(Reply::Contacts(vec![contact(BOB, "Bob")])),
            Request::Peers => Ok(Reply::Peers(vec![connected(BOB)])),
            Request::Rooms => Ok(Reply::Rooms(vec![])),
            Request::Groups => Ok(Reply::Groups(vec![])),
            Request::Unread { .. } => Ok(Reply::Messages(vec![])),
            Request::Nearby => Ok(Reply::Nearby(vec![Nearby {
                peer_id: EVE.into(),
                addr: "A".into(),
                via: "mdns".into(),
            }])),
            Request::Requests => Ok(Reply::Requests(vec![ContactRequest {
                peer_id: EVE.into(),
                name: "Eve".into(),
                at: crate::time::now(),
            }])),
            Request::Accept { .. } => Ok(Reply::Contact(contact(EVE, "Eve"))),
            Request::History { .. } => Ok(Reply::Messages(vec![message(BOB, "7", "of old")])),
            Request::Add { .. } => Err(ApiError::new(ErrorKind::Usage, "not an invite")),
            Request::Send { .. } => {
                let mut count = count.lock().unwrap();
                *count += 1;
                Ok(Reply::Sent(sent(&count.to_string(), MessageState::Queued)))
            }
            Request::Wait { id, .. } => Ok(Reply::Sent(sent(id, state))),
            _ => Ok(Reply::Done),
        })
    })
}

fn texts(node: &FakeNode) -> Vec<(String, String)> {
    node.asked()
        .into_iter()
        .filter_map(|request| match request {
            Request::Send { to, text, .. } => Some((to, text)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_pipe_sends_every_line_in_order_and_ends_when_all_are_delivered() {
    let running = Running::start(node(MessageState::Delivered));
    let lines: Vec<String> = (0..500).map(|n| format!("line {n}")).collect();
    lines.iter().for_each(|line| running.say(line));
    let node = running.node.clone();
    let (outcome, shown) = running.end().await;
    assert_eq!(outcome, Ok(()));
    let expected: Vec<_> = lines
        .into_iter()
        .map(|line| (BOB.to_owned(), line))
        .collect();
    assert_eq!(texts(&node), expected);
    assert_eq!(shown.matches("✓ delivered").count(), 500);
    assert!(!shown.contains('\u{1b}') && !shown.contains("Alice> "));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_is_not_delivered_in_time_ends_with_six() {
    let running = Running::start(node(MessageState::Queued));
    running.say("hello");
    let (outcome, _) = running.end().await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit, Exit::Queued);
    assert!(
        failure.message.contains("1 message is queued"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn what_arrives_is_shown_and_marked_as_read() {
    let running = Running::start(node(MessageState::Delivered));
    running.until_shown("You write to Bob").await;
    let received = Event::Message(message(BOB, "9", "hi\u{1b}[2J"));
    running.node.events.send(received).unwrap();
    running.until_shown("Bob (12D3Ko…QqgD): hi␛[2J").await;
    let read = Request::MarkRead {
        ids: vec!["9".into()],
    };
    running
        .until("mark", || running.node.asked().contains(&read))
        .await;
    assert_eq!(running.end().await.0, Ok(()));
}

#[tokio::test]
async fn commands_are_carried_out_and_mistakes_do_not_end_the_chat() {
    let running = Running::start(node(MessageState::Delivered));
    for (line, answer) in [
        ("/help", "/requests"),
        ("/dance", "! there is no /dance. Try /help."),
        ("/add nonsense", "! not an invite"),
        ("/history", "of old"),
        ("/peers", "not measured yet"),
        ("/contacts", "Bob  12D3KooW"),
        ("/info", "/ip4/192.0.2.1/udp/1/quic-v1"),
        ("/to nobody", "! no contact is called 'nobody'"),
        ("/accept", "Eve (12D3Ko…iDEp) is a contact"),
    ] {
        running.say(line);
        running.until_shown(answer).await;
    }
    running.say("hello Eve");
    running.say("//etc");
    let node = running.node.clone();
    let (outcome, shown) = running.end().await;
    assert_eq!(outcome, Err(Failure::silent(Exit::Usage)));
    assert!(shown.contains(&format!("/add {EVE}")));
    let said = texts(&node);
    assert_eq!(
        said,
        [
            (EVE.to_owned(), "hello Eve".to_owned()),
            (EVE.to_owned(), "/etc".to_owned())
        ]
    );
    assert!(node.asked().contains(&Request::Accept {
        peer: EVE.into(),
        name: None
    }));
}

#[tokio::test]
async fn messages_of_before_are_shown_with_their_number() {
    let unread = Mutex::new(vec![
        message(BOB, "1", "first"),
        message(BOB, "2", "second"),
    ]);
    let base = node(MessageState::Delivered);
    let node = FakeNode::new(move |request| match request {
        Request::Unread { .. } => Some(Ok(Reply::Messages(unread.lock().unwrap().clone()))),
        Request::MarkRead { .. } => {
            unread.lock().unwrap().clear();
            Some(Ok(Reply::Done))
        }
        other => base.answer(other),
    });
    let running = Running::start(node);
    let (outcome, shown) = running.end().await;
    assert_eq!(outcome, Ok(()));
    let at = |word: &str| {
        shown
            .find(word)
            .unwrap_or_else(|| panic!("{word}: {shown}"))
    };
    assert!(at("2 unread:") < at("first") && at("first") < at("second"));
}
