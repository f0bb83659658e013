//! Going, and being put out (`81-groups` §7).

use dchat_wire::group::{Deed, GroupOperations, SignedOperation};

use super::super::super::bodies::group::deed;
use super::super::super::bodies::room::{LEAVE, parting};
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::fellow::operations_of;
use super::super::super::group::{Company, Fellow};
use super::inside;

pub(super) fn cases() -> Vec<Case> {
    vec![
        inside(
            Kind::Positive,
            "removed-is-parted-from",
            "a link with somebody who was removed ends: GOSSIP_LEAVE, UNKNOWN_ROOM",
            &["DC-GROUP-023"],
            |company| Box::pin(parted(company)),
        ),
        inside(
            Kind::Positive,
            "removed-is-told",
            "before it parts from who was removed it sends the REMOVE",
            &["DC-GROUP-024"],
            |company| Box::pin(told(company)),
        ),
        inside(
            Kind::Negative,
            "removed-hears-nothing-later",
            "who was removed is sent no operation and no item that is later",
            &["DC-GROUP-024", "DC-GROUP-001"],
            |company| Box::pin(nothing_later(company)),
        ),
        inside(
            Kind::Negative,
            "removed-opens-again",
            "who was removed is not let in again, and told why",
            &["DC-GROUP-001", "DC-GROUP-024"],
            |company| Box::pin(opens_again(company)),
        ),
        inside(
            Kind::Negative,
            "left-member-opens-again",
            "a stream of one who left is refused",
            &["DC-GROUP-001"],
            |company| Box::pin(left_opens_again(company)),
        ),
        inside(
            Kind::Positive,
            "peer-removed",
            "a peer that was removed stops taking part",
            &["DC-GROUP-025"],
            |company| Box::pin(peer_removed(company)),
        ),
        inside(
            Kind::Positive,
            "peer-leaves",
            "a peer that leaves says how far its own log counts",
            &["DC-GROUP-008", "DC-GROUP-005"],
            |company| Box::pin(peer_leaves(company)),
        ),
        inside(
            Kind::Positive,
            "peer-removes",
            "a peer that removes somebody says how far that one's log counts, and tells it",
            &["DC-GROUP-008", "DC-GROUP-005"],
            |company| Box::pin(peer_removes(company)),
        ),
    ]
}

/// A member that the founder has put out, as the peer knows; the REMOVE.
async fn removed(company: &mut Company) -> Result<(Fellow, [u8; 32]), Fault> {
    let fellow = company.admits().await?;
    let end = company.to(deed::REMOVE, &fellow.identity.public());
    fellow.line.rest();
    company.founder.teaches(&end).await?;
    Ok((fellow, end))
}

async fn is_shown_out(fellow: &Fellow) -> Outcome {
    let reason = fellow.parted().await?;
    let expected = "GOSSIP_LEAVE with UNKNOWN_ROOM";
    expect(
        reason == parting::UNKNOWN_ROOM,
        expected,
        format!("reason {reason}"),
    )
}

async fn parted(company: &mut Company) -> Outcome {
    let (fellow, _) = removed(company).await?;
    is_shown_out(&fellow).await
}

async fn told(company: &mut Company) -> Outcome {
    let (fellow, end) = removed(company).await?;
    is_shown_out(&fellow)
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    tells_before_it_leaves(&fellow, &end)
}

/// Whether the REMOVE came before the parting, which it need not.
fn tells_before_it_leaves(fellow: &Fellow, end: &[u8; 32]) -> Outcome {
    let frames = fellow.line.frames();
    let left = frames.iter().position(|frame| frame.code == LEAVE);
    let before = frames
        .get(..left.unwrap_or(frames.len()))
        .unwrap_or_default();
    let mut told = before.iter().filter_map(operations_of);
    if told.any(|said| said.operations.iter().any(|signed| signed.hash() == *end)) {
        Ok(())
    } else {
        Err(Fault::unsupported(
            "it does not send the REMOVE before it parts, which it should",
        ))
    }
}

async fn nothing_later(company: &mut Company) -> Outcome {
    let (fellow, _) = removed(company).await?;
    is_shown_out(&fellow)
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    let name = company.name.clone();
    let renamed = company.says(deed::RENAME, &name);
    company.founder.teaches(&renamed).await?;
    company.user_does("say", &["said later"]).await?;
    let key = company.peer_key()?;
    company.founder.reads(&key, "said later").await?;
    // It asks once more.
    let before = fellow.line.count();
    fellow.line.open();
    fellow
        .line
        .until("GOSSIP_LEAVE for another stream", |frames, _| {
            let new = frames.get(before..).unwrap_or_default();
            new.iter().find(|frame| frame.code == LEAVE).map(|_| ())
        })
        .await
        .map_err(|fault| fault.by("DC-GROUP-001"))?;
    fellow.link.lives().await?;
    let told = fellow.told();
    let is_told = told.iter().any(|said| {
        let carries = said
            .operations
            .iter()
            .any(|signed| signed.hash() == renamed);
        carries || said.heads.as_slice().contains(&renamed)
    });
    expect(!is_told, "nothing of a later operation", "it, or its name")?;
    let items = fellow.line.items();
    expect(
        items.is_empty(),
        "no item that was said later",
        format!("{} items", items.len()),
    )
}

async fn opens_again(company: &mut Company) -> Outcome {
    let (fellow, end) = removed(company).await?;
    is_shown_out(&fellow)
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    // Another connection of the same person.
    let (identity, key) = (fellow.identity.clone(), fellow.key.clone());
    drop(fellow);
    let partner = company.partner.clone();
    let again = Fellow::connect(&partner, identity, partner.array(), key, &company.shared).await?;
    again.line.open();
    is_shown_out(&again).await?;
    tells_before_it_leaves(&again, &end)
}

async fn left_opens_again(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let end = company.shared.story().leave(&fellow.identity, &[]);
    let (identity, key) = (fellow.identity.clone(), fellow.key.clone());
    drop(fellow);
    company.founder.teaches(&end).await?;
    let partner = company.partner.clone();
    let again = Fellow::connect(&partner, identity, partner.array(), key, &company.shared).await?;
    again.line.open();
    is_shown_out(&again).await
}

async fn peer_removed(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let end = company.to(deed::REMOVE, &company.peer());
    let past = company.shared.story().upto(&end);
    company.founder.tells(&past).await?;
    let goes_on =
        || Fault::unsupported("it goes on in a group it was removed from, which it should not");
    // It was told and has acknowledged it: its streams end, and no other is let in.
    fellow.line.rest();
    let ended = fellow.line.ended().await;
    if company.user_tries("say", &["from outside"]).await?.is_ok() {
        return Err(goes_on());
    }
    ended.map_err(|_| goes_on())
}

async fn peer_leaves(company: &mut Company) -> Outcome {
    let key = company.peer_key()?;
    let mut last = None;
    for text in ["one", "two"] {
        company.user_does("say", &[text]).await?;
        last = Some(company.founder.reads(&key, text).await?);
    }
    let heads = company.shared.story().heads();
    company.user_does("leave", &[]).await?;
    let hash = company
        .peer_did(Deed::Leave, "LEAVE in an entry to who invited it")
        .await?;
    let leave = company.shared.story().read(&hash);
    let leave = leave.ok_or_else(|| Fault::new("LEAVE", "none"))?;
    let seen = format!("{leave:?}");
    let header = last.map(|said| said.item.header);
    let header = header.ok_or_else(|| Fault::new("an item", "none"))?;
    let group = company.shared.story().group;
    let log = dchat_wire::gossip::log_id(&group, &header.author, &header.incarnation);
    let mut cut = leave.cut.as_slice().iter();
    let right = cut.any(|cut| cut.log == log && cut.seq == header.seq);
    expect(
        right,
        format!("a cut that names its log up to item {}", header.seq),
        &seen,
    )?;
    expect(
        leave.after.as_slice() == heads,
        "LEAVE after all that it was told",
        seen,
    )
    .map_err(|fault| fault.by("DC-GROUP-005"))
}

async fn peer_removes(company: &mut Company) -> Outcome {
    let promoted = company.to(deed::PROMOTE, &company.peer());
    company.founder.teaches(&promoted).await?;
    let mut fellow = company.befriends().await?;
    fellow.says("one").await;
    fellow.says("two").await;
    fellow.held().await?;
    let whom = fellow.identity.text();
    let (peer, subject) = (company.peer(), fellow.identity.public());
    company.user_does("remove", &[&whom]).await?;
    let is_end = |signed: &SignedOperation| {
        signed.open().is_ok_and(|read| {
            let is_its = *read.author.public_key() == peer && read.deed == Deed::Remove;
            is_its && read.subject.is_some_and(|one| *one.public_key() == subject)
        })
    };
    let end = fellow
        .operation("REMOVE in an entry to who was removed", is_end)
        .await?;
    let read = end
        .open()
        .map_err(|error| Fault::new("a REMOVE", error.to_string()))?;
    let seen = format!("{read:?}");
    let mut cut = read.cut.as_slice().iter();
    let log = fellow.author.log();
    let right = cut.any(|cut| cut.log == log && cut.seq == 2);
    expect(right, "a cut that names the log up to item 2", seen)?;
    is_shown_out(&fellow)
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    let hash = end.hash();
    let carries = |said: &GroupOperations| said.operations.iter().any(|one| one.hash() == hash);
    let told = company
        .founder
        .hears("the REMOVE, told to a neighbour", carries)
        .await;
    told.map(|_| ()).map_err(|fault| fault.by("DC-GROUP-010"))
}
