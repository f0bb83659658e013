#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use core::time::Duration;
use std::{
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::*;
use crate::{
    api::{ApiError, ErrorKind, Event, MessageState, Reply, Request},
    seam::{Node as _, fake::FakeNode},
};

const LONG: Duration = Duration::from_secs(20);

async fn start(home: &Path, node: &FakeNode) -> Server {
    Server::start(home, Arc::new(node.clone()), Role::Daemon).unwrap()
}

async fn connect(home: &Path) -> Client {
    Client::connect(home).await.unwrap().unwrap()
}

fn state_event(n: usize) -> Event {
    Event::MessageState {
        id: format!("{n:032x}"),
        state: MessageState::Delivered,
    }
}

fn wait() -> Request {
    Request::Wait {
        id: "00".into(),
        state: MessageState::Delivered,
        timeout_ms: 1_000_000,
    }
}

/// Until the node was asked something that satisfies `wanted`.
async fn until_asked(node: &FakeNode, wanted: impl Fn(&Request) -> bool) {
    timeout(LONG, async {
        while !node.asked().iter().any(&wanted) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// What the server says to raw bytes, line by line, until it closes.
async fn raw(home: &Path, input: &[u8]) -> Vec<String> {
    let mut stream = UnixStream::connect(home.join(SOCKET)).await.unwrap();
    stream.write_all(input).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut output = String::new();
    timeout(LONG, stream.read_to_string(&mut output))
        .await
        .unwrap()
        .unwrap();
    output.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_request_is_answered_and_a_refusal_keeps_its_kind() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::new(|request| {
        Some(match request {
            Request::Id => Ok(Reply::Done),
            _ => Err(ApiError::new(ErrorKind::Denied, "no")),
        })
    });
    let _server = start(home.path(), &node).await;
    let mut client = connect(home.path()).await;
    assert_eq!(client.hello().role, Role::Daemon);
    assert_eq!(client.hello().process, std::process::id());
    assert_eq!(client.call(&Request::Id).await.unwrap(), Reply::Done);
    match client.call(&Request::Peers).await {
        Err(CallError::Refused(error)) => assert_eq!(error, ApiError::new(ErrorKind::Denied, "no")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_behind_the_socket_is_told_apart_from_an_error() {
    let home = tempfile::tempdir().unwrap();
    assert!(Client::connect(home.path()).await.unwrap().is_none());
    assert!(
        Client::connect(&home.path().join("none"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_stale_socket_is_nobody_and_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    // Dropping a listener leaves its socket behind, as kill -9 does.
    drop(std::os::unix::net::UnixListener::bind(home.path().join(SOCKET)).unwrap());
    assert!(Client::connect(home.path()).await.unwrap().is_none());
    let _server = start(home.path(), &FakeNode::agreeable()).await;
    connect(home.path()).await.call(&Request::Id).await.unwrap();
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_gone_after_the_end() {
    let home = tempfile::tempdir().unwrap();
    let server = start(home.path(), &FakeNode::agreeable()).await;
    let socket = std::fs::symlink_metadata(home.path().join(SOCKET)).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    server.stop().await;
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_home_too_deep_for_a_socket_address_works() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("x".repeat(200)).join("y".repeat(200));
    std::fs::create_dir_all(&home).unwrap();
    let _server = start(&home, &FakeNode::agreeable()).await;
    connect(&home).await.call(&Request::Id).await.unwrap();
}

#[tokio::test]
async fn malformed_lines_are_refused_and_the_next_one_is_served() {
    let home = tempfile::tempdir().unwrap();
    let _server = start(home.path(), &FakeNode::agreeable()).await;
    let answers = raw(
        home.path(),
        b"{\n{\"do\":\"dance\"}\n\xff\xfe\n{\"do\":\"add\",\"target\":\"x\",\"y\":1}\n\n{\"do\":\"id\"}\n",
    )
    .await;
    assert_eq!(answers.len(), 6, "{answers:?}");
    for refused in answers.iter().take(5) {
        assert!(
            refused.starts_with(r#"{"err":{"kind":"usage""#),
            "{refused}"
        );
    }
    assert_eq!(answers.last().unwrap(), r#"{"ok":{"is":"done"}}"#);
}

#[tokio::test]
async fn a_line_beyond_the_bound_ends_the_connection_with_a_word() {
    let home = tempfile::tempdir().unwrap();
    let _server = start(home.path(), &FakeNode::agreeable()).await;
    let answers = raw(home.path(), &vec![b'x'; REQUEST_LINE + 10]).await;
    assert_eq!(answers.len(), 1);
    assert!(answers.first().unwrap().contains("a line of more than"));
}

#[tokio::test]
async fn the_longest_text_fits_a_request_however_it_is_escaped() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::agreeable();
    let _server = start(home.path(), &node).await;
    let request = Request::Send {
        to: "x".repeat(64),
        text: "\0".repeat(64 * 1024),
        ttl_s: Some(u64::MAX),
        token: None,
    };
    connect(home.path()).await.call(&request).await.unwrap();
    assert_eq!(node.asked(), [request]);
}

#[tokio::test]
async fn events_follow_a_subscription_even_while_a_request_is_pending() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::new(|request| match request {
        Request::Wait { .. } => None,
        _ => Some(Ok(Reply::Done)),
    });
    let _server = start(home.path(), &node).await;
    let mut stream = BufReader::new(UnixStream::connect(home.path().join(SOCKET)).await.unwrap());
    let subscribe = serde_json::to_string(&Request::Subscribe).unwrap();
    let wait = serde_json::to_string(&wait()).unwrap();
    stream
        .write_all(format!("{subscribe}\n{wait}\n").as_bytes())
        .await
        .unwrap();
    until_asked(&node, |request| matches!(request, Request::Wait { .. })).await;
    node.events.send(state_event(7)).unwrap();
    let mut line = String::new();
    for _ in 0..3 {
        line.clear();
        timeout(LONG, stream.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
    }
    let answer: Answer = serde_json::from_str(&line).unwrap();
    assert_eq!(answer, Answer::Event(state_event(7)));
}

#[tokio::test]
async fn a_client_keeps_the_events_that_come_before_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::agreeable();
    let _server = start(home.path(), &node).await;
    let mut client = connect(home.path()).await;
    client.call(&Request::Subscribe).await.unwrap();
    node.events.send(state_event(1)).unwrap();
    node.events.send(state_event(2)).unwrap();
    client.call(&Request::Id).await.unwrap();
    assert_eq!(client.next_event().await.unwrap(), state_event(1));
    assert_eq!(client.next_event().await.unwrap(), state_event(2));
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_missed_and_holds_nobody_up() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::agreeable();
    let _server = start(home.path(), &node).await;
    let mut slow = connect(home.path()).await;
    slow.call(&Request::Subscribe).await.unwrap();
    // Far beyond the socket's buffer and the subscription's 64 events, without a single read.
    let sent = 20_000;
    for n in 0..sent {
        node.events.send(state_event(n)).unwrap();
        if n % 32 == 0 {
            tokio::task::yield_now().await;
        }
    }
    connect(home.path()).await.call(&Request::Id).await.unwrap();
    let last = state_event(sent);
    node.events.send(last.clone()).unwrap();
    let (mut seen, mut missed) = (0, 0);
    loop {
        match timeout(LONG, slow.next_event()).await.unwrap().unwrap() {
            Event::Missed { count } => missed += count,
            event if event == last => break,
            _ => seen += 1,
        }
    }
    assert!(missed > 0);
    assert_eq!(seen + missed, sent as u64);
}

#[tokio::test]
async fn clients_beyond_the_bound_are_turned_away_and_room_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let _server = start(home.path(), &FakeNode::agreeable()).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(connect(home.path()).await);
    }
    let error = Client::connect(home.path()).await.unwrap_err();
    assert!(error.to_string().contains("End one of them"), "{error}");
    clients.pop();
    timeout(LONG, async {
        while Client::connect(home.path()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn asking_to_end_reaches_the_owner() {
    let home = tempfile::tempdir().unwrap();
    let mut server = start(home.path(), &FakeNode::agreeable()).await;
    let mut client = connect(home.path()).await;
    client.call(&Request::Shutdown).await.unwrap();
    timeout(LONG, server.asked_to_end()).await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_node_gives_up_waiting_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let node = FakeNode::new(|request| match request {
        Request::Wait { .. } => None,
        _ => Some(Ok(Reply::Done)),
    });
    let server = start(home.path(), &node).await;
    let mut client = connect(home.path()).await;
    let waiting = tokio::spawn(async move { client.call(&wait()).await });
    until_asked(&node, |request| matches!(request, Request::Wait { .. })).await;
    timeout(LONG, server.stop()).await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(CallError::Gone)));
    node.shutdown().await;
}

#[tokio::test]
async fn a_death_in_the_middle_of_a_request_is_told_apart_from_a_goodbye() {
    let home = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(home.path().join(SOCKET)).unwrap();
    let dying = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = Answer::Hello(Hello {
            version: "0".into(),
            role: Role::Daemon,
            process: 1,
        });
        let mut line = serde_json::to_vec(&hello).unwrap();
        line.push(b'\n');
        stream.write_all(&line).await.unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.unwrap();
    });
    let mut client = connect(home.path()).await;
    assert!(matches!(
        client.call(&Request::Id).await,
        Err(CallError::Lost)
    ));
    dying.await.unwrap();
}
