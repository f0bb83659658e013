//! Offering a place and taking it (`81-groups` §2 and §7), and who is let in (§1).

use std::collections::BTreeSet;

use super::super::super::bodies::group::deed;
use super::super::super::bodies::room::{OPEN, parting};
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::{Company, Fellow};
use super::super::super::identity::Identity;
use super::{inside, outside};

pub(super) fn cases() -> Vec<Case> {
    vec![
        outside(
            Kind::Positive,
            "accept",
            "who takes its place says so in an entry, with a proof of its key and after what it was told",
            &["DC-GROUP-005", "DC-GROUP-003"],
            |company| Box::pin(accept(company)),
        ),
        outside(
            Kind::Positive,
            "accept-after-two",
            "ACCEPT names all that nothing else names: the invitation, and what stands beside it",
            &["DC-GROUP-005"],
            |company| Box::pin(accept_after_two(company)),
        ),
        outside(
            Kind::Positive,
            "accept-in-parts",
            "an invitation whose past takes several entries is one all the same",
            &["DC-GROUP-005"],
            |company| Box::pin(accept_in_parts(company)),
        ),
        inside(
            Kind::Positive,
            "accept-again",
            "who left and is invited again takes its place with another key",
            &["DC-GROUP-004", "DC-GROUP-005"],
            |company| Box::pin(accept_again(company)),
        ),
        outside(
            Kind::Positive,
            "decline",
            "who turns an offer down says LEAVE in an entry to who made it",
            &["DC-GROUP-005", "DC-GROUP-008"],
            |company| Box::pin(decline(company)),
        ),
        inside(
            Kind::Negative,
            "stranger-opens",
            "a stream of a stranger is refused, though it shows the right tag: UNKNOWN_ROOM",
            &["DC-GROUP-001"],
            |company| Box::pin(stranger_opens(company)),
        ),
        inside(
            Kind::Negative,
            "stranger-is-left-alone",
            "no stream of the group is opened to a stranger, nor is one told a word of it",
            &["DC-GROUP-001", "DC-GROUP-016"],
            |company| Box::pin(stranger_is_left_alone(company)),
        ),
        inside(
            Kind::Positive,
            "member-without-a-chat",
            "a conversation of a member that is no contact is opened, for what belongs to the group",
            &["DC-GROUP-015"],
            |company| {
                Box::pin(async move {
                    let mut fellow = company.befriends().await?;
                    let sender = fellow.sender.0.export();
                    fellow.hands(sender).await
                })
            },
        ),
    ]
}

async fn accept(company: &mut Company) -> Outcome {
    let invite = company.invites_peer().await?;
    let hash = company.peer_accepts().await?;
    let (accept, peer) = (read(company, &hash)?, company.peer());
    let seen = format!("{accept:?}");
    // Signature and proof were checked when it was learned.
    let right = accept.seq == 1
        && accept.subject.is_none()
        && accept.cut.as_slice().is_empty()
        && *accept.author.public_key() == peer;
    expect(
        right,
        "the peer's first operation, an ACCEPT as its deed asks for",
        &seen,
    )
    .map_err(|fault| fault.by("DC-GROUP-003"))?;
    expect(
        accept.after.as_slice() == [invite],
        "an ACCEPT that names the INVITE and nothing else",
        &seen,
    )?;
    let key = accept.seat.map(|seat| seat.key);
    expect(
        key.is_some_and(|key| key != peer),
        "a key made for the group",
        &seen,
    )
    .map_err(|fault| fault.by("DC-GROUP-004"))?;
    company.founder.enter().await
}

fn read(company: &Company, hash: &[u8; 32]) -> Result<dchat_wire::group::Operation, Fault> {
    let read = company.shared.story().read(hash);
    read.ok_or_else(|| Fault::new("an operation", "none"))
}

async fn accept_after_two(company: &mut Company) -> Outcome {
    let (peer, founder) = (company.peer(), company.founder.identity.clone());
    let group = company.shared.story().group;
    let invite = company.to(deed::INVITE, &peer);
    // An operation of another member's would stand beside it; one of the same author does, too.
    let mut aside = company
        .shared
        .story()
        .next(&founder, &[group], deed::RENAME);
    company.name.clone_into(&mut aside.text);
    let aside = company.shared.story().add(&aside, &founder);
    let told = company
        .shared
        .story()
        .known
        .iter()
        .map(|one| one.signed.clone())
        .collect::<Vec<_>>();
    company.founder.tells(&told).await?;
    let hash = company.peer_accepts().await?;
    let named: BTreeSet<[u8; 32]> = read(company, &hash)?
        .after
        .as_slice()
        .iter()
        .copied()
        .collect();
    let seen = format!("{} operations named", named.len());
    expect(
        named == BTreeSet::from([invite, aside]),
        "an ACCEPT that names both",
        seen,
    )
}

async fn accept_in_parts(company: &mut Company) -> Outcome {
    for _ in 0..70 {
        let name = company.name.clone();
        company.says(deed::RENAME, &name);
    }
    let invite = company.invites_peer().await?;
    let hash = company.peer_accepts().await?;
    let accept = read(company, &hash)?;
    let seen = format!("{accept:?}");
    expect(
        accept.after.as_slice() == [invite],
        "an ACCEPT that names the INVITE",
        seen,
    )?;
    company.founder.enter().await
}

async fn accept_again(company: &mut Company) -> Outcome {
    let old = company.peer_key()?;
    company.user_does("leave", &[]).await?;
    company
        .peer_did(
            dchat_wire::group::Deed::Leave,
            "LEAVE in an entry to who invited it",
        )
        .await?;
    let invite = company.invites_peer().await?;
    let hash = company.peer_accepts().await?;
    let accept = read(company, &hash)?;
    let key = accept.seat.as_ref().map(|seat| seat.key);
    expect(
        key.is_some_and(|key| key != old),
        "a seat with a new key",
        "one with the old",
    )?;
    let right = accept.seq == 3 && accept.after.as_slice() == [invite];
    let seen = format!("{accept:?}");
    expect(
        right,
        "the peer's third operation, after the new INVITE",
        seen,
    )
    .map_err(|fault| fault.by("DC-GROUP-005"))
}

async fn decline(company: &mut Company) -> Outcome {
    let invite = company.invites_peer().await?;
    company.user_does("leave", &[]).await?;
    let what = "LEAVE in an entry to who made the offer";
    let hash = company
        .peer_did(dchat_wire::group::Deed::Leave, what)
        .await?;
    let leave = read(company, &hash)?;
    let right = leave.seq == 1 && leave.after.as_slice() == [invite];
    let seen = format!("{leave:?}");
    expect(right, "the peer's first operation, after the INVITE", &seen)?;
    let wrote = leave.cut.as_slice().is_empty();
    expect(wrote, "no log in the cut of one who wrote nothing", seen)
        .map_err(|fault| fault.by("DC-GROUP-008"))
}

/// Somebody whom nobody invited.
async fn stranger(company: &Company) -> Result<Fellow, Fault> {
    let partner = &company.partner;
    let identity = Identity::new(&partner.fresh());
    let key = Identity::new(&partner.fresh());
    Fellow::connect(partner, identity, partner.array(), key, &company.shared).await
}

async fn stranger_opens(company: &mut Company) -> Outcome {
    let stranger = stranger(company).await?;
    stranger.line.open();
    let reason = stranger.parted().await?;
    let seen = format!("reason {reason}");
    expect(
        reason == parting::UNKNOWN_ROOM,
        "GOSSIP_LEAVE with UNKNOWN_ROOM",
        seen,
    )?;
    let opened = stranger
        .line
        .frames()
        .iter()
        .any(|frame| frame.code == OPEN);
    expect(!opened, "no GOSSIP_OPEN of the group", "one")
}

async fn stranger_is_left_alone(company: &mut Company) -> Outcome {
    let stranger = stranger(company).await?;
    // Something is said, and operations come, while it is there.
    company.user_does("say", &["not for strangers"]).await?;
    let key = company.peer_key()?;
    company.founder.reads(&key, "not for strangers").await?;
    let name = company.name.clone();
    let renamed = company.says(deed::RENAME, &name);
    company.founder.teaches(&renamed).await?;
    stranger.link.lives().await?;
    let seen = stranger.line.summary();
    expect(stranger.line.count() == 0, "no frame of the group", seen)?;
    let chat = stranger.link.journal().chat().is_some();
    expect(!chat, "no chat stream to a stranger", "one").map_err(|fault| fault.by("DC-GROUP-016"))
}
