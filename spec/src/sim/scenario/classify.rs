//! Does a node find out what its NAT does?

use std::time::{Duration, Instant};

use dchat_wire::nat::{self, NatClass};

use super::setting::{Setting, Weather};
use crate::sim::nat::{Allocation, Filtering, Mapping};
use crate::sim::site::Profile;
use crate::sim::time::Time;

/// What came of one classification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifyRun {
    /// What it found.
    pub class: NatClass,
    /// Mapping, as it is.
    pub mapping: bool,
    /// Filtering, as it is.
    pub filtering: bool,
    /// Allocation (and stride, and the block around the ports seen), as it is; for a firewall or a
    /// NAT whose mapping is endpoint-independent it does not matter and counts as right.
    pub allocation: bool,
    /// Datagrams sent.
    pub packets: u32,
    /// How long it took.
    pub took: Duration,
}

/// Longer than a classification may take.
const HORIZON: Duration = Duration::from_secs(10);

/// One classification by a node of this profile; `None` when it did not end. What is judged is the
/// report on IPv4, where the NATs are.
#[must_use]
pub fn classify(
    profile: Profile,
    seed: u64,
    weather: Weather,
    epoch: Instant,
) -> Option<ClassifyRun> {
    let mut setting = Setting::new(seed, weather, 0, epoch);
    let host = setting.peer(profile).place.host;
    setting.world.run(Time::ZERO + HORIZON, |world, _| {
        world.peer(host).is_some_and(|peer| peer.report().is_some())
    });
    let report = setting.world.peer(host)?.report()?;
    let class = &report.v4.class;
    let boxes = profile.boxes();
    // Of boxes in a row the strictest counts; those of a profile are alike.
    let strictest = boxes
        .iter()
        .max_by_key(|behaviour| (behaviour.mapping, behaviour.filtering));
    let (mapping, filtering) = match strictest.map(|of| (of.mapping, of.filtering)) {
        None => (nat::Mapping::None, nat::Filtering::None),
        Some((mapping, filtering)) => (mapped(mapping), filtered(filtering)),
    };
    let guessable = strictest.filter(|of| {
        matches!(
            of.mapping,
            Mapping::AddressDependent | Mapping::AddressAndPortDependent
        )
    });
    let allocation = guessable.is_none_or(|of| match of.allocation {
        Allocation::Preserving => class.allocation == nat::Allocation::Preserving,
        Allocation::Random => class.allocation == nat::Allocation::Random,
        Allocation::Sequential { stride } => {
            class.allocation == nat::Allocation::Sequential
                && class.stride == stride.cast_unsigned()
        }
        Allocation::Block { .. } => class.allocation == nat::Allocation::Block,
    });
    Some(ClassifyRun {
        class: class.clone(),
        mapping: class.mapping == mapping,
        filtering: class.filtering == filtering,
        allocation,
        packets: report.sent,
        took: report.took,
    })
}

fn mapped(mapping: Mapping) -> nat::Mapping {
    match mapping {
        Mapping::None => nat::Mapping::None,
        Mapping::EndpointIndependent => nat::Mapping::EndpointIndependent,
        Mapping::AddressDependent => nat::Mapping::AddressDependent,
        Mapping::AddressAndPortDependent => nat::Mapping::AddressAndPortDependent,
    }
}

fn filtered(filtering: Filtering) -> nat::Filtering {
    match filtering {
        Filtering::EndpointIndependent => nat::Filtering::EndpointIndependent,
        Filtering::AddressDependent => nat::Filtering::AddressDependent,
        Filtering::AddressAndPortDependent => nat::Filtering::AddressAndPortDependent,
    }
}
