//! One connection of a partner: what it does on it, and waiting for what the peer does.
//!
//! Everything the peer opens is read as it comes and stands in the [`Journal`]. Questions of the peer
//! are answered as a correct node without services does: PING with PONG, anything else by refusing the
//! stream; a case that wants them for itself says so in [`Dialing`](super::Dialing).

use core::fmt;
use core::time::Duration;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use dchat_wire::Frame;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::case::{Fault, Outcome};
pub use super::ending::Ending;
use super::frames::{self, codes, frame, ping};
use super::heard::{Heard, hear, listen, read_frames};
use super::identity::Identity;
use super::journal::{End, Journal, RawFrame};
use super::partner::own;
use super::probe::{self, Keys, Probe};
use super::talk::Talk;
use super::tap::Tap;
use super::tls::Shown;

/// A connection.
pub struct Link {
    /// Who the partner is on it.
    pub me: Identity,
    /// What the peer showed in the handshake.
    pub shown: Shown,
    /// The UDP socket below.
    pub tap: Arc<Tap>,
    /// The peer's address.
    pub to: SocketAddr,
    connection: Connection,
    patience: Duration,
    heard: Arc<Heard>,
    control: Option<SendStream>,
    // The connection ends with its endpoint.
    _endpoint: quinn::Endpoint,
}

/// What came back on a stream of this side.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The frames.
    pub frames: Vec<RawFrame>,
    /// How it ended.
    pub end: End,
    /// The code of a STOP_SENDING, if one came before the end.
    pub stopped: Option<u64>,
}

impl Answer {
    /// The one known frame, with those of unknown types skipped.
    #[must_use]
    pub fn single(&self) -> Option<Frame> {
        let mut known = self.frames.iter().filter_map(RawFrame::decoded);
        let first = known.next()?;
        known.next().is_none().then_some(first)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self
            .frames
            .iter()
            .map(|raw| frames::name(raw.code))
            .collect();
        write!(f, "[{}] and {:?}", names.join(" "), self.end)?;
        match self.stopped {
            Some(code) => write!(f, ", stopped with {}", codes::name(code)),
            None => Ok(()),
        }
    }
}

impl Link {
    /// A connection whose handshake is done. Reads from now on.
    pub(super) fn new(
        endpoint: quinn::Endpoint,
        connection: Connection,
        me: Identity,
        shown: Shown,
        tap: Arc<Tap>,
        patience: Duration,
        keeps_questions: bool,
    ) -> Self {
        let heard = Arc::new(Heard::default());
        hear(&connection, &heard, keeps_questions);
        Self {
            me,
            shown,
            tap,
            to: connection.remote_address(),
            connection,
            patience,
            heard,
            control: None,
            _endpoint: endpoint,
        }
    }

    /// The connection below, for what this type does not offer.
    #[must_use]
    pub fn quic(&self) -> &Connection {
        &self.connection
    }

    /// Where the partner's socket is: what the peer sees when nothing translates in between.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub fn tap_address(&self) -> Result<SocketAddr, Fault> {
        let at = quinn::AsyncUdpSocket::local_addr(&*self.tap);
        at.map_err(|error| super::partner::own(error.to_string()))
    }

    /// How long something that must happen at once may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// A copy of the journal so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.heard.journal().clone()
    }

    // --- moving --------------------------------------------------------------------------------

    /// Goes on from another port, with the same connection ID.
    ///
    /// # Errors
    /// The runner's own.
    pub fn move_to(&self, socket: UdpSocket) -> Outcome {
        self.tap
            .exchange(socket)
            .map_err(|error| own(error.to_string()))
    }

    /// Answers every question about a path that comes to the present socket, and to those it is
    /// exchanged for, as a correct peer does.
    pub fn answer_probes(&self, ours: Keys, theirs: Keys) {
        let (tap, to) = (Arc::clone(&self.tap), self.to);
        let connection = self.connection.clone();
        tokio::spawn(async move {
            let mut read = (0, 0);
            loop {
                let next = tap.until(|came| {
                    let (socket, count) = read;
                    let count = if came.socket == socket { count } else { 0 };
                    let datagram = came.others.get(count)?.clone();
                    Some(((came.socket, count + 1), datagram))
                });
                let datagram;
                (read, datagram) = tokio::select! {
                    next = next => next,
                    _ = connection.closed() => return,
                };
                if let Some(said) = probe::read(&theirs, &datagram.bytes)
                    && said.kind == probe::ASK
                {
                    let answer = Probe::answer(&ours, said.transaction, datagram.from);
                    let _lost = tap.send(&answer.sealed(&ours), to);
                }
            }
        });
    }

    // --- saying --------------------------------------------------------------------------------

    /// Writes to the control stream, which it opens first. What cannot be written any more because the
    /// peer has closed is not missed: whoever waits for the close sees it.
    pub async fn control(&mut self, bytes: &[u8]) {
        if self.control.is_none() {
            self.control = self.connection.open_uni().await.ok();
        }
        if let Some(control) = &mut self.control {
            let _closed = control.write_all(bytes).await;
        }
    }

    /// The control stream, to end or reset it.
    pub fn control_stream(&mut self) -> Option<&mut SendStream> {
        self.control.as_mut()
    }

    /// Opens a unidirectional stream and writes to it; as [`control`](Self::control) otherwise.
    ///
    /// # Errors
    /// A fault when the peer lets no stream be opened.
    pub async fn uni(&self, bytes: &[u8]) -> Result<SendStream, Fault> {
        let opened = timeout(self.patience, self.connection.open_uni()).await;
        let mut stream = opened
            .map_err(|_| no_stream("the peer gives no credit for one").by("DC-CONN-004"))?
            .map_err(|error| no_stream(&Ending::from(error).to_string()))?;
        let _closed = stream.write_all(bytes).await;
        Ok(stream)
    }

    /// The same in both directions.
    ///
    /// # Errors
    /// As [`uni`](Self::uni).
    pub async fn bi(&self, bytes: &[u8]) -> Result<(SendStream, RecvStream), Fault> {
        let opened = timeout(self.patience, self.connection.open_bi()).await;
        let (mut send, recv) = opened
            .map_err(|_| no_stream("the peer gives no credit for one").by("DC-CONN-004"))?
            .map_err(|error| no_stream(&Ending::from(error).to_string()))?;
        let _closed = send.write_all(bytes).await;
        Ok((send, recv))
    }

    /// Asks: writes `bytes` to a new bidirectional stream, ends it, and reads until the answer ends.
    ///
    /// # Errors
    /// A fault when no end comes in time or the connection ends.
    pub async fn ask(&self, bytes: &[u8]) -> Result<Answer, Fault> {
        let (mut send, recv) = self.bi(bytes).await?;
        let _closed = send.finish();
        self.answer(send, recv).await
    }

    /// Reads the answer on a stream of this side to its end.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn answer(&self, send: SendStream, recv: RecvStream) -> Result<Answer, Fault> {
        let mut answer = Answer {
            frames: Vec::new(),
            end: End::Lost,
            stopped: None,
        };
        let read = read_frames(recv, |frame| answer.frames.push(frame));
        match timeout(self.patience, read).await {
            Ok(end) => answer.end = end,
            Err(_) => {
                let what = "an answer, or the end of the stream";
                return Err(Fault::new(what, format!("neither, but {answer}")));
            }
        }
        if let Ok(Ok(Some(code))) = timeout(Duration::ZERO, send.stopped()).await {
            answer.stopped = Some(code.into_inner());
        }
        match self.connection.close_reason() {
            Some(error) if answer.end == End::Lost => {
                Err(Fault::new("an answer", Ending::from(error).to_string()))
            }
            _ => Ok(answer),
        }
    }

    /// Opens a bidirectional stream on which both sides go on talking: the way back is read into the
    /// journal.
    ///
    /// # Errors
    /// As [`uni`](Self::uni).
    pub async fn talk(&self, bytes: &[u8]) -> Result<Talk, Fault> {
        let (send, recv) = self.bi(bytes).await?;
        let stream = self.heard.change(Journal::open_ours);
        tokio::spawn(listen(recv, Arc::clone(&self.heard), stream));
        Ok(self.talk_on(stream, send))
    }

    /// A stream the peer opened, to go on talking on it. Only of links that keep questions
    /// ([`Dialing`](super::Dialing)), and once.
    #[must_use]
    pub fn join(&self, stream: usize) -> Option<Talk> {
        let send = self.take_sender(stream)?;
        Some(self.talk_on(stream, send))
    }

    fn talk_on(&self, stream: usize, send: SendStream) -> Talk {
        let heard = Arc::clone(&self.heard);
        Talk::new(stream, send, heard, self.connection.clone(), self.patience)
    }

    /// Asks PING and expects PONG with the same nonce: the peer lives and goes on.
    ///
    /// # Errors
    /// A fault of DC-CONN-033 when anything else happens.
    pub async fn ping(&self, nonce: u64) -> Outcome {
        let what = "PONG with the nonce of the PING";
        let question = frame(frames::PING, &ping(nonce, &[]).bytes);
        let answer = self.ask(&question).await.map_err(|fault| match fault {
            Fault::Failed { seen, .. } => Fault::new(what, seen).by("DC-CONN-033"),
            other => other,
        })?;
        match answer.single() {
            Some(Frame::Pong(pong)) if pong.nonce == nonce => Ok(()),
            _ => Err(Fault::new(what, answer.to_string()).by("DC-CONN-033")),
        }
    }

    /// The sending half of a question of the peer's that was kept for the case.
    #[must_use]
    pub fn take_sender(&self, stream: usize) -> Option<SendStream> {
        self.heard.take_sender(stream)
    }

    // --- waiting -------------------------------------------------------------------------------

    /// Waits until `wanted` finds something in the journal.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when the connection ends or patience does.
    pub async fn until<T>(
        &self,
        what: &str,
        wanted: impl Fn(&Journal) -> Option<T>,
    ) -> Result<T, Fault> {
        let (connection, patience) = (&self.connection, self.patience);
        self.heard.until(connection, patience, what, wanted).await
    }

    /// Waits for the end of the connection.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when it goes on.
    pub async fn ending(&self, what: &str) -> Result<Ending, Fault> {
        match timeout(self.patience, self.connection.closed()).await {
            Ok(error) => Ok(error.into()),
            Err(_) => {
                let seen = format!(
                    "a connection that goes on after {} s",
                    self.patience.as_secs()
                );
                Err(Fault::new(what, seen))
            }
        }
    }

    /// Expects that the peer closes with this code and no other.
    ///
    /// # Errors
    /// A fault when it does not.
    pub async fn expect_close(&self, code: u64) -> Outcome {
        self.expect_close_with(&[code]).await.map(|_| ())
    }

    /// Expects that the peer closes with one of these codes, which it gives.
    ///
    /// # Errors
    /// A fault when it does not.
    pub async fn expect_close_with(&self, wanted: &[u64]) -> Result<u64, Fault> {
        let names: Vec<&str> = wanted.iter().map(|code| codes::name(*code)).collect();
        let what = format!("a close with {}", names.join(" or "));
        match self.ending(&what).await? {
            Ending::Closed(code, _) if wanted.contains(&code) => Ok(code),
            other => Err(Fault::new(what, other.to_string())),
        }
    }

    /// Expects that the peer has read its control stream up to here without complaint: a frame that no
    /// receiver may pass over follows, and `marker` is the code it must close with. Choose one that
    /// what came before could not have been answered with.
    ///
    /// # Errors
    /// A fault when it closes otherwise or not at all.
    pub async fn reads_on(&mut self, marker: Marker) -> Outcome {
        self.control(&marker.bytes()).await;
        let what = format!(
            "what was sent to be passed over, and then a close with {} for what followed it",
            codes::name(marker.code())
        );
        match self.ending(&what).await? {
            Ending::Closed(code, _) if code == marker.code() => Ok(()),
            other => Err(Fault::new(what, other.to_string())),
        }
    }

    /// Closes as a correct peer does that is done.
    pub fn leave(&self) {
        self.close(codes::DONE, b"");
    }

    /// Why the connection is over, in words; nothing while it is not.
    #[must_use]
    pub fn closed(&self) -> String {
        let reason = self.connection.close_reason();
        reason
            .map(|reason| format!("({reason})"))
            .unwrap_or_default()
    }

    /// Closes with a code and a reason.
    pub fn close(&self, code: u64, reason: &[u8]) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.connection.close(code, reason);
    }

    /// Expects that the connection goes on: PING is answered.
    ///
    /// # Errors
    /// As [`ping`](Self::ping), without naming a requirement.
    pub async fn lives(&self) -> Outcome {
        self.ping(0x6c69_7665).await.map_err(|fault| match fault {
            Fault::Failed { seen, .. } => Fault::new("a connection that goes on", seen),
            other => other,
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// A last frame on a control stream, which ends the connection with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A critical frame of an unknown type: UNSUPPORTED.
    Unsupported,
    /// An empty IDENTIFY_PUSH: MALFORMED.
    Malformed,
    /// A PING: UNEXPECTED.
    Unexpected,
}

impl Marker {
    /// The code that answers it.
    #[must_use]
    pub fn code(self) -> u64 {
        match self {
            Self::Unsupported => codes::UNSUPPORTED,
            Self::Malformed => codes::MALFORMED,
            Self::Unexpected => codes::UNEXPECTED,
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Unsupported => frame(0x7777, &[]),
            Self::Malformed => frame(frames::IDENTIFY_PUSH, &[]),
            Self::Unexpected => frame(frames::PING, &ping(1, &[]).bytes),
        }
    }
}

fn no_stream(seen: &str) -> Fault {
    Fault::new("a stream that can be opened", seen)
}
