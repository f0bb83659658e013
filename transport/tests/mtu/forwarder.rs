//! The production relay, told of a channel between its two connections without their asking.

use std::net::Ipv4Addr;
use std::time::Instant;

use bytes::Bytes;
use dchat_transport::path::VirtualAddress;
use dchat_transport::relay::proto::server::{Config, Input, Output, Relay};
use dchat_transport::relay::proto::{ConnId, StreamId};
use dchat_wire::Frame;
use dchat_wire::relay::{RelayAccept, RelayConnect, RelayReserve};
use dchat_wire::sign::Identity;

const UNIX_MS: u64 = 1_800_000_000_000;
/// Links of this world have no queues.
const ROOM: usize = 1 << 30;

pub fn identity() -> Identity {
    Identity::from_seed(&[9; 32])
}

/// A relay and its two connections, numbered in their order.
pub struct Forwarder {
    relay: Relay,
    conns: Vec<VirtualAddress>,
    largest: Vec<usize>,
}

impl Forwarder {
    pub fn new(now: Instant) -> Self {
        Self {
            relay: Relay::new(Config::new(identity()), now),
            conns: Vec::new(),
            largest: Vec::new(),
        }
    }

    /// Opens a channel from the first of these to the second. Its number at either.
    pub fn open(&mut self, conns: [VirtualAddress; 2], now: Instant) -> [u32; 2] {
        self.conns = conns.to_vec();
        self.largest = vec![0; 2];
        let peers = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).peer_id());
        for (number, peer) in (0..).zip(peers) {
            let up = Input::Up {
                conn: ConnId(number),
                peer,
                ip: Ipv4Addr::new(203, 0, 113, number as u8).into(),
                largest: 0,
            };
            self.relay.handle_input(up, now);
        }
        let extensions = Default::default;
        let reserve = Frame::RelayReserve(RelayReserve {
            lifetime_s: 3600,
            extensions: extensions(),
        });
        self.say(1, StreamId::theirs(0), reserve, now);
        let connect = Frame::RelayConnect(RelayConnect {
            peer: peers[1],
            extensions: extensions(),
        });
        self.say(0, StreamId::theirs(0), connect, now);
        let mut channels = [0; 2];
        let mut asked = None;
        while let Some(output) = self.relay.poll_output() {
            if let Output::Open { stream, frame, .. } = output {
                let Frame::RelayIncoming(incoming) = *frame else {
                    panic!("{frame:?}");
                };
                (asked, channels[1]) = (Some(stream), incoming.channel);
            }
        }
        let accept = Frame::RelayAccept(RelayAccept {
            extensions: extensions(),
        });
        self.say(1, asked.expect("it asks"), accept, now);
        while let Some(output) = self.relay.poll_output() {
            if let Output::Write { frame, .. } = output
                && let Frame::RelayOpened(opened) = *frame
            {
                channels[0] = opened.channel;
            }
        }
        channels
    }

    fn say(&mut self, conn: u64, stream: StreamId, frame: Frame, now: Instant) {
        let frame = Input::Frame {
            conn: ConnId(conn),
            stream,
            frame,
            unix_ms: UNIX_MS,
        };
        self.relay.handle_input(frame, now);
    }

    /// What comes of a datagram; `largest` says what a connection takes.
    pub fn forward(
        &mut self,
        from: VirtualAddress,
        datagram: Bytes,
        mut largest: impl FnMut(VirtualAddress) -> usize,
        now: Instant,
    ) -> Vec<(VirtualAddress, Bytes)> {
        for (number, virt) in (0..).zip(self.conns.clone()) {
            let (conn, bytes) = (ConnId(number), largest(virt));
            if std::mem::replace(&mut self.largest[number as usize], bytes) != bytes {
                self.relay.handle_input(Input::Largest { conn, bytes }, now);
            }
            self.relay
                .handle_input(Input::Room { conn, bytes: ROOM }, now);
        }
        let Some(number) = self.conns.iter().position(|virt| *virt == from) else {
            return Vec::new();
        };
        let conn = ConnId(number as u64);
        self.relay
            .handle_input(Input::Datagram { conn, datagram }, now);
        let outputs = std::iter::from_fn(|| self.relay.poll_output());
        let outputs: Vec<Output> = outputs.collect();
        let transmits = outputs.into_iter().filter_map(|output| match output {
            Output::Transmit { conn, datagram } => Some((self.conns[conn.0 as usize], datagram)),
            _ => None,
        });
        transmits.collect()
    }
}
