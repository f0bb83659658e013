//! `dchat daemon`: the node in the foreground, until it is told to end.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::mpsc;

use super::{
    Console, Failure, ask,
    console::now,
    session::{Next, Session},
    signal::Signals,
    words::{self, Names},
};
use crate::{api::Event, seam::OpenNode};

/// Lines that wait for a reader who is slow; then events wait in the node, whose bound it is.
const LINES: usize = 256;
/// Listen addresses remembered, so that each is told once.
const ADDRESSES: usize = 256;
/// How long the last lines may take to be read.
const LAST_LINES: core::time::Duration = core::time::Duration::from_secs(1);

/// Prints events until a signal or a client ends the daemon.
///
/// # Errors
/// What the node says.
pub(crate) async fn run<O: OpenNode>(
    mut session: Session<O>,
    console: Console,
    mut signals: Signals,
) -> Result<(), Failure> {
    let json = console.json();
    let printer = Printer::start(console);
    let outcome = tokio::select! {
        outcome = watch(&mut session, &printer, json) => outcome,
        () = signals.ended() => Ok(()),
    };
    session.close().await;
    printer.finish().await;
    outcome
}

async fn watch<O: OpenNode>(
    session: &mut Session<O>,
    printer: &Printer,
    json: bool,
) -> Result<(), Failure> {
    session.subscribe().await?;
    let mut names = ask::names(session).await?;
    let mut told = BTreeSet::new();
    // The socket answers: this session was opened, and has asked through the same node.
    for addr in ask::id(session).await?.addresses {
        if told.insert(addr.clone()) {
            printer
                .print(&Event::Listening { addr }, &names, json)
                .await;
        }
    }
    loop {
        match session.next().await? {
            Next::Event(Event::Listening { addr }) => {
                if told.len() < ADDRESSES && told.insert(addr.clone()) {
                    printer
                        .print(&Event::Listening { addr }, &names, json)
                        .await;
                }
            }
            Next::Event(event) => {
                if let Event::Contact(contact) = &event {
                    names.learn(contact);
                }
                printer.print(&event, &names, json).await;
            }
            Next::Moving => return Ok(()),
        }
    }
}

/// Prints on a thread of its own, so that a reader who is slow never stops the node.
struct Printer {
    lines: mpsc::Sender<String>,
    done: Arc<tokio::sync::Notify>,
}

impl Printer {
    fn start(mut console: Console) -> Self {
        let (lines, mut waiting) = mpsc::channel::<String>(LINES);
        let done = Arc::new(tokio::sync::Notify::new());
        let finished = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut reader_left = false;
            while let Some(line) = waiting.blocking_recv() {
                // A daemon outlives whoever watched it.
                reader_left = reader_left || console.line(&line).is_err();
            }
            finished.notify_one();
        });
        Self { lines, done }
    }

    async fn print(&self, event: &Event, names: &Names, json: bool) {
        let line = if json {
            let mut line = super::console::Stamped::new(event, &now()).to_line();
            line.pop();
            line
        } else {
            words::event(event, names)
        };
        // The thread ends only after this sender.
        let _ = self.lines.send(line).await;
    }

    async fn finish(self) {
        let Self { lines, done } = self;
        drop(lines);
        let _ = tokio::time::timeout(LAST_LINES, done.notified()).await;
    }
}
