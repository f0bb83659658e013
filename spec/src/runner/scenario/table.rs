//! Nodes of a hash table around the implementation (`70-dht`). Nobody names them to it but themselves.

use core::time::Duration;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::bodies::dht;
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::cases::dht::{at_server, find};
use super::super::link::Link;
use super::super::partner::Partner;
use super::host::{Host, Shared};

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::positive(
            "table/named",
            "nodes that say they serve and answer are named to others, nearest first",
            &["DC-DHT-010", "DC-DHT-018", "DC-DHT-009"],
            named,
        )
        .takes(5),
        Case::positive(
            "table/known-and-asker-left-out",
            "neither who asks is named, nor whom it knows",
            &["DC-DHT-018"],
            left_out,
        )
        .takes(5),
        Case::negative(
            "table/silent-not-named",
            "a node that says it serves and answers no question is named to nobody",
            &["DC-DHT-010", "DC-DHT-013"],
            silent,
        )
        .takes(5),
        Case::negative(
            "table/gone-not-named",
            "a node that closes with DONE is named no more",
            &["DC-DHT-011", "DC-DHT-013"],
            gone,
        )
        .takes(5),
    ];
    let of_dht = |case: Case| case.profile(Profile::Dht);
    cases.into_iter().map(of_dht).collect()
}

/// Between two looks at what a node names: its table changes by itself.
const LOOK: Duration = Duration::from_millis(200);

/// Hosts that have said that they serve.
async fn hosts(
    partner: &Partner,
    shared: &Arc<Shared>,
    count: usize,
) -> Result<(Vec<Host>, Vec<Arc<Link>>), Fault> {
    let (mut hosts, mut links) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let host = Host::new(partner, shared, false)?;
        links.push(host.joins(partner).await?);
        hosts.push(host);
    }
    Ok((hosts, links))
}

/// Asks until the answer is what it is to be; then it.
async fn until(
    partner: &Partner,
    link: &Link,
    target: &[u8; 32],
    what: &str,
    wanted: impl Fn(&[[u8; 32]]) -> bool,
) -> Result<Vec<[u8; 32]>, Fault> {
    let deadline = Instant::now() + partner.subject.patience;
    let mut last = Vec::new();
    while Instant::now() < deadline {
        let found = find(link, target, 20, &[]).await?;
        last = found.nodes.as_slice().iter().map(|node| node.key).collect();
        if wanted(&last) {
            return Ok(last);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Fault::new(what, format!("{} other nodes", last.len())))
}

async fn all_named(partner: &Partner, link: &Link, hosts: &[Host]) -> Outcome {
    for host in hosts {
        let me = host.me.public();
        let what = "a node that serves and answers to be named";
        let names = until(partner, link, &host.position, what, |names| {
            names.contains(&me)
        })
        .await?;
        let seen = "another node";
        expect(names.first() == Some(&me), "the nearest node first", seen)?;
    }
    Ok(())
}

async fn named(partner: Partner) -> Outcome {
    let asker = at_server(&partner, &partner.identity()).await?;
    let shared = Arc::new(Shared::default());
    let (hosts, _links) = hosts(&partner, &shared, 5).await?;
    all_named(&partner, &asker, &hosts).await
}

async fn left_out(partner: Partner) -> Outcome {
    let asker = at_server(&partner, &partner.identity()).await?;
    let shared = Arc::new(Shared::default());
    let (hosts, links) = hosts(&partner, &shared, 3).await?;
    all_named(&partner, &asker, &hosts).await?;
    let [one, other, _] = hosts.as_slice() else {
        return Err(Fault::unsupported("the runner itself failed"));
    };
    let tail = dht::tail(&other.position);
    let found = find(&asker, &other.position, 20, &[tail]).await?;
    let named = |key: &[u8; 32], nodes: &dchat_wire::dht::DhtNodes| {
        nodes.nodes.as_slice().iter().any(|node| node.key == *key)
    };
    let seen = "it is named";
    expect(
        !named(&other.me.public(), &found),
        "whom the asker knows to be left out",
        seen,
    )?;
    let found = find(&links[0], &one.position, 20, &[]).await?;
    expect(
        !named(&one.me.public(), &found),
        "the asker to be left out",
        seen,
    )
}

async fn silent(partner: Partner) -> Outcome {
    let asker = at_server(&partner, &partner.identity()).await?;
    let shared = Arc::new(Shared::default());
    let mute = Host::new(&partner, &shared, true)?;
    let _link = mute.joins(&partner).await?;
    let (hosts, _links) = hosts(&partner, &shared, 2).await?;
    all_named(&partner, &asker, &hosts).await?;
    let found = find(&asker, &mute.position, 20, &[]).await?;
    let me = mute.me.public();
    let is_named = found.nodes.as_slice().iter().any(|node| node.key == me);
    let was_asked = shared.asked().iter().any(|(who, _, _)| *who == me);
    let seen = format!("it is named; it was asked: {was_asked}");
    expect(!is_named, "who answers nothing to be no contact", seen)
}

async fn gone(partner: Partner) -> Outcome {
    let asker = at_server(&partner, &partner.identity()).await?;
    let shared = Arc::new(Shared::default());
    let (mut hosts, mut links) = hosts(&partner, &shared, 2).await?;
    all_named(&partner, &asker, &hosts).await?;
    let (Some(left), Some(link)) = (hosts.pop(), links.pop()) else {
        return Err(Fault::unsupported("the runner itself failed"));
    };
    let (me, position) = (left.me.public(), left.position);
    link.leave();
    drop(left);
    let what = "a node that has left with DONE to be named no more";
    let names = until(&partner, &asker, &position, what, |names| {
        !names.contains(&me)
    })
    .await;
    names.map(|_| ()).map_err(|fault| fault.by("DC-DHT-011"))
}
