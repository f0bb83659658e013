//! Two halves of a room whose logs went apart while they could not reach each other, and that meet in the
//! implementation (`80-gossip` §5): it ends with both, and so do they.

use super::super::bodies::room::{self, Author, Item};
use super::super::case::{Case, Fault, Outcome, Profile};
use super::super::member::Member;
use super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::positive(
            "partition/halves-meet",
            "halves of which each holds 40 items the other lacks end with all 80",
            &["DC-GOSSIP-029", "DC-GOSSIP-043", "DC-GOSSIP-049"],
            |partner| meet(partner, [(8, 5), (8, 5)]),
        )
        .profile(Profile::Gossip),
        Case::positive(
            "partition/one-half-is-new",
            "a half that held nothing gets what the other said, oldest logs included",
            &["DC-GOSSIP-029", "DC-GOSSIP-043", "DC-GOSSIP-042"],
            |partner| meet(partner, [(10, 6), (0, 0)]),
        )
        .profile(Profile::Gossip),
    ]
}

/// What one half said while it was alone.
struct Half {
    member: Member,
    logs: Vec<(Author, Vec<Item>)>,
}

impl Half {
    async fn new(partner: &Partner, (logs, items): (usize, u32)) -> Result<Self, Fault> {
        let member = Member::enter(partner).await?;
        let log = |_| {
            let mut author = Author::new(&member.room, &partner.fresh(), partner.array());
            // An hour ago.
            author.next.sent_at -= 3_600_000;
            author.next.lamport = author.next.sent_at;
            let said = (0..items)
                .map(|number| {
                    let item = author.says(&format!("alone {number}"));
                    author.next.sent_at = item.header.sent_at + 1000;
                    author.next.lamport = author.next.sent_at;
                    item
                })
                .collect();
            (author, said)
        };
        let logs = (0..logs).map(log).collect();
        Ok(Self { member, logs })
    }

    /// Says what it holds, and gives what is asked for until nothing is missing any more.
    async fn gives(&mut self) -> Outcome {
        for part in self.logs.chunks(8) {
            let marks: Vec<(u64, u32, u16)> = part
                .iter()
                .map(|(author, items)| (author.mark(), items.len() as u32, u16::MAX))
                .collect();
            self.member
                .say(room::ANNOUNCE, &room::announce(&marks))
                .await;
        }
        let mut given = 0;
        let mut left: std::collections::BTreeMap<u64, u32> = self
            .logs
            .iter()
            .map(|(author, _)| (author.mark(), 0))
            .collect();
        let want = |left: &std::collections::BTreeMap<u64, u32>, logs: &[(Author, Vec<Item>)]| {
            logs.iter()
                .any(|(author, items)| left.get(&author.mark()) != Some(&(items.len() as u32)))
        };
        while want(&left, &self.logs) {
            let wants = self
                .member
                .until("GOSSIP_PULL for what was announced", |frames| {
                    let pulls = frames.iter().filter_map(|frame| match frame.decoded()? {
                        dchat_wire::Frame::GossipPull(pull) => Some(pull),
                        _ => None,
                    });
                    let pulls: Vec<_> = pulls.collect();
                    (pulls.len() > given).then_some(pulls)
                })
                .await
                .map_err(|fault| fault.by("DC-GOSSIP-042"))?;
            for pull in &wants[given..] {
                for want in pull.wants.as_slice() {
                    let found = self
                        .logs
                        .iter()
                        .find(|(author, _)| author.mark() == want.log);
                    let Some((author, items)) = found else {
                        continue;
                    };
                    let (after, upto) = (want.after as usize, want.upto as usize);
                    for item in items.iter().take(upto).skip(after) {
                        self.member.push(item, room::ASKED).await;
                    }
                    let sent = left.entry(author.mark()).or_default();
                    *sent = (*sent).max(upto.min(items.len()) as u32);
                }
            }
            given = wants.len();
        }
        Ok(())
    }

    /// Gets everything of the other half.
    async fn gets(&mut self, other: &[(Author, Vec<Item>)]) -> Outcome {
        for (author, items) in other {
            if let Some(last) = items.last() {
                // Announced as a whole; each item is then asked for.
                self.member.hears(last, author.mark()).await?;
            }
            for item in items {
                self.member.obtains(item, author.mark()).await?;
            }
        }
        Ok(())
    }
}

async fn meet(partner: Partner, sizes: [(usize, u32); 2]) -> Outcome {
    let mut one = Half::new(&partner, sizes[0]).await?;
    let mut other = Half::new(&partner, sizes[1]).await?;
    one.gives().await?;
    other.gives().await?;
    let (ours, theirs) = (
        core::mem::take(&mut one.logs),
        core::mem::take(&mut other.logs),
    );
    one.gets(&theirs).await?;
    other.gets(&ours).await
}
