//! Frames on the streams of an endpoint's connections.

use std::collections::BTreeMap;

use dchat_transport::path::VirtualAddress;
use dchat_wire::{Frame, FrameReader};

use crate::sim::quic::StreamId;

/// Streams that are being read.
#[derive(Default)]
pub(super) struct Streams {
    readers: BTreeMap<(VirtualAddress, StreamId), FrameReader>,
}

impl Streams {
    /// Takes the next bytes of a stream; gives the frames that are whole now. A stream that cannot
    /// be read on gives none any more.
    pub(super) fn read(
        &mut self,
        virt: VirtualAddress,
        id: StreamId,
        bytes: &[u8],
        fin: bool,
    ) -> Vec<Frame> {
        let reader = self.readers.entry((virt, id)).or_default();
        let mut frames = Vec::new();
        let mut input = bytes;
        while let Ok(Some(frame)) = reader.read(&mut input) {
            frames.push(frame);
        }
        if fin {
            self.readers.remove(&(virt, id));
        }
        frames
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, virt: VirtualAddress) {
        self.readers.retain(|(of, _), _| *of != virt);
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streams({})", self.readers.len())
    }
}
