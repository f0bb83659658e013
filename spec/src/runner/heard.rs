//! What a peer does on a connection: everything it opens is read as it comes.

use core::pin::pin;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dchat_wire::Frame;
use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::case::Fault;
use super::ending::Ending;
use super::frames::{self, codes, frame, ping};
use super::journal::{End, Journal, RawFrame};

/// Largest body that is read whole: what is longer is a fault of the peer's.
const LONGEST: usize = 1 << 20;

/// What the reading tasks share.
#[derive(Default)]
pub(super) struct Heard {
    journal: Mutex<Journal>,
    senders: Mutex<BTreeMap<usize, SendStream>>,
    news: Notify,
}

impl Heard {
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the journal, and tells who waits for news.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Journal) -> T) -> T {
        let result = change(&mut self.journal());
        self.news.notify_waiters();
        result
    }

    /// The sending side of a question of the peer's that was kept.
    pub(super) fn take_sender(&self, stream: usize) -> Option<SendStream> {
        self.senders().remove(&stream)
    }

    fn senders(&self) -> MutexGuard<'_, BTreeMap<usize, SendStream>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Link::until`](super::link::Link::until).
    pub(super) async fn until<T>(
        &self,
        connection: &Connection,
        patience: Duration,
        what: &str,
        wanted: impl Fn(&Journal) -> Option<T>,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + patience;
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable();
            if let Some(found) = wanted(&self.journal()) {
                return Ok(found);
            }
            tokio::select! {
                () = news => {}
                error = connection.closed() => {
                    let found = wanted(&self.journal());
                    return found.ok_or_else(|| Fault::new(what, Ending::from(error).to_string()));
                }
                () = sleep_until(deadline) => {
                    let seen = format!(
                        "nothing of the kind in {} s, but {}",
                        patience.as_secs(),
                        self.journal().summary()
                    );
                    return Err(Fault::new(what, seen));
                }
            }
        }
    }
}

/// Reads everything that the peer opens. Its questions are answered, or their sending sides kept.
pub(super) fn hear(connection: &Connection, heard: &Arc<Heard>, keeps_questions: bool) {
    tokio::spawn(accept_uni(connection.clone(), Arc::clone(heard)));
    tokio::spawn(accept_bi(
        connection.clone(),
        Arc::clone(heard),
        keeps_questions,
    ));
}

async fn accept_uni(connection: Connection, heard: Arc<Heard>) {
    while let Ok(recv) = connection.accept_uni().await {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let stream = heard.change(|journal| journal.open(false));
            listen(recv, heard, stream).await;
        });
    }
}

/// Notes what comes on a stream until it ends.
pub(super) async fn listen(recv: RecvStream, heard: Arc<Heard>, stream: usize) {
    let push = |frame| heard.change(|journal| journal.push(stream, frame));
    let end = read_frames(recv, push).await;
    heard.change(|journal| journal.end(stream, end));
}

async fn accept_bi(connection: Connection, heard: Arc<Heard>, keeps_questions: bool) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let stream = heard.change(|journal| journal.open(true));
            let mut waiting = Some(send);
            if keeps_questions {
                let kept = waiting.take().map(|send| (stream, send));
                heard.senders().extend(kept);
            }
            let push = |frame: RawFrame| {
                if let Some(send) = frame.decoded().and(waiting.take()) {
                    tokio::spawn(reply(send, frame.clone()));
                }
                heard.change(|journal| journal.push(stream, frame));
            };
            let end = read_frames(recv, push).await;
            heard.change(|journal| journal.end(stream, end));
        });
    }
}

/// Answers a question as a node without services does.
async fn reply(mut send: SendStream, question: RawFrame) {
    match question.decoded() {
        Some(Frame::Ping(question)) => {
            let pong = frame(frames::PONG, &ping(question.nonce, &[]).bytes);
            let _closed: Result<(), WriteError> = send.write_all(&pong).await;
            let _closed = send.finish();
        }
        _ => {
            let code = VarInt::from_u32(codes::UNEXPECTED as u32);
            let _closed = send.reset(code);
        }
    }
}

/// Reads frames until the stream ends, whatever they are.
pub(super) async fn read_frames(mut recv: RecvStream, mut push: impl FnMut(RawFrame)) -> End {
    let mut pending: Vec<u8> = Vec::new();
    loop {
        while let Some(frame) = cut(&mut pending) {
            push(frame);
        }
        match recv.read_chunk(64 * 1024, true).await {
            Ok(Some(chunk)) => pending.extend_from_slice(&chunk.bytes),
            Ok(None) if pending.is_empty() => return End::Finished,
            Ok(None) => return End::Truncated,
            Err(ReadError::Reset(code)) => return End::Reset(code.into_inner()),
            Err(_) => return End::Lost,
        }
        if pending.len() > LONGEST {
            let _closed = recv.stop(VarInt::from_u32(codes::MALFORMED as u32));
            return End::Truncated;
        }
    }
}

/// Takes a whole frame from the front.
fn cut(pending: &mut Vec<u8>) -> Option<RawFrame> {
    let [a, b, c, d, code_low, code_high, flags_low, flags_high] =
        *pending.first_chunk::<{ dchat_wire::limits::FRAME_HEADER }>()?;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    let end = len.checked_add(dchat_wire::limits::FRAME_HEADER)?;
    let body = pending.get(dchat_wire::limits::FRAME_HEADER..end)?.to_vec();
    pending.drain(..end);
    Some(RawFrame {
        code: u16::from_le_bytes([code_low, code_high]),
        flags: u16::from_le_bytes([flags_low, flags_high]),
        body,
    })
}
