//! What quinn calls, and the handle for the layer that switches paths.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quinn_proto::{
    RttEstimator,
    congestion::{Controller, ControllerFactory, ControllerMetrics},
};

use super::{
    bursts::Bursts,
    model::{PathModel, initial_window},
    paths::{PathId, Paths},
};

/// Datagram size before quinn reports one (RFC 9000 §14).
const BASE_MTU: u16 = 1200;

/// Horizons (two RTTs each) in three probe timeouts, which are each at least an RTT and a bit.
const PERSISTENT_HORIZONS: u32 = 2;

/// Congestion state of one connection, shared by its controller and its path switch.
///
/// Cheap to clone; every clone is the same connection.
#[derive(Clone)]
pub struct PathControl {
    shared: Arc<Shared>,
}

/// What the model believes of the current path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathControlSnapshot {
    /// The path packets are counted for.
    pub path: PathId,
    /// Bytes that may be in flight on it.
    pub window: u64,
    /// Bytes a second it was seen to deliver, 0 while unknown.
    pub rate: u64,
    /// Its smallest RTT, once measured.
    pub min_rtt: Option<Duration>,
    /// Bytes in flight on the paths left behind.
    pub foreign: u64,
    /// Name of the phase, for logs.
    pub phase: &'static str,
}

struct Shared {
    state: Mutex<State>,
    /// `window()` is asked for twice a packet; reading it must not wait for a lock.
    window: AtomicU64,
}

struct State {
    paths: Paths,
    bursts: Bursts,
    in_flight: u64,
    newest_acked: Option<Instant>,
    horizon: Duration,
    mtu: u16,
    seed: u64,
}

impl PathControl {
    /// State of a connection whose packets first travel over `path`. `seed` shifts the probing
    /// cycle; give each connection another.
    pub fn new(path: PathId, now: Instant, seed: u64) -> Self {
        let model = PathModel::new(now, BASE_MTU, seed);
        let window = AtomicU64::new(model.window());
        let state = Mutex::new(State {
            paths: Paths::new(path, model),
            bursts: Bursts::default(),
            in_flight: 0,
            newest_acked: None,
            horizon: Duration::from_secs(1),
            mtu: BASE_MTU,
            seed,
        });
        Self {
            shared: Arc::new(Shared { state, window }),
        }
    }

    /// Packets sent from `now` on travel over `path`. Call it before the first one does.
    /// The path already current: nothing changes.
    ///
    /// quinn does not ask for the window until something wakes the connection: send a byte after
    /// a switch (a datagram does) or it waits for its timers.
    pub fn switch_path(&self, path: PathId, now: Instant) {
        let mut state = self.shared.lock();
        if state.paths.current_id() == path {
            return;
        }
        let (mtu, seed) = (state.mtu, state.seed ^ path.0);
        state
            .paths
            .switch(path, now, || PathModel::new(now, mtu, seed));
        state.paths.current_mut().set_mtu(mtu);
        state.bursts.begin_epoch(now);
        self.shared.publish(&state);
    }

    /// The current path as the model sees it.
    pub fn snapshot(&self) -> PathControlSnapshot {
        let state = self.shared.lock();
        let model = state.paths.current();
        PathControlSnapshot {
            path: state.paths.current_id(),
            window: model.window(),
            rate: model.rate(),
            min_rtt: model.min_rtt(),
            foreign: state.foreign(),
            phase: model.phase_name(),
        }
    }

    /// The factory for the one connection this handle is for.
    pub fn factory(&self) -> PathFactory {
        PathFactory {
            control: self.clone(),
        }
    }
}

impl fmt::Debug for PathControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathControl")
            .field(&self.snapshot())
            .finish()
    }
}

/// Builds the controller of one connection; all it builds share that connection's state, so what
/// was learnt of real paths outlives a change of the virtual address.
#[derive(Clone, Debug)]
pub struct PathFactory {
    control: PathControl,
}

impl ControllerFactory for PathFactory {
    fn build(self: Arc<Self>, _now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let mut controller = PathController {
            shared: self.control.shared.clone(),
        };
        controller.on_mtu_update(current_mtu);
        Box::new(controller)
    }
}

struct PathController {
    shared: Arc<Shared>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &State) {
        let window = state.paths.current().window() + state.foreign();
        self.window.store(window, Ordering::Relaxed);
    }
}

impl State {
    /// What is in flight on paths left behind; never more than quinn says is in flight.
    fn foreign(&self) -> u64 {
        self.bursts.foreign().min(self.in_flight)
    }

    fn own_in_flight(&self) -> u64 {
        self.in_flight - self.foreign()
    }
}

impl Controller for PathController {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        let mut state = self.shared.lock();
        let own = state.own_in_flight();
        let path = state.paths.current_id();
        let model = state.paths.current_mut();
        let (snapshot, coalesce) = (model.on_sent(now, own), model.coalesce());
        state.bursts.sent(now, bytes, path, snapshot, coalesce);
        state.in_flight += bytes;
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        _app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let mut state = self.shared.lock();
        state.horizon = rtt.conservative() * 2;
        state.newest_acked = state.newest_acked.max(Some(sent));
        let Some((burst, own)) = state.bursts.acked(sent, bytes) else {
            return;
        };
        let usable = !burst.ambiguous;
        // An acknowledgement that comes after the switch may have returned by the new path, and
        // a send blocked by the socket may have left by it.
        let sample = (usable && own).then(|| now.saturating_duration_since(sent));
        if let Some(model) = state.paths.find_mut(burst.path) {
            model.on_ack(now, sent, bytes, burst.snapshot, usable, sample);
        }
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        _largest_packet_num_acked: Option<u64>,
    ) {
        let mut state = self.shared.lock();
        let (newest, horizon) = (state.newest_acked, state.horizon);
        if in_flight == 0 {
            state.bursts.clear();
        } else {
            state.bursts.purge(now, newest, horizon);
        }
        state.in_flight = in_flight;
        let own = state.own_in_flight();
        let current = state.paths.current_id();
        for (path, model) in state.paths.iter_mut() {
            if path == current {
                model.on_end_acks(now, own, app_limited);
            } else {
                // Not sending any more: its rates are not the application's doing.
                model.on_end_acks(now, 0, false);
            }
        }
        self.shared.publish(&state);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        let mut state = self.shared.lock();
        let marked = lost_bytes == 0;
        let current = state.bursts.is_current(sent);
        let own = state.bursts.lost(sent, lost_bytes);
        state.in_flight = state.in_flight.saturating_sub(lost_bytes);
        if current {
            // quinn's three timeouts may have begun on the path left; this one has failed only
            // when it was in use for as long.
            let here = state.bursts.began().is_none_or(|began| {
                sent.saturating_duration_since(began) > state.horizon * PERSISTENT_HORIZONS
            });
            let model = state.paths.current_mut();
            if is_persistent_congestion && here {
                model.on_persistent_congestion(now);
            } else {
                model.on_loss(now, sent, own, marked);
            }
        }
        self.shared.publish(&state);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        let mut state = self.shared.lock();
        state.mtu = new_mtu;
        state.paths.current_mut().set_mtu(new_mtu);
        self.shared.publish(&state);
    }

    fn window(&self) -> u64 {
        self.shared.window.load(Ordering::Relaxed)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        let snapshot = PathControl {
            shared: self.shared.clone(),
        }
        .snapshot();
        metrics.congestion_window = self.window();
        metrics.pacing_rate = Some(snapshot.rate.saturating_mul(8));
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            shared: self.shared.clone(),
        })
    }

    fn initial_window(&self) -> u64 {
        initial_window(u64::from(self.shared.lock().mtu))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
