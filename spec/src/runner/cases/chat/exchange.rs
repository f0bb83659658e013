//! Logs, entries, frontiers and acknowledgement (`40-messaging` §5 to §9).

use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::chat::body::{padded, parcel};
use super::super::super::chat::{Content, Entry, Frontier, Log, Order, Talk, now};
use super::super::super::frames::codes;
use super::super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = delivered();
    cases.extend(table());
    cases.extend(wrong_frontiers());
    cases
}

/// What is committed and acknowledged.
fn delivered() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "exchange/first-frontiers",
            "the first parcel holds frontiers of both authors at most, and no entries",
            &["DC-CHAT-039", "DC-CHAT-041", "DC-CHAT-050"],
            first_frontiers,
        ),
        Case::positive(
            "exchange/acknowledged",
            "an entry is committed and acknowledged by a frontier with its hash",
            &["DC-CHAT-048", "DC-CHAT-037", "DC-CHAT-045"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("one").await?;
                talk.say("").await?;
                talk.say("three, 你好 👋 \u{202e}\u{0}").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "exchange/many",
            "200 entries in parcels of 64 are all acknowledged",
            &["DC-CHAT-048", "DC-CHAT-049"],
            many,
        ),
        Case::positive(
            "exchange/longest-text",
            "a text of exactly 65536 bytes is taken",
            &["DC-CHAT-027"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say(&"x".repeat(65_536)).await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "exchange/stub",
            "a stub takes its place in the log",
            &["DC-CHAT-045", "DC-CHAT-052"],
            stub,
        ),
        Case::positive(
            "exchange/again-on-the-next-connection",
            "entries that are sent again on a new connection are harmless",
            &["DC-CHAT-045", "DC-CONN-042"],
            again,
        ),
        Case::positive(
            "exchange/new-incarnation",
            "a new log of the same author begins beside the old one",
            &["DC-CHAT-041"],
            new_incarnation,
        ),
        Case::positive(
            "exchange/own-hash-told",
            "who holds more of a log than its author says tells its hash of that entry",
            &["DC-CHAT-059"],
            own_hash,
        ),
        Case::positive(
            "exchange/rolled-back",
            "who holds another entry than the author says tells its own hash",
            &["DC-CHAT-059"],
            rolled_back,
        ),
        Case::positive(
            "exchange/unmentioned-logs",
            "frontiers of logs that nobody knows harm nobody",
            &["DC-CHAT-060"],
            unknown_logs,
        ),
    ];
    for (name, about, change) in contents() {
        let req: &'static [&'static str] = match name {
            "unknown-kind" | "longest-body" => &["DC-CHAT-028", "DC-CHAT-045"],
            "clock-at-0" | "clock-far-ahead" => &["DC-CHAT-045", "DC-CHAT-054"],
            "extension" => &["DC-CHAT-045", "DC-WIRE-022"],
            _ => &["DC-CHAT-045"],
        };
        cases.push(Case::positive(
            format!("exchange/{name}"),
            format!("an entry {about} is counted like any other"),
            req,
            move |partner| async move {
                let mut talk = partner.talk().await?;
                let mut content = Content::text("odd");
                change(&mut content, &talk.person.log);
                let entry = talk.person.log.append(&content);
                talk.send(&[], &[entry]).await?;
                talk.delivered().await?;
                talk.say("behind it").await?;
                talk.finish();
                Ok(())
            },
        ));
    }
    cases
}

type OddContent = (&'static str, &'static str, fn(&mut Content, &Log));

fn contents() -> Vec<OddContent> {
    vec![
        ("unknown-kind", "of an unknown kind", |content, _| {
            (content.kind, content.body) = (0xfeed, vec![0xff; 300]);
        }),
        (
            "longest-body",
            "with the longest body of an unknown kind",
            |content, _| {
                (content.kind, content.body) = (0xfeed, vec![7; 66_560]);
            },
        ),
        ("clock-at-0", "written in 1970", |content, _| {
            content.sent_at = 0
        }),
        (
            "clock-far-ahead",
            "written at the end of time",
            |content, _| {
                content.sent_at = u64::MAX;
            },
        ),
        ("expired", "that has expired", |content, _| {
            content.expires_at = Some(now() - 60_000);
        }),
        ("expires-later", "that expires in an hour", |content, _| {
            content.expires_at = Some(now() + 3_600_000);
        }),
        (
            "heads",
            "with heads of logs that nobody knows",
            |content, log| {
                content.heads = (1..=4)
                    .map(|n| (log.author, [n; 16], u64::from(n), [n; 32]))
                    .collect();
            },
        ),
        (
            "extension",
            "with an extension that nobody knows",
            |content, _| {
                content.extensions = vec![(0x0a0a, vec![1; 32]), (0x7001, Vec::new())];
            },
        ),
    ]
}

async fn first_frontiers(partner: Partner) -> Outcome {
    let talk = partner.talk().await?;
    let first = &talk.parcels[0].parcel;
    let (me, peer) = (talk.person.identity.public(), talk.peer());
    for frontier in first.frontiers.as_slice() {
        let author = *frontier.author.public_key();
        let seen = format!("{frontier:?}");
        let is_of_two = author == me || author == peer;
        expect(is_of_two, "frontiers of the two authors", &seen)?;
        let is_zero = frontier.tip == [0; 32];
        let right = frontier.read <= frontier.held
            && frontier.low_water >= 1
            && is_zero == (frontier.held == 0)
            && (author != peer || frontier.read == frontier.held);
        expect(right, "a frontier that keeps DC-CHAT-050", &seen)
            .map_err(|f| f.by("DC-CHAT-050"))?;
    }
    talk.finish();
    Ok(())
}

async fn many(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    let entries: Vec<Entry> = (0..200)
        .map(|number| talk.person.log.say(&format!("entry {number}")))
        .collect();
    for part in entries.chunks(64) {
        talk.send(&[], part).await?;
    }
    talk.delivered().await?;
    talk.finish();
    Ok(())
}

async fn stub(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    let mut entry = talk.person.log.say("gone before it was sent");
    entry.content = None;
    talk.send(&[], &[entry]).await?;
    talk.delivered().await?;
    talk.say("behind the stub").await?;
    talk.finish();
    Ok(())
}

async fn again(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("once").await?;
    talk.say("twice").await?;
    talk.link.leave();
    let mut next = partner.talk_as(talk.person).await?;
    let entries = next.person.log.entries.clone();
    let last = entries[entries.len() - 2..].to_vec();
    next.send(&[], &last).await?;
    next.say("three times").await?;
    next.finish();
    Ok(())
}

async fn new_incarnation(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("in the old log").await?;
    let old = talk.person.log.clone();
    talk.person.log = Log::new(old.conversation, old.author, partner.array());
    talk.say("in the new log").await?;
    talk.link.leave();
    // On the next connection both are named, the newer one first.
    let next = partner.talk_as(talk.person).await?;
    let first = next.parcels[0].parcel.frontiers.as_slice();
    let of_partner = first
        .iter()
        .filter(|one| *one.author.public_key() == old.author);
    let named: Vec<[u8; 16]> = of_partner.map(|one| one.incarnation).collect();
    let newer = named
        .iter()
        .position(|one| *one == next.person.log.incarnation);
    let older = named.iter().position(|one| *one == old.incarnation);
    let right = newer.is_some_and(|newer| older.is_none_or(|older| newer < older));
    let expected = "a frontier of the new log, before that of the old one";
    expect(
        right,
        expected,
        format!("at {newer:?}, and the old one at {older:?}"),
    )?;
    next.finish();
    Ok(())
}

async fn own_hash(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("one").await?;
    talk.say("two").await?;
    let len = talk.person.log.len();
    let mut claim = talk.person.log.frontier();
    (claim.held, claim.read, claim.tip) = (len - 1, len - 1, talk.person.log.hash_at(len - 1));
    talk.send(&[claim.clone()], &[]).await?;
    told(&mut talk, &claim, claim.tip).await?;
    talk.say("and on").await?;
    talk.finish();
    Ok(())
}

async fn rolled_back(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("one").await?;
    let mut claim = talk.person.log.frontier();
    let right = claim.tip;
    claim.tip = partner.array();
    talk.send(&[claim.clone()], &[]).await?;
    told(&mut talk, &claim, right).await?;
    talk.say("and on").await?;
    talk.finish();
    Ok(())
}

/// Waits for a frontier of the partner's log at the claim's place with this hash.
async fn told(talk: &mut Talk, claim: &Frontier, hash: [u8; 32]) -> Outcome {
    let before = talk.parcels.len();
    let what = format!("a frontier that says the hash of entry {}", claim.held);
    let (held, author, incarnation) = (claim.held, claim.author, claim.incarnation);
    let found = talk.until(&what, |talk| {
        let later = talk.parcels.get(before..).unwrap_or_default().iter();
        let mut frontiers = later.flat_map(|one| one.parcel.frontiers.as_slice());
        let at = |one: &&dchat_wire::parcel::Frontier| {
            *one.author.public_key() == author && one.incarnation == incarnation && one.held == held
        };
        frontiers.find(at).map(|one| one.tip)
    });
    let tip = found.await?;
    expect(tip == hash, what.clone(), "another hash")
}

async fn unknown_logs(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    let authors = [talk.person.identity.public(), talk.peer()];
    let frontiers: Vec<Frontier> = (0..16_u8)
        .map(|number| Frontier {
            author: authors[usize::from(number % 2)],
            incarnation: partner.array(),
            held: u64::from(number) * 1000,
            low_water: 1,
            read: 0,
            tip: if number == 0 { [0; 32] } else { [number; 32] },
        })
        .collect();
    talk.send(&frontiers, &[]).await?;
    talk.say("still here").await?;
    talk.finish();
    Ok(())
}

/// The table of §7.
fn table() -> Vec<Case> {
    let mut cases = vec![
        Case::negative(
            "exchange/duplicate",
            "an entry that is held already is ignored",
            &["DC-CHAT-045"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("once").await?;
                let entry = talk.person.log.entries.last().cloned();
                let entry: Vec<Entry> = entry.into_iter().collect();
                talk.send(&[], &entry).await?;
                talk.send(&[], &[entry.clone(), entry].concat()).await?;
                talk.say("behind it").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::negative(
            "exchange/gap",
            "an entry over a gap is not taken, and the frontier is told",
            &["DC-CHAT-045"],
            gap,
        ),
        Case::negative(
            "exchange/fork-of-held",
            "another entry in a place that is taken is refused",
            &["DC-CHAT-046", "DC-CHAT-045"],
            |partner| async move { fork(&partner, true).await },
        ),
        Case::negative(
            "exchange/fork-of-tip",
            "a next entry that does not name the tip is refused",
            &["DC-CHAT-046", "DC-CHAT-045"],
            |partner| async move { fork(&partner, false).await },
        ),
        Case::negative(
            "exchange/entries-too-early",
            "entries before this side has sent its frontiers close with UNEXPECTED, or wait their turn",
            &["DC-CHAT-040", "DC-CHAT-063"],
            too_early,
        ),
    ];
    for (name, about, change) in wrong_entries() {
        let req: &'static [&'static str] = match name {
            "sequence-0" => &["DC-CHAT-045", "DC-CHAT-063"],
            name if name.starts_with("text-") => &["DC-CHAT-027", "DC-CHAT-045", "DC-CHAT-063"],
            _ => &["DC-CHAT-037", "DC-CHAT-045", "DC-CHAT-063"],
        };
        cases.push(Case::negative(
            format!("exchange/{name}"),
            format!("an entry {about} closes with MALFORMED and is not kept"),
            req,
            move |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("right").await?;
                let entry = change(&talk.person.log);
                talk.send_plain(&padded(&parcel(&[], &[entry], &[])))
                    .await?;
                talk.violates(&partner, codes::MALFORMED).await
            },
        ));
    }
    cases
}

type WrongEntry = (&'static str, &'static str, fn(&Log) -> Entry);

fn wrong_entries() -> Vec<WrongEntry> {
    fn next(log: &Log, change: impl FnOnce(&mut Content)) -> Entry {
        let mut content = Content::text("never to be seen");
        change(&mut content);
        log.next(&content)
    }
    vec![
        (
            "wrong-hash",
            "whose hash is not that of its content",
            |log| {
                let mut entry = next(log, |_| {});
                entry.hash[31] ^= 1;
                entry
            },
        ),
        ("changed-content", "whose content was changed", |log| {
            let mut entry = next(log, |_| {});
            entry.content = Some(Content::text("something else").bytes());
            entry
        }),
        ("sequence-0", "with the sequence 0", |log| {
            log.entry(0, [0; 32], Content::text("zero").bytes())
        }),
        ("text-too-long", "with a text of 65537 bytes", |log| {
            next(log, |content| content.body = vec![b'x'; 65_537])
        }),
        ("text-not-utf8", "with a text that is not UTF-8", |log| {
            next(log, |content| content.body = vec![0xc3, 0x28])
        }),
        ("text-of-surrogates", "with a text of surrogates", |log| {
            next(log, |content| content.body = vec![0xed, 0xa0, 0x80])
        }),
        ("text-overlong", "with a text in an overlong form", |log| {
            next(log, |content| content.body = vec![0xc0, 0xaf])
        }),
        (
            "hash-of-another-log",
            "whose hash is that of another log",
            |log| {
                let mut other = log.clone();
                other.incarnation[0] ^= 1;
                let mut entry = other.next(&Content::text("elsewhere"));
                entry.incarnation = log.incarnation;
                entry
            },
        ),
    ]
}

async fn gap(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let held = talk.person.log.len();
    let first = talk.person.log.say("the one between");
    let second = talk.person.log.say("the one behind");
    let before = talk.parcels.len();
    talk.send(&[], std::slice::from_ref(&second)).await?;
    let what = format!("a frontier that still holds {held}");
    let told = talk.until(&what, |talk| {
        (talk.parcels.len() > before).then(|| talk.held())
    });
    let told = told.await?;
    expect(told == held, what, format!("{told}"))?;
    talk.send(&[], &[first, second]).await?;
    talk.delivered().await?;
    talk.finish();
    Ok(())
}

async fn fork(partner: &Partner, of_held: bool) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("one").await?;
    talk.say("two").await?;
    let log = &talk.person.log;
    let len = log.len();
    let content = Content::text("never to be seen").bytes();
    let entry = if of_held {
        log.entry(len, log.hash_at(len - 1), content)
    } else {
        log.entry(len + 1, [0x5f; 32], content)
    };
    talk.send(&[], &[entry]).await?;
    // What is right goes on: the fork has moved nothing.
    talk.say("three").await?;
    talk.finish();
    Ok(())
}

/// Nothing but a session that this side makes can bring entries before the peer's frontiers: those of
/// the peer may be under way meanwhile, so both ends are right.
async fn too_early(partner: Partner) -> Outcome {
    let person = partner
        .subject
        .people
        .take(&partner, Order::Smaller)
        .await?;
    let mut talk = Talk::open(&partner, person, Vec::new()).await?;
    talk.new_session()?;
    let entry = talk.person.log.next(&Content::text("too early"));
    talk.send(&[], &[entry]).await?;
    let ending = talk.link.ending("a close with UNEXPECTED");
    let first = talk.link.until("a parcel", |journal| {
        let chat = journal.chat()?;
        chat.frames
            .iter()
            .any(|frame| frame.code == 0x11)
            .then_some(())
    });
    tokio::select! {
        biased;
        ended = ending => match ended? {
            super::super::super::Ending::Closed(codes::UNEXPECTED, _) => Ok(()),
            other => Err(Fault::new("a close with UNEXPECTED", other.to_string())),
        },
        came = first => came,
    }
}

/// Frontiers that close with MALFORMED.
fn wrong_frontiers() -> Vec<Case> {
    type Wrong = (
        &'static str,
        &'static str,
        &'static [&'static str],
        fn(&mut Frontier),
    );
    let wrong: Vec<Wrong> = vec![
        (
            "frontier-of-another",
            "of a third author",
            &["DC-CHAT-044"],
            |frontier| {
                frontier.author = super::super::super::Identity::new(&[0x61; 32]).public();
            },
        ),
        (
            "frontier-read-over-held",
            "with more read than held",
            &["DC-CHAT-062"],
            |frontier| {
                frontier.read = frontier.held + 1;
            },
        ),
        (
            "frontier-tip-of-nothing",
            "with a tip and nothing held",
            &["DC-CHAT-062"],
            |frontier| {
                (frontier.held, frontier.read) = (0, 0);
            },
        ),
        (
            "frontier-without-tip",
            "with entries held and no tip",
            &["DC-CHAT-062"],
            |frontier| {
                frontier.tip = [0; 32];
            },
        ),
        (
            "frontier-author-no-key",
            "of an author that is no key",
            &["DC-ID-005"],
            |frontier| {
                frontier.author = [0; 32];
            },
        ),
    ];
    wrong
        .into_iter()
        .map(|(name, about, req, change)| {
            Case::negative(
                format!("exchange/{name}"),
                format!("a frontier {about} closes with MALFORMED"),
                req,
                move |partner| async move {
                    let mut talk = partner.talk().await?;
                    talk.say("right").await?;
                    let mut frontier = talk.person.log.frontier();
                    change(&mut frontier);
                    talk.send(&[frontier], &[]).await?;
                    talk.violates(&partner, codes::MALFORMED).await
                },
            )
        })
        .collect()
}
