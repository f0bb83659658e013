//! `dchat recv`: received messages, each printed once.
//!
//! A message counts as read once it was printed. When this process dies in between, it is printed
//! again the next time; when the node's process dies in between, it is not, because the mark is made
//! up for as long as this process lives.

use super::{
    Console, Failure, ask,
    console::now,
    session::{Next, Session},
    words::{self, Names},
};
use crate::{
    api::{Event, Message, Reply, Request},
    control::ControlError,
    seam::OpenNode,
};

/// Messages fetched at a time.
const BATCH: u32 = 64;

/// Prints what is unread; goes on with what arrives when told to `follow`, until dropped. Dropping
/// it between messages loses nothing.
///
/// # Errors
/// What the node says, and what standard output says.
pub(crate) async fn run<O: OpenNode>(
    follow: bool,
    from: Option<String>,
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<(), Failure> {
    if follow {
        // Before the first look, so that nothing arrives unnoticed between the two.
        session.subscribe().await?;
    }
    let mut names = if console.json() {
        Names::default()
    } else {
        ask::names(session).await?
    };
    let printed = print_unread(&from, &names, session, console).await?;
    if !follow {
        if printed == 0 && !console.json() {
            console.remark("nothing new.");
        }
        return Ok(());
    }
    loop {
        match session.next().await? {
            Next::Event(Event::Message(_) | Event::Missed { .. }) => {
                print_unread(&from, &names, session, console).await?;
            }
            Next::Event(Event::Contact(contact)) => names.learn(&contact),
            Next::Event(_) => {}
            Next::Moving => {
                session.reopen().await?;
                print_unread(&from, &names, session, console).await?;
            }
        }
    }
}

/// Prints and marks what is unread, until nothing is.
async fn print_unread<O: OpenNode>(
    from: &Option<String>,
    names: &Names,
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<usize, Failure> {
    let mut printed = 0;
    loop {
        let batch = unread(from, session).await?;
        if batch.is_empty() {
            return Ok(printed);
        }
        printed += batch.len();
        let ids = batch.iter().map(|message| message.id.clone()).collect();
        for message in batch {
            if console.json() {
                console.event(&Event::Message(message), &now())?;
            } else {
                console.line(&words::message(&message, names))?;
            }
        }
        session.call(Request::MarkRead { ids }).await?;
    }
}

async fn unread<O: OpenNode>(
    from: &Option<String>,
    session: &mut Session<O>,
) -> Result<Vec<Message>, Failure> {
    let request = Request::Unread {
        from: from.clone(),
        limit: BATCH,
    };
    match session.call(request).await? {
        Reply::Messages(messages) => Ok(messages),
        _ => Err(ControlError::Foreign.into()),
    }
}
