//! One module a suite.

mod address;
mod advert;
mod blinded;
mod certificate;
mod chat_open;
mod claims;
mod close_code;
mod dht;
mod digest;
mod edge;
mod envelope;
mod extension;
mod frame;
mod frontier;
mod gossip;
mod group;
mod hello;
mod identify;
mod invite;
mod item;
mod megolm;
mod membership;
mod nat;
mod olm;
mod padding;
mod parcel;
mod peer_id;
mod ping;
mod position;
mod probe;
mod pulse;
mod record;
mod records;
mod relay;
mod room;
mod signature;
mod stored;
mod stream;
mod stun;
mod trace;
mod undecryptable;
mod version;

use crate::case::Suite;

/// Every suite, in the order of the documents.
#[must_use]
pub fn all() -> Vec<Suite> {
    let mut suites = vec![
        ping::suite(),
        extension::suite(),
        frame::suite(),
        stream::suite(),
        peer_id::suite(),
        signature::suite(),
        record::suite(),
        records::suite(),
        address::suite(),
        invite::suite(),
        certificate::suite(),
        digest::suite(),
        hello::suite(),
        version::suite(),
        identify::suite(),
        probe::suite(),
        nat::suite(),
        stun::suite(),
        relay::suite(),
        dht::suite(),
        advert::suite(),
        position::suite(),
        stored::suite(),
        blinded::suite(),
        pulse::suite(),
        close_code::suite(),
        chat_open::suite(),
        envelope::suite(),
        undecryptable::suite(),
        parcel::suite(),
        padding::suite(),
        olm::suite(),
        gossip::suite(),
        item::suite(),
        room::suite(),
        frontier::suite(),
        group::suite(),
        membership::suite(),
        megolm::suite(),
        trace::suite(),
        edge::suite(),
    ];
    claims::claim(&mut suites);
    suites
}
