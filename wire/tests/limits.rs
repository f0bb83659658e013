//! Every limit, at its edge: the most is accepted, one more is refused as over the limit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::advert::{MailboxPointer, Presence, Rendezvous, ServiceAdvert};
use dchat_wire::chat::{ChatOpen, Envelope};
use dchat_wire::codec::Body;
use dchat_wire::dht::{DhtFind, DhtGet, DhtNodes, DhtPut, DhtValues};
use dchat_wire::extension::Extension;
use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipLeave, GossipMore, GossipProof, GossipPull, GossipRange,
    GossipShuffle, GossipSketch, GossipSpans, GossipTree, ItemHeader, SignedItem,
};
use dchat_wire::group::{GroupKeys, GroupOperations, Operation, SealedBody, Seat, SignedOperation};
use dchat_wire::hello::Hello;
use dchat_wire::identify::Identify;
use dchat_wire::invite::Invite;
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Parcel, padded_len};
use dchat_wire::ping::Ping;
use dchat_wire::probe::Probe;
use dchat_wire::record::{AddressRecord, RecordBody, SignedRecord};
use dchat_wire::room::RoomBody;
use dchat_wire::{Address, Bytes, DecodeError, Frame, List, Text, decode, encode, limits};
use support::{gossip, samples};

/// A count of `n` and `n` items.
fn counted(n: usize, item: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    [encode(&(n as u64)), (0..n).flat_map(item).collect()].concat()
}

fn zeros(n: usize) -> Vec<u8> {
    counted(n, |_| vec![0])
}

fn none() -> Vec<u8> {
    zeros(0)
}

/// Checks `make(most)` and `make(most + 1)` as encodings of a `T`.
#[track_caller]
fn edge<T: Body + core::fmt::Debug>(
    field: &'static str,
    most: usize,
    make: impl Fn(usize) -> Vec<u8>,
) {
    assert!(
        decode::<T>(&make(most)).is_ok(),
        "{field}: {:?}",
        decode::<T>(&make(most))
    );
    let refused = decode::<T>(&make(most + 1)).unwrap_err();
    let DecodeError::OverLimit(over) = refused else {
        panic!("{field}: {refused:?}");
    };
    assert_eq!(
        (over.field, over.len, over.limit),
        (field, most as u64 + 1, most)
    );
}

fn address(_: usize) -> Vec<u8> {
    encode(&samples::addresses()[0])
}

/// The encoding of a sample with the field that begins at `at` and is `len` long replaced.
fn with(mut bytes: Vec<u8>, at: usize, len: usize, field: Vec<u8>) -> Vec<u8> {
    bytes.splice(at..at + len, field);
    bytes
}

/// Checks DC-WIRE-002 (positive, negative), DC-WIRE-007 (positive, negative).
#[test]
fn of_extensions() {
    edge::<Ping>("Ping.extensions", limits::EXTENSIONS, |n| {
        let one = |index: usize| [encode(&(index as u16)), none()].concat();
        [encode(&7_u64), counted(n, one)].concat()
    });
    edge::<Extension>("Extension.value", limits::EXTENSION_VALUE, |n| {
        [encode(&1_u16), zeros(n)].concat()
    });
}

/// Checks DC-WIRE-002 (positive, negative), DC-WIRE-007 (positive, negative).
#[test]
fn of_hello_and_identify() {
    edge::<Hello>("Hello.capabilities", limits::CAPABILITIES, |n| {
        let one = |index: usize| encode(&(index as u16));
        [vec![1, 0, 1, 0], vec![0; 24], counted(n, one), none()].concat()
    });
    edge::<Identify>("Identify.addresses", limits::ADDRESSES, |n| {
        [encode(&1_u64), vec![0], counted(n, address), none()].concat()
    });
    edge::<AddressRecord>("AddressRecord.addresses", limits::ADDRESSES, |n| {
        [counted(n, address), none()].concat()
    });
}

#[test]
fn of_an_address() {
    // No address is that long, so at the edge it is the form that is refused.
    let name = |n| decode::<Address>(&zeros(n)).unwrap_err().name();
    assert_eq!(name(limits::ADDRESS), "invalid");
    assert_eq!(name(limits::ADDRESS + 1), "over-limit");
}

#[test]
fn of_a_chat_stream() {
    let open = |name, sessions| {
        let record = [zeros(0), vec![0; 64]].concat();
        [
            zeros(name),
            vec![0],
            record,
            counted(sessions, |_| vec![0; 32]),
            none(),
        ]
        .concat()
    };
    edge::<ChatOpen>("ChatOpen.name", limits::NAME, |n| open(n, 0));
    edge::<ChatOpen>("ChatOpen.sessions", limits::SESSIONS, |n| open(0, n));
    edge::<Envelope>("Envelope.message", limits::RATCHET_MESSAGE, |n| {
        [vec![0; 33], zeros(n), none()].concat()
    });
}

#[test]
fn of_a_record() {
    edge::<SignedRecord>("SignedRecord.body", limits::RECORD_BODY, |n| {
        [zeros(n), vec![0; 64]].concat()
    });
    edge::<RecordBody>("RecordBody.payload", limits::RECORD_PAYLOAD, |n| {
        [encode(&samples::peer(1)), vec![0; 26], zeros(n), none()].concat()
    });
}

#[test]
fn of_questions_of_the_dht() {
    let tails = |n| counted(n, |_| vec![0; 4]);
    edge::<DhtFind>("DhtFind.known", limits::DHT_KNOWN, |n| {
        [vec![0; 33], tails(n), vec![0], none()].concat()
    });
    let get = |known, have| {
        let digests = counted(have, |_| vec![0; 8]);
        [vec![0; 33], tails(known), digests, vec![0], none()].concat()
    };
    edge::<DhtGet>("DhtGet.known", limits::DHT_KNOWN, |n| get(n, 0));
    edge::<DhtGet>("DhtGet.have", limits::DHT_RECORDS, |n| get(0, n));
}

#[test]
fn of_answers_of_the_dht() {
    let nodes = |n| counted(n, |_| encode(&samples::node(1)));
    edge::<DhtNodes>("DhtNodes.nodes", limits::DHT_NODES, |n| {
        [nodes(n), vec![0], none()].concat()
    });
    let values = |records, of_nodes| {
        let records = counted(records, |_| vec![0; 72]);
        [records, vec![0; 18], nodes(of_nodes), vec![0], none()].concat()
    };
    edge::<DhtValues>("DhtValues.records", limits::DHT_RECORDS, |n| values(n, 0));
    edge::<DhtValues>("DhtValues.nodes", limits::DHT_NODES, |n| values(0, n));
}

/// Full lists, a record of the largest size and no extensions fit the frames they are for.
#[test]
fn of_frames_of_the_dht() {
    let record = SignedRecord {
        body: Bytes::new(vec![0; limits::RECORD_BODY]).unwrap(),
        signature: [0; 64],
    };
    let known = List::new(vec![0; limits::DHT_KNOWN]).unwrap();
    let nodes = List::new(vec![samples::node(1); limits::DHT_NODES]).unwrap();
    let frames = [
        Frame::DhtFind(DhtFind {
            known: known.clone(),
            extensions: Default::default(),
            ..samples::dht_find()
        }),
        Frame::DhtGet(DhtGet {
            known,
            have: List::new(vec![[0; 8]; limits::DHT_RECORDS]).unwrap(),
            extensions: Default::default(),
            ..samples::dht_get()
        }),
        Frame::DhtPut(DhtPut {
            record: record.clone(),
            extensions: Default::default(),
            ..samples::dht_put()
        }),
        Frame::DhtNodes(DhtNodes {
            nodes: nodes.clone(),
            extensions: Default::default(),
            ..samples::dht_nodes()
        }),
        Frame::DhtValues(DhtValues {
            records: List::new(vec![record; 7]).unwrap(),
            nodes,
            extensions: Default::default(),
            ..samples::dht_values()
        }),
    ];
    for frame in frames {
        let body = frame.to_bytes().split_off(limits::FRAME_HEADER);
        assert_eq!(frame.frame_type().decode(&body), Ok(frame));
    }
}

#[test]
fn of_adverts() {
    let addresses = |n| counted(n, address);
    edge::<ServiceAdvert>("ServiceAdvert.name", limits::NAME, |n| {
        [zeros(n), none(), none()].concat()
    });
    edge::<ServiceAdvert>("ServiceAdvert.addresses", limits::ADVERT_ADDRESSES, |n| {
        [none(), addresses(n), none()].concat()
    });
    edge::<MailboxPointer>("MailboxPointer.mailboxes", limits::ADVERT_ADDRESSES, |n| {
        [addresses(n), none()].concat()
    });
    edge::<Presence>("Presence.sealed", limits::SEALED, |n| {
        [zeros(n), none()].concat()
    });
    edge::<Rendezvous>("Rendezvous.sealed", limits::SEALED, |n| {
        [vec![0; 16], zeros(n), none()].concat()
    });
}

#[test]
fn of_an_invite() {
    let invite = encode(&samples::invite());
    let name_at = 1 + 32 + 16 + 32 + 8;
    edge::<Invite>("Invite.name", limits::NAME, |n| {
        with(invite.clone(), name_at, 8 + 5, zeros(n))
    });
    let addresses_at = name_at + 8 + 5;
    let len = 8 + address(0).len();
    edge::<Invite>("Invite.addresses", limits::INVITE_ADDRESSES, |n| {
        with(invite.clone(), addresses_at, len, counted(n, address))
    });
}

#[test]
fn of_a_link() {
    use dchat_wire::invite::InviteError;
    let device = |body: usize| SignedRecord {
        body: Bytes::new(vec![0; body]).unwrap(),
        signature: [0; 64],
    };
    let of = |body| Invite {
        device: device(body),
        ..samples::invite()
    };
    let characters = |body| of(body).to_string().len() - "dchat:".len();
    let longest = (0..limits::RECORD_BODY).rfind(|body| characters(*body) <= limits::INVITE_LINK);
    let longest = longest.unwrap();
    assert_eq!(characters(longest), limits::INVITE_LINK);
    assert_eq!(of(longest).to_string().parse(), Ok(of(longest)));
    assert_eq!(
        of(longest + 1).to_string().parse::<Invite>(),
        Err(InviteError::Damaged)
    );
}

#[test]
fn of_a_log() {
    let content = encode(&samples::content());
    let heads_at = 8 + 9;
    let len = 8 + 88;
    edge::<Content>("Content.heads", limits::HEADS, |n| {
        with(
            content.clone(),
            heads_at,
            len,
            counted(n, |_| encode::<Head>(&samples::head())),
        )
    });
    let body_at = heads_at + len + 2;
    edge::<Content>("Content.body", limits::ENTRY_BODY, |n| {
        with(content.clone(), body_at, 8 + 6, zeros(n))
    });
}

#[test]
fn of_a_parcel() {
    let parcel = |frontiers, entries| {
        let frontier = |_| encode::<Frontier>(&samples::frontier());
        let stub = |_| encode::<Entry>(&samples::stub());
        [
            counted(frontiers, frontier),
            counted(entries, stub),
            none(),
            none(),
        ]
        .concat()
    };
    edge::<Parcel>("Parcel.frontiers", limits::PARCEL_FRONTIERS, |n| {
        parcel(n, 0)
    });
    edge::<Parcel>("Parcel.entries", limits::PARCEL_ENTRIES, |n| parcel(0, n));
    edge::<Parcel>("Parcel.padding", limits::PARCEL, |n| {
        [parcel(0, 0), zeros(n)].concat()[8..].to_vec()
    });
}

#[test]
fn of_a_whole_parcel() {
    let sealed = |padding: usize| [vec![0; 24], zeros(padding)].concat();
    // An empty parcel is padded to the least, and nothing else opens.
    assert!(Parcel::open(&sealed(limits::PARCEL_MIN - 32)).is_ok());
    assert_eq!(padded_len(1), limits::PARCEL_MIN);
    let refused = |len: usize| Parcel::open(&sealed(len - 32)).unwrap_err();
    assert_eq!(refused(limits::PARCEL).name(), "invalid");
    let DecodeError::OverLimit(over) = refused(limits::PARCEL + 1) else {
        panic!("{:?}", refused(limits::PARCEL + 1));
    };
    assert_eq!((over.field, over.limit), ("Parcel", limits::PARCEL));
}

/// The largest parcel there is opens again.
#[test]
fn of_a_full_parcel() {
    let entry = |body: usize| Entry {
        content: Some(Content {
            body: Bytes::new(vec![1; body]).unwrap(),
            ..samples::content()
        }),
        ..samples::entry()
    };
    let of = |last| {
        let entries = vec![entry(limits::TEXT), entry(last)];
        Parcel::new(Default::default(), dchat_wire::List::new(entries).unwrap())
    };
    let room = limits::PARCEL - encode(&of(0)).len();
    let full = of(room).seal().unwrap();
    assert_eq!(full.len(), limits::PARCEL);
    assert_eq!(Parcel::open(&full).unwrap().padding.len(), 0);
    assert!(of(room + 1).seal().is_err());
}

/// The encoding of an item's header.
fn header(heads: usize) -> Vec<u8> {
    let head = |_| encode(&gossip::head());
    [vec![0; 108], counted(heads, head), vec![0; 38], none()].concat()
}

#[test]
fn of_an_item() {
    edge::<ItemHeader>("ItemHeader.heads", limits::HEADS, header);
    edge::<SignedItem>("SignedItem.body", limits::ENTRY_BODY, |n| {
        [header(0), vec![0; 64], vec![1], zeros(n)].concat()
    });
    edge::<RoomBody>("RoomBody.name", limits::NAME, |n| {
        [
            encode(&samples::peer(1)),
            vec![0; 64],
            zeros(n),
            none(),
            none(),
        ]
        .concat()
    });
    edge::<RoomBody>("RoomBody.content", limits::TEXT, |n| {
        [
            encode(&samples::peer(1)),
            vec![0; 64],
            none(),
            zeros(n),
            none(),
        ]
        .concat()
    });
}

#[test]
fn of_members_of_a_room() {
    let contact = |_| encode(&gossip::contact());
    edge::<Contact>("Contact.addresses", limits::GOSSIP_ADDRESSES, |n| {
        [encode(&samples::peer(1)), counted(n, address)].concat()
    });
    edge::<GossipLeave>("GossipLeave.peers", limits::GOSSIP_PEERS, |n| {
        [vec![1], counted(n, contact), none()].concat()
    });
    edge::<GossipShuffle>("GossipShuffle.peers", limits::GOSSIP_PEERS, |n| {
        [vec![0], counted(n, contact), none()].concat()
    });
}

#[test]
fn of_what_members_spread() {
    let sized = |len: usize| move |_: usize| vec![0; len];
    edge::<GossipAnnounce>("GossipAnnounce.marks", limits::GOSSIP_MARKS, |n| {
        counted(n, sized(14))
    });
    edge::<GossipPull>("GossipPull.wants", limits::GOSSIP_MARKS, |n| {
        [vec![0], counted(n, sized(16)), none()].concat()
    });
    let tree = |graft, prune| {
        let list = |n| counted(n, sized(8));
        [list(graft), list(prune), none()].concat()
    };
    edge::<GossipTree>("GossipTree.graft", limits::GOSSIP_MARKS, |n| tree(n, 0));
    edge::<GossipTree>("GossipTree.prune", limits::GOSSIP_MARKS, |n| tree(0, n));
    edge::<GossipProof>("GossipProof.items", 2, |n| {
        [counted(n, |_| encode(&gossip::stub())), none()].concat()
    });
}

#[test]
fn of_what_members_compare() {
    edge::<GossipSketch>("GossipSketch.cells", limits::GOSSIP_CELLS * 9, |n| {
        [vec![0; 13], zeros(n), none()].concat()
    });
    edge::<GossipMore>("GossipMore.unknown", limits::GOSSIP_MARKS, |n| {
        [vec![0; 12], counted(n, |_| vec![0; 4]), none()].concat()
    });
    let spans = |n| counted(n, |_| vec![0; 44]);
    edge::<GossipRange>("GossipRange.spans", limits::GOSSIP_SPANS, |n| {
        [vec![0; 8], spans(n), vec![0; 2], none()].concat()
    });
    edge::<GossipSpans>("GossipSpans.spans", limits::GOSSIP_SPANS, |n| {
        [vec![0; 8], spans(n), none()].concat()
    });
}

#[test]
fn of_groups() {
    let hash = |index: usize| vec![index as u8; 32];
    let operation = |after: usize, text: usize, cut: usize| {
        let log = |index: usize| [vec![index as u8; 16], vec![0; 4]].concat();
        [
            vec![0; 32],
            encode(&samples::peer(1)),
            vec![0; 4],
            counted(after, hash),
            vec![0; 8],
            vec![1, 0],
            zeros(text),
            vec![0],
            counted(cut, log),
            none(),
        ]
        .concat()
    };
    edge::<Operation>("Operation.after", limits::GROUP_PARENTS, |n| {
        operation(n, 0, 0)
    });
    edge::<Operation>("Operation.text", limits::GROUP_TEXT, |n| operation(0, n, 0));
    edge::<Operation>("Operation.cut", limits::GROUP_CUT, |n| operation(0, 0, n));
    edge::<Seat>("Seat.name", limits::NAME, |n| {
        [vec![0; 96], zeros(n)].concat()
    });
    edge::<SignedOperation>("SignedOperation.body", limits::GROUP_OPERATION, |n| {
        [zeros(n), vec![0; 64]].concat()
    });
    let operations = |heads: usize, lacking: usize, n: usize| {
        let one = |_| encode(&gossip::signed_operation());
        let lists = [
            counted(heads, hash),
            counted(lacking, hash),
            counted(n, one),
        ];
        [vec![0; 32], lists.concat(), none()].concat()
    };
    edge::<GroupOperations>("GroupOperations.heads", limits::GROUP_PARENTS, |n| {
        operations(n, 0, 0)
    });
    edge::<GroupOperations>("GroupOperations.lacking", limits::GROUP_PARENTS, |n| {
        operations(0, n, 0)
    });
    edge::<GroupOperations>(
        "GroupOperations.operations",
        limits::GROUP_OPERATIONS,
        |n| operations(0, 0, n),
    );
    edge::<GroupKeys>("GroupKeys.sessions", limits::GROUP_KEYS, |n| {
        [vec![0; 32], counted(n, |_| vec![0; 165]), none()].concat()
    });
    edge::<SealedBody>("SealedBody.message", limits::ENTRY_BODY, |n| {
        [vec![0; 32], zeros(n)].concat()
    });
}

/// Checks DC-WIRE-003 (negative), DC-WIRE-028 (positive, negative).
#[test]
fn of_any_body() {
    let name = |n: usize| decode::<Ping>(&vec![0; n]).unwrap_err();
    assert_eq!(name(limits::FRAME_BODY).name(), "trailing-bytes");
    assert_eq!(name(limits::FRAME_BODY + 1).field(), Some("body"));
    for frame_type in dchat_wire::FrameType::ALL {
        let most = frame_type.max_body();
        // Zeros may well be a body where all there is has a fixed length.
        let full = frame_type.decode(&vec![0; most]).err();
        assert_ne!(full.map(|error| error.name()), Some("over-limit"));
        let DecodeError::OverLimit(over) = frame_type.decode(&vec![0; most + 1]).unwrap_err()
        else {
            panic!("{frame_type:?}");
        };
        assert_eq!((over.field, over.limit), ("body", most));
    }
}

/// Checks DC-WIRE-027 (positive, negative).
#[test]
fn of_the_constructors() {
    assert!(Bytes::<4>::new(vec![0; 4]).is_ok());
    assert_eq!(Bytes::<4>::new(vec![0; 5]).unwrap_err().len, 5);
    assert!(Text::<4>::new("abcd").is_ok());
    assert!(
        Text::<4>::new("abcdé").is_err(),
        "bytes count, not characters"
    );
    assert!(dchat_wire::List::<u8, 2>::new(vec![0; 2]).is_ok());
    assert!(dchat_wire::List::<u8, 2>::new(vec![0; 3]).is_err());
    assert_eq!(
        dchat_wire::List::<u8, 2>::first_of([1, 2, 3]).as_slice(),
        [1, 2]
    );
}

#[test]
fn what_is_taken_within_its_bound_is_given_back_whole() {
    let text = Text::<4>::new("ab").unwrap();
    assert_eq!(
        (text.as_str(), text.clone().into_string()),
        ("ab", "ab".to_owned())
    );
    let bytes = Bytes::<4>::new(vec![1, 2]).unwrap();
    assert_eq!(
        (bytes.as_slice(), bytes.clone().into_vec()),
        (&[1, 2][..], vec![1, 2])
    );
    let list = dchat_wire::List::<u8, 4>::new(vec![1, 2]).unwrap();
    assert_eq!(
        (list.as_slice(), list.clone().into_vec()),
        (&[1, 2][..], vec![1, 2])
    );
}

#[test]
fn of_a_probe() {
    let (keys, _) = samples::probe_keys();
    let padded = samples::ask().seal(&keys, limits::PROBE_PADDED);
    assert_eq!(padded.len(), limits::PROBE_PADDED);
    assert!(Probe::open(&keys, &padded).is_ok());
    let least = samples::ask().seal(&keys, 0);
    assert_eq!(least.len(), limits::PROBE);
    assert!(Probe::open(&keys, &least[..limits::PROBE - 1]).is_err());
}
