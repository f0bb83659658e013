//! A box between two hosts that handles every packet itself: a thread over two TUN devices, one
//! in the namespace of each side.
//!
//! It runs the pure [`Translator`] (IPv4) and [`Firewall`] (IPv6, and IPv4 where nothing is
//! translated) and a [`Link`] each way. It ends, and its devices vanish, on drop.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use tun_rs::{DeviceBuilder, SyncDevice};

use super::firewall::Firewall;
use super::link::{Conditions, Link};
use super::translator::{Translator, Verdict};
use crate::support::namespace::Host;

/// No Ethernet link carries a larger packet.
const MTU: u16 = 1500;
/// Packets read of one side before the other has its turn.
const BATCH: usize = 64;

/// What the box does.
#[derive(Debug)]
pub struct Core {
    /// The IPv4 NAT; without it IPv4 is treated as IPv6 is.
    pub nat: Option<Translator>,
    /// What filters untranslated packets; without it all of them pass.
    pub firewall: Option<Firewall>,
    /// The line from inside to outside.
    pub up: Link,
    /// The line from outside to inside.
    pub down: Link,
}

impl Core {
    /// Changes both lines.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.up.set(conditions);
        self.down.set(conditions);
    }

    /// Forgets everything, as after a loss of power.
    pub fn reboot(&mut self) {
        if let Some(nat) = &mut self.nat {
            nat.reboot();
        }
        if let Some(firewall) = &mut self.firewall {
            firewall.reboot();
        }
    }

    fn take_inside(&mut self, mut packet: Vec<u8>, now: Instant) {
        let verdict = match (&mut self.nat, &mut self.firewall) {
            (Some(nat), _) if is_v4(&packet) => nat.outbound(&mut packet, now),
            (_, Some(firewall)) => firewall.outbound(&packet, now),
            _ => Verdict::Out,
        };
        self.send(verdict, packet, now);
    }

    fn take_outside(&mut self, mut packet: Vec<u8>, now: Instant) {
        let verdict = match (&mut self.nat, &self.firewall) {
            (Some(nat), _) if is_v4(&packet) => nat.inbound(&mut packet, now),
            (_, Some(firewall)) => firewall.inbound(&packet, now),
            _ => Verdict::In,
        };
        self.send(verdict, packet, now);
    }

    fn send(&mut self, verdict: Verdict, packet: Vec<u8>, now: Instant) {
        match verdict {
            Verdict::Out => self.up.push(packet, now),
            Verdict::In => self.down.push(packet, now),
            Verdict::Drop => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.up
            .due()
            .into_iter()
            .chain(self.down.due())
            .min()
            .copied()
    }
}

fn is_v4(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4)
}

/// The box.
#[derive(Debug)]
pub struct Middlebox {
    core: Arc<Mutex<Core>>,
    /// Closed to end the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Middlebox {
    /// Puts it between `inside`, where its device is called as `names` says first, and `outside`.
    pub fn start(inside: &Host, outside: &Host, names: (&str, &str), core: Core) -> Self {
        let near = device(inside, names.0);
        let far = device(outside, names.1);
        let core = Arc::new(Mutex::new(core));
        let (stopped, stop) = io::pipe().unwrap();
        let shared = core.clone();
        let thread = std::thread::spawn(move || run(&near, &far, &stopped, &shared));
        Self {
            core,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Looks into it or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        act(&mut self.core.lock().unwrap())
    }
}

impl Drop for Middlebox {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            // A second panic would hide the first.
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

fn device(host: &Host, name: &str) -> SyncDevice {
    let device = host.within(|| {
        let builder = DeviceBuilder::new().name(name).mtu(MTU);
        builder.enable(false).build_sync().unwrap()
    });
    device.set_nonblocking(true).unwrap();
    host.ip(&["link", "set", name, "up"]);
    device
}

fn run(near: &SyncDevice, far: &SyncDevice, stopped: &PipeReader, core: &Mutex<Core>) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let now = Instant::now();
        let due = {
            let mut core = core.lock().unwrap();
            for _ in 0..BATCH {
                let Some(packet) = receive(near, &mut buffer) else {
                    break;
                };
                core.take_inside(packet, now);
            }
            for _ in 0..BATCH {
                let Some(packet) = receive(far, &mut buffer) else {
                    break;
                };
                core.take_outside(packet, now);
            }
            deliver(far, &mut core.up, now);
            deliver(near, &mut core.down, now);
            core.due()
        };
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        if !wait(near, far, stopped, left) {
            return;
        }
    }
}

fn receive(device: &SyncDevice, buffer: &mut [u8]) -> Option<Vec<u8>> {
    // An interface that goes down under the box has nothing more to say; the test tells why.
    let length = device.recv(buffer).ok()?;
    Some(buffer[..length].to_vec())
}

fn deliver(device: &SyncDevice, link: &mut Link, now: Instant) {
    while let Some(packet) = link.pop(now) {
        // The kernel refuses what it would not route; on a real line that would be lost as well.
        let _ = device.send(&packet);
    }
}

/// Waits until there is something to do; whether there is, and not an end to it.
fn wait(near: &SyncDevice, far: &SyncDevice, stopped: &PipeReader, left: Option<Duration>) -> bool {
    let mut ready = [
        PollFd::from_borrowed_fd(near.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(far.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::IN),
    ];
    let left = left.map(|left| Timespec::try_from(left).unwrap());
    match poll(&mut ready, left.as_ref()) {
        Ok(_) => ready[2].revents().is_empty(),
        Err(error) => error == rustix::io::Errno::INTR,
    }
}
