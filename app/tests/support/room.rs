//! Daemons in a room, on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dchat::api::{Message, Reply, Request};
use dchat::control::Client;

use super::command::{Ended, dchat, object, output, run};
use super::daemon::{Daemon, PATIENCE};
use super::home::Home;
use super::pair::free_port;

/// A home whose daemon dials others.
pub struct Member {
    home: Home,
    /// Its PeerId.
    pub peer: String,
    /// The address its daemon listens on.
    pub addr: String,
    /// Addresses its daemon dials.
    pub dials: Vec<String>,
}

impl Member {
    /// A fresh home called `name`, which will listen on a port of the loopback interface and dial
    /// these.
    pub fn new(name: &str, dials: &[&Self]) -> Self {
        let (home, peer) = Home::of(name);
        let addr = format!("/ip4/127.0.0.1/udp/{}/quic-v1", free_port());
        Self {
            home,
            peer,
            addr,
            dials: dials.iter().map(|other| other.addr.clone()).collect(),
        }
    }

    /// Where its home is.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Starts its daemon.
    pub fn start(&self) -> Daemon {
        let mut command = dchat(self.path());
        command.args(["daemon", "--json", "--no-mdns", "--no-dht"]);
        command.args(["--listen", &self.addr]);
        for dial in &self.dials {
            command.args(["--dial", dial]);
        }
        Daemon::start(self.path(), command)
    }

    /// A verb in its home.
    pub fn verb(&self, args: &[&str]) -> Command {
        let mut command = dchat(self.path());
        command.args(args);
        command
    }

    /// Joins a room.
    pub fn join(&self, room: &str) {
        output(&mut self.verb(&["room", "join", room]));
    }

    /// Says something, and waits until somebody else has it.
    pub fn say(&self, room: &str, text: &str) {
        let sent = self.try_to_say(room, text, 30);
        assert!(sent.well(), "{text}: {sent:?}");
    }

    /// Says something.
    pub fn try_to_say(&self, room: &str, text: &str, seconds: u32) -> Ended {
        let timeout = seconds.to_string();
        run(&mut self.verb(&["send", room, text, "--timeout", &timeout]))
    }

    /// The room as `room list` shows it.
    pub fn room(&self) -> serde_json::Value {
        object(&mut self.verb(&["room", "list", "--json"]))
    }

    /// Waits until it has this many neighbours in its only room.
    pub fn wait_for_neighbours(&self, count: u64) {
        eventually(&format!("{count} neighbours in a room"), || {
            self.room()["connected"].as_u64().unwrap() >= count
        });
    }

    /// All of a room's history, asked of the running daemon.
    pub fn history(&self, room: &str) -> Vec<Message> {
        runtime().block_on(history(self.path().to_owned(), room.to_owned()))
    }

    /// The texts of it.
    pub fn texts(&self, room: &str) -> Vec<String> {
        let history = self.history(room).into_iter();
        history.map(|message| message.text).collect()
    }

    /// Waits until its history holds just these texts.
    pub fn wait_for_texts(&self, room: &str, texts: &[&str]) {
        eventually(&format!("{texts:?} in {room}"), || {
            let mut here = self.texts(room);
            here.sort();
            here == texts
        });
    }
}

/// Looks again and again until something is so.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(PATIENCE, what, is_so);
}

/// The same, for as long as this.
pub fn within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: still not so");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn history(home: PathBuf, room: String) -> Vec<Message> {
    let mut client = Client::connect(&home).await.unwrap().unwrap();
    let (mut pages, mut before): (Vec<Vec<Message>>, Option<String>) = (Vec::new(), None);
    loop {
        let request = Request::History {
            to: room.clone(),
            limit: 1000,
            before,
        };
        let page = match client.call(&request).await {
            Ok(Reply::Messages(page)) => page,
            other => panic!("{other:?}"),
        };
        before = page.first().map(|first| first.id.clone());
        if page.is_empty() {
            break;
        }
        pages.push(page);
    }
    pages.into_iter().rev().flatten().collect()
}
