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
/// How long a node that was reached may take to answer; a person who has to decide takes longer.
const ANSWER: Duration = Duration::from_secs(2);

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
    if session.is_host() {
        let name = &contact.name;
        match told(&contact, session).await? {
            Told::Both => {}
            Told::Asked => console.note(&format!(
                "{name} is asked to accept you; messages go out once that is done and both of you \
                 are online: run 'dchat' or 'dchat daemon'.",
            )),
            Told::Nobody => console.note(&format!(
                "{name} is not reachable now, and learns of it once both of you are online: run \
                 'dchat' or 'dchat daemon'.",
            )),
        }
    }
    Ok(())
}

/// What the other side knows of it.
enum Told {
    /// It has us as a contact too.
    Both,
    /// It was reached, and a person has to decide.
    Asked,
    /// Nothing.
    Nobody,
}

/// Waits until the other side has taken us as a contact, which it says on a connection.
async fn told<O: OpenNode>(contact: &Contact, session: &mut Session<O>) -> Result<Told, Failure> {
    let mut deadline = Instant::now() + PATIENCE;
    let mut told = Told::Nobody;
    while let Ok(next) = timeout_at(deadline, session.next()).await {
        match (next?, &told) {
            (Next::Event(Event::PeerConnected { peer_id, .. }), Told::Nobody)
                if peer_id == contact.peer_id =>
            {
                told = Told::Asked;
                deadline = Instant::now() + ANSWER;
            }
            (Next::Event(Event::Contact(other)), Told::Asked)
                if other.peer_id == contact.peer_id =>
            {
                return Ok(Told::Both);
            }
            (Next::Event(_), _) => {}
            // Whoever takes the home goes on.
            (Next::Moving, _) => return Ok(Told::Both),
        }
    }
    Ok(told)
}
