//! Whom the cases run against.

use core::time::Duration;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::Arc;

use dchat_wire::Address;
use dchat_wire::invite::Invite;
use dchat_wire::room::RoomName;

use super::chat::People;
use super::group::User;
use super::partner::Partner;
use super::ports::Ports;
use super::tls::Dialing;

/// An implementation, and what the runner was given to deal with it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its key, from the address or from the first handshake.
    pub peer: [u8; 32],
    /// How long anything may take that has to happen at once. Only an implementation that hangs gets
    /// there, so it is long.
    pub patience: Duration,
    /// Those who redeem its invites.
    pub people: People,
    /// The folded name of a room that it was told to join, without a secret.
    pub room: Option<String>,
    /// What does what only its user can.
    pub user: Option<User>,
    /// The local ports that were used against it.
    pub ports: Ports,
}

/// Default of [`Subject::patience`]: far above what a loaded machine takes, below QUIC's idle timeout.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// An address that the runner cannot dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress(pub String);

/// The socket address and, where it is given, the peer of a multiaddr.
///
/// # Errors
/// [`BadAddress`] for any other text, and for addresses behind a relay.
pub fn parse_address(text: &str) -> Result<(SocketAddr, Option<[u8; 32]>), BadAddress> {
    match Address::from_str(text) {
        Ok(Address::Direct { socket, peer }) => Ok((socket, peer.map(|peer| *peer.public_key()))),
        Ok(_) => Err(BadAddress(format!("{text} is behind a relay"))),
        Err(error) => Err(BadAddress(format!("{text}: {error}"))),
    }
}

impl core::fmt::Display for BadAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadAddress {}

/// Reads the invites of a peer, each for one person.
///
/// # Errors
/// What is wrong with one, for a person.
pub fn parse_invites(links: &[String], peer: &[u8; 32]) -> Result<People, String> {
    let parse = |link: &String| {
        let invite = Invite::from_str(link).map_err(|error| format!("--invite: {error}"))?;
        if invite.peer.public_key() == peer {
            Ok(invite)
        } else {
            Err("--invite: an invite of another peer than ADDR names".to_owned())
        }
    };
    let invites: Result<Vec<Invite>, String> = links.iter().map(parse).collect();
    Ok(People::new(invites?))
}

/// The folded name of a room as a person types it.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse_room(text: &str) -> Result<String, String> {
    let name = RoomName::new(text).map_err(|error| format!("--room: {error}"))?;
    Ok(name.as_str().to_owned())
}

/// Learns the key of a peer whose address does not name it.
///
/// # Errors
/// What went wrong with the first handshake, for a person.
pub async fn meet(mut subject: Subject, seed: u64) -> Result<Subject, String> {
    let address = subject.address;
    let partner = Partner::new(Arc::new(subject.clone()), seed, "meet", 0);
    let me = partner.identity();
    let dialed = partner.dial(&me, &Dialing::of(&me)).await;
    let link = match dialed {
        Ok(Ok(link)) => link,
        Ok(Err(ending)) => return Err(format!("no peer answers at {address}: {ending}")),
        Err(fault) => return Err(format!("no peer answers at {address}: {fault:?}")),
    };
    subject.peer = link
        .shown
        .peer()
        .ok_or("its certificate holds no Ed25519 key")?;
    link.leave();
    Ok(subject)
}
