//! Contacts, requests and invites: who may talk to us.

use std::str::FromStr as _;

use dchat_wire::invite::{self, Invite, InviteSecret};
use dchat_wire::record::DeviceRecord;
use dchat_wire::{Address, List, PeerId, Text, limits};

use super::effect::{Command, Effects};
use super::{Fault, Session};
use crate::api::{self, Reply};
use crate::node::convert;
use crate::node::profile::random;
use crate::store::{Contact, ContactName, ContactState, PeerKey, Tx, UnixMillis};

/// Contacts kept connected. Beyond it the ones added first win; the rest connect when they dial us
/// or are written to.
const KEPT: usize = 256;

impl Session {
    /// Dials and trusts every contact, at start.
    pub(super) fn greet_contacts(&mut self, tx: &Tx<'_>, out: &mut Effects) -> Result<(), Fault> {
        for contact in tx
            .contacts()?
            .iter()
            .filter(|c| c.state != ContactState::Blocked)
            .take(KEPT)
        {
            self.keep(tx, &contact.peer, out)?;
        }
        Ok(())
    }

    /// Asks the network to keep `peer` connected and to tell it our addresses.
    fn keep(&mut self, tx: &Tx<'_>, key: &PeerKey, out: &mut Effects) -> Result<(), Fault> {
        let Ok(peer) = PeerId::from_public_key(*key) else {
            return Ok(());
        };
        let addresses = tx
            .addresses(key)?
            .iter()
            .filter_map(|text| Address::from_str(text).ok())
            .collect();
        out.command(Command::Keep { peer, addresses });
        Ok(())
    }

    pub(super) fn contacts(&self, tx: &Tx<'_>) -> Result<Reply, Fault> {
        let contacts = tx.contacts()?;
        let known = contacts
            .iter()
            .filter(|contact| contact.state != ContactState::Blocked);
        Ok(Reply::Contacts(known.map(convert::contact).collect()))
    }

    pub(super) fn requests(&self, tx: &Tx<'_>) -> Result<Reply, Fault> {
        Ok(Reply::Requests(
            tx.requests()?.iter().map(convert::request).collect(),
        ))
    }

    /// The contact called `text`, by name or PeerId.
    pub(super) fn find(&self, tx: &Tx<'_>, text: &str) -> Result<Contact, Fault> {
        if text.starts_with(['#', '@']) {
            return Err(Fault::usage(format!(
                "{text} is nobody in particular; give a contact's name or PeerId."
            )));
        }
        let found = match PeerId::from_str(text) {
            Ok(peer) => tx.contact(peer.public_key())?,
            Err(_) => tx.contact_named(text)?,
        };
        found.ok_or_else(|| {
            Fault::not_found(format!(
                "no contact is called {text}. `dchat contacts` lists them; `dchat add` adds one."
            ))
        })
    }

    /// As [`find`](Self::find), but a PeerId that is no contact yet becomes one.
    pub(super) fn find_or_add(
        &mut self,
        tx: &Tx<'_>,
        text: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Contact, Fault> {
        if let Ok(peer) = PeerId::from_str(text)
            && tx.contact(peer.public_key())?.is_none()
        {
            self.refuse_self(&peer)?;
            let name = default_name(&peer);
            self.befriend(tx, &peer, &name, None, Standing::ADDED, now, out)?;
        }
        self.find(tx, text)
    }

    pub(super) fn add(
        &mut self,
        tx: &Tx<'_>,
        target: &str,
        name: Option<&str>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let target = target.trim();
        if target.starts_with("dchat:") {
            return self.redeem(tx, target, name, now, out);
        }
        let (peer, address) = if target.starts_with('/') {
            let address =
                Address::from_str(target).map_err(|error| Fault::usage(error.to_string()))?;
            let peer = address.peer().ok_or_else(|| {
                Fault::usage(
                    "the address does not say whose it is: it should end in /p2p/12D3KooW…",
                )
            })?;
            (peer, Some(address))
        } else {
            let peer = PeerId::from_str(target).map_err(|_| {
                Fault::usage(format!(
                    "{target} is neither an invite (dchat:…), a PeerId (12D3KooW…) nor an address (/ip4/…)."
                ))
            })?;
            (peer, None)
        };
        self.refuse_self(&peer)?;
        let wanted = name.map_or_else(|| default_name(&peer), str::to_owned);
        self.befriend(tx, &peer, &wanted, name, Standing::ADDED, now, out)?;
        if let Some(address) = address {
            self.learn(tx, &peer, &[address], now)?;
        }
        self.added(tx, &peer, out)
    }

    fn redeem(
        &mut self,
        tx: &Tx<'_>,
        link: &str,
        name: Option<&str>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let invite: Invite = link
            .parse()
            .map_err(|error: invite::InviteError| Fault::usage(format!("{error}.")))?;
        self.refuse_self(&invite.peer)?;
        if invite.expires_at <= now.unsigned_abs() {
            return Err(Fault::denied(
                "the invite has expired; invites are valid for 7 days. Ask for a new one.",
            ));
        }
        let device = invite
            .device
            .open::<DeviceRecord>(&invite.peer, now.unsigned_abs());
        if device.is_err() {
            return Err(Fault::denied(
                "the invite was changed on its way: what it says of the inviter's device is not \
                 signed by the inviter. Ask for a new one, over another channel.",
            ));
        }
        let theirs = invite.name.as_str();
        let wanted = match (name, ContactName::new(theirs)) {
            (Some(name), _) => name.to_owned(),
            (None, Ok(_)) => theirs.to_owned(),
            (None, Err(_)) => default_name(&invite.peer),
        };
        // Before the chat begins, where they are connected already: it begins with the proof.
        let expires_at = i64::try_from(invite.expires_at).unwrap_or(i64::MAX);
        tx.part(|| {
            let (peer, secret) = (&invite.peer, invite.secret.as_bytes());
            tx.hold_invite(peer.public_key(), &invite.id, secret, expires_at)?;
            self.befriend(tx, peer, &wanted, name, Standing::INVITED, now, out)
        })?;
        self.learn(tx, &invite.peer, &invite.addresses, now)?;
        self.added(tx, &invite.peer, out)
    }

    pub(super) fn invite(&mut self, tx: &Tx<'_>, now: UnixMillis) -> Result<Reply, Fault> {
        let (id, secret) = (random::<16>()?, random::<32>()?);
        let expires_at = now.saturating_add_unsigned(invite::LIFETIME);
        if !tx.create_invite(&id, &secret, now, expires_at)? {
            return Err(Fault::denied(
                "too many invites are waiting to be used; the oldest expire after 7 days.",
            ));
        }
        let invite = Invite {
            version: invite::VERSION,
            peer: self.identity.peer_id(),
            id,
            secret: InviteSecret::new(secret),
            expires_at: expires_at.unsigned_abs(),
            name: Text::new(self.name.clone()).unwrap_or_default(),
            addresses: List::first_of(invited(&self.addresses)),
            device: self.device_record(tx, now)?,
            extensions: dchat_wire::extension::Extensions::default(),
        };
        Ok(Reply::Invite(api::InviteLink {
            invite: invite.to_string(),
        }))
    }

    pub(super) fn accept(
        &mut self,
        tx: &Tx<'_>,
        who: &str,
        name: Option<&str>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let request = self.find_request(tx, who)?;
        let peer = PeerId::from_public_key(request.peer)
            .map_err(|_| Fault::not_found("this request names no usable peer."))?;
        let theirs = request.name.unwrap_or_else(|| default_name(&peer));
        let wanted = name.unwrap_or(&theirs);
        self.befriend(tx, &peer, wanted, name, Standing::ACCEPTED, now, out)?;
        self.added(tx, &peer, out)
    }

    pub(super) fn refuse(
        &mut self,
        tx: &Tx<'_>,
        who: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let request = self.find_request(tx, who)?;
        if let Ok(peer) = PeerId::from_public_key(request.peer) {
            let name = tx.free_name(&ContactName::new(&default_name(&peer))?)?;
            tx.add_contact(&request.peer, &name, false, ContactState::Blocked, now)?;
            tx.remove_request(&request.peer)?;
            out.command(Command::Forget { peer });
            self.close_chat(&peer, out);
        }
        Ok(Reply::Done)
    }

    fn find_request(&self, tx: &Tx<'_>, who: &str) -> Result<crate::store::Request, Fault> {
        if let Ok(peer) = PeerId::from_str(who) {
            let found = tx.request(peer.public_key())?;
            return found
                .ok_or_else(|| Fault::not_found("this peer has not asked to be a contact."));
        }
        let mut named: Vec<_> = tx
            .requests()?
            .into_iter()
            .filter(|r| r.name.as_deref() == Some(who))
            .collect();
        match (named.pop(), named.is_empty()) {
            (Some(request), true) => Ok(request),
            (Some(_), false) => Err(Fault::usage(format!(
                "several strangers call themselves {who}; use the PeerId that `dchat requests` shows."
            ))),
            (None, _) => Err(Fault::not_found(format!(
                "nobody called {who} has asked to be a contact. `dchat requests` lists who has."
            ))),
        }
    }

    pub(super) fn rename(&self, tx: &Tx<'_>, who: &str, name: &str) -> Result<Reply, Fault> {
        let contact = self.find(tx, who)?;
        tx.rename_contact(&contact.peer, &ContactName::new(name)?)?;
        Ok(Reply::Done)
    }

    pub(super) fn remove(
        &mut self,
        tx: &Tx<'_>,
        who: &str,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let contact = self.find(tx, who)?;
        tx.remove_contact(&contact.peer)?;
        if let Ok(peer) = PeerId::from_public_key(contact.peer) {
            out.command(Command::Forget { peer });
            self.close_chat(&peer, out);
        }
        Ok(Reply::Done)
    }

    /// Notes where a contact can be reached.
    pub(super) fn learn(
        &self,
        tx: &Tx<'_>,
        peer: &PeerId,
        addresses: &[Address],
        now: UnixMillis,
    ) -> Result<(), Fault> {
        for address in addresses {
            let text = without_peer(address).to_string();
            tx.learn_address(peer.public_key(), &text, now)?;
        }
        Ok(())
    }

    /// Makes `peer` a contact, or brings the contact it is up to `standing`; never takes back what
    /// it was. A name that is taken is an error when it was `asked` for, else another one is found.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call makes a contact, with all it is"
    )]
    pub(super) fn befriend(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        wanted: &str,
        asked: Option<&str>,
        standing: Standing,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let key = peer.public_key();
        let wanted = ContactName::new(wanted)?;
        let waiting = tx.request(key)?.is_some();
        let accepted = standing.accepted || waiting;
        let state = if accepted {
            ContactState::Accepted
        } else {
            ContactState::Outgoing
        };
        match tx.contact(key)? {
            Some(contact) => {
                if asked.is_some() {
                    tx.rename_contact(key, &wanted)?;
                }
                if contact.state == ContactState::Blocked || accepted {
                    tx.set_contact_state(key, state)?;
                }
                if standing.verified {
                    tx.set_contact_verified(key, true)?;
                }
            }
            None => {
                let name = if asked.is_some() {
                    wanted
                } else {
                    tx.free_name(&wanted)?
                };
                tx.add_contact(key, &name, standing.verified, state, now)?;
            }
        }
        if waiting {
            // Their addresses stay: they are a contact's now.
            tx.remove_request(key)?;
        }
        self.keep(tx, key, out)?;
        self.start_chat(tx, peer, now, out)?;
        self.befriended(tx, peer, out)?;
        if waiting {
            self.show_kept(tx, peer, out)?;
        }
        Ok(())
    }

    fn added(&mut self, tx: &Tx<'_>, peer: &PeerId, out: &mut Effects) -> Result<Reply, Fault> {
        let contact = tx
            .contact(peer.public_key())?
            .ok_or_else(|| Fault::not_found("the contact is gone again."))?;
        self.keep(tx, peer.public_key(), out)?;
        Ok(Reply::Contact(convert::contact(&contact)))
    }

    fn refuse_self(&self, peer: &PeerId) -> Result<(), Fault> {
        if *peer == self.identity.peer_id() {
            return Err(Fault::usage(
                "this is your own PeerId; give it to somebody else.",
            ));
        }
        Ok(())
    }
}

/// On which footing somebody becomes a contact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The key came by invite.
    verified: bool,
    /// Both sides are known to want it.
    accepted: bool,
}

impl Standing {
    /// We added a key or an address that somebody told us.
    pub(super) const ADDED: Self = Self {
        verified: false,
        accepted: false,
    };
    /// We hold their invite.
    pub(super) const INVITED: Self = Self {
        verified: true,
        accepted: false,
    };
    /// They redeemed our invite.
    pub(super) const REDEEMED: Self = Self {
        verified: true,
        accepted: true,
    };
    /// They asked, and we said yes.
    pub(super) const ACCEPTED: Self = Self {
        verified: false,
        accepted: true,
    };
}

/// What a peer is called until somebody gives it a name: the end of its PeerId, which differs.
pub(super) fn default_name(peer: &PeerId) -> String {
    let text = peer.to_string();
    let tail = text.get(text.len().saturating_sub(6)..).unwrap_or_default();
    format!("peer-{tail}")
}

/// The addresses of an invite: few fit, and who is far away needs a circuit among them. Loopback ones
/// are of use on this machine alone, and there when there are no others.
fn invited(addresses: &[Address]) -> impl Iterator<Item = Address> {
    /// Circuits that keep their places: two relays hold reservations.
    const CIRCUITS: usize = 2;
    let is_local = |address: &Address| address.socket().ip().is_loopback();
    let all_local = addresses.iter().all(is_local);
    let (circuits, direct): (Vec<_>, Vec<_>) = addresses
        .iter()
        .filter(|address| all_local || !is_local(address))
        .map(without_peer)
        .partition(|address| matches!(address, Address::Circuit { .. }));
    let kept = circuits.len().min(CIRCUITS);
    let room = limits::INVITE_ADDRESSES - kept;
    direct.into_iter().take(room).chain(circuits)
}

fn without_peer(address: &Address) -> Address {
    match *address {
        Address::Direct { socket, .. } => Address::Direct { socket, peer: None },
        Address::Circuit { socket, relay, .. } => Address::Circuit {
            socket,
            relay,
            peer: None,
        },
    }
}
