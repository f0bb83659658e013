//! A node of a script, for the tests of what drives nodes: it answers what the test says, records
//! what it was asked, and keeps a lock as a real home does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is a failed test"
)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::broadcast;

use super::{Node, OpenError, OpenNode, PeerConfig, Subscription};
use crate::api::{ApiError, ErrorKind, Event, Reply, Request};

type Script = dyn Fn(&Request) -> Option<Result<Reply, ApiError>> + Send + Sync;

/// Answers by a script; what the script has no answer for stays pending.
#[derive(Clone)]
pub(crate) struct FakeNode {
    script: Arc<Script>,
    pub(crate) asked: Arc<Mutex<Vec<Request>>>,
    pub(crate) events: broadcast::Sender<Event>,
    locked: Arc<AtomicBool>,
}

impl FakeNode {
    pub(crate) fn new(
        script: impl Fn(&Request) -> Option<Result<Reply, ApiError>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            script: Arc::new(script),
            asked: Arc::default(),
            events: broadcast::Sender::new(64),
            locked: Arc::default(),
        }
    }

    /// Carries out everything and has nothing to say.
    pub(crate) fn agreeable() -> Self {
        Self::new(|_| Some(Ok(Reply::Done)))
    }

    /// What the script says.
    pub(crate) fn answer(&self, request: &Request) -> Option<Result<Reply, ApiError>> {
        (self.script)(request)
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

impl Node for FakeNode {
    async fn call(&self, request: Request) -> Result<Reply, ApiError> {
        self.asked.lock().unwrap().push(request.clone());
        match self.answer(&request) {
            Some(answer) => answer,
            None => core::future::pending().await,
        }
    }

    fn subscribe(&self) -> Subscription {
        Subscription::new(self.events.subscribe())
    }

    async fn shutdown(&self) {
        self.locked.store(false, Ordering::SeqCst);
    }
}

/// Opens the one node of one home, to one opener at a time.
impl OpenNode for FakeNode {
    type Node = Self;

    async fn open(&self, config: PeerConfig) -> Result<Self, OpenError> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(OpenError::InUse { process: Some(1) });
        }
        std::fs::create_dir_all(&config.home).map_err(|error| {
            OpenError::Other(ApiError::new(ErrorKind::Failed, error.to_string()))
        })?;
        Ok(self.clone())
    }
}
