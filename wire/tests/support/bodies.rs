//! The list of all bodies, so that a test over "every body" cannot forget one.

#![allow(unused_macros, unused_imports, reason = "not every test needs it")]

/// Calls `$check!(Type)` for every struct that travels.
macro_rules! for_every_body {
    ($check:ident) => {
        $check!(dchat_wire::extension::Extension);
        $check!(dchat_wire::hello::Hello);
        $check!(dchat_wire::identify::Identify);
        $check!(dchat_wire::ping::Ping);
        $check!(dchat_wire::chat::ChatOpen);
        $check!(dchat_wire::chat::InviteProof);
        $check!(dchat_wire::chat::Envelope);
        $check!(dchat_wire::chat::Undecryptable);
        $check!(dchat_wire::record::SignedRecord);
        $check!(dchat_wire::record::RecordBody);
        $check!(dchat_wire::record::AddressRecord);
        $check!(dchat_wire::record::DeviceRecord);
        $check!(dchat_wire::invite::Invite);
        $check!(dchat_wire::parcel::Parcel);
        $check!(dchat_wire::parcel::Frontier);
        $check!(dchat_wire::parcel::Entry);
        $check!(dchat_wire::parcel::Content);
        $check!(dchat_wire::parcel::Head);
        $check!(dchat_wire::nat::NatClass);
        $check!(dchat_wire::nat::Candidate);
        $check!(dchat_wire::nat::Candidates);
        $check!(dchat_wire::nat::Prediction);
        $check!(dchat_wire::nat::Punch);
        $check!(dchat_wire::nat::Reach);
        $check!(dchat_wire::nat::Reached);
        $check!(dchat_wire::relay::RelayReserve);
        $check!(dchat_wire::relay::RelayReserved);
        $check!(dchat_wire::relay::Voucher);
        $check!(dchat_wire::relay::RelayConnect);
        $check!(dchat_wire::relay::RelayIncoming);
        $check!(dchat_wire::relay::RelayAccept);
        $check!(dchat_wire::relay::RelayOpened);
        $check!(dchat_wire::relay::RelayRefused);
        $check!(dchat_wire::dht::Node);
        $check!(dchat_wire::dht::Server);
        $check!(dchat_wire::dht::DhtFind);
        $check!(dchat_wire::dht::DhtNodes);
        $check!(dchat_wire::dht::DhtGet);
        $check!(dchat_wire::dht::DhtValues);
        $check!(dchat_wire::dht::DhtPut);
        $check!(dchat_wire::dht::DhtStored);
        $check!(dchat_wire::dht::DhtRefused);
        $check!(dchat_wire::advert::RelayAdvert);
        $check!(dchat_wire::advert::ServiceAdvert);
        $check!(dchat_wire::advert::MailboxPointer);
        $check!(dchat_wire::advert::Presence);
        $check!(dchat_wire::advert::Rendezvous);
        $check!(dchat_wire::gossip::ItemHeader);
        $check!(dchat_wire::gossip::ItemHead);
        $check!(dchat_wire::gossip::SignedItem);
        $check!(dchat_wire::gossip::GossipOpen);
        $check!(dchat_wire::gossip::Contact);
        $check!(dchat_wire::gossip::GossipLeave);
        $check!(dchat_wire::gossip::GossipJoin);
        $check!(dchat_wire::gossip::GossipShuffle);
        $check!(dchat_wire::gossip::GossipPush);
        $check!(dchat_wire::gossip::Mark);
        $check!(dchat_wire::gossip::GossipAnnounce);
        $check!(dchat_wire::gossip::Want);
        $check!(dchat_wire::gossip::GossipPull);
        $check!(dchat_wire::gossip::GossipTree);
        $check!(dchat_wire::gossip::GossipDigest);
        $check!(dchat_wire::gossip::GossipSketch);
        $check!(dchat_wire::gossip::GossipMore);
        $check!(dchat_wire::gossip::GossipProof);
        $check!(dchat_wire::gossip::Place);
        $check!(dchat_wire::gossip::Span);
        $check!(dchat_wire::gossip::GossipRange);
        $check!(dchat_wire::gossip::GossipSpans);
        $check!(dchat_wire::gossip::GossipFetch);
        $check!(dchat_wire::room::RoomBody);
        $check!(dchat_wire::group::Operation);
        $check!(dchat_wire::group::Seat);
        $check!(dchat_wire::group::LogCut);
        $check!(dchat_wire::group::SignedOperation);
        $check!(dchat_wire::group::GroupOperations);
        $check!(dchat_wire::group::GroupKeys);
        $check!(dchat_wire::group::SealedBody);
    };
}
pub(crate) use for_every_body;
