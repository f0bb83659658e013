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
mod keep;
mod pcp;
mod state;
mod upnp;

#[cfg(test)]
mod tests;

use core::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use dchat_nat::lease;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::gateway;

pub use config::PortMapConfig;
pub use state::{MappingState, PortMapping};

use keep::Keep;
use state::{Answer, Wanted};

/// One way to ask a gateway. Futures may be dropped at any await.
trait Protocol: Send + 'static {
    /// Asks for the mapping, or renews it.
    fn map(&mut self, wanted: Wanted) -> impl Future<Output = Answer> + Send;

    /// Gives back a mapping of `internal` to the outside `port`.
    fn unmap(&mut self, internal: SocketAddr, port: u16) -> impl Future<Output = ()> + Send;
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
    /// does. `seed` has to be used once. Needs a tokio runtime with I/O and time.
    #[must_use]
    pub fn start(
        config: &PortMapConfig,
        bound: &[SocketAddr],
        changes: &watch::Receiver<()>,
        seed: [u8; 32],
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let state = watch::Sender::new(config.begun());
        let receiver = state.subscribe();
        let mut tasks = JoinSet::new();
        type Slot = fn(&mut PortMapping) -> &mut MappingState;
        let keep = |name: &str, v4: bool, remote: Option<SocketAddr>, slot: Slot| Keep {
            port: port(bound, v4, remote.is_some()),
            v4,
            remote,
            config: lease::Config {
                lifetime: config.lifetime,
                ..lease::Config::default()
            },
            seed: blake3::derive_key(&format!("{CONTEXT} {name}"), &seed),
            state: state.clone(),
            slot,
            changes: changes.clone(),
            stopped: stopped.clone(),
        };
        let gateway = config.gateway.map(|ip| (ip, pcp::PORT).into());
        if config.pcp {
            let keep = keep("pcp", true, gateway, |mapping| &mut mapping.pcp);
            let nonce = blake3::derive_key(&format!("{CONTEXT} nonce"), &seed);
            tasks.spawn(keep.run(pcp::Pcp::new(config.gateway, nonce)));
        }
        if config.nat_pmp {
            let keep = keep("nat-pmp", true, gateway, |mapping| &mut mapping.nat_pmp);
            tasks.spawn(keep.run(pcp::NatPmp::new(config.gateway)));
        }
        if config.upnp {
            let first = keep("upnp", true, config.ssdp, |mapping| &mut mapping.upnp);
            tasks.spawn(first.run(upnp::Upnp::new(config.ssdp)));
            let second = keep("pinhole", false, config.ssdp_v6, |mapping| {
                &mut mapping.pinhole
            });
            tasks.spawn(second.run(upnp::Pinhole::new(config.ssdp_v6)));
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

/// BLAKE3 context of what is random here.
const CONTEXT: &str = "dchat/1 2026-11 port mapping";

/// The port of the first socket of a family that others could reach; of any, where the gateway is on
/// this machine.
fn port(bound: &[SocketAddr], v4: bool, forced: bool) -> Option<u16> {
    let usable = |socket: &&SocketAddr| forced || !socket.ip().is_loopback();
    let mut sockets = bound.iter().filter(usable);
    let socket = sockets.find(|socket| v4 == socket.is_ipv4())?;
    Some(socket.port()).filter(|port| *port != 0)
}

/// The address of ours that a gateway can map: the one that leads to `remote`, or to the gateway, or
/// that packets to the world come from.
fn local(v4: bool, remote: Option<SocketAddr>) -> Option<IpAddr> {
    if let Some(remote) = remote {
        return gateway::source(remote);
    }
    if v4 {
        // An address for documentation: nothing is sent.
        let world = || gateway::source((Ipv4Addr::new(192, 0, 2, 1), 9).into());
        let ip = gateway::default_v4().and_then(|gateway| gateway.local_ip());
        ip.or_else(world).filter(|ip| !ip.is_loopback())
    } else {
        let world = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let ip = gateway::source((world, 9).into())?;
        // Only an address of the world is worth a hole.
        dchat_nat::scope::is_global(ip).then_some(ip)
    }
}
