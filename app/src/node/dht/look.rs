//! What the endpoint knows, and what follows from it.

use std::time::{Duration, Instant};

use dchat_transport as transport;
use dchat_wire::PeerId;
use tokio::sync::oneshot;
use transport::nat::Reachability;

use super::ask::nobody;
use super::own::Place;
use super::publish::Item;
use super::record::Content;
use super::{Directory, Done, GRACE, JOINING, LOOK, answer, number, record, unix_ms};
use crate::api::{Event, RecordKind};
use crate::node::engine::Input;

/// Between two questions for the own device record, which is renewed every few days.
const DEVICE: Duration = Duration::from_secs(60 * 60);

impl Directory {
    /// Looks at what the endpoint knows, and decides what is to be known of us.
    pub(super) fn look(&mut self, stat: &transport::dht::DhtStat, now: Instant) {
        if now < self.looked + LOOK / 4 {
            return;
        }
        self.looked = now;
        self.told_alone(stat.contacts == 0, now);
        let place = self.place(stat);
        let wanted = self.policy.find_relays && !place.is_reachable() && now >= self.began + GRACE;
        if self.relays.update(wanted, self.held().len(), now) {
            self.endpoint.set_relays(&[]);
        }
        let addresses = place.addresses();
        let told = (!addresses.is_empty()).then(|| Content::Address(addresses.clone()));
        self.publish.set(Item::Address, told, now);
        let advert = place.sockets().filter(|_| self.policy.advertise);
        let advert = advert.map(|(socket, other)| Content::Relay(socket, other));
        self.publish.set(Item::Relay, advert, now);
        for name in self.publish.services() {
            if !addresses.is_empty() {
                let content = Content::Service(name.clone(), addresses.clone());
                self.publish.set(Item::Service(name), Some(content), now);
            }
        }
        self.be_found(&addresses, now);
        self.publish.known(stat.contacts, now);
        self.ask_device(now);
    }

    pub(super) fn place(&self, stat: &transport::dht::DhtStat) -> Place {
        let nat = self.endpoint.nat();
        let nat = nat.borrow();
        Place {
            listening: self.endpoint.listen_addrs(),
            reached: match nat.reachability {
                Reachability::Public(at) => Some(at),
                Reachability::Unknown | Reachability::Private => None,
            },
            unreached: matches!(nat.reachability, Reachability::Private),
            seen: stat.seen,
            // While nobody has told us of our NATs, others may still be of the world.
            private: stat.private && !self.remembered.public,
            vouched: self.policy.vouched,
        }
    }

    /// Says once that nobody is there although there should be.
    fn told_alone(&mut self, alone: bool, now: Instant) {
        if !alone || !self.policy.bootstrap {
            self.alone = None;
            return;
        }
        let (since, told) = *self.alone.get_or_insert((now, false));
        if !told && now >= since + JOINING {
            self.alone = Some((since, true));
            self.hub.publish(Event::Error {
                code: "dht_alone".to_owned(),
                message: nobody(true),
            });
        }
    }

    fn ask_device(&mut self, now: Instant) {
        if self.device_asked.is_some_and(|asked| now < asked + DEVICE) {
            return;
        }
        self.device_asked = Some(now);
        let engine = self.engine.clone();
        self.work.spawn(async move {
            let (to, record) = oneshot::channel();
            let sent = engine.send(Input::Device(to)).await;
            Done::Device(match sent {
                Ok(()) => record.await.ok(),
                Err(_) => None,
            })
        });
    }

    pub(super) fn look_up(&mut self, now: Instant) {
        while let Some(peer) = self.seek.next(now) {
            let dht = self.dht.clone();
            self.work.spawn(async move {
                let found = dht.find_peer(peer).await;
                if let Err(error) = &found {
                    tracing::debug!(%peer, %error, "a contact is not found");
                }
                Done::Looked(peer, found.unwrap_or_default())
            });
        }
    }

    pub(super) fn find_relays(&mut self, now: Instant) {
        let Some(shard) = self.relays.next(number(), now) else {
            return;
        };
        let dht = self.dht.clone();
        self.work.spawn(async move {
            let of = RecordKind::Relay;
            let Ok(key) = answer::key(&shard.to_string(), of) else {
                return Done::Relays(Vec::new());
            };
            let got = dht.get(key, record::number(of)).await;
            let records = got.map(|got| got.records).unwrap_or_default();
            let now = unix_ms();
            let relays = records.iter().filter_map(|one| record::relay(one, now));
            Done::Relays(relays.collect())
        });
    }

    /// The relays that hold a reservation.
    pub(super) fn held(&self) -> Vec<PeerId> {
        let relays = self.endpoint.relays();
        let held = relays.iter().filter(|relay| relay.reserved);
        held.filter_map(|relay| relay.address.peer()).collect()
    }
}
