//! The bodies declared once more for `wincode`, whose default layout is the same as ours.
//!
//! It knows our shapes and none of our rules: where ours refuses a length over its bound or a value
//! its type forbids, it may accept. Every other refusal must be shared.

use std::net::IpAddr;

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Stage, Undecryptable};
use dchat_wire::dht::{
    DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Server, Socket,
};
use dchat_wire::extension::{Extension, Extensions};
use dchat_wire::hello::Hello;
use dchat_wire::identify::Identify;
use dchat_wire::invite::Invite;
use dchat_wire::nat::{Candidate, Candidates, NatClass, Prediction, Punch, Reach, Reached};
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::relay::{
    RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved, Voucher,
};
use dchat_wire::{Address, codec};
use wincode::{SchemaRead, SchemaWrite};

/// A body that `wincode` can write and read too.
pub trait Mirrored: codec::Body {
    /// The bytes `wincode` writes for it.
    fn wincode_bytes(&self) -> Vec<u8>;
    /// What `wincode` reads from `bytes`, written again; `None` when it refuses them.
    fn wincode_rewritten(bytes: &[u8]) -> Option<Vec<u8>>;
}

macro_rules! mirror {
    ($($type:ident as $mirror:ident { $($field:ident: $shape:ty = |$from:ident| $value:expr,)* })*) => {$(
        #[derive(SchemaWrite, SchemaRead)]
        struct $mirror {
            $($field: $shape,)*
        }

        impl From<&$type> for $mirror {
            fn from(value: &$type) -> Self {
                Self {
                    $($field: {
                        let $from = &value.$field;
                        $value
                    },)*
                }
            }
        }

        impl Mirrored for $type {
            fn wincode_bytes(&self) -> Vec<u8> {
                wincode::serialize(&$mirror::from(self)).unwrap()
            }

            fn wincode_rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
                let mirror: $mirror = wincode::deserialize_exact(bytes).ok()?;
                Some(wincode::serialize(&mirror).unwrap())
            }
        }
    )*};
}

fn many<'a, T: 'a, M: From<&'a T>>(items: &'a [T]) -> Vec<M> {
    items.iter().map(M::from).collect()
}

fn extensions(extensions: &Extensions) -> Vec<ExtensionMirror> {
    many(extensions.as_slice())
}

/// The multiaddr in its bytes, by the crate that defines it and not by ours.
fn address(address: &Address) -> Vec<u8> {
    let address: multiaddr::Multiaddr = address.to_string().parse().unwrap();
    address.to_vec()
}

/// Its bytes, by the standard library and not by ours.
fn socket(socket: &Socket) -> [u8; 18] {
    let ip = match socket.addr().ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let [high, low] = socket.addr().port().to_be_bytes();
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip);
    bytes[16..].copy_from_slice(&[high, low]);
    bytes
}

fn server(server: &Option<Server>) -> Option<ServerMirror> {
    server.as_ref().map(ServerMirror::from)
}

#[path = "mirror_rooms.rs"]
mod rooms;

mirror! {
    Extension as ExtensionMirror {
        kind: u16 = |kind| *kind,
        value: Vec<u8> = |value| value.as_slice().to_vec(),
    }
    Hello as HelloMirror {
        versions: (u16, u16) = |versions| (versions.low(), versions.high()),
        instance: [u8; 16] = |instance| *instance,
        roles: u64 = |roles| *roles,
        capabilities: Vec<u16> = |capabilities| capabilities.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Identify as IdentifyMirror {
        revision: u64 = |revision| *revision,
        observed: Option<Vec<u8>> = |observed| observed.as_ref().map(address),
        addresses: Vec<Vec<u8>> = |addresses| addresses.iter().map(address).collect(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Ping as PingMirror {
        nonce: u64 = |nonce| *nonce,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    InviteProof as InviteProofMirror {
        invite: [u8; 16] = |invite| *invite,
        mac: [u8; 32] = |mac| *mac,
    }
    ChatOpen as ChatOpenMirror {
        name: Vec<u8> = |name| name.as_str().as_bytes().to_vec(),
        invite: Option<InviteProofMirror> = |invite| invite.as_ref().map(InviteProofMirror::from),
        device: SignedRecordMirror = |device| device.into(),
        sessions: Vec<[u8; 32]> = |sessions| sessions.to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Envelope as EnvelopeMirror {
        session: [u8; 32] = |session| *session,
        stage: u8 = |stage| u8::from(*stage == Stage::Established),
        message: Vec<u8> = |message| message.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Undecryptable as UndecryptableMirror {
        session: [u8; 32] = |session| *session,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    SignedRecord as SignedRecordMirror {
        body: Vec<u8> = |body| body.as_slice().to_vec(),
        signature: [u8; 64] = |signature| *signature,
    }
    RecordBody as RecordBodyMirror {
        signer: [u8; 32] = |signer| *signer.public_key(),
        kind: u16 = |kind| *kind,
        sequence: u64 = |sequence| *sequence,
        issued_at: u64 = |at| *at,
        expires_at: u64 = |at| *at,
        payload: Vec<u8> = |payload| payload.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    AddressRecord as AddressRecordMirror {
        addresses: Vec<Vec<u8>> = |addresses| addresses.iter().map(address).collect(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DeviceRecord as DeviceRecordMirror {
        identity_key: [u8; 32] = |key| *key,
        signing_key: [u8; 32] = |key| *key,
        fallback_key: [u8; 32] = |key| *key,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Invite as InviteMirror {
        version: u8 = |version| *version,
        peer: [u8; 32] = |peer| *peer.public_key(),
        id: [u8; 16] = |id| *id,
        secret: [u8; 32] = |secret| *secret.as_bytes(),
        expires_at: u64 = |at| *at,
        name: Vec<u8> = |name| name.as_str().as_bytes().to_vec(),
        addresses: Vec<Vec<u8>> = |addresses| addresses.iter().map(address).collect(),
        device: SignedRecordMirror = |device| device.into(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Head as HeadMirror {
        author: [u8; 32] = |author| *author.public_key(),
        incarnation: [u8; 16] = |incarnation| *incarnation,
        seq: u64 = |seq| *seq,
        hash: [u8; 32] = |hash| *hash,
    }
    Content as ContentMirror {
        sent_at: u64 = |at| *at,
        expires_at: Option<u64> = |at| *at,
        heads: Vec<HeadMirror> = |heads| many(heads),
        kind: u16 = |kind| *kind,
        body: Vec<u8> = |body| body.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Entry as EntryMirror {
        incarnation: [u8; 16] = |incarnation| *incarnation,
        seq: u64 = |seq| *seq,
        prev: [u8; 32] = |prev| *prev,
        hash: [u8; 32] = |hash| *hash,
        content: Option<ContentMirror> = |content| content.as_ref().map(ContentMirror::from),
    }
    Frontier as FrontierMirror {
        author: [u8; 32] = |author| *author.public_key(),
        incarnation: [u8; 16] = |incarnation| *incarnation,
        held: u64 = |held| *held,
        low_water: u64 = |low_water| *low_water,
        read: u64 = |read| *read,
        tip: [u8; 32] = |tip| *tip,
    }
    Parcel as ParcelMirror {
        frontiers: Vec<FrontierMirror> = |frontiers| many(frontiers),
        entries: Vec<EntryMirror> = |entries| many(entries),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
        padding: Vec<u8> = |padding| vec![0; padding.len()],
    }
    NatClass as NatClassMirror {
        mapping: u8 = |mapping| *mapping as u8,
        filtering: u8 = |filtering| *filtering as u8,
        allocation: u8 = |allocation| *allocation as u8,
        stride: u16 = |stride| *stride,
        block_first: u16 = |first| *first,
        block_len: u16 = |len| *len,
    }
    Candidate as CandidateMirror {
        kind: u8 = |kind| *kind as u8,
        address: Vec<u8> = |at| address(at),
    }
    Candidates as CandidatesMirror {
        generation: u32 = |generation| *generation,
        class: NatClassMirror = |class| class.into(),
        candidates: Vec<CandidateMirror> = |candidates| many(candidates),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Prediction as PredictionMirror {
        address: Vec<u8> = |at| address(at),
        stride: u16 = |stride| *stride,
        count: u16 = |count| *count,
    }
    Punch as PunchMirror {
        round: u32 = |round| *round,
        answers: bool = |answers| *answers,
        prediction: Option<PredictionMirror> = |prediction| {
            prediction.as_ref().map(PredictionMirror::from)
        },
        sockets: u16 = |sockets| *sockets,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Reach as ReachMirror {
        token: [u8; 16] = |token| *token,
        from: u8 = |from| *from as u8,
        target: Vec<u8> = |at| address(at),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Reached as ReachedMirror {
        result: u8 = |result| *result as u8,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayReserve as RelayReserveMirror {
        lifetime_s: u32 = |seconds| *seconds,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayReserved as RelayReservedMirror {
        lifetime_s: u32 = |seconds| *seconds,
        channels: u16 = |channels| *channels,
        bytes_per_s: u32 = |bytes| *bytes,
        voucher: SignedRecordMirror = |voucher| voucher.into(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Voucher as VoucherMirror {
        peer: [u8; 32] = |peer| *peer.public_key(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayConnect as RelayConnectMirror {
        peer: [u8; 32] = |peer| *peer.public_key(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayIncoming as RelayIncomingMirror {
        peer: [u8; 32] = |peer| *peer.public_key(),
        channel: u32 = |channel| *channel,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayAccept as RelayAcceptMirror {
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayOpened as RelayOpenedMirror {
        channel: u32 = |channel| *channel,
        bytes_per_s: u32 = |bytes| *bytes,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayRefused as RelayRefusedMirror {
        reason: u16 = |reason| *reason as u16,
        retry_after_s: u32 = |seconds| *seconds,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Node as NodeMirror {
        key: [u8; 32] = |key| *key,
        nonce: u64 = |nonce| *nonce,
        socket: [u8; 18] = |at| socket(at),
        other: Option<[u8; 18]> = |at| at.as_ref().map(socket),
    }
    Server as ServerMirror {
        nonce: u64 = |nonce| *nonce,
        socket: [u8; 18] = |at| socket(at),
        other: Option<[u8; 18]> = |at| at.as_ref().map(socket),
    }
    DhtFind as DhtFindMirror {
        target: [u8; 32] = |target| *target,
        want: u8 = |want| *want,
        known: Vec<u32> = |tails| tails.to_vec(),
        server: Option<ServerMirror> = |claim| server(claim),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtNodes as DhtNodesMirror {
        nodes: Vec<NodeMirror> = |nodes| many(nodes),
        server: Option<ServerMirror> = |claim| server(claim),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtGet as DhtGetMirror {
        key: [u8; 32] = |key| *key,
        want: u8 = |want| *want,
        known: Vec<u32> = |tails| tails.to_vec(),
        have: Vec<[u8; 8]> = |digests| digests.to_vec(),
        server: Option<ServerMirror> = |claim| server(claim),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtValues as DhtValuesMirror {
        records: Vec<SignedRecordMirror> = |records| many(records),
        held: u16 = |held| *held,
        token: [u8; 16] = |token| *token,
        nodes: Vec<NodeMirror> = |nodes| many(nodes),
        server: Option<ServerMirror> = |claim| server(claim),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtPut as DhtPutMirror {
        key: [u8; 32] = |key| *key,
        token: [u8; 16] = |token| *token,
        record: SignedRecordMirror = |record| record.into(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtStored as DhtStoredMirror {
        keep_s: u32 = |seconds| *seconds,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    DhtRefused as DhtRefusedMirror {
        reason: u16 = |reason| *reason as u16,
        retry_after_s: u32 = |seconds| *seconds,
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    RelayAdvert as RelayAdvertMirror {
        shard: u8 = |shard| *shard,
        socket: [u8; 18] = |at| socket(at),
        other: Option<[u8; 18]> = |at| at.as_ref().map(socket),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    ServiceAdvert as ServiceAdvertMirror {
        name: Vec<u8> = |name| name.as_str().as_bytes().to_vec(),
        addresses: Vec<Vec<u8>> = |list| list.iter().map(address).collect(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    MailboxPointer as MailboxPointerMirror {
        mailboxes: Vec<Vec<u8>> = |list| list.iter().map(address).collect(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Presence as PresenceMirror {
        sealed: Vec<u8> = |sealed| sealed.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
    Rendezvous as RendezvousMirror {
        slot: [u8; 16] = |slot| *slot,
        sealed: Vec<u8> = |sealed| sealed.as_slice().to_vec(),
        extensions: Vec<ExtensionMirror> = |block| extensions(block),
    }
}
