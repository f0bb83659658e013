//! What becomes visible once a transaction is committed, and not before.

use dchat_kademlia::blinded;
use dchat_wire::record::SignedRecord;
use dchat_wire::{Frame, PeerId};
use tokio::sync::oneshot;

use super::rooms::StreamId;
use crate::api::{ApiError, Event, Reply};
use crate::node::dht::Topic;

/// Names one connection to the network half.
pub(in crate::node) type LinkId = u64;

/// An order to the network half.
#[derive(Debug)]
pub(in crate::node) enum Command {
    /// Keep this contact connected, and tell it our addresses.
    Keep {
        peer: PeerId,
        addresses: Vec<dchat_wire::Address>,
    },
    /// No longer.
    Forget { peer: PeerId },
    /// Something waits for this contact: look for it, if it is not connected.
    Hurry { peer: PeerId },
    /// Connect to this peer, for rooms: once. A connection comes up, or the engine is told that it
    /// cannot be had. One that is a member of a group is looked for elsewhere too.
    Reach {
        peer: PeerId,
        addresses: Vec<dchat_wire::Address>,
        member: bool,
    },
    /// End a room's stream after what was sent on it.
    EndStream { link: LinkId, stream: StreamId },
    /// Say when this stream has room for more.
    TellRoom { link: LinkId, stream: StreamId },
    /// Break off all rooms' streams.
    ResetRooms,
    /// We are in a room with so many neighbours: be found there, and find others. To be given again
    /// when their number changes.
    Meet {
        topic: Topic,
        secret: blinded::Secret,
        neighbours: usize,
    },
    /// No longer.
    Part { topic: Topic },
    /// Close this connection with this code; frontiers sort out the rest when it is back.
    Drop {
        link: LinkId,
        code: dchat_wire::close::Code,
    },
}

/// One visible thing.
#[derive(Debug)]
pub(in crate::node) enum Effect {
    Event(Event),
    Command(Command),
    Frame {
        link: LinkId,
        frame: Frame,
    },
    /// A frame for a room's stream, which is opened with the first when it is ours.
    RoomFrame {
        link: LinkId,
        stream: StreamId,
        frame: Frame,
    },
    Reply(
        oneshot::Sender<Result<Reply, ApiError>>,
        Box<Result<Reply, ApiError>>,
    ),
    /// Our device record, whose keys are saved.
    Device(oneshot::Sender<SignedRecord>, Box<SignedRecord>),
    /// What was to be remembered is on disk.
    Remembered(oneshot::Sender<()>),
}

/// The effects of one batch, in order.
#[derive(Debug, Default)]
pub(in crate::node) struct Effects(Vec<Effect>);

impl Effects {
    pub(super) fn event(&mut self, event: Event) {
        self.0.push(Effect::Event(event));
    }

    pub(super) fn command(&mut self, command: Command) {
        self.0.push(Effect::Command(command));
    }

    pub(super) fn frame(&mut self, link: LinkId, frame: Frame) {
        self.0.push(Effect::Frame { link, frame });
    }

    pub(super) fn room_frame(&mut self, link: LinkId, stream: StreamId, frame: Frame) {
        self.0.push(Effect::RoomFrame {
            link,
            stream,
            frame,
        });
    }

    pub(super) fn device(&mut self, to: oneshot::Sender<SignedRecord>, record: SignedRecord) {
        self.0.push(Effect::Device(to, Box::new(record)));
    }

    pub(super) fn remembered(&mut self, to: oneshot::Sender<()>) {
        self.0.push(Effect::Remembered(to));
    }

    pub(super) fn reply(
        &mut self,
        to: oneshot::Sender<Result<Reply, ApiError>>,
        reply: Result<Reply, ApiError>,
    ) {
        self.0.push(Effect::Reply(to, Box::new(reply)));
    }

    /// Whether none of them is contradicted when the commit they come of is lost: no ratchet has
    /// moved, and nobody was told that something is on disk.
    pub(super) fn are_light(&self) -> bool {
        self.0.iter().all(|effect| match effect {
            Effect::Event(_) | Effect::Command(_) | Effect::RoomFrame { .. } => true,
            Effect::Frame { .. }
            | Effect::Reply(..)
            | Effect::Device(..)
            | Effect::Remembered(_) => false,
        })
    }

    pub(in crate::node) fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.0)
    }
}
