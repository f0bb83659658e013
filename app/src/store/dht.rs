//! Nodes of the distributed hash table, remembered from one start to the next.
//!
//! At most [`MAX_DHT_NODES`], those seen last; none that was not seen for [`DHT_NODE_LIFETIME_MS`]:
//! most addresses are another's by then. What is read is only where to ask, and believed of nobody.

use std::net::SocketAddr;

use rusqlite::{Row, params};

use super::limits::{DHT_NODE_LIFETIME_MS, MAX_DHT_NODES};
use super::transaction::seq_to_sql;
use super::{PeerKey, StoreError, Tx, UnixMillis, View};

/// A node that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtNode {
    /// Its key.
    pub peer: PeerKey,
    /// The nonce of its puzzle.
    pub nonce: u64,
    /// Where it listened.
    pub socket: SocketAddr,
    /// Where it listened in the other family.
    pub other: Option<SocketAddr>,
    /// When it last answered.
    pub last_seen: UnixMillis,
    /// Milliseconds to it and back, where that was measured.
    pub rtt_ms: Option<u16>,
}

impl View<'_> {
    /// The nodes that were seen within their lifetime, latest first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn dht_nodes(&self, now: UnixMillis) -> Result<Vec<DhtNode>, StoreError> {
        let nodes = self.all(
            "SELECT peer, nonce, socket, other, last_seen, rtt_ms FROM dht_nodes \
             WHERE last_seen > ?1 ORDER BY last_seen DESC, peer LIMIT ?2",
            params![
                now.saturating_sub(DHT_NODE_LIFETIME_MS),
                seq_to_sql(MAX_DHT_NODES as u64)
            ],
            DhtNode::from_row,
        )?;
        Ok(nodes.into_iter().flatten().collect())
    }
}

impl DhtNode {
    /// `None` for a row whose address is none: the table only says where to ask, so it is skipped.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Ok(socket) = row.get::<_, String>(2)?.parse() else {
            return Ok(None);
        };
        let nonce: i64 = row.get(1)?;
        let other: Option<String> = row.get(3)?;
        Ok(Some(Self {
            peer: row.get(0)?,
            nonce: nonce.cast_unsigned(),
            socket,
            other: other.and_then(|other| other.parse().ok()),
            last_seen: row.get(4)?,
            rtt_ms: row.get(5)?,
        }))
    }
}

impl Tx<'_> {
    /// Remembers nodes, the newest of what is known of each, and forgets what is over its time or
    /// number.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remember_dht_nodes(&self, nodes: &[DhtNode], now: UnixMillis) -> Result<(), StoreError> {
        for node in nodes.iter().take(MAX_DHT_NODES) {
            self.run(
                "INSERT INTO dht_nodes (peer, nonce, socket, other, last_seen, rtt_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (peer) DO UPDATE SET nonce = excluded.nonce, \
                 socket = excluded.socket, other = excluded.other, \
                 last_seen = excluded.last_seen, rtt_ms = ifnull(excluded.rtt_ms, rtt_ms) \
                 WHERE excluded.last_seen >= last_seen",
                params![
                    node.peer,
                    node.nonce.cast_signed(),
                    node.socket.to_string(),
                    node.other.map(|socket| socket.to_string()),
                    node.last_seen,
                    node.rtt_ms,
                ],
            )?;
        }
        self.run(
            "DELETE FROM dht_nodes WHERE last_seen <= ?1",
            [now.saturating_sub(DHT_NODE_LIFETIME_MS)],
        )?;
        self.run(
            "DELETE FROM dht_nodes WHERE peer IN \
             (SELECT peer FROM dht_nodes ORDER BY last_seen DESC, peer LIMIT -1 OFFSET ?1)",
            [seq_to_sql(MAX_DHT_NODES as u64)],
        )?;
        Ok(())
    }
}
