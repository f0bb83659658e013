//! Putting own records.

use std::time::{Duration, Instant};

use dchat_kademlia::Key;
use dchat_transport::DhtError;
use dchat_transport::dht::Dht;
use dchat_wire::dht::Refusal;
use dchat_wire::sign::Identity;
use dchat_wire::{PeerId, limits};

use super::ask::joined;
use super::publish::{self, Item};
use super::record::{Content, Ready};
use super::{Answer, Directory, Done, JOINING, answer, record, unix_ms};
use crate::api::{self, ApiError, DhtPublished, DhtStored, ErrorKind, RecordKind, Reply};
use crate::control::CONNECTIONS;
use crate::node::convert::hex;
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
    answer: Option<Answer>,
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
        self.sequence = unix_ms().max(self.sequence.saturating_add(1));
        let (dht, identity, sequence) = (self.dht.clone(), self.identity.clone(), self.sequence);
        let bootstrap = self.policy.bootstrap;
        self.work.spawn(async move {
            let outcome = match joined(&dht, bootstrap).await {
                Ok(()) => put(&dht, &identity, &content, sequence).await,
                Err(error) => Err(error),
            };
            Done::Put(Box::new(PutDone {
                content,
                due,
                outcome,
                answer,
            }))
        });
    }

    pub(super) fn put_done(&mut self, put: PutDone, now: Instant) {
        let PutDone {
            content,
            due,
            outcome,
            answer,
        } = put;
        let item = Item::of(&content);
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
                self.sequence = self.sequence.max(ready.sequence);
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

/// Signs and puts; once more with a higher sequence where others hold one that is newer than our
/// clock makes them.
async fn put(
    dht: &Dht,
    identity: &Identity,
    content: &Content,
    sequence: u64,
) -> Result<Stored, ApiError> {
    let first = put_once(dht, identity, content, sequence).await?;
    let outdated = [Refusal::Outdated.text(), Refusal::Conflict.text()];
    let newer = first
        .refused
        .iter()
        .any(|refused| outdated.contains(&refused.reason.as_str()));
    // A device's record has its own sequence, and a room's slot is nobody else's.
    let kind = content.kind().filter(|kind| *kind != RecordKind::Device);
    let Some(kind) = kind.filter(|_| newer) else {
        return Ok(first);
    };
    let key = Key(first.ready.key);
    let got = dht.get(key, record::number(kind)).await;
    let got = got.map_err(|error: DhtError| answer::failed(&error))?;
    let us = identity.peer_id();
    let ours = got
        .records
        .iter()
        .filter_map(|record| record.unverified().ok());
    let highest = ours
        .filter(|body| body.signer == us)
        .map(|body| body.sequence);
    match highest.max() {
        Some(highest) if highest >= sequence => {
            put_once(dht, identity, content, highest.saturating_add(1)).await
        }
        _ => Ok(first),
    }
}

async fn put_once(
    dht: &Dht,
    identity: &Identity,
    content: &Content,
    sequence: u64,
) -> Result<Stored, ApiError> {
    let ready = content.sign(identity, sequence, unix_ms());
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
