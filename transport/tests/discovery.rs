//! Finding each other by mDNS, on the loopback interface and on ports of the tests' own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Node, config, raw, start, within};
use dchat_transport::{Event, MdnsConfig};
use dchat_wire::PeerId;
use dchat_wire::close::Code;
use dchat_wire::sign::Identity;
use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use tokio::sync::mpsc;

/// Tells a process started by a test what to be: `loopback:PORT`, or `network:SEED`.
const CHILD: &str = "DCHAT_TEST_CHILD";
const CHILD_SEED: u8 = 77;

fn visible(seed: u8, port: u16) -> Node {
    let mut config = config(seed);
    config.mdns = Some(MdnsConfig {
        port,
        loopback: true,
    });
    start(config)
}

async fn discovered(node: &mut Node, wanted: PeerId) -> Vec<dchat_wire::Address> {
    node.expect(|event| match event {
        Event::Discovered { peer, addrs, .. } if peer == wanted => Some(addrs),
        _ => None,
    })
    .await
}

async fn expired(node: &mut Node, wanted: PeerId) {
    node.expect(|event| match event {
        Event::Expired { peer } if peer == wanted => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_discover_each_other_and_a_goodbye_expires_at_once() {
    let (mut a, mut b) = (visible(1, 5401), visible(2, 5401));
    let (peer_a, peer_b) = (a.peer(), b.peer());
    assert_eq!(discovered(&mut a, peer_b).await, [b.address()]);
    assert_eq!(discovered(&mut b, peer_a).await, [a.address()]);
    within(b.endpoint.shutdown(Duration::from_secs(2))).await;
    expired(&mut a, peer_b).await;
}

/// Checks DC-CONN-064 (positive), DC-CONN-065 (positive).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_peer_is_dialed_where_it_was_discovered() {
    let mut a = visible(1, 5402);
    let peer = dchat_wire::sign::Identity::from_seed(&[2; 32]).peer_id();
    a.endpoint.keep(peer, &[]).unwrap();
    let _b = visible(2, 5402);
    assert_eq!(a.connected().await.peer_id(), peer);
}

/// Says on the local network that `peer`, restarted, listens at `at`, whoever does. Gone with what is
/// returned.
fn claim(port: u16, peer: PeerId, at: SocketAddr) -> Claim {
    let daemon = ServiceDaemon::new_with_port(port).unwrap();
    daemon.enable_interface(IfKind::LoopbackV4).unwrap();
    let host = format!("liar-{}.local.", at.port());
    let txt = [("v", "1".to_owned()), ("i", "5a".repeat(16))];
    let name = peer.to_string();
    let info = ServiceInfo::new(SERVICE, &name, &host, at.ip(), at.port(), &txt[..]);
    let mut info = info.unwrap();
    info.set_requires_probe(false);
    daemon.register(info).unwrap();
    Claim { daemon, name }
}

/// The service type of `30-transport` §7.
const SERVICE: &str = "_dchat._udp.local.";

struct Claim {
    daemon: ServiceDaemon,
    name: String,
}

impl Claim {
    /// Takes it back.
    async fn withdraw(self) {
        let full = format!("{}.{SERVICE}", self.name);
        let withdrawn = self.daemon.unregister(&full).unwrap();
        within(withdrawn.recv_async()).await.unwrap();
        self.daemon.shutdown().unwrap();
    }
}

/// Somebody at a UDP port who is dialed, and the port.
fn somebody(seed: u8) -> (quinn::Endpoint, SocketAddr) {
    let identity = Identity::from_seed(&[seed; 32]);
    let endpoint = raw::server(raw::chain_of(&identity), b"dchat/1");
    let at = endpoint.local_addr().unwrap();
    (endpoint, at)
}

/// Checks DC-CONN-065 (negative).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_where_another_was_discovered_is_dialed_as_the_other_and_left() {
    let mut a = visible(1, 5405);
    let wanted = peer_of(2);
    a.endpoint.keep(wanted, &[]).unwrap();
    let (other, at) = somebody(3);
    let (tell, mut dials) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(dialed) = other.accept().await {
            let _ = tell.send(dialed.await.is_ok());
        }
    });
    let claimed = claim(5405, wanted, at);
    let at = dchat_wire::Address::direct(at);
    assert_eq!(discovered(&mut a, wanted).await, [at]);
    let succeeds = within(dials.recv()).await.unwrap();
    assert!(!succeeds, "another than was dialed");
    // Nor for somebody who asks for whoever is there by the record.
    let asked = within(a.endpoint.connect(Some(wanted), &[at])).await;
    asked.expect_err("another than was asked for");
    while let Ok(succeeds) = dials.try_recv() {
        assert!(!succeeds);
    }
    assert!(a.endpoint.connections().is_empty());
    claimed.withdraw().await;
}

/// Checks DC-CONN-064 (negative).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_discovered_moves_and_ends_no_connection_and_makes_nobody_dial_a_stranger() {
    let (mut a, b) = (visible(1, 5406), common::node(2));
    let out = within(a.endpoint.connect(Some(b.peer()), &[b.address()]))
        .await
        .unwrap();
    let path = out.path().addr;
    let ((strangers, of_stranger), (others, elsewhere)) = (somebody(3), somebody(4));
    let claims = [
        (b.peer(), claim(5406, b.peer(), elsewhere)),
        (peer_of(9), claim(5406, peer_of(9), of_stranger)),
    ];
    let mut there = vec![b.peer(), peer_of(9)];
    while !there.is_empty() {
        let found = a.expect(|event| match event {
            Event::Discovered { peer, .. } => Some(peer),
            _ => None,
        });
        let found = found.await;
        there.retain(|peer| *peer != found);
    }
    within(out.ping()).await.unwrap();
    for (peer, claimed) in claims {
        claimed.withdraw().await;
        expired(&mut a, peer).await;
    }
    within(out.ping()).await.unwrap();
    assert_eq!(out.path().addr, path);
    assert_eq!(a.endpoint.connections(), [out]);
    for nobodys in [strangers, others] {
        let pause = Duration::from_millis(100);
        let dialed = tokio::time::timeout(pause, nobodys.accept()).await;
        assert!(dialed.is_err(), "nobody wants to reach anybody there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_mdns_is_not_seen() {
    let mut a = visible(1, 5403);
    let hidden = common::node(2);
    let shown = visible(3, 5403);
    let peer = shown.peer();
    discovered(&mut a, peer).await;
    let more = tokio::time::timeout(Duration::from_millis(500), a.events.next()).await;
    assert!(
        !matches!(more, Ok(Some(Event::Discovered { peer, .. })) if peer == hidden.peer()),
        "{more:?}"
    );
}

/// Not a test of its own: what another test starts as a process. Without its variable it does
/// nothing.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut node = match role.split_once(':').unwrap() {
            ("loopback", port) => visible(CHILD_SEED, port.parse().unwrap()),
            (_, seed) => {
                let mut config = config(seed.parse().unwrap());
                config.listen = vec!["[::]:0".parse().unwrap()];
                config.mdns = Some(MdnsConfig::default());
                start(config)
            }
        };
        say("ready");
        while let Some(event) = node.events.next().await {
            match event {
                Event::Discovered { peer, .. } => say(&format!("discovered {peer}")),
                Event::Expired { peer } => say(&format!("expired {peer}")),
                _ => {}
            }
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// A process of this test's, killed at the end.
struct Child {
    process: std::process::Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Child {
    fn start(command: &mut Command, role: &str) -> Self {
        let mut process = command
            .args(["--exact", "child_process", "--nocapture"])
            .env(CHILD, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (lines, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, said }
    }

    async fn says(&mut self, wanted: &str) {
        within(async {
            loop {
                let line = self.said.recv().await.expect("the process runs");
                if line.contains(wanted) {
                    return;
                }
            }
        })
        .await;
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn myself() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn peer_of(seed: u8) -> PeerId {
    Identity::from_seed(&[seed; 32]).peer_id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_expires_without_a_goodbye() {
    let mut a = visible(1, 5404);
    let mut child = Child::start(&mut Command::new(myself()), "loopback:5404");
    child.says("ready").await;
    let peer = peer_of(CHILD_SEED);
    let addrs = discovered(&mut a, peer).await;
    let connection = within(a.endpoint.connect(Some(peer), &addrs))
        .await
        .unwrap();
    child.kill();
    // What the end of the connection by itself would do, 30 s later.
    connection.close(Code::Done);
    expired(&mut a, peer).await;
}

/// Two network namespaces joined by one pair of interfaces; gone at the end.
struct Network([String; 2]);

impl Network {
    /// `None` without the right to make them.
    fn new() -> Option<Self> {
        let names = ["a", "b"].map(|side| format!("dchat-{}-{side}", std::process::id()));
        let network = Self(names);
        let [a, b] = &network.0;
        let made = ip(&["netns", "add", a])
            && ip(&["netns", "add", b])
            && ip(&[
                "-n", a, "link", "add", "v", "type", "veth", "peer", "v", "netns", b,
            ])
            && ip(&["-n", a, "addr", "add", "192.0.2.1/24", "dev", "v"])
            && ip(&["-n", b, "addr", "add", "192.0.2.2/24", "dev", "v"])
            && ip(&["-n", a, "link", "set", "v", "up"])
            && ip(&["-n", b, "link", "set", "v", "up"]);
        made.then_some(network)
    }

    fn run(&self, side: usize, seed: u8) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0[side]]).arg(myself());
        Child::start(&mut command, &format!("network:{seed}"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.0 {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip")
        .args(args)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_two_hosts_discover_each_other() {
    // Only root may make networks; the tests above cover what does not need one.
    let Some(network) = Network::new() else {
        return;
    };
    let (mut a, mut b) = (network.run(0, 1), network.run(1, 2));
    a.says(&format!("discovered {}", peer_of(2))).await;
    b.says(&format!("discovered {}", peer_of(1))).await;
}
