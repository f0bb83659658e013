//! The cases, by section. A section is the part of an id before the slash.

mod apart;
mod body;
mod chat;
mod control;
pub(crate) mod dht;
mod dialer;
mod ending;
mod frame;
mod gossip;
mod group;
mod hello;
mod identify;
mod nat;
mod probe;
mod quic;
pub(crate) mod relay;
mod silence;
mod stream;
mod tls;

use super::case::Case;

/// Every case of `dchat-conformance network`, in the order of the documents.
#[must_use]
pub fn catalogue() -> Vec<Case> {
    [
        quic::cases(),
        tls::cases(),
        frame::cases(),
        body::cases(),
        hello::cases(),
        control::cases(),
        identify::cases(),
        stream::cases(),
        silence::cases(),
        probe::cases(),
        ending::cases(),
        dialer::cases(),
        chat::cases(),
        nat::cases(),
        relay::cases(),
        dht::cases(),
        gossip::cases(),
        group::cases(),
        apart::cases(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::requirement::sentence;
    use super::*;

    #[test]
    fn ids_are_unique_and_have_a_section() {
        let mut ids = BTreeSet::new();
        for case in catalogue() {
            assert!(case.id.matches('/').count() == 1, "{}", case.id);
            assert!(ids.insert(case.id.clone()), "{} twice", case.id);
        }
    }

    #[test]
    fn every_case_cites_requirements_that_exist() {
        for case in catalogue() {
            assert!(!case.req.is_empty(), "{} cites none", case.id);
            for id in case.req {
                assert!(sentence(id).is_some(), "{} cites {id}", case.id);
            }
        }
    }
}
