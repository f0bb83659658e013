//! The distributed hash table (`70-dht`): questions, records, tokens, pulses.

mod body;
mod find;
mod pulse;
mod put;
mod record;
mod store;

use core::time::Duration;

use dchat_wire::Frame;
use dchat_wire::dht::{DhtNodes, DhtValues};
use tokio::time::Instant;

use super::super::bodies::dht::{self, CAPABILITY, REFUSED, Statement, refusal};
use super::super::bodies::multiaddr;
use super::super::bodies::relay::refusal_of;
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::clock;
use super::super::frames::frame;
use super::super::greeting::Greeting;
use super::super::identity::Identity;
use super::super::link::{Answer, Link};
use super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        find::cases(),
        put::cases(),
        record::cases(),
        store::cases(),
        pulse::cases(),
        body::cases(),
    ];
    let of_dht = |case: Case| case.profile(Profile::Dht);
    cases.into_iter().flatten().map(of_dht).collect()
}

/// How long a node that just learned where it is seen may take to serve.
const BEGINS: Duration = Duration::from_secs(3);

/// The greeting of a peer that has the DHT, and says where it sees the other.
pub(crate) fn greeting(partner: &Partner) -> Greeting {
    let mut greeting = Greeting::new(partner);
    greeting.capabilities = vec![CAPABILITY];
    greeting.identify.observed = Some(multiaddr(partner.subject.address, None));
    greeting
}

/// A connection with a node that serves.
pub(crate) async fn at_server(partner: &Partner, me: &Identity) -> Result<Link, Fault> {
    let link = at_any(partner, me).await?;
    let until = Instant::now() + BEGINS;
    loop {
        let question = dht::find(&[0; 32], 0, &[], None);
        let answer = link.ask(&frame(dht::FIND, &question.bytes)).await?;
        match reason(&answer) {
            None => return Ok(link),
            Some(refusal::NOT_SERVING) if Instant::now() < until => {
                // Until it has taken in where it is seen, which nothing else shows.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some(refusal::NOT_SERVING) => {
                return Err(Fault::unsupported("it does not serve the DHT"));
            }
            Some(_) => return Ok(link),
        }
    }
}

/// The same with a node that may be a client.
async fn at_any(partner: &Partner, me: &Identity) -> Result<Link, Fault> {
    let link = partner.link_with(me, &greeting(partner)).await?;
    let hello = link.journal().hello();
    let has = hello.is_some_and(|hello| hello.capabilities.as_slice().contains(&CAPABILITY));
    if has {
        Ok(link)
    } else {
        Err(Fault::unsupported(
            "its HELLO does not have the capability DHT",
        ))
    }
}

/// The reason of a refusal.
fn reason(answer: &Answer) -> Option<u16> {
    let refused = answer.frames.iter().find(|frame| frame.code == REFUSED)?;
    refusal_of(refused).map(|(reason, _)| reason)
}

fn told(answer: &Answer) -> String {
    match reason(answer) {
        Some(reason) => format!("DHT_REFUSED, {}", refusal::name(reason)),
        None => answer.to_string(),
    }
}

pub(crate) async fn find(
    link: &Link,
    target: &[u8; 32],
    want: u8,
    known: &[u32],
) -> Result<DhtNodes, Fault> {
    let question = dht::find(target, want, known, None);
    nodes(link.ask(&frame(dht::FIND, &question.bytes)).await?)
}

fn nodes(answer: Answer) -> Result<DhtNodes, Fault> {
    match answer.single() {
        Some(Frame::DhtNodes(nodes)) => Ok(nodes),
        _ => Err(Fault::new("DHT_NODES", told(&answer))),
    }
}

pub(crate) async fn get(link: &Link, key: &[u8; 32], have: &[[u8; 8]]) -> Result<DhtValues, Fault> {
    let question = dht::get(key, 0, have);
    let answer = link.ask(&frame(dht::GET, &question.bytes)).await?;
    match answer.single() {
        Some(Frame::DhtValues(values)) => Ok(values),
        _ => Err(Fault::new("DHT_VALUES", told(&answer))),
    }
}

/// Puts a record with a token. The seconds it is kept, or the reason of a refusal.
pub(crate) async fn put(
    link: &Link,
    key: &[u8; 32],
    token: &[u8; 16],
    record: &crate::structure::Structure,
) -> Result<Result<u32, u16>, Fault> {
    let question = dht::put(key, token, record);
    let answer = link.ask(&frame(dht::PUT, &question.bytes)).await?;
    match (answer.single(), reason(&answer)) {
        (Some(Frame::DhtStored(stored)), _) => Ok(Ok(stored.keep_s)),
        (_, Some(refusal::TOO_FAR)) => Err(Fault::unsupported(
            "it is too far from the key and its room for such records is taken",
        )),
        (_, Some(reason)) => Ok(Err(reason)),
        _ => Err(Fault::new("DHT_STORED or DHT_REFUSED", answer.to_string())),
    }
}

/// Asks for a token and puts.
pub(crate) async fn store(
    link: &Link,
    key: &[u8; 32],
    record: &crate::structure::Structure,
) -> Result<Result<u32, u16>, Fault> {
    let token = get(link, key, &[]).await?.token;
    put(link, key, &token, record).await
}

fn stored(put: Result<u32, u16>) -> Result<u32, Fault> {
    put.map_err(|reason| Fault::new("DHT_STORED", refusal::name(reason)))
}

fn expect_reason(put: Result<u32, u16>, wanted: u16) -> Outcome {
    let seen = match put {
        Ok(keep) => format!("DHT_STORED for {keep} s"),
        Err(reason) => refusal::name(reason).to_owned(),
    };
    let expected = format!("DHT_REFUSED, {}", refusal::name(wanted));
    expect(put == Err(wanted), expected, seen)
}

/// A record that a store takes: who signs it, what it says and where it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) signer: Identity,
    pub(crate) statement: Statement,
    pub(crate) key: [u8; 32],
    /// Longest life of the kind in milliseconds.
    pub(crate) life: u64,
    /// Longest payload of the kind.
    pub(crate) payload: usize,
}

impl Sample {
    pub(crate) fn record(&self) -> crate::structure::Structure {
        self.statement.sign(&self.signer)
    }
}

/// How long the records of these cases hold, in milliseconds: longer than any case takes.
const HOLDS: u64 = 10 * 60 * 1000;

const KINDS: [&str; 7] = [
    "address",
    "device",
    "relay",
    "service",
    "mailbox",
    "presence",
    "rendezvous",
];

/// A record of the kind of this name (`70-dht` §6.1), by a new signer.
pub(crate) fn sample(partner: &Partner, slug: &'static str) -> Sample {
    use super::super::bodies::address;
    use crate::structure::Structure;
    let signer = Identity::new(&partner.fresh());
    let public = signer.public();
    let at = std::net::SocketAddr::from(([192, 0, 2, 7], 4001));
    let addresses = [address(&multiaddr(at, None))];
    let sealed = partner.bytes(256);
    let (kind, payload, name, hours, longest) = match slug {
        "address" => (
            1,
            Structure::new()
                .list("AddressRecord.addresses", &addresses, true)
                .extensions("AddressRecord.extensions", &[]),
            public.to_vec(),
            24,
            2304,
        ),
        "device" => (
            2,
            Structure::new()
                .fixed("DeviceRecord.identity_key", &partner.bytes(32))
                .fixed("DeviceRecord.signing_key", &partner.identity().public())
                .fixed("DeviceRecord.fallback_key", &partner.bytes(32))
                .extensions("DeviceRecord.extensions", &[]),
            public.to_vec(),
            720,
            4096,
        ),
        "relay" => {
            let shard = partner.draw().below(4) as u8;
            (
                4,
                Structure::new()
                    .u8("RelayAdvert.shard", shard)
                    .push("RelayAdvert.socket", &dht::socket(at), true)
                    .option("RelayAdvert.other", None, true)
                    .extensions("RelayAdvert.extensions", &[]),
                vec![shard],
                2,
                256,
            )
        }
        "service" => {
            let name = format!("conformance {:x}", partner.number() ^ clock::now_ms());
            (
                5,
                Structure::new()
                    .text("ServiceAdvert.name", &name)
                    .list("ServiceAdvert.addresses", &addresses, true)
                    .extensions("ServiceAdvert.extensions", &[]),
                name.into_bytes(),
                24,
                1024,
            )
        }
        "mailbox" => {
            let mailbox = [address(&multiaddr(at, Some(&partner.identity().public())))];
            (
                6,
                Structure::new()
                    .list("MailboxPointer.mailboxes", &mailbox, true)
                    .extensions("MailboxPointer.extensions", &[]),
                public.to_vec(),
                168,
                1024,
            )
        }
        "presence" => (
            7,
            Structure::new()
                .bytes("Presence.sealed", &sealed)
                .extensions("Presence.extensions", &[]),
            public.to_vec(),
            1,
            1152,
        ),
        _ => (
            8,
            rendezvous(&partner.array(), &sealed),
            public.to_vec(),
            2,
            1152,
        ),
    };
    let now = clock::now_ms();
    Sample {
        statement: Statement {
            signer: public,
            kind,
            sequence: now,
            issued_at: now,
            expires_at: now + HOLDS,
            payload: payload.bytes,
            extensions: Vec::new(),
        },
        key: dht::key(kind, &name),
        life: hours * 60 * 60 * 1000,
        payload: longest,
        signer,
    }
}

pub(crate) fn rendezvous(slot: &[u8; 16], sealed: &[u8]) -> crate::structure::Structure {
    crate::structure::Structure::new()
        .fixed("Rendezvous.slot", slot)
        .bytes("Rendezvous.sealed", sealed)
        .extensions("Rendezvous.extensions", &[])
}

/// The records of an answer, as bytes.
pub(crate) fn bytes_of(values: &DhtValues) -> Vec<Vec<u8>> {
    let records = values.records.as_slice().iter();
    records
        .map(|record| [record.body.as_slice(), &record.signature].concat())
        .collect()
}

/// The bytes of a record as [`bytes_of`] shows them.
pub(crate) fn plain(record: &crate::structure::Structure) -> Vec<u8> {
    // Eight bytes of length stand before the body.
    record.bytes[8..].to_vec()
}
