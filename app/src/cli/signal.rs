//! The signals that end a process in order: SIGINT, SIGTERM and SIGHUP.

use super::{Exit, Failure};

/// Signals from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    streams: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    /// Catches them; without a [`Signals`] they kill the process.
    ///
    /// # Errors
    /// [`Exit::Failed`] when the system has no room for it.
    #[cfg(unix)]
    pub(crate) fn catch() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let catch = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(
                    Exit::Failed,
                    format!("cannot catch signals: {error}. Try again."),
                )
            })
        };
        Ok(Self {
            streams: [
                catch(SignalKind::interrupt())?,
                catch(SignalKind::terminate())?,
                catch(SignalKind::hangup())?,
            ],
        })
    }

    /// Catches them; without a [`Signals`] they kill the process.
    ///
    /// # Errors
    /// None on this system.
    #[cfg(not(unix))]
    pub(crate) fn catch() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Returns when one has come. Dropping the future loses nothing.
    #[cfg(unix)]
    pub(crate) async fn ended(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.streams;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// Returns when one has come.
    #[cfg(not(unix))]
    pub(crate) async fn ended(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            core::future::pending().await
        }
    }
}
