//! Frames on streams.

use dchat_wire::frame::FrameError;
use dchat_wire::{Frame, FrameReader, FrameType, limits};
use serde_json::{Value, json};

use super::describe::Describe;
use super::vector::{Answer, Refusal, Unanswered, Vector, agrees, hex, refused};

pub(super) fn frame(vector: &Vector) -> Answer {
    let (frames, error) = read(&vector.bytes("bytes")?, usize::MAX);
    match (error, frames.as_slice()) {
        (Some(error), _) => Err(refused(error)),
        (None, [frame]) => Ok(json!({ "frame": name(frame), "body": frame.describe() })),
        (None, _) => Err(Unanswered::Failed("not one frame".to_owned())),
    }
}

pub(super) fn stream(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes")?;
    let (frames, error) = read(&bytes, usize::MAX);
    for piece in [1, 2, 3, 7, 8, 9, 1000] {
        let again = read(&bytes, piece);
        agrees(again == (frames.clone(), error), "pieces make a difference")?;
    }
    let listed: Value = frames
        .iter()
        .map(|frame| {
            let body = hex(&frame.to_bytes()[limits::FRAME_HEADER..]);
            json!({ "frame": name(frame), "body": body })
        })
        .collect();
    let output = json!({ "frames": listed });
    match error {
        None => Ok(output),
        Some(error) => Err(Unanswered::Refused(Refusal {
            error: error.to_owned(),
            field: None,
            before: Some(output),
        })),
    }
}

/// The frames of a stream that comes in pieces and then ends, and the error that ended it.
fn read(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<&'static str>) {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    for mut input in bytes.chunks(piece.min(bytes.len().max(1))) {
        loop {
            match reader.read(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error_name(error))),
            }
        }
    }
    let error = (!reader.is_between_frames()).then_some("truncated");
    (frames, error)
}

fn error_name(error: FrameError) -> &'static str {
    match error {
        FrameError::Malformed { error, .. } => error.name(),
        FrameError::TooLong { .. } => "too-long",
        FrameError::Unsupported { .. } => "unsupported",
    }
}

fn name(frame: &Frame) -> &'static str {
    match frame.frame_type() {
        FrameType::Hello => "HELLO",
        FrameType::Identify => "IDENTIFY",
        FrameType::IdentifyPush => "IDENTIFY_PUSH",
        FrameType::Ping => "PING",
        FrameType::Pong => "PONG",
        FrameType::ChatOpen => "CHAT_OPEN",
        FrameType::Envelope => "ENVELOPE",
        FrameType::Undecryptable => "UNDECRYPTABLE",
        FrameType::Candidates => "CANDIDATES",
        FrameType::Punch => "PUNCH",
        FrameType::Reach => "REACH",
        FrameType::Reached => "REACHED",
        FrameType::RelayReserve => "RELAY_RESERVE",
        FrameType::RelayReserved => "RELAY_RESERVED",
        FrameType::RelayRefused => "RELAY_REFUSED",
        FrameType::RelayConnect => "RELAY_CONNECT",
        FrameType::RelayIncoming => "RELAY_INCOMING",
        FrameType::RelayAccept => "RELAY_ACCEPT",
        FrameType::RelayOpened => "RELAY_OPENED",
        FrameType::DhtFind => "DHT_FIND",
        FrameType::DhtNodes => "DHT_NODES",
        FrameType::DhtGet => "DHT_GET",
        FrameType::DhtValues => "DHT_VALUES",
        FrameType::DhtPut => "DHT_PUT",
        FrameType::DhtStored => "DHT_STORED",
        FrameType::DhtRefused => "DHT_REFUSED",
        FrameType::GossipOpen => "GOSSIP_OPEN",
        FrameType::GossipLeave => "GOSSIP_LEAVE",
        FrameType::GossipJoin => "GOSSIP_JOIN",
        FrameType::GossipShuffle => "GOSSIP_SHUFFLE",
        FrameType::GossipPush => "GOSSIP_PUSH",
        FrameType::GossipAnnounce => "GOSSIP_ANNOUNCE",
        FrameType::GossipPull => "GOSSIP_PULL",
        FrameType::GossipTree => "GOSSIP_TREE",
        FrameType::GossipDigest => "GOSSIP_DIGEST",
        FrameType::GossipSketch => "GOSSIP_SKETCH",
        FrameType::GossipMore => "GOSSIP_MORE",
        FrameType::GossipProof => "GOSSIP_PROOF",
        FrameType::GossipRange => "GOSSIP_RANGE",
        FrameType::GossipSpans => "GOSSIP_SPANS",
        FrameType::GossipFetch => "GOSSIP_FETCH",
        FrameType::GroupOperations => "GROUP_OPERATIONS",
    }
}
