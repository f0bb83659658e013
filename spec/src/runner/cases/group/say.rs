//! What is said, and with which session (`81-groups` §5.1 and §5.2).

use super::super::super::bodies::group::deed;
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::frames::ENVELOPE;
use super::super::super::group::{Company, Fellow, Said};
use super::super::super::identity::Identity;
use super::inside;

pub(super) fn cases() -> Vec<Case> {
    vec![
        inside(
            Kind::Positive,
            "say",
            "an item is the author's, and the session handed over in an entry reads it",
            &["DC-GROUP-013"],
            |company| Box::pin(say(company)),
        ),
        inside(
            Kind::Positive,
            "say-to-two",
            "each member is handed the session, a contact or not",
            &["DC-GROUP-015", "DC-GROUP-013"],
            |company| Box::pin(say_to_two(company)),
        ),
        inside(
            Kind::Positive,
            "say-again",
            "the next item is encrypted at the next index of the session",
            &["DC-GROUP-013"],
            |company| Box::pin(say_again(company)),
        ),
        inside(
            Kind::Negative,
            "removal-rotates",
            "after a removal another session is used, which the removed is not handed",
            &["DC-GROUP-018", "DC-GROUP-019", "DC-GROUP-016"],
            |company| Box::pin(rotates(company, true)),
        ),
        inside(
            Kind::Negative,
            "leaving-rotates",
            "after a member left another session is used, which that one is not handed",
            &["DC-GROUP-018", "DC-GROUP-016"],
            |company| Box::pin(rotates(company, false)),
        ),
        inside(
            Kind::Negative,
            "void-removal-in-between",
            "a removal that was void does not bring back a session that was used before it",
            &["DC-GROUP-019"],
            |company| Box::pin(void_in_between(company)),
        ),
        inside(
            Kind::Negative,
            "invited-is-not-handed",
            "who was offered a place and has not taken it is handed no session",
            &["DC-GROUP-016"],
            |company| Box::pin(not_to_invited(company)),
        ),
        inside(
            Kind::Positive,
            "hundred-items",
            "after a hundred items another session is used",
            &["DC-GROUP-018"],
            |company| Box::pin(hundred(company)),
        )
        .takes(20),
        inside(
            Kind::Positive,
            "keep-of-the-policy",
            "an item is to be kept no longer than the policy says",
            &["DC-GROUP-007"],
            |company| Box::pin(keep(company)),
        ),
    ]
}

/// Has the peer say something, which the founder reads.
async fn said(company: &mut Company, text: &str) -> Result<Said, Fault> {
    company.user_does("say", &[text]).await?;
    let key = company.peer_key()?;
    let said = company.founder.reads(&key, text).await?;
    let kind = said.item.header.kind;
    expect(kind == 1, "an item of kind TEXT", kind.to_string())?;
    Ok(said)
}

async fn say(company: &mut Company) -> Outcome {
    let said = said(company, "grüezi mitenand").await?;
    let seen = format!(
        "{}, of a session handed over from {}",
        said.index,
        said.handed.index()
    );
    expect(
        said.index >= said.handed.index(),
        "an index that the session reads",
        seen,
    )
}

async fn say_to_two(company: &mut Company) -> Outcome {
    let mut fellow = company.befriends().await?;
    let to_founder = said(company, "to all of you").await?;
    let to_fellow = fellow.reads(&company.peer_key()?, "to all of you").await?;
    let same = to_fellow.handed.session() == to_founder.handed.session();
    expect(same, "one session for all members", "two")
}

async fn say_again(company: &mut Company) -> Outcome {
    let first = said(company, "one").await?;
    for (further, text) in [(1, "two"), (2, "three")] {
        let next = said(company, text).await?;
        let expected = format!("index {} of the same session", first.index + further);
        let right = is_of(&next, &first) && next.index == first.index + further;
        expect(right, expected, format!("index {}", next.index))?;
    }
    Ok(())
}

/// Whether both are sealed with one session.
fn is_of(one: &Said, other: &Said) -> bool {
    one.handed.session() == other.handed.session()
}

async fn rotates(company: &mut Company, is_removed: bool) -> Outcome {
    let mut fellow = company.befriends().await?;
    let old = said(company, "before").await?;
    fellow.reads(&company.peer_key()?, "before").await?;
    let end = if is_removed {
        company.to(deed::REMOVE, &fellow.identity.public())
    } else {
        company.shared.story().leave(&fellow.identity, &[])
    };
    fellow.line.rest();
    company.founder.teaches(&end).await?;
    let new = said(company, "after").await?;
    let seen = format!("index {} of the same", new.index);
    expect(!is_of(&new, &old), "another session than before", seen)?;
    fellow.link.lives().await?;
    let handed = fellow.sessions().await?;
    let is_handed = handed
        .iter()
        .any(|one| one.session() == new.handed.session());
    expect(
        !is_handed,
        "a session that who went is not handed",
        "it was",
    )
    .map_err(|fault| fault.by("DC-GROUP-016"))
}

async fn void_in_between(company: &mut Company) -> Outcome {
    let remover = company.admits().await?;
    let promoted = company.to(deed::PROMOTE, &remover.identity.public());
    company.founder.teaches(&promoted).await?;
    let mut fellow = company.befriends().await?;
    let old = said(company, "before").await?;
    let seen = company.shared.story().heads();
    let end = company.apart(
        &remover.identity.clone(),
        &seen,
        deed::REMOVE,
        &fellow.identity,
    );
    company.founder.teaches(&end).await?;
    let founder = company.founder.identity.clone();
    let before = company.apart(&founder, &seen, deed::REMOVE, &remover.identity);
    remover.line.rest();
    company.founder.teaches(&before).await?;
    let new = said(company, "after").await?;
    expect(
        !is_of(&new, &old),
        "another session than before",
        "the same",
    )?;
    // Who is in after all is handed it.
    let to_fellow = fellow.reads(&company.peer_key()?, "after").await?;
    expect(is_of(&to_fellow, &new), "the new session", "another")
}

async fn not_to_invited(company: &mut Company) -> Outcome {
    let partner = company.partner.clone();
    let identity = Identity::new(&partner.fresh());
    let key = Identity::new(&partner.fresh());
    let invite = company.to(deed::INVITE, &identity.public());
    company.founder.teaches(&invite).await?;
    let run = partner.array();
    let invited = Fellow::connect(&partner, identity, run, key, &company.shared).await?;
    said(company, "for members").await?;
    invited.link.lives().await?;
    // Nothing is in a conversation but keys: who made the offer tells of it, and that is not the peer.
    let journal = invited.link.journal();
    let envelopes = journal.chat().map_or(0, |chat| {
        let sealed = chat.frames.iter();
        sealed.filter(|frame| frame.code == ENVELOPE).count()
    });
    expect(
        envelopes == 0,
        "nothing in a conversation",
        format!("{envelopes} ENVELOPEs"),
    )
}

async fn hundred(company: &mut Company) -> Outcome {
    let first = said(company, "item 1").await?;
    let mut last = first.clone();
    // The first of them may not have been the first of the session.
    for number in 2..=101 {
        let text = format!("item {number}");
        last = said(company, &text).await?;
        if !is_of(&last, &first) {
            return Ok(());
        }
    }
    let seen = format!("index {} of the same", last.index);
    expect(false, "another session than that of the first item", seen)
}

async fn keep(company: &mut Company) -> Outcome {
    let policy = company.says(deed::POLICY, "keep=2h");
    company.founder.teaches(&policy).await?;
    let said = said(company, "for two hours").await?;
    let kept = said.item.header.keep_s;
    let expected = "an item to be kept for two hours at most";
    expect((1..=7200).contains(&kept), expected, format!("{kept} s"))
}
