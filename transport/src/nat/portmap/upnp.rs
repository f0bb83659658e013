//! UPnP: a mapping for IPv4 (`WANIPConnection`) and a hole in the IPv6 firewall
//! (`WANIPv6FirewallControl`).
//!
//! `igd-next` believes only a device that names itself, not another host, and reads at most 1 MiB of
//! at most 64 nested elements. No text of a gateway's goes further than here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use igd_next::aio::tokio::{Tokio, search_gateway, search_ipv6_firewall_gateway};
use igd_next::aio::{Gateway, Ipv6FirewallGateway};
use igd_next::{
    AddAnyPortError, AddPortError, GetExternalIpError, PinholeError, PortMappingProtocol,
    RequestError, SearchError, SearchOptions,
};

use super::Protocol;
use super::state::{Failure, Granted, Refusal, Wanted, plausible};
use crate::nat::gateway;

/// How a mapping is shown in the gateway's list.
const NAME: &str = "dchat";
/// For how long a gateway may think about a search. The request allows devices three seconds, but
/// gateways answer at once, and a person who asked for a report waits.
const SEARCH: Duration = Duration::from_millis(1_900);
/// How long a pinhole may live (UPnP WANIPv6FirewallControl:1 §2.3).
const PINHOLE_MOST: Duration = Duration::from_secs(86_400);

/// Where to look for devices.
fn options(ssdp: Option<SocketAddr>, multicast: SearchOptions) -> SearchOptions {
    let mut options = multicast;
    options.timeout = Some(SEARCH);
    options.single_search_timeout = Some(SEARCH);
    if let Some(ssdp) = ssdp {
        options.broadcast_address = ssdp;
        options.allowed_gateway_ips = vec![ssdp.ip()];
    }
    options
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

/// A mapping for IPv4.
#[derive(Debug)]
pub(super) struct Upnp {
    ssdp: Option<SocketAddr>,
    gateway: Option<Gateway<Tokio>>,
    held: Option<u16>,
}

impl Upnp {
    /// Looks by multicast, or at `ssdp`.
    pub(super) fn new(ssdp: Option<SocketAddr>) -> Self {
        Self {
            ssdp,
            gateway: None,
            held: None,
        }
    }

    async fn gateway(&mut self) -> Result<Gateway<Tokio>, Failure> {
        if let Some(gateway) = &self.gateway {
            return Ok(gateway.clone());
        }
        let mut options = options(self.ssdp, SearchOptions::default());
        let default = gateway::default_v4().and_then(|gateway| gateway.local_ip());
        options.bind_addr = match self.ssdp {
            Some(ssdp) => (gateway::source(ssdp).ok_or(Failure::NoGateway)?, 0).into(),
            // The question leaves by the interface whose address it comes from.
            None => (default.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), 0).into(),
        };
        let gateway = search_gateway(options).await;
        let gateway = gateway.map_err(|error| search_failure(&error))?;
        self.gateway = Some(gateway.clone());
        Ok(gateway)
    }

    async fn ask(&mut self, wanted: Wanted) -> Result<Granted, Failure> {
        let gateway = self.gateway().await?;
        let local = gateway::source(gateway.addr).ok_or(Failure::NoGateway)?;
        let client = SocketAddr::new(local, wanted.port.get());
        let outside = gateway.get_external_ip().await;
        let outside = outside.map_err(|error| outside_failure(&error))?;
        plausible(outside, 1)?;
        let (port, lifetime) = add_port(&gateway, client, wanted).await?;
        self.held = Some(port);
        Ok(Granted {
            external: plausible(outside, port)?,
            lifetime,
        })
    }
}

impl Protocol for Upnp {
    async fn map(&mut self, wanted: Wanted) -> Result<Granted, Failure> {
        let granted = self.ask(wanted).await;
        if granted.is_err() {
            // It may have restarted elsewhere.
            self.gateway = None;
        }
        granted
    }

    async fn unmap(&mut self) {
        if let (Some(gateway), Some(port)) = (&self.gateway, self.held.take())
            && let Err(error) = gateway.remove_port(PortMappingProtocol::UDP, port).await
        {
            tracing::debug!(%error, "a port mapping could not be withdrawn");
        }
    }
}

/// Maps the outside port that is wanted, or another when it is taken.
async fn add_port(
    gateway: &Gateway<Tokio>,
    client: SocketAddr,
    wanted: Wanted,
) -> Result<(u16, Duration), Failure> {
    let udp = PortMappingProtocol::UDP;
    let port = wanted.external.get();
    let lease = seconds(wanted.lifetime);
    let added = match gateway.add_port(udp, port, client, lease, NAME).await {
        // Old gateways know mappings that stay only; it is asked for again as if it ended.
        Err(AddPortError::OnlyPermanentLeasesSupported) => {
            gateway.add_port(udp, port, client, 0, NAME).await
        }
        added => added,
    };
    match added {
        Ok(()) => Ok((port, wanted.lifetime)),
        Err(AddPortError::PortInUse) => {
            let port = match gateway.add_any_port(udp, client, lease, NAME).await {
                Err(AddAnyPortError::OnlyPermanentLeasesSupported) => {
                    gateway.add_any_port(udp, client, 0, NAME).await
                }
                added => added,
            };
            let port = port.map_err(|error| any_port_failure(&error))?;
            Ok((port, wanted.lifetime))
        }
        Err(error) => Err(port_failure(&error)),
    }
}

/// A hole in the IPv6 firewall.
#[derive(Debug)]
pub(super) struct Pinhole {
    ssdp: Option<SocketAddr>,
    held: Option<(Ipv6FirewallGateway<Tokio>, SocketAddrV6, u16)>,
}

impl Pinhole {
    /// Looks by multicast on the interface of the IPv6 gateway, or at `ssdp`.
    pub(super) fn new(ssdp: Option<SocketAddr>) -> Self {
        Self { ssdp, held: None }
    }

    /// The gateway, and the address of ours that it would let others reach.
    async fn gateway(&self) -> Result<(Ipv6FirewallGateway<Tokio>, Ipv6Addr), Failure> {
        let options = match self.ssdp {
            Some(ssdp) => {
                let mut options = options(Some(ssdp), SearchOptions::ipv6(0));
                let local = gateway::source(ssdp).ok_or(Failure::NoGateway)?;
                options.bind_addr = (local, 0).into();
                options
            }
            None => {
                // Without an address in the world there is nothing to make a hole for.
                global_v6().ok_or(Failure::NoGateway)?;
                let default = gateway::default_v6().ok_or(Failure::NoGateway)?;
                let index = default.index.ok_or(Failure::NoGateway)?;
                options(None, SearchOptions::ipv6(index))
            }
        };
        let gateway = search_ipv6_firewall_gateway(options).await;
        let gateway = gateway.map_err(|error| search_failure(&error))?;
        // Gateways make holes for who asks only: for the address that the request comes from.
        let ours = match gateway::source(gateway.addr) {
            Some(IpAddr::V6(ip)) if is_global(ip) || self.ssdp.is_some() => ip,
            _ => global_v6().ok_or(Failure::NoGateway)?,
        };
        Ok((gateway, ours))
    }
}

impl Protocol for Pinhole {
    async fn map(&mut self, wanted: Wanted) -> Result<Granted, Failure> {
        let lifetime = wanted.lifetime.clamp(Duration::from_secs(1), PINHOLE_MOST);
        if let Some((gateway, client, id)) = &self.held {
            let stays = gateway::source(SocketAddr::V6(*client)) == Some((*client.ip()).into());
            if stays && gateway.update_pinhole(*id, seconds(lifetime)).await.is_ok() {
                return Ok(Granted {
                    external: (*client).into(),
                    lifetime,
                });
            }
            self.held = None;
        }
        let (gateway, ip) = self.gateway().await?;
        let client = SocketAddrV6::new(ip, wanted.port.get(), 0, 0);
        let udp = PortMappingProtocol::UDP;
        let id = gateway.add_pinhole(udp, client, seconds(lifetime)).await;
        let id = id.map_err(|error| pinhole_failure(&error))?;
        self.held = Some((gateway, client, id));
        Ok(Granted {
            external: client.into(),
            lifetime,
        })
    }

    async fn unmap(&mut self) {
        if let Some((gateway, _, id)) = self.held.take()
            && let Err(error) = gateway.remove_pinhole(id).await
        {
            tracing::debug!(%error, "a pinhole could not be withdrawn");
        }
    }
}

/// An address of ours that is valid everywhere, the first of an interface that is up.
fn global_v6() -> Option<Ipv6Addr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut up = interfaces.iter().filter(|one| one.is_oper_up());
    up.find_map(|one| match one.ip() {
        IpAddr::V6(ip) if is_global(ip) => Some(ip),
        _ => None,
    })
}

/// Of 2000::/3, which is all that has been given out (RFC 4291 §2.4, IANA).
fn is_global(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xe000 == 0x2000
}

fn search_failure(error: &SearchError) -> Failure {
    match error {
        SearchError::NoResponseWithinTimeout => Failure::NoAnswer,
        SearchError::IoError(_) => Failure::NoGateway,
        _ => Failure::Refused(Refusal::Nonsense),
    }
}

fn request_failure(error: &RequestError) -> Failure {
    Failure::Refused(match error {
        RequestError::IoError(error) if error.kind() == io::ErrorKind::InvalidData => {
            Refusal::Nonsense
        }
        RequestError::IoError(_)
        | RequestError::HyperError(_)
        | RequestError::HyperClientError(_) => {
            return Failure::NoAnswer;
        }
        RequestError::ErrorCode(code, _) => Refusal::Code(*code),
        RequestError::UnsupportedAction(_) => Refusal::Unsupported,
        _ => Refusal::Nonsense,
    })
}

fn outside_failure(error: &GetExternalIpError) -> Failure {
    match error {
        GetExternalIpError::ActionNotAuthorized => Failure::Refused(Refusal::NotAuthorized),
        GetExternalIpError::RequestError(error) => request_failure(error),
    }
}

fn port_failure(error: &AddPortError) -> Failure {
    match error {
        AddPortError::ActionNotAuthorized => Failure::Refused(Refusal::NotAuthorized),
        AddPortError::RequestError(error) => request_failure(error),
        AddPortError::PortInUse | AddPortError::SamePortValuesRequired => {
            Failure::Refused(Refusal::NoResources)
        }
        _ => Failure::Refused(Refusal::Unsupported),
    }
}

fn any_port_failure(error: &AddAnyPortError) -> Failure {
    match error {
        AddAnyPortError::ActionNotAuthorized => Failure::Refused(Refusal::NotAuthorized),
        AddAnyPortError::RequestError(error) => request_failure(error),
        AddAnyPortError::NoPortsAvailable | AddAnyPortError::ExternalPortInUse => {
            Failure::Refused(Refusal::NoResources)
        }
        _ => Failure::Refused(Refusal::Unsupported),
    }
}

fn pinhole_failure(error: &PinholeError) -> Failure {
    Failure::Refused(match error {
        PinholeError::ActionNotAuthorized
        | PinholeError::FirewallDisabled
        | PinholeError::InboundPinholeNotAllowed => Refusal::NotAuthorized,
        PinholeError::PinholeSpaceExhausted => Refusal::NoResources,
        PinholeError::RequestError(error) => return request_failure(error),
        _ => Refusal::Unsupported,
    })
}
