//! STUN servers by name.

use core::fmt;
use core::str::FromStr;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;

/// Where STUN is served when nothing else is said (RFC 8489 §18.5).
pub const STUN_PORT: u16 = 3478;
/// Servers in use at a time; a classification needs two.
pub const STUN_SERVERS: usize = 8;
/// Longest name of a host (RFC 1035 §2.3.4).
const NAME: usize = 255;

/// A STUN server as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StunServer {
    host: String,
    port: u16,
}

/// The text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no STUN server: write HOST:PORT, such as stun.example.org:3478 or [2001:db8::1]:3478")]
pub struct NoStunServer;

impl FromStr for StunServer {
    type Err = NoStunServer;

    /// `HOST`, `HOST:PORT`, `IPV4:PORT`, `[IPV6]:PORT` or an address alone.
    fn from_str(text: &str) -> Result<Self, NoStunServer> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self {
                host: ip.to_string(),
                port: STUN_PORT,
            });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Self::new(socket.ip().to_string(), socket.port());
        }
        match text.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| NoStunServer)?;
                Self::new(host.to_owned(), port)
            }
            None => Self::new(text.to_owned(), STUN_PORT),
        }
    }
}

impl StunServer {
    fn new(host: String, port: u16) -> Result<Self, NoStunServer> {
        let is_ip = host.parse::<IpAddr>().is_ok();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = !host.is_empty() && host.len() <= NAME && host.bytes().all(plain);
        ((is_ip || is_name) && port != 0)
            .then_some(Self { host, port })
            .ok_or(NoStunServer)
    }

    /// Its addresses, one of each family at most; none when the name has none or `deadline` passed.
    async fn addrs(self, deadline: Duration) -> Vec<SocketAddr> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return vec![SocketAddr::new(ip, self.port)];
        }
        let looked_up = tokio::net::lookup_host((self.host.as_str(), self.port));
        let all: Vec<SocketAddr> = match tokio::time::timeout(deadline, looked_up).await {
            Ok(Ok(all)) => all.collect(),
            Ok(Err(error)) => {
                tracing::debug!(server = %self, %error, "a STUN server's name has no address");
                Vec::new()
            }
            Err(_) => {
                tracing::debug!(server = %self, "a STUN server's name was not resolved in time");
                Vec::new()
            }
        };
        let first = |v4: bool| all.iter().find(|addr| addr.is_ipv4() == v4).copied();
        [first(true), first(false)].into_iter().flatten().collect()
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The addresses of the first [`STUN_SERVERS`] servers, in their order and each once, all looked up
/// at the same time; returns by `deadline`.
pub(crate) async fn resolve(servers: &[StunServer], deadline: Duration) -> Vec<SocketAddr> {
    let mut lookups = JoinSet::new();
    for (place, server) in servers.iter().take(STUN_SERVERS).cloned().enumerate() {
        lookups.spawn(async move { (place, server.addrs(deadline).await) });
    }
    let mut found = lookups.join_all().await;
    found.sort_unstable_by_key(|(place, _)| *place);
    let mut addrs = Vec::new();
    for addr in found.into_iter().flat_map(|(_, addrs)| addrs) {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    addrs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    #[test]
    fn servers_are_written_as_host_and_port() {
        for (text, shown) in [
            ("stun.example.org:3479", "stun.example.org:3479"),
            ("stun.example.org", "stun.example.org:3478"),
            ("192.0.2.1", "192.0.2.1:3478"),
            ("192.0.2.1:19302", "192.0.2.1:19302"),
            ("2001:db8::1", "[2001:db8::1]:3478"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
        ] {
            let server: StunServer = text.parse().unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(shown.parse(), Ok(server));
        }
    }

    #[test]
    fn what_names_no_server_is_refused() {
        let long = "a".repeat(256);
        for text in ["", ":3478", "host:", "host:0", "host:99999", "a b:1", &long] {
            assert_eq!(text.parse::<StunServer>(), Err(NoStunServer), "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_need_no_lookup_and_are_given_once() {
        let servers: Vec<StunServer> = ["192.0.2.1:1", "[::1]:2", "192.0.2.1:1"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let addrs = resolve(&servers, Duration::ZERO).await;
        assert_eq!(
            addrs,
            ["192.0.2.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]
        );
    }
}
