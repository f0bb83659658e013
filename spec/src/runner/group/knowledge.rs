//! What the peer knows of a group's operations: it is asked, and told.

use core::time::Duration;
use std::collections::BTreeSet;

use dchat_wire::group::GroupOperations;
use tokio::time::{Instant, timeout};

use super::super::bodies::group::{self, OPERATIONS};
use super::super::bodies::room::LEAVE;
use super::super::case::Fault;
use super::fellow::{Fellow, hex, operations_of};
use super::story::Hash;

/// After which what a peer need not have heard is said again.
const AGAIN: Duration = Duration::from_millis(500);
/// Operations told without being asked for.
const TOLD: usize = 8;

impl Fellow {
    /// The operations that the peer knows, by its heads: it is asked as by one who knows nothing.
    ///
    /// # Errors
    /// A fault of DC-GROUP-011 when it does not answer, of DC-GROUP-003 when it names what is no
    /// operation of anybody's.
    pub async fn knowledge(&self) -> Result<BTreeSet<Hash>, Fault> {
        let said = self.told_all().await?;
        self.seen(&said)
    }

    /// GROUP_OPERATIONS that answers a question of one who knows nothing.
    async fn told_all(&self) -> Result<GroupOperations, Fault> {
        let what = "an answer with operations to one who knows none";
        let is_all = |said: &GroupOperations| {
            let mut operations = said.operations.iter();
            operations.any(|signed| signed.hash() == self.group)
        };
        self.asks(&[], &[], what, is_all).await
    }

    /// Asks as one who has these heads and lacks that, again while no answer comes: what the link carried
    /// when it began anew is lost.
    ///
    /// # Errors
    /// A fault of DC-GROUP-011 that says `what` was expected.
    pub async fn asks(
        &self,
        heads: &[Hash],
        lacking: &[Hash],
        what: &str,
        wanted: impl Fn(&GroupOperations) -> bool,
    ) -> Result<GroupOperations, Fault> {
        let deadline = Instant::now() + self.link.patience();
        let question = group::operations(&self.group, heads, lacking, &[]).bytes;
        let mut pause = AGAIN / 5;
        loop {
            let before = self.line.count();
            self.line.say(OPERATIONS, &question).await;
            let answer = self.line.until(what, |frames, _| {
                let new = frames.get(before..).unwrap_or_default().iter();
                new.filter_map(operations_of).find(|said| wanted(said))
            });
            match timeout(pause, answer).await {
                Ok(found) => return found.map_err(|fault| fault.by("DC-GROUP-011")),
                Err(_) if Instant::now() < deadline => pause = (2 * pause).min(4 * AGAIN),
                Err(_) => {
                    return Err(Fault::new(what, self.line.summary()).by("DC-GROUP-011"));
                }
            }
        }
    }

    /// What somebody knows who says this.
    fn seen(&self, said: &GroupOperations) -> Result<BTreeSet<Hash>, Fault> {
        let story = self.shared.story();
        let heads = said.heads.as_slice();
        if let Some(other) = heads.iter().find(|head| !story.has(head)) {
            let expected = "heads that are operations of the group";
            let seen = format!("{} among {}", hex(other), heads.len());
            return Err(Fault::new(expected, seen).by("DC-GROUP-003"));
        }
        Ok(story.past(heads))
    }

    /// Waits until the peer knows an operation of the story; all that it knows then.
    ///
    /// # Errors
    /// A fault when it does not take it, and as [`knowledge`](Self::knowledge).
    pub async fn teaches(&self, hash: &Hash) -> Result<BTreeSet<Hash>, Fault> {
        let told = self.shared.story().upto(hash);
        // What it lacks before these it asks for.
        let newest = told.len().saturating_sub(TOLD);
        self.line.tell(&told[newest..]).await;
        let deadline = Instant::now() + self.link.patience();
        loop {
            // What it lacks it is told by the line, with each of its answers.
            let known = self.knowledge().await?;
            if known.contains(hash) {
                return Ok(known);
            }
            if Instant::now() > deadline {
                let seen = format!("{} others of it", known.len());
                return Err(Fault::new("heads that rest on a valid operation", seen));
            }
            tokio::time::sleep(AGAIN / 10).await;
        }
    }

    /// GROUP_OPERATIONS that came on the streams of the group.
    #[must_use]
    pub fn told(&self) -> Vec<GroupOperations> {
        self.line
            .frames()
            .iter()
            .filter_map(operations_of)
            .collect()
    }

    /// Waits for GROUP_OPERATIONS of a kind.
    ///
    /// # Errors
    /// A fault that says `what` was expected.
    pub async fn hears(
        &self,
        what: &str,
        wanted: impl Fn(&GroupOperations) -> bool,
    ) -> Result<GroupOperations, Fault> {
        self.line
            .until(what, |frames, _| {
                frames
                    .iter()
                    .filter_map(operations_of)
                    .find(|said| wanted(said))
            })
            .await
    }

    /// Waits for GOSSIP_LEAVE; its reason.
    ///
    /// # Errors
    /// A fault when it does not come.
    pub async fn parted(&self) -> Result<u8, Fault> {
        self.line
            .until("GOSSIP_LEAVE", |frames, _| {
                let mut left = frames.iter().filter(|frame| frame.code == LEAVE);
                left.find_map(|frame| frame.body.first().copied())
            })
            .await
    }
}
