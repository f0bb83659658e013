//! The endpoint's own tasks, which end when it closes.

use std::sync::Arc;
use std::time::Duration;

use super::interfaces::{InterfaceWatch, concrete, interface_ips};
use super::shared::Shared;
use crate::dial::{Dial, dial};
use crate::socket::{PathEvent, PathEvents};

/// Dials the peers that shall be connected, when they are due.
pub(super) async fn keep(shared: Arc<Shared>) {
    let closing = shared.closing();
    tokio::pin!(closing);
    loop {
        let (due, next) = shared.poll_keeper();
        // At most `Limits::dials` run at a time.
        for dial in due {
            tokio::spawn(dial_kept(Arc::clone(&shared), dial));
        }
        let next = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            () = next => {}
            () = shared.keeper_may_act() => {}
            () = &mut closing => return,
        }
    }
}

async fn dial_kept(shared: Arc<Shared>, due: Dial) {
    if let Err(error) = dial(&shared, Some(due.peer), &due.addrs).await {
        tracing::debug!(peer = ?due.peer, %error, "dialing a kept peer failed");
    }
    shared.dialed(due.peer);
}

/// Passes on what happens to paths.
pub(super) async fn follow_paths(shared: Arc<Shared>, mut events: PathEvents) {
    let closing = shared.closing();
    tokio::pin!(closing);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut closing => return,
        };
        match event {
            Some(PathEvent::Switched { virt, .. }) => shared.path_changed(virt),
            Some(PathEvent::Lost { virt }) => shared.path_lost(virt),
            // IDENTIFY tells the same, on every connection and not only where paths are probed.
            Some(PathEvent::Observed { .. }) => {}
            // Of connections for which a direct path is looked for.
            Some(
                PathEvent::Signal { .. } | PathEvent::Sample { .. } | PathEvent::Outcome { .. },
            ) => {}
            None => return,
        }
    }
}

/// Follows the interfaces.
pub(super) async fn follow_interfaces(shared: Arc<Shared>) {
    let mut watch = InterfaceWatch::new();
    let closing = shared.closing();
    tokio::pin!(closing);
    loop {
        tokio::select! {
            () = watch.changed() => {}
            () = &mut closing => return,
        }
        let addrs = concrete(&shared.paths.local_addrs(), &interface_ips());
        shared.interfaces_changed(addrs);
    }
}

/// How long a daemon of discovery gets to say goodbye.
pub(super) const GOODBYE: Duration = Duration::from_millis(500);
