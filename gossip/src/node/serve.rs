//! Sending what others asked for.

use std::sync::Arc;

use dchat_wire::gossip::Want;

use super::Node;
use super::io::{Load, Output};
use super::receive::SERVED;
use crate::frontier::Log;
use crate::log::Item;
use crate::message::Message;
use crate::score::Fault;

/// Bytes loaded at once for one neighbour.
const LOAD: usize = 64 * 1024;

impl<H: Copy + Eq> Node<H> {
    /// A neighbour asks for items.
    pub(super) fn pulled(&mut self, slot: usize, graft: bool, wants: &[Want]) {
        for want in wants {
            let Some(log) = self.frontier.find_prefix(want.log) else {
                continue;
            };
            if graft {
                self.graft(slot, want.log);
            }
            let Some(tip) = self.frontier.tip(log) else {
                continue;
            };
            if tip.closed {
                self.prove(slot, log);
                continue;
            }
            let upto = want.upto.min(tip.seq);
            self.serve(slot, log, want.after, upto);
        }
        self.serve_on(slot);
    }

    /// Adds a part of a log to what a neighbour is sent.
    pub(super) fn serve(&mut self, slot: usize, log: Log, after: u32, upto: u32) {
        let room = self
            .link_mut(slot)
            .is_none_or(|link| link.serving.add(log, after, upto));
        if !room {
            self.fault(slot, Fault::Flood);
        }
    }

    /// Sends what is at hand, and has the driver load what is not.
    pub(super) fn serve_on(&mut self, slot: usize) {
        while let Some(link) = self.link(slot) {
            if link.congested || link.serving.loading || !link.is_live() {
                return;
            }
            let Some((log, after, upto)) = link.serving.first() else {
                return;
            };
            let peer = link.peer;
            let Some(id) = self.frontier.tip(log).map(|tip| tip.id) else {
                return;
            };
            if let Some(item) = self.recent.find(id, after + 1).map(Arc::clone) {
                self.send(peer, Message::Push { hops: SERVED, item });
                if let Some(link) = self.link_mut(slot) {
                    link.serving.sent(after + 1);
                }
                continue;
            }
            if let Some(link) = self.link_mut(slot) {
                link.serving.loading = true;
            }
            self.outputs.push_back(Output::Load(Load::Items {
                peer,
                log: id,
                after,
                upto,
                most_bytes: LOAD,
            }));
        }
    }

    /// The driver loaded items.
    pub(super) fn loaded(&mut self, peer: H, items: Vec<Arc<Item>>) {
        let Some(slot) = self.slot_of(peer) else {
            return;
        };
        let Some(link) = self.link_mut(slot).filter(|link| link.serving.loading) else {
            return;
        };
        link.serving.loading = false;
        match items.last() {
            Some(last) => link.serving.sent(last.seq()),
            None => link.serving.skip(),
        }
        for item in items {
            self.send(peer, Message::Push { hops: SERVED, item });
        }
        self.serve_on(slot);
    }

    /// The driver's queue to a neighbour is full, or has room again.
    pub(super) fn congested(&mut self, peer: H, congested: bool) {
        let Some(slot) = self.slot_of(peer) else {
            return;
        };
        let Some(link) = self.link_mut(slot) else {
            return;
        };
        link.congested = congested;
        let pending = !link.pending.is_empty();
        if !congested {
            if pending {
                self.announce_soon();
            }
            self.serve_on(slot);
        }
    }
}
