//! The distributed hash table for a person.

use crate::api::{
    DhtEffort, DhtFound, DhtMode, DhtRecords, DhtStat, DhtStatus, DhtStored, RecordKind,
};
use crate::text;

/// From here on nodes near a key are denser than chance makes them: the nearest twenty of a random
/// network are in fewer than one place of ten thousand.
const CROWDED: f64 = 3.0;

/// `serving others; 31 nodes known of about 120`.
#[must_use]
pub(crate) fn dht_status(status: &DhtStatus) -> String {
    let mode = match status.mode {
        DhtMode::Off => return "off".to_owned(),
        DhtMode::Alone => return "on, but no other node is known; see --bootstrap".to_owned(),
        DhtMode::Client => "asking others, not serving",
        DhtMode::Server => "serving others",
    };
    format!(
        "{mode}; {} known of about {}",
        counted(status.nodes, "node"),
        status.size_estimate
    )
}

/// One line a finding.
#[must_use]
pub(crate) fn dht_stat(stat: &DhtStat) -> Vec<String> {
    let none = || "none".to_owned();
    let mut lines = vec![
        format!("table      {}", dht_status(&stat.status)),
        format!(
            "position   {}",
            stat.status
                .position
                .as_deref()
                .map_or_else(none, text::line)
        ),
        format!(
            "puzzle     {} bits, nonce {}",
            stat.difficulty,
            stat.nonce.as_deref().map_or_else(none, text::line)
        ),
        format!(
            "siblings   {}, and {} of the table's own",
            stat.siblings,
            counted(stat.connections, "connection")
        ),
        format!(
            "keeps      {} of others, {} bytes",
            counted(stat.records, "record"),
            stat.record_bytes
        ),
        format!("remembers  {}", counted(stat.remembered, "node")),
    ];
    for own in &stat.published {
        lines.push(format!(
            "published  {} at {}, until {}{}",
            kind_word(own.kind),
            counted(own.stored, "node"),
            text::line(&own.expires_at),
            listed(&own.addresses)
        ));
    }
    lines
}

/// The nodes, then what they cost.
#[must_use]
pub(crate) fn dht_found(found: &DhtFound) -> Vec<String> {
    let mut lines: Vec<String> = found
        .nodes
        .iter()
        .map(|node| {
            let position: String = node.position.chars().take(16).collect();
            format!("{}…  {}", text::line(&position), text::line(&node.addr))
        })
        .collect();
    lines.push(effort(found.nodes.len(), "node", &found.effort));
    lines
}

/// The records, then what they cost.
#[must_use]
pub(crate) fn dht_records(found: &DhtRecords) -> Vec<String> {
    let mut lines: Vec<String> = found
        .records
        .iter()
        .map(|record| {
            format!(
                "{} of {}, number {}, until {}{}",
                kind_word(record.kind),
                text::line(&record.signer),
                record.sequence,
                text::line(&record.expires_at),
                listed(&record.addresses)
            )
        })
        .collect();
    lines.push(effort(found.records.len(), "record", &found.effort));
    lines
}

/// Where it went.
#[must_use]
pub(crate) fn dht_stored(stored: &DhtStored) -> Vec<String> {
    let mut lines = vec![format!(
        "{} at {} in {:.0} ms, until {}{}",
        kind_word(stored.kind),
        counted(stored.stored, "node"),
        stored.took_ms,
        text::line(&stored.expires_at),
        listed(&stored.addresses)
    )];
    for refused in &stored.refused {
        lines.push(format!(
            "not at {}: {}",
            counted(refused.nodes, "node"),
            text::line(&refused.reason)
        ));
    }
    lines
}

fn effort(count: usize, what: &str, effort: &DhtEffort) -> String {
    let mut line = format!("{} in {:.0} ms", counted(count, what), effort.took_ms);
    if !effort.complete {
        line.push_str(", before the time was over");
    }
    line.push_str(&format!(
        ": {}, {}, {} of {} paths agree, {}; about {} in all",
        counted(effort.calls, "question"),
        counted(effort.hops, "hop"),
        effort.paths_agreed,
        effort.paths,
        counted(effort.subnets, "subnet"),
        counted(effort.size_estimate, "node"),
    ));
    if effort.density_ratio >= CROWDED {
        line.push_str(&format!(
            "; nodes lie {:.1} times as dense here as that explains: somebody may crowd this key",
            effort.density_ratio
        ));
    }
    if effort.conflicts > 0 {
        line.push_str(&format!(
            "; {} contradicts itself",
            counted(effort.conflicts, "signer")
        ));
    }
    line
}

/// `1 node`, `2 nodes`.
fn counted(count: impl TryInto<u64>, what: &str) -> String {
    match count.try_into() {
        Ok(1) => format!("1 {what}"),
        Ok(count) => format!("{count} {what}s"),
        Err(_) => format!("very many {what}s"),
    }
}

fn listed(addresses: &[String]) -> String {
    let each = addresses.iter();
    each.map(|address| format!("\n  {}", text::line(address)))
        .collect()
}

fn kind_word(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Address => "address",
        RecordKind::Device => "device",
        RecordKind::Relay => "relay",
        RecordKind::Service => "service",
        RecordKind::Mailbox => "mailbox",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DhtNode, DhtPublished, DhtRecord, DhtRefused};

    const BAD: &str = "\u{1b}[2J\u{9b}";

    #[test]
    fn nothing_that_others_wrote_controls_the_terminal() {
        let bad = || BAD.to_owned();
        let effort = DhtEffort {
            conflicts: 1,
            ..DhtEffort::default()
        };
        let found = DhtFound {
            key: bad(),
            nodes: vec![DhtNode {
                peer_id: bad(),
                position: bad(),
                addr: bad(),
            }],
            effort: effort.clone(),
        };
        let records = DhtRecords {
            key: bad(),
            kind: RecordKind::Address,
            records: vec![DhtRecord {
                kind: RecordKind::Service,
                signer: bad(),
                sequence: 1,
                issued_at: bad(),
                expires_at: bad(),
                addresses: vec![bad()],
            }],
            effort,
        };
        let stored = DhtStored {
            key: bad(),
            kind: RecordKind::Address,
            sequence: 1,
            expires_at: bad(),
            addresses: vec![bad()],
            stored: 1,
            refused: vec![DhtRefused {
                reason: bad(),
                nodes: 2,
            }],
            took_ms: 1.0,
        };
        let stat = DhtStat {
            status: DhtStatus {
                mode: DhtMode::Server,
                position: Some(bad()),
                ..DhtStatus::default()
            },
            nonce: Some(bad()),
            published: vec![DhtPublished {
                kind: RecordKind::Address,
                key: bad(),
                sequence: 1,
                stored: 1,
                put_at: bad(),
                expires_at: bad(),
                addresses: vec![bad()],
            }],
            ..DhtStat::default()
        };
        let lines = [
            dht_found(&found),
            dht_records(&records),
            dht_stored(&stored),
            dht_stat(&stat),
        ];
        for line in lines.concat() {
            let line = line.replace("\n  ", "");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_node_that_knows_nobody_says_what_to_do() {
        let alone = DhtStatus {
            mode: DhtMode::Alone,
            ..DhtStatus::default()
        };
        assert!(dht_status(&alone).contains("--bootstrap"));
        assert_eq!(dht_status(&DhtStatus::default()), "off");
    }
}
