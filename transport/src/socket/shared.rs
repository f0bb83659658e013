//! What the socket, its handles and its tasks have in common: the lock, and what is done outside of
//! it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use super::carrier::RelayLeg;
use super::core::{Action, Core, Dropped};
use super::ends::{End, Readable};
use super::events::PathEvent;
use super::inner::{Inbound, Inner, Queued};
use super::leg::{Leg, Sent};
use super::scatter::{self, SCATTERS, Scatter};
use super::side::{self, SideChannel};
use crate::path::{
    self, Config, Input, LegId, Outbound, PathId, ProbePair, Route, Switch, VirtualAddress,
};
use crate::sync::lock;

/// Called when the connection's packets begin to take another path, before the first of them is
/// sent there. It runs under the socket's lock: it has to be brief and must not use
/// [`Paths`](super::Paths). The path at attachment has id 0; it is not announced.
pub type SwitchHook = Box<dyn Fn(PathId, Instant) + Send>;

pub(super) struct Shared {
    me: Weak<Self>,
    runtime: tokio::runtime::Handle,
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
        runtime: tokio::runtime::Handle,
    ) -> Arc<Self> {
        let core = Core::new(legs, seed, config, events);
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            runtime,
            readable: Mutex::new(core.readable()),
            changes: AtomicU64::new(0),
            segments: AtomicUsize::new(core.max_transmit_segments()),
            inbound: Inbound::default(),
            core: Mutex::new(core),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
        })
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
        self.lock().end(id).cloned()
    }

    /// Where the legs for everybody are bound.
    pub(super) fn bound(&self) -> Vec<SocketAddr> {
        self.lock().bound()
    }

    /// The ways of a datagram of quinn's, and what sends there.
    pub(super) fn outbound(&self, virt: VirtualAddress, first: &[u8], len: usize) -> Option<Ways> {
        self.with(|core| {
            let Outbound { route, copy } = core.switch.outbound(virt, first, len, now())?;
            let end = core.end(route.leg)?.clone();
            let copy = copy.and_then(|route| Some((route, core.end(route.leg)?.clone())));
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
            core.insert(id, End::Relay(Arc::new(leg)));
            // Before anybody can know the id.
            self.inbound.open(id);
            Some(id)
        })
    }

    /// Ends a leg and what takes it. The first sockets stay.
    pub(super) fn remove_leg(&self, leg: LegId) {
        let removed = self.with(|core| {
            match core.end(leg) {
                Some(End::Udp(socket)) if !socket.is_adopted() => return None,
                Some(End::Udp(_) | End::Relay(_)) => {}
                None => return None,
            }
            core.switch.handle_input(Input::LegGone { leg }, now());
            core.remove(leg)
        });
        self.inbound.close(leg);
        // A carrier may do anything when it is dropped.
        drop(removed);
    }

    /// A packet came over a relay.
    pub(super) fn relayed(&self, inner: Inner) {
        if self.inbound.push(inner) == Queued::Dropped {
            self.lock().dropped.relayed += 1;
        }
    }

    /// From now on the side datagrams of that kind go there.
    pub(super) fn side_channel(&self, kind: side::Kind) -> SideChannel {
        self.lock().sides.listen(kind)
    }

    /// A leg refuses batches from now on.
    pub(super) fn segments_refused(&self) {
        let core = self.lock();
        self.segments
            .store(core.max_transmit_segments(), Ordering::Relaxed);
    }

    fn legs_changed(&self, core: &Core) {
        *lock(&self.readable) = core.readable();
        self.segments
            .store(core.max_transmit_segments(), Ordering::Relaxed);
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
        let actions = self.settle(core);
        if !actions.is_empty() {
            self.carry_out(actions);
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
            core.hook(virt, hook);
        }
        let actions = self.settle(core);
        self.carry_out(actions);
    }

    pub(super) fn unhook(&self, virt: VirtualAddress) {
        let mut core = self.lock();
        let (hook, scatter) = (core.unhook(virt), core.end_scatter(virt));
        drop(core);
        // What it owns may use the socket when it is dropped.
        drop((hook, scatter));
    }

    /// What was dropped outside of the switch.
    pub(super) fn dropped(&self) -> Dropped {
        self.lock().dropped()
    }

    /// For the task: does what is due and says until when to sleep.
    pub(super) fn handle_timeout(&self) -> Option<Instant> {
        self.act(|switch| switch.handle_timeout(now()));
        self.lock().sleep()
    }

    /// A datagram could not be sent.
    pub(super) fn failed(&self, virt: VirtualAddress, route: Route) {
        self.act(|switch| switch.handle_input(Input::SendFailed { virt, route }, now()));
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock can only come from a hook; the switch is whole then.
        lock(&self.core)
    }

    fn settle(&self, mut core: MutexGuard<'_, Core>) -> Vec<Action> {
        let actions = core.settle();
        if core.take_legs_changed() {
            self.legs_changed(&core);
        }
        if core.oversleeps() {
            self.wake.notify_one();
        }
        actions
    }

    fn carry_out(&self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send {
                    virt,
                    route,
                    end,
                    datagram,
                } => match end.send(&route, &datagram, None, None) {
                    // A full buffer loses the probe; the next round repeats it.
                    Sent::Done | Sent::Blocked => {}
                    Sent::Failed => self.report_probe_failure(virt, route),
                },
                Action::SendExtra {
                    scatter,
                    socket,
                    remote,
                    datagram,
                } => scatter.send(socket, remote, &datagram),
                Action::Scatter { virt, sockets } => self.scatter(virt, sockets),
                Action::EndScatter(scatter) => drop(scatter),
                Action::CloseLeg(leg, end) => {
                    self.inbound.close(leg);
                    drop(end);
                }
            }
        }
    }

    /// Binds the extra sockets of a connection. It takes some milliseconds, so the lock is free
    /// meanwhile.
    fn scatter(&self, virt: VirtualAddress, sockets: u16) {
        let bound = {
            let mut core = self.lock();
            core.end_scatter(virt);
            if core.scatters() >= SCATTERS {
                return;
            }
            core.bound()
        };
        let Some((source, shared)) = scatter::source(&bound).zip(self.me.upgrade()) else {
            return;
        };
        let opened = Scatter::open(&shared, &self.runtime, virt, source, sockets);
        self.lock().begin_scatter(virt, opened);
    }

    /// As [`failed`](Self::failed), but what it makes the switch say waits for the next call: the
    /// probes of a failing path must not beget one another.
    fn report_probe_failure(&self, virt: VirtualAddress, route: Route) {
        let mut core = self.lock();
        core.switch
            .handle_input(Input::SendFailed { virt, route }, now());
        core.stay_awake();
        self.wake.notify_one();
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
