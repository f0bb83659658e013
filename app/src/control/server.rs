//! The node's side of the control socket.

use core::pin::pin;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time,
};
use tracing::{debug, warn};

use super::{
    ControlError, LineError, LineReader,
    message::{ANSWER_LINE, Answer, CONNECTIONS, DRAIN, Hello, REQUEST_LINE, Role, WRITE_PATIENCE},
    path,
};
use crate::{
    api::{ApiError, ErrorKind, Event, Reply, Request},
    seam::{Node, Subscription},
};

/// A served control socket.
#[derive(Debug)]
pub struct Server {
    home: PathBuf,
    stop: watch::Sender<bool>,
    asked: watch::Receiver<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Makes the socket in `home`, whose lock `node` holds, and answers on it from now on.
    ///
    /// # Errors
    /// [`ControlError::Io`] when the socket cannot be made; the node is untouched.
    pub fn start<N: Node>(home: &Path, node: Arc<N>, role: Role) -> Result<Self, ControlError> {
        let (listener, owner) = path::bind(home).map_err(|source| ControlError::Io {
            action: "make",
            source,
        })?;
        let (stop, stopped) = watch::channel(false);
        let (ask, asked) = watch::channel(false);
        let door = Door {
            listener,
            owner,
            hello: Hello {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                role,
                process: std::process::id(),
            },
            ask: Arc::new(ask),
            stopped,
        };
        Ok(Self {
            home: home.to_owned(),
            stop,
            asked,
            accepting: tokio::spawn(door.serve(node)),
        })
    }

    /// Returns once a client has asked the process to end or to hand the home over. Dropping the
    /// future loses nothing.
    pub async fn asked_to_end(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // The accepting task is gone, and nobody can ask any more.
            core::future::pending().await
        }
    }

    /// Removes the socket, lets requests in progress finish, and says goodbye to every client. Call
    /// it before the node ends.
    pub async fn stop(self) {
        path::unlink(&self.home);
        self.stop.send_replace(true);
        if self.accepting.await.is_err() {
            warn!("the control socket ended in disorder");
        }
    }
}

/// The listening socket and what every connection is told.
struct Door {
    listener: UnixListener,
    owner: u32,
    hello: Hello,
    ask: Arc<watch::Sender<bool>>,
    stopped: watch::Receiver<bool>,
}

impl Door {
    async fn serve<N: Node>(mut self, node: Arc<N>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut self.stopped) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) if self.admits(&stream, connections.len()) => {
                        let connection = Connection::new(stream, Arc::clone(&node), &self);
                        connections.spawn(connection.run(self.hello.clone()));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        warn!(%error, "cannot accept on the control socket");
                        // Out of file descriptors: the ones in use have to end first.
                        time::sleep(core::time::Duration::from_millis(100)).await;
                    }
                }
            }
        }
        let drained = time::timeout(DRAIN, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            connections.shutdown().await;
        }
    }

    fn admits(&self, stream: &UnixStream, connected: usize) -> bool {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.owner => {}
            _ => {
                warn!("turned away another user at the control socket");
                return false;
            }
        }
        if connected >= CONNECTIONS {
            let busy = Answer::Err(ApiError::new(
                ErrorKind::Failed,
                format!("{CONNECTIONS} programs already use this dchat process. End one of them."),
            ));
            // A new socket's buffer is empty, so this line fits or the client is gone.
            let _ = stream.try_write(&encode(&busy));
            return false;
        }
        true
    }
}

/// One client.
struct Connection<N> {
    node: Arc<N>,
    lines: LineReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    events: Option<Subscription>,
    ask: Arc<watch::Sender<bool>>,
    stopped: watch::Receiver<bool>,
}

/// The connection is over.
struct Over;

impl<N: Node> Connection<N> {
    fn new(stream: UnixStream, node: Arc<N>, door: &Door) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            node,
            lines: LineReader::new(reader, REQUEST_LINE),
            writer,
            events: None,
            ask: Arc::clone(&door.ask),
            stopped: door.stopped.clone(),
        }
    }

    async fn run(mut self, hello: Hello) {
        if write(&mut self.writer, &Answer::Hello(hello)).await.is_ok() {
            while self.turn().await.is_ok() {}
        }
        // Gone, or cut off: either way there is nobody left to tell.
        let _ = self.writer.shutdown().await;
    }

    /// One request or one event.
    async fn turn(&mut self) -> Result<(), Over> {
        let line = tokio::select! {
            biased;
            () = stopped(&mut self.stopped) => {
                write(&mut self.writer, &Answer::Bye).await?;
                return Err(Over);
            }
            event = next(&mut self.events) => {
                return write(&mut self.writer, &Answer::Event(event)).await;
            }
            line = self.lines.next() => line,
        };
        let answer = match line {
            Ok(Some(line)) => match serde_json::from_slice(&line) {
                Ok(request) => self.carry_out(request).await?,
                Err(error) => Answer::Err(usage(format!("not a request: {error}"))),
            },
            Ok(None) => return Err(Over),
            Err(error @ LineError::TooLong(_)) => {
                // Where the next request begins is unknown, so the answer is the last one.
                write(&mut self.writer, &Answer::Err(usage(error.to_string()))).await?;
                return Err(Over);
            }
            Err(error) => {
                debug!(%error, "a client of the control socket left");
                return Err(Over);
            }
        };
        write(&mut self.writer, &answer).await
    }

    async fn carry_out(&mut self, request: Request) -> Result<Answer, Over> {
        match request {
            Request::Shutdown => {
                self.ask.send_replace(true);
                Ok(Answer::Ok(Reply::Done))
            }
            Request::Subscribe => {
                self.events = Some(self.node.subscribe());
                Ok(Answer::Ok(Reply::Done))
            }
            request => self.call(request).await,
        }
    }

    /// Asks the node, passing events on meanwhile. Only waiting is given up when the node ends or
    /// the client leaves.
    async fn call(&mut self, request: Request) -> Result<Answer, Over> {
        let waits = matches!(request, Request::Wait { .. });
        let mut listening = waits;
        let node = Arc::clone(&self.node);
        let mut call = pin!(node.call(request));
        loop {
            tokio::select! {
                biased;
                result = &mut call => return Ok(match result {
                    Ok(reply) => Answer::Ok(reply),
                    Err(error) => Answer::Err(error),
                }),
                () = stopped(&mut self.stopped), if waits => {
                    write(&mut self.writer, &Answer::Bye).await?;
                    return Err(Over);
                }
                more = self.lines.fill(), if listening => match more {
                    // The next request, early: it is answered in its turn.
                    Ok(true) => listening = false,
                    Ok(false) | Err(_) => return Err(Over),
                },
                event = next(&mut self.events) => {
                    write(&mut self.writer, &Answer::Event(event)).await?;
                }
            }
        }
    }
}

/// The next event, or never.
async fn next(events: &mut Option<Subscription>) -> Event {
    if let Some(subscription) = events {
        if let Some(event) = subscription.next().await {
            return event;
        }
        *events = None;
    }
    core::future::pending().await
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is a server that is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn write(writer: &mut OwnedWriteHalf, answer: &Answer) -> Result<(), Over> {
    let line = encode(answer);
    match time::timeout(WRITE_PATIENCE, writer.write_all(&line)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Over),
    }
}

fn encode(answer: &Answer) -> Vec<u8> {
    let mut line = match serde_json::to_vec(answer) {
        Ok(line) if line.len() <= ANSWER_LINE => line,
        Ok(_) => encode_error("the answer is too long. Ask for fewer with -n."),
        Err(_) => encode_error("the answer cannot be written as JSON"),
    };
    line.push(b'\n');
    line
}

fn encode_error(message: &str) -> Vec<u8> {
    serde_json::to_vec(&Answer::Err(ApiError::new(ErrorKind::Failed, message))).unwrap_or_default()
}

fn usage(message: String) -> ApiError {
    ApiError::new(ErrorKind::Usage, message)
}
