//! What the socket, its handles and its task have in common.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use super::events::PathEvent;
use super::leg::{Leg, Sent};
use crate::path::{
    self, Config, Input, LegId, Output, PathId, ProbePair, Route, Switch, VirtualAddress,
};

/// Called when the connection's packets begin to take another path, before the first of them is
/// sent there. It runs under the socket's lock: it has to be brief and must not use
/// [`Paths`](super::Paths). The path at attachment has id 0; it is not announced.
pub type SwitchHook = Box<dyn Fn(PathId, Instant) + Send>;

pub(super) struct Shared {
    legs: Vec<Leg>,
    core: Mutex<Core>,
    pub(super) wake: Notify,
    pub(super) closed: AtomicBool,
}

/// Behind the lock.
struct Core {
    switch: Switch,
    hooks: BTreeMap<VirtualAddress, SwitchHook>,
    events: mpsc::Sender<PathEvent>,
    events_dropped: u64,
    /// Until when the task sleeps; `None` while it waits for a wake-up only.
    asleep_until: Option<Instant>,
}

/// A datagram of our own on its way out.
pub(super) struct Probe {
    virt: VirtualAddress,
    route: Route,
    datagram: Vec<u8>,
}

impl Shared {
    pub(super) fn new(
        legs: Vec<Leg>,
        described: Vec<path::Leg>,
        seed: [u8; 32],
        config: Config,
        events: mpsc::Sender<PathEvent>,
    ) -> Self {
        Self {
            legs,
            core: Mutex::new(Core {
                switch: Switch::new(config, described, seed),
                hooks: BTreeMap::new(),
                events,
                events_dropped: 0,
                asleep_until: None,
            }),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn legs(&self) -> &[Leg] {
        &self.legs
    }

    pub(super) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(usize::from(id.0))
    }

    /// Lets the switch act, and then does what it wants done.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Switch) -> T) -> T {
        let mut core = self.lock();
        let result = act(&mut core.switch);
        let probes = self.settle(core);
        if !probes.is_empty() {
            self.send_probes(probes);
        }
        result
    }

    /// Reads the switch.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Switch) -> T) -> T {
        look(&self.lock().switch)
    }

    /// Attaches keys and hook, in one go.
    pub(super) fn attach(&self, virt: VirtualAddress, keys: ProbePair, hook: SwitchHook) {
        let mut core = self.lock();
        core.switch
            .handle_input(Input::Attach { virt, keys }, now());
        // A hook lives as long as the connection it was attached to.
        if core.switch.is_attached(virt) {
            core.hooks.insert(virt, hook);
        }
        let probes = self.settle(core);
        self.send_probes(probes);
    }

    pub(super) fn unhook(&self, virt: VirtualAddress) {
        let hook = self.lock().hooks.remove(&virt);
        // What it owns may use the socket when it is dropped.
        drop(hook);
    }

    pub(super) fn events_dropped(&self) -> u64 {
        self.lock().events_dropped
    }

    /// For the task: does what is due and says until when to sleep.
    pub(super) fn handle_timeout(&self) -> Option<Instant> {
        self.act(|switch| switch.handle_timeout(now()));
        let mut core = self.lock();
        core.asleep_until = core.switch.poll_timeout();
        core.asleep_until
    }

    /// A datagram could not be sent.
    pub(super) fn failed(&self, virt: VirtualAddress, route: Route) {
        self.act(|switch| switch.handle_input(Input::SendFailed { virt, route }, now()));
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock can only come from a hook; the switch is whole then.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, mut core: MutexGuard<'_, Core>) -> Vec<Probe> {
        let mut probes = Vec::new();
        if core.switch.has_output() {
            let at = now();
            while let Some(output) = core.switch.poll_output() {
                core.settle(output, at, &mut probes);
            }
        }
        let due = core.switch.poll_timeout();
        let oversleeps = match (due, core.asleep_until) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(due), Some(until)) => due < until,
        };
        if oversleeps {
            core.asleep_until = due;
            self.wake.notify_one();
        }
        probes
    }

    fn send_probes(&self, probes: Vec<Probe>) {
        for probe in probes {
            let Some(leg) = self.leg(probe.route.leg) else {
                continue;
            };
            match leg.send(&probe.route, &probe.datagram, None, None) {
                // A full buffer loses the probe; the next round repeats it.
                Sent::Done | Sent::Blocked => {}
                Sent::Failed => self.report_probe_failure(probe.virt, probe.route),
            }
        }
    }

    /// As [`failed`](Self::failed), but what it makes the switch say waits for the next call: the
    /// probes of a failing path must not beget one another.
    fn report_probe_failure(&self, virt: VirtualAddress, route: Route) {
        let mut core = self.lock();
        core.switch
            .handle_input(Input::SendFailed { virt, route }, now());
        core.asleep_until = None;
        self.wake.notify_one();
    }
}

impl Core {
    fn settle(&mut self, output: Output, at: Instant, probes: &mut Vec<Probe>) {
        let event = match output {
            Output::Transmit {
                virt,
                route,
                datagram,
            } => {
                probes.push(Probe {
                    virt,
                    route,
                    datagram,
                });
                return;
            }
            Output::Switched { virt, path } => {
                if let Some(hook) = self.hooks.get(&virt) {
                    hook(path.id, at);
                }
                let virt = virt.socket_addr();
                PathEvent::Switched { virt, path }
            }
            Output::Observed { virt, addr } => PathEvent::Observed {
                virt: virt.socket_addr(),
                addr,
            },
            Output::Lost { virt } => PathEvent::Lost {
                virt: virt.socket_addr(),
            },
        };
        // A reader that is gone wants no events; one that is behind misses some.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.events_dropped += 1;
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("legs", &self.legs)
            .finish_non_exhaustive()
    }
}

/// Held by every handle; the task ends with the last.
#[derive(Debug)]
pub(super) struct Lease(pub(super) Arc<Shared>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.wake.notify_one();
    }
}

/// The runtime's clock, which quinn uses as well.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The virtual address quinn or a caller names.
pub(super) fn virtual_address(addr: SocketAddr) -> Option<VirtualAddress> {
    VirtualAddress::from_socket_addr(addr)
}
