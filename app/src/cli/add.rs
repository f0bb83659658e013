//! `dchat add`.

use core::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    Console, Failure,
    session::{Next, Session},
    words,
};
use crate::{
    api::{Contact, Event, Reply, Request},
    control::ControlError,
    seam::OpenNode,
};

/// How long a node that ends with this command tries to tell the other side.
const PATIENCE: Duration = Duration::from_secs(10);

/// Adds the contact. A node in this process stays until the other side knows, within bounds: a
/// daemon goes on trying by itself.
///
/// # Errors
/// What the node says, and what standard output says.
pub(crate) async fn run<O: OpenNode>(
    target: String,
    name: Option<String>,
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<(), Failure> {
    session.subscribe().await?;
    let Reply::Contact(contact) = session.call(Request::Add { target, name }).await? else {
        return Err(ControlError::Foreign.into());
    };
    if console.json() {
        console.object(&contact)?;
    } else {
        console.line(&words::contact(&contact))?;
    }
    if session.is_host() && !told(&contact, session).await? {
        console.note(&format!(
            "{} is not reachable now, and learns of it once both of you are online: run 'dchat' \
             or 'dchat daemon'.",
            contact.name
        ));
    }
    Ok(())
}

/// Whether the other side has taken us as a contact: it says so on a connection.
async fn told<O: OpenNode>(contact: &Contact, session: &mut Session<O>) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut connected = false;
    while let Ok(next) = timeout_at(deadline, session.next()).await {
        match next? {
            Next::Event(Event::PeerConnected { peer_id, .. }) => {
                connected |= peer_id == contact.peer_id;
            }
            Next::Event(Event::Contact(other)) if connected && other.peer_id == contact.peer_id => {
                return Ok(true);
            }
            Next::Event(_) => {}
            // Whoever takes the home goes on.
            Next::Moving => return Ok(true),
        }
    }
    Ok(false)
}
