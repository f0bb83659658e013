//! Which of our addresses others can use.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dchat_wire::Address;

use crate::limits::INTERFACE_SETTLE;

/// Between two looks at the interfaces where the system tells of no changes.
const POLL: Duration = Duration::from_secs(10);

/// The addresses of the interfaces, those that are up first; none where the system does not tell.
///
/// One that is down keeps its address: it comes up without another word from the system.
pub(crate) fn interface_ips() -> Vec<IpAddr> {
    let mut all: Vec<(bool, IpAddr)> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| (!interface.is_oper_up(), interface.ip()))
        .collect();
    all.sort_unstable();
    let mut ips: Vec<IpAddr> = all.into_iter().map(|(_, ip)| ip).collect();
    ips.dedup();
    ips
}

/// Whether no interface that is up leads to another machine.
pub(crate) fn is_alone() -> bool {
    if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .all(|interface| interface.is_loopback() || !interface.is_oper_up())
}

/// The concrete addresses behind the sockets we are bound to.
///
/// A wildcard stands for every interface of its family. Loopback addresses appear only when there
/// are no others or a socket is bound to one; IPv6 link-local ones never, since they mean nothing
/// without an interface. Addresses that are valid everywhere come first.
pub(crate) fn concrete(bound: &[SocketAddr], interfaces: &[IpAddr]) -> Vec<Address> {
    let mut all = Vec::new();
    for socket in bound {
        if !socket.ip().is_unspecified() {
            all.push((false, *socket));
            continue;
        }
        // A socket on `::` carries IPv4 as well, unless another one on the port does.
        let dual = socket.is_ipv6()
            && !bound
                .iter()
                .any(|other| other.is_ipv4() && other.port() == socket.port());
        let same_family = interfaces
            .iter()
            .filter(|ip| dual || ip.is_ipv4() == socket.is_ipv4());
        all.extend(same_family.map(|ip| (true, SocketAddr::new(*ip, socket.port()))));
    }
    all.retain(|(_, socket)| !is_v6_link_local(socket.ip()));
    if all.iter().any(|(_, socket)| !socket.ip().is_loopback()) {
        all.retain(|(wildcard, socket)| !(*wildcard && socket.ip().is_loopback()));
    }
    // Stable: within a rank the sockets' order and then the interfaces' stays.
    all.sort_by_key(|(_, socket)| rank(socket.ip()));
    let mut addresses: Vec<Address> = Vec::new();
    for (_, socket) in all {
        let address = Address::direct(socket);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.truncate(dchat_wire::limits::ADDRESSES);
    addresses
}

fn rank(ip: IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 3,
        IpAddr::V4(ip) if ip.is_link_local() => 2,
        IpAddr::V4(ip) if ip.is_private() => 1,
        IpAddr::V6(ip) if ip.is_unique_local() => 1,
        _ => 0,
    }
}

fn is_v6_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Waits until the interfaces' addresses may have changed.
pub(crate) struct InterfaceWatch {
    watcher: Option<if_watch::tokio::IfWatcher>,
}

impl InterfaceWatch {
    /// Begins to watch. Where the system tells of no changes they are looked for every 10 s.
    pub(crate) fn new() -> Self {
        let watcher = if_watch::tokio::IfWatcher::new()
            .inspect_err(|error| tracing::warn!(%error, "interface changes are polled for"))
            .ok();
        Self { watcher }
    }

    /// Returns once something changed and has settled.
    pub(crate) async fn changed(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            tokio::time::sleep(POLL).await;
            return;
        };
        if core::future::poll_fn(|cx| watcher.poll_if_event(cx))
            .await
            .is_err()
        {
            self.watcher = None;
            return;
        }
        loop {
            let next = core::future::poll_fn(|cx| watcher.poll_if_event(cx));
            match tokio::time::timeout(INTERFACE_SETTLE, next).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => {
                    self.watcher = None;
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn listen(bound: &[&str], interfaces: &[&str]) -> Vec<String> {
        let bound: Vec<SocketAddr> = bound.iter().map(|text| text.parse().unwrap()).collect();
        concrete(&bound, &ips(interfaces))
            .iter()
            .map(|address| address.socket().to_string())
            .collect()
    }

    #[test]
    fn a_wildcard_stands_for_the_interfaces_of_its_family() {
        let interfaces = ["127.0.0.1", "192.168.1.2", "::1", "fe80::1", "2001:db8::7"];
        assert_eq!(listen(&["0.0.0.0:5"], &interfaces), ["192.168.1.2:5"]);
        assert_eq!(
            listen(&["0.0.0.0:5", "[::]:5"], &interfaces),
            ["[2001:db8::7]:5", "192.168.1.2:5"]
        );
    }

    #[test]
    fn one_wildcard_socket_of_ipv6_stands_for_both_families() {
        let interfaces = ["192.168.1.2", "2001:db8::7"];
        assert_eq!(
            listen(&["[::]:6"], &interfaces),
            ["[2001:db8::7]:6", "192.168.1.2:6"]
        );
        assert_eq!(
            listen(&["0.0.0.0:6", "[::]:6"], &interfaces),
            ["[2001:db8::7]:6", "192.168.1.2:6"]
        );
    }

    #[test]
    fn loopback_appears_when_there_is_nothing_else_or_it_was_asked_for() {
        assert_eq!(
            listen(&["[::]:5"], &["127.0.0.1", "::1", "fe80::1"]),
            ["127.0.0.1:5", "[::1]:5"]
        );
        assert_eq!(
            listen(&["127.0.0.1:5"], &["127.0.0.1", "192.168.1.2"]),
            ["127.0.0.1:5"]
        );
    }
}
