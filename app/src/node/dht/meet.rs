//! Meeting those who are in the same rooms.

use std::time::Instant;

use dchat_kademlia::Time;
use dchat_kademlia::blinded::{Epoch, Secret};
use dchat_transport::dht::DhtStat;
use dchat_wire::record::kind;

use super::meeting::{self, Meeting, Member};
use super::publish::Item;
use super::record::Content;
use super::relays::shuffled;
use super::rendezvous::Topic;
use super::{Directory, Done, number, unix_ms};
use crate::node::engine::Input;
use crate::node::profile::random;

/// Members handed over after a lookup, drawn from those found: whoever fills a room's records with
/// names of nobody makes us knock at no more doors than these.
const HANDED: usize = 32;

impl Directory {
    /// This node is in the room `topic`, with so many neighbours there: it is to be found by those who
    /// know the room's secret, and to find them. To be told again when the number changes.
    pub(in crate::node) fn meet(&mut self, topic: Topic, secret: Secret, neighbours: usize) {
        if !self
            .rendezvous
            .meet(topic, secret, neighbours, Instant::now())
        {
            tracing::warn!("too many rooms: one more is not announced and nobody of it looked for");
        }
    }

    /// No longer.
    pub(in crate::node) fn part(&mut self, topic: &Topic) {
        self.rendezvous.part(topic);
        self.forget_places();
    }

    /// Decides which records are to tell that we are in rooms.
    pub(super) fn be_found(&mut self, addresses: &[dchat_wire::Address], now: Instant) {
        self.rendezvous
            .draw(Time(unix_ms()), || random::<24>().ok());
        self.forget_places();
        for (topic, secret, epoch, slot) in self.rendezvous.places() {
            let content = (!addresses.is_empty()).then(|| {
                Content::Rendezvous(Meeting {
                    topic,
                    secret: secret.clone(),
                    epoch,
                    slot,
                    addresses: addresses.to_vec(),
                })
            });
            self.publish
                .set(Item::Rendezvous(topic, epoch), content, now);
        }
    }

    fn forget_places(&mut self) {
        let rendezvous = &self.rendezvous;
        self.publish.retain(|item| match item {
            Item::Rendezvous(topic, epoch) => rendezvous.has(topic, *epoch),
            Item::Address | Item::Device | Item::Relay | Item::Service(_) => true,
        });
    }

    /// Looks who else is in our rooms.
    pub(super) fn look_for_members(&mut self, stat: &DhtStat, now: Instant) {
        while let Some(look) = self.rendezvous.next(now) {
            let (dht, private) = (self.dht.clone(), self.place(stat).private);
            let us = self.identity.peer_id();
            self.work.spawn(async move {
                let mut found: Vec<Member> = Vec::new();
                for epoch in Epoch::readable(Time(unix_ms())) {
                    let at = meeting::key(&look.secret, epoch);
                    let got = dht.get(at, kind::RENDEZVOUS).await;
                    let records = match &got {
                        Ok(got) => got.records.as_slice(),
                        Err(error) => {
                            tracing::debug!(%error, "nobody of a room is found");
                            continue;
                        }
                    };
                    let now = unix_ms();
                    let (secret, own) = (&look.secret, &look.own);
                    let members = meeting::members(secret, epoch, records, own, private, now);
                    for member in members {
                        // The epoch of now comes first.
                        let known = found.iter().any(|known| known.peer == member.peer);
                        if member.peer != us && !known {
                            found.push(member);
                        }
                    }
                }
                Done::Members(look.topic, found)
            });
        }
    }

    pub(super) async fn members_found(&mut self, topic: Topic, found: Vec<Member>, now: Instant) {
        self.rendezvous.done(&topic, number(), now);
        if !self.rendezvous.is_in(&topic) || found.is_empty() {
            return;
        }
        let members = handed(found, number());
        tracing::debug!(members = members.len(), "members of a room are found");
        self.tell(Input::Met { topic, members }).await;
    }
}

/// Those of the members found that are handed over, by a number drawn at random.
fn handed(found: Vec<Member>, drawn: u64) -> Vec<Member> {
    let mut members = shuffled(found, drawn);
    members.truncate(HANDED);
    members
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dchat_wire::sign::Identity;

    use super::*;

    /// Checks DC-DHT-050 (positive).
    #[test]
    fn of_many_members_a_bounded_number_is_handed_over_and_each_has_its_chance() {
        let found: Vec<Member> = (0..64)
            .map(|seed| Member {
                peer: Identity::from_seed(&[seed; 32]).peer_id(),
                addresses: Vec::new(),
            })
            .collect();
        let mut chosen = BTreeSet::new();
        for drawn in 0..32_u64 {
            let members = handed(found.clone(), drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            assert_eq!(members.len(), HANDED);
            let peers: BTreeSet<_> = members.iter().map(|member| member.peer).collect();
            assert_eq!(peers.len(), HANDED, "each once");
            chosen.extend(peers);
        }
        assert_eq!(chosen.len(), found.len(), "none is always left out");
        assert_eq!(handed(found[..3].to_vec(), 7).len(), 3);
    }
}
