use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::time::Instant;

use proptest::prelude::*;
use quinn::udp::RecvMeta;

use crate::path::{Config, Leg, LegId, Switch, VirtualAddress};
use crate::socket::demux::{Held, demux, release};

const PEER: &str = "198.51.100.1:1";
const STRIDE: usize = 100;

fn short(dcid: &[u8; 8], body: u8, len: usize) -> Vec<u8> {
    let mut packet = vec![0x40];
    packet.extend_from_slice(dcid);
    packet.resize(len, body);
    packet
}

/// A switch with two connections to the same peer, under the ids `ours 001` and `ours 002`.
fn switch() -> (Switch, [VirtualAddress; 2]) {
    let bound = "192.0.2.1:4001".parse().unwrap();
    let legs = vec![Leg::Udp { bound, dual: false }];
    let mut switch = Switch::new(Config::default(), legs, [1; 32]);
    let virts = [b"ours 001", b"ours 002"].map(|cid| {
        let virt = switch.dial(LegId(0), PEER.parse().unwrap());
        let mut initial = vec![0xc0, 0, 0, 0, 1, 0, 8];
        initial.extend_from_slice(cid);
        switch.outbound(virt, &initial, initial.len(), Instant::now());
        virt
    });
    (switch, virts)
}

/// What quinn gets of a batch: the segments by virtual address, in the order it gets them.
fn pass(switch: &mut Switch, segments: &[Vec<u8>]) -> Vec<(VirtualAddress, Vec<u8>)> {
    let mut buf: Vec<u8> = segments.concat();
    let mut meta = RecvMeta {
        addr: PEER.parse().unwrap(),
        len: buf.len(),
        stride: STRIDE,
        ecn: None,
        dst_ip: Some("192.0.2.1".parse().unwrap()),
    };
    let mut held: VecDeque<Held> = VecDeque::new();
    demux(
        switch,
        LegId(0),
        &mut buf,
        &mut meta,
        &mut held,
        Instant::now(),
    );
    assert!(meta.stride > 0 && meta.dst_ip.is_none());
    let mut passed = Vec::new();
    let mut take = |meta: &RecvMeta, buf: &[u8]| {
        for segment in buf[..meta.len].chunks(meta.stride) {
            let virt = VirtualAddress::from_socket_addr(meta.addr).unwrap();
            passed.push((virt, segment.to_vec()));
        }
    };
    take(&meta, &buf);
    let mut bufs = vec![vec![0; 2000]; 2];
    loop {
        let mut slices: Vec<_> = bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
        let mut metas = vec![RecvMeta::default(); 2];
        let filled = release(&mut held, &mut slices, &mut metas);
        if filled == 0 {
            return passed;
        }
        for (meta, buf) in metas.iter().zip(&bufs).take(filled) {
            take(meta, buf);
        }
    }
}

#[test]
fn a_batch_of_noise_leaves_nothing() {
    let (mut switch, _) = switch();
    let noise = [vec![0x21; STRIDE], vec![0; STRIDE], vec![0x30; 7]];
    assert_eq!(pass(&mut switch, &noise), []);
    assert_eq!(switch.stats().foreign, 2);
    assert_eq!(switch.stats().probe_unknown, 1);
}

#[test]
fn an_empty_datagram_passes_as_nothing() {
    let (mut switch, _) = switch();
    assert_eq!(pass(&mut switch, &[]), []);
}

proptest! {
    /// What is for quinn arrives whole, once, under the right address, and each connection's in
    /// order; what may be either's arrives under both.
    #[test]
    fn any_mixture_comes_apart_in_order(
        kinds in prop::collection::vec(0..4usize, 1..64),
        last in 10..=STRIDE,
    ) {
        let (mut switch, virts) = switch();
        let count = kinds.len();
        let segments: Vec<Vec<u8>> = kinds.iter().enumerate().map(|(at, kind)| {
            let len = if at + 1 == count { last } else { STRIDE };
            match kind {
                0 => short(b"ours 001", at as u8, len),
                1 => short(b"ours 002", at as u8, len),
                2 => short(b"unknown0", at as u8, len),
                _ => vec![0x22; len],
            }
        }).collect();
        let passed = pass(&mut switch, &segments);
        for (kind, virt) in virts.iter().enumerate() {
            let wanted: Vec<&Vec<u8>> =
                segments.iter().zip(&kinds).filter(|(_, of)| **of == kind || **of == 2).map(|(s, _)| s).collect();
            let got: Vec<&Vec<u8>> =
                passed.iter().filter(|(of, _)| of == virt).map(|(_, s)| s).collect();
            prop_assert_eq!(got, wanted);
        }
    }
}
