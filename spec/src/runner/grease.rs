//! A partner from the future: it speaks later versions too, has capabilities, extensions and frames
//! that nobody knows yet, and keeps every rule of version 1 while it does. None of its connections may
//! fail (`10-encoding` §5.1, `30-transport` §3).

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::case::{Fault, Outcome};
use super::draw::Draw;
use super::frames::{CRITICAL, KINDS, PING, flagged, ping};
use super::greeting::{Greeting, Identify};
use super::link::Link;
use super::partner::Partner;
use super::subject::Subject;

/// What came of a number of connections.
#[derive(Clone, Debug, Default)]
pub struct Grease {
    /// Connections that did all they should.
    pub fine: u64,
    /// The numbers of others, with what was wrong; the first [`SHOWN`] of them.
    pub failed: Vec<(u64, Fault)>,
    /// How many others there were.
    pub failures: u64,
    /// How long all of it took.
    pub took: Duration,
}

/// Failures that are kept.
pub const SHOWN: usize = 20;

/// Makes `count` connections, `jobs` at a time, and tells how many are done now and then.
pub async fn run(
    subject: Arc<Subject>,
    seed: u64,
    count: u64,
    jobs: usize,
    mut tell: impl FnMut(u64),
) -> Grease {
    let started = Instant::now();
    let places = Arc::new(Semaphore::new(jobs.max(1)));
    let mut tasks = JoinSet::new();
    let mut grease = Grease::default();
    let mut note = |number: u64, outcome: Outcome| {
        match outcome {
            Ok(()) => grease.fine += 1,
            Err(fault) => {
                grease.failures += 1;
                if grease.failed.len() < SHOWN {
                    grease.failed.push((number, fault));
                }
            }
        }
        let done = grease.fine + grease.failures;
        if done.is_multiple_of(1000) {
            tell(done);
        }
    };
    for number in 0..count {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let partner = Partner::new(Arc::clone(&subject), seed, "grease", number);
        tasks.spawn(async move {
            let outcome = one(&partner).await;
            drop(place);
            (number, outcome)
        });
        while let Some(Ok((number, outcome))) = tasks.try_join_next() {
            note(number, outcome);
        }
    }
    while let Some(Ok((number, outcome))) = tasks.join_next().await {
        note(number, outcome);
    }
    grease.took = started.elapsed();
    grease
}

/// One connection: a greeting, pushes and questions with what nobody knows in every place where the
/// documents allow it.
///
/// # Errors
/// A fault when the peer stumbles over any of it.
pub async fn one(partner: &Partner) -> Outcome {
    let mut link = partner
        .link_with(&partner.identity(), &greeting(partner))
        .await?;
    for revision in 2..2 + partner.below(3) {
        let bytes = push(partner, revision);
        link.control(&bytes).await;
    }
    for _ in 0..1 + partner.below(3) {
        question(partner, &link).await?;
    }
    // A stream of a kind to come.
    let frames = unknown_frames(&mut partner.draw());
    let _later = link.uni(&frames).await?;
    question(partner, &link).await?;
    link.leave();
    Ok(())
}

fn push(partner: &Partner, revision: u64) -> Vec<u8> {
    let mut draw = partner.draw();
    let push = Identify {
        extensions: extensions(&mut draw),
        ..Identify::revision(revision)
    };
    [unknown_frames(&mut draw), push.push()].concat()
}

async fn question(partner: &Partner, link: &Link) -> Outcome {
    let nonce = partner.number();
    let (before, flags, list) = {
        let mut draw = partner.draw();
        let flags = (draw.number() as u16) | CRITICAL;
        (unknown_frames(&mut draw), flags, extensions(&mut draw))
    };
    let mut room = 1024 - 16_usize;
    let mut fitting: Vec<(u16, &[u8])> = Vec::new();
    for (kind, value) in &list {
        if let Some(left) = room.checked_sub(10 + value.len()) {
            room = left;
            fitting.push((*kind, value));
        }
    }
    let body = ping(nonce, &fitting).bytes;
    let bytes = [before, flagged(PING, flags, &body)].concat();
    let answer = link.ask(&bytes).await?;
    match answer.single() {
        Some(dchat_wire::Frame::Pong(pong)) if pong.nonce == nonce => Ok(()),
        _ => Err(Fault::new(
            "PONG to a PING among what nobody knows",
            answer.to_string(),
        )),
    }
}

fn greeting(partner: &Partner) -> Greeting {
    let mut greeting = Greeting::new(partner);
    let mut draw = partner.draw();
    greeting.versions = (1, 1 + draw.below(u64::from(u16::MAX)) as u16);
    greeting.roles = draw.number() & !0x7;
    let mut capabilities: Vec<u16> = (0..draw.below(60))
        .map(|_| later_capability(&mut draw))
        .collect();
    capabilities.push(1);
    capabilities.sort_unstable();
    capabilities.dedup();
    greeting.capabilities = capabilities;
    greeting.extensions = extensions(&mut draw);
    // HELLO is at most 2048 bytes.
    let mut room = 2048 - 44 - 2 * greeting.capabilities.len();
    greeting
        .extensions
        .retain(|(_, value)| match room.checked_sub(10 + value.len()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        });
    greeting.between = unknown_frames(&mut draw);
    greeting.identify.extensions = extensions(&mut draw);
    greeting
}

/// Numbers from 64 on, far from any that is assigned.
fn later_capability(draw: &mut Draw) -> u16 {
    64 + draw.below(u64::from(u16::MAX) - 64) as u16
}

/// Up to 16 extensions of kinds that are not critical, in order, of up to 200 bytes.
fn extensions(draw: &mut Draw) -> Vec<(u16, Vec<u8>)> {
    let mut kinds: Vec<u16> = (0..draw.below(17))
        .map(|_| draw.number() as u16 & 0x7fff)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
        .into_iter()
        .map(|kind| {
            let len = draw.below(200) as usize;
            (kind, draw.bytes(len))
        })
        .collect()
}

/// Up to 4 frames of types that are not in the registry, without CRITICAL, and a reserved one.
fn unknown_frames(draw: &mut Draw) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..draw.below(5) {
        let code = draw.number() as u16;
        if KINDS.iter().any(|kind| kind.code == code) {
            continue;
        }
        let len = match draw.below(20) {
            0 => draw.below(20_000),
            _ => draw.below(300),
        };
        let flags = draw.number() as u16 & !CRITICAL;
        bytes.extend(flagged(code, flags, &draw.bytes(len as usize)));
    }
    bytes.extend(flagged(0x1a0a | (draw.below(16) as u16) << 4, 0, &[]));
    bytes
}
