//! Port mappings: asking the gateway to let others in.
//!
//! * State: one task for each protocol, with the lease it holds. Inputs: the port of our socket, word
//!   that the network changed. Output: [`PortMapping`] through a watch channel.
//! * All protocols are tried beside each other: gateways speak any of them, and a report says what
//!   each came to. A mapping is renewed at half its time, and withdrawn by
//!   [`PortMapper::withdraw`].
//! * Bounds: one question at a time and protocol, each with a deadline; a gateway that hangs, lies or
//!   floods costs its protocol's task a wait and nobody else anything. What the gateway claims as our
//!   public address is a hint that peers test, never a fact.

mod config;
mod lease;
mod pcp;
mod state;
mod upnp;

#[cfg(test)]
mod tests;

use core::future::Future;
use core::num::NonZeroU16;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use config::PortMapConfig;
pub use state::{MappingState, PortMapping, Refusal};

use state::{Failure, Granted, Wanted};

/// One way to ask a gateway. Futures may be dropped at any await.
trait Protocol: Send + 'static {
    /// Asks for the mapping, or renews it.
    fn map(&mut self, wanted: Wanted) -> impl Future<Output = Result<Granted, Failure>> + Send;

    /// Gives back what was granted.
    fn unmap(&mut self) -> impl Future<Output = ()> + Send;
}

/// Keeps the port mapped until it is dropped.
#[derive(Debug)]
pub struct PortMapper {
    state: watch::Receiver<PortMapping>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl PortMapper {
    /// Begins to ask for a mapping to the socket bound to one of `bound`: the first that others could
    /// reach. Without one everything is [`MappingState::NoGateway`]. Asks anew whenever `changes`
    /// does. `random` names our mappings. Needs a tokio runtime with I/O and time.
    #[must_use]
    pub fn start(
        config: &PortMapConfig,
        bound: &[SocketAddr],
        changes: watch::Receiver<()>,
        random: [u8; 12],
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let state = watch::Sender::new(PortMapping::default());
        let receiver = state.subscribe();
        let mut tasks = JoinSet::new();
        let usable = |socket: &&SocketAddr| config.is_forced() || !socket.ip().is_loopback();
        let of = |v4: bool| {
            let mut sockets = bound.iter().filter(usable);
            let socket = sockets.find(|socket| v4 == socket.is_ipv4() || is_dual(socket, bound));
            socket.and_then(|socket| NonZeroU16::new(socket.port()))
        };
        let mut keep = Keep {
            port: None,
            lifetime: config.lifetime,
            state,
            slot: |mapping| &mut mapping.pcp,
            changes,
            stopped,
        };
        keep.port = of(true);
        if config.pcp {
            tasks.spawn(keep.clone().run(pcp::Pcp::new(config.gateway, random)));
        }
        keep.slot = |mapping| &mut mapping.nat_pmp;
        if config.nat_pmp {
            tasks.spawn(keep.clone().run(pcp::NatPmp::new(config.gateway)));
        }
        keep.slot = |mapping| &mut mapping.upnp;
        if config.upnp {
            tasks.spawn(keep.clone().run(upnp::Upnp::new(config.ssdp)));
        }
        keep.slot = |mapping| &mut mapping.pinhole;
        keep.port = of(false);
        if config.upnp {
            tasks.spawn(keep.run(upnp::Pinhole::new(config.ssdp_v6)));
        }
        Self {
            state: receiver,
            stop,
            tasks,
        }
    }

    /// What each protocol came to.
    #[must_use]
    pub fn state(&self) -> PortMapping {
        *self.state.borrow()
    }

    /// The same, to be followed.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<PortMapping> {
        self.state.clone()
    }

    /// Gives all mappings back, and returns when that is done or `deadline` has passed; what could
    /// not be given back ends by itself.
    pub async fn withdraw(mut self, deadline: Duration) {
        self.stop.send_replace(true);
        let done = async { while self.tasks.join_next().await.is_some() {} };
        // Dropping `self` ends what is left.
        let _ = tokio::time::timeout(deadline, done).await;
    }
}

/// A socket on `::` carries IPv4 as well, unless another one on the port does.
fn is_dual(socket: &SocketAddr, bound: &[SocketAddr]) -> bool {
    socket.is_ipv6()
        && socket.ip().is_unspecified()
        && !bound
            .iter()
            .any(|other| other.is_ipv4() && other.port() == socket.port())
}

/// What keeps one protocol's mapping.
#[derive(Clone)]
struct Keep {
    port: Option<NonZeroU16>,
    lifetime: Duration,
    state: watch::Sender<PortMapping>,
    slot: fn(&mut PortMapping) -> &mut MappingState,
    changes: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
}

/// For one question and its repetitions. A gateway that is slower may as well not be there.
const ATTEMPT: Duration = Duration::from_secs(15);

impl Keep {
    fn show(&self, now: MappingState) {
        self.state.send_if_modified(|state| {
            let slot = (self.slot)(state);
            core::mem::replace(slot, now) != now
        });
    }

    async fn run(mut self, mut protocol: impl Protocol) {
        let Some(port) = self.port else {
            return self.show(MappingState::NoGateway);
        };
        self.show(MappingState::Asking);
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = self.keep(port, &mut protocol) => {}
            // Also when nobody holds the other end any more.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        self.show(MappingState::Off);
        protocol.unmap().await;
    }
}
