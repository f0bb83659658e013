//! What members of rooms and groups tell each other, declared once more for `wincode`.

use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, ItemHead, ItemHeader, Mark, Place, SignedItem, Sketched, Span, Want,
};
use dchat_wire::group::{
    GroupKeys, GroupOperations, LogCut, Operation, SealedBody, Seat, SignedOperation,
};
use dchat_wire::room::RoomBody;
use wincode::{SchemaRead, SchemaWrite};

use super::{ExtensionMirror, Mirrored, address, extensions, many};

mirror! {
    ItemHead as ItemHeadMirror {
        log: [u8; 16] = |log| *log,
        seq: u32 = |seq| *seq,
        hash: [u8; 8] = |hash| *hash,
    }
    ItemHeader as ItemHeaderMirror {
        author: [u8; 32] = |author| *author,
        incarnation: [u8; 16] = |incarnation| *incarnation,
        seq: u32 = |seq| *seq,
        prev: [u8; 32] = |prev| *prev,
        lamport: u64 = |lamport| *lamport,
        sent_at: u64 = |at| *at,
        keep_s: u32 = |seconds| *seconds,
        floor: u32 = |floor| *floor,
        heads: Vec<ItemHeadMirror> = |heads| many(heads),
        kind: u16 = |kind| *kind,
        body_len: u32 = |len| *len,
        body_hash: [u8; 32] = |hash| *hash,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    SignedItem as SignedItemMirror {
        header: ItemHeaderMirror = |header| header.into(),
        signature: [u8; 64] = |signature| *signature,
        body: Option<Vec<u8>> = |body| body.as_ref().map(|body| body.as_slice().to_vec()),
    }
    RoomBody as RoomBodyMirror {
        author: [u8; 32] = |author| *author.public_key(),
        statement: [u8; 64] = |statement| *statement,
        name: Vec<u8> = |name| name.as_str().as_bytes().to_vec(),
        content: Vec<u8> = |content| content.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipOpen as GossipOpenMirror {
        room: [u8; 32] = |room| *room,
        nonce: u64 = |nonce| *nonce,
        answer: bool = |answer| *answer,
        alone: bool = |alone| *alone,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Contact as ContactMirror {
        peer: [u8; 32] = |peer| *peer.public_key(),
        addresses: Vec<Vec<u8>> = |list| list.iter().map(address).collect(),
    }
    GossipLeave as GossipLeaveMirror {
        reason: u8 = |reason| *reason as u8,
        peers: Vec<ContactMirror> = |peers| many(peers),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipJoin as GossipJoinMirror {
        peer: ContactMirror = |peer| peer.into(),
        hops: u8 = |hops| *hops,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipShuffle as GossipShuffleMirror {
        answer: bool = |answer| *answer,
        peers: Vec<ContactMirror> = |peers| many(peers),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipPush as GossipPushMirror {
        hops: u8 = |hops| *hops,
        item: SignedItemMirror = |item| SignedItemMirror::from(&**item),
    }
    Mark as MarkMirror {
        log: u64 = |log| *log,
        seq: u32 = |seq| *seq,
        age: u16 = |age| *age,
    }
    GossipAnnounce as GossipAnnounceMirror {
        marks: Vec<MarkMirror> = |marks| many(marks),
    }
    Want as WantMirror {
        log: u64 = |log| *log,
        after: u32 = |after| *after,
        upto: u32 = |upto| *upto,
    }
    GossipPull as GossipPullMirror {
        graft: bool = |graft| *graft,
        wants: Vec<WantMirror> = |wants| many(wants),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipTree as GossipTreeMirror {
        graft: Vec<u64> = |logs| logs.to_vec(),
        prune: Vec<u64> = |logs| logs.to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipDigest as GossipDigestMirror {
        root: u64 = |root| *root,
        total: u32 = |total| *total,
        horizon: u32 = |horizon| *horizon,
    }
    GossipSketch as GossipSketchMirror {
        salt: u32 = |salt| *salt,
        of: u8 = |of| u8::from(*of == Sketched::Tips),
        horizon: u32 = |horizon| *horizon,
        first: u32 = |first| *first,
        cells: Vec<u8> = |cells| cells.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipMore as GossipMoreMirror {
        salt: u32 = |salt| *salt,
        have: u32 = |have| *have,
        want: u32 = |want| *want,
        unknown: Vec<u32> = |unknown| unknown.to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipProof as GossipProofMirror {
        items: Vec<SignedItemMirror> = |items| many(items),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Place as PlaceMirror {
        lamport: u64 = |lamport| *lamport,
        hash: u64 = |hash| *hash,
    }
    Span as SpanMirror {
        from: PlaceMirror = |place| place.into(),
        to: PlaceMirror = |place| place.into(),
        count: u32 = |count| *count,
        sum: u64 = |sum| *sum,
    }
    GossipRange as GossipRangeMirror {
        salt: u64 = |salt| *salt,
        spans: Vec<SpanMirror> = |spans| many(spans),
        newest: u16 = |newest| *newest,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipSpans as GossipSpansMirror {
        salt: u64 = |salt| *salt,
        spans: Vec<SpanMirror> = |spans| many(spans),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GossipFetch as GossipFetchMirror {
        from: PlaceMirror = |place| place.into(),
        to: PlaceMirror = |place| place.into(),
        most: u16 = |most| *most,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Seat as SeatMirror {
        key: [u8; 32] = |key| *key,
        proof: [u8; 64] = |proof| *proof,
        name: Vec<u8> = |name| name.as_str().as_bytes().to_vec(),
    }
    LogCut as LogCutMirror {
        log: [u8; 16] = |log| *log,
        seq: u32 = |seq| *seq,
    }
    Operation as OperationMirror {
        group: [u8; 32] = |group| *group,
        author: [u8; 32] = |author| *author.public_key(),
        seq: u32 = |seq| *seq,
        after: Vec<[u8; 32]> = |hashes| hashes.as_slice().to_vec(),
        at: u64 = |at| *at,
        deed: u8 = |deed| *deed as u8,
        subject: Option<[u8; 32]> = |peer| peer.as_ref().map(|peer| *peer.public_key()),
        text: Vec<u8> = |text| text.as_str().as_bytes().to_vec(),
        seat: Option<SeatMirror> = |seat| seat.as_ref().map(SeatMirror::from),
        cut: Vec<LogCutMirror> = |cut| many(cut.as_slice()),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    SignedOperation as SignedOperationMirror {
        body: Vec<u8> = |body| body.as_slice().to_vec(),
        signature: [u8; 64] = |signature| *signature,
    }
    GroupOperations as GroupOperationsMirror {
        group: [u8; 32] = |group| *group,
        heads: Vec<[u8; 32]> = |hashes| hashes.as_slice().to_vec(),
        lacking: Vec<[u8; 32]> = |hashes| hashes.as_slice().to_vec(),
        operations: Vec<SignedOperationMirror> = |operations| many(operations),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    GroupKeys as GroupKeysMirror {
        group: [u8; 32] = |group| *group,
        sessions: Vec<[u8; 165]> = |sessions| sessions.to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    SealedBody as SealedBodyMirror {
        session: [u8; 32] = |session| *session,
        message: Vec<u8> = |message| message.as_slice().to_vec(),
    }
}
