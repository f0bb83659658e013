//! Events to whoever listens.

use tokio::sync::broadcast;

use crate::api::Event;
use crate::seam::Subscription;

/// Events a subscriber may be behind before it loses the oldest: a burst of a few hundred messages
/// with their states.
const BACKLOG: usize = 4096;

/// Publishes events; a slow subscriber loses its oldest ones and is told how many.
#[derive(Clone, Debug)]
pub(super) struct Hub(broadcast::Sender<Event>);

impl Hub {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(super) fn publish(&self, event: Event) {
        // Nobody listening is fine: what matters is in the database.
        let _ = self.0.send(event);
    }

    pub(super) fn subscribe(&self) -> Subscription {
        Subscription::new(self.0.subscribe())
    }
}
