//! Answers of the table as the interface tells them.

use dchat_kademlia::Key;
use dchat_transport::DhtError;
use dchat_transport::dht::{self, TableNode};
use dchat_wire::hash::dht_key;
use dchat_wire::{Address, PeerId};

use super::record;
use crate::api::{
    ApiError, DhtEffort, DhtFound, DhtNode, DhtRecords, DhtRefused, ErrorKind, RecordKind,
};
use crate::node::convert::hex;

/// The key that was typed: 64 hexadecimal digits, or what stands for it.
///
/// # Errors
/// [`ErrorKind::Usage`] says what would be one.
pub(super) fn key(target: &str, of: RecordKind) -> Result<Key, ApiError> {
    if let Some(key) = digits(target) {
        return Ok(Key(key));
    }
    let number = record::number(of);
    let wrong = |what: &str| {
        ApiError::new(
            ErrorKind::Usage,
            format!("'{target}' is neither a key of 64 hexadecimal digits nor {what}."),
        )
    };
    let name = match of {
        RecordKind::Service => target.as_bytes().to_vec(),
        RecordKind::Relay => {
            let shard = target.parse().ok();
            let shard = shard.filter(|shard| *shard < dchat_wire::limits::RELAY_SHARDS);
            vec![shard.ok_or_else(|| wrong("a number of relays, from 0 to 3"))?]
        }
        RecordKind::Address | RecordKind::Device | RecordKind::Mailbox => {
            let peer: PeerId = target.parse().map_err(|_| wrong("a PeerId (12D3KooW…)"))?;
            peer.public_key().to_vec()
        }
    };
    Ok(Key(dht_key(number, &name)))
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

pub(super) fn found(key: Key, found: &dht::Found) -> DhtFound {
    DhtFound {
        key: hex(&key.0),
        nodes: found.nodes.iter().map(node).collect(),
        effort: effort(&found.effort, &found.evidence),
    }
}

pub(super) fn records(key: Key, of: RecordKind, got: &dht::Got, now: u64) -> DhtRecords {
    let records = got.records.iter();
    DhtRecords {
        key: hex(&key.0),
        kind: of,
        records: records
            .filter_map(|one| record::shown(one, of, now))
            .collect(),
        effort: effort(&got.effort, &got.evidence),
    }
}

pub(super) fn refused(put: &dht::Put) -> Vec<DhtRefused> {
    let each = put.refused.iter();
    each.map(|(reason, nodes)| DhtRefused {
        reason: reason.text().to_owned(),
        nodes: (*nodes).into(),
    })
    .collect()
}

fn node(node: &TableNode) -> DhtNode {
    DhtNode {
        peer_id: node.peer.to_string(),
        position: hex(&node.at.0),
        addr: Address::direct(node.socket).of(node.peer).to_string(),
    }
}

fn effort(effort: &dht::Effort, evidence: &dht::Evidence) -> DhtEffort {
    DhtEffort {
        complete: effort.complete,
        hops: effort.hops.into(),
        calls: effort.calls.into(),
        took_ms: millis(effort.took),
        paths: evidence.paths.into(),
        paths_agreed: evidence.paths_agreed.into(),
        subnets: evidence.subnets.into(),
        density_ratio: evidence.density,
        size_estimate: count(evidence.size),
        conflicts: evidence.conflicts.len() as u64,
    }
}

/// Milliseconds, with three digits after the point.
pub(super) fn millis(time: core::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// An estimate as a number of nodes.
pub(super) fn count(size: f64) -> u64 {
    // Saturates; no estimate is negative.
    size.round() as u64
}

/// Why the table was not asked, for a person.
pub(super) fn failed(error: &DhtError) -> ApiError {
    ApiError::new(ErrorKind::Unreachable, format!("{error}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use dchat_wire::record::kind;

    use super::*;

    const PEER: &str = "12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD";

    #[test]
    fn what_is_typed_leads_to_a_key() {
        let peer: PeerId = PEER.parse().unwrap();
        let address = key(PEER, RecordKind::Address).unwrap();
        assert_eq!(address, Key(dht_key(kind::ADDRESS, peer.public_key())));
        assert_ne!(key(PEER, RecordKind::Device).unwrap(), address);
        let digits = "0f".repeat(32);
        assert_eq!(key(&digits, RecordKind::Relay).unwrap(), Key([15; 32]));
        let chess = dht_key(kind::SERVICE, b"chess");
        assert_eq!(key("chess", RecordKind::Service).unwrap(), Key(chess));
        let shard = dht_key(kind::RELAY, &[3]);
        assert_eq!(key("3", RecordKind::Relay).unwrap(), Key(shard));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for (target, of) in [
            ("", RecordKind::Address),
            ("Bob", RecordKind::Device),
            ("4", RecordKind::Relay),
            (&"0g".repeat(32), RecordKind::Mailbox),
            (&"é".repeat(32), RecordKind::Address),
        ] {
            let error = key(target, of).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage, "{target}");
        }
    }

    #[test]
    fn an_estimate_that_is_none_is_zero() {
        assert_eq!((count(f64::NAN), count(-1.0), count(12.6)), (0, 0, 13));
    }
}
