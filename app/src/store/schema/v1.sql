-- Ids and keys are raw bytes, times are Unix milliseconds, booleans are 0 and 1.

-- Singletons of the profile, by name.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    peer      BLOB PRIMARY KEY CHECK (length(peer) = 32),
    name      TEXT NOT NULL,
    -- The name folded: what makes it unique and what it is found by.
    name_key  TEXT NOT NULL UNIQUE,
    verified  INTEGER NOT NULL CHECK (verified IN (0, 1)),
    -- 'outgoing': we added them, they have not accepted yet.
    state     TEXT NOT NULL CHECK (state IN ('accepted', 'outgoing', 'blocked')),
    added_at  INTEGER NOT NULL,
    last_seen INTEGER
) STRICT, WITHOUT ROWID;

-- Strangers who wrote and wait to be accepted.
CREATE TABLE requests (
    peer     BLOB PRIMARY KEY CHECK (length(peer) = 32),
    name     TEXT,
    first_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of contacts and requests alike, so that accepting somebody keeps their addresses.
CREATE TABLE addresses (
    peer    BLOB NOT NULL CHECK (length(peer) = 32),
    address TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (peer, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    secret      BLOB NOT NULL CHECK (length(secret) = 32),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    redeemed_by BLOB CHECK (length(redeemed_by) = 32)
) STRICT, WITHOUT ROWID;

-- Ratchet state is opaque here and large, hence rowid tables.
CREATE TABLE account (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    state     BLOB NOT NULL
) STRICT;

CREATE TABLE sessions (
    peer         BLOB NOT NULL CHECK (length(peer) = 32),
    session_id   BLOB NOT NULL,
    state        BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (peer, session_id)
) STRICT;

-- Small numbers stand for conversations and logs inside this file: an entry then carries two
-- integers instead of 112 bytes of ids, and so does every index over entries.
CREATE TABLE conversations (
    conversation INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 32)
) STRICT;

CREATE TABLE logs (
    log          INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    author       BLOB NOT NULL CHECK (length(author) = 32),
    incarnation  BLOB NOT NULL CHECK (length(incarnation) = 16),
    own          INTEGER NOT NULL CHECK (own IN (0, 1)),
    -- Sequence of the next entry, and hash of the one before it.
    next_seq     INTEGER NOT NULL CHECK (next_seq >= 1),
    tip          BLOB NOT NULL CHECK (length(tip) = 32),
    -- Without a hole from here on; below it, some were not to be had.
    low_water    INTEGER NOT NULL CHECK (low_water BETWEEN 1 AND next_seq),
    -- Own logs: the other side has committed all through here.
    acked        INTEGER NOT NULL CHECK (acked BETWEEN 0 AND next_seq - 1),
    -- The reading side (they of our logs, we of theirs) has read all through here.
    read         INTEGER NOT NULL CHECK (read BETWEEN 0 AND next_seq - 1),
    UNIQUE (conversation, author, incarnation)
) STRICT;

CREATE TABLE entries (
    -- Order of arrival. Never reused: entries are never deleted.
    ord          INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    log          INTEGER NOT NULL REFERENCES logs,
    seq          INTEGER NOT NULL CHECK (seq >= 1),
    id           BLOB NOT NULL CHECK (length(id) = 16),
    hash         BLOB NOT NULL CHECK (length(hash) = 32),
    prev         BLOB NOT NULL CHECK (length(prev) = 32),
    kind         INTEGER NOT NULL,
    -- 2 queued, 3 stored, 4 delivered, 5 read, 6 failed, 7 received. From 2 on integers all take
    -- one byte, so that a change of state overwrites it in place and copies no text.
    state        INTEGER NOT NULL CHECK (state BETWEEN 2 AND 7),
    sent_at      INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    expires_at   INTEGER,
    -- NULL is the stub of an entry that expired or was withheld.
    text         TEXT,
    UNIQUE (log, seq)
) STRICT;

-- Unique within a log only: an id that some peer made up must not keep out another's entry.
CREATE UNIQUE INDEX entries_by_id ON entries (id, log);
-- A rowid table's index ends in the rowid, so this is (conversation, ord).
CREATE INDEX entries_by_conversation ON entries (conversation);
CREATE INDEX entries_by_expiry ON entries (expires_at)
    WHERE expires_at IS NOT NULL AND text IS NOT NULL;

-- rowid = entries.ord. Contentless: it holds terms, not a copy of the text. The ASCII tokenizer
-- splits at the spaces we put and keeps every other character we let through.
CREATE VIRTUAL TABLE search USING fts5 (
    conversation, terms,
    content = '', columnsize = 0, tokenize = 'ascii'
);
-- Deleted terms leave the index pages at once.
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);

-- Invites of others that we hold and have not redeemed yet.
CREATE TABLE held_invites (
    peer       BLOB PRIMARY KEY CHECK (length(peer) = 32),
    invite     BLOB NOT NULL CHECK (length(invite) = 16),
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Under which token a program asked for a message to be sent, so that asking again sends nothing
-- twice.
CREATE TABLE sent_tokens (
    ord     INTEGER PRIMARY KEY,
    token   BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    id      BLOB NOT NULL CHECK (length(id) = 16),
    sent_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_tokens_by_time ON sent_tokens (sent_at);
