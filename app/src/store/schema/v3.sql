-- Rooms and groups of this profile. Those that were left stay until what was said in them has gone.
CREATE TABLE rooms (
    conversation INTEGER PRIMARY KEY REFERENCES conversations,
    -- 1 a room, which whoever knows its name may join; 2 a group, whose members are chosen.
    kind         INTEGER NOT NULL CHECK (kind IN (1, 2)),
    name         TEXT NOT NULL,
    -- The name folded: what makes it unique and what it is found by.
    name_key     TEXT NOT NULL,
    -- What its keys are derived from; a group has none.
    secret       BLOB,
    -- Of the log we write now.
    incarnation  BLOB NOT NULL CHECK (length(incarnation) = 16),
    joined_at    INTEGER NOT NULL,
    left_at      INTEGER
) STRICT;
CREATE UNIQUE INDEX rooms_by_name ON rooms (kind, name_key) WHERE left_at IS NULL;

-- Beside a log of a room or group: what its author's next item has to follow. In `logs`, the
-- incarnation of such a log is the log's name in the room, and the author is the person, or zeros
-- while nobody is known to be it.
CREATE TABLE room_logs (
    log     INTEGER PRIMARY KEY REFERENCES logs,
    -- Its author contradicted itself, and nothing of it counts any more.
    closed  INTEGER NOT NULL CHECK (closed IN (0, 1)),
    -- Of the newest item: hour since 1970, lamport time, and milliseconds since 1970.
    hour    INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    -- The two items that closed it, as they travel.
    one     BLOB,
    other   BLOB
) STRICT;

-- Items as they travel, for other members. What one says is an entry like any other.
CREATE TABLE items (
    item         INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    log          INTEGER NOT NULL REFERENCES logs,
    seq          INTEGER NOT NULL CHECK (seq >= 1),
    -- With the name of the log and the sequence, its place among all items of the room.
    lamport      INTEGER NOT NULL,
    log_name     BLOB NOT NULL CHECK (length(log_name) = 16),
    header       BLOB NOT NULL,
    signature    BLOB NOT NULL CHECK (length(signature) = 64),
    -- NULL is the stub of an item whose time is over.
    body         BLOB,
    expires_at   INTEGER,
    UNIQUE (log, seq)
) STRICT;
CREATE INDEX items_by_place ON items (conversation, lamport, log_name, seq);
CREATE INDEX items_full ON items (conversation, lamport, log_name, seq) WHERE body IS NOT NULL;
CREATE INDEX items_by_expiry ON items (expires_at)
    WHERE expires_at IS NOT NULL AND body IS NOT NULL;

-- Who is known in a room or group, and what they call themselves there.
CREATE TABLE room_people (
    conversation INTEGER NOT NULL REFERENCES conversations,
    peer         BLOB NOT NULL CHECK (length(peer) = 32),
    name         TEXT NOT NULL,
    seen_at      INTEGER NOT NULL,
    PRIMARY KEY (conversation, peer)
) STRICT, WITHOUT ROWID;
