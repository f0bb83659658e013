//! What members of rooms and groups tell each other, read by hand.

use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, ItemHead, ItemHeader, Mark, Parting, Place, SignedItem, Sketched,
    Span, Want,
};
use dchat_wire::group::{
    Cut, Deed, GroupKeys, GroupOperations, LogCut, Operation, Parents, SealedBody, Seat,
    SignedOperation,
};
use dchat_wire::room::RoomBody;
use dchat_wire::{Frame, List};

use super::{ByHand, Hand, INVALID, Named, decode};

impl Hand<'_> {
    /// Hashes, strictly ascending.
    fn parents(&mut self) -> Result<Parents, Named> {
        let list: List<[u8; 32], 16> = self.list(32, Hand::array)?;
        if list.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(INVALID);
        }
        Ok(Parents::new(list.to_vec()))
    }

    /// Logs, strictly ascending.
    fn cut(&mut self) -> Result<Cut, Named> {
        let list: List<LogCut, 16> = self.items()?;
        if list.windows(2).any(|pair| pair[0].log >= pair[1].log) {
            return Err(INVALID);
        }
        Ok(Cut::new(list.to_vec()))
    }
}

by_hand!(ItemHead, 28, |hand| {
    log: hand.array()?,
    seq: hand.u32()?,
    hash: hand.array()?,
});
by_hand!(ItemHeader, 162, |hand| {
    author: hand.array()?,
    incarnation: hand.array()?,
    seq: hand.u32()?,
    prev: hand.array()?,
    lamport: hand.u64()?,
    sent_at: hand.u64()?,
    keep_s: hand.u32()?,
    floor: hand.u32()?,
    heads: hand.items()?,
    kind: hand.u16()?,
    body_len: hand.u32()?,
    body_hash: hand.array()?,
    extensions: hand.extensions()?,
});
by_hand!(SignedItem, 227, |hand| {
    header: ItemHeader::read(hand)?,
    signature: hand.array()?,
    body: hand.option(Hand::string)?,
});
by_hand!(RoomBody, 120, |hand| {
    author: hand.peer()?,
    statement: hand.array()?,
    name: hand.text()?,
    content: hand.string()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipOpen, 50, |hand| {
    room: hand.array()?,
    nonce: hand.u64()?,
    answer: hand.boolean()?,
    alone: hand.boolean()?,
    extensions: hand.extensions()?,
});
by_hand!(Contact, 40, |hand| { peer: hand.peer()?, addresses: hand.items()? });
by_hand!(GossipLeave, 17, |hand| {
    reason: Hand::one_of(Parting::ALL, hand.u8()?.into(), 1)?,
    peers: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipJoin, 49, |hand| {
    peer: Contact::read(hand)?,
    hops: hand.u8()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipShuffle, 17, |hand| {
    answer: hand.boolean()?,
    peers: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipPush, 228, |hand| {
    hops: hand.u8()?,
    item: Box::new(SignedItem::read(hand)?),
});
by_hand!(Mark, 14, |hand| { log: hand.u64()?, seq: hand.u32()?, age: hand.u16()? });
by_hand!(GossipAnnounce, 8, |hand| { marks: hand.items()? });
by_hand!(Want, 16, |hand| { log: hand.u64()?, after: hand.u32()?, upto: hand.u32()? });
by_hand!(GossipPull, 17, |hand| {
    graft: hand.boolean()?,
    wants: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipTree, 24, |hand| {
    graft: hand.list(8, Hand::u64)?,
    prune: hand.list(8, Hand::u64)?,
    extensions: hand.extensions()?,
});
by_hand!(GossipDigest, 16, |hand| {
    root: hand.u64()?,
    total: hand.u32()?,
    horizon: hand.u32()?,
});
by_hand!(GossipSketch, 29, |hand| {
    salt: hand.u32()?,
    of: Hand::one_of(&[Sketched::Sequences, Sketched::Tips], hand.u8()?.into(), 0)?,
    horizon: hand.u32()?,
    first: hand.u32()?,
    cells: hand.string()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipMore, 28, |hand| {
    salt: hand.u32()?,
    have: hand.u32()?,
    want: hand.u32()?,
    unknown: hand.list(4, Hand::u32)?,
    extensions: hand.extensions()?,
});
by_hand!(GossipProof, 16, |hand| { items: hand.items()?, extensions: hand.extensions()? });
by_hand!(Place, 16, |hand| { lamport: hand.u64()?, hash: hand.u64()? });
by_hand!(Span, 44, |hand| {
    from: Place::read(hand)?,
    to: Place::read(hand)?,
    count: hand.u32()?,
    sum: hand.u64()?,
});
by_hand!(GossipRange, 26, |hand| {
    salt: hand.u64()?,
    spans: hand.items()?,
    newest: hand.u16()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipSpans, 24, |hand| {
    salt: hand.u64()?,
    spans: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(GossipFetch, 42, |hand| {
    from: Place::read(hand)?,
    to: Place::read(hand)?,
    most: hand.u16()?,
    extensions: hand.extensions()?,
});
by_hand!(Seat, 104, |hand| {
    key: hand.array()?,
    proof: hand.array()?,
    name: hand.text()?,
});
by_hand!(LogCut, 20, |hand| { log: hand.array()?, seq: hand.u32()? });
by_hand!(Operation, 111, |hand| {
    group: hand.array()?,
    author: hand.peer()?,
    seq: hand.u32()?,
    after: hand.parents()?,
    at: hand.u64()?,
    deed: Hand::one_of(Deed::ALL, hand.u8()?.into(), 1)?,
    subject: hand.option(Hand::peer)?,
    text: hand.text()?,
    seat: hand.option(Seat::read)?,
    cut: hand.cut()?,
    extensions: hand.extensions()?,
});
by_hand!(SignedOperation, 72, |hand| { body: hand.string()?, signature: hand.array()? });
by_hand!(GroupOperations, 64, |hand| {
    group: hand.array()?,
    heads: hand.parents()?,
    lacking: hand.parents()?,
    operations: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(GroupKeys, 48, |hand| {
    group: hand.array()?,
    sessions: hand.list(165, Hand::array)?,
    extensions: hand.extensions()?,
});
by_hand!(SealedBody, 40, |hand| { session: hand.array()?, message: hand.string()? });

/// The longest body of a frame of these types; `None` for another type.
pub(super) fn limit(code: u16) -> Option<usize> {
    Some(match code {
        0x0040 | 0x0042 | 0x004e => 1024,
        0x0041 | 0x0043 => 4096,
        0x0044 => 69 * 1024,
        0x0045 => 16 * 1024,
        0x0046 | 0x0047 => 20 * 1024,
        0x0048 => 16,
        0x0049 => 40 * 1024,
        0x004a..=0x004d => 8192,
        0x0050 => 160 * 1024,
        _ => return None,
    })
}

/// The frame of these types in `body`; `None` for another type.
pub(super) fn frame(code: u16, body: &[u8]) -> Result<Option<Frame>, Named> {
    Ok(Some(match code {
        0x0040 => Frame::GossipOpen(decode(body)?),
        0x0041 => Frame::GossipLeave(decode(body)?),
        0x0042 => Frame::GossipJoin(decode(body)?),
        0x0043 => Frame::GossipShuffle(decode(body)?),
        0x0044 => Frame::GossipPush(decode(body)?),
        0x0045 => Frame::GossipAnnounce(decode(body)?),
        0x0046 => Frame::GossipPull(decode(body)?),
        0x0047 => Frame::GossipTree(decode(body)?),
        0x0048 => Frame::GossipDigest(decode(body)?),
        0x0049 => Frame::GossipSketch(decode(body)?),
        0x004a => Frame::GossipMore(decode(body)?),
        0x004b => Frame::GossipProof(decode(body)?),
        0x004c => Frame::GossipRange(decode(body)?),
        0x004d => Frame::GossipSpans(decode(body)?),
        0x004e => Frame::GossipFetch(decode(body)?),
        0x0050 => Frame::GroupOperations(decode(body)?),
        _ => return Ok(None),
    }))
}
