//! Who this node is and how it is doing.

use super::{Fault, Session};
use crate::api::{self, Reply};
use crate::store::{ContactName, MetaKey, Tx};

impl Session {
    pub(super) fn id(&self) -> api::Id {
        let me = self.identity.peer_id();
        api::Id {
            peer_id: me.to_string(),
            name: self.name.clone(),
            addresses: self
                .addresses
                .iter()
                .map(|address| address.of(me).to_string())
                .collect(),
        }
    }

    pub(super) fn set_name(&mut self, tx: &Tx<'_>, name: &str) -> Result<Reply, Fault> {
        let name = own_name(name)?;
        tx.set_meta(MetaKey::OWN_NAME, name.as_bytes())?;
        self.name = name;
        Ok(Reply::Done)
    }

    /// The counters of the home; the network half adds what it knows.
    pub(super) fn status(&self, tx: &Tx<'_>) -> Result<Reply, Fault> {
        let id = self.id();
        let queued = tx
            .pending()?
            .iter()
            .map(|log| log.last_seq - log.acked)
            .sum();
        let (mut unread, mut mentions) = (0, 0);
        let contacts = tx.contacts()?;
        for contact in &contacts {
            unread += tx.unread_count(&self.conversation(&contact.peer)?)?;
        }
        for room in tx.rooms()? {
            unread += tx.unread_count(&room.id)?;
            mentions += tx.unread_mentions(&room.id)?;
        }
        Ok(Reply::Status(api::Status {
            peer_id: id.peer_id,
            name: id.name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running: false,
            addresses: id.addresses,
            uptime_s: 0,
            connected: 0,
            contacts: contacts.len() as u64,
            requests: tx.requests()?.len() as u64,
            queued,
            unread,
            mentions,
            dht: api::DhtStatus::default(),
        }))
    }
}

/// Checks an own display name: what others will be offered as ours.
pub(in crate::node) fn own_name(name: &str) -> Result<String, Fault> {
    let name = ContactName::new(name)?;
    if name.as_str().len() > dchat_wire::limits::NAME {
        return Err(Fault::usage(format!(
            "the name is longer than {} bytes; choose a shorter one.",
            dchat_wire::limits::NAME
        )));
    }
    Ok(name.as_str().to_owned())
}
