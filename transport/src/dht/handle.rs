//! What the application does with the DHT.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_kademlia::Key;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, SignedRecord, kind};
use dchat_wire::{Address, PeerId};

use super::answer::{DhtStat, Effort, Evidence, Found, Got, Put};
use super::call;
use super::config::KnownNode;
use super::inner::{Granted, Wish};
use super::table::Table;
use crate::endpoint::Shared;
use crate::error::DhtError;

/// How long an operation waits for the first node to be known: a bootstrap address takes a handshake
/// and a question, and may be tried twice.
const PATIENCE: Duration = Duration::from_secs(5);

/// An endpoint's part in the DHT. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Dht {
    shared: Arc<Shared>,
    table: Arc<Table>,
}

impl Dht {
    pub(crate) fn new(shared: Arc<Shared>, table: Arc<Table>) -> Self {
        Self { shared, table }
    }

    /// The nodes nearest to `target`. Waits some seconds for the first node to be known, and takes
    /// at most the core's deadline from then. Dropping the future ends the lookup.
    ///
    /// # Errors
    /// [`DhtError`].
    pub async fn find(&self, target: Key) -> Result<Found, DhtError> {
        let (granted, took) = self.run(Wish::Find(target)).await?;
        Ok(Found {
            evidence: evidence(&granted),
            effort: effort(&granted, took),
            nodes: granted.nodes,
        })
    }

    /// What is stored under `key`, of a kind of [`dchat_wire::record::kind`]; otherwise as
    /// [`find`](Self::find). Nothing stored is no error.
    ///
    /// # Errors
    /// [`DhtError`].
    pub async fn get(&self, key: Key, kind: u16) -> Result<Got, DhtError> {
        let (granted, took) = self.run(Wish::Get(key, kind)).await?;
        Ok(Got {
            evidence: evidence(&granted),
            effort: effort(&granted, took),
            nodes: granted.nodes,
            records: granted.outcome.records,
        })
    }

    /// Stores `record` under `key` with the nodes nearest to it; otherwise as [`find`](Self::find).
    /// They keep it until it expires, also without us.
    ///
    /// # Errors
    /// [`DhtError`]. That no node keeps it is none: [`Put::refused`] says why.
    pub async fn put(&self, key: Key, record: SignedRecord) -> Result<Put, DhtError> {
        let (granted, took) = self.run(Wish::Put(key, Arc::new(record))).await?;
        Ok(Put {
            stored: granted.outcome.stored,
            evidence: evidence(&granted),
            effort: effort(&granted, took),
            refused: granted.refused.into_iter().collect(),
            nodes: granted.nodes,
        })
    }

    /// Where `peer` says it can be reached, by the newest of its valid address records; none when
    /// there is none.
    ///
    /// # Errors
    /// [`DhtError`].
    pub async fn find_peer(&self, peer: PeerId) -> Result<Vec<Address>, DhtError> {
        let key = Key(dht_key(kind::ADDRESS, peer.public_key()));
        let got = self.get(key, kind::ADDRESS).await?;
        let now = self.table.look(|inner| inner.clock.now()).0;
        let records = got.records.iter();
        let valid = records.filter_map(|record| record.open::<AddressRecord>(&peer, now).ok());
        let newest = valid.max_by_key(|record| record.sequence);
        Ok(newest.map_or_else(Vec::new, |record| record.payload.addresses.into_vec()))
    }

    /// Nodes may be at these direct addresses: contacts, and peers on the local network. They are
    /// asked, a few at a time.
    pub fn seed(&self, addresses: &[Address]) {
        self.table.look(|inner| {
            let direct = addresses.iter();
            let direct = direct.filter(|address| matches!(address, Address::Direct { .. }));
            direct.for_each(|address| inner.seeds.push(*address));
        });
        self.table.wake.notify_one();
    }

    /// Whether `peer`, a node that is known, is there, and how long its answer took: by pulse while a
    /// key of an earlier connection is held, or else over a connection.
    pub async fn ping(&self, peer: PeerId) -> Option<Duration> {
        let handle = self
            .table
            .look(|inner| inner.book.of(&peer).map(|(handle, _)| handle))?;
        call::ping(&self.shared, &self.table, handle).await
    }

    /// The state, for people.
    #[must_use]
    pub fn stat(&self) -> DhtStat {
        self.table.stat(&self.shared)
    }

    /// The nodes that answered, the latest first: keep them for the next start, as
    /// [`DhtConfig::known`](super::DhtConfig::known).
    #[must_use]
    pub fn known(&self) -> Vec<KnownNode> {
        self.table.known()
    }

    /// The nonce of our puzzle and our position, once it is solved or as long as nobody asks for
    /// that: keep the nonce for the next start.
    #[must_use]
    pub fn node(&self) -> Option<(u64, Key)> {
        let position = self.table.position();
        let valid = position.solved || self.table.look(|inner| inner.serving());
        valid.then_some((position.nonce, position.at))
    }

    async fn run(&self, wish: Wish) -> Result<(Granted, Duration), DhtError> {
        tokio::select! {
            result = self.grant(wish) => result,
            () = self.shared.closing() => Err(DhtError::Shutdown),
        }
    }

    async fn grant(&self, wish: Wish) -> Result<(Granted, Duration), DhtError> {
        // Without anybody known there is nobody to ask, and in a moment there may be.
        let known = tokio::time::timeout(PATIENCE, self.until_known()).await;
        known.map_err(|_| DhtError::NobodyKnown)?;
        let began = Instant::now();
        let Some((number, told)) = self.table.begin(&self.shared, wish) else {
            let limit = self.table.limits.operations;
            return Err(DhtError::Busy { limit });
        };
        let _cancel = Cancel { dht: self, number };
        let granted = told.await.map_err(|_| DhtError::Shutdown)?;
        Ok((granted, began.elapsed()))
    }

    async fn until_known(&self) {
        loop {
            let news = self.table.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let known = |node: &dchat_kademlia::node::Node<_>| node.contacts().next().is_some();
            if self.table.look(|inner| known(&inner.node)) {
                return;
            }
            news.await;
        }
    }
}

/// Ends an operation nobody waits for any more.
struct Cancel<'a> {
    dht: &'a Dht,
    number: u64,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        self.dht.table.cancel(&self.dht.shared, self.number);
    }
}

fn evidence(granted: &Granted) -> Evidence {
    let evidence = &granted.outcome.evidence;
    Evidence {
        paths: evidence.paths,
        paths_agreed: evidence.paths_agreed,
        subnets: evidence.subnets,
        density: evidence.density_ratio.into(),
        size: evidence.size_estimate.into(),
        conflicts: evidence.conflicts.clone(),
    }
}

fn effort(granted: &Granted, took: Duration) -> Effort {
    Effort {
        complete: granted.outcome.complete,
        hops: granted.outcome.hops,
        calls: granted.outcome.calls,
        took,
    }
}
