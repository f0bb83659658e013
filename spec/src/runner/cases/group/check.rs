//! Operations that are not what they have to be (`81-groups` §2). Another member sends one; the peer must
//! not name it among its heads, nor wait for it: an honest operation by the founder comes after it, and
//! what the peer knows then is known whole by its heads.

use super::super::super::bodies::group::{LogCut, Operation, Signed, deed, seat};
use super::super::super::bodies::room::LEAVE;
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::fellow::hex;
use super::super::super::group::{Company, Fellow};
use super::super::super::identity::Identity;
use super::inside;

const REQ: &[&str] = &["DC-GROUP-003"];

type Make = fn(&Company, &Fellow) -> Signed;

pub(super) fn cases() -> Vec<Case> {
    let bad: [(&str, &str, Make); 24] = [
        (
            "signature",
            "whose signature has one bit wrong",
            |company, fellow| {
                let mut signed = leaving(company, fellow).signed(&fellow.identity);
                signed.signature[3] ^= 1;
                signed
            },
        ),
        (
            "signed-by-another",
            "that another signed",
            |company, fellow| leaving(company, fellow).signed(&fellow.key),
        ),
        (
            "signed-as-an-item",
            "that is signed as an item",
            |company, fellow| {
                let mut signed = leaving(company, fellow).signed(&fellow.identity);
                signed.signature = fellow.identity.sign("dchat/1 item", &signed.body);
                signed
            },
        ),
        (
            "seat-of-another",
            "with the seat of another",
            |company, fellow| {
                let other = company.founder.identity.public();
                let group = company.shared.story().group;
                returning(company, fellow, |_, key| {
                    seat(&group, &other, key, "Fellow")
                })
            },
        ),
        (
            "seat-in-another-group",
            "with a seat in another group",
            |company, fellow| {
                let who = fellow.identity.public();
                returning(company, fellow, |_, key| {
                    seat(&[7; 32], &who, key, "Fellow")
                })
            },
        ),
        (
            "seat-with-false-proof",
            "with a proof that has one bit wrong",
            |company, fellow| {
                returning(company, fellow, |seat, _| {
                    let mut wrong = seat;
                    wrong.bytes[40] ^= 1;
                    wrong
                })
            },
        ),
        (
            "seat-with-an-old-key",
            "with the key that its author had before",
            |company, fellow| {
                let group = company.shared.story().group;
                let who = fellow.identity.public();
                let old = fellow.key.clone();
                returning(company, fellow, move |_, _| {
                    seat(&group, &who, &old, "Fellow")
                })
            },
        ),
        ("of-another-group", "of another group", |company, fellow| {
            changed(company, fellow, |operation| operation.group[0] ^= 1)
        }),
        (
            "group-zeros",
            "that names no group and is no CREATE",
            |company, fellow| changed(company, fellow, |operation| operation.group = [0; 32]),
        ),
        (
            "second-create",
            "that makes another group",
            |company, fellow| {
                let key = Identity::new(&company.partner.fresh());
                changed(company, fellow, |operation| {
                    operation.seat = Some(seat(&[0; 32], &operation.author, &key, "Fellow"));
                    (operation.deed, operation.seq, operation.group) = (deed::CREATE, 1, [0; 32]);
                    operation.after.clear();
                })
            },
        ),
        (
            "create-within",
            "that is CREATE in the group",
            |company, fellow| {
                let key = Identity::new(&company.partner.fresh());
                changed(company, fellow, |operation| {
                    let (group, author) = (operation.group, operation.author);
                    operation.seat = Some(seat(&group, &author, &key, "Fellow"));
                    operation.deed = deed::CREATE;
                })
            },
        ),
        (
            "without-subject",
            "INVITE without a subject",
            |company, fellow| changed(company, fellow, |operation| operation.deed = deed::INVITE),
        ),
        (
            "leave-with-subject",
            "LEAVE with a subject",
            |company, fellow| {
                changed(company, fellow, |operation| {
                    operation.subject = Some(operation.author)
                })
            },
        ),
        (
            "accept-without-seat",
            "ACCEPT without a seat",
            |company, fellow| changed(company, fellow, |operation| operation.deed = deed::ACCEPT),
        ),
        ("leave-with-seat", "LEAVE with a seat", |company, fellow| {
            let key = Identity::new(&company.partner.fresh());
            changed(company, fellow, |operation| {
                let (group, author) = (operation.group, operation.author);
                operation.seat = Some(seat(&group, &author, &key, "Fellow"));
            })
        }),
        ("rename-with-cut", "RENAME with a cut", |company, fellow| {
            changed(company, fellow, |operation| {
                operation.deed = deed::RENAME;
                operation.cut = vec![LogCut {
                    log: [1; 16],
                    seq: 1,
                }];
            })
        }),
        (
            "after-nothing",
            "that names nothing before it",
            |company, fellow| changed(company, fellow, |operation| operation.after.clear()),
        ),
        ("sequence-0", "with the sequence 0", |company, fellow| {
            changed(company, fellow, |operation| operation.seq = 0)
        }),
        (
            "sequence-again",
            "with the sequence of the author's last",
            |company, fellow| changed(company, fellow, |operation| operation.seq -= 1),
        ),
        (
            "sequence-ahead",
            "that leaves a sequence out",
            |company, fellow| changed(company, fellow, |operation| operation.seq += 1),
        ),
        (
            "deed-unknown",
            "of a deed that nobody knows",
            |company, fellow| changed(company, fellow, |operation| operation.deed = 99),
        ),
        (
            "after-descending",
            "that names what it follows in the wrong order",
            |company, fellow| {
                changed(company, fellow, |operation| {
                    let group = operation.group;
                    operation.after.push(group);
                    operation.after.sort_unstable();
                    operation.after.reverse();
                })
            },
        ),
        (
            "one-byte-more",
            "with a byte behind it",
            |company, fellow| {
                let mut bytes = leaving(company, fellow).structure().bytes;
                bytes.push(0);
                Signed::over(bytes, &fellow.identity)
            },
        ),
        (
            "of-a-stranger",
            "by somebody who was never offered a place",
            |company, _| {
                let stranger = Identity::new(&company.partner.fresh());
                let heads = company.shared.story().heads();
                company
                    .shared
                    .story()
                    .next(&stranger, &heads, deed::LEAVE)
                    .signed(&stranger)
            },
        ),
    ];
    let refused = |(slug, about, make): (&str, &str, Make)| {
        inside(
            Kind::Negative,
            format!("operation-{slug}"),
            format!("an operation {about} is dropped, and one that is right taken after it"),
            REQ,
            move |company: &mut Company| Box::pin(dropped(company, make)),
        )
    };
    bad.into_iter().map(refused).collect()
}

/// LEAVE of the fellow's, right in everything.
fn leaving(company: &Company, fellow: &Fellow) -> Operation {
    let story = company.shared.story();
    story.next(&fellow.identity, &story.heads(), deed::LEAVE)
}

fn changed(company: &Company, fellow: &Fellow, change: impl FnOnce(&mut Operation)) -> Signed {
    let mut operation = leaving(company, fellow);
    change(&mut operation);
    operation.signed(&fellow.identity)
}

/// ACCEPT of the fellow's, who may take a place again: nothing of §2 asks whether it has one. `with` is
/// given the right seat and a new key.
fn returning(
    company: &Company,
    fellow: &Fellow,
    with: impl FnOnce(crate::structure::Structure, &Identity) -> crate::structure::Structure,
) -> Signed {
    let key = Identity::new(&company.partner.fresh());
    let mut operation = leaving(company, fellow);
    operation.deed = deed::ACCEPT;
    let right = seat(&operation.group, &operation.author, &key, "Fellow");
    operation.seat = Some(with(right, &key));
    operation.signed(&fellow.identity)
}

async fn dropped(company: &mut Company, make: Make) -> Outcome {
    let fellow = company.admits().await?;
    let bad = make(company, &fellow);
    fellow.line.tell(std::slice::from_ref(&bad)).await;
    // A question behind it on the same stream. The peer may also part from who sent it.
    if let Err(fault) = fellow.knowledge().await {
        let names_it = matches!(&fault, Fault::Failed { by, .. } if *by == Some("DC-GROUP-003"));
        let is_over = fellow.link.quic().close_reason().is_some();
        let is_left = fellow.line.frames().iter().any(|frame| frame.code == LEAVE);
        if names_it || !(is_over || is_left) {
            return Err(fault);
        }
    }
    fellow.line.rest();
    let name = company.name.clone();
    let last = company.says(deed::RENAME, &name);
    // Heads without a name that is nobody's: else this fails.
    company.founder.teaches(&last).await?;
    let told = company.founder.told();
    let spread = told.iter().flat_map(|said| said.operations.iter());
    let is_told = spread.into_iter().any(|signed| signed.hash() == bad.hash());
    let waited = told
        .iter()
        .any(|said| said.lacking.as_slice().contains(&bad.hash()));
    expect(
        !is_told && !waited,
        "not a word of the operation",
        hex(&bad.hash()),
    )
}
