//! What may come on a control stream.

use std::time::{Duration, Instant};

use dchat_transport::hello::{ControlReader, ControlViolation, Heard};
use dchat_wire::frame::{Frame, FrameReader};

/// Input: a byte of time between two frames (in units of 100 ms), then the stream.
///
/// HELLO comes first and once, then IDENTIFY once, then pushes whose revisions grow,
/// CANDIDATES and PUNCH; everything else is a violation, by the rules written again here.
///
/// # Panics
/// When the reader says otherwise.
pub fn handshake(data: &[u8]) {
    let (pause, mut stream) = data.split_first().unwrap_or((&0, &[]));
    // Only differences count, so any beginning is the same.
    let mut now = Instant::now();
    let mut control = ControlReader::new(now);
    let mut frames = FrameReader::new();
    let (mut place, mut revision) = (0, 0);
    while let Ok(Some(frame)) = frames.read(&mut stream) {
        now += Duration::from_millis(100) * u32::from(*pause);
        let in_turn = match (place, &frame) {
            (0, Frame::Hello(_)) | (1, Frame::Identify(_)) => true,
            (0 | 1, _) => false,
            (_, frame) => matches!(
                frame,
                Frame::IdentifyPush(_) | Frame::Candidates(_) | Frame::Punch(_)
            ),
        };
        match control.handle_input(frame, now) {
            Ok(Heard::Hello(_)) => assert!(in_turn && place == 0, "HELLO out of turn"),
            Ok(Heard::Identify(identify)) => {
                assert!(in_turn && place > 0, "IDENTIFY out of turn");
                assert!(
                    identify.revision > revision,
                    "a revision that does not grow"
                );
                revision = identify.revision;
            }
            Ok(Heard::Candidates(_) | Heard::Punch(_)) => {
                assert!(in_turn && place > 1, "CANDIDATES or PUNCH out of turn");
            }
            Ok(Heard::Stale) => assert!(in_turn && place > 0, "stale out of turn"),
            Err(violation) => {
                let unexpected = violation == ControlViolation::Unexpected;
                assert_eq!(unexpected, !in_turn, "{violation}");
                return;
            }
        }
        place += 1;
    }
}
