//! What is said is nowhere to be read: not on the wire and not on the disk.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};

use support::command::output;
use support::namespace::Host;
use support::node::Node;
use support::pair;

const WORDS: [&str; 3] = ["xylophone-quartz", "对聊秘密", "ความลับมาก"];

#[test]
fn neither_packets_nor_files_hold_a_word_of_a_conversation() {
    let (Some(a), Some(b)) = (Host::new(), Host::new()) else {
        return;
    };
    a.cable(("eth0", "10.9.4.1/24"), &b, ("eth0", "10.9.4.2/24"));
    let wiretap = Wiretap::on(&a, "eth0");
    let (alice, bob) = (Node::new(a, "Alice"), Node::new(b, "Bob"));
    let mut alice_daemon = alice.start(&[]);
    let mut bob_daemon = bob.start(&[]);
    output(&mut alice.dchat(&["add", &bob.peer, "--name", "Bob"]));
    output(&mut bob.dchat(&["add", &alice.peer, "--name", "Alice"]));
    for word in WORDS {
        output(&mut bob.dchat(&["send", "Alice", word]));
        alice_daemon.wait_for("message", |event| event["text"] == word);
        output(&mut alice.dchat(&["send", "Bob", word]));
        bob_daemon.wait_for("message", |event| event["text"] == word);
    }
    // The control: the words were there to be found, and so was the wiretap.
    let shown = output(&mut alice.dchat(&["history", "Bob"]));
    assert!(WORDS.iter().all(|word| shown.contains(word)));
    alice_daemon.stop();
    bob_daemon.stop();
    let packets = wiretap.stop();
    assert!(
        packets.windows(5).any(|window| window == b"dchat"),
        "mDNS went past the wiretap"
    );
    assert!(
        packets.len() > 10_000,
        "the conversation went past the wiretap"
    );

    assert_free_of_words(&packets, "the packets");
    for node in [&alice, &bob] {
        assert_files_free_of_words(node.path());
    }
}

fn assert_files_free_of_words(dir: &Path) {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            assert_free_of_words(&std::fs::read(&path).unwrap(), &path.display().to_string());
        }
    }
    assert!(files > 1, "{} holds a home", dir.display());
}

fn assert_free_of_words(bytes: &[u8], place: &str) {
    for word in WORDS {
        let found = bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(!found, "{place} holds {word}");
    }
}

/// Everything that passes an interface, as the kernel shows it.
struct Wiretap {
    child: Child,
    file: tempfile::NamedTempFile,
}

/// Writes every packet of an interface to a file, and a byte to its output when it has begun.
const CAPTURE: &str = r#"
import socket, sys
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
tap.bind((sys.argv[1], 0))
out = open(sys.argv[2], "wb", buffering=0)
print("ready", flush=True)
while True:
    out.write(tap.recv(65536))
"#;

impl Wiretap {
    fn on(host: &Host, interface: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = host
            .command("python3")
            .args(["-c", CAPTURE, interface])
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        Self { child, file }
    }

    fn stop(mut self) -> Vec<u8> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::read(self.file.path()).unwrap()
    }
}

#[test]
fn a_home_without_its_key_opens_nothing() {
    let ((alice, alice_daemon), (_bob, _bob_daemon)) = pair::contacts();
    alice_daemon.stop();
    std::fs::write(alice.path().join("key"), [7; 32]).unwrap();
    let ended = support::command::run(&mut alice.verb(&["contacts"]));
    assert!(!ended.well());
    assert_eq!(ended.out, "");
}
