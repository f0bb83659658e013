//! What a connection is for, and the question it was made for.

use std::sync::{Arc, Mutex};

use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, capability};
use quinn::{RecvStream, SendStream};

use crate::sync::lock;

/// What the dialer of a connection made it for. Its HELLO says so: on a connection for the DHT alone
/// it offers no chat, and the application is not told of it until somebody wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The peer itself.
    Peer,
    /// The DHT.
    Table,
}

impl Aim {
    /// The aim of a dialer that offers these.
    pub(crate) fn of(offered: &Capabilities) -> Self {
        let table = offered.contains(capability::DHT) && !offered.contains(capability::CHAT);
        if table { Self::Table } else { Self::Peer }
    }

    /// What to offer of `all`.
    pub(crate) fn capabilities(self, all: &Capabilities) -> Capabilities {
        if self == Self::Peer {
            return all.clone();
        }
        let kept = all.as_slice().iter().copied();
        let kept = kept.filter(|capability| *capability != capability::CHAT);
        // They stay in order, so the fallback is never taken.
        Capabilities::new(List::first_of(kept)).unwrap_or_default()
    }
}

/// A question that a dial is made for. It leaves with our HELLO, a round trip before a question that
/// waits for the peer's.
#[derive(Clone, Debug)]
pub(crate) struct Errand(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    question: Vec<u8>,
    stream: Mutex<Option<(SendStream, RecvStream)>>,
}

impl Errand {
    /// The frame of a question.
    pub(crate) fn new(question: Vec<u8>) -> Self {
        let stream = Mutex::default();
        Self(Arc::new(Asked { question, stream }))
    }

    /// Asks on a connection whose handshake is done. What goes wrong shows when the answer is read.
    pub(super) async fn ask(&self, quinn: &quinn::Connection) {
        let asked = async {
            let (mut send, recv) = quinn.open_bi().await.ok()?;
            send.write_all(&self.0.question).await.ok()?;
            send.finish().ok()?;
            Some((send, recv))
        };
        *lock(&self.0.stream) = asked.await;
    }

    /// The stream on which it was asked, if it was.
    pub(crate) fn take(&self) -> Option<RecvStream> {
        let (_, recv) = lock(&self.0.stream).take()?;
        Some(recv)
    }
}
