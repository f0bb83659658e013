//! Servers that real networks have: coturn as a STUN server, miniupnpd as what opens ports.
//!
//! Each is killed on drop, and its output is shown when it does not come up.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::gateway::{Gateway, LAN};
use super::prober::bind;
use super::stun;
use crate::support::namespace::Host;

/// Longer than a server takes to start on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where a STUN server listens (RFC 8489).
const STUN_PORT: u16 = 3478;
/// Where miniupnpd answers UPnP.
const UPNP_PORT: u16 = 5000;

/// A running server.
#[derive(Debug)]
pub struct Service {
    child: Child,
    dir: tempfile::TempDir,
}

impl Service {
    /// coturn on a host that has these addresses, the first of IPv4; of a family with two it
    /// answers from the other and from another port as well (RFC 5780).
    pub fn stun(host: &Host, addresses: &[IpAddr]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = host.command("turnserver");
        command
            .args([
                "-n",
                "--stun-only",
                "--no-auth",
                "--no-cli",
                "--log-file=stdout",
            ])
            .args(["--no-tcp", "--no-tls", "--no-dtls"])
            .args(
                addresses
                    .iter()
                    .map(|address| format!("--listening-ip={address}")),
            )
            .arg(format!("--pidfile={}", dir.path().join("pid").display()))
            .arg(format!("--db={}", dir.path().join("db").display()));
        let service = Self::start(command, dir);
        let client = bind(host, addresses[0]);
        let server = SocketAddr::new(addresses[0], STUN_PORT);
        service.wait_until("coturn", || {
            stun::ask(
                &client,
                server,
                stun::Change::default(),
                Duration::from_millis(200),
            )
            .is_some()
        });
        service
    }

    /// miniupnpd with UPnP, NAT-PMP and PCP on a gateway whose NAT is the kernel's and whose
    /// address is not one for documentation, which it would refuse.
    pub fn port_mapper(gateway: &Gateway) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        fs::write(&config, CONFIG).unwrap();
        gateway.router.host.nft(CHAINS);
        let mut command = gateway.router.host.command("miniupnpd");
        command
            .arg("-d")
            .arg("-f")
            .arg(&config)
            .arg("-P")
            .arg(dir.path().join("pid"));
        let service = Self::start(command, dir);
        service.wait_until("miniupnpd", || {
            let address = SocketAddr::from((LAN, UPNP_PORT));
            gateway
                .router
                .host
                .within(|| TcpStream::connect(address).is_ok())
        });
        service
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("output")).unwrap()
    }

    fn start(mut command: Command, dir: tempfile::TempDir) -> Self {
        let output = fs::File::create(dir.path().join("output")).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output);
        Self {
            child: command.spawn().unwrap(),
            dir,
        }
    }

    fn wait_until(&self, name: &str, up: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !up() {
            assert!(
                Instant::now() < deadline,
                "{name} does not come up: {}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of the STUN server.
pub fn stun_address(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, STUN_PORT)
}

const CONFIG: &str = "\
ext_ifname=wan
listening_ip=lan
http_port=5000
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
uuid=6f0b7f0e-5c83-4b0e-9a55-0d0f2d1a7c11
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=forward_upnp
upnp_nat_chain=prerouting_upnp
upnp_nat_postrouting_chain=postrouting_upnp
allow 1024-65535 192.168.1.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
";

/// The chains it fills. Its own translation of sources comes before the general one.
const CHAINS: &str = "
table inet upnp {
    chain forward_upnp { }
    chain prerouting_upnp { }
    chain postrouting_upnp { }
    chain forward { type filter hook forward priority -5; jump forward_upnp; }
    chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_upnp; }
    chain postrouting { type nat hook postrouting priority 99; jump postrouting_upnp; }
}
";
