//! Port-mapping leases against gateways that behave, restart, lie and hang.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and begin at any time"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::lease::{Config, Failure, Grant, Input, Lease, Output, Refusal, State};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn inside() -> SocketAddr {
    "192.168.1.10:4001".parse().unwrap()
}

fn outside() -> IpAddr {
    "203.0.113.5".parse().unwrap()
}

fn grant() -> Grant {
    Grant {
        internal: 4001,
        port: 4001,
        address: Some(outside()),
        lifetime: HOUR,
        epoch: None,
    }
}

const MAPPED: fn() -> State = || State::Mapped {
    port: 4001,
    external: Some(SocketAddr::new(outside(), 4001)),
    behind: false,
};

struct Lab {
    lease: Lease,
    start: Instant,
    now: Instant,
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    number: u32,
    suggested: u16,
}

impl Lab {
    fn new() -> Self {
        let now = Instant::now();
        let mut lab = Self {
            lease: Lease::new(Config::default(), [1; 32]),
            start: now,
            now,
        };
        lab.input(Input::Wanted(inside()));
        lab
    }

    fn input(&mut self, input: Input) {
        self.lease.handle_input(input, self.now);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.lease.poll_output()).collect()
    }

    /// The one request among the outputs.
    fn asked(&mut self) -> Asked {
        let requests: Vec<Asked> = self
            .outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Request {
                    number, suggested, ..
                } => Some(Asked { number, suggested }),
                _ => None,
            })
            .collect();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    fn grants(&mut self, grant: Grant) {
        let number = self.asked().number;
        self.input(Input::Granted(number, grant));
    }

    /// To the next timeout; how long that took.
    fn wait(&mut self) -> Duration {
        let before = self.now;
        self.now = self.lease.poll_timeout().unwrap();
        self.lease.handle_timeout(self.now);
        self.now - before
    }

    fn state(&self) -> State {
        self.lease.state()
    }
}

#[test]
fn a_mapping_is_asked_for_at_once_with_its_own_port_suggested() {
    let mut lab = Lab::new();
    assert_eq!(lab.state(), State::Asking);
    assert_eq!(lab.asked().suggested, 4001);
}

#[test]
fn a_granted_mapping_is_told_and_renewed_after_half_to_five_eighths_of_its_life() {
    let mut lab = Lab::new();
    lab.grants(grant());
    assert_eq!(lab.state(), MAPPED());
    assert_eq!(lab.outputs(), [Output::Changed(MAPPED())]);
    let pause = lab.wait();
    assert!((HOUR / 2..=HOUR * 5 / 8).contains(&pause), "{pause:?}");
    assert_eq!(lab.asked().suggested, 4001);
    assert_eq!(lab.state(), MAPPED());
}

#[test]
fn leases_of_different_seeds_are_renewed_at_different_times() {
    let at = |seed| {
        let now = Instant::now();
        let mut lease = Lease::new(Config::default(), [seed; 32]);
        lease.handle_input(Input::Wanted(inside()), now);
        lease.handle_input(Input::Granted(1, grant()), now);
        lease.poll_timeout().unwrap() - now
    };
    assert_ne!(at(1), at(2));
}

#[test]
fn a_private_external_address_is_mapped_but_behind_another_nat() {
    for behind in ["10.1.2.3", "100.64.9.9", "192.168.0.7", "169.254.3.3"] {
        let mut lab = Lab::new();
        lab.grants(Grant {
            address: Some(behind.parse().unwrap()),
            ..grant()
        });
        assert!(
            matches!(lab.state(), State::Mapped { behind: true, .. }),
            "{behind}"
        );
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    let nonsense = [
        (Grant { port: 0, ..grant() }, Failure::PortZero),
        (
            Grant {
                internal: 4002,
                ..grant()
            },
            Failure::OtherInternal,
        ),
        (
            Grant {
                lifetime: Duration::ZERO,
                ..grant()
            },
            Failure::NoTime,
        ),
        (
            Grant {
                address: Some("127.0.0.1".parse().unwrap()),
                ..grant()
            },
            Failure::NoAddress,
        ),
        (
            Grant {
                address: Some("0.0.0.0".parse().unwrap()),
                ..grant()
            },
            Failure::NoAddress,
        ),
        (
            Grant {
                address: Some("239.1.1.1".parse().unwrap()),
                ..grant()
            },
            Failure::NoAddress,
        ),
        (
            Grant {
                address: Some("2001:db8::1".parse().unwrap()),
                ..grant()
            },
            Failure::NoAddress,
        ),
    ];
    for (grant, failure) in nonsense {
        let mut lab = Lab::new();
        lab.grants(grant);
        assert_eq!(lab.state(), State::Failed(failure));
    }
}

#[test]
fn a_gateway_that_hangs_is_asked_more_and_more_rarely() {
    let mut lab = Lab::new();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        lab.asked();
        assert_eq!(lab.wait(), 10 * SECOND);
        assert_eq!(lab.state(), State::Failed(Failure::Silent));
        lab.outputs();
        pauses.push(lab.wait().as_secs());
    }
    for (nth, pause) in pauses.iter().enumerate() {
        let least = (30 << nth).min(1_800);
        assert!(
            (least..=least * 9 / 8).contains(pause),
            "{nth}: {pause} of {pauses:?}"
        );
    }
}

#[test]
fn an_answer_to_an_earlier_request_is_not_taken() {
    let mut lab = Lab::new();
    let first = lab.asked().number;
    lab.wait();
    lab.outputs();
    lab.wait();
    assert_ne!(lab.asked().number, first);
    lab.input(Input::Granted(first, grant()));
    assert_eq!(lab.state(), State::Failed(Failure::Silent));
}

#[test]
fn a_mapping_stands_until_its_end_while_renewals_fail() {
    let mut lab = Lab::new();
    lab.grants(grant());
    let granted = lab.now;
    let mut requests = 0;
    while lab.state() == MAPPED() {
        lab.wait();
        for output in lab.outputs() {
            requests += u32::from(matches!(output, Output::Request { .. }));
        }
    }
    assert_eq!(lab.now - granted, HOUR);
    assert_eq!(lab.state(), State::Failed(Failure::Expired));
    assert!((4..60).contains(&requests), "{requests}");
}

#[test]
fn a_gateway_that_restarted_is_asked_again_at_once_and_the_mapping_stands_meanwhile() {
    let mut lab = Lab::new();
    lab.grants(Grant {
        epoch: Some(10_000),
        ..grant()
    });
    lab.outputs();
    lab.now += 60 * SECOND;
    lab.input(Input::Epoch(10_060));
    assert_eq!(lab.outputs(), []);
    lab.now += 60 * SECOND;
    lab.input(Input::Epoch(3));
    assert_eq!(lab.asked().suggested, 4001);
    assert_eq!(lab.state(), MAPPED());
}

#[test]
fn a_clock_that_runs_much_faster_or_slower_is_a_restart_too() {
    for (seconds, restarted) in [
        (10_600, false),
        (10_563, false),
        (10_640, false),
        (10_500, true),
        (10_800, true),
        (9_000, true),
    ] {
        let mut lab = Lab::new();
        lab.grants(Grant {
            epoch: Some(10_000),
            ..grant()
        });
        lab.outputs();
        lab.now += 600 * SECOND;
        lab.input(Input::Epoch(seconds));
        assert_eq!(!lab.outputs().is_empty(), restarted, "{seconds}");
    }
}

#[test]
fn a_flood_of_restarts_makes_one_request_in_four_seconds() {
    let mut lab = Lab::new();
    lab.grants(Grant {
        epoch: Some(10_000),
        ..grant()
    });
    lab.outputs();
    let mut requests = 0;
    for step in 0..600 {
        lab.now += SECOND / 10;
        let epoch = if step % 2 == 0 { 0 } else { 1_000_000 };
        lab.input(Input::Epoch(epoch));
        lab.lease.handle_timeout(lab.now);
        for output in lab.outputs() {
            requests += u32::from(matches!(output, Output::Request { .. }));
        }
    }
    assert!(requests <= 16, "{requests}");
    assert!(requests >= 10, "{requests}");
}

#[test]
fn a_forgotten_mapping_is_asked_for_again() {
    let mut lab = Lab::new();
    lab.grants(grant());
    lab.outputs();
    lab.now += 60 * SECOND;
    lab.input(Input::Forgotten);
    assert_eq!(lab.asked().suggested, 4001);
}

#[test]
fn a_taken_port_is_given_up_for_any_other_once() {
    let mut lab = Lab::new();
    let number = lab.asked().number;
    lab.now += 5 * SECOND;
    lab.input(Input::Refused(number, Refusal::Taken));
    let second = lab.asked();
    assert_eq!(second.suggested, 0);
    lab.input(Input::Refused(second.number, Refusal::Taken));
    assert_eq!(lab.state(), State::Failed(Failure::Taken));
    assert!(lab.wait() >= 30 * SECOND);
}

#[test]
fn a_gateway_that_knows_no_such_protocol_is_left_alone_for_half_an_hour() {
    for refusal in [Refusal::Unsupported, Refusal::Denied] {
        let mut lab = Lab::new();
        let number = lab.asked().number;
        lab.input(Input::Refused(number, refusal));
        assert!(lab.wait() >= HOUR / 2);
    }
}

#[test]
fn another_network_voids_the_mapping_and_asks_its_gateway() {
    let mut lab = Lab::new();
    lab.grants(grant());
    lab.outputs();
    lab.now += 60 * SECOND;
    lab.input(Input::NetworkChanged);
    assert_eq!(lab.state(), State::Asking);
    lab.asked();
}

#[test]
fn another_local_address_withdraws_the_old_mapping_and_asks_for_the_new() {
    let mut lab = Lab::new();
    lab.grants(grant());
    lab.outputs();
    lab.now += 60 * SECOND;
    let moved: SocketAddr = "192.168.1.11:4001".parse().unwrap();
    lab.input(Input::Wanted(moved));
    let outputs = lab.outputs();
    assert!(outputs.contains(&Output::Withdraw {
        internal: inside(),
        port: 4001
    }));
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Request { internal, .. } if *internal == moved))
    );
}

#[test]
fn shutdown_withdraws_what_is_held_and_ends() {
    let mut lab = Lab::new();
    lab.grants(Grant {
        port: 50_000,
        ..grant()
    });
    lab.outputs();
    lab.input(Input::Shutdown);
    assert_eq!(
        lab.outputs(),
        [
            Output::Withdraw {
                internal: inside(),
                port: 50_000
            },
            Output::Changed(State::Withdrawn)
        ]
    );
    assert_eq!(lab.lease.poll_timeout(), None);
}

#[test]
fn a_grant_that_comes_after_shutdown_is_given_back() {
    let mut lab = Lab::new();
    let number = lab.asked().number;
    lab.input(Input::Shutdown);
    lab.outputs();
    let late = Grant {
        port: 50_000,
        ..grant()
    };
    lab.input(Input::Granted(number, late));
    assert_eq!(
        lab.outputs(),
        [Output::Withdraw {
            internal: inside(),
            port: 50_000
        }]
    );
    lab.input(Input::Granted(number, late));
    assert_eq!(lab.outputs(), []);
}

#[test]
fn a_mapping_without_end_is_renewed_within_a_day() {
    let mut lab = Lab::new();
    lab.grants(Grant {
        lifetime: Duration::MAX,
        ..grant()
    });
    lab.outputs();
    assert!(lab.wait() <= 24 * HOUR);
    lab.asked();
    assert!(lab.now - lab.start <= 24 * HOUR);
}

fn any_input() -> impl Strategy<Value = Input> {
    let any_grant = (
        prop_oneof![Just(4001_u16), any::<u16>()],
        any::<u16>(),
        prop::option::of(any::<[u8; 4]>()),
        0_u64..100_000,
        prop::option::of(any::<u32>()),
    )
        .prop_map(|(internal, port, address, seconds, epoch)| Grant {
            internal,
            port,
            address: address.map(IpAddr::from),
            lifetime: Duration::from_secs(seconds),
            epoch,
        });
    prop_oneof![
        (0_u32..30, any_grant).prop_map(|(number, grant)| Input::Granted(number, grant)),
        (
            0_u32..30,
            prop::sample::select(vec![
                Refusal::Unsupported,
                Refusal::Denied,
                Refusal::Taken,
                Refusal::Busy
            ])
        )
            .prop_map(|(number, refusal)| Input::Refused(number, refusal)),
        any::<u32>().prop_map(Input::Epoch),
        Just(Input::Forgotten),
        Just(Input::NetworkChanged),
        (4000_u16..4003)
            .prop_map(|port| Input::Wanted(SocketAddr::new([192, 168, 1, 10].into(), port))),
    ]
}

proptest! {
    /// Whatever a gateway says, whenever: requests keep their distance, a mapping that is told is one
    /// that can be, and timeouts lie ahead.
    #[test]
    fn no_gateway_makes_it_ask_too_often(
        steps in prop::collection::vec((any_input(), 0_u64..20_000, any::<bool>()), 1..200)
    ) {
        let mut now = Instant::now();
        let mut lease = Lease::new(Config::default(), [3; 32]);
        let mut last: Option<Instant> = None;
        for (input, pause, timely) in steps {
            now += Duration::from_millis(pause);
            if timely {
                lease.handle_timeout(now);
            }
            lease.handle_input(input, now);
            let mut outputs = 0;
            while let Some(output) = lease.poll_output() {
                outputs += 1;
                prop_assert!(outputs < 16);
                match output {
                    Output::Request { .. } => {
                        if let Some(last) = last {
                            prop_assert!(now - last >= Config::default().least);
                        }
                        last = Some(now);
                    }
                    Output::Changed(State::Mapped { port, external, .. }) => {
                        prop_assert_ne!(port, 0);
                        prop_assert!(external.is_none_or(|at| !at.ip().is_loopback()));
                    }
                    Output::Changed(_) | Output::Withdraw { .. } => {}
                }
            }
            lease.handle_timeout(now);
            while let Some(output) = lease.poll_output() {
                if let Output::Request { .. } = output {
                    if let Some(last) = last {
                        prop_assert!(now - last >= Config::default().least);
                    }
                    last = Some(now);
                }
            }
            prop_assert!(lease.poll_timeout().is_none_or(|at| at > now));
        }
    }
}
