//! Two peers in one program: one invites the other, and they talk.
//!
//! `cargo run --example two_peers`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use dchat::Peer;
use dchat::api::MessageState;
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (homes, hers, his) = homes()?;
    let alice = Peer::init(hers, "Alice").await?;
    let bob = Peer::init(his, "Bob").await?;

    // What travels by any other way: the link makes both sides contacts, verified.
    let invite = alice.invite().await?;
    let contact = bob.connect(&invite, None).await?;

    let sent = bob.send(&contact.name, "Hello, Alice!").await?;
    let mut inbox = Box::pin(alice.recv());
    if let Some(message) = inbox.next().await.transpose()? {
        println!("Alice reads: {}", message.text);
    }
    let sent = bob
        .wait_for(&sent.id, MessageState::Delivered, Duration::from_secs(10))
        .await?;
    println!("Bob's message is {:?}", sent.state);

    bob.close().await;
    alice.close().await;
    drop(homes);
    Ok(())
}

fn homes() -> std::io::Result<(tempfile::TempDir, std::path::PathBuf, std::path::PathBuf)> {
    let dir = tempfile::tempdir()?;
    let (hers, his) = (dir.path().join("alice"), dir.path().join("bob"));
    Ok((dir, hers, his))
}
