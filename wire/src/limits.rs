//! Every bound of the wire format, in one table.
//!
//! A bound is part of the protocol: a sender must not exceed it and a receiver refuses what does,
//! before allocating (spec `10-encoding` §6). Raising one is a new frame type.

/// Bytes of a frame header: length, type and flags (spec `10-encoding` §4).
pub const FRAME_HEADER: usize = 8;
/// Largest body of any frame, in bytes: one full parcel, its envelope, and room for extensions.
pub const FRAME_BODY: usize = 160 * 1024;
/// Largest body of a frame whose type is unknown here and is skipped. Skipping buffers nothing, so
/// the bound only limits how long a stream may be kept busy.
pub const UNKNOWN_BODY: usize = FRAME_BODY;

/// Extensions in one body.
pub const EXTENSIONS: usize = 16;
/// Bytes of one extension's value.
pub const EXTENSION_VALUE: usize = 1024;

/// Bytes of a binary multiaddr: two public keys, one IPv6 address and their codes take 107.
pub const ADDRESS: usize = 128;
/// Addresses a peer may announce: several interfaces in two families and a few relays.
pub const ADDRESSES: usize = 16;
/// Candidates of one peer: several interfaces in two families, mappings, and a few relays.
pub const CANDIDATES: usize = 24;
/// Addresses inside an invite, which has to fit a QR code.
pub const INVITE_ADDRESSES: usize = 6;
/// Characters of an invite link after its scheme. An invite without extensions whose device record
/// is one takes at most 1,700; more is refused before it is decoded.
pub const INVITE_LINK: usize = 4096;
/// Capabilities in a HELLO.
pub const CAPABILITIES: usize = 64;
/// Bytes of a display name in UTF-8.
pub const NAME: usize = 64;
/// Bytes of a signed record's payload; the prekey bundle is the largest.
pub const RECORD_PAYLOAD: usize = 4096;
/// Bytes of an encoded record before its signature.
pub const RECORD_BODY: usize = RECORD_PAYLOAD + 256;
/// Sessions a peer lists when a chat opens.
pub const SESSIONS: usize = 8;

/// Addresses in a record that leads to a service or mailbox.
pub const ADVERT_ADDRESSES: usize = 4;
/// Bytes sealed in a record for those who share a secret: a few addresses, padded.
pub const SEALED: usize = 1024;
/// Parts the topic of relays is split into, so that no 20 nodes serve everybody who looks for one.
pub const RELAY_SHARDS: u8 = 4;
/// Nodes in one answer of the DHT: the size of a k-bucket.
pub const DHT_NODES: usize = 20;
/// Positions an asker of the DHT may say it knows already: a full answer and half another.
pub const DHT_KNOWN: usize = 32;
/// Records in one answer of the DHT.
pub const DHT_RECORDS: usize = 32;
/// Bytes of an answer with records: seven of the largest, or 32 of 1 KiB, and the nodes.
pub const DHT_VALUES: usize = 36 * 1024;

/// Addresses of a member in what members tell each other of others.
pub const GOSSIP_ADDRESSES: usize = 2;
/// Members in one shuffle or parting.
pub const GOSSIP_PEERS: usize = 8;
/// Logs in one announcement, pull or change of trees; a full one takes 16 KiB.
pub const GOSSIP_MARKS: usize = 1024;
/// Cells in one part of a sketch.
pub const GOSSIP_CELLS: usize = 4096;
/// Ranges of an archive in one frame.
pub const GOSSIP_SPANS: usize = 64;

/// Fewest bytes of a room's secret: 128 random bits, when they are random.
pub const ROOM_SECRET_MIN: usize = 16;
/// Most bytes of a room's secret: a file that is longer was not meant.
pub const ROOM_SECRET: usize = 1024;

/// Members of a group, invited ones included.
pub const GROUP_MEMBERS: usize = 256;
/// Operations one operation may name as seen: more than there are administrators at odds at once.
pub const GROUP_PARENTS: usize = 16;
/// Bytes of a group's name or policy.
pub const GROUP_TEXT: usize = 256;
/// Logs whose ends a removal names: one for each life of a member's home.
pub const GROUP_CUT: usize = 16;
/// Bytes of an operation: parents, text, cut, keys and signature, and room for extensions.
pub const GROUP_OPERATION: usize = 2048;
/// Operations in one frame.
pub const GROUP_OPERATIONS: usize = 64;
/// Sessions in one entry with keys.
pub const GROUP_KEYS: usize = 256;

/// Bytes of one message's text in UTF-8.
pub const TEXT: usize = 64 * 1024;
/// Bytes of one entry's body: a text and room for what later kinds add to it.
pub const ENTRY_BODY: usize = TEXT + 1024;
/// Entries in one parcel.
pub const PARCEL_ENTRIES: usize = 64;
/// Logs whose frontiers one parcel carries: for both authors the current incarnation and seven
/// earlier ones.
pub const PARCEL_FRONTIERS: usize = 16;
/// Causal heads of an entry.
pub const HEADS: usize = 4;
/// Bytes of a whole parcel, padding included.
pub const PARCEL: usize = 128 * 1024;
/// Smallest padded parcel: an acknowledgement looks like a short message.
pub const PARCEL_MIN: usize = 256;
/// Bytes of a ratchet message: a parcel, the cipher's padding block, keys and the tag.
pub const RATCHET_MESSAGE: usize = PARCEL + 512;

/// Bytes of a path probe without padding, and of its answer.
pub const PROBE: usize = 64;
/// Largest padded probe: the payload of a 1500-byte IPv4 packet.
pub const PROBE_PADDED: usize = 1472;
