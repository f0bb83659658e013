//! Hosts for tests: Linux network namespaces.
//!
//! Needs root and `ip`. Without them a test says so and is skipped, unless
//! `DCHAT_REQUIRE_NAMESPACES` or `CI` is set: then a skip is a failure. Names carry the process
//! id, so tests run side by side. A host and every process in it end on drop; what a test that was
//! killed has left behind is removed by the next.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// One host: a namespace with loopback up.
#[derive(Debug)]
pub struct Host {
    name: String,
}

impl Host {
    /// Makes a host, or `None` where namespaces cannot be had and may be done without.
    pub fn new() -> Option<Self> {
        SWEPT.call_once(sweep);
        let name = format!(
            "dchat-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        match run("ip", &["netns", "add", &name], "") {
            Ok(_) => {
                let host = Self { name };
                host.ip(&["link", "set", "lo", "up"]);
                Some(host)
            }
            Err(error) => {
                unavailable(&format!("network namespaces cannot be made here: {error}"));
                None
            }
        }
    }

    /// The name of the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGS` in the host.
    pub fn ip(&self, args: &[&str]) {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(args);
        run("ip", &all, "").unwrap();
    }

    /// Runs one `ip` command a line in the host.
    pub fn batch(&self, lines: &str) {
        run("ip", &["-n", &self.name, "-batch", "-"], lines).unwrap();
    }

    /// Loads rules into the packet filter of the host.
    pub fn nft(&self, rules: &str) {
        self.run("nft", &["-f", "-"], rules).unwrap();
    }

    /// Runs a program in the host to its end; its output, or what it complained of.
    pub fn run(&self, program: &str, args: &[&str], input: &str) -> Result<String, String> {
        let mut all = vec!["netns", "exec", &self.name, program];
        all.extend_from_slice(args);
        run("ip", &all, input)
    }

    /// Sets kernel parameters below `/proc/sys/net`.
    pub fn sysctl(&self, settings: &[(&str, &str)]) {
        self.within(|| {
            for (name, value) in settings {
                std::fs::write(Path::new("/proc/sys/net").join(name), value)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        });
    }

    /// Does something in the host: sockets and devices opened by it belong to the host, also
    /// when they are used elsewhere.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                act()
            });
            thread
                .join()
                .unwrap_or_else(|why| std::panic::resume_unwind(why))
        })
    }

    /// Waits until every cable that is plugged in at both ends carries packets: the kernel takes
    /// notice at most once a second.
    pub fn wait_until_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = run("ip", &["-n", &self.name, "link", "show", "up"], "").unwrap();
            // A cable that the kernel has not looked at yet is in no known state, and loses packets.
            let down = |line: &str| {
                line.contains("state DOWN") || line.contains('@') && !line.contains("state UP")
            };
            match shown.lines().find(|line| down(line)) {
                None => return,
                Some(line) => assert!(Instant::now() < deadline, "does not come up: {line}"),
            }
            std::thread::sleep(Duration::from_millis(20));
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
        self.wire(ours.0, other, theirs.0);
        for (host, (interface, address)) in [(self, ours), (other, theirs)] {
            host.batch(&format!(
                "addr add {address} dev {interface} nodad\nlink set {interface} up"
            ));
        }
        self.wait_until_up();
        other.wait_until_up();
    }

    /// Joins `self` and `other` with a cable whose ends are down and have no address.
    pub fn wire(&self, ours: &str, other: &Self, theirs: &str) {
        let (here, there) = (&self.name, &other.name);
        run(
            "ip",
            &[
                "link", "add", ours, "netns", here, "type", "veth", "peer", "name", theirs,
                "netns", there,
            ],
            "",
        )
        .unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Fails where what is missing is required. Elsewhere it says that the running test is skipped,
/// past the harness, which shows nothing of a test that passes.
pub fn unavailable(why: &str) {
    let required = ["DCHAT_REQUIRE_NAMESPACES", "CI"];
    assert!(
        required.iter().all(|name| std::env::var_os(name).is_none()),
        "required here: {why}"
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Removes the hosts of processes that are gone.
fn sweep() {
    let Ok(names) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in names.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix("dchat-")
            .and_then(|rest| rest.split_once('-'));
        if process.is_some_and(|(id, _)| !Path::new("/proc").join(id).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    for id in run("ip", &["netns", "pids", name], "")
        .unwrap_or_default()
        .lines()
    {
        let _ = run("kill", &["-9", id], "");
    }
    let _ = run("ip", &["netns", "delete", name], "");
}

fn run(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(wrong)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading all of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(wrong)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{program} {}: {} {input}",
        args.join(" "),
        said.trim()
    ))
}
