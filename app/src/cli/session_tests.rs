#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use core::time::Duration;
use std::{path::Path, sync::Arc};

use tokio::time::timeout;

use super::{
    Exit, Failure,
    passphrase::Passphrases,
    session::{Next, Session},
};
use crate::{
    api::{ApiError, ErrorKind, Event, MessageState, Reply, Request, Secret, Sent},
    seam::{OpenError, OpenNode, PeerConfig, fake::FakeNode},
};

const LONG: Duration = Duration::from_secs(30);

pub(super) fn config(home: &Path, online: bool) -> PeerConfig {
    PeerConfig {
        mdns: false,
        online,
        ..PeerConfig::new(home)
    }
}

async fn open<O: OpenNode>(opener: &Arc<O>, home: &Path, online: bool) -> Session<O> {
    Session::open(
        Arc::clone(opener),
        config(home, online),
        Passphrases::new(true),
    )
    .await
    .unwrap_or_else(|failure| panic!("{failure:?}"))
}

async fn daemon<O: OpenNode>(opener: &Arc<O>, home: &Path) -> Result<Session<O>, Failure> {
    Session::take(
        Arc::clone(opener),
        config(home, true),
        Passphrases::new(true),
    )
    .await
}

fn missed(count: u64) -> Event {
    Event::Missed { count }
}

async fn next<O: OpenNode>(session: &mut Session<O>) -> Next {
    timeout(LONG, session.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_first_has_the_home_and_the_second_is_served() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let mut host = open(&node, home.path(), true).await;
    let mut guest = open(&node, home.path(), true).await;
    assert!(host.is_host() && !guest.is_host());
    host.call(Request::Id).await.unwrap();
    guest.call(Request::Peers).await.unwrap();
    assert_eq!(node.asked(), [Request::Id, Request::Peers]);
}

#[tokio::test]
async fn a_home_that_is_only_read_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let reader = open(&node, home.path(), false).await;
    let waiting = {
        let (node, home) = (Arc::clone(&node), home.path().to_owned());
        tokio::spawn(async move { open(&node, &home, false).await.is_host() })
    };
    tokio::task::yield_now().await;
    reader.close().await;
    assert!(timeout(LONG, waiting).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_home_that_stays_in_use_is_locked_in_the_end() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let _reader = open(&node, home.path(), false).await;
    let Err(failure) =
        Session::open(node, config(home.path(), false), Passphrases::new(true)).await
    else {
        panic!("opened twice");
    };
    assert_eq!(failure.exit, Exit::Locked);
    assert!(failure.message.contains("in use"), "{}", failure.message);
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_the_process() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let _first = daemon(&node, home.path()).await.unwrap();
    let Err(failure) = daemon(&node, home.path()).await else {
        panic!("two daemons");
    };
    assert_eq!(failure.exit, Exit::Locked);
    assert!(
        failure
            .message
            .contains(&format!("process {}", std::process::id()))
    );
}

#[tokio::test]
async fn a_daemon_gets_the_home_from_a_command_which_goes_on_with_it() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let mut command = open(&node, home.path(), true).await;
    command.subscribe().await.unwrap();
    let starting = {
        let (node, home) = (Arc::clone(&node), home.path().to_owned());
        tokio::spawn(async move { daemon(&node, &home).await })
    };
    assert_eq!(next(&mut command).await, Next::Moving);
    command.reopen().await.unwrap();
    let daemon = timeout(LONG, starting).await.unwrap().unwrap().unwrap();
    assert!(!command.is_host() && daemon.is_host());

    node.events.send(missed(1)).unwrap();
    assert_eq!(next(&mut command).await, Next::Event(missed(1)));

    daemon.close().await;
    assert_eq!(next(&mut command).await, Next::Moving);
    command.reopen().await.unwrap();
    assert!(command.is_host());
    node.events.send(missed(2)).unwrap();
    assert_eq!(next(&mut command).await, Next::Event(missed(2)));
}

#[tokio::test]
async fn waiting_goes_on_across_a_handover() {
    let home = tempfile::tempdir().unwrap();
    let sent = Sent {
        id: "00".into(),
        state: MessageState::Delivered,
    };
    let answer = Arc::new(std::sync::Mutex::new(None));
    let script = Arc::clone(&answer);
    let node = Arc::new(FakeNode::new(move |request| match request {
        Request::Wait { .. } => script
            .lock()
            .unwrap()
            .clone()
            .map(|sent| Ok(Reply::Sent(sent))),
        _ => Some(Ok(Reply::Done)),
    }));
    let mut command = open(&node, home.path(), true).await;
    let waiting =
        tokio::spawn(async move { command.wait("00", MessageState::Delivered, LONG).await });
    while node.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    *answer.lock().unwrap() = Some(sent.clone());
    let _daemon = timeout(LONG, daemon(&node, home.path()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        timeout(LONG, waiting).await.unwrap().unwrap().unwrap(),
        sent
    );
    assert_eq!(node.asked().len(), 2);
}

/// A session attached to a daemon that dies over its first request.
async fn attached_to_a_dying_daemon(node: &Arc<FakeNode>, home: &Path) -> Session<FakeNode> {
    use crate::control::{Answer, Hello, Role, SOCKET};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::UnixListener::bind(home.join(SOCKET)).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = Answer::Hello(Hello {
            version: "0".into(),
            role: Role::Daemon,
            process: 1,
        });
        let line = serde_json::to_string(&hello).unwrap() + "\n";
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
    });
    open(node, home, true).await
}

#[tokio::test]
async fn what_must_not_be_asked_twice_is_not_when_the_daemon_dies_over_it() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let mut command = attached_to_a_dying_daemon(&node, home.path()).await;
    let failure = command.call(Request::Invite).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.message.contains("before you try again"));
    assert!(node.asked().is_empty());
}

#[tokio::test]
async fn what_can_be_asked_twice_is_when_the_daemon_dies_over_it() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::agreeable());
    let mut command = attached_to_a_dying_daemon(&node, home.path()).await;
    command.call(Request::Id).await.unwrap();
    assert_eq!(node.asked(), [Request::Id]);
}

#[tokio::test]
async fn a_message_is_sent_again_under_the_same_token_when_the_daemon_dies_over_it() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::new(|_| {
        Some(Ok(Reply::Sent(Sent {
            id: "new".into(),
            state: MessageState::Queued,
        })))
    }));
    let mut command = attached_to_a_dying_daemon(&node, home.path()).await;
    assert_eq!(command.send("bob", "hi", None).await.unwrap().id, "new");
    let asked = node.asked();
    let [
        Request::Send {
            token: Some(token), ..
        },
    ] = &asked[..]
    else {
        panic!("{asked:?}");
    };
    assert_eq!(token.len(), 32);
}

/// A home that opens with a passphrase.
struct Guarded(FakeNode);

impl OpenNode for Guarded {
    type Node = FakeNode;

    async fn open(&self, config: PeerConfig) -> Result<FakeNode, OpenError> {
        match &config.passphrase {
            None => Err(OpenError::PassphraseNeeded),
            Some(passphrase) if passphrase.expose() == "right" => self.0.open(config).await,
            Some(_) => Err(OpenError::WrongPassphrase),
        }
    }
}

#[tokio::test]
async fn a_locked_home_opens_with_its_passphrase_alone() {
    let home = tempfile::tempdir().unwrap();
    let opener = Arc::new(Guarded(FakeNode::agreeable()));
    for (passphrase, opens) in [(Some("wrong"), false), (Some("right"), true)] {
        let config = PeerConfig {
            passphrase: passphrase.map(|text| Secret::new(text.into())),
            ..config(home.path(), false)
        };
        match Session::open(Arc::clone(&opener), config, Passphrases::new(true)).await {
            Ok(session) => {
                assert!(opens);
                session.close().await;
            }
            Err(failure) => {
                assert!(!opens);
                assert_eq!(failure.exit, Exit::Locked);
            }
        }
    }
}

#[tokio::test]
async fn what_the_node_refuses_keeps_its_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let node = Arc::new(FakeNode::new(|_| {
        Some(Err(ApiError::new(ErrorKind::Denied, "no")))
    }));
    let mut host = open(&node, home.path(), true).await;
    let mut guest = open(&node, home.path(), true).await;
    for session in [&mut host, &mut guest] {
        let failure = session.call(Request::Id).await.unwrap_err();
        assert_eq!(failure, Failure::new(Exit::Denied, "no"));
    }
}
