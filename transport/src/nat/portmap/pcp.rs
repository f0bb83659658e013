//! PCP and NAT-PMP: two ways to ask the IPv4 gateway's port 5351 (RFC 6887, RFC 6886).

use core::num::NonZeroU16;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp, pcp,
};
use dchat_nat::lease::{Grant, Refusal};

use super::Protocol;
use super::state::{Answer, Unmapped, Wanted};
use crate::nat::gateway;

/// Where gateways serve both.
pub(super) const PORT: u16 = crab_nat::GATEWAY_PORT;

/// Three questions, after which 1.75 s have passed: a gateway is one hop away, and a person who asked
/// for a report waits (RFC 6886 §3.1 begins with 250 ms and doubles as well).
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// Whom to ask: the system's gateway unless another one was chosen.
fn gateway_of(chosen: Option<Ipv4Addr>) -> Result<GatewayAddress, Unmapped> {
    let found = || match gateway::default_v4()?.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    let ip = chosen.or_else(found).ok_or(Unmapped::NoGateway)?;
    Ok(GatewayAddress::IpV4(ip))
}

fn port_of(internal: SocketAddr) -> Result<NonZeroU16, Unmapped> {
    NonZeroU16::new(internal.port()).ok_or(Unmapped::NoGateway)
}

fn options(wanted: Wanted) -> PortMappingOptions {
    PortMappingOptions {
        external_port: NonZeroU16::new(wanted.suggested),
        lifetime_seconds: Some(wanted.seconds.max(1)),
        timeout_config: Some(PATIENCE),
    }
}

fn grant(address: IpAddr, mapping: &PortMapping) -> Grant {
    Grant {
        internal: mapping.internal_port().get(),
        port: mapping.external_port().get(),
        address: Some(address),
        lifetime: Duration::from_secs(mapping.lifetime().into()),
        epoch: Some(mapping.gateway_epoch()),
    }
}

/// The gateway's PCP.
#[derive(Debug)]
pub(super) struct Pcp {
    gateway: Option<Ipv4Addr>,
    /// Names our mapping, so that a renewal is known as one.
    nonce: pcp::Nonce,
}

impl Pcp {
    pub(super) fn new(gateway: Option<Ipv4Addr>, random: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = random;
        let nonce = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes);
        Self { gateway, nonce }
    }
}

impl Protocol for Pcp {
    async fn map(&mut self, wanted: Wanted) -> Answer {
        let gateway = gateway_of(self.gateway)?;
        let client = wanted.internal.ip();
        let port = port_of(wanted.internal)?;
        let base = pcp::BaseMapRequest::new(gateway, client, InternetProtocol::Udp, port);
        let mapping = pcp::port_mapping(base, Some(self.nonce), None, options(wanted)).await;
        let mapping = mapping.map_err(|failure| pcp_failure(&failure))?;
        match mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => Ok(grant(external_ip, &mapping)),
            PortMappingType::NatPmp => Err(Unmapped::Nonsense),
        }
    }

    async fn unmap(&mut self, internal: SocketAddr, _: u16) {
        let (Ok(gateway), Ok(internal_port)) = (gateway_of(self.gateway), port_of(internal)) else {
            return;
        };
        let range = pcp::DropMappingRange::Single {
            protocol: InternetProtocol::Udp,
            internal_port,
        };
        let (client, patience) = (internal.ip(), Some(PATIENCE));
        let dropped = pcp::try_drop_mapping(gateway, client, self.nonce, range, patience).await;
        if let Err(error) = dropped {
            // It ends by itself with its lifetime.
            tracing::debug!(%error, "a port mapping could not be withdrawn");
        }
    }
}

/// The gateway's NAT-PMP.
#[derive(Debug)]
pub(super) struct NatPmp {
    gateway: Option<Ipv4Addr>,
}

impl NatPmp {
    pub(super) fn new(gateway: Option<Ipv4Addr>) -> Self {
        Self { gateway }
    }
}

impl Protocol for NatPmp {
    async fn map(&mut self, wanted: Wanted) -> Answer {
        let gateway = gateway_of(self.gateway)?;
        let port = port_of(wanted.internal)?;
        let outside = natpmp::external_address(gateway, Some(PATIENCE)).await;
        let outside = outside.map_err(|failure| natpmp_failure(&failure))?;
        let udp = InternetProtocol::Udp;
        let mapping = natpmp::port_mapping(gateway, udp, port, options(wanted)).await;
        let mapping = mapping.map_err(|failure| natpmp_failure(&failure))?;
        Ok(grant(outside.into(), &mapping))
    }

    async fn unmap(&mut self, internal: SocketAddr, _: u16) {
        let (Ok(gateway), Ok(port)) = (gateway_of(self.gateway), port_of(internal)) else {
            return;
        };
        let (udp, patience) = (InternetProtocol::Udp, Some(PATIENCE));
        if let Err(error) = natpmp::try_drop_mapping(gateway, udp, Some(port), patience).await {
            tracing::debug!(%error, "a port mapping could not be withdrawn");
        }
    }
}

fn pcp_failure(failure: &pcp::Failure) -> Unmapped {
    use pcp::Failure as F;
    Unmapped::Refused(match failure {
        // No service at the port is as good as silence.
        F::Socket(_) | F::Timeout => return Unmapped::NoAnswer,
        F::Nonce | F::InvalidResponse(_) => return Unmapped::Nonsense,
        F::NotAuthorized(_) | F::AddressMismatch => Refusal::Denied,
        F::CannotProvideExternal(_) => Refusal::Taken,
        F::NoResources(_) | F::UserExceededQuota(_) | F::NetworkFailure(_) => Refusal::Busy,
        F::UnsupportedVersion(_)
        | F::UnsupportedOpcode
        | F::UnsupportedProtocol
        | F::UnsupportedOption
        | F::MalformedRequest
        | F::MalformedOption
        | F::ExcessiveRemotePeers => Refusal::Unsupported,
    })
}

fn natpmp_failure(failure: &natpmp::Failure) -> Unmapped {
    use natpmp::Failure as F;
    Unmapped::Refused(match failure {
        F::Socket(_) | F::Timeout => return Unmapped::NoAnswer,
        F::InvalidResponse(_) => return Unmapped::Nonsense,
        F::NotAuthorized => Refusal::Denied,
        F::OutOfResources | F::NetworkFailure => Refusal::Busy,
        F::UnsupportedVersion(_) | F::UnsupportedOpcode => Refusal::Unsupported,
    })
}
