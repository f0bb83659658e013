//! A stream of the relay protocol: frames of the peer go to a state machine, and what that orders is
//! done.

use std::sync::Arc;

use dchat_wire::close::Code;
use dchat_wire::relay::{Refusal, RelayRefused};
use dchat_wire::{Frame, FrameReader};
use quinn::{SendStream, VarInt};
use tokio::sync::mpsc;

use super::proto::{ConnId, StreamId};
use crate::connection::{FrameStream, close};

/// Orders that may wait for one stream: it is answered and closed, each once.
pub(super) const ORDERS: usize = 4;

/// What is to be done on a stream.
#[derive(Debug)]
pub(super) enum Order {
    Write(Frame),
    Close(Option<Frame>),
}

/// What follows streams.
pub(super) trait Machine: Send + Sync {
    /// A frame came.
    fn frame(&self, conn: ConnId, stream: StreamId, frame: Frame);
    /// The peer's side ended, or the stream could not be opened.
    fn ended(&self, conn: ConnId, stream: StreamId);
}

/// Says no to what was asked on a stream, and ends it.
pub(super) async fn refuse(mut send: SendStream, reason: Refusal) {
    let refused = Frame::RelayRefused(RelayRefused {
        reason,
        retry_after_s: 0,
        extensions: Default::default(),
    });
    // Both fail only for a stream or connection that is over.
    let _ = send.write_all(&refused.to_bytes()).await;
    let _ = send.finish();
}

/// Opens a stream, writes `frame`, and follows it.
pub(super) async fn call(
    machine: Arc<dyn Machine>,
    quinn: quinn::Connection,
    conn: ConnId,
    stream: StreamId,
    frame: Frame,
    mut orders: mpsc::Receiver<Order>,
) {
    let opening = async {
        let (mut send, recv) = quinn.open_bi().await.ok()?;
        send.write_all(&frame.to_bytes()).await.ok()?;
        Some((send, recv))
    };
    let opened = tokio::select! {
        opened = opening => opened,
        // Before it is open there is nothing to order but its end.
        _ = orders.recv() => return,
    };
    let Some((send, recv)) = opened else {
        return machine.ended(conn, stream);
    };
    let frames = FrameStream::new(recv, FrameReader::new());
    if let Some(code) = follow(&*machine, conn, stream, send, frames, orders).await {
        close(&quinn, code);
    }
}

/// Follows a stream to its end: what the peer says goes to the machine, and what that orders is
/// done. Returns the code to close the connection with when the peer sent what is no frame.
pub(super) async fn follow(
    machine: &dyn Machine,
    conn: ConnId,
    stream: StreamId,
    mut send: SendStream,
    mut frames: FrameStream,
    mut orders: mpsc::Receiver<Order>,
) -> Option<Code> {
    let mut listening = true;
    loop {
        let order = tokio::select! {
            // What was said before the peer's end is done before it.
            biased;
            order = orders.recv() => order,
            frame = frames.next(), if listening => {
                match frame {
                    Ok(Some(frame)) => machine.frame(conn, stream, frame),
                    Ok(None) => {
                        listening = false;
                        machine.ended(conn, stream);
                    }
                    Err(error) => {
                        listening = false;
                        machine.ended(conn, stream);
                        if let Some(code) = error.code() {
                            return Some(code);
                        }
                    }
                }
                continue;
            }
        };
        let (frame, last) = match order {
            Some(Order::Write(frame)) => (Some(frame), false),
            Some(Order::Close(frame)) => (frame, true),
            // The connection is gone, or was never known.
            None => (None, true),
        };
        if let Some(frame) = frame {
            // A peer that stopped the stream ends it as well, which is heard above.
            let _ = send.write_all(&frame.to_bytes()).await;
        }
        if last {
            let _ = send.finish();
            let _ = frames.recv().stop(VarInt::from_u32(0));
            // The last word has arrived, or nobody is there to hear it.
            let _ = send.stopped().await;
            return None;
        }
    }
}
