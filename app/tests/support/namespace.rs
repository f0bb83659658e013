//! Real networks for tests: Linux network namespaces joined by veth pairs.
//!
//! Needs root and `ip`. Without them a test says so and is skipped, unless
//! `DCHAT_REQUIRE_NAMESPACES` is set, as it is in CI: then a skip is a failure. Names carry the
//! process id, so tests run side by side, and everything is deleted on drop.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One host: a namespace with loopback up.
pub struct Host {
    name: String,
}

impl Host {
    /// Makes a host, or `None` where namespaces cannot be had and may be done without.
    pub fn new() -> Option<Self> {
        let name = format!(
            "dchat-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        match run("ip", &["netns", "add", &name]) {
            Ok(()) => {
                let host = Self { name };
                host.ip(&["link", "set", "lo", "up"]);
                Some(host)
            }
            Err(error) if std::env::var_os("DCHAT_REQUIRE_NAMESPACES").is_some() => {
                panic!("network namespaces are required here and cannot be made: {error}")
            }
            Err(error) => {
                eprintln!("skipped: network namespaces cannot be made here: {error}");
                None
            }
        }
    }

    /// Runs `ip ARGS` in the host.
    pub fn ip(&self, args: &[&str]) {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(args);
        run("ip", &all).unwrap();
    }

    /// The kernel tells of a cable that was plugged in at most once a second.
    fn wait_until_up(&self, interface: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let mut show = Command::new("ip");
            show.args(["-n", &self.name, "link", "show", "dev", interface]);
            let shown = show.output().unwrap().stdout;
            if String::from_utf8_lossy(&shown).contains("state UP") {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{interface} does not come up"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// A command that will run in the host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Joins `self` and `other` with a cable: interface `ours` with address `our_ip` here and
    /// `theirs` with `their_ip` there, both in CIDR form. A default route makes multicast work.
    pub fn cable(&self, ours: (&str, &str), other: &Self, theirs: (&str, &str)) {
        let args = [
            "link", "add", ours.0, "netns", &self.name, "type", "veth", "peer", "name",
        ];
        let mut args = args.to_vec();
        args.extend([theirs.0, "netns", &other.name]);
        run("ip", &args).unwrap();
        for (host, (interface, address)) in [(self, ours), (other, theirs)] {
            host.ip(&["addr", "add", address, "dev", interface, "nodad"]);
            host.ip(&["link", "set", interface, "up"]);
        }
        for (host, (interface, _)) in [(self, ours), (other, theirs)] {
            host.wait_until_up(interface);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "delete", &self.name]);
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", args.join(" "), said.trim()))
}
