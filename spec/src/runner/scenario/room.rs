//! Three members of a room that know nobody but the implementation (`80-gossip`).

use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::member::Member;
use super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::positive(
            "members/all-hear-all",
            "three members say five things each; each of them gets each item exactly once",
            &["DC-GOSSIP-021", "DC-GOSSIP-040", "DC-GOSSIP-043"],
            all_hear_all,
        ),
        Case::negative(
            "members/one-hop",
            "an invalid item of one reaches neither of the others, though what follows does",
            &["DC-GOSSIP-019", "DC-GOSSIP-040"],
            one_hop,
        ),
        Case::negative(
            "members/evidence",
            "an author tells two members different things: both get the evidence",
            &["DC-GOSSIP-023", "DC-GOSSIP-024"],
            evidence,
        ),
    ];
    let of_rooms = |case: Case| case.profile(Profile::Gossip);
    cases.into_iter().map(of_rooms).collect()
}

async fn three(partner: &Partner) -> Result<[Member; 3], Fault> {
    let (one, two, three) = tokio::try_join!(
        Member::enter(partner),
        Member::enter(partner),
        Member::enter(partner)
    )?;
    Ok([one, two, three])
}

async fn all_hear_all(partner: Partner) -> Outcome {
    let mut members = three(&partner).await?;
    let mut said = Vec::new();
    for round in 0..5 {
        for (who, member) in members.iter_mut().enumerate() {
            if round == 0 {
                said.push((who, member.author(&partner), Vec::new()));
            }
            let (_, author, items) = &mut said[who];
            let item = author.says(&format!("{who} says {round}"));
            member.push(&item, 5).await;
            items.push(item);
        }
    }
    for (who, author, items) in &said {
        for (other, member) in members.iter_mut().enumerate() {
            for item in items {
                if other == *who {
                    continue;
                }
                member.obtains(item, author.mark()).await?;
                let times = member.pushed(item).len();
                let seq = item.header.seq;
                let seen = format!("item {seq} of {who} {times} times at {other}");
                expect(times == 1, "each item once", seen)
                    .map_err(|fault| fault.by("DC-GOSSIP-021"))?;
            }
        }
    }
    Ok(())
}

async fn one_hop(partner: Partner) -> Outcome {
    let [mut bad, mut one, mut other] = three(&partner).await?;
    let mut author = bad.author(&partner);
    let mut forged = author.clone().says("forged");
    forged.signature[17] ^= 4;
    bad.push(&forged, 5).await;
    let item = author.says("true");
    bad.push(&item, 5).await;
    for member in [&mut one, &mut other] {
        member.obtains(&item, author.mark()).await?;
        let times = member.pushed(&forged).len();
        expect(
            times == 0,
            "nothing of the forged item",
            format!("{times} of it"),
        )?;
    }
    Ok(())
}

async fn evidence(partner: Partner) -> Outcome {
    let [mut liar, mut one, mut other] = three(&partner).await?;
    let author = liar.author(&partner);
    let header = author.next.clone();
    let yes = author.item(&header, &author.plain(b"yes").bytes);
    let no = author.item(&header, &author.plain(b"no").bytes);
    liar.push(&yes, 5).await;
    one.obtains(&yes, author.mark()).await?;
    // The same sequence by another way: a member that was told the other thing.
    other.push(&no, 5).await;
    for member in [&one, &other] {
        member
            .frame(super::super::bodies::room::PROOF)
            .await
            .map_err(|fault| fault.by("DC-GOSSIP-024"))?;
    }
    Ok(())
}
