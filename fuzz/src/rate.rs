//! How fast parsers are: not a target but a measurement, without a sanitizer.
//!
//! Each parser runs over whole inputs and over each of them cut or with one bit changed, so that it
//! both accepts and refuses; an execution is one call.

use std::hint::black_box;
use std::time::{Duration, Instant};

use dchat_nat::stun;
use dchat_transport::tls::peer_of;
use dchat_wire::invite::Invite;
use dchat_wire::nat::reach_datagram;
use dchat_wire::parcel::Parcel;
use dchat_wire::probe::Probe;
use dchat_wire::relay::datagram::Datagram;
use dchat_wire::{Address, Frame, FrameReader, PeerId, decode};
use rustls_pki_types::CertificateDer;

use crate::bodies::for_every_body;
use crate::{gossip, samples, seeds};

/// What one parser did.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The parser.
    pub name: String,
    /// Executions in a second on one core.
    pub per_second: f64,
    /// Bytes of an input, on average.
    pub bytes: f64,
    /// How many of the inputs were accepted, of 1.
    pub accepted: f64,
}

/// A parser over its inputs: whether it accepts.
type Parser = Box<dyn Fn(&[u8]) -> bool>;

/// Measures every parser for about `each`.
#[must_use]
pub fn rates(each: Duration) -> Vec<Rate> {
    parsers()
        .into_iter()
        .map(|(name, inputs, parser)| rate(name, &inputs, &parser, each))
        .collect()
}

fn rate(name: String, inputs: &[Vec<u8>], parser: &Parser, each: Duration) -> Rate {
    let inputs = varied(inputs);
    let accepted = inputs.iter().filter(|input| parser(input)).count();
    let (mut executions, start) = (0_u64, Instant::now());
    while start.elapsed() < each {
        for input in &inputs {
            black_box(parser(black_box(input)));
        }
        executions += inputs.len() as u64;
    }
    let count = inputs.len() as f64;
    Rate {
        name,
        per_second: executions as f64 / start.elapsed().as_secs_f64(),
        bytes: inputs.iter().map(Vec::len).sum::<usize>() as f64 / count,
        accepted: accepted as f64 / count,
    }
}

/// The inputs, each also cut by its last byte, and with one of six bits changed.
fn varied(inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let changed = |input: &[u8], nth: usize| {
        let mut input = input.to_vec();
        let bits = input.len() * 8;
        if let Some(at) = (nth * 7919).checked_rem(bits) {
            input[at / 8] ^= 1 << (at % 8);
        }
        input
    };
    let cut = |input: &[u8]| input[..input.len().saturating_sub(1)].to_vec();
    inputs
        .iter()
        .flat_map(|input| {
            let changed = (1..7).map(|nth| changed(input, nth));
            [input.clone(), cut(input)].into_iter().chain(changed)
        })
        .collect()
}

fn parsers() -> Vec<(String, Vec<Vec<u8>>, Parser)> {
    let of = |target: &'static str, skipped: usize| -> Vec<Vec<u8>> {
        seeds()
            .into_iter()
            .filter(|seed| seed.target == target)
            .map(|seed| seed.bytes.get(skipped..).unwrap_or_default().to_vec())
            .collect()
    };
    let texts = |wanted: fn(&str) -> bool| -> Vec<Vec<u8>> {
        of("address_invite", 0)
            .into_iter()
            .filter(|bytes| core::str::from_utf8(bytes).is_ok_and(wanted))
            .collect()
    };
    let text = |parse: fn(&str) -> bool| -> Parser {
        Box::new(move |bytes| core::str::from_utf8(bytes).is_ok_and(parse))
    };
    let (ours, _) = samples::probe_keys();
    let mut parsers: Vec<(String, Vec<Vec<u8>>, Parser)> = vec![
        (
            "stream of frames".to_owned(),
            [samples::frames(), gossip::frames()]
                .concat()
                .iter()
                .map(Frame::to_bytes)
                .collect(),
            Box::new(frames),
        ),
        (
            "sealed parcel".to_owned(),
            samples::parcel().seal().into_iter().collect(),
            Box::new(|bytes| Parcel::open(bytes).is_ok()),
        ),
        (
            "address in text".to_owned(),
            texts(|text| text.starts_with("/ip")),
            text(|text| text.parse::<Address>().is_ok()),
        ),
        (
            "PeerId in text".to_owned(),
            vec![samples::invite().peer.to_string().into_bytes()],
            text(|text| text.parse::<PeerId>().is_ok()),
        ),
        (
            "invite link".to_owned(),
            texts(|text| text.starts_with("dchat:")),
            text(|text| text.parse::<Invite>().is_ok()),
        ),
        (
            "certificate".to_owned(),
            of("certificate", 0),
            Box::new(|bytes| peer_of(&CertificateDer::from(bytes), &[]).is_ok()),
        ),
        (
            "STUN message".to_owned(),
            of("stun", 13),
            Box::new(|bytes| stun::decode(bytes).is_ok()),
        ),
        (
            "relay datagram".to_owned(),
            of("relay_datagram", 4),
            Box::new(|bytes| Datagram::open(bytes).is_some()),
        ),
        (
            "REACH datagram".to_owned(),
            vec![reach_datagram::seal(&[7; 16]).to_vec()],
            Box::new(|bytes| reach_datagram::open(bytes).is_some()),
        ),
        (
            "path probe".to_owned(),
            of("probe", 0),
            Box::new(move |bytes| Probe::open(&ours, bytes).is_ok()),
        ),
    ];
    macro_rules! body {
        ($body:ty) => {
            let name = <$body as dchat_wire::codec::Body>::NAME;
            let inputs = samples::encoded_bodies()
                .into_iter()
                .filter(|(sample, _)| *sample == name)
                .map(|(_, bytes)| bytes);
            parsers.push((
                format!("body {name}"),
                inputs.collect(),
                Box::new(|bytes| decode::<$body>(bytes).is_ok()),
            ));
        };
    }
    for_every_body!(body);
    parsers
}

fn frames(mut stream: &[u8]) -> bool {
    let mut reader = FrameReader::new();
    loop {
        match reader.read(&mut stream) {
            Ok(Some(frame)) => drop(black_box(frame)),
            Ok(None) => return reader.is_between_frames(),
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{parsers, varied};

    #[test]
    fn every_parser_accepts_some_inputs_and_refuses_others() {
        for (name, inputs, parser) in parsers() {
            let inputs = varied(&inputs);
            assert!(
                inputs.iter().any(|input| parser(input)),
                "{name} accepts nothing"
            );
            let refuses = inputs.iter().any(|input| !parser(input));
            assert!(refuses, "{name} refuses nothing");
        }
    }
}
