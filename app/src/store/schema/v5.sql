-- Whether a message of a room or group names this profile, as it was called when the message came.
ALTER TABLE entries ADD COLUMN mention INTEGER NOT NULL DEFAULT 0 CHECK (mention IN (0, 1));
CREATE INDEX entries_by_mention ON entries (conversation) WHERE mention = 1 AND text IS NOT NULL;
-- What a conversation still says, newest last: what has expired is passed over without being looked at.
CREATE INDEX entries_said ON entries (conversation) WHERE text IS NOT NULL AND kind <= 1;
