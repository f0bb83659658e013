//! How much others may ask.
//!
//! **State.** A bucket of tokens for each asker and each subnet that has asked lately: what has
//! filled up again is forgotten, so that the maps hold only who is busy.
//!
//! **Bounds.** [`Meters::ASKERS`] and [`Meters::SUBNETS`]. When so many are busy at once the others
//! share one bucket. A subnet that is over its rate is refused before its askers are looked at, and
//! so cannot fill their map.

mod meter;

use crate::contact::Subnet;
use crate::time::Time;
use meter::Meter;

/// The rates of a node's askers.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    askers: Meter,
    subnets: Meter,
}

impl Meters {
    /// Askers that are told apart.
    pub(crate) const ASKERS: usize = 1024;
    /// Subnets that are told apart.
    pub(crate) const SUBNETS: usize = 512;

    /// Nobody has asked. Each rate is questions a second and at once.
    pub(crate) fn new(asker: (u16, u16), subnet: (u16, u16)) -> Self {
        Self {
            askers: Meter::new(asker, Self::ASKERS),
            subnets: Meter::new(subnet, Self::SUBNETS),
        }
    }

    /// Whether `id` may ask one question from `subnet` now.
    pub(crate) fn admits(&mut self, subnet: Subnet, id: &[u8; 32], now: Time) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = *id;
        let id = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        (subnet.is_exempt() || self.subnets.take(subnet.bits(), now)) && self.askers.take(id, now)
    }
}
