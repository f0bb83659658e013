//! Each refusal has its reason.

use std::time::Duration;

use dchat_wire::Frame;
use dchat_wire::relay::{Refusal, RelayAccept, RelayRefused};

use super::world::{World, ip, peer};
use crate::relay::proto::Rate;
use crate::relay::proto::server::{Access, Input, Release};

fn refused(reason: Refusal, retry_after_s: u32) -> Frame {
    Frame::RelayRefused(RelayRefused {
        reason,
        retry_after_s,
        extensions: Default::default(),
    })
}

/// Checks DC-RELAY-022 (positive).
#[test]
fn a_relay_for_listed_peers_takes_nobody_else() {
    let mut world = World::new(|config| {
        config.policy.reservations = Access::Listed;
        config.policy.allowed.insert(peer(1));
    });
    let (listed, other) = (world.up(1), world.up(2));
    assert!(world.reserve(listed).is_ok());
    let refused = world.reserve(other).unwrap_err();
    assert_eq!(
        (refused.reason, refused.retry_after_s),
        (Refusal::NotAllowed, 0)
    );
    world.end();
}

#[test]
fn listed_askers_only_may_connect_where_the_policy_says_so() {
    let mut world = World::new(|config| {
        config.policy.connects = Access::Listed;
        config.policy.allowed.insert(peer(1));
    });
    let (listed, other, holder) = (world.up(1), world.up(2), world.up(3));
    world.reserve(holder).unwrap();
    assert_eq!(world.connect(listed, peer(3)).1, None);
    assert_eq!(world.connect(other, peer(3)).1, Some(Refusal::NotAllowed));
    world.end();
}

/// Checks DC-RELAY-020 (positive, negative).
#[test]
fn the_denied_get_nothing_even_if_they_are_listed() {
    let mut world = World::new(|config| {
        config.policy.reservations = Access::Listed;
        config.policy.allowed = [peer(1), peer(2)].into();
        config.policy.denied.insert(peer(1));
    });
    let (denied, holder) = (world.up(1), world.up(2));
    assert_eq!(
        world.reserve(denied).unwrap_err().reason,
        Refusal::NotAllowed
    );
    world.reserve(holder).unwrap();
    assert_eq!(world.connect(denied, peer(2)).1, Some(Refusal::NotAllowed));
    // To others a denied peer is simply not there.
    assert_eq!(
        world.connect(holder, peer(1)).1,
        Some(Refusal::NoReservation)
    );
    world.end();
}

/// Checks DC-RELAY-005 (positive, negative), DC-RELAY-022 (negative).
#[test]
fn a_full_relay_says_full_but_renews() {
    let mut world = World::new(|config| config.limits.reservations = 1);
    let (first, second) = (world.up(1), world.up(2));
    world.reserve(first).unwrap();
    let refused = world.reserve(second).unwrap_err();
    assert_eq!(refused.reason, Refusal::Full);
    assert!(refused.retry_after_s > 0);
    world.reserve(first).unwrap();
    assert_eq!(world.relay.stats().renewed, 1);
    world.end();
}

#[test]
fn a_connection_over_the_bound_has_no_state_and_is_told_full() {
    let mut world = World::new(|config| config.limits.connections = 1);
    let (_first, second) = (world.up(1), world.up(2));
    assert_eq!(world.reserve(second).unwrap_err().reason, Refusal::Full);
    world.end();
}

/// Checks DC-RELAY-005 (positive, negative).
#[test]
fn a_subnet_has_its_share_and_private_ones_are_exempt() {
    let mut world = World::new(|config| config.limits.reservations_per_subnet = 2);
    let reserve = |world: &mut World, serial, from: &str| {
        let conn = world.up_from(peer(serial), from.parse().unwrap(), 1300);
        world.reserve(conn).map_err(|refused| refused.reason)
    };
    assert!(reserve(&mut world, 1, "198.51.100.1").is_ok());
    assert!(reserve(&mut world, 2, "198.51.100.2").is_ok());
    assert_eq!(
        reserve(&mut world, 3, "::ffff:198.51.100.3").unwrap_err(),
        Refusal::Limited
    );
    for (serial, from) in [(4, "2001:db8::1"), (5, "2001:db8:0:ffff::1")] {
        assert!(reserve(&mut world, serial, from).is_ok());
    }
    assert!(reserve(&mut world, 6, "2001:db8:0:1::1").is_err());
    assert!(reserve(&mut world, 7, "2001:db8:1::1").is_ok());
    for serial in 10..20 {
        assert!(reserve(&mut world, serial, "192.168.1.7").is_ok());
    }
    world.end();
}

/// Checks DC-RELAY-026 (positive, negative).
#[test]
fn who_asks_too_often_is_limited_until_the_bucket_fills() {
    let mut world = World::new(|config| {
        config.limits.requests_per_peer = Rate {
            per_second: 2,
            burst: 3,
        };
    });
    let conn = world.up(1);
    for _ in 0..3 {
        assert_eq!(world.connect(conn, peer(9)).1, Some(Refusal::NoReservation));
    }
    assert_eq!(world.connect(conn, peer(9)).1, Some(Refusal::Limited));
    world.gone(conn);
    let conn = world.up(1);
    assert_eq!(
        world.connect(conn, peer(9)).1,
        Some(Refusal::Limited),
        "a new connection does not help"
    );
    world.wait(Duration::from_millis(500));
    assert_eq!(world.connect(conn, peer(9)).1, Some(Refusal::NoReservation));
    world.end();
}

/// Checks DC-RELAY-026 (negative).
#[test]
fn neighbours_share_a_rate_and_one_over_its_own_takes_nothing_of_it() {
    let mut world = World::new(|config| {
        config.limits.requests_per_peer.burst = 2;
        config.limits.requests_per_subnet.burst = 3;
    });
    let (one, other) = (
        world.up_from(peer(1), ip(1), 1300),
        world.up_from(peer(2), ip(1), 1300),
    );
    for expected in [
        Refusal::NoReservation,
        Refusal::NoReservation,
        Refusal::Limited,
    ] {
        assert_eq!(world.connect(one, peer(9)).1, Some(expected));
    }
    assert_eq!(
        world.connect(other, peer(9)).1,
        Some(Refusal::NoReservation)
    );
    assert_eq!(world.connect(other, peer(9)).1, Some(Refusal::Limited));
    world.end();
}

#[test]
fn nobody_connects_to_oneself() {
    let mut world = World::new(|_| {});
    let conn = world.up(1);
    world.reserve(conn).unwrap();
    assert_eq!(world.connect(conn, peer(1)).1, Some(Refusal::NotAllowed));
    world.end();
}

/// Checks DC-RELAY-007 (negative).
#[test]
fn a_peer_without_reservation_or_connection_cannot_be_asked() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    assert_eq!(
        world.connect(caller, peer(2)).1,
        Some(Refusal::NoReservation)
    );
    world.reserve(callee).unwrap();
    world.gone(callee);
    assert_eq!(
        world.connect(caller, peer(2)).1,
        Some(Refusal::NoReservation)
    );
    world.end();
}

/// Checks DC-RELAY-010 (positive, negative).
#[test]
fn a_pair_and_a_peer_have_so_many_channels() {
    let mut world = World::new(|config| {
        config.limits.channels_per_pair = 2;
        config.limits.channels_per_peer = 3;
    });
    let (one, two, three) = (world.up(1), world.up(2), world.up(3));
    for conn in [one, two, three] {
        world.reserve(conn).unwrap();
    }
    // Both ask at once: two channels of one pair.
    assert_eq!(world.connect(one, peer(2)).1, None);
    assert_eq!(world.connect(two, peer(1)).1, None);
    assert_eq!(world.connect(one, peer(2)).1, Some(Refusal::Limited));
    assert_eq!(world.connect(one, peer(3)).1, None);
    assert_eq!(world.connect(one, peer(3)).1, Some(Refusal::Limited));
    assert_eq!(world.connect(three, peer(1)).1, Some(Refusal::Full));
    world.end();
}

#[test]
fn unanswered_questions_do_not_take_all_places_of_a_peer() {
    let mut world = World::new(|config| {
        config.limits.unanswered_per_peer = 2;
        config.limits.channels_per_peer = 4;
    });
    let callee = world.up(9);
    world.reserve(callee).unwrap();
    let callers: Vec<_> = (1..=4).map(|serial| world.up(serial)).collect();
    assert_eq!(world.connect(callers[0], peer(9)).1, None);
    assert_eq!(world.connect(callers[1], peer(9)).1, None);
    assert_eq!(world.connect(callers[2], peer(9)).1, Some(Refusal::Full));
    world.accept_last();
    assert_eq!(world.connect(callers[3], peer(9)).1, None);
    world.end();
}

/// Checks DC-RELAY-010 (positive, negative).
#[test]
fn the_relay_has_so_many_channels() {
    let mut world = World::new(|config| config.limits.channels = 1);
    let (one, two, three) = (world.up(1), world.up(2), world.up(3));
    world.reserve(two).unwrap();
    assert_eq!(world.connect(one, peer(2)).1, None);
    assert_eq!(world.connect(three, peer(2)).1, Some(Refusal::Full));
    world.end();
}

#[test]
fn whatever_a_peer_refuses_with_the_asker_hears_that_it_declined() {
    for word in [Refusal::Declined, Refusal::ShuttingDown, Refusal::NotARelay] {
        let mut world = World::new(|_| {});
        let (caller, callee) = (world.up(1), world.up(2));
        world.reserve(callee).unwrap();
        let (stream, _) = world.connect(caller, peer(2));
        let incoming = world.pairs[0].callee.1;
        world.frame(callee, incoming, refused(word, u32::MAX));
        let Some(Frame::RelayRefused(heard)) = world.last_word(caller, stream) else {
            panic!("not refused")
        };
        assert_eq!(
            (heard.reason, heard.retry_after_s),
            (Refusal::Declined, 3600)
        );
        world.end();
    }
}

/// Checks DC-RELAY-009 (negative).
#[test]
fn a_peer_that_is_silent_ends_its_stream_or_leaves_gives_no_answer() {
    for way in 0..4 {
        let mut world = World::new(|_| {});
        let (caller, callee) = (world.up(1), world.up(2));
        world.reserve(callee).unwrap();
        let (stream, _) = world.connect(caller, peer(2));
        let incoming = world.pairs[0].callee.1;
        match way {
            0 => {
                world.wait(world.limits.answer);
                let word = world.refused_with(callee, incoming);
                assert_eq!(word, Some(Refusal::Ended), "the question is withdrawn");
            }
            1 => world.input(Input::Ended {
                conn: callee,
                stream: incoming,
            }),
            2 => world.gone(callee),
            _ => {
                let nonsense = Frame::RelayOpened(dchat_wire::relay::RelayOpened {
                    channel: 1,
                    bytes_per_s: 0,
                    extensions: Default::default(),
                });
                world.frame(callee, incoming, nonsense);
            }
        }
        assert_eq!(world.refused_with(caller, stream), Some(Refusal::NoAnswer));
        world.end();
    }
}

/// Checks DC-RELAY-009 (negative).
#[test]
fn an_answer_after_the_time_is_over_changes_nothing() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    world.reserve(callee).unwrap();
    world.connect(caller, peer(2));
    let incoming = world.pairs[0].callee.1;
    world.wait(world.limits.answer);
    let accept = RelayAccept {
        extensions: Default::default(),
    };
    world.frame(callee, incoming, Frame::RelayAccept(accept));
    assert_eq!(world.relay.stats().channels, 0);
    world.end();
}

/// Checks DC-RELAY-008 (positive).
#[test]
fn the_end_of_one_side_is_told_to_the_other() {
    for (caller_ends, leaves) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::new(|_| {});
        let (caller, callee) = (world.up(1), world.up(2));
        let pair = world.channel(caller, callee);
        let (ends, other) = if caller_ends {
            (pair.caller, pair.callee)
        } else {
            (pair.callee, pair.caller)
        };
        if leaves {
            world.gone(ends.0);
        } else {
            let (conn, stream) = ends;
            world.input(Input::Ended { conn, stream });
            assert_eq!(world.refused_with(conn, stream), None);
        }
        assert_eq!(world.refused_with(other.0, other.1), Some(Refusal::Ended));
        assert_eq!(world.relay.stats().channels, 0);
        world.end();
    }
}

#[test]
fn a_second_answer_ends_the_channel() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    let pair = world.channel(caller, callee);
    world.accept(callee, pair.callee.1);
    assert_eq!(
        world.refused_with(caller, pair.caller.1),
        Some(Refusal::Ended)
    );
    assert_eq!(world.relay.stats().unexpected, 1);
    world.end();
}

#[test]
fn a_frame_that_is_no_request_closes_its_stream() {
    let mut world = World::new(|_| {});
    let conn = world.up(1);
    let accept = RelayAccept {
        extensions: Default::default(),
    };
    let (_, word) = world.request(conn, Frame::RelayAccept(accept));
    assert_eq!(word, None);
    assert_eq!(world.relay.stats().unexpected, 1);
    world.end();
}

#[test]
fn shutting_down_ends_everything_and_refuses_what_comes() {
    let mut world = World::new(|_| {});
    let (one, two) = (world.up(1), world.up(2));
    let pair = world.channel(one, two);
    let (asked, _) = world.connect(one, peer(2));
    world.input(Input::Shutdown);
    for (conn, stream) in [pair.caller, pair.callee, (one, asked)] {
        assert_eq!(
            world.refused_with(conn, stream),
            Some(Refusal::ShuttingDown)
        );
    }
    assert_eq!(world.relay.stats().reservations, 0);
    assert_eq!(
        world.reserve(one).unwrap_err().reason,
        Refusal::ShuttingDown
    );
    assert_eq!(world.connect(one, peer(2)).1, Some(Refusal::ShuttingDown));
    world.end();
}

#[test]
fn a_new_policy_ends_what_it_excludes_and_nothing_else() {
    let mut world = World::new(|_| {});
    let conns: Vec<_> = (1..=3).map(|serial| world.up(serial)).collect();
    let ended = world.channel(conns[0], conns[1]);
    let kept = world.channel(conns[1], conns[2]);
    let mut policy = world.policy.clone();
    policy.denied.insert(peer(1));
    world.input(Input::Policy(policy));
    for (conn, stream) in [ended.caller, ended.callee] {
        assert_eq!(world.refused_with(conn, stream), Some(Refusal::NotAllowed));
    }
    assert_eq!(world.relay.stats().channels, 1);
    let mut policy = world.policy.clone();
    policy.denied.insert(peer(3));
    world.input(Input::Policy(policy));
    assert_eq!(world.relay.stats().channels, 0);
    let released = |event: &_| matches!(event, crate::relay::proto::server::Event::Released { peer: who, reason: Release::Excluded } if *who == peer(3));
    assert!(world.events.iter().any(released));
    assert!(world.relay.reserved_until(&peer(2)).is_some());
    assert_eq!(
        world.refused_with(kept.caller.0, kept.caller.1),
        Some(Refusal::NotAllowed)
    );
    world.end();
}

/// Checks .
#[test]
fn refusals_are_counted_by_code() {
    let mut world = World::new(|config| config.limits.reservations = 1);
    let (one, two) = (world.up(1), world.up(2));
    world.reserve(one).unwrap();
    world.reserve(two).unwrap_err();
    world.connect(one, peer(2));
    let stats = world.relay.stats();
    let counted = [Refusal::Full, Refusal::NoReservation];
    for (reason, count) in stats.refusals.iter() {
        assert_eq!(count, u64::from(counted.contains(&reason)), "{reason:?}");
    }
    world.end();
}
