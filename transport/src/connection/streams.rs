//! What to do with the peer's streams.

use std::sync::Arc;

use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::nat::Reached;
use dchat_wire::{Frame, FrameReader};
use quinn::{RecvStream, SendStream, VarInt};

use super::frames::{FrameStream, first_frame};
use super::handle::Connection;
use crate::dht;
use crate::endpoint::Shared;
use crate::error::StreamError;
use crate::limits::FIRST_FRAME_TIMEOUT;
use crate::nat;
use crate::relay;

/// What a unidirectional stream turned out to be.
pub(super) enum Opened {
    /// A control stream, by its first frame.
    Control(Box<(FrameStream, Frame)>),
    /// One for the application, read up to the end of its first frame; with the way back where it has
    /// one.
    Application(Box<(Option<SendStream>, RecvStream, FrameReader, Frame)>),
    /// One that needs nothing more.
    Done,
    /// A reason to close the connection.
    Violation(Code),
}

/// Reads the first frame of a unidirectional stream.
pub(super) async fn open(mut recv: RecvStream) -> Opened {
    let mut reader = FrameReader::new();
    if defect::is(Defect::HoldsStreams) && recv.id().index() >= 2 {
        return core::future::pending().await;
    }
    let first = first_frame(&mut recv, &mut reader);
    match tokio::time::timeout(FIRST_FRAME_TIMEOUT, first).await {
        Ok(Ok(Some(frame @ Frame::Hello(_)))) => {
            Opened::Control(Box::new((FrameStream::new(recv, reader), frame)))
        }
        Ok(Ok(Some(frame @ Frame::ChatOpen(_)))) => {
            Opened::Application(Box::new((None, recv, reader, frame)))
        }
        Ok(Ok(Some(_))) => stop(&mut recv, Code::Unexpected),
        Ok(Ok(None)) => Opened::Done,
        Ok(Err(error)) => error.code().map_or(Opened::Done, Opened::Violation),
        Err(_) => stop(&mut recv, Code::Timeout),
    }
}

fn stop(recv: &mut RecvStream, code: Code) -> Opened {
    // Fails only for a stream that is over, which is what was wanted.
    let _ = recv.stop(VarInt::from_u32(code as u32));
    Opened::Done
}

/// Answers the question on a bidirectional stream.
pub(super) async fn answer(
    shared: Arc<Shared>,
    connection: Connection,
    send: SendStream,
    mut recv: RecvStream,
) -> Opened {
    let mut reader = FrameReader::new();
    let question = first_frame(&mut recv, &mut reader);
    let question = match tokio::time::timeout(FIRST_FRAME_TIMEOUT, question).await {
        Ok(Ok(Some(question))) => question,
        Ok(Ok(None)) => return give_up(send, recv, Code::Unexpected),
        Ok(Err(error)) => return error.code().map_or(Opened::Done, Opened::Violation),
        Err(_) => return give_up(send, recv, Code::Timeout),
    };
    match question {
        Frame::Ping(_) if defect::is(Defect::PongsNever) => give_up(send, recv, Code::Refused),
        Frame::Ping(ping) => {
            let pong = Frame::Pong(dchat_wire::ping::Ping {
                nonce: ping.nonce ^ u64::from(defect::is(Defect::PongsOtherNonce)),
                extensions: Default::default(),
            });
            answer_with(send, recv, pong).await
        }
        Frame::Reach(reach) => {
            let reached = Frame::Reached(Reached {
                result: nat::serve(&shared, &connection, &reach).await,
                extensions: Default::default(),
            });
            answer_with(send, recv, reached).await
        }
        request @ (Frame::RelayReserve(_) | Frame::RelayConnect(_)) => {
            let broken =
                relay::server::serve(&shared, &connection, request, send, recv, reader).await;
            broken.map_or(Opened::Done, Opened::Violation)
        }
        incoming @ Frame::RelayIncoming(_) => {
            let broken =
                relay::client::called(&shared, &connection, incoming, send, recv, reader).await;
            broken.map_or(Opened::Done, Opened::Violation)
        }
        open @ Frame::GossipOpen(_) => {
            Opened::Application(Box::new((Some(send), recv, reader, open)))
        }
        question @ (Frame::DhtFind(_) | Frame::DhtGet(_) | Frame::DhtPut(_)) => {
            match dht::serve(&shared, &connection, question).await {
                Some(answer) => answer_with(send, recv, answer).await,
                None => give_up(send, recv, Code::Unexpected),
            }
        }
        _ if defect::is(Defect::ClosesOnForeignFrame) => Opened::Violation(Code::Unexpected),
        _ => give_up(send, recv, Code::Unexpected),
    }
}

/// Answers, and ends the stream.
async fn answer_with(mut send: SendStream, mut recv: RecvStream, answer: Frame) -> Opened {
    let last = last_word(&mut send, &mut recv, &answer);
    match tokio::time::timeout(FIRST_FRAME_TIMEOUT, last).await {
        Ok(Ok(None)) => {
            if defect::is(Defect::PongsOnAndOn) {
                let _ = send.write_all(&answer.to_bytes()).await;
            }
            // A stream the peer has stopped needs no end.
            let _ = send.finish();
            Opened::Done
        }
        Ok(Ok(Some(code))) => give_up(send, recv, code),
        Ok(Err(error)) => error.code().map_or(Opened::Done, Opened::Violation),
        Err(_) => give_up(send, recv, Code::Timeout),
    }
}

/// Writes an answer after which nothing may come; the code to give the stream up with if it does.
async fn last_word(
    send: &mut SendStream,
    recv: &mut RecvStream,
    answer: &Frame,
) -> Result<Option<Code>, StreamError> {
    let written = send.write_all(&answer.to_bytes()).await;
    written.map_err(|_| StreamError::Closed)?;
    // One question a stream: whatever follows is not read.
    match recv.read_chunk(1, true).await {
        Ok(None) => Ok(None),
        _ => Ok(Some(Code::Unexpected)),
    }
}

fn give_up(mut send: SendStream, mut recv: RecvStream, code: Code) -> Opened {
    let code = if defect::is(Defect::StopsStreamsAsDone) {
        Code::Done
    } else {
        code
    };
    // Both fail only for a direction that is over.
    let _ = send.reset(VarInt::from_u32(code as u32));
    stop(&mut recv, code)
}
