//! Every wrong input has a name, and changes nothing.

use dchat_wire::chat::{ChatOpen, Envelope, Stage, Undecryptable};
use dchat_wire::close::Code;
use dchat_wire::codec::{Bytes, List, Text};
use dchat_wire::extension::Extensions;
use dchat_wire::parcel::{Frontier, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::record::{DeviceRecord, RecordError, SignedRecord};
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, encode};

use super::world::{A, B, Crash, World};
use crate::conversation::{
    Conversation, Error, Input, Ledger as _, MAX_OWN_LOGS, MAX_REFUSED, MAX_RENEWALS,
};
use crate::conversation::{Misbehaviour, Output, Warning};
use crate::e2ee::{AcceptError, DecryptError, Device, PairwiseSession as _};

const LOG: [u8; 16] = [0xbb; 16];
const NONE: [u8; 32] = [0; 32];

/// Feeds a frame that must be refused, and checks that the ledger is as before.
fn refused(world: &mut World, frame: Frame) -> Misbehaviour {
    let before = world.sides[A].ledger.clone();
    let error = world.feed(frame).expect_err("a wrong frame was accepted");
    assert_eq!(world.sides[A].ledger, before);
    let Error::Peer(misbehaviour) = error else {
        panic!("{error} is not the peer's fault");
    };
    misbehaviour
}

/// Feeds a frame whose entries must not be taken although the chat goes on, and returns why.
fn warned(world: &mut World, frame: Frame) -> Vec<Warning> {
    let before = world.sides[A].ledger.clone();
    let events = world.sides[A].events.len();
    world.feed(frame).unwrap();
    let after = &world.sides[A].ledger;
    assert_eq!((&after.logs, &after.rows), (&before.logs, &before.rows));
    let events = world.sides[A].events[events..].iter();
    events
        .filter_map(|event| match event {
            Output::Warn(warning) => Some(*warning),
            _ => None,
        })
        .collect()
}

/// Checks DC-CHAT-037 (negative), DC-CHAT-045 (negative).
#[test]
fn an_entry_whose_hash_is_not_its_contents_is_refused() {
    let mut world = World::connected();
    let mut entry = world.entry_of(B, LOG, 1, NONE, b"text");
    entry.hash[0] ^= 1;
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(
        refused(&mut world, frame),
        Misbehaviour::WrongHash { seq: 1 }
    );
}

#[test]
fn an_entry_of_another_author_is_refused() {
    let mut world = World::connected();
    let entry = world.entry_of(A, LOG, 1, NONE, b"put into A's mouth");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(
        refused(&mut world, frame),
        Misbehaviour::WrongHash { seq: 1 }
    );
}

/// Checks DC-CHAT-045 (negative), DC-CHAT-046 (positive).
#[test]
fn an_entry_that_does_not_point_to_the_one_before_is_a_fork() {
    let mut world = World::connected();
    world.write(B, "first", None);
    world.run();
    let log = world.sides[B].ledger.logs[0];
    let entry = world.entry_of(B, log.incarnation, 2, [7; 32], b"second");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(warned(&mut world, frame), [Warning::Fork { seq: 2 }]);
    assert_eq!(world.shown(A), ["first"]);
}

/// Checks DC-CHAT-032 (negative), DC-CHAT-045 (negative), DC-CHAT-046 (negative).
#[test]
fn another_entry_with_the_same_number_is_a_fork() {
    let mut world = World::connected();
    world.write(B, "first", None);
    world.run();
    let log = world.sides[B].ledger.logs[0];
    let entry = world.entry_of(B, log.incarnation, 1, NONE, b"another first");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(warned(&mut world, frame), [Warning::Fork { seq: 1 }]);
    assert_eq!(world.shown(A), ["first"]);
}

/// Checks DC-CHAT-045 (negative).
#[test]
fn an_entry_after_a_gap_is_refused_and_answered_with_the_frontier() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 3, [7; 32], b"third");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    let expected = Warning::Gap {
        seq: 3,
        expected: 1,
    };
    assert_eq!(warned(&mut world, frame), [expected]);
    let answered = world.sides[A].events.iter();
    let answered = answered.filter(|event| matches!(event, Output::Send(Frame::Envelope(_))));
    assert_eq!(answered.count(), 1);
}

/// Checks DC-CHAT-045 (negative).
#[test]
fn a_repeated_entry_changes_nothing() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 1, NONE, b"once");
    let frame = world.parcel_of_b(vec![], vec![entry.clone()]);
    world.feed(frame).unwrap();
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(warned(&mut world, frame), []);
    assert_eq!(world.shown(A), ["once"]);
}

/// Checks DC-CHAT-045 (negative), DC-CHAT-063 (negative).
#[test]
fn an_entry_with_number_zero_is_refused() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 0, NONE, b"text");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(refused(&mut world, frame), Misbehaviour::NumberZero);
}

/// Checks DC-CHAT-027 (negative).
#[test]
fn a_text_that_is_not_utf8_is_refused() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 1, NONE, b"\xff");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(refused(&mut world, frame), Misbehaviour::BadText { seq: 1 });
}

/// Checks DC-CHAT-027 (negative).
#[test]
fn a_text_over_64_kib_is_refused() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 1, NONE, &[b'a'; 64 * 1024 + 1]);
    let frame = world.parcel_of_b(vec![], vec![entry]);
    assert_eq!(refused(&mut world, frame), Misbehaviour::BadText { seq: 1 });
}

/// Checks DC-CHAT-047 (negative), DC-CHAT-063 (negative), DC-WIRE-004 (negative).
#[test]
fn a_good_entry_beside_a_bad_one_is_not_kept() {
    let mut world = World::connected();
    let good = world.entry_of(B, LOG, 1, NONE, b"good");
    let mut bad = world.entry_of(B, LOG, 2, good.hash, b"bad");
    bad.hash = [9; 32];
    let frame = world.parcel_of_b(vec![], vec![good, bad]);
    assert_eq!(
        refused(&mut world, frame),
        Misbehaviour::WrongHash { seq: 2 }
    );
    assert!(world.shown(A).is_empty());
}

/// Checks DC-CHAT-031 (negative).
#[test]
fn padding_that_is_not_the_next_step_is_refused() {
    let mut world = World::connected();
    let unpadded = encode(&Parcel::new(List::default(), List::default()));
    let frame = world.sealed_by_b(&unpadded);
    let wrong = refused(&mut world, frame);
    assert!(matches!(wrong, Misbehaviour::Parcel(_)), "{wrong}");
}

#[test]
fn a_parcel_over_the_limit_is_refused() {
    let mut world = World::connected();
    let frame = world.sealed_by_b(&vec![0; 128 * 1024 + 400]);
    let wrong = refused(&mut world, frame);
    assert!(matches!(wrong, Misbehaviour::Parcel(_)), "{wrong}");
}

/// Checks DC-CHAT-044 (negative).
#[test]
fn a_frontier_of_a_third_peer_is_refused() {
    let mut world = World::connected();
    let third = Identity::from_seed(&[3; 32]).peer_id();
    let frontier = Frontier {
        author: third,
        incarnation: LOG,
        held: 1,
        low_water: 1,
        read: 0,
        tip: [1; 32],
    };
    let frame = world.parcel_of_b(vec![frontier], vec![]);
    assert_eq!(refused(&mut world, frame), Misbehaviour::ForeignFrontier);
}

/// Checks DC-CHAT-050 (negative), DC-CHAT-062 (negative).
#[test]
fn a_frontier_that_reads_more_than_it_holds_is_refused() {
    let mut world = World::connected();
    let author = *world.sides[B].pair.own();
    for (held, read, tip) in [(1, 2, [1; 32]), (0, 0, [1; 32]), (1, 0, NONE)] {
        let frontier = Frontier {
            author,
            incarnation: LOG,
            held,
            low_water: 1,
            read,
            tip,
        };
        let frame = world.parcel_of_b(vec![frontier], vec![]);
        assert_eq!(refused(&mut world, frame), Misbehaviour::BadFrontier);
        world = World::connected();
    }
}

/// Checks DC-CHAT-012 (negative), DC-CHAT-023 (positive, negative).
#[test]
fn a_message_of_an_unknown_session_is_answered_once() {
    let mut world = World::connected();
    let message = {
        let frame = world.parcel_of_b(vec![], vec![]);
        let Frame::Envelope(envelope) = frame else {
            panic!("an envelope");
        };
        envelope.message
    };
    let unknown = Frame::Envelope(Envelope {
        session: [5; 32],
        stage: Stage::Established,
        message,
        extensions: Extensions::default(),
    });
    let no_key = Warning::Undecryptable(DecryptError::NoKey.into());
    assert_eq!(warned(&mut world, unknown.clone()), [no_key]);
    assert_eq!(warned(&mut world, unknown), []);
    let asked = Frame::Undecryptable(Undecryptable {
        session: [5; 32],
        extensions: Extensions::default(),
    });
    assert!(world.sides[A].events.contains(&Output::Send(asked)));
}

/// Checks DC-CHAT-058 (negative).
#[test]
fn too_many_unknown_sessions_end_the_connection() {
    let mut world = World::connected();
    let unknown = |session: u8| {
        Frame::Envelope(Envelope {
            session: [session; 32],
            stage: Stage::Established,
            message: Bytes::default(),
            extensions: Extensions::default(),
        })
    };
    for session in 0..MAX_REFUSED as u8 {
        world.feed(unknown(session)).unwrap();
    }
    let wrong = refused(&mut world, unknown(200));
    assert_eq!(wrong, Misbehaviour::TooManyUndecryptable);
    assert_eq!(wrong.code(), Code::Limit);
}

/// Checks DC-CHAT-019 (negative).
#[test]
fn a_replayed_envelope_is_not_decrypted_again() {
    let mut world = World::connected();
    let entry = world.entry_of(B, LOG, 1, NONE, b"once");
    let frame = world.parcel_of_b(vec![], vec![entry]);
    world.feed(frame.clone()).unwrap();
    let no_key = Warning::Undecryptable(DecryptError::NoKey.into());
    assert_eq!(warned(&mut world, frame), [no_key]);
}

/// Checks DC-CHAT-021 (negative).
#[test]
fn a_changed_envelope_does_not_authenticate() {
    let mut world = World::connected();
    let Frame::Envelope(mut envelope) = world.parcel_of_b(vec![], vec![]) else {
        panic!("an envelope");
    };
    let mut message = envelope.message.into_vec();
    *message.last_mut().unwrap() ^= 1;
    envelope.message = Bytes::new(message).unwrap();
    let forged = Warning::Undecryptable(DecryptError::NotAuthentic.into());
    assert_eq!(warned(&mut world, Frame::Envelope(envelope)), [forged]);
}

#[test]
fn bytes_that_are_no_ratchet_message_are_refused() {
    for stage in [Stage::Opening, Stage::Established] {
        let mut world = World::connected();
        let session = *world.sides[B].ledger.sessions.keys().next().unwrap();
        let garbage = Frame::Envelope(Envelope {
            session: session.0,
            stage,
            message: Bytes::new(vec![0xaa; 300]).unwrap(),
            extensions: Extensions::default(),
        });
        let wrong = refused(&mut world, garbage);
        assert_eq!(wrong, Misbehaviour::Ratchet(DecryptError::Malformed));
    }
}

/// An opening message to A from `device`, in an envelope for `session`, or for its own.
fn opening(world: &World, device: &Device, session: Option<[u8; 32]>) -> Frame {
    let state = world.sides[A].ledger.device.clone().unwrap();
    let to = Device::from_state(&state).unwrap();
    let peer = *world.sides[A].pair.own();
    let record = to.record().unwrap().open(&peer, world.now).unwrap();
    let mut opened = device.open_session(&record).unwrap();
    let parcel = Parcel::new(List::default(), List::default());
    let sealed = opened.encrypt(&parcel.seal().unwrap()).unwrap();
    Frame::Envelope(Envelope {
        session: session.unwrap_or(opened.id().0),
        stage: sealed.stage,
        message: Bytes::new(sealed.message).unwrap(),
        extensions: Extensions::default(),
    })
}

/// Checks DC-CHAT-013 (negative).
#[test]
fn an_opening_message_of_a_device_that_is_not_in_the_record_is_refused() {
    let mut world = World::connected();
    let stranger = Device::generate(&Identity::from_seed(&[9; 32]), world.now);
    let frame = opening(&world, &stranger, None);
    let wrong = refused(&mut world, frame);
    assert_eq!(wrong, Misbehaviour::Opening(AcceptError::ForeignDevice));
}

/// Checks DC-CHAT-014 (negative).
#[test]
fn an_opening_message_in_an_envelope_of_another_session_is_refused() {
    let mut world = World::connected();
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    let frame = opening(&world, &device, Some([5; 32]));
    assert_eq!(refused(&mut world, frame), Misbehaviour::SessionMismatch);
}

/// Checks DC-CHAT-012 (positive).
#[test]
fn an_older_session_still_decrypts_when_another_is_sent_with() {
    let mut world = World::connected();
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    let frame = opening(&world, &device, None);
    world.feed(frame).unwrap();
    let entry = world.entry_of(B, LOG, 1, NONE, b"with the first session");
    let older = world.parcel_of_b(vec![], vec![entry]);
    let Frame::Envelope(envelope) = &older else {
        panic!("an envelope");
    };
    let chat: &Conversation = world.sides[A].chat.as_ref().unwrap();
    assert_ne!(chat.sending.unwrap().0, envelope.session);
    world.feed(older).unwrap();
    assert_eq!(world.shown(A), ["with the first session"]);
}

/// Checks DC-CHAT-058 (negative).
#[test]
fn sessions_without_end_end_the_connection() {
    let mut world = World::connected();
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    for _ in 0..MAX_RENEWALS {
        let frame = opening(&world, &device, None);
        world.feed(frame).unwrap();
        assert!(world.sides[A].ledger.sessions.len() <= 8);
    }
    let frame = opening(&world, &device, None);
    assert_eq!(refused(&mut world, frame), Misbehaviour::TooManyRenewals);
}

/// CHAT_OPEN of B with this record.
fn chat_open(device: SignedRecord) -> Frame {
    Frame::ChatOpen(ChatOpen {
        name: Text::new("B".to_owned()).unwrap(),
        invite: None,
        device,
        sessions: List::default(),
        extensions: Extensions::default(),
    })
}

/// A world in which A has opened and B has not.
fn half_open() -> World {
    let mut world = World::new();
    world.connect();
    world.sides[A].inbox.clear();
    world
}

/// Checks DC-CHAT-008 (negative).
#[test]
fn a_device_record_of_another_signer_is_refused() {
    let mut world = half_open();
    let stranger = Identity::from_seed(&[9; 32]);
    let device = Device::generate(&stranger, world.now);
    let wrong = refused(&mut world, chat_open(device.record().unwrap().clone()));
    assert_eq!(wrong, Misbehaviour::DeviceRecord(RecordError::WrongSigner));
}

/// Checks DC-CHAT-008 (negative).
#[test]
fn an_expired_device_record_is_refused() {
    let mut world = half_open();
    let identity = world.sides[B].identity.clone();
    let device = Device::generate(&identity, world.now - 31 * 24 * 60 * 60 * 1000);
    let wrong = refused(&mut world, chat_open(device.record().unwrap().clone()));
    assert_eq!(wrong, Misbehaviour::DeviceRecord(RecordError::Expired));
}

/// Checks DC-CHAT-008 (negative).
#[test]
fn a_forged_device_record_is_refused() {
    let mut world = half_open();
    let identity = world.sides[B].identity.clone();
    let device = Device::generate(&identity, world.now);
    let mut record = device.record().unwrap().clone();
    record.signature[0] ^= 1;
    let wrong = refused(&mut world, chat_open(record));
    let Misbehaviour::DeviceRecord(RecordError::BadSignature(_)) = wrong else {
        panic!("{wrong}");
    };
}

/// Checks DC-CHAT-018 (negative).
#[test]
fn keys_of_small_order_in_a_device_record_are_refused() {
    let mut world = half_open();
    let identity = world.sides[B].identity.clone();
    let keys = DeviceRecord {
        identity_key: [0; 32],
        signing_key: [1; 32],
        fallback_key: [0; 32],
        extensions: Extensions::default(),
    };
    let record = SignedRecord::issue(&identity, 1, world.now, 1000, &keys);
    // A leads and would make a session from it.
    let wrong = refused(&mut world, chat_open(record));
    assert!(matches!(wrong, Misbehaviour::DeviceKey(_)), "{wrong}");
}

/// Checks DC-CHAT-007 (negative).
#[test]
fn chat_open_twice_is_refused() {
    let mut world = World::connected();
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    let wrong = refused(&mut world, chat_open(device.record().unwrap().clone()));
    assert_eq!(wrong, Misbehaviour::OpenTwice);
    assert_eq!(wrong.code(), Code::Unexpected);
}

#[test]
fn chat_frames_before_chat_open_on_a_new_stream_are_refused() {
    let mut world = World::connected();
    let frame = world.parcel_of_b(Vec::new(), Vec::new());
    let now = world.now;
    world.transact(A, Crash::No, |chat, ledger| {
        chat.handle_input(ledger, Input::Replaced, now).unwrap();
    });
    assert_eq!(refused(&mut world, frame), Misbehaviour::NotOpen);
}

/// Checks DC-CHAT-007 (negative), DC-CHAT-009 (negative).
#[test]
fn chat_frames_before_chat_open_are_refused() {
    for frame in [
        Frame::Envelope(Envelope {
            session: [1; 32],
            stage: Stage::Established,
            message: Bytes::default(),
            extensions: Extensions::default(),
        }),
        Frame::Undecryptable(Undecryptable {
            session: [1; 32],
            extensions: Extensions::default(),
        }),
    ] {
        let mut world = half_open();
        assert_eq!(refused(&mut world, frame), Misbehaviour::NotOpen);
    }
}

#[test]
fn a_frame_of_another_stream_is_refused() {
    let mut world = World::connected();
    let frame = Frame::Ping(Ping {
        nonce: 1,
        extensions: Extensions::default(),
    });
    let wrong = refused(&mut world, frame);
    assert!(matches!(wrong, Misbehaviour::ForeignFrame(_)), "{wrong}");
}

/// Checks DC-CHAT-058 (positive, negative).
#[test]
fn asking_for_new_sessions_without_end_ends_the_connection() {
    let mut world = World::connected();
    let ask = |world: &World| {
        let chat: &Conversation = world.sides[A].chat.as_ref().unwrap();
        Frame::Undecryptable(Undecryptable {
            session: chat.sending.unwrap().0,
            extensions: Extensions::default(),
        })
    };
    // The first connection's own session counts as none.
    for _ in 0..MAX_RENEWALS {
        let frame = ask(&world);
        world.feed(frame).unwrap();
    }
    let frame = ask(&world);
    assert_eq!(refused(&mut world, frame), Misbehaviour::TooManyRenewals);
}

/// Checks DC-CHAT-056 (negative).
#[test]
fn undecryptable_about_a_session_not_in_use_is_ignored() {
    let mut world = World::connected();
    let frame = Frame::Undecryptable(Undecryptable {
        session: [9; 32],
        extensions: Extensions::default(),
    });
    assert_eq!(warned(&mut world, frame), []);
}

/// Checks DC-CHAT-039 (negative), DC-CHAT-040 (negative).
#[test]
fn entries_before_our_frontiers_are_refused() {
    // B waits for A's session; A, who would open it, gets entries in one that B made.
    let mut world = half_open();
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    let now = world.now;
    let open = chat_open(device.record().unwrap().clone());
    let Frame::Envelope(mut envelope) = opening(&world, &device, None) else {
        panic!("an envelope");
    };
    let entry = world.entry_of(B, LOG, 1, NONE, b"early");
    let parcel = Parcel::new(List::default(), List::new(vec![entry]).unwrap());
    let peer = *world.sides[A].pair.own();
    let to = Device::from_state(&world.sides[A].ledger.device.clone().unwrap()).unwrap();
    let record = to.record().unwrap().open(&peer, now).unwrap();
    let mut session = device.open_session(&record).unwrap();
    let sealed = session.encrypt(&parcel.seal().unwrap()).unwrap();
    envelope.session = session.id().0;
    envelope.message = Bytes::new(sealed.message).unwrap();
    let mut ledger = world.sides[A].ledger.clone();
    let chat = world.sides[A].chat.as_mut().unwrap();
    chat.handle_input(&mut ledger, Input::Frame(open), now)
        .unwrap();
    let early = chat.handle_input(&mut ledger, Input::Frame(Frame::Envelope(envelope)), now);
    assert!(matches!(
        early,
        Err(Error::Peer(Misbehaviour::EntriesTooEarly))
    ));
}

/// Checks DC-CHAT-061 (negative).
#[test]
fn contradicting_our_log_twice_in_a_connection_is_refused() {
    let mut world = World::connected();
    world.write(A, "one", None);
    world.run();
    let author = *world.sides[A].pair.own();
    let claim = |world: &World| Frontier {
        author,
        incarnation: world.sides[A].ledger.logs.last().unwrap().incarnation,
        held: 1_000_000,
        low_water: 1,
        read: 0,
        tip: [1; 32],
    };
    let frontier = claim(&world);
    let frame = world.parcel_of_b(vec![frontier], vec![]);
    world.feed(frame).unwrap();
    assert_eq!(world.warnings(A), [Warning::Diverged { moved: 0 }]);
    let frontier = claim(&world);
    let frame = world.parcel_of_b(vec![frontier], vec![]);
    assert_eq!(refused(&mut world, frame), Misbehaviour::DivergedTwice);
}

#[test]
fn contradicting_our_log_in_too_many_connections_is_refused() {
    let mut world = World::connected();
    for number in 0..MAX_OWN_LOGS as u128 {
        let incarnation = (u128::MAX - number).to_be_bytes();
        let ledger = &mut world.sides[A].ledger;
        ledger.start_own_log(&incarnation).unwrap();
    }
    let frontier = Frontier {
        author: *world.sides[A].pair.own(),
        incarnation: world.sides[A].ledger.logs.last().unwrap().incarnation,
        held: 1_000_000,
        low_water: 1,
        read: 0,
        tip: [1; 32],
    };
    let frame = world.parcel_of_b(vec![frontier], vec![]);
    let wrong = refused(&mut world, frame);
    assert_eq!(wrong, Misbehaviour::TooManyDivergences);
}

#[test]
fn a_refused_entry_does_not_stop_the_next_connection() {
    let mut world = World::connected();
    world.write(B, "one", None);
    let frame = world.sealed_by_b(b"not a parcel");
    refused(&mut world, frame);
    world.connect();
    world.run();
    world.deliver(A, 1, Crash::No);
    assert_eq!(world.shown(A), ["one"]);
}
