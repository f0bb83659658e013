//! Invites we were given and have not redeemed yet.

use rusqlite::params;
use zeroize::Zeroizing;

use super::{InviteId, PeerKey, StoreError, Tx, UnixMillis, View};

/// An invite of `peer`'s that we hold.
#[derive(Debug, Clone)]
pub struct HeldInvite {
    /// Its name at the inviter.
    pub invite: InviteId,
    /// What proves that we hold it.
    pub secret: Zeroizing<[u8; 32]>,
}

impl View<'_> {
    /// The invite of `peer`'s that we hold and that has not expired.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn held_invite(
        &self,
        peer: &PeerKey,
        now: UnixMillis,
    ) -> Result<Option<HeldInvite>, StoreError> {
        self.one(
            "SELECT invite, secret FROM held_invites WHERE peer = ?1 AND expires_at > ?2",
            params![peer, now],
            |row| {
                Ok(HeldInvite {
                    invite: row.get(0)?,
                    secret: Zeroizing::new(row.get(1)?),
                })
            },
        )
    }
}

impl Tx<'_> {
    /// Keeps an invite of `peer`'s until it is redeemed; a later one takes the place of an earlier.
    /// One a contact, so their number is bounded by that of contacts.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn hold_invite(
        &self,
        peer: &PeerKey,
        invite: &InviteId,
        secret: &[u8; 32],
        expires_at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO held_invites (peer, invite, secret, expires_at) \
             VALUES (?1, ?2, ?3, ?4)",
            params![peer, invite, secret, expires_at],
        )?;
        Ok(())
    }

    /// Forgets it: it is redeemed, or the contact is gone.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn release_invite(&self, peer: &PeerKey) -> Result<(), StoreError> {
        self.run("DELETE FROM held_invites WHERE peer = ?1", [peer])?;
        Ok(())
    }
}
