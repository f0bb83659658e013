//! Local ports that no socket of this run has had.
//!
//! The system gives the port of a closed socket to a new one at once. A peer that still sends to the
//! old one, because a case left a handshake unfinished there, would then seem to answer a case in which
//! silence is the right answer.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Ports that are remembered. Then they are forgotten, all at once: the system has about 28,000 to give,
/// and what was sent to the first of so many has long come.
const REMEMBERED: usize = 16_384;
/// Sockets that are held back while another port is asked for.
const TRIES: usize = 64;

/// The ports there were. Copies are one.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<BTreeSet<u16>>>);

impl Ports {
    /// A new UDP socket, which does not block, at `ip` and a port that is new to this run, as far as the
    /// system gives any.
    ///
    /// # Errors
    /// Of the system's.
    pub fn socket(&self, ip: IpAddr) -> io::Result<UdpSocket> {
        let mut had = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if had.len() >= REMEMBERED {
            had.clear();
        }
        let mut held_back = Vec::new();
        loop {
            let socket = UdpSocket::bind((ip, 0))?;
            let is_new = had.insert(socket.local_addr()?.port());
            if is_new || held_back.len() >= TRIES {
                socket.set_nonblocking(true)?;
                return Ok(socket);
            }
            held_back.push(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_port_of_a_closed_socket_is_not_given_again() {
        let ports = Ports::default();
        let copy = ports.clone();
        let mut seen = BTreeSet::new();
        // So many that the system by itself would give some of them twice.
        for _ in 0..4000 {
            let socket = copy.socket(Ipv4Addr::LOCALHOST.into()).unwrap();
            assert!(seen.insert(socket.local_addr().unwrap().port()));
        }
    }
}
