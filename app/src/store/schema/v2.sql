-- Nodes of the distributed hash table that were there, to find back in by.
CREATE TABLE dht_nodes (
    peer      BLOB PRIMARY KEY CHECK (length(peer) = 32),
    -- The nonce of its puzzle, as the signed integer of the same bits.
    nonce     INTEGER NOT NULL,
    -- Addresses and ports, as text.
    socket    TEXT NOT NULL,
    other     TEXT,
    last_seen INTEGER NOT NULL,
    rtt_ms    INTEGER CHECK (rtt_ms BETWEEN 0 AND 65535)
) STRICT, WITHOUT ROWID;
CREATE INDEX dht_nodes_by_time ON dht_nodes (last_seen);
