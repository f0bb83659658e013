//! Legs and channels that are no more.

use std::time::Instant;

use super::Switch;
use crate::path::address::{ChannelAddress, VirtualAddress};
use crate::path::connection::Stage;
use crate::path::context::Output;
use crate::path::leg::LegId;
use crate::path::path::Path;

impl Switch {
    pub(super) fn leg_gone(&mut self, leg: LegId, now: Instant) {
        if self.common.legs.remove(leg).is_some() {
            self.lose(|of, _| of == leg, now);
        }
    }

    pub(super) fn channel_closed(&mut self, leg: LegId, channel: u32, now: Instant) {
        let remote = ChannelAddress(channel).socket_addr();
        self.lose(|of, to| of == leg && to == remote, now);
    }

    /// Ends every path that is gone, in every connection.
    fn lose(&mut self, is_gone: impl Fn(LegId, std::net::SocketAddr) -> bool, now: Instant) {
        let all: Vec<VirtualAddress> = self.connections.keys().copied().collect();
        let of_path = |path: &Path| is_gone(path.leg, path.remote);
        for virt in all {
            let Some(connection) = self.connections.get_mut(&virt) else {
                continue;
            };
            let only = is_gone(connection.only.leg, connection.only.remote);
            match &mut connection.stage {
                Stage::Attached(_) => {
                    self.attached(virt, now, |attached, cx| attached.lose(of_path, cx));
                }
                Stage::Dialed { lost } if only => {
                    if !std::mem::replace(lost, true) {
                        self.common.output(Output::Lost { virt });
                    }
                }
                Stage::Provisional { .. } if only => self.remove(virt),
                Stage::Dialed { .. } | Stage::Provisional { .. } | Stage::Lingering { .. } => {}
            }
        }
    }
}
