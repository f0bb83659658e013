//! The ratchet sessions with one peer during a connection: read when used, saved once a
//! transaction.

use dchat_wire::limits;

use crate::e2ee::{OlmSession, PairwiseSession, Secret, SessionId, StateError};

use super::{Error, Ledger};

/// At most [`limits::SESSIONS`] sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    id: SessionId,
    created_at: u64,
    used_at: u64,
    ratchet: Ratchet,
    changed: bool,
}

#[derive(Debug)]
enum Ratchet {
    Stored(Secret),
    Live(Box<dyn PairwiseSession>),
}

impl Sessions {
    pub(super) fn load<L: Ledger>(ledger: &mut L) -> Result<Self, L::Error> {
        let mut held: Vec<Held> = ledger
            .sessions()?
            .into_iter()
            .map(|stored| Held {
                id: stored.id,
                created_at: stored.created_at,
                used_at: stored.last_used_at,
                ratchet: Ratchet::Stored(stored.state),
                changed: false,
            })
            .collect();
        held.sort_by_key(|session| (core::cmp::Reverse(session.created_at), session.id));
        Ok(Self { held })
    }

    /// Newest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.held.iter().map(|session| session.id)
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.ids().any(|held| held == id)
    }

    /// The session, which counts as changed from now on.
    ///
    /// # Errors
    /// [`StateError`]: what is stored of it cannot be read.
    pub(super) fn live(
        &mut self,
        id: SessionId,
        now: u64,
    ) -> Result<Option<&mut dyn PairwiseSession>, StateError> {
        let Some(held) = self.held.iter_mut().find(|session| session.id == id) else {
            return Ok(None);
        };
        if let Ratchet::Stored(state) = &held.ratchet {
            held.ratchet = Ratchet::Live(Box::new(OlmSession::from_state(state)?));
        }
        held.changed = true;
        held.used_at = now;
        match &mut held.ratchet {
            Ratchet::Live(session) => Ok(Some(session.as_mut())),
            Ratchet::Stored(_) => Ok(None),
        }
    }

    /// Adds a new session as the newest. When there are too many, the one that was not used for
    /// longest goes.
    pub(super) fn insert<L: Ledger>(
        &mut self,
        ledger: &mut L,
        session: Box<dyn PairwiseSession>,
        now: u64,
    ) -> Result<(), L::Error> {
        if self.held.len() >= limits::SESSIONS {
            let idle = self
                .held
                .iter()
                .min_by_key(|session| (session.used_at, session.id))
                .map(|session| session.id);
            if let Some(id) = idle {
                self.remove(ledger, id)?;
            }
        }
        let held = Held {
            id: session.id(),
            created_at: now,
            used_at: now,
            ratchet: Ratchet::Live(session),
            changed: true,
        };
        self.held.insert(0, held);
        Ok(())
    }

    pub(super) fn remove<L: Ledger>(
        &mut self,
        ledger: &mut L,
        id: SessionId,
    ) -> Result<(), L::Error> {
        self.held.retain(|session| session.id != id);
        ledger.remove_session(&id)
    }

    /// Saves each session used since the last time, once.
    pub(super) fn save<L: Ledger>(
        &mut self,
        ledger: &mut L,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        for held in self.held.iter_mut().filter(|session| session.changed) {
            if let Ratchet::Live(session) = &held.ratchet {
                let state = session.to_state()?;
                ledger
                    .save_session(&held.id, &state, now)
                    .map_err(Error::Ledger)?;
            }
            held.changed = false;
        }
        Ok(())
    }
}
