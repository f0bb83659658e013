//! What each kind of record may be.

use dchat_wire::limits;
use dchat_wire::record::kind;
use dchat_wire::statement::Statement;

/// Who may write under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The key is of the signer's public key: nobody else's record belongs there.
    Signer,
    /// The key is of a topic's name: anybody's does.
    Topic,
}

/// What a kind may be, and how much of a store it may take (spec `70-dht` §6, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The kind.
    pub kind: u16,
    /// Who may write under one key.
    pub placement: Placement,
    /// Most bytes of the payload.
    pub payload: usize,
    /// Most bytes of the encoded body: the payload, 74 bytes around it, and room for extensions.
    pub body: usize,
    /// Longest time between issue and expiry, in milliseconds.
    pub lifetime: u64,
    /// Most records under one key.
    pub per_key: u16,
    /// Eighths of a store's bytes that the kind may take.
    pub eighths: u8,
}

/// The kinds that are stored.
///
/// The bytes of a payload are what its fields can take, rounded up for extensions; a prekey bundle
/// may grow to the format's own limit. Under a signer's key stands one record, and one more when
/// the signer contradicts itself; the members of a group and those who speak of a topic are
/// bounded by two answers' worth. What people are found by may take half of a store, and together
/// all that nobody has to renew.
pub const RULES: [Rule; 7] = [
    of(kind::ADDRESS, Placement::Signer, 2304, 2, 4),
    of(
        kind::DEVICE,
        Placement::Signer,
        limits::RECORD_PAYLOAD,
        2,
        4,
    ),
    of(kind::RELAY, Placement::Topic, 256, PER_TOPIC, 1),
    of(kind::SERVICE, Placement::Topic, 1024, PER_TOPIC, 2),
    of(kind::MAILBOX, Placement::Signer, 1024, 2, 2),
    of(kind::PRESENCE, Placement::Signer, 1152, 2, 4),
    of(kind::RENDEZVOUS, Placement::Signer, 1152, PER_TOPIC, 4),
];

/// Twice what one answer carries.
const PER_TOPIC: u16 = 64;
const _: () = assert!(PER_TOPIC as usize == 2 * limits::DHT_RECORDS);

const fn of(kind: u16, placement: Placement, payload: usize, per_key: u16, eighths: u8) -> Rule {
    Rule {
        kind,
        placement,
        payload,
        body: payload + (limits::RECORD_BODY - limits::RECORD_PAYLOAD),
        lifetime: 0,
        per_key,
        eighths,
    }
}

/// The rule of `kind`; none for a kind that is not stored.
#[must_use]
pub fn rule(kind: u16) -> Option<Rule> {
    let rule = RULES.iter().find(|rule| rule.kind == kind)?;
    Some(Rule {
        lifetime: Statement::max_lifetime(kind)?,
        ..*rule
    })
}
