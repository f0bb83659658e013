//! What lasts: the seam to the database.

use dchat_wire::PeerId;
use dchat_wire::group::{LogCut, SessionExport, SignedOperation};
use zeroize::Zeroizing;

use crate::e2ee::{Export, Secret, SessionId};

/// Sessions kept of one author, the newest: with a hundred messages each, 400,000 messages.
pub const MAX_SESSIONS: usize = 4096;
/// Sessions kept of one who is not known to be a member: it may have joined and its keys may have
/// come before word of it.
pub const MAX_STRANGE_SESSIONS: usize = 8;

/// The session we seal with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutbound {
    /// State of an [`OutboundSession`](crate::e2ee::OutboundSession).
    pub state: Secret,
    /// When it began, in milliseconds since 1970.
    pub started_at: u64,
    /// Who was given it, ascending.
    pub told: Vec<PeerId>,
}

/// The durable side of one group, inside one transaction.
///
/// All changes through one `GroupLedger` are committed together or not at all. Reads see the changes
/// made before them. An error is the environment's: the transaction must then be undone.
pub trait GroupLedger {
    /// Why the environment refused.
    type Error: core::error::Error + 'static;

    /// All operations, in the order in which they were added.
    ///
    /// # Errors
    /// The environment's, here and below.
    fn operations(&mut self) -> Result<Vec<SignedOperation>, Self::Error>;

    /// Adds an operation.
    fn add_operation(&mut self, operation: &SignedOperation) -> Result<(), Self::Error>;

    /// Seed of the key we write with, the newest of ours.
    fn seat(&mut self) -> Result<Option<Zeroizing<[u8; 32]>>, Self::Error>;

    /// Keeps the seed of the key we write with from now on.
    fn save_seat(&mut self, seed: &[u8; 32]) -> Result<(), Self::Error>;

    /// The session we seal with.
    fn outbound(&mut self) -> Result<Option<StoredOutbound>, Self::Error>;

    /// Keeps the session we seal with, or forgets it.
    fn save_outbound(&mut self, outbound: Option<&StoredOutbound>) -> Result<(), Self::Error>;

    /// A session of somebody's, our own included.
    fn session(&mut self, of: &PeerId, id: &SessionId) -> Result<Option<Export>, Self::Error>;

    /// How many sessions of somebody's are kept.
    fn session_count(&mut self, of: &PeerId) -> Result<usize, Self::Error>;

    /// Keeps a session of somebody's in place of the one with this name, and forgets the oldest of
    /// its author's beyond [`MAX_SESSIONS`].
    fn save_session(
        &mut self,
        of: &PeerId,
        id: &SessionId,
        export: &SessionExport,
    ) -> Result<(), Self::Error>;

    /// All sessions of somebody's, the oldest first.
    fn sessions(&mut self, of: &PeerId) -> Result<Vec<Export>, Self::Error>;

    /// Bodies of items written with `keys` that are among the newest `count` of the group.
    fn bodies_among_newest(
        &mut self,
        keys: &[[u8; 32]],
        count: u32,
    ) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// How far each log written with `key` is held.
    fn logs_of(&mut self, key: &[u8; 32]) -> Result<Vec<LogCut>, Self::Error>;
}
