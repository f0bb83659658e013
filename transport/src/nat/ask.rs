//! Asking another node for a REACH.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_wire::nat::{Reach, ReachFrom, ReachResult};
use dchat_wire::{Address, Frame, FrameReader};

use crate::connection::{Connection, first_frame};

/// Time for the answer: the asked node may have to ask a third one.
const ANSWER: Duration = Duration::from_secs(2);

/// Asks `connection`'s peer to send `token` to `target`. What goes wrong on the way counts as
/// [`ReachResult::Unable`].
pub(crate) async fn reach(
    connection: &Connection,
    token: [u8; 16],
    from: ReachFrom,
    target: SocketAddr,
) -> ReachResult {
    let question = Frame::Reach(Reach {
        token,
        from,
        target: Address::direct(target),
        extensions: Default::default(),
    });
    let asked = async {
        let (mut send, mut recv) = connection.open_bi().await.ok()?;
        send.write_all(&question.to_bytes()).await.ok()?;
        send.finish().ok()?;
        match first_frame(&mut recv, &mut FrameReader::new()).await {
            Ok(Some(Frame::Reached(reached))) => Some(reached.result),
            Ok(_) => None,
            Err(error) => {
                if let Some(code) = error.code() {
                    connection.close(code);
                }
                None
            }
        }
    };
    let answer = tokio::time::timeout(ANSWER, asked).await;
    answer.ok().flatten().unwrap_or(ReachResult::Unable)
}
