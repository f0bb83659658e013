//! Invites: one person each, once.

use std::fmt;

use dchat_wire::defect::{self, Defect};
use rusqlite::params;
use zeroize::Zeroizing;

use super::{PeerKey, StoreError, Tx, UnixMillis, View, limits::MAX_INVITES};

/// Public name of an invite, random.
pub type InviteId = [u8; 16];

/// An invite that we gave out.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its name.
    pub id: InviteId,
    /// What its bearer knows.
    pub secret: Zeroizing<[u8; 32]>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is worth nothing.
    pub expires_at: UnixMillis,
    /// Who came with it.
    pub redeemed_by: Option<PeerKey>,
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("redeemed", &self.redeemed_by.is_some())
            .finish_non_exhaustive()
    }
}

/// What became of an attempt to redeem. Only `Redeemed` changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// This peer's from now on.
    Redeemed,
    /// This peer's already: the answer was lost and they ask again.
    Again,
    /// Another peer's.
    Used,
    /// Its time is over.
    Expired,
    /// None of ours, or forgotten since it expired.
    Unknown,
}

impl View<'_> {
    /// The invite called `id`.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn invite(&self, id: &InviteId) -> Result<Option<Invite>, StoreError> {
        self.one(
            "SELECT id, secret, created_at, expires_at, redeemed_by FROM invites WHERE id = ?1",
            [id],
            |row| {
                Ok(Invite {
                    id: row.get(0)?,
                    secret: Zeroizing::new(row.get(1)?),
                    created_at: row.get(2)?,
                    expires_at: row.get(3)?,
                    redeemed_by: row.get(4)?,
                })
            },
        )
    }
}

impl Tx<'_> {
    /// Keeps a new invite and forgets those that expired. Returns `false`, and keeps nothing,
    /// when [`MAX_INVITES`] are still good: the person waits, or lets some be redeemed.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn create_invite(
        &self,
        id: &InviteId,
        secret: &[u8; 32],
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.run("DELETE FROM invites WHERE expires_at <= ?1", [now])?;
        let open = "SELECT count(*) FROM invites WHERE redeemed_by IS NULL";
        if self.count(open, [])? >= MAX_INVITES as u64 {
            return Ok(false);
        }
        self.run(
            "INSERT INTO invites (id, secret, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
            params![id, secret, now, expires_at],
        )?;
        Ok(true)
    }

    /// Gives the invite `id` to `peer`, who has proven to know its secret.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn redeem_invite(
        &self,
        id: &InviteId,
        peer: &PeerKey,
        now: UnixMillis,
    ) -> Result<Redemption, StoreError> {
        let Some(invite) = self.invite(id)? else {
            return Ok(Redemption::Unknown);
        };
        match invite.redeemed_by {
            Some(_) if defect::is(Defect::RedeemsTwice) => {}
            Some(by) if by == *peer => return Ok(Redemption::Again),
            Some(_) => return Ok(Redemption::Used),
            None if invite.expires_at <= now => return Ok(Redemption::Expired),
            None => {}
        }
        self.run(
            "UPDATE invites SET redeemed_by = ?2 WHERE id = ?1",
            params![id, peer],
        )?;
        Ok(Redemption::Redeemed)
    }
}
