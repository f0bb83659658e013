//! Bodies of other members' items, and the sessions that open them.

use dchat_gossip::Item;
use dchat_wire::PeerId;
use dchat_wire::codec;
use dchat_wire::defect::{self, Defect};
use dchat_wire::group::{GroupKeys, SealedBody};
use dchat_wire::limits;
use dchat_wire::parcel::entry_kind;

use crate::e2ee::{DecryptError, InboundSession, SessionId};

use super::ledger::{MAX_SESSIONS, MAX_STRANGE_SESSIONS};
use super::state::Group;
use super::{GroupLedger, Output};

/// What an item says.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// A text of `from`'s.
    Text {
        /// Who wrote it.
        from: PeerId,
        /// It.
        text: String,
    },
    /// It cannot be read before its author tells us the session from an early enough index on.
    Waits {
        /// Who wrote it.
        from: PeerId,
        /// The session.
        session: SessionId,
    },
    /// Nothing that is shown: of a kind that is not known here, a stub, or broken by its author.
    Nothing {
        /// Who wrote it.
        from: PeerId,
    },
    /// It does not count: written by nobody who is, or after it went.
    Void,
}

impl core::fmt::Debug for Opened {
    /// Without the text: logs must not hold it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "Text",
            Self::Waits { .. } => "Waits",
            Self::Nothing { .. } => "Nothing",
            Self::Void => "Void",
        })
    }
}

impl Group {
    /// Who wrote `item`, if it counts. Its signature is the caller's to check.
    #[must_use]
    pub fn writer(&self, item: &Item) -> Option<&PeerId> {
        self.roster.writer(item.author(), &item.log().0, item.seq())
    }

    /// Opens the body of `item`.
    ///
    /// # Errors
    /// The environment's.
    pub fn open<L: GroupLedger>(&self, ledger: &mut L, item: &Item) -> Result<Opened, L::Error> {
        let Some(from) = self.writer(item).copied() else {
            return Ok(Opened::Void);
        };
        let body = item.signed().body.as_ref();
        let sealed = body.and_then(|body| codec::decode::<SealedBody>(body.as_slice()).ok());
        let Some(sealed) = sealed.filter(|_| item.signed().header.kind == entry_kind::TEXT) else {
            return Ok(Opened::Nothing { from });
        };
        let session = SessionId(sealed.session);
        let waits = Opened::Waits { from, session };
        let mut held = ledger.session(&from, &session)?;
        if defect::is(Defect::BelievesAnySession) {
            for other in self.roster.members.keys() {
                held = held.or(ledger.session(other, &session)?);
            }
        }
        let Some(export) = held else {
            return Ok(waits);
        };
        let read = InboundSession::import(&export)
            .and_then(|mut session| session.decrypt(sealed.message.as_slice()));
        Ok(match read {
            Ok((_, text)) => match core::str::from_utf8(&text) {
                Ok(text) if text.len() <= limits::TEXT => Opened::Text {
                    from,
                    text: text.to_owned(),
                },
                _ => Opened::Nothing { from },
            },
            Err(DecryptError::NoKey) => waits,
            Err(_) => Opened::Nothing { from },
        })
    }

    /// Takes sessions that `from` says are its own.
    ///
    /// # Errors
    /// The environment's.
    pub fn receive_keys<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        from: &PeerId,
        keys: &GroupKeys,
    ) -> Result<(), L::Error> {
        if keys.group != *self.id() || *from == self.me {
            return Ok(());
        }
        let is_known = self
            .roster
            .writers
            .values()
            .any(|writer| writer.member == *from);
        for export in keys.sessions.iter() {
            let Ok(mut session) = InboundSession::import(export) else {
                continue;
            };
            let id = session.id();
            match ledger.session(from, &id)? {
                Some(held) => {
                    let better = InboundSession::import(&held)
                        .is_ok_and(|mut held| held.is_bettered_by(&mut session));
                    if !better {
                        continue;
                    }
                }
                None if !is_known && ledger.session_count(from)? >= MAX_STRANGE_SESSIONS => break,
                None => {}
            }
            ledger.save_session(from, &id, export)?;
            self.outputs.push_back(Output::Readable {
                of: *from,
                session: id,
            });
        }
        Ok(())
    }
}

const _: () = assert!(MAX_SESSIONS > MAX_STRANGE_SESSIONS);
