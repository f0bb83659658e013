//! What this home's user asks of the table.

use std::time::Duration;

use dchat_transport::dht::Dht;

use super::answer;
use super::{Answer, Directory, JOINING, record, unix_ms};
use crate::api::{ApiError, DhtMode, DhtStat, DhtStatus, ErrorKind, RecordKind, Reply, Request};
use crate::node::convert::hex;

impl Directory {
    /// Answers a question of this home's user, now or when it is answered.
    pub(in crate::node) fn ask(&mut self, request: Request, answer: Answer) {
        let dht = self.dht.clone();
        let bootstrap = self.policy.bootstrap;
        match request {
            Request::DhtFind { target } => {
                self.reply(answer, async move {
                    let key = answer::key(&target, RecordKind::Address)?;
                    joined(&dht, bootstrap).await?;
                    let found = dht
                        .find(key)
                        .await
                        .map_err(|error| answer::failed(&error))?;
                    Ok(Reply::DhtFound(Box::new(answer::found(key, &found))))
                });
            }
            Request::DhtGet { target, kind } => {
                self.reply(answer, async move {
                    let key = answer::key(&target, kind)?;
                    joined(&dht, bootstrap).await?;
                    let got = dht.get(key, record::number(kind)).await;
                    let got = got.map_err(|error| answer::failed(&error))?;
                    let records = answer::records(key, kind, &got, unix_ms());
                    Ok(Reply::DhtRecords(Box::new(records)))
                });
            }
            Request::DhtPut { service } => self.put_wanted(service, answer),
            Request::DhtStat => {
                let _ = answer.send(Ok(Reply::DhtStat(Box::new(self.stat()))));
            }
            _ => {
                let message = "this is no question to the distributed hash table.";
                let _ = answer.send(Err(ApiError::new(ErrorKind::Usage, message)));
            }
        }
    }

    fn reply(
        &self,
        answer: Answer,
        work: impl Future<Output = Result<Reply, ApiError>> + Send + 'static,
    ) {
        // Bounded by the clients of the control socket, each of which has one question at a time,
        // and by the table's own limit. It ends when nobody waits for the answer any more.
        tokio::spawn(async move {
            let mut answer = answer;
            tokio::select! {
                outcome = work => drop(answer.send(outcome)),
                () = answer.closed() => {}
            }
        });
    }

    fn stat(&self) -> DhtStat {
        let stat = self.dht.stat();
        DhtStat {
            status: self.status(),
            nonce: self.dht.node().map(|(nonce, _)| nonce.to_string()),
            difficulty: stat.difficulty,
            siblings: stat.siblings as u64,
            records: stat.records as u64,
            record_bytes: stat.record_bytes as u64,
            searches: stat.lookups as u64,
            connections: stat.connections as u64,
            remembered: self.dht.known().len() as u64,
            published: self.published.values().cloned().collect(),
        }
    }

    /// The table in `status`.
    pub(in crate::node) fn status(&self) -> DhtStatus {
        let stat = self.dht.stat();
        DhtStatus {
            mode: match (stat.contacts, stat.serving) {
                (0, false) => DhtMode::Alone,
                (_, true) => DhtMode::Server,
                (_, false) => DhtMode::Client,
            },
            position: stat.position.map(|at| hex(&at.0)),
            nodes: stat.contacts as u64,
            size_estimate: answer::count(stat.size),
        }
    }
}

/// Waits until somebody is known, or gives up.
pub(super) async fn joined(dht: &Dht, bootstrap: bool) -> Result<(), ApiError> {
    let known = async {
        while dht.stat().contacts == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(JOINING, known)
        .await
        .map_err(|_| ApiError::new(ErrorKind::Unreachable, nobody(bootstrap)))
}

pub(super) fn nobody(bootstrap: bool) -> String {
    if bootstrap {
        "no bootstrap node answers. Check that the addresses of --bootstrap (or DCHAT_BOOTSTRAP, or \
         bootstrap in config.toml) are right and that a node runs there; it is tried again, and \
         nothing is lost meanwhile."
    } else {
        "no node of the distributed hash table is known. Name one with --bootstrap ADDR, or as \
         bootstrap in config.toml."
    }
    .to_owned()
}

/// Why the table is not asked.
pub(in crate::node) fn off() -> ApiError {
    let message = "the distributed hash table is turned off here: by --no-dht, DCHAT_DHT or [dht] of \
                   config.toml, or by --relay-only, because whoever asks it shows its address.";
    ApiError::new(ErrorKind::Denied, message)
}
