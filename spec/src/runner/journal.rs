//! All that the peer sent on the streams of one connection, in order.
//!
//! Bounds: [`FRAMES`] frames and [`BYTES`] bytes of bodies are kept; what comes after is read and
//! dropped, and [`Journal::is_full`] says so.

use core::fmt;

use dchat_wire::hello::Hello;
use dchat_wire::identify::Identify;
use dchat_wire::{Frame, FrameType};

use super::frames;

/// Frames kept.
pub const FRAMES: usize = 65_536;
/// Bytes of bodies kept.
pub const BYTES: usize = 64 << 20;

/// A frame as it came, known or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// Its type.
    pub code: u16,
    /// Its flags.
    pub flags: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl RawFrame {
    /// What it says, by dchat-wire; `None` for an unknown type or a body that is refused.
    #[must_use]
    pub fn decoded(&self) -> Option<Frame> {
        FrameType::from_code(self.code)?.decode(&self.body).ok()
    }
}

impl fmt::Display for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(24)];
        let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
        let (name, len) = (frames::name(self.code), self.body.len());
        write!(f, "{name} of {len} bytes: {hex}")
    }
}

/// How a stream of the peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two frames.
    Finished,
    /// Inside a frame.
    Truncated,
    /// With RESET_STREAM and this code.
    Reset(u64),
    /// With the connection.
    Lost,
}

/// A stream the peer opened, or its half of one of this side's.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its number, in the order in which streams came or were opened.
    pub number: usize,
    /// Whether this side may answer on it.
    pub is_bidirectional: bool,
    /// Whether this side opened it ([`Link::talk`](super::Link::talk)).
    pub is_ours: bool,
    /// The frames so far.
    pub frames: Vec<RawFrame>,
    /// How it ended, if it did.
    pub end: Option<End>,
}

impl Stream {
    /// The first frame whose type is in the registry.
    #[must_use]
    pub fn first_known(&self) -> Option<&RawFrame> {
        self.known().next()
    }

    /// The frames whose types are in the registry.
    pub fn known(&self) -> impl Iterator<Item = &RawFrame> {
        let known = |code| frames::KINDS.iter().any(|kind| kind.code == code);
        self.frames.iter().filter(move |frame| known(frame.code))
    }
}

/// The streams the peer opened.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In the order in which they came.
    pub streams: Vec<Stream>,
    frames: usize,
    bytes: usize,
}

impl Journal {
    /// A new stream of the peer's, by its number.
    pub fn open(&mut self, is_bidirectional: bool) -> usize {
        self.add(is_bidirectional, false)
    }

    /// A new stream of this side's on which the peer may answer, by its number.
    pub fn open_ours(&mut self) -> usize {
        self.add(true, true)
    }

    fn add(&mut self, is_bidirectional: bool, is_ours: bool) -> usize {
        let number = self.streams.len();
        self.streams.push(Stream {
            number,
            is_bidirectional,
            is_ours,
            frames: Vec::new(),
            end: None,
        });
        number
    }

    /// A frame that came on a stream.
    pub fn push(&mut self, stream: usize, frame: RawFrame) {
        if self.is_full() {
            return;
        }
        self.frames += 1;
        self.bytes += frame.body.len();
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.frames.push(frame);
        }
    }

    /// The end of a stream.
    pub fn end(&mut self, stream: usize, end: End) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.end = Some(end);
        }
    }

    /// Whether later frames were dropped.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames >= FRAMES || self.bytes >= BYTES
    }

    /// The peer's control stream: the first unidirectional one whose first known frame is HELLO.
    #[must_use]
    pub fn control(&self) -> Option<&Stream> {
        self.unidirectional(frames::HELLO).next()
    }

    /// The newest stream that begins with CHAT_OPEN.
    #[must_use]
    pub fn chat(&self) -> Option<&Stream> {
        self.unidirectional(frames::CHAT_OPEN).last()
    }

    /// Unidirectional streams that begin with a frame of this type.
    pub fn unidirectional(&self, first: u16) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(move |stream| {
            !stream.is_bidirectional && stream.first_known().is_some_and(|f| f.code == first)
        })
    }

    /// Questions of the peer: bidirectional streams that begin with a frame of this type.
    pub fn questions(&self, first: u16) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(move |stream| {
            let is_theirs = stream.is_bidirectional && !stream.is_ours;
            is_theirs && stream.first_known().is_some_and(|f| f.code == first)
        })
    }

    /// The peer's HELLO.
    #[must_use]
    pub fn hello(&self) -> Option<Hello> {
        match self.control()?.first_known()?.decoded()? {
            Frame::Hello(hello) => Some(hello),
            _ => None,
        }
    }

    /// The peer's IDENTIFY and the pushes after it, with whether each is a push.
    #[must_use]
    pub fn identifies(&self) -> Vec<(bool, Identify)> {
        let control = self.control().map(|stream| stream.frames.as_slice());
        control
            .unwrap_or_default()
            .iter()
            .filter_map(|frame| match frame.decoded()? {
                Frame::Identify(identify) => Some((false, identify)),
                Frame::IdentifyPush(identify) => Some((true, identify)),
                _ => None,
            })
            .collect()
    }

    /// What came, in short, for a report.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.streams.is_empty() {
            return "no stream".to_owned();
        }
        let stream = |stream: &Stream| {
            let names: Vec<String> = stream
                .frames
                .iter()
                .take(8)
                .map(|frame| frames::name(frame.code))
                .collect();
            let more = stream.frames.len().saturating_sub(8);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let direction = if stream.is_bidirectional { "bi" } else { "uni" };
            let end = stream
                .end
                .map(|end| format!(", {end:?}"))
                .unwrap_or_default();
            format!("{direction}[{}{more}{end}]", names.join(" "))
        };
        let streams: Vec<String> = self.streams.iter().take(8).map(stream).collect();
        streams.join(" ")
    }
}
