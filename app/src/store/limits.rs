//! Every bound of the store.

/// Text of one message, in bytes of UTF-8 (64 KiB; the messaging specification's limit).
pub const MAX_TEXT: usize = 64 * 1024;
/// Kinds of entries up to this one are messages for people: 0 is a stub that does not say, 1 a text.
pub(super) const TEXT: u16 = 1;
/// Bytes of one operation on a group's membership, with its signature.
pub const MAX_OPERATION: usize = 4 * 1024;
/// Items of a group that are looked at for what a newcomer may read.
pub const MAX_LATE: u32 = 10_000;
/// Own entries of one log that the other side has not committed yet. Two days of a message every
/// three seconds to somebody who is away; what an acknowledgement can change at once.
pub const MAX_UNACKNOWLEDGED: u64 = 65_536;
/// Incarnations of one author in one conversation: each is a restored home, so a few are honest.
pub const MAX_INCARNATIONS: usize = 256;
/// Contacts of a profile.
pub const MAX_CONTACTS: usize = 10_000;
/// Contact requests that wait for an answer. A full list refuses the newcomer, so that strangers
/// cannot push out an honest request that came before them.
pub const MAX_REQUESTS: usize = 64;
/// Invites that are neither redeemed nor expired.
pub const MAX_INVITES: usize = 256;
/// Addresses remembered for one peer; the one seen longest ago goes.
pub const MAX_ADDRESSES: usize = 16;
/// One address in its text form, in bytes. The longest multiaddr we make (two relayed hops with
/// names) stays under half of it.
pub const MAX_ADDRESS: usize = 512;
/// A contact's name, in bytes of UTF-8.
pub const MAX_NAME: usize = 128;
/// Ratchet sessions of one peer; the least recently used goes. Simultaneous first messages and
/// restarts leave a few that still receive.
pub const MAX_SESSIONS: usize = 8;
/// Name of a ratchet session, in bytes.
pub const MAX_SESSION_ID: usize = 64;
/// Ratchet state of one session or of the account, in bytes. vodozemac keeps up to 40 skipped
/// keys for each of 5 receiving chains, about 20 KiB.
pub const MAX_RATCHET_STATE: usize = 256 * 1024;
/// One value of the profile's settings kept here, in bytes.
pub const MAX_META: usize = 64 * 1024;
/// Entries in one page of history, outbox or search.
pub const MAX_PAGE: usize = 1_000;
/// Text in one page, in bytes; a page ends with the entry that reaches it.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Unread messages that are counted; the number shown then means "at least".
pub const MAX_UNREAD_COUNT: u64 = 10_000;
/// Words and runs of a search; those after it are ignored.
pub const MAX_SEARCH_TERMS: usize = 16;
/// Nodes of the distributed hash table remembered: ten would do to find back in, and after half of a
/// network has gone some of these are still there.
pub const MAX_DHT_NODES: usize = 256;
/// How long a node that was not seen is remembered, in milliseconds: a week.
pub const DHT_NODE_LIFETIME_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Own records of the distributed hash table of which the sequence and the end are remembered: more
/// than are published at a time.
pub const MAX_OWN_RECORDS: usize = 64;
/// Send tokens remembered: more than a caller can have in doubt at once.
pub const MAX_TOKENS: usize = 4_096;
/// How long a send token is remembered, in milliseconds: a day, far longer than a retry waits.
pub const TOKEN_LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;
/// Rooms and groups a profile is in at once. Each takes a few links and some memory while the node
/// runs.
pub const MAX_ROOMS: usize = 64;
/// Logs of one room or group; as many as a room may have.
pub const MAX_ROOM_LOGS: usize = dchat_gossip::frontier::MAX_LOGS;
/// People of one room whose names are remembered; the one heard of longest ago goes.
pub const MAX_ROOM_PEOPLE: usize = 16_384;
