//! `dchat room join`: joins, and goes on with a chat where somebody types and no daemon runs.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Console, Failure, ask, passphrase::Passphrases, plan::Join, run::chat, session::Session, words,
};
use crate::{
    api::{Reply, Request, Secret},
    control::ControlError,
    seam::{OpenNode, PeerConfig},
};

/// Bytes of a secret file that are read: what a secret may have, its line's end, and one more to see
/// that it is too long.
const SECRET: u64 = dchat_wire::limits::ROOM_SECRET as u64 + 3;

/// Joins the room. With somebody `typing` and no daemon on this home, chats there until they leave.
///
/// # Errors
/// A usage error for a secret that is none; what the node says.
pub(crate) async fn run<O: OpenNode>(
    join: Join,
    opener: Arc<O>,
    config: PeerConfig,
    passphrases: Passphrases,
    mut console: Console,
    typing: bool,
) -> Result<(), Failure> {
    let secret = join.secret_file.as_deref().map(secret_in).transpose()?;
    let chatting = typing && !console.json();
    let config = PeerConfig {
        online: chatting,
        ..config
    };
    let mut session = Session::open(opener, config, passphrases).await?;
    let request = Request::JoinRoom {
        name: join.name,
        secret,
    };
    let room = match session.call(request).await {
        Ok(Reply::Room(room)) => room,
        Ok(_) => {
            session.close().await;
            return Err(ControlError::Foreign.into());
        }
        Err(failure) => {
            session.close().await;
            return Err(failure);
        }
    };
    if chatting && session.is_host() {
        return chat(session, Some(room.conversation)).await;
    }
    let attached = !session.is_host();
    session.close().await;
    ask::print_one(&room, words::room, &mut console)?;
    if !console.json() && !attached {
        console
            .remark("No node runs on this home: start 'dchat' or 'dchat daemon' to meet others.");
    }
    Ok(())
}

/// The secret in a file.
///
/// # Errors
/// A usage error when the file cannot be read, or is no text.
pub(crate) fn secret_in(path: &Path) -> Result<Secret, Failure> {
    let refused =
        |why: &str| Failure::usage(format!("cannot use {} as a secret: {why}.", path.display()));
    let file = File::open(path).map_err(|error| refused(&error.to_string()))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(SECRET).read_to_end(&mut bytes);
    read.map_err(|error| refused(&error.to_string()))?;
    let text = core::str::from_utf8(&bytes)
        .map_err(|_| refused("it is no text; make one with: openssl rand -hex 32"))?;
    Ok(Secret::new(text.to_owned()))
}
