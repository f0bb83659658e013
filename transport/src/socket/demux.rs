//! Taking received batches apart: ours out, the rest to the virtual addresses they come from.
//!
//! A batch the kernel coalesced has one source but may hold packets of several connections and
//! probes between them. Its segments are compacted in place, in order; those of a second connection
//! are held back and handed over at once afterwards.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::time::Instant;

use quinn::udp::{EcnCodepoint, RecvMeta};

use super::inner::Inner;
use super::leg::arrival;
use crate::path::{Arrival, ChannelAddress, Cid, LegId, Switch, Verdict, VirtualAddress};

/// A datagram held back.
#[derive(Debug)]
pub(super) struct Held {
    virt: VirtualAddress,
    ecn: Option<EcnCodepoint>,
    datagram: Vec<u8>,
}

impl Held {
    fn whole(virt: VirtualAddress, inner: &Inner) -> Self {
        Self {
            virt,
            ecn: None,
            datagram: inner.packet.to_vec(),
        }
    }

    fn new(virt: VirtualAddress, meta: &RecvMeta, datagram: &[u8]) -> Self {
        Self {
            virt,
            ecn: meta.ecn,
            datagram: datagram.to_vec(),
        }
    }
}

/// Says whose a datagram is.
pub(super) trait Judge {
    fn judge(&mut self, arrival: Arrival, datagram: &[u8], now: Instant) -> Verdict;
}

impl Judge for Switch {
    fn judge(&mut self, arrival: Arrival, datagram: &[u8], now: Instant) -> Verdict {
        self.inbound(arrival, datagram, now)
    }
}

/// Hands over packets that came over relays, as many as there are buffers. How many buffers are
/// filled.
pub(super) fn deliver(
    core: &mut impl Judge,
    packets: Vec<Inner>,
    bufs: &mut [IoSliceMut<'_>],
    metas: &mut [RecvMeta],
    held: &mut VecDeque<Held>,
    now: Instant,
) -> usize {
    let mut filled = 0;
    for inner in packets {
        let arrival = Arrival {
            leg: inner.leg,
            local: None,
            from: ChannelAddress(inner.channel).socket_addr(),
        };
        let virt = match core.judge(arrival, &inner.packet, now) {
            Verdict::Deliver(virt) => virt,
            Verdict::Ambiguous(virts) => {
                let copies = virts.into_iter().map(|virt| Held::whole(virt, &inner));
                held.extend(copies);
                continue;
            }
            Verdict::Consumed => continue,
        };
        let behind = held.iter().any(|held| held.virt == virt);
        let to = bufs
            .get_mut(filled)
            .and_then(|buf| buf.get_mut(..inner.packet.len()));
        match (to, metas.get_mut(filled)) {
            (Some(to), Some(meta)) if !behind => {
                to.copy_from_slice(&inner.packet);
                *meta = received(virt, None, inner.packet.len());
                filled += 1;
            }
            _ => held.push_back(Held::whole(virt, &inner)),
        }
    }
    filled
}

fn received(virt: VirtualAddress, ecn: Option<EcnCodepoint>, len: usize) -> RecvMeta {
    RecvMeta {
        addr: virt.socket_addr(),
        len,
        stride: len.max(1),
        ecn,
        dst_ip: None,
    }
}

/// Rewrites one received batch for quinn. A length of 0 is left when nothing in it was for quinn.
pub(super) fn demux(
    core: &mut impl Judge,
    leg: LegId,
    buf: &mut [u8],
    meta: &mut RecvMeta,
    held: &mut VecDeque<Held>,
    now: Instant,
) {
    let arrival = arrival(leg, meta);
    let len = meta.len.min(buf.len());
    // A stride of 0 would never end, here and in quinn.
    let stride = meta.stride.clamp(1, len.max(1));
    let mut kept = 0;
    let mut of: Option<VirtualAddress> = None;
    let mut last: Option<([u8; Cid::LEN], VirtualAddress)> = None;
    let mut start = 0;
    while start < len {
        let end = (start + stride).min(len);
        let Some(datagram) = buf.get(start..end) else {
            break;
        };
        let dcid = short_dcid(datagram);
        let virt = match (dcid, last) {
            // Most batches are one connection's: what was looked up for the first packet holds for
            // the rest.
            (Some(dcid), Some((known, virt))) if dcid == known => Some(virt),
            _ => match core.judge(arrival, datagram, now) {
                Verdict::Deliver(virt) => Some(virt),
                Verdict::Ambiguous(virts) => {
                    let copies = virts
                        .into_iter()
                        .map(|virt| Held::new(virt, meta, datagram));
                    held.extend(copies);
                    None
                }
                Verdict::Consumed => None,
            },
        };
        if let Some(virt) = virt {
            last = dcid.map(|dcid| (dcid, virt));
            // Once something of a connection is held back, so is what follows it.
            let behind = held.iter().any(|held| held.virt == virt);
            if !behind && *of.get_or_insert(virt) == virt {
                if kept != start {
                    buf.copy_within(start..end, kept);
                }
                kept += end - start;
            } else {
                held.push_back(Held::new(virt, meta, datagram));
            }
        }
        start = end;
    }
    meta.len = kept;
    meta.stride = stride;
    meta.dst_ip = None;
    if let Some(virt) = of {
        meta.addr = virt.socket_addr();
    }
}

/// Hands over what was held back, as much as fits.
pub(super) fn release(
    held: &mut VecDeque<Held>,
    bufs: &mut [IoSliceMut<'_>],
    metas: &mut [RecvMeta],
) -> usize {
    let mut filled = 0;
    for (buf, meta) in bufs.iter_mut().zip(metas) {
        let Some(next) = held.pop_front() else {
            break;
        };
        let len = next.datagram.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), next.datagram.get(..len)) {
            to.copy_from_slice(from);
        }
        *meta = received(next.virt, next.ecn, len);
        filled += 1;
    }
    filled
}

fn short_dcid(datagram: &[u8]) -> Option<[u8; Cid::LEN]> {
    match datagram.first() {
        Some(0x40..=0x7f) => datagram.get(1..=Cid::LEN)?.try_into().ok(),
        Some(_) | None => None,
    }
}
