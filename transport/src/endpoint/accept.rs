//! Incoming connections.

use std::sync::Arc;
use std::time::Instant;

use dchat_wire::close::Code;
use tokio::time::timeout;

use super::admission::{Decision, Permit};
use super::shared::{Shared, VirtualAddress};
use crate::congestion::{PathControl, PathId};
use crate::connection::{Aim, Established, run};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::relay;
use crate::tls::proven_peer;

/// Takes connection attempts until the endpoint closes. A task is spawned only for those admitted.
pub(super) async fn accept(shared: Arc<Shared>) {
    while let Some(incoming) = shared.quinn.accept().await {
        let virt = incoming.remote_address();
        let proven = incoming.remote_address_validated();
        match shared.admission.decide(shared.network(virt), proven) {
            Decision::Accept(permit) => begin(&shared, incoming, permit),
            Decision::Retry => {
                // Fails only for a proven address, which is not asked again.
                let _ = incoming.retry();
            }
            Decision::Refuse => incoming.refuse(),
            Decision::Ignore => incoming.ignore(),
        }
    }
}

fn begin(shared: &Arc<Shared>, incoming: quinn::Incoming, permit: Permit) {
    let address = VirtualAddress::new(shared, incoming.remote_address());
    let control = PathControl::new(PathId(0), Instant::now(), shared.entropy.number());
    let drawn = incoming.orig_dst_cid();
    let config = shared.settings.server(&drawn, &control);
    match incoming.accept_with(config) {
        Ok(connecting) => {
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                handshake(shared, connecting, control, address, permit).await;
            });
        }
        Err(error) => tracing::debug!(%error, "connection attempt refused"),
    }
}

async fn handshake(
    shared: Arc<Shared>,
    connecting: quinn::Connecting,
    control: PathControl,
    address: VirtualAddress,
    permit: Permit,
) {
    let quinn = match timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(quinn)) => quinn,
        Ok(Err(error)) => {
            tracing::debug!(%error, "incoming handshake failed");
            return;
        }
        Err(_) => return,
    };
    let Some(peer) = proven_peer(&quinn) else {
        quinn.close(
            (Code::Internal as u32).into(),
            Code::Internal.text().as_bytes(),
        );
        return;
    };
    if !relay::was_announced(&shared, address.virt, &peer) {
        // The relay asked for consent under another name.
        quinn.close(
            (Code::Refused as u32).into(),
            Code::Refused.text().as_bytes(),
        );
        return;
    }
    let established = Established {
        quinn,
        peer,
        opened_by_us: false,
        aim: Aim::Peer,
        errand: None,
        dialed: 0,
        control,
        address,
        permit: Some(permit),
        turn: None,
        channel: None,
    };
    // Whoever dials is told; here nobody waits.
    run(shared, established, |_| {}).await;
}
