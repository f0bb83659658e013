-- Beside a row in `rooms`: what this profile needs to take part in a group.
CREATE TABLE groups (
    conversation INTEGER PRIMARY KEY REFERENCES conversations,
    -- Seed of the key we write with; NULL while we never took a place.
    seat         BLOB CHECK (length(seat) = 32),
    -- The session we seal with: its state, when it began, and who was given it, 32 bytes each.
    outbound     BLOB,
    started_at   INTEGER,
    told         BLOB
) STRICT;

-- Who belongs to a group follows from these, in order of arrival.
CREATE TABLE group_operations (
    number       INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    operation    BLOB NOT NULL
) STRICT;
CREATE INDEX group_operations_by_group ON group_operations (conversation);

-- Megolm sessions, our own among them, from the first index on that we may read.
CREATE TABLE group_sessions (
    number       INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    peer         BLOB NOT NULL CHECK (length(peer) = 32),
    session      BLOB NOT NULL CHECK (length(session) = 32),
    export       BLOB NOT NULL CHECK (length(export) = 165),
    UNIQUE (conversation, peer, session)
) STRICT;
