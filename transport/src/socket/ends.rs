//! The legs as the socket uses them: what the switch calls by an id, with what sends there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::udp::EcnCodepoint;

use super::carrier::{Carried, RelayLeg};
use super::leg::{Leg, Sent};
use crate::path::{ChannelAddress, LegId, Route};

/// One of our ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A UDP socket.
    Udp(Arc<Leg>),
    /// A connection to a relay.
    Relay(Arc<RelayLeg>),
}

impl End {
    /// Sends to where the route leads. `segment` is the size of the datagrams of a batch.
    pub(super) fn send(
        &self,
        route: &Route,
        contents: &[u8],
        segment: Option<usize>,
        ecn: Option<EcnCodepoint>,
    ) -> Sent {
        match self {
            Self::Udp(leg) => leg.send(route, contents, segment, ecn),
            Self::Relay(leg) => {
                let Some(ChannelAddress(channel)) = ChannelAddress::from_socket_addr(route.remote)
                else {
                    return Sent::Failed;
                };
                match leg.send(channel, contents, segment) {
                    // A full queue loses packets and says nothing of the path.
                    Carried::Done | Carried::Full => Sent::Done,
                    Carried::Gone => Sent::Failed,
                }
            }
        }
    }
}

/// The UDP sockets that are read together, in the order of their ids.
pub(super) type Readable = Arc<[(LegId, Arc<Leg>)]>;

/// All ends there are now.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeMap<LegId, End>);

impl Ends {
    pub(super) fn insert(&mut self, id: LegId, end: End) {
        self.0.insert(id, end);
    }

    pub(super) fn remove(&mut self, id: LegId) -> Option<End> {
        self.0.remove(&id)
    }

    pub(super) fn get(&self, id: LegId) -> Option<&End> {
        self.0.get(&id)
    }

    /// The UDP sockets.
    pub(super) fn readable(&self) -> Readable {
        let udp = self.0.iter().filter_map(|(id, end)| match end {
            End::Udp(leg) => Some((*id, leg.clone())),
            End::Relay(_) => None,
        });
        udp.collect()
    }

    /// Datagrams the kernel takes in one batch on every socket.
    pub(super) fn max_transmit_segments(&self) -> usize {
        let udp = self.0.values().filter_map(|end| match end {
            End::Udp(leg) => Some(leg.max_transmit_segments()),
            End::Relay(_) => None,
        });
        udp.min().unwrap_or(1)
    }

    /// Where every socket that all connections use is bound.
    pub(super) fn bound(&self) -> Vec<SocketAddr> {
        let udp = self.0.values().filter_map(|end| match end {
            End::Udp(leg) if !leg.is_adopted() => Some(leg.stands_for()),
            End::Udp(_) | End::Relay(_) => None,
        });
        udp.flatten().collect()
    }
}
