//! The addresses we sent to lately: what comes from there proves nothing about strangers, since a NAT
//! that lets nobody else in lets them in.
//!
//! Bounds: [`REMEMBERED`] addresses, of which the oldest make room; [`LATELY`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Addresses remembered. Someone who deals with more is reached by strangers anyway.
const REMEMBERED: usize = 2_048;
/// Longer than NATs keep an unused filter open: RFC 4787 REQ-5 asks for two minutes, some keep five.
const LATELY: Duration = Duration::from_secs(10 * 60);

/// When something was last sent to an address.
#[derive(Debug, Default)]
pub(crate) struct Contacts(Mutex<BTreeMap<IpAddr, Instant>>);

impl Contacts {
    /// Something is sent to `ip` at `now`.
    pub(crate) fn note(&self, ip: IpAddr, now: Instant) {
        let ip = ip.to_canonical();
        let mut times = lock(&self.0);
        if times.len() >= REMEMBERED && !times.contains_key(&ip) {
            times.retain(|_, at| now.saturating_duration_since(*at) < LATELY);
            let oldest = times.iter().min_by_key(|(_, at)| **at).map(|(ip, _)| *ip);
            if let Some(oldest) = oldest.filter(|_| times.len() >= REMEMBERED) {
                times.remove(&oldest);
            }
        }
        times.insert(ip, now);
    }

    /// Whether something was sent to `ip` lately.
    pub(crate) fn contains(&self, ip: IpAddr, now: Instant) -> bool {
        let times = lock(&self.0);
        let at = times.get(&ip.to_canonical());
        at.is_some_and(|at| now.saturating_duration_since(*at) < LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn an_address_is_remembered_for_a_while() {
        let start = Instant::now();
        let contacts = Contacts::default();
        contacts.note(ip(1), start);
        assert!(contacts.contains(ip(1), start));
        assert!(!contacts.contains(ip(2), start));
        assert!(!contacts.contains(ip(1), start + LATELY));
    }

    #[test]
    fn the_oldest_make_room() {
        let start = Instant::now();
        let contacts = Contacts::default();
        for number in 0..=REMEMBERED as u32 {
            let at = start + Duration::from_micros(number.into());
            contacts.note(ip(number), at);
        }
        assert_eq!(lock(&contacts.0).len(), REMEMBERED);
        assert!(!contacts.contains(ip(0), start));
        assert!(contacts.contains(ip(REMEMBERED as u32), start));
    }
}
