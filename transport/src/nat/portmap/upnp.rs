//! UPnP: a mapping for IPv4 (`WANIPConnection`) and a hole in the IPv6 firewall
//! (`WANIPv6FirewallControl`).
//!
//! `igd-next` believes only a device that names itself, not another host, and reads at most 1 MiB of
//! at most 64 nested elements. No text of a gateway's goes further than here.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use dchat_nat::lease::{Grant, Refusal};
use igd_next::aio::tokio::{Tokio, search_gateway, search_ipv6_firewall_gateway};
use igd_next::aio::{Gateway, Ipv6FirewallGateway};
use igd_next::{
    AddAnyPortError, AddPortError, GetExternalIpError, PinholeError, PortMappingProtocol,
    RequestError, SearchError, SearchOptions,
};

use super::Protocol;
use super::state::{Answer, Unmapped, Wanted};
use crate::nat::gateway;

/// How a mapping is shown in the gateway's list.
const NAME: &str = "dchat";
/// For how long a gateway may think about a search. The request allows devices three seconds, but
/// gateways answer at once, and a person who asked for a report waits.
const SEARCH: Duration = Duration::from_millis(1_900);
/// How long a pinhole may live, in seconds (UPnP WANIPv6FirewallControl:1 §2.3).
const PINHOLE_MOST: u32 = 86_400;

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

/// A mapping for IPv4.
#[derive(Debug)]
pub(super) struct Upnp {
    ssdp: Option<SocketAddr>,
    gateway: Option<Gateway<Tokio>>,
}

impl Upnp {
    /// Looks by multicast, or at `ssdp`.
    pub(super) fn new(ssdp: Option<SocketAddr>) -> Self {
        Self {
            ssdp,
            gateway: None,
        }
    }

    async fn gateway(&mut self, local: IpAddr) -> Result<Gateway<Tokio>, Unmapped> {
        if let Some(gateway) = &self.gateway {
            return Ok(gateway.clone());
        }
        let mut options = options(self.ssdp, SearchOptions::default());
        // The question leaves by the interface whose address it comes from.
        options.bind_addr = (local, 0).into();
        let gateway = search_gateway(options).await;
        let gateway = gateway.map_err(|error| search_failure(&error))?;
        self.gateway = Some(gateway.clone());
        Ok(gateway)
    }

    async fn ask(&mut self, wanted: Wanted) -> Answer {
        let gateway = self.gateway(wanted.internal.ip()).await?;
        let outside = gateway.get_external_ip().await;
        let outside = outside.map_err(|error| outside_failure(&error))?;
        let (port, lifetime) = add_port(&gateway, wanted).await?;
        Ok(Grant {
            internal: wanted.internal.port(),
            port,
            address: Some(outside),
            lifetime,
            epoch: None,
        })
    }
}

impl Protocol for Upnp {
    async fn map(&mut self, wanted: Wanted) -> Answer {
        let answer = self.ask(wanted).await;
        if answer.is_err() {
            // It may have restarted elsewhere.
            self.gateway = None;
        }
        answer
    }

    async fn unmap(&mut self, _: SocketAddr, port: u16) {
        if let Some(gateway) = &self.gateway
            && let Err(error) = gateway.remove_port(PortMappingProtocol::UDP, port).await
        {
            // It ends by itself with its lease.
            tracing::debug!(%error, "a port mapping could not be withdrawn");
        }
    }
}

/// Maps the outside port that is suggested, or any; the port and for how long.
async fn add_port(gateway: &Gateway<Tokio>, wanted: Wanted) -> Result<(u16, Duration), Unmapped> {
    let udp = PortMappingProtocol::UDP;
    let (client, port) = (wanted.internal, wanted.suggested);
    let some_time = Duration::from_secs(wanted.seconds.into());
    if port == 0 {
        return match gateway
            .add_any_port(udp, client, wanted.seconds, NAME)
            .await
        {
            // Old gateways know mappings without end only.
            Err(AddAnyPortError::OnlyPermanentLeasesSupported) => {
                let port = gateway.add_any_port(udp, client, 0, NAME).await;
                port.map(|port| (port, Duration::MAX))
            }
            port => port.map(|port| (port, some_time)),
        }
        .map_err(|error| any_port_failure(&error));
    }
    match gateway
        .add_port(udp, port, client, wanted.seconds, NAME)
        .await
    {
        Err(AddPortError::OnlyPermanentLeasesSupported) => {
            let added = gateway.add_port(udp, port, client, 0, NAME).await;
            added.map(|()| (port, Duration::MAX))
        }
        added => added.map(|()| (port, some_time)),
    }
    .map_err(|error| port_failure(&error))
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

    async fn gateway(&self, local: IpAddr) -> Result<Ipv6FirewallGateway<Tokio>, Unmapped> {
        let multicast = match self.ssdp {
            Some(_) => SearchOptions::ipv6(0),
            None => {
                let default = gateway::default_v6().ok_or(Unmapped::NoGateway)?;
                SearchOptions::ipv6(default.index.ok_or(Unmapped::NoGateway)?)
            }
        };
        let mut options = options(self.ssdp, multicast);
        // A gateway answers a link-local address from one of its own, names another one, and would
        // not be believed; and it makes holes for the address only that asks for them.
        options.bind_addr = (local, 0).into();
        let gateway = search_ipv6_firewall_gateway(options).await;
        gateway.map_err(|error| search_failure(&error))
    }
}

impl Protocol for Pinhole {
    async fn map(&mut self, wanted: Wanted) -> Answer {
        let SocketAddr::V6(wished) = wanted.internal else {
            return Err(Unmapped::NoGateway);
        };
        let seconds = wanted.seconds.clamp(1, PINHOLE_MOST);
        let granted = Grant {
            internal: wished.port(),
            port: wished.port(),
            // Nothing is translated: outside it is the same.
            address: None,
            lifetime: Duration::from_secs(seconds.into()),
            epoch: None,
        };
        if let Some((gateway, client, id)) = &self.held
            && *client == wished
            && gateway.update_pinhole(*id, seconds).await.is_ok()
        {
            return Ok(granted);
        }
        self.held = None;
        let gateway = self.gateway((*wished.ip()).into()).await?;
        // Gateways make holes for who asks only: for the address that the request comes from, which
        // is `wished` as long as that is the one we talk to the world from.
        let udp = PortMappingProtocol::UDP;
        let id = gateway.add_pinhole(udp, wished, seconds).await;
        let id = id.map_err(|error| pinhole_failure(&error))?;
        self.held = Some((gateway, wished, id));
        Ok(granted)
    }

    async fn unmap(&mut self, _: SocketAddr, _: u16) {
        if let Some((gateway, _, id)) = self.held.take()
            && let Err(error) = gateway.remove_pinhole(id).await
        {
            tracing::debug!(%error, "a pinhole could not be withdrawn");
        }
    }
}

fn search_failure(error: &SearchError) -> Unmapped {
    match error {
        SearchError::NoResponseWithinTimeout => Unmapped::NoAnswer,
        SearchError::IoError(_) => Unmapped::NoGateway,
        _ => Unmapped::Nonsense,
    }
}

fn request_failure(error: &RequestError) -> Unmapped {
    match error {
        RequestError::IoError(_)
        | RequestError::HyperError(_)
        | RequestError::HyperClientError(_) => Unmapped::NoAnswer,
        // "Action failed" (501) may pass; others are told by the caller, or of no use to know.
        RequestError::ErrorCode(..) => Unmapped::Refused(Refusal::Busy),
        RequestError::UnsupportedAction(_) => Unmapped::Refused(Refusal::Unsupported),
        _ => Unmapped::Nonsense,
    }
}

fn outside_failure(error: &GetExternalIpError) -> Unmapped {
    match error {
        GetExternalIpError::ActionNotAuthorized => Unmapped::Refused(Refusal::Denied),
        GetExternalIpError::RequestError(error) => request_failure(error),
    }
}

fn port_failure(error: &AddPortError) -> Unmapped {
    Unmapped::Refused(match error {
        AddPortError::ActionNotAuthorized => Refusal::Denied,
        AddPortError::RequestError(error) => return request_failure(error),
        AddPortError::PortInUse => Refusal::Taken,
        _ => Refusal::Unsupported,
    })
}

fn any_port_failure(error: &AddAnyPortError) -> Unmapped {
    Unmapped::Refused(match error {
        AddAnyPortError::ActionNotAuthorized => Refusal::Denied,
        AddAnyPortError::RequestError(error) => return request_failure(error),
        AddAnyPortError::NoPortsAvailable | AddAnyPortError::ExternalPortInUse => Refusal::Busy,
        _ => Refusal::Unsupported,
    })
}

fn pinhole_failure(error: &PinholeError) -> Unmapped {
    Unmapped::Refused(match error {
        PinholeError::ActionNotAuthorized
        | PinholeError::FirewallDisabled
        | PinholeError::InboundPinholeNotAllowed => Refusal::Denied,
        PinholeError::PinholeSpaceExhausted => Refusal::Busy,
        PinholeError::RequestError(error) => return request_failure(error),
        _ => Refusal::Unsupported,
    })
}
