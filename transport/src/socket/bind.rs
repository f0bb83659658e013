//! Opening the legs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::driver;
use super::events::{self, PathEvents};
use super::leg::Leg;
use super::paths::Paths;
use super::shared::{Lease, Shared};
use super::virtual_socket::VirtualSocket;
use crate::path::{self, Config, bounds};

/// Why the node cannot listen. Nothing stays bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {cause}")]
pub struct BindError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// What is wrong with it.
    pub cause: BindCause,
}

/// What is wrong with an address to listen on.
#[derive(Debug, thiserror::Error)]
pub enum BindCause {
    /// Another socket has the port.
    #[error("the port is in use; stop the other program or choose another port")]
    InUse,
    /// No interface has the address.
    #[error("no interface of this machine has that address")]
    NotAssigned,
    /// The port or address needs a privilege.
    #[error("permission denied; ports below 1024 need a privilege")]
    Permission,
    /// None was given, or more than [`bounds::LEGS`].
    #[error("give between 1 and {} addresses", bounds::LEGS)]
    Count,
    /// The caller's mistake: there is no tokio runtime to run on.
    #[error("called outside of a tokio runtime")]
    NoRuntime,
    /// Anything else the operating system says.
    #[error(transparent)]
    Other(io::Error),
}

impl From<io::Error> for BindCause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse,
            io::ErrorKind::AddrNotAvailable => Self::NotAssigned,
            io::ErrorKind::PermissionDenied => Self::Permission,
            _ => Self::Other(error),
        }
    }
}

/// Binds one UDP socket per address and starts the task that drives the switch between them and
/// quinn; it ends when the last handle is dropped. `[::]:port` carries IPv4 as well where the
/// operating system allows it (unless `0.0.0.0:port` is listed too), and becomes `0.0.0.0:port` on
/// a host without IPv6. `seed` is 32 random bytes that nothing else uses.
///
/// # Errors
/// [`BindError`] says which address and why; nothing stays bound.
pub fn bind(
    listen: &[SocketAddr],
    seed: [u8; 32],
) -> Result<(Arc<VirtualSocket>, Paths, PathEvents), BindError> {
    bind_with(listen, seed, Config::default())
}

/// [`bind`] with other table sizes.
///
/// # Errors
/// As [`bind`].
pub fn bind_with(
    listen: &[SocketAddr],
    seed: [u8; 32],
    config: Config,
) -> Result<(Arc<VirtualSocket>, Paths, PathEvents), BindError> {
    let first = listen
        .first()
        .copied()
        .unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
    let fail = |addr| move |cause| BindError { addr, cause };
    if listen.is_empty() || listen.len() > bounds::LEGS {
        return Err(fail(first)(BindCause::Count));
    }
    let runtime =
        tokio::runtime::Handle::try_current().map_err(|_| fail(first)(BindCause::NoRuntime))?;
    let mut legs = Vec::with_capacity(listen.len());
    for addr in listen {
        let rival = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
        let dual = addr.ip().is_unspecified() && !listen.contains(&rival);
        let (leg, dual) = open(*addr, dual).map_err(|error| fail(*addr)(error.into()))?;
        let described = path::Leg::Udp {
            bound: path::canonical(leg.bound()),
            dual,
        };
        legs.push((described, leg));
    }
    let (sender, receiver) = events::channel();
    let shared = Shared::new(legs, seed, config, sender, runtime.clone());
    runtime.spawn(driver::drive(shared.clone()));
    let lease = Arc::new(Lease(shared));
    Ok((
        Arc::new(VirtualSocket::new(lease.clone())),
        Paths::new(lease),
        receiver,
    ))
}

/// The socket, and whether it carries both families.
fn open(addr: SocketAddr, dual: bool) -> io::Result<(Leg, bool)> {
    let opened = open_as(addr, dual && addr.is_ipv6());
    match opened {
        // A host without IPv6: its wildcard is IPv4's.
        Err(error) if dual && addr.is_ipv6() && lacks_ipv6(&error) => open_as(
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()),
            false,
        ),
        Ok(_) | Err(_) => opened,
    }
}

fn open_as(addr: SocketAddr, dual: bool) -> io::Result<(Leg, bool)> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    let mut dual = dual;
    if addr.is_ipv6() && socket.set_only_v6(!dual).is_err() {
        // Some systems know only one of the two.
        dual = !socket.only_v6()?;
    }
    socket.bind(&addr.into())?;
    Ok((Leg::new(socket.into(), dual)?, dual))
}

/// One more socket, for one connection.
pub(super) fn open_extra(addr: SocketAddr) -> io::Result<Leg> {
    Leg::extra(UdpSocket::bind(addr)?)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // No such address family, no such address, or a family switched off by sysctl: in each case
    // binding `::` says something else than "in use" or "not permitted".
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}
