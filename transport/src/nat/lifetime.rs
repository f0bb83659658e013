//! For how long the NAT keeps a mapping that nothing uses: the sockets and streams under
//! [`LifetimeProbe`], in the background once a survey has found a NAT.
//!
//! Bounds: one search at a time, which takes minutes and some 60 datagrams; one on each network, and
//! another after each survey only while nothing was learned.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_nat::classify::{
    Lifetime, LifetimeConfig, LifetimeInput, LifetimeOutput, LifetimeProbe, Report, Server,
    ServerKind,
};
use dchat_wire::nat::{Allocation, Mapping};

use super::field::{Field, Told};
use super::helpers::helpers;
use super::side::Side;
use super::status::NatStatus;
use crate::connection::Connection;
use crate::endpoint::Shared;

/// Keeps the lifetime in the status until the endpoint closes.
pub(super) async fn follow(shared: &Shared) {
    let mut status = shared.nat.status();
    let mut last: Option<Arc<Report>> = None;
    loop {
        // None of these fails: the sender is `shared`'s.
        let next = |status: &NatStatus| match (&status.report, &last) {
            (Some(report), Some(last)) if Arc::ptr_eq(report, last) => false,
            (Some(report), _) => status.lifetime.is_none() && is_translated(report),
            (None, _) => false,
        };
        let report = match status.wait_for(next).await {
            Ok(status) => status.report.clone(),
            Err(_) => return,
        };
        let Some(report) = report else { continue };
        last = Some(Arc::clone(&report));
        let Some((server, connection)) = server(shared, &report) else {
            continue;
        };
        let keeps_ports = report.v4.class.allocation == Allocation::Preserving;
        let seed = shared.entropy.draw();
        let config = LifetimeConfig::default();
        let probe = LifetimeProbe::new(config, server, keeps_ports, seed, Instant::now());
        let measured = measure(&shared.nat.side, probe, connection);
        let mut elsewhere = shared.nat.status();
        let lifetime = tokio::select! {
            lifetime = measured => lifetime,
            // Another network: what was measured is of the old one.
            _ = elsewhere.wait_for(|status| status.report.is_none()) => continue,
        };
        tracing::debug!(?lifetime, "lifetime of mappings");
        shared.nat.update(|status| {
            if status.report.is_some() {
                status.lifetime = known(lifetime);
            }
        });
    }
}

fn is_translated(report: &Report) -> bool {
    !matches!(report.v4.class.mapping, Mapping::Unknown | Mapping::None)
}

/// What is safe to rely on.
fn known(lifetime: Lifetime) -> Option<Duration> {
    match lifetime {
        Lifetime::Unknown => None,
        Lifetime::Between { alive, .. } => Some(alive),
        Lifetime::AtLeast(alive) => Some(alive),
    }
}

/// Whom to ask: a node, which can look from outside, or else a STUN server that answered.
fn server(shared: &Shared, report: &Report) -> Option<(Server, Option<Connection>)> {
    let mut nodes = helpers(shared.connections()).into_iter();
    if let Some((address, connection)) = nodes.find(|(address, _)| address.is_ipv4()) {
        let kind = ServerKind::Node;
        return Some((Server { address, kind }, Some(connection)));
    }
    let mut servers = report.servers.iter();
    let answered = servers.find(|one| one.rtt.is_some() && one.address.is_ipv4())?;
    let kind = ServerKind::Stun;
    let address = answered.address;
    Some((Server { address, kind }, None))
}

/// One search.
async fn measure(
    side: &Side,
    mut probe: LifetimeProbe,
    connection: Option<Connection>,
) -> Lifetime {
    let (mut field, mut told) = Field::new();
    loop {
        while let Some(output) = probe.poll_output() {
            match output {
                LifetimeOutput::Send {
                    socket,
                    to,
                    datagram,
                } => {
                    field.send(side, socket, to, &datagram).await;
                }
                LifetimeOutput::Close(socket) => field.close(socket),
                LifetimeOutput::Reach {
                    helper,
                    from,
                    token,
                    target,
                } => field.ask(connection.clone(), helper, token, from, target),
                LifetimeOutput::Finished(lifetime) => return lifetime,
            }
        }
        let due = probe.poll_timeout();
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            () = due => probe.handle_timeout(Instant::now()),
            // It ends only with `field`.
            Some(told) = told.recv() => {
                let input = match &told {
                    Told::Datagram { socket, from, bytes } => LifetimeInput::Datagram {
                        socket: *socket,
                        from: *from,
                        bytes,
                    },
                    Told::Reached { token, result, .. } => LifetimeInput::Reached {
                        token: *token,
                        result: *result,
                    },
                };
                probe.handle_input(input, Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use std::net::SocketAddr;

    use dchat_nat::stun;
    use tokio::net::UdpSocket;

    use super::*;

    /// Where a server sees whoever asks at a port that moves when a mapping has been idle for that
    /// long.
    async fn server(keeps: Duration) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; stun::MAX_DATAGRAM];
            let mut mapped = std::collections::BTreeMap::new();
            let mut port = 2_000;
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                let now = Instant::now();
                let (seen, at) = mapped.entry(from).or_insert((0_u16, now));
                if *seen == 0 || now - *at >= keeps {
                    port += 1;
                    *seen = port;
                }
                *at = now;
                let outside = SocketAddr::from(([203, 0, 113, 1], *seen));
                let answer = stun::answer(&bytes[..length], outside).unwrap();
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        addr
    }

    async fn found(keeps: Duration) -> Lifetime {
        let address = server(keeps).await;
        let (_socket, paths, _events) =
            crate::socket::bind(&["127.0.0.1:0".parse().unwrap()], [1; 32]).unwrap();
        let config = LifetimeConfig {
            least: Duration::from_millis(100),
            most: Duration::from_millis(600),
            exact: Duration::from_millis(200),
        };
        let kind = ServerKind::Stun;
        let server = Server { address, kind };
        let probe = LifetimeProbe::new(config, server, false, [2; 32], Instant::now());
        let side = Side::new(paths);
        let measured = measure(&side, probe, None);
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, measured).await.unwrap()
    }

    #[tokio::test]
    async fn a_mapping_that_never_ends_outlives_the_longest_trial() {
        let lifetime = found(Duration::from_secs(3600)).await;
        assert_eq!(known(lifetime), Some(Duration::from_millis(600)));
    }

    #[tokio::test]
    async fn a_mapping_that_ends_at_once_is_not_relied_on() {
        let lifetime = found(Duration::from_millis(1)).await;
        assert_eq!(known(lifetime), Some(Duration::ZERO));
    }
}
