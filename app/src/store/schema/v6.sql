-- The latest of the own records that others may hold, by what they are of: what follows is newer and
-- ends no earlier, also when the clock has gone back meanwhile.
CREATE TABLE own_records (
    kind       INTEGER NOT NULL,
    -- What the kind's records are told apart by; empty where there is one.
    name       TEXT NOT NULL,
    sequence   INTEGER NOT NULL CHECK (sequence >= 0),
    -- Milliseconds since 1970.
    expires_at INTEGER NOT NULL CHECK (expires_at >= 0),
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
