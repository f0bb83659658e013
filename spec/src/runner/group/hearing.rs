//! What one of the runner's members hears of the peer: entries of their conversation, and items of the group.

use core::time::Duration;
use std::collections::BTreeSet;

use dchat_wire::codec;
use dchat_wire::gossip::SignedItem;
use dchat_wire::group::{GroupOperations, SignedOperation};
use tokio::time::Instant;

use super::super::bodies::group::{ENTRY_KEYS, ENTRY_OPERATIONS};
use super::super::case::{Fault, Outcome};
use super::super::chat::Talk;
use super::super::partner::own;
use super::fellow::Fellow;
use super::keys::{Handed, body_of, expect_signed, handed};

/// After which what did not come is looked for by comparing.
const COMPARES: Duration = Duration::from_secs(2);

impl Fellow {
    /// Its conversation.
    ///
    /// # Errors
    /// The runner's own, when there is none.
    pub fn talk(&mut self) -> Result<&mut Talk, Fault> {
        self.chat.as_mut().ok_or_else(no_conversation)
    }

    /// Waits for an entry of the peer's of a kind, and acknowledges what came.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn entry<T>(
        &mut self,
        what: &str,
        kind: u16,
        wanted: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Fault> {
        let talk = self.talk()?;
        let found = talk
            .until(what, |talk| {
                bodies(talk, kind)
                    .into_iter()
                    .find_map(|body| wanted(&body))
            })
            .await?;
        self.acknowledges().await?;
        Ok(found)
    }

    /// Waits for an operation of the group in an entry.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn operation(
        &mut self,
        what: &str,
        wanted: impl Fn(&SignedOperation) -> bool,
    ) -> Result<SignedOperation, Fault> {
        let group = self.group;
        self.entry(what, ENTRY_OPERATIONS, |body| {
            let said: GroupOperations = codec::decode(body).ok()?;
            let mut operations = said.operations.iter().filter(|_| said.group == group);
            operations.find(|signed| wanted(signed)).cloned()
        })
        .await
    }

    /// All sessions of the group that were handed over so far.
    ///
    /// # Errors
    /// A fault when an entry is not what its kind says.
    pub async fn sessions(&mut self) -> Result<Vec<Handed>, Fault> {
        let group = self.group;
        let talk = self.talk()?;
        // Takes in what is there.
        talk.until("", |_| Some(())).await?;
        let mut all = Vec::new();
        for body in bodies(talk, ENTRY_KEYS) {
            all.extend(handed(&group, &body)?);
        }
        Ok(all)
    }

    /// Waits for the item that `author`, the key of the peer's, signed and that says `text`, with a session
    /// that was handed over here.
    ///
    /// # Errors
    /// A fault when item or session do not come.
    pub async fn reads(&mut self, author: &[u8; 32], text: &str) -> Result<Said, Fault> {
        let deadline = Instant::now() + self.link.patience();
        loop {
            let sessions = self.sessions().await?;
            let items = self.line.items();
            let own = items.iter().filter(|item| item.header.author == *author);
            let found = own.clone().find_map(|item| said(item, &sessions, text));
            if let Some(said) = found {
                expect_signed(&self.group, &said.item)?;
                self.acknowledges().await?;
                return Ok(said);
            }
            if Instant::now() > deadline {
                let seen = format!(
                    "{} items and {} sessions of the peer's; {}",
                    own.count(),
                    sessions.len(),
                    self.line.summary()
                );
                let expected =
                    format!("an item that says {text:?}, and the session it is sealed with");
                return Err(Fault::new(expected, seen));
            }
            let count = items.len();
            let talk = self.chat.as_mut().ok_or_else(no_conversation)?;
            let parcels = talk.parcels.len();
            tokio::select! {
                more = self.line.until("an item", |_, items| (items.len() > count).then_some(())) => more?,
                more = talk.until("a session", |talk| (talk.parcels.len() > parcels).then_some(())) => more?,
                () = tokio::time::sleep(COMPARES) => self.line.compares().await,
            }
        }
    }

    /// Says what it holds of the peer's log.
    async fn acknowledges(&mut self) -> Outcome {
        let talk = self.talk()?;
        let frontiers = talk.frontiers();
        talk.send(&frontiers, &[]).await
    }
}

/// An item that was read.
#[derive(Clone, Debug)]
pub struct Said {
    /// It.
    pub item: SignedItem,
    /// The session that reads it, as it was handed over.
    pub handed: Handed,
    /// At which index it was encrypted.
    pub index: u32,
}

/// An item, when one of these sessions reads `text` in it.
fn said(item: &SignedItem, sessions: &[Handed], text: &str) -> Option<Said> {
    let body = body_of(item)?;
    let mut fitting = sessions.iter().filter(|one| one.session() == body.session);
    fitting.find_map(|handed| {
        let (index, plain) = handed.opens(body.message.as_slice()).ok()?;
        (plain == text.as_bytes()).then(|| Said {
            item: item.clone(),
            handed: *handed,
            index,
        })
    })
}

fn no_conversation() -> Fault {
    own("no conversation")
}

/// The bodies of the peer's entries of a kind, each entry once.
fn bodies(talk: &Talk, kind: u16) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut bodies = Vec::new();
    for entry in talk
        .parcels
        .iter()
        .flat_map(|one| one.parcel.entries.iter())
    {
        let content = entry
            .content
            .as_ref()
            .filter(|content| content.kind == kind);
        if let Some(content) = content
            && seen.insert((entry.incarnation, entry.seq))
        {
            bodies.push(content.body.as_slice().to_vec());
        }
    }
    bodies
}
