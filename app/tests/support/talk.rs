//! Traffic between two homes, by their control sockets, and what becomes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dchat::api::{ErrorKind, Reply, Request};
use dchat::control::{CallError, Client};

use super::daemon::PATIENCE;

/// One direction of a conversation: `PREFIX 1` to `PREFIX count`.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Whose.
    pub home: PathBuf,
    /// To whom.
    pub to: String,
    /// What every message begins with.
    pub prefix: String,
    /// How many.
    pub count: usize,
    /// From one message to the next; zero for as fast as the node takes them.
    pub pace: Duration,
    /// Messages taken by the node so far.
    pub sent: Arc<AtomicUsize>,
    /// Set to end it before that.
    pub ended: Arc<AtomicBool>,
    /// It ends when the node refuses, as it does for who is not in a group any more.
    pub may_be_refused: bool,
    /// When each was taken.
    pub taken: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Talk {
    /// One that has not begun.
    pub fn new(home: &Path, to: &str, prefix: &str, count: usize) -> Self {
        Self {
            home: home.to_owned(),
            to: to.to_owned(),
            prefix: prefix.to_owned(),
            count,
            pace: Duration::ZERO,
            sent: Arc::default(),
            ended: Arc::default(),
            may_be_refused: false,
            taken: Arc::default(),
        }
    }

    /// Lets the message on its way be the last of a talk without an end.
    pub fn end(&self) {
        if self.count == usize::MAX {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    /// Hands all of it to the node, whatever becomes of the daemon meanwhile.
    pub async fn run(self) {
        let mut client = connect(&self.home).await;
        for number in 1..=self.count {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let text = format!("{} {number}", self.prefix);
            let request = Request::Send {
                to: self.to.clone(),
                text: text.clone(),
                ttl_s: None,
                token: Some(format!("{number:032x}")),
            };
            self.taken.lock().unwrap().insert(text, Instant::now());
            loop {
                match client.call(&request).await {
                    Ok(Reply::Sent(_)) => break,
                    Err(CallError::Refused(error))
                        if self.may_be_refused && error.kind == ErrorKind::Denied =>
                    {
                        return;
                    }
                    Err(CallError::Gone | CallError::Lost) => client = connect(&self.home).await,
                    other => panic!("{other:?}"),
                }
            }
            self.sent.fetch_add(1, Ordering::Relaxed);
            if !self.pace.is_zero() {
                tokio::time::sleep(self.pace).await;
            }
        }
    }
}

/// What a talk says: `PREFIX 1` to `PREFIX count`.
pub fn texts(prefix: &str, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("{prefix} {number}"))
        .collect()
}

/// Waits until nothing of this home's is on its way any more.
pub async fn delivered(home: &Path) {
    let deadline = Instant::now() + PATIENCE;
    let mut client = connect(home).await;
    loop {
        match client.call(&Request::Status).await {
            Ok(Reply::Status(status)) if status.queued == 0 => return,
            Ok(Reply::Status(status)) => {
                assert!(
                    Instant::now() < deadline,
                    "{} messages are still queued",
                    status.queued
                );
            }
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until something is so.
pub fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Threads for talks.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

async fn connect(home: &Path) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(Some(client)) = Client::connect(home).await {
            return client;
        }
        assert!(
            Instant::now() < deadline,
            "nobody answers for {}",
            home.display()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
