//! The parameters of the DHT and of rooms against the defaults of the reference implementation.

use core::time::Duration;
use std::collections::BTreeMap;

use dchat_gossip::config::Wait;
use dchat_gossip::frontier::MAX_LOGS;
use dchat_gossip::round::Pacing;
use dchat_kademlia::Config;
use dchat_kademlia::record::{Placement, RULES};
use dchat_kademlia::store::{Limits, OVERHEAD};

use crate::markdown::{document, table};

/// Names and defaults of the table below a heading of a document.
fn defaults(name: &str, heading: &str) -> BTreeMap<String, String> {
    names_and_defaults(table(name, heading))
}

fn names_and_defaults(rows: Vec<Vec<String>>) -> BTreeMap<String, String> {
    let row = |row: Vec<String>| (row[0].clone(), row[1].clone());
    rows.into_iter().map(row).collect()
}

fn is(heading: &str, known: &[(&str, String)]) {
    let listed = defaults("70-dht", heading);
    for (name, value) in known {
        assert_eq!(listed.get(*name), Some(value), "{heading}: {name}");
    }
    assert_eq!(listed.len(), known.len(), "{heading}");
}

/// In the largest unit of which it is a whole number.
fn time(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        _ if ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}

fn times((least, most): (Duration, Duration)) -> String {
    format!("{}, {}", time(least), time(most))
}

fn rates((per_second, burst): (u16, u16)) -> String {
    format!("{per_second}, {burst}")
}

#[test]
fn of_contacts() {
    let config = Config::default();
    let wide: Vec<String> = config.wide.iter().map(u8::to_string).collect();
    is(
        "### 3.7 Parameters",
        &[
            ("k", config.k.to_string()),
            ("wide", wide.join(", ")),
            ("spares", config.spares.to_string()),
            ("siblings", config.siblings.to_string()),
            ("subnet_table", config.subnet_table.to_string()),
            ("subnet_bucket", config.subnet_bucket.to_string()),
            ("subnet_siblings", config.subnet_siblings.to_string()),
            ("ping_sibling", time(config.ping_sibling)),
            ("ping_far", time(config.ping_far)),
            ("ping_bounds", times(config.ping_bounds)),
            ("sibling_refresh", times(config.sibling_refresh)),
            ("bucket_refresh", time(config.bucket_refresh)),
            ("fill", config.fill.to_string()),
            ("revive", time(config.revive)),
            ("lost", config.lost.to_string()),
            ("budget_bytes_per_s", config.budget_bytes_per_s.to_string()),
        ],
    );
}

#[test]
fn of_lookups_and_answers() {
    let config = Config::default();
    is(
        "### 4.5 How much",
        &[
            ("asker_rate", rates(config.asker_rate)),
            ("subnet_rate", rates(config.subnet_rate)),
        ],
    );
    is(
        "### 5.8 Parameters",
        &[
            ("alpha", config.alpha.to_string()),
            ("paths", config.paths.to_string()),
            ("soft", time(config.soft)),
            ("hard", time(config.hard)),
            ("deadline", time(config.deadline)),
            ("quorum", config.quorum.to_string()),
            ("region", config.region.to_string()),
            ("odd", config.odd.to_string()),
            ("subnet_lookup", config.subnet_lookup.to_string()),
            ("in_flight", config.in_flight.to_string()),
            ("searches", config.searches.to_string()),
            ("queued", config.queued.to_string()),
        ],
    );
}

#[test]
fn of_stores() {
    let limits = Limits::default();
    is(
        "### 7.3 Bounds",
        &[
            ("bytes", limits.bytes.to_string()),
            ("far_bytes", limits.far_bytes.to_string()),
            ("far_seconds", limits.far_seconds.to_string()),
            ("writer_records", limits.writer_records.to_string()),
            ("writer_bytes", limits.writer_bytes.to_string()),
            ("subnet_records", limits.subnet_records.to_string()),
            ("subnet_bytes", limits.subnet_bytes.to_string()),
            ("topic_subnet", limits.topic_subnet.to_string()),
            ("burst", limits.burst.to_string()),
            ("per_second", limits.per_second.to_string()),
        ],
    );
    let around = format!("each with {} bytes beside its body", OVERHEAD + 64);
    assert!(document("70-dht").text().contains(&around), "{around}");
}

#[test]
fn of_kinds() {
    let rows = table("70-dht", "### 6.1 Kinds");
    assert_eq!(rows.len(), RULES.len());
    for (row, rule) in rows.iter().zip(RULES) {
        let (kind, _) = row[0].split_once(' ').unwrap();
        assert_eq!(kind, rule.kind.to_string());
        assert_eq!(row[1] == "signer", rule.placement == Placement::Signer);
        let numbers = [
            rule.payload.to_string(),
            rule.body.to_string(),
            rule.per_key.to_string(),
            rule.eighths.to_string(),
        ];
        assert_eq!(row[2..], numbers, "{kind}");
    }
}

#[test]
fn of_rooms() {
    let config = dchat_gossip::Config::default();
    let wait = |Wait(least, most): Wait| times((least, most));
    let pacing = match config.pacing {
        Pacing::Adaptive {
            least,
            most,
            enough,
        } => format!("{}, {}, {enough}", time(least), time(most)),
        other => panic!("{other:?}"),
    };
    let (listed, fixed): (Vec<_>, Vec<_>) = table("80-gossip", "## 10. Parameters")
        .into_iter()
        .partition(|row| ["links", "rounds", "spreading"].contains(&row[2].as_str()));
    let listed = names_and_defaults(listed);
    let known = [
        ("degree", config.degree.to_string()),
        ("spare", config.spare.to_string()),
        ("trim_after", time(config.trim_after)),
        ("open_timeout", time(config.open_timeout)),
        ("shuffle_every", time(config.shuffle_every)),
        ("mix_every", time(config.mix_every)),
        ("heal_every", time(config.heal_every)),
        ("pacing", pacing),
        ("sketch_gap", time(config.sketch_gap)),
        ("session_timeout", time(config.session_timeout)),
        ("settled", time(config.settled)),
        ("announce_calm", wait(config.announce_calm)),
        ("announce_late", wait(config.announce_late)),
        ("announce_hasty", wait(config.announce_hasty)),
        ("announce_cold", wait(config.announce_cold)),
        ("announce_to", config.announce_to.to_string()),
        ("patience", time(config.patience)),
        ("patience_late", time(config.patience_late)),
        ("pull_margin", time(config.pull_margin)),
        ("first_rtt", time(config.first_rtt)),
        ("better_by", time(config.better_by)),
        ("better_one_in", config.better_one_in.to_string()),
    ];
    for (name, value) in &known {
        assert_eq!(listed.get(*name), Some(value), "{name}");
    }
    assert_eq!(listed.len(), known.len());
    // What else stands there cannot be set.
    assert!(
        fixed
            .iter()
            .all(|row| ["bounds", "judging"].contains(&row[2].as_str()))
    );
    let logs = names_and_defaults(fixed).remove("logs");
    assert_eq!(logs, Some(MAX_LOGS.to_string()));
    let window = format!("items are kept: {} in a room", time(config.window.0));
    assert!(document("80-gossip").text().contains(&window), "{window}");
}
