//! A bot that accepts everybody and repeats what it is told.
//!
//! `cargo run --example echo_bot -- HOME` prints an invite and runs until it is stopped.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dchat::Peer;
use dchat::api::Event;
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::args().nth(1).ok_or("usage: echo_bot HOME")?;
    let bot = Peer::init(home, "Echo").await?;
    println!("{}", bot.invite().await?);

    let mut events = bot.events();
    let mut inbox = Box::pin(bot.recv());
    loop {
        tokio::select! {
            Some(event) = events.next() => {
                if let Event::Request(request) = event {
                    bot.accept(&request.peer_id).await?;
                }
            }
            Some(message) = inbox.next() => {
                let message = message?;
                bot.send(&message.from, &message.text).await?;
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    bot.close().await;
    Ok(())
}
