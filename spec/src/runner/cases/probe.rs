//! Path probes and changes of address (`30-transport` §6).

use core::time::Duration;
use std::sync::Arc;

use tokio::time::timeout;

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::frames::{self, PING, frame};
use super::super::link::Link;
use super::super::partner::{Partner, endpoint_config, own};
use super::super::probe::{self, ANSWER, ASK, Keys, LONGEST, Probe, SHORTEST, Said, keys};
use super::super::tap::{Came, Tap};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "probe/answered",
            "a question is answered with 64 bytes that say where it came from",
            &["DC-CONN-067", "DC-CONN-045", "DC-CONN-046", "DC-CONN-044"],
            |partner| async move { answered(&partner, SHORTEST).await },
        ),
        Case::positive(
            "probe/odd-length",
            "a question of 65 bytes is answered with 64",
            &["DC-CONN-046"],
            |partner| async move { answered(&partner, SHORTEST + 1).await },
        ),
        Case::positive(
            "probe/longest",
            "a question of 1472 bytes is answered with 64",
            &["DC-CONN-046"],
            |partner| async move { answered(&partner, LONGEST).await },
        ),
        Case::positive(
            "probe/from-elsewhere",
            "a question from another port is answered there",
            &["DC-CONN-067", "DC-CONN-045", "DC-CONN-050"],
            from_elsewhere,
        ),
        Case::negative(
            "probe/after-wrong-ones",
            "questions that are dropped do not keep a right one from being answered",
            &["DC-CONN-067"],
            after_wrong_ones,
        ),
        Case::positive(
            "probe/once",
            "a question that comes several times is not answered more often than it came",
            &["DC-CONN-045"],
            once,
        ),
        Case::positive(
            "probe/moved",
            "a peer that moves is asked at its new address before anything else is sent there",
            &["DC-CONN-051", "DC-CONN-048", "DC-CONN-047"],
            |partner| async move { Moved::new(&partner).await?.arrive().await },
        )
        .takes(3),
        Case::negative(
            "probe/answered-from-elsewhere",
            "an answer that comes from another address than the one asked moves nothing there",
            &["DC-CONN-047", "DC-CONN-051"],
            answered_from_elsewhere,
        )
        .takes(5),
        Case::negative(
            "probe/moved-and-silent",
            "to an address that does not answer nothing is sent but a bounded number of questions",
            &["DC-CONN-048", "DC-CONN-049", "DC-CONN-051"],
            moved_and_silent,
        )
        .takes(8),
    ];
    cases.extend(dropped().into_iter().map(|(name, about, req, make)| {
        Case::negative(
            format!("probe/{name}"),
            format!("{about} is dropped without an answer"),
            req,
            move |partner| async move {
                let link = partner.link().await?;
                let (ours, theirs) = keys(&link)?;
                let datagram = make(&partner, &ours, &theirs);
                for _ in 0..2 {
                    link.tap
                        .send(&datagram, link.to)
                        .map_err(|e| own(e.to_string()))?;
                }
                // Datagrams on one path keep their order: what the first brings comes first.
                let said = ask(&partner, &link, &link.tap, SHORTEST).await?;
                let others = answers(&link.tap, &theirs);
                let others: Vec<Said> = others.into_iter().filter(|one| *one != said).collect();
                expect(others.is_empty(), "no answer to it", format!("{others:?}"))?;
                link.lives().await
            },
        )
    }));
    cases
}

type Make = fn(&Partner, &Keys, &Keys) -> Vec<u8>;
type Dropped = (&'static str, &'static str, &'static [&'static str], Make);

fn dropped() -> Vec<Dropped> {
    fn question(partner: &Partner, ours: &Keys) -> Probe {
        Probe::ask(ours, partner.array(), SHORTEST)
    }
    fn with(partner: &Partner, ours: &Keys, at: usize) -> Vec<u8> {
        let mut probe = question(partner, ours);
        probe.bytes[at] = 1;
        probe.sealed(ours)
    }
    let length: &'static [&'static str] = &["DC-CONN-044"];
    let mac: &'static [&'static str] = &["DC-CONN-043"];
    vec![
        (
            "wrong-mac",
            "a question with a wrong MAC",
            mac,
            |partner, ours, _| {
                let mut datagram = question(partner, ours).sealed(ours);
                datagram[63] ^= 1;
                datagram
            },
        ),
        (
            "no-mac",
            "a question with a MAC of zeros",
            mac,
            |partner, ours, _| question(partner, ours).bytes,
        ),
        (
            "unknown-tag",
            "a question with a tag that nobody has",
            mac,
            |partner, ours, _| {
                let keys = Keys {
                    tag: partner.array(),
                    ..*ours
                };
                question(partner, &keys).sealed(&keys)
            },
        ),
        (
            "tag-of-the-peer",
            "a question of the peer's own, sent back",
            mac,
            |partner, _, theirs| question(partner, theirs).sealed(theirs),
        ),
        (
            "key-of-the-peer",
            "a question under the key of the other direction",
            mac,
            |partner, ours, theirs| {
                let keys = Keys {
                    key: theirs.key,
                    ..*ours
                };
                question(partner, &keys).sealed(&keys)
            },
        ),
        (
            "too-short",
            "a question of 63 bytes",
            length,
            |partner, ours, _| {
                let mut datagram = question(partner, ours).sealed(ours);
                datagram.pop();
                datagram
            },
        ),
        (
            "too-long",
            "a question of 1473 bytes",
            length,
            |partner, ours, _| Probe::ask(ours, partner.array(), LONGEST + 1).sealed(ours),
        ),
        ("a-byte", "a question of one byte", length, |_, _, _| {
            vec![ASK]
        }),
        (
            "observed",
            "a question that observes something",
            length,
            |partner, ours, _| with(partner, ours, 17),
        ),
        (
            "port",
            "a question with a port",
            length,
            |partner, ours, _| with(partner, ours, 34),
        ),
        (
            "not-zero",
            "a question with something before the MAC",
            length,
            |partner, ours, _| with(partner, ours, 47),
        ),
        (
            "padding",
            "a question that is padded with something else than zeros",
            length,
            |partner, ours, _| {
                let mut probe = Probe::ask(ours, partner.array(), 200);
                probe.bytes[199] = 1;
                probe.sealed(ours)
            },
        ),
        (
            "unasked-answer",
            "an answer that nobody has asked for",
            &["DC-CONN-047"],
            |partner, ours, _| {
                let to = ([192, 0, 2, 1], 4001).into();
                Probe::answer(ours, partner.array(), to).sealed(ours)
            },
        ),
        (
            "other-kind",
            "a probe of an unknown kind",
            mac,
            |partner, ours, _| {
                let mut probe = question(partner, ours);
                probe.bytes[0] = 0x20;
                probe.sealed(ours)
            },
        ),
    ]
}

/// What of the answers to questions of this connection has come.
fn answers(tap: &Tap, theirs: &Keys) -> Vec<Said> {
    let others = tap.came().others;
    let said = others
        .iter()
        .filter_map(|datagram| probe::read(theirs, &datagram.bytes));
    said.filter(|said| said.kind == ANSWER).collect()
}

/// Asks from a socket until an answer comes: a datagram may be lost.
pub(super) async fn ask(
    partner: &Partner,
    link: &Link,
    tap: &Tap,
    len: usize,
) -> Result<Said, Fault> {
    let (ours, theirs) = keys(link)?;
    for _ in 0..8 {
        let transaction: [u8; 8] = partner.array();
        let question = Probe::ask(&ours, transaction, len).sealed(&ours);
        tap.send(&question, link.to)
            .map_err(|error| own(error.to_string()))?;
        let answer = tap.until(|came| {
            came.others.iter().find_map(|datagram| {
                let said = probe::read(&theirs, &datagram.bytes)?;
                let right = said.kind == ANSWER && said.transaction == transaction;
                (right && datagram.from == link.to).then_some(said)
            })
        });
        if let Ok(said) = timeout(link.patience() / 8, answer).await {
            return Ok(said);
        }
    }
    let expected = "an ANSWER of 64 bytes with the transaction and the MAC of the peer";
    Err(Fault::new(expected, "none to 8 questions").by("DC-CONN-067"))
}

async fn answered(partner: &Partner, len: usize) -> Outcome {
    let link = partner.link().await?;
    let said = ask(partner, &link, &link.tap, len).await?;
    right_address(partner, &link.tap, said)?;
    link.lives().await
}

/// The answer says where the question came from, as far as this side knows it.
fn right_address(partner: &Partner, tap: &Tap, said: Said) -> Outcome {
    if !partner.subject.address.ip().is_loopback() {
        return Ok(());
    }
    let here = quinn::AsyncUdpSocket::local_addr(tap).map_err(|e| own(e.to_string()))?;
    let seen = format!("{:?}", said.observed);
    expect(
        said.observed == (here.ip(), here.port()),
        format!("{here}"),
        seen,
    )
}

/// Lets a socket of its own receive, which QUIC does not.
pub(super) fn listen(partner: &Partner) -> Result<(Arc<Tap>, quinn::Endpoint), Fault> {
    let tap = partner.tap()?;
    let endpoint = quinn::Endpoint::new_with_abstract_socket(
        endpoint_config(),
        None,
        Arc::clone(&tap) as Arc<dyn quinn::AsyncUdpSocket>,
        Arc::new(quinn::TokioRuntime),
    );
    Ok((tap, endpoint.map_err(|error| own(error.to_string()))?))
}

async fn from_elsewhere(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let (tap, _endpoint) = listen(&partner)?;
    let said = ask(&partner, &link, &tap, SHORTEST).await?;
    right_address(&partner, &tap, said)?;
    link.lives().await
}

async fn after_wrong_ones(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let (ours, _) = keys(&link)?;
    for _ in 0..200 {
        let mut question = Probe::ask(&ours, partner.array(), SHORTEST).sealed(&ours);
        question[63] ^= 1;
        link.tap
            .send(&question, link.to)
            .map_err(|error| own(error.to_string()))?;
    }
    let said = ask(&partner, &link, &link.tap, SHORTEST).await?;
    right_address(&partner, &link.tap, said)?;
    link.lives().await
}

async fn once(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let (ours, theirs) = keys(&link)?;
    let transaction = partner.array();
    let question = Probe::ask(&ours, transaction, SHORTEST).sealed(&ours);
    for _ in 0..10 {
        link.tap
            .send(&question, link.to)
            .map_err(|error| own(error.to_string()))?;
    }
    ask(&partner, &link, &link.tap, SHORTEST).await?;
    let answers = answers(&link.tap, &theirs);
    let count = answers
        .iter()
        .filter(|said| said.transaction == transaction)
        .count();
    expect(count <= 10, "at most 10 answers", format!("{count}"))
}

/// How long an address that does not answer is watched. Nothing is waited for: who misbehaves later
/// than that is not found out.
const WATCHED: Duration = Duration::from_secs(6);
/// More questions than anybody needs to find out that nobody answers.
const MANY: usize = 100;

/// A partner that has gone on from another port with a PING, and was asked (ASK) there.
struct Moved {
    link: Link,
    ours: Keys,
    theirs: Keys,
    nonce: u64,
    ping: (quinn::SendStream, quinn::RecvStream),
    /// Of the first question.
    transaction: [u8; 8],
}

impl Moved {
    async fn new(partner: &Partner) -> Result<Self, Fault> {
        let link = partner.silent_link().await?;
        let (ours, theirs) = keys(&link)?;
        link.lives().await?;
        link.move_to(partner.socket()?)?;
        // Something comes from the new address, so that the peer hears of it.
        let nonce = partner.number();
        let mut ping = link
            .bi(&frame(PING, &frames::ping(nonce, &[]).bytes))
            .await?;
        let _closed = ping.0.finish();
        let asked = link.tap.until(|came| {
            let said = questions(came, &theirs).next()?;
            Some((said.transaction, came.first_of_quic))
        });
        let asked = timeout(link.patience(), asked).await;
        let Ok((transaction, quic)) = asked else {
            let came = link.tap.came();
            if came.quic == 0 && came.others.is_empty() {
                let why = "it stays where it is, and asks nothing at a new address";
                return Err(Fault::unsupported(why));
            }
            let seen = format!(
                "none, but {} packets of QUIC and {} others",
                came.quic,
                came.others.len()
            );
            return Err(Fault::new("a question (ASK) to the new address", seen));
        };
        expect(
            quic.is_none(),
            "ASK before any packet of QUIC",
            "a packet of QUIC first",
        )?;
        Ok(Self {
            link,
            ours,
            theirs,
            nonce,
            ping,
            transaction,
        })
    }

    /// The answer to the first question.
    fn answer(&self) -> Vec<u8> {
        Probe::answer(&self.ours, self.transaction, self.link.to).sealed(&self.ours)
    }

    /// Answers from where it was asked, and expects PONG there.
    async fn arrive(self) -> Outcome {
        let answer = self.answer();
        let Self { link, nonce, .. } = self;
        link.tap
            .send(&answer, link.to)
            .map_err(|error| own(error.to_string()))?;
        link.answer_probes(self.ours, self.theirs);
        let (send, recv) = self.ping;
        let answer = link.answer(send, recv).await?;
        let pong = matches!(answer.single(), Some(dchat_wire::Frame::Pong(p)) if p.nonce == nonce);
        expect(pong, "PONG at the new address", answer.to_string())?;
        link.lives().await
    }
}

/// The questions of the peer that came to a socket.
fn questions<'c>(came: &'c Came, theirs: &'c Keys) -> impl Iterator<Item = Said> + use<'c> {
    let said = came
        .others
        .iter()
        .filter_map(|datagram| probe::read(theirs, &datagram.bytes));
    said.filter(|said| said.kind == ASK)
}

async fn moved_and_silent(partner: Partner) -> Outcome {
    let moved = Moved::new(&partner).await?;
    tokio::time::sleep(WATCHED).await;
    let came = moved.link.tap.came();
    let quic = format!("{} packets of QUIC", came.quic);
    expect(came.quic == 0, "questions and nothing else", quic)?;
    let count = came.others.len();
    expect(
        count <= MANY,
        "a bounded number of questions",
        format!("{count}"),
    )
    .map_err(|fault| fault.by("DC-CONN-049"))
}

/// How long answers come from elsewhere.
const ASTRAY: Duration = Duration::from_secs(3);

async fn answered_from_elsewhere(partner: Partner) -> Outcome {
    let moved = Moved::new(&partner).await?;
    let (aside, _endpoint) = listen(&partner)?;
    let Moved {
        link, ours, theirs, ..
    } = &moved;
    let strays = async {
        for number in 0.. {
            let asked = link.tap.until(|came| questions(came, theirs).nth(number));
            let answer = Probe::answer(ours, asked.await.transaction, link.to).sealed(ours);
            let _lost = aside.send(&answer, link.to);
        }
    };
    let quic = link.tap.until(|came| came.first_of_quic.map(|_| came.quic));
    tokio::select! {
        quic = quic => {
            let seen = format!("{quic} packets of QUIC");
            return Err(Fault::new("questions and nothing else", seen));
        }
        () = strays => {}
        () = tokio::time::sleep(ASTRAY) => {}
    }
    moved.arrive().await
}
