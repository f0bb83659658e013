//! What a relay gives, and to whom: the table `[relaying]` of `config.toml`.

use dchat_wire::PeerId;
use serde::Deserialize;
use toml::Spanned;

/// The table as it is written. Keys that are not listed here are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayingTable {
    /// `anyone` (the default) or `listed`: who may hold a reservation.
    reservations: Option<Admission>,
    /// `anyone` (the default) or `listed`: who may ask for a channel.
    channels: Option<Admission>,
    /// PeerIds that are listed.
    allow: Option<Vec<Spanned<String>>>,
    /// PeerIds that get nothing.
    deny: Option<Vec<Spanned<String>>>,
    /// Reservations at once.
    max_reservations: Option<u32>,
    /// Channels at once.
    max_channels: Option<u32>,
    /// Bytes per second of one channel and direction.
    bytes_per_s: Option<u32>,
}

/// Who is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// Everybody who is not denied.
    #[default]
    Anyone,
    /// Only who is on the allow-list.
    Listed,
}

/// What a relay gives, and to whom. `None` leaves a bound to the relay's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relaying {
    /// Who may hold a reservation.
    pub reservations: Admission,
    /// Who may ask for a channel.
    pub channels: Admission,
    /// Who is listed.
    pub allow: Vec<PeerId>,
    /// Who gets nothing, listed or not.
    pub deny: Vec<PeerId>,
    /// Reservations at once.
    pub max_reservations: Option<u32>,
    /// Channels at once.
    pub max_channels: Option<u32>,
    /// Bytes per second of one channel and direction.
    pub bytes_per_s: Option<u32>,
}

impl RelayingTable {
    /// What the table means.
    ///
    /// # Errors
    /// The name of the key, the value that is no PeerId, and what is wrong with it.
    pub(super) fn read(&self) -> Result<Relaying, (&'static str, &Spanned<String>, String)> {
        Ok(Relaying {
            reservations: self.reservations.unwrap_or_default(),
            channels: self.channels.unwrap_or_default(),
            allow: peers("relaying.allow", self.allow.as_deref())?,
            deny: peers("relaying.deny", self.deny.as_deref())?,
            max_reservations: self.max_reservations,
            max_channels: self.max_channels,
            bytes_per_s: self.bytes_per_s,
        })
    }
}

fn peers<'a>(
    key: &'static str,
    list: Option<&'a [Spanned<String>]>,
) -> Result<Vec<PeerId>, (&'static str, &'a Spanned<String>, String)> {
    list.unwrap_or_default()
        .iter()
        .map(|text| {
            text.get_ref()
                .parse()
                .map_err(|error| (key, text, format!("'{}' is {error}", text.get_ref())))
        })
        .collect()
}
