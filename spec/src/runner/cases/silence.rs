//! Connections on which nothing happens (`30-transport` §4).
//!
//! They are those of contacts, which a peer wants to keep.

use core::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::super::case::{Case, Fault, Outcome, Profile};
use super::super::chat::Order;
use super::super::chat::talk::CAN_CHAT;
use super::super::link::Link;
use super::super::partner::{Partner, own};
use super::super::probe::{Probe, SHORTEST, keys};

/// After which a packet has to come (DC-CONN-038).
const SILENCE: Duration = Duration::from_secs(15);
/// By how much it may be late: the timers of a loaded machine.
const LATE: Duration = Duration::from_secs(3);
/// Nothing more comes of what was said before.
const QUIET: Duration = Duration::from_millis(700);
/// Between two questions about the path.
const PROBES: Duration = Duration::from_secs(2);

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::positive(
            "silence/kept-alive",
            "on a silent connection of a contact a packet that wants an acknowledgement comes",
            &["DC-CONN-038"],
            |partner| async move { kept_alive(&partner, false).await },
        ),
        Case::negative(
            "silence/probes-are-no-packets",
            "questions (ASK) all the time, which QUIC does not see, do not keep that packet away",
            &["DC-CONN-038"],
            |partner| async move { kept_alive(&partner, true).await },
        ),
    ];
    let long = |case: Case| case.profile(Profile::Chat).takes(16);
    cases.into_iter().map(long).collect()
}

async fn kept_alive(partner: &Partner, probes: bool) -> Outcome {
    let mut person = partner.subject.people.take(partner, Order::Any).await?;
    let (link, _chat) = partner.contact(&mut person, &[CAN_CHAT]).await?;
    link.lives().await?;
    let before = quiet(&link).await?;
    let asked = eliciting(&link);
    let silence = async {
        let more = link.tap.until(|came| (came.quic > before).then_some(()));
        timeout(SILENCE + LATE, more).await
    };
    let what = "a packet that elicits an acknowledgement within 15 s";
    let came = if probes {
        let (ours, _) = keys(&link)?;
        let asks = async {
            loop {
                sleep(PROBES).await;
                let ask = Probe::ask(&ours, partner.array(), SHORTEST).sealed(&ours);
                if let Err(error) = link.tap.send(&ask, link.to) {
                    return own(error.to_string());
                }
            }
        };
        tokio::select! {
            came = silence => came,
            fault = asks => return Err(fault),
        }
    } else {
        silence.await
    };
    came.map_err(|_| Fault::new(what, "nothing in 18 s"))?;
    // QUIC reads the packet a moment after it came.
    let deadline = Instant::now() + link.patience();
    while eliciting(&link) == asked {
        if Instant::now() > deadline {
            return Err(Fault::new(what, "a packet that elicits none"));
        }
        sleep(QUIET / 20).await;
    }
    link.lives().await
}

/// Waits until nothing comes any more: packets of QUIC so far.
async fn quiet(link: &Link) -> Result<u64, Fault> {
    let deadline = Instant::now() + link.patience();
    while Instant::now() < deadline {
        let before = link.tap.came().quic;
        let more = link.tap.until(|came| (came.quic > before).then_some(()));
        if timeout(QUIET, more).await.is_err() {
            return Ok(before);
        }
    }
    Err(Fault::unsupported("the peer is never silent"))
}

/// Frames that came and that elicit an acknowledgement (RFC 9002 §2): all but ACK, PADDING, which is not
/// counted, and CONNECTION_CLOSE.
fn eliciting(link: &Link) -> u64 {
    let came = link.quic().stats().frame_rx;
    [
        came.crypto,
        came.data_blocked,
        came.datagram,
        came.max_data,
        came.max_stream_data,
        came.max_streams_bidi,
        came.max_streams_uni,
        came.new_connection_id,
        came.new_token,
        came.path_challenge,
        came.path_response,
        came.ping,
        came.reset_stream,
        came.retire_connection_id,
        came.stream_data_blocked,
        came.streams_blocked_bidi,
        came.streams_blocked_uni,
        came.stop_sending,
        came.stream,
    ]
    .iter()
    .sum()
}
