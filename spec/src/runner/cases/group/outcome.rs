//! Who belongs (`81-groups` §3): it shows in whom the peer lets in.

use super::super::super::bodies::group::deed;
use super::super::super::bodies::room::parting;
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::{Company, Fellow};
use super::super::super::identity::Identity;
use super::inside;

const REQ: &[&str] = &["DC-GROUP-007", "DC-GROUP-001"];

pub(super) fn cases() -> Vec<Case> {
    vec![
        inside(
            Kind::Negative,
            "member-invites",
            "an INVITE by a member that is no administrator is void: who took it is not let in",
            REQ,
            |company| Box::pin(member_invites(company)),
        ),
        inside(
            Kind::Negative,
            "removed-member-invited",
            "an INVITE by one who was removed at the same time is void: removal wins",
            REQ,
            |company| Box::pin(removed_invited(company)),
        ),
        inside(
            Kind::Negative,
            "remove-each-other",
            "of two administrators who remove each other at once the senior stays",
            REQ,
            |company| Box::pin(remove_each_other(company)),
        ),
        inside(
            Kind::Positive,
            "removal-that-turns-out-void",
            "somebody put out by one who had no right any more is in again",
            REQ,
            |company| Box::pin(void_removal(company)),
        ),
        inside(
            Kind::Positive,
            "promoted-member-invites",
            "an INVITE by a member that was made an administrator counts",
            REQ,
            |company| Box::pin(promoted_invites(company)),
        ),
        inside(
            Kind::Positive,
            "invited-anew",
            "who was removed and is invited again is in again",
            REQ,
            |company| Box::pin(invited_anew(company)),
        ),
        inside(
            Kind::Positive,
            "policy-of-nonsense",
            "a POLICY whose text says nothing is valid, and ignored",
            &["DC-GROUP-021"],
            |company| Box::pin(nonsense(company)),
        ),
    ]
}

/// A person that somebody invites, and that accepts: the person, the key and the ACCEPT. The one who
/// invites has seen `after`.
fn invited_by(
    company: &Company,
    by: &Identity,
    after: &[[u8; 32]],
) -> (Identity, Identity, [u8; 32]) {
    let person = Identity::new(&company.partner.fresh());
    let key = Identity::new(&company.partner.fresh());
    let mut story = company.shared.story();
    let mut invite = story.next(by, after, deed::INVITE);
    invite.subject = Some(person.public());
    let invite = story.add(&invite, by);
    let group = story.group;
    let mut accept = story.next(&person, &[invite], deed::ACCEPT);
    let seat = super::super::super::bodies::group::seat(&group, &person.public(), &key, "Newcomer");
    accept.seat = Some(seat);
    let accept = story.add(&accept, &person);
    (person, key, accept)
}

/// It on a connection of its own.
async fn connected(company: &Company, person: Identity, key: Identity) -> Result<Fellow, Fault> {
    let partner = &company.partner;
    Fellow::connect(partner, person, partner.array(), key, &company.shared).await
}

/// Expects that somebody is not let in.
async fn refused(company: &Company, person: Identity, key: Identity) -> Outcome {
    let fellow = connected(company, person, key).await?;
    fellow.line.open();
    let reason = fellow.parted().await?;
    let expected = "GOSSIP_LEAVE with UNKNOWN_ROOM to one who does not belong";
    expect(
        reason == parting::UNKNOWN_ROOM,
        expected,
        format!("reason {reason}"),
    )
}

async fn member_invites(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let heads = company.shared.story().heads();
    let (person, key, accept) = invited_by(company, &fellow.identity, &heads);
    // It is void, and an operation of the group all the same.
    company.founder.teaches(&accept).await?;
    refused(company, person, key).await
}

/// A member that the founder has made an administrator.
async fn administrator(company: &mut Company) -> Result<Fellow, Fault> {
    let fellow = company.admits().await?;
    let promoted = company.to(deed::PROMOTE, &fellow.identity.public());
    company.founder.teaches(&promoted).await?;
    Ok(fellow)
}

async fn removed_invited(company: &mut Company) -> Outcome {
    let fellow = administrator(company).await?;
    let seen = company.shared.story().heads();
    let (person, key, accept) = invited_by(company, &fellow.identity, &seen);
    let founder = company.founder.identity.clone();
    let removed = company.apart(&founder, &seen, deed::REMOVE, &fellow.identity);
    fellow.line.rest();
    company.founder.teaches(&accept).await?;
    company.founder.teaches(&removed).await?;
    refused(company, person, key).await
}

async fn remove_each_other(company: &mut Company) -> Outcome {
    let mut junior = administrator(company).await?;
    let seen = company.shared.story().heads();
    let founder = company.founder.identity.clone();
    let ends = [
        company.apart(&junior.identity, &seen, deed::REMOVE, &founder),
        company.apart(&founder, &seen, deed::REMOVE, &junior.identity),
    ];
    // Whichever the peer hears of first.
    let by_chat = company.shared.story().upto(&ends[0]);
    company.founder.tells(&by_chat).await?;
    let by_chat = company.shared.story().upto(&ends[1]);
    company.founder.tells(&by_chat).await?;
    junior.line.rest();
    let known = company.founder.teaches(&ends[0]).await?;
    expect(
        known.contains(&ends[1]),
        "both removals known",
        "one of them",
    )?;
    let (person, key) = (junior.identity.clone(), junior.key.clone());
    junior.chat.take();
    drop(junior);
    refused(company, person, key).await
}

async fn void_removal(company: &mut Company) -> Outcome {
    let remover = administrator(company).await?;
    let removed = company.admits().await?;
    let seen = company.shared.story().heads();
    let end = company.apart(&remover.identity, &seen, deed::REMOVE, &removed.identity);
    company.founder.teaches(&end).await?;
    let reason = removed
        .parted()
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    expect(
        reason == parting::UNKNOWN_ROOM,
        "UNKNOWN_ROOM",
        format!("reason {reason}"),
    )
    .map_err(|fault| fault.by("DC-GROUP-023"))?;
    // The founder, who has seen nothing of that, put the remover out before.
    let founder = company.founder.identity.clone();
    let before = company.apart(&founder, &seen, deed::REMOVE, &remover.identity);
    remover.line.rest();
    company.founder.teaches(&before).await?;
    // The line opens its stream again and again: now it is let in.
    let known = removed.knowledge().await?;
    expect(
        known.contains(&before),
        "a neighbour that knows both removals",
        "one that does not",
    )
}

async fn promoted_invites(company: &mut Company) -> Outcome {
    let fellow = administrator(company).await?;
    let heads = company.shared.story().heads();
    let (person, key, accept) = invited_by(company, &fellow.identity, &heads);
    company.founder.teaches(&accept).await?;
    let newcomer = connected(company, person, key).await?;
    newcomer.enter().await
}

async fn invited_anew(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let person = fellow.identity.clone();
    let removed = company.to(deed::REMOVE, &person.public());
    fellow.line.rest();
    company.founder.teaches(&removed).await?;
    fellow
        .parted()
        .await
        .map_err(|fault| fault.by("DC-GROUP-023"))?;
    drop(fellow);
    company.to(deed::INVITE, &person.public());
    let key = Identity::new(&company.partner.fresh());
    let accept = company.shared.story().accept(&person, &key, "Fellow");
    company.founder.teaches(&accept).await?;
    connected(company, person, key).await?.enter().await
}

async fn nonsense(company: &mut Company) -> Outcome {
    for text in [
        "late",
        "late=-1",
        "late=01",
        "keep=0.5h",
        "colour=blue",
        " late=all",
        "keep=36501d",
    ] {
        let policy = company.says(deed::POLICY, text);
        company.founder.teaches(&policy).await?;
    }
    // Nothing of what it says begins to hold: an item is kept as long as members like.
    company.user_does("say", &["kept"]).await?;
    let key = company.peer_key()?;
    let said = company.founder.reads(&key, "kept").await?;
    let kept = said.item.header.keep_s;
    expect(
        kept == 0,
        "an item to be kept for ever",
        format!("{kept} s"),
    )
}
