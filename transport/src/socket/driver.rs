//! The task that keeps the switch's time. It sleeps without a timer while nothing is pending.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::Shared;

pub(super) async fn drive(shared: Arc<Shared>) {
    while !shared.closed.load(Ordering::Acquire) {
        match shared.handle_timeout() {
            None => shared.wake.notified().await,
            Some(at) => {
                tokio::select! {
                    () = shared.wake.notified() => {}
                    () = tokio::time::sleep_until(at.into()) => {}
                }
            }
        }
    }
}
