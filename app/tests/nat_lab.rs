//! The laboratory itself: every NAT does what it is called after.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod lab;
mod support;

use lab::internet::Internet;
use lab::prober::{Observed, Prober};
use lab::profile::{PROFILES, Profile, Site};
use lab::translator::Allocation;

#[test]
fn every_nat_maps_filters_and_allocates_as_it_is_called() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for (name, profile) in PROFILES {
        let (Some(wanted), true) = (profile.behaviour(), profile != Profile::UdpCut) else {
            continue;
        };
        let (host, site) = Site::build(&internet, profile).unwrap();
        let seen = prober.observe(&host);
        assert_eq!(seen.mapping, wanted.mapping, "{name}: {seen:?}");
        assert_eq!(seen.filtering, wanted.filtering, "{name}: {seen:?}");
        assert_eq!(seen.address, site.public, "{name}");
        assert_allocates(name, &seen, wanted.allocation);
    }
}

fn assert_allocates(name: &str, seen: &Observed, wanted: Allocation) {
    let right = match wanted {
        Allocation::Preserving => seen.preserves(),
        Allocation::Sequential(stride) => seen.stride() == Some(stride),
        Allocation::Block(size) => seen.stride().is_none() && seen.span() < size,
        Allocation::Random => seen.stride().is_none() && seen.span() > 4096,
    };
    assert!(right, "{name}: {seen:?}");
}
