//! The `dchat` command: exit code only.

use std::process::ExitCode;

use dchat::{
    api::{ApiError, ErrorKind, Reply, Request},
    seam::{Node, OpenError, PeerConfig, Subscription},
};

fn main() -> ExitCode {
    dchat::cli::main(async |_: PeerConfig| -> Result<NoNode, OpenError> {
        Err(OpenError::Other(ApiError::new(
            ErrorKind::Failed,
            "this build has no node in it. Build it with one.",
        )))
    })
}

/// There is none.
enum NoNode {}

impl Node for NoNode {
    async fn call(&self, _: Request) -> Result<Reply, ApiError> {
        match *self {}
    }

    fn subscribe(&self) -> Subscription {
        match *self {}
    }

    async fn shutdown(&self) {
        match *self {}
    }
}
