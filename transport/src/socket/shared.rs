//! What the socket, its handles and its task have in common.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use super::carrier::RelayLeg;
use super::demux::Judge;
use super::ends::{End, Ends, Readable};
use super::events::PathEvent;
use super::inner::{Inbound, Inner, Queued};
use super::leg::{Leg, Sent};
use super::side::{SideChannel, Sides};
use crate::path::{
    self, Arrival, Config, Input, LegId, Outbound, Output, PathId, ProbePair, Route, Switch,
    Verdict, VirtualAddress,
};
use crate::sync::lock;

/// Called when the connection's packets begin to take another path, before the first of them is
/// sent there. It runs under the socket's lock: it has to be brief and must not use
/// [`Paths`](super::Paths). The path at attachment has id 0; it is not announced.
pub type SwitchHook = Box<dyn Fn(PathId, Instant) + Send>;

pub(super) struct Shared {
    core: Mutex<Core>,
    /// The UDP legs for who reads them; asked for when [`changes`](Self::changes) has moved on.
    readable: Mutex<Readable>,
    changes: AtomicU64,
    segments: AtomicUsize,
    /// What came over relays.
    pub(super) inbound: Inbound,
    pub(super) wake: Notify,
    pub(super) closed: AtomicBool,
}

/// Behind the lock.
pub(super) struct Core {
    pub(super) switch: Switch,
    pub(super) sides: Sides,
    ends: Ends,
    relayed_dropped: u64,
    hooks: BTreeMap<VirtualAddress, SwitchHook>,
    events: mpsc::Sender<PathEvent>,
    events_dropped: u64,
    /// Until when the task sleeps; `None` while it waits for a wake-up only.
    asleep_until: Option<Instant>,
}

/// What was dropped for want of room.
pub(super) struct Dropped {
    pub(super) events: u64,
    pub(super) relayed: u64,
    pub(super) sides: u64,
}

/// A datagram of our own on its way out.
pub(super) struct Probe {
    virt: VirtualAddress,
    route: Route,
    end: End,
    datagram: Vec<u8>,
}

/// The ways of a datagram of quinn's.
pub(super) struct Ways {
    pub(super) route: Route,
    pub(super) end: End,
    /// Where it goes as well.
    pub(super) copy: Option<(Route, End)>,
}

impl Shared {
    pub(super) fn new(
        legs: Vec<(path::Leg, Leg)>,
        seed: [u8; 32],
        config: Config,
        events: mpsc::Sender<PathEvent>,
    ) -> Self {
        let mut switch = Switch::new(config, Vec::new(), seed);
        let mut ends = Ends::default();
        for (described, leg) in legs {
            if let Some(id) = switch.add_leg(described) {
                ends.insert(id, End::Udp(Arc::new(leg)));
            }
        }
        Self {
            readable: Mutex::new(ends.readable()),
            changes: AtomicU64::new(0),
            segments: AtomicUsize::new(ends.max_transmit_segments()),
            inbound: Inbound::default(),
            core: Mutex::new(Core {
                switch,
                sides: Sides::default(),
                ends,
                relayed_dropped: 0,
                hooks: BTreeMap::new(),
                events,
                events_dropped: 0,
                asleep_until: None,
            }),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The UDP legs, and the number of the change that made them so.
    pub(super) fn readable(&self) -> (u64, Readable) {
        let changes = self.changes();
        (changes, lock(&self.readable).clone())
    }

    /// Grows with every change of the legs.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Datagrams that may be sent as one batch whatever the way.
    pub(super) fn max_transmit_segments(&self) -> usize {
        self.segments.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self, id: LegId) -> Option<End> {
        self.lock().ends.get(id).cloned()
    }

    /// Where the legs for everybody are bound.
    pub(super) fn bound(&self) -> Vec<SocketAddr> {
        self.lock().ends.bound()
    }

    /// The ways of a datagram of quinn's, and what sends there.
    pub(super) fn outbound(&self, virt: VirtualAddress, first: &[u8], len: usize) -> Option<Ways> {
        self.with(|core| {
            let Outbound { route, copy } = core.switch.outbound(virt, first, len, now())?;
            let end = core.ends.get(route.leg)?.clone();
            let copy = copy.and_then(|route| Some((route, core.ends.get(route.leg)?.clone())));
            Some(Ways { route, end, copy })
        })
    }

    /// Adds a relay's leg. `None` when there are as many as may be.
    pub(super) fn add_relay(&self, leg: RelayLeg) -> Option<LegId> {
        let described = path::Leg::Relay {
            relay: leg.relay,
            socket: leg.socket,
        };
        self.with(|core| {
            let id = core.switch.add_leg(described)?;
            core.ends.insert(id, End::Relay(Arc::new(leg)));
            // Before anybody can know the id.
            self.inbound.open(id);
            Some(id)
        })
    }

    /// Ends a leg and what takes it. The first sockets stay.
    pub(super) fn remove_leg(&self, leg: LegId) {
        let removed = self.with(|core| {
            match core.ends.get(leg) {
                Some(End::Udp(socket)) if !socket.is_adopted() => return None,
                Some(End::Udp(_) | End::Relay(_)) => {}
                None => return None,
            }
            core.switch.handle_input(Input::LegGone { leg }, now());
            let end = core.ends.remove(leg);
            self.legs_changed(core);
            end
        });
        self.inbound.close(leg);
        // A carrier may do anything when it is dropped.
        drop(removed);
    }

    /// A packet came over a relay.
    pub(super) fn relayed(&self, inner: Inner) {
        if self.inbound.push(inner) == Queued::Dropped {
            self.lock().relayed_dropped += 1;
        }
    }

    /// From now on the side datagrams go there.
    pub(super) fn side_channel(&self) -> SideChannel {
        self.lock().sides.listen()
    }

    /// A leg refuses batches from now on.
    pub(super) fn segments_refused(&self) {
        let core = self.lock();
        self.segments
            .store(core.ends.max_transmit_segments(), Ordering::Relaxed);
    }

    fn legs_changed(&self, core: &Core) {
        *lock(&self.readable) = core.ends.readable();
        self.segments
            .store(core.ends.max_transmit_segments(), Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.inbound.wake();
    }

    /// Lets the switch act, and then does what it wants done.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Switch) -> T) -> T {
        self.with(|core| act(&mut core.switch))
    }

    /// Acts under the lock, and then does what the switch wants done.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.lock();
        let result = act(&mut core);
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

    /// What was dropped outside of the switch.
    pub(super) fn dropped(&self) -> Dropped {
        let core = self.lock();
        Dropped {
            events: core.events_dropped,
            relayed: core.relayed_dropped,
            sides: core.sides.dropped,
        }
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
        lock(&self.core)
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
            match probe.end.send(&probe.route, &probe.datagram, None, None) {
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

impl Judge for Core {
    fn judge(&mut self, arrival: Arrival, datagram: &[u8], now: Instant) -> Verdict {
        if self.sides.take(&arrival, datagram) {
            return Verdict::Consumed;
        }
        self.switch.inbound(arrival, datagram, now)
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
                if let Some(end) = self.ends.get(route.leg) {
                    probes.push(Probe {
                        virt,
                        route,
                        end: end.clone(),
                        datagram,
                    });
                }
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
            .field("readable", &self.readable)
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
