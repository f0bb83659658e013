//! Putting own records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_kademlia::Key;
use dchat_transport::dht::Dht;
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;
use dchat_wire::{PeerId, limits};
use tokio::sync::{mpsc, oneshot};

use super::ask::joined;
use super::publish::{self, Item};
use super::record::{Content, Ready};
use super::{Answer, Directory, Done, JOINING, answer, record, unix_ms};
use crate::api::{self, ApiError, DhtPublished, DhtStored, ErrorKind, RecordKind, Reply};
use crate::control::CONNECTIONS;
use crate::node::convert::hex;
use crate::node::engine::Input;
use crate::store::OwnRecord;
use crate::time;

/// A record that somebody of this home wants put.
#[derive(Debug)]
pub(super) struct Wanted {
    service: Option<String>,
    answer: Answer,
    until: Instant,
}

/// What came of putting a record.
pub(super) struct PutDone {
    content: Content,
    /// Whether it was put because it was due.
    due: bool,
    outcome: Result<Stored, ApiError>,
    /// What others hold of ours that is newer, where that was looked for.
    newer: Option<Newer>,
    answer: Option<Answer>,
}

/// A record of ours that others hold, which our clock makes newer than what was put.
#[derive(Debug, PartialEq, Eq)]
struct Newer {
    sequence: u64,
    ends: u64,
}

/// A record that was put.
struct Stored {
    ready: Ready,
    stored: u16,
    refused: Vec<api::DhtRefused>,
    took: Duration,
}

impl Directory {
    pub(super) fn put_due(&mut self, now: Instant) {
        if let Some((_, content)) = self.publish.next(now) {
            self.put(content, true, None);
        }
    }

    /// Somebody of this home wants a record put, which waits until others can reach this node.
    pub(super) fn put_wanted(&mut self, service: Option<String>, answer: Answer) {
        let refuse = |kind, message: String| Err(ApiError::new(kind, message));
        if let Some(name) = &service {
            if name.len() > limits::NAME {
                let message = "the name of the service is too long; choose a shorter one.";
                let _ = answer.send(refuse(ErrorKind::Usage, message.to_owned()));
                return;
            }
            if !self.publish.takes_service(name) {
                let message = format!("{} services are the most.", publish::SERVICES);
                let _ = answer.send(refuse(ErrorKind::Denied, message));
                return;
            }
        }
        if self.wanted.len() >= CONNECTIONS {
            let message = "too many others wait for the same. Try again.";
            let _ = answer.send(refuse(ErrorKind::Denied, message.to_owned()));
            return;
        }
        let until = Instant::now() + JOINING;
        self.wanted.push(Wanted {
            service,
            answer,
            until,
        });
    }

    /// Puts what was wanted, or gives up.
    pub(super) fn put_what_was_wanted(&mut self, now: Instant) {
        if self.wanted.is_empty() {
            return;
        }
        let addresses = self.place(&self.dht.stat()).addresses();
        for one in core::mem::take(&mut self.wanted) {
            if !addresses.is_empty() {
                let content = match one.service {
                    None => Content::Address(addresses.clone()),
                    Some(name) => Content::Service(name, addresses.clone()),
                };
                self.put(content, false, Some(one.answer));
            } else if now < one.until {
                self.wanted.push(one);
            } else {
                let message = "others cannot reach this node, as far as it knows: nobody has \
                               tried, and no relay holds a reservation. Try again, or run 'dchat \
                               doctor'.";
                let error = ApiError::new(ErrorKind::Unreachable, message);
                let _ = one.answer.send(Err(error));
            }
        }
    }

    fn put(&mut self, content: Content, due: bool, answer: Option<Answer>) {
        self.put_newer(content, due, answer, false);
    }

    /// Signs and puts. The first time, what others hold that is newer than our clock makes it is
    /// looked for, to be put `again`.
    fn put_newer(&mut self, content: Content, due: bool, answer: Option<Answer>, again: bool) {
        // In order, so that what is newer ends later.
        let ready = self.order.sign(&content, &self.identity, unix_ms());
        let remembered = self.order.remembered(&Item::of(&content));
        let (dht, us) = (self.dht.clone(), self.identity.peer_id());
        let (engine, bootstrap) = (self.engine.clone(), self.policy.bootstrap);
        self.work.spawn(async move {
            let outcome = async {
                joined(&dht, bootstrap).await?;
                remember(&engine, remembered).await?;
                put(&dht, ready).await
            };
            let outcome = outcome.await;
            let newer = match &outcome {
                Ok(stored) if !again => newer(&dht, us, &content, stored).await,
                _ => None,
            };
            Done::Put(Box::new(PutDone {
                content,
                due,
                outcome,
                newer,
                answer,
            }))
        });
    }

    pub(super) fn put_done(&mut self, put: PutDone, now: Instant) {
        let PutDone {
            content,
            due,
            outcome,
            newer,
            answer,
        } = put;
        let item = Item::of(&content);
        if let Some(Newer { sequence, ends }) = newer {
            self.order.learn(item, sequence, ends);
            return self.put_newer(content, due, answer, true);
        }
        let stored = outcome.as_ref().map_or(0, |stored| stored.stored);
        if !due && stored > 0 {
            self.publish.set(item.clone(), Some(content.clone()), now);
        }
        if due || self.publish.content(&item) == Some(&content) {
            let lifetime = content.lifetime();
            self.publish
                .done(&item, &content, due, stored, lifetime, now);
        }
        let us = self.identity.peer_id();
        match &outcome {
            Ok(Stored { ready, stored, .. }) if *stored > 0 => {
                let published = content.kind().map(|kind| DhtPublished {
                    kind,
                    key: hex(&ready.key),
                    sequence: ready.sequence,
                    stored: (*stored).into(),
                    put_at: time::now(),
                    expires_at: time::rfc3339(ready.expires_at),
                    addresses: content.addresses(us),
                });
                self.published
                    .extend(published.map(|published| (item, published)));
            }
            Ok(Stored { refused, .. }) => {
                tracing::debug!(?item, ?refused, "no node keeps a record of ours");
            }
            Err(error) => tracing::debug!(?item, %error, "a record of ours was not put"),
        }
        if let Some(answer) = answer {
            let reply = outcome.and_then(|stored| reply(&content, us, stored));
            let _ = answer.send(reply);
        }
    }
}

/// Waits until the home remembers that there is such a record: whoever restarts, with a clock that went
/// back meanwhile, is to sign newer ones that end no earlier.
async fn remember(engine: &mpsc::Sender<Input>, record: Option<OwnRecord>) -> Result<(), ApiError> {
    let Some(record) = record else {
        return Ok(());
    };
    let failed = || {
        let message =
            "the record was not written down in the home, and not put. It is tried again.";
        ApiError::new(ErrorKind::Failed, message)
    };
    let (to, done) = oneshot::channel();
    let sent = engine.send(Input::OwnRecord(record, to)).await;
    sent.map_err(|_| failed())?;
    done.await.map_err(|_| failed())
}

async fn put(dht: &Dht, ready: Option<Ready>) -> Result<Stored, ApiError> {
    let ready = ready.ok_or_else(|| {
        ApiError::new(
            ErrorKind::Failed,
            "the record cannot be made: a defect of DChat.",
        )
    })?;
    let put = dht.put(Key(ready.key), ready.record.clone()).await;
    let put = put.map_err(|error| answer::failed(&error))?;
    Ok(Stored {
        ready,
        stored: put.stored,
        refused: answer::refused(&put),
        took: put.effort.took,
    })
}

/// What others hold of ours instead of what was put, where they refused it as older: our clock was
/// ahead in an earlier run.
async fn newer(dht: &Dht, us: PeerId, content: &Content, put: &Stored) -> Option<Newer> {
    let outdated = [Refusal::Outdated.text(), Refusal::Conflict.text()];
    let mut refused = put.refused.iter();
    if !refused.any(|refused| outdated.contains(&refused.reason.as_str())) {
        return None;
    }
    // A device's record has its own sequence, and a room's slot is nobody else's.
    let kind = content.kind().filter(|kind| *kind != RecordKind::Device)?;
    let got = dht.get(Key(put.ready.key), record::number(kind)).await;
    let got = got
        .inspect_err(|error| tracing::debug!(%error, "what others hold of ours is not found"))
        .ok()?;
    latest(&got.records, us, put.ready.sequence)
}

/// The highest sequence and the latest end of our records among those that others hold, when that is
/// not older than `sequence`.
fn latest(held: &[Arc<SignedRecord>], us: PeerId, sequence: u64) -> Option<Newer> {
    let held = held.iter().filter_map(|record| record.unverified().ok());
    let ours = held.filter(|body| body.signer == us).map(|body| Newer {
        sequence: body.sequence,
        ends: body.expires_at,
    });
    let latest = ours.reduce(|one, other| Newer {
        sequence: one.sequence.max(other.sequence),
        ends: one.ends.max(other.ends),
    });
    latest.filter(|latest| latest.sequence >= sequence)
}

fn reply(content: &Content, us: PeerId, stored: Stored) -> Result<Reply, ApiError> {
    if stored.stored == 0 {
        let why: Vec<&str> = stored
            .refused
            .iter()
            .map(|one| one.reason.as_str())
            .collect();
        let why = if why.is_empty() {
            "none answered".to_owned()
        } else {
            why.join("; ")
        };
        let message = format!("no node keeps the record: {why}. It is not stored; try again.");
        return Err(ApiError::new(ErrorKind::Unreachable, message));
    }
    Ok(Reply::DhtStored(Box::new(DhtStored {
        key: hex(&stored.ready.key),
        kind: content.kind().unwrap_or_default(),
        sequence: stored.ready.sequence,
        expires_at: time::rfc3339(stored.ready.expires_at),
        addresses: content.addresses(us),
        stored: stored.stored.into(),
        refused: stored.refused,
        took_ms: answer::millis(stored.took),
    })))
}

#[cfg(test)]
mod tests {
    use dchat_wire::List;
    use dchat_wire::extension::Extensions;
    use dchat_wire::record::AddressRecord;
    use dchat_wire::sign::Identity;

    use super::*;

    fn record(seed: u8, sequence: u64, ends: u64) -> Arc<SignedRecord> {
        let payload = AddressRecord {
            addresses: List::default(),
            extensions: Extensions::default(),
        };
        let identity = Identity::from_seed(&[seed; 32]);
        let record = SignedRecord::issue(&identity, sequence, 0, ends, &payload);
        Arc::new(record)
    }

    #[test]
    fn what_others_hold_of_ours_is_followed_when_it_is_not_older() {
        let us = Identity::from_seed(&[1; 32]).peer_id();
        let held = [record(1, 5, 100), record(1, 9, 50), record(2, 99, 999)];
        let newer = Newer {
            sequence: 9,
            ends: 100,
        };
        assert_eq!(latest(&held, us, 9), Some(newer));
        assert_eq!(latest(&held, us, 10), None);
        assert_eq!(latest(&held[2..], us, 1), None);
    }
}
