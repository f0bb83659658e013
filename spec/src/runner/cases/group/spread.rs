//! Spreading operations (`81-groups` §4).

use std::collections::BTreeSet;

use dchat_wire::group::{GroupOperations, SignedOperation};

use super::super::super::bodies::group::{self, OPERATIONS, Operation, deed};
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::fellow::hex;
use super::super::super::group::{Company, Fellow};
use super::inside;

pub(super) fn cases() -> Vec<Case> {
    vec![
        inside(
            Kind::Positive,
            "heads-when-a-link-begins",
            "a link begins with GROUP_OPERATIONS that names the heads",
            &["DC-GROUP-010"],
            |company| Box::pin(heads(company)),
        ),
        inside(
            Kind::Positive,
            "tells-neighbours",
            "an operation that one neighbour told is told to another",
            &["DC-GROUP-010"],
            |company| Box::pin(tells_neighbours(company)),
        ),
        inside(
            Kind::Positive,
            "own-acceptance-on-the-stream",
            "ACCEPT comes on the streams of the group, too",
            &["DC-GROUP-010"],
            |company| {
                Box::pin(async move {
                    let accept = company.shared.story().newest(&company.peer(), deed::ACCEPT);
                    let names = |said: &GroupOperations| {
                        accept.is_some_and(|accept| {
                            said.heads.as_slice().contains(&accept) || carries(said, &accept)
                        })
                    };
                    let what = "GROUP_OPERATIONS with its ACCEPT, or that among its heads";
                    company.founder.hears(what, names).await.map(|_| ())
                })
            },
        ),
        inside(
            Kind::Positive,
            "asks-for-heads",
            "heads that it does not know make it ask, with its own",
            &["DC-GROUP-011"],
            |company| Box::pin(asks_for_heads(company)),
        ),
        inside(
            Kind::Positive,
            "asks-for-what-is-lacking",
            "an operation whose past is missing waits, and what is missing is asked for",
            &["DC-GROUP-011"],
            |company| Box::pin(asks_for_lacking(company)),
        ),
        inside(
            Kind::Positive,
            "answers-heads",
            "who knows nothing is told all operations, none before one it names",
            &["DC-GROUP-011"],
            |company| Box::pin(answers_heads(company)),
        ),
        inside(
            Kind::Positive,
            "answers-what-is-lacking",
            "an operation that somebody lacks is told, whatever heads it has",
            &["DC-GROUP-011"],
            |company| Box::pin(answers_lacking(company)),
        ),
        inside(
            Kind::Positive,
            "answers-in-parts",
            "100 operations are had from it by asking again with what has come",
            &["DC-GROUP-011"],
            |company| Box::pin(answers_in_parts(company)),
        ),
        inside(
            Kind::Positive,
            "heads-beside-each-other",
            "operations that stand beside each other are all named as heads",
            &["DC-GROUP-010"],
            |company| Box::pin(heads_beside_each_other(company)),
        ),
    ]
}

/// A new name by the founder, which the story does not know: nobody tells it but the case.
fn aside(company: &Company, after: &[[u8; 32]], text: &str) -> Operation {
    let founder = company.founder.identity.clone();
    let mut operation = company.shared.story().next(&founder, after, deed::RENAME);
    text.clone_into(&mut operation.text);
    operation
}

async fn heads(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let group = company.shared.story().group;
    let first = fellow.hears("GROUP_OPERATIONS", |_| true).await?;
    let seen = format!(
        "{} heads of the group {}",
        first.heads.as_slice().len(),
        hex(&first.group)
    );
    let story = company.shared.story();
    let heads = first.heads.as_slice();
    let right = first.group == group && !heads.is_empty() && heads.iter().all(|one| story.has(one));
    expect(right, "heads that are operations of the group", seen)
}

async fn tells_neighbours(company: &mut Company) -> Outcome {
    let fellow = company.admits().await?;
    let name = company.name.clone();
    let renamed = aside(company, &company.shared.heads(), &name);
    let signed = renamed.signed(&company.founder.identity);
    let hash = signed.hash();
    // Not by the story: what the other member knows it knows from the peer.
    company
        .founder
        .line
        .tell(std::slice::from_ref(&signed))
        .await;
    let carries = |said: &GroupOperations| carries(said, &hash);
    fellow.hears("the operation, unasked", carries).await?;
    company
        .shared
        .story()
        .add(&renamed, &company.founder.identity);
    Ok(())
}

fn carries(said: &GroupOperations, hash: &[u8; 32]) -> bool {
    said.operations.iter().any(|signed| signed.hash() == *hash)
}

async fn asks_for_heads(company: &mut Company) -> Outcome {
    let name = company.name.clone();
    let hidden = aside(company, &company.shared.heads(), &name);
    let hash = hidden.signed(&company.founder.identity).hash();
    let group = company.shared.story().group;
    let line = &company.founder.line;
    let before = line.count();
    line.say(
        OPERATIONS,
        &group::operations(&group, &[hash], &[], &[]).bytes,
    )
    .await;
    let heads = company.shared.story().heads();
    let what = "GROUP_OPERATIONS with its own heads";
    line.until(what, |frames, _| {
        let new = frames.get(before..).unwrap_or_default().iter();
        let mut said = new.filter_map(super::super::super::group::fellow::operations_of);
        said.find(|said| said.heads.as_slice() == heads)
    })
    .await?;
    // The answer to that.
    company
        .shared
        .story()
        .add(&hidden, &company.founder.identity);
    company.founder.teaches(&hash).await.map(|_| ())
}

async fn asks_for_lacking(company: &mut Company) -> Outcome {
    let name = company.name.clone();
    let first = aside(company, &company.shared.heads(), &name);
    let founder = company.founder.identity.clone();
    let before = first.signed(&founder).hash();
    let mut second = aside(company, &[before], &name);
    second.seq = first.seq + 1;
    let signed = second.signed(&founder);
    let group = company.shared.story().group;
    let body = group::operations(&group, &[signed.hash()], &[], std::slice::from_ref(&signed));
    company.founder.line.say(OPERATIONS, &body.bytes).await;
    let lacks = |said: &GroupOperations| said.lacking.as_slice().contains(&before);
    let asked = company
        .founder
        .hears(
            "GROUP_OPERATIONS with the missing operation among what it lacks",
            lacks,
        )
        .await?;
    let known = asked.heads.as_slice().contains(&signed.hash());
    expect(!known, "heads without the operation that waits", "it")
        .map_err(|fault| fault.by("DC-GROUP-003"))?;
    // Once that comes the other does not wait any more.
    company.founder.line.tell(&[first.signed(&founder)]).await;
    company.shared.story().add(&first, &founder);
    let second = company.shared.story().add(&second, &founder);
    company.founder.teaches(&second).await.map(|_| ())
}

async fn answers_heads(company: &mut Company) -> Outcome {
    let _fellow = company.admits().await?;
    let all: BTreeSet<[u8; 32]> = company
        .shared
        .story()
        .known
        .iter()
        .map(|one| one.hash)
        .collect();
    let came = obtained(&company.founder, &all).await?;
    in_order(&came)
}

/// Has operations told as one who knows what has come, until all of them have.
async fn obtained(
    fellow: &Fellow,
    wanted: &BTreeSet<[u8; 32]>,
) -> Result<Vec<SignedOperation>, Fault> {
    let mut came: Vec<SignedOperation> = Vec::new();
    while came.len() < wanted.len() {
        let heads = heads_of(&came);
        let known: BTreeSet<[u8; 32]> = came.iter().map(SignedOperation::hash).collect();
        let what = format!(
            "more operations than the {} of {} that came",
            known.len(),
            wanted.len()
        );
        let news = |said: &GroupOperations| {
            let mut operations = said.operations.iter();
            operations.any(|signed| !known.contains(&signed.hash()))
        };
        let said = fellow.asks(&heads, &[], &what, news).await?;
        let new = said
            .operations
            .iter()
            .filter(|signed| !known.contains(&signed.hash()));
        came.extend(new.cloned());
        if let Some(odd) = came.iter().find(|signed| !wanted.contains(&signed.hash())) {
            let seen = hex(&odd.hash());
            return Err(Fault::new("operations of the group", seen).by("DC-GROUP-003"));
        }
    }
    Ok(came)
}

fn heads_of(operations: &[SignedOperation]) -> Vec<[u8; 32]> {
    let opened = operations.iter().filter_map(|signed| signed.open().ok());
    let named: BTreeSet<[u8; 32]> = opened
        .flat_map(|one| one.after.as_slice().to_vec())
        .collect();
    let heads = operations.iter().map(SignedOperation::hash);
    let heads: BTreeSet<[u8; 32]> = heads.filter(|hash| !named.contains(hash)).collect();
    heads.into_iter().collect()
}

fn in_order(operations: &[SignedOperation]) -> Outcome {
    let mut before = BTreeSet::new();
    for signed in operations {
        let opened = signed.open().ok();
        let named = opened
            .map(|one| one.after.as_slice().to_vec())
            .unwrap_or_default();
        let right = named.iter().all(|hash| before.contains(hash));
        expect(
            right,
            "operations none of which stands before one it names",
            hex(&signed.hash()),
        )?;
        before.insert(signed.hash());
    }
    Ok(())
}

async fn answers_lacking(company: &mut Company) -> Outcome {
    let name = company.name.clone();
    let renamed = company.says(deed::RENAME, &name);
    company.founder.teaches(&renamed).await?;
    let heads = company.shared.story().heads();
    let what = "the operation that is lacking";
    company
        .founder
        .asks(&heads, &[renamed], what, |said| carries(said, &renamed))
        .await
        .map(|_| ())
}

async fn answers_in_parts(company: &mut Company) -> Outcome {
    let name = company.name.clone();
    let mut last = [0; 32];
    for _ in 0..100 {
        last = company.says(deed::RENAME, &name);
    }
    company.founder.teaches(&last).await?;
    let all: BTreeSet<[u8; 32]> = company
        .shared
        .story()
        .known
        .iter()
        .map(|one| one.hash)
        .collect();
    let came = obtained(&company.founder, &all).await?;
    in_order(&came)
}

async fn heads_beside_each_other(company: &mut Company) -> Outcome {
    let mut fellows = Vec::new();
    // An author has one head at most that nobody has seen: each here is another administrator's.
    for _ in 0..3 {
        let fellow = company.admits().await?;
        let promoted = company.to(deed::PROMOTE, &fellow.identity.public());
        company.founder.teaches(&promoted).await?;
        fellows.push(fellow);
    }
    let name = company.name.clone();
    let seen = company.shared.story().heads();
    for fellow in &fellows {
        let mut renamed = company
            .shared
            .story()
            .next(&fellow.identity, &seen, deed::RENAME);
        name.clone_into(&mut renamed.text);
        company.shared.story().add(&renamed, &fellow.identity);
    }
    let heads = company.shared.story().heads();
    for head in &heads {
        company.founder.teaches(head).await?;
    }
    let what = "GROUP_OPERATIONS with all three heads";
    let said = company
        .founder
        .asks(&[], &[], what, |said| said.heads.as_slice() == heads)
        .await?;
    let seen = format!("{} heads", said.heads.as_slice().len());
    expect(heads.len() == 3, "three heads", seen)
}
