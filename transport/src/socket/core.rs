//! What is behind the socket's lock: the switch, the ends it sends to, and what its outputs become.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::demux::Judge;
use super::ends::{End, Ends, Readable};
use super::events::PathEvent;
use super::leg::Leg;
use super::scatter::Scatter;
use super::shared::{SwitchHook, now};
use super::side::Sides;
use crate::path::{self, Arrival, Config, LegId, Output, Route, Switch, Verdict, VirtualAddress};

/// What was dropped for want of room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dropped {
    pub(super) events: u64,
    pub(super) relayed: u64,
    pub(super) sides: u64,
}

/// Done once the lock is free, in order.
#[derive(Debug)]
pub(super) enum Action {
    /// A datagram of our own.
    Send {
        virt: VirtualAddress,
        route: Route,
        end: End,
        datagram: Vec<u8>,
    },
    /// One from a socket of a scatter.
    SendExtra {
        scatter: Arc<Scatter>,
        socket: u16,
        remote: SocketAddr,
        datagram: Vec<u8>,
    },
    /// Extra sockets for a connection.
    Scatter { virt: VirtualAddress, sockets: u16 },
    /// They are not needed any more.
    EndScatter(Arc<Scatter>),
    /// Nor is a leg.
    CloseLeg(LegId, End),
}

/// State behind the lock.
pub(super) struct Core {
    pub(super) switch: Switch,
    pub(super) sides: Sides,
    pub(super) dropped: Dropped,
    ends: Ends,
    legs_changed: bool,
    scatters: BTreeMap<VirtualAddress, Arc<Scatter>>,
    hooks: BTreeMap<VirtualAddress, SwitchHook>,
    events: mpsc::Sender<PathEvent>,
    /// Until when the task sleeps; `None` while it waits for a wake-up only.
    asleep_until: Option<Instant>,
}

impl Core {
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
            switch,
            sides: Sides::default(),
            dropped: Dropped::default(),
            ends,
            legs_changed: false,
            scatters: BTreeMap::new(),
            hooks: BTreeMap::new(),
            events,
            asleep_until: None,
        }
    }

    pub(super) fn end(&self, leg: LegId) -> Option<&End> {
        self.ends.get(leg)
    }

    pub(super) fn insert(&mut self, leg: LegId, end: End) {
        self.ends.insert(leg, end);
        self.legs_changed = true;
    }

    pub(super) fn remove(&mut self, leg: LegId) -> Option<End> {
        self.legs_changed = true;
        self.ends.remove(leg)
    }

    /// The UDP legs.
    pub(super) fn readable(&self) -> Readable {
        self.ends.readable()
    }

    pub(super) fn max_transmit_segments(&self) -> usize {
        self.ends.max_transmit_segments()
    }

    /// Where the legs for everybody are bound.
    pub(super) fn bound(&self) -> Vec<SocketAddr> {
        self.ends.bound()
    }

    /// Whether the legs are others than when this was last asked.
    pub(super) fn take_legs_changed(&mut self) -> bool {
        std::mem::take(&mut self.legs_changed)
    }

    pub(super) fn hook(&mut self, virt: VirtualAddress, hook: SwitchHook) {
        self.hooks.insert(virt, hook);
    }

    pub(super) fn unhook(&mut self, virt: VirtualAddress) -> Option<SwitchHook> {
        self.hooks.remove(&virt)
    }

    pub(super) fn scatters(&self) -> usize {
        self.scatters.len()
    }

    /// Keeps the sockets, unless their connection is gone meanwhile.
    pub(super) fn begin_scatter(&mut self, virt: VirtualAddress, scatter: Scatter) {
        if self.switch.is_attached(virt) {
            self.scatters.insert(virt, Arc::new(scatter));
        }
    }

    pub(super) fn end_scatter(&mut self, virt: VirtualAddress) -> Option<Arc<Scatter>> {
        self.scatters.remove(&virt)
    }

    pub(super) fn dropped(&self) -> Dropped {
        Dropped {
            sides: self.sides.dropped,
            ..self.dropped
        }
    }

    /// The task sleeps from now on, until then.
    pub(super) fn sleep(&mut self) -> Option<Instant> {
        self.asleep_until = self.switch.poll_timeout();
        self.asleep_until
    }

    /// The task will be woken.
    pub(super) fn stay_awake(&mut self) {
        self.asleep_until = None;
    }

    /// Whether the task sleeps longer than it may; it is to be woken then.
    pub(super) fn oversleeps(&mut self) -> bool {
        let due = self.switch.poll_timeout();
        let oversleeps = match (due, self.asleep_until) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(due), Some(until)) => due < until,
        };
        if oversleeps {
            self.asleep_until = due;
        }
        oversleeps
    }

    /// Drains the switch; what cannot be done under the lock is returned.
    pub(super) fn settle(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.switch.has_output() {
            let at = now();
            while let Some(output) = self.switch.poll_output() {
                self.act_on(output, at, &mut actions);
            }
        }
        actions
    }

    fn act_on(&mut self, output: Output, at: Instant, actions: &mut Vec<Action>) {
        let event = match output {
            Output::Transmit {
                virt,
                route,
                datagram,
            } => {
                let end = self.ends.get(route.leg).cloned();
                actions.extend(end.map(|end| Action::Send {
                    virt,
                    route,
                    end,
                    datagram,
                }));
                return;
            }
            Output::TransmitExtra {
                virt,
                socket,
                remote,
                datagram,
            } => {
                let scatter = self.scatters.get(&virt).cloned();
                actions.extend(scatter.map(|scatter| Action::SendExtra {
                    scatter,
                    socket,
                    remote,
                    datagram,
                }));
                return;
            }
            Output::Scatter { virt, sockets } => {
                actions.push(Action::Scatter { virt, sockets });
                return;
            }
            Output::EndScatter { virt } => {
                actions.extend(self.end_scatter(virt).map(Action::EndScatter));
                return;
            }
            Output::Adopt { virt, socket, leg } => {
                let scatter = self.scatters.get(&virt);
                if let Some(socket) = scatter.and_then(|scatter| scatter.adopt(socket)) {
                    self.insert(leg, End::Udp(socket));
                }
                return;
            }
            Output::CloseLeg { leg } => {
                actions.extend(self.remove(leg).map(|end| Action::CloseLeg(leg, end)));
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
            Output::Signal { virt, frame } => PathEvent::Signal {
                virt: virt.socket_addr(),
                frame,
            },
            Output::Sample { virt } => PathEvent::Sample {
                virt: virt.socket_addr(),
            },
            Output::Outcome { virt, outcome } => PathEvent::Outcome {
                virt: virt.socket_addr(),
                outcome,
            },
        };
        // A reader that is gone wants no events; one that is behind misses some.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.dropped.events += 1;
        }
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
