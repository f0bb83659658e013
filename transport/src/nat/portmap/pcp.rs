//! PCP and NAT-PMP: two ways to ask the IPv4 gateway's port 5351 (RFC 6887, RFC 6886).

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp, pcp,
};

use super::Protocol;
use super::state::{Failure, Granted, Refusal, Wanted, plausible};
use crate::nat::gateway;

/// Three questions, after which 1.75 s have passed: a gateway is one hop away, and a person who asked
/// for a report waits (RFC 6886 §3.1 begins with 250 ms and doubles as well).
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// Whom to ask, for tests and for those who know better than the routing table.
fn gateway_ip(chosen: Option<Ipv4Addr>) -> Result<(Ipv4Addr, IpAddr), Failure> {
    let found = || match gateway::default_v4()?.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    let ip = chosen.or_else(found).ok_or(Failure::NoGateway)?;
    let local = gateway::source((ip, crab_nat::GATEWAY_PORT).into()).ok_or(Failure::NoGateway)?;
    Ok((ip, local))
}

fn options(wanted: Wanted) -> PortMappingOptions {
    PortMappingOptions {
        external_port: Some(wanted.external),
        lifetime_seconds: Some(u32::try_from(wanted.lifetime.as_secs()).unwrap_or(u32::MAX)),
        timeout_config: Some(PATIENCE),
    }
}

fn granted(ip: IpAddr, mapping: &PortMapping) -> Result<Granted, Failure> {
    Ok(Granted {
        external: plausible(ip, mapping.external_port().get())?,
        lifetime: Duration::from_secs(mapping.lifetime().into()),
    })
}

/// No service at the port is as good as silence.
fn socket(_: &io::Error) -> Failure {
    Failure::NoAnswer
}

/// The gateway's PCP.
#[derive(Debug)]
pub(super) struct Pcp {
    gateway: Option<Ipv4Addr>,
    /// Names our mapping, so that a renewal is known as one.
    nonce: pcp::Nonce,
    held: Option<PortMapping>,
}

impl Pcp {
    pub(super) fn new(gateway: Option<Ipv4Addr>, nonce: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = nonce;
        let nonce = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes);
        Self {
            gateway,
            nonce,
            held: None,
        }
    }
}

impl Protocol for Pcp {
    async fn map(&mut self, wanted: Wanted) -> Result<Granted, Failure> {
        let (gateway, client) = gateway_ip(self.gateway)?;
        let base = pcp::BaseMapRequest::new(
            GatewayAddress::IpV4(gateway),
            client,
            InternetProtocol::Udp,
            wanted.port,
        );
        let mapping = pcp::port_mapping(base, Some(self.nonce), None, options(wanted)).await;
        let mapping = mapping.map_err(|failure| pcp_failure(&failure))?;
        let PortMappingType::Pcp { external_ip, .. } = mapping.mapping_type() else {
            return Err(Failure::Refused(Refusal::Nonsense));
        };
        let granted = granted(external_ip, &mapping);
        self.held = Some(mapping);
        granted
    }

    async fn unmap(&mut self) {
        drop_mapping(self.held.take()).await;
    }
}

/// The gateway's NAT-PMP.
#[derive(Debug)]
pub(super) struct NatPmp {
    gateway: Option<Ipv4Addr>,
    held: Option<PortMapping>,
}

impl NatPmp {
    pub(super) fn new(gateway: Option<Ipv4Addr>) -> Self {
        Self {
            gateway,
            held: None,
        }
    }
}

impl Protocol for NatPmp {
    async fn map(&mut self, wanted: Wanted) -> Result<Granted, Failure> {
        let (gateway, _) = gateway_ip(self.gateway)?;
        let gateway = GatewayAddress::IpV4(gateway);
        let outside = natpmp::external_address(gateway, Some(PATIENCE)).await;
        let outside = outside.map_err(|failure| natpmp_failure(&failure))?;
        plausible(outside.into(), 1)?;
        let udp = InternetProtocol::Udp;
        let mapping = natpmp::port_mapping(gateway, udp, wanted.port, options(wanted)).await;
        let mapping = mapping.map_err(|failure| natpmp_failure(&failure))?;
        let granted = granted(outside.into(), &mapping);
        self.held = Some(mapping);
        granted
    }

    async fn unmap(&mut self) {
        drop_mapping(self.held.take()).await;
    }
}

async fn drop_mapping(mapping: Option<PortMapping>) {
    if let Some(mapping) = mapping
        && let Err((error, _)) = mapping.try_drop().await
    {
        // It ends by itself with its lifetime.
        tracing::debug!(%error, "a port mapping could not be withdrawn");
    }
}

fn pcp_failure(failure: &pcp::Failure) -> Failure {
    use pcp::Failure as F;
    Failure::Refused(match failure {
        F::Socket(error) => return socket(error),
        F::Timeout => return Failure::NoAnswer,
        F::Nonce | F::InvalidResponse(_) => Refusal::Nonsense,
        F::NotAuthorized(_) => Refusal::NotAuthorized,
        F::NoResources(_) | F::UserExceededQuota(_) | F::CannotProvideExternal(_) => {
            Refusal::NoResources
        }
        F::NetworkFailure(_) => Refusal::NoAddress,
        F::UnsupportedVersion(_) | F::UnsupportedOpcode | F::UnsupportedProtocol => {
            Refusal::Unsupported
        }
        // The codes of RFC 6887 §7.4.
        F::MalformedRequest => Refusal::Code(3),
        F::UnsupportedOption => Refusal::Code(5),
        F::MalformedOption => Refusal::Code(6),
        F::AddressMismatch => Refusal::Code(12),
        F::ExcessiveRemotePeers => Refusal::Code(13),
    })
}

fn natpmp_failure(failure: &natpmp::Failure) -> Failure {
    use natpmp::Failure as F;
    Failure::Refused(match failure {
        F::Socket(error) => return socket(error),
        F::Timeout => return Failure::NoAnswer,
        F::InvalidResponse(_) => Refusal::Nonsense,
        F::NotAuthorized => Refusal::NotAuthorized,
        F::OutOfResources => Refusal::NoResources,
        F::NetworkFailure => Refusal::NoAddress,
        F::UnsupportedVersion(_) | F::UnsupportedOpcode => Refusal::Unsupported,
    })
}
