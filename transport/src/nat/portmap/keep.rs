//! Keeping one protocol's mapping: the I/O under its [`Lease`].

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dchat_nat::lease::{self, Input, Lease, Output, State};
use tokio::sync::watch;

use super::state::{MappingState, PortMapping, Unmapped, Wanted};
use super::{Protocol, local};

/// What keeps one protocol's mapping.
pub(super) struct Keep {
    /// The port of our socket; none when it has no socket that others could reach.
    pub(super) port: Option<u16>,
    /// Whether it is for IPv4.
    pub(super) v4: bool,
    /// Its address, where it is not the system's gateway that is asked.
    pub(super) remote: Option<SocketAddr>,
    pub(super) config: lease::Config,
    pub(super) seed: [u8; 32],
    pub(super) state: watch::Sender<PortMapping>,
    pub(super) slot: fn(&mut PortMapping) -> &mut MappingState,
    pub(super) changes: watch::Receiver<()>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Keep {
    fn show(&self, now: MappingState) {
        self.state.send_if_modified(|state| {
            let slot = (self.slot)(state);
            core::mem::replace(slot, now) != now
        });
    }

    /// Keeps the mapping until it is to be given back, and does that.
    pub(super) async fn run(mut self, mut protocol: impl Protocol) {
        let mut lease = Lease::new(self.config, self.seed);
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = self.keep(&mut lease, &mut protocol) => {}
            // Also when nobody holds the other end any more.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        lease.handle_input(Input::Shutdown, Instant::now());
        self.show(MappingState::Off);
        while let Some(output) = lease.poll_output() {
            if let Output::Withdraw { internal, port } = output {
                protocol.unmap(internal, port).await;
            }
        }
    }

    /// Never ends.
    async fn keep(&mut self, lease: &mut Lease, protocol: &mut impl Protocol) {
        let mut failure = None;
        self.want(lease);
        loop {
            while let Some(output) = lease.poll_output() {
                match output {
                    Output::Request {
                        number,
                        internal,
                        suggested,
                        lifetime,
                    } => {
                        let ip = Some(internal.ip());
                        self.show(shown(lease.state(), ip, failure));
                        let wanted = Wanted {
                            internal,
                            suggested,
                            seconds: u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX),
                        };
                        failure = self.ask(lease, protocol, number, wanted).await;
                    }
                    Output::Withdraw { internal, port } => protocol.unmap(internal, port).await,
                    Output::Changed(_) => {}
                }
            }
            self.show(shown(lease.state(), local(self.v4, self.remote), failure));
            let due = lease.poll_timeout();
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                () = due => lease.handle_timeout(Instant::now()),
                () = changed(&mut self.changes) => self.network_changed(lease),
            }
        }
    }

    /// Asks once; what went wrong if something did.
    async fn ask(
        &mut self,
        lease: &mut Lease,
        protocol: &mut impl Protocol,
        number: u32,
        wanted: Wanted,
    ) -> Option<Unmapped> {
        let asked = tokio::time::timeout(self.config.answer, protocol.map(wanted));
        let answer = tokio::select! {
            answer = asked => answer.unwrap_or(Err(Unmapped::NoAnswer)),
            () = changed(&mut self.changes) => {
                self.network_changed(lease);
                return None;
            }
        };
        let input = match answer {
            Ok(grant) => Input::Granted(number, grant),
            Err(unmapped) => Input::Refused(number, unmapped.refusal()),
        };
        lease.handle_input(input, Instant::now());
        answer.err()
    }

    fn network_changed(&self, lease: &mut Lease) {
        lease.handle_input(Input::NetworkChanged, Instant::now());
        self.want(lease);
    }

    fn want(&self, lease: &mut Lease) {
        let local: Option<IpAddr> = local(self.v4, self.remote);
        if let (Some(ip), Some(port)) = (local, self.port) {
            lease.handle_input(Input::Wanted((ip, port).into()), Instant::now());
        }
    }
}

/// Waits for a change; for ever when nobody is left to tell.
async fn changed(changes: &mut watch::Receiver<()>) {
    if changes.changed().await.is_err() {
        core::future::pending().await
    }
}

/// What to show; `local` is what a mapping leads to that the gateway does not translate.
fn shown(state: State, local: Option<IpAddr>, failure: Option<Unmapped>) -> MappingState {
    match state {
        // There is nothing of ours that could be mapped.
        State::Idle => MappingState::NoGateway,
        State::Asking => MappingState::Asking,
        State::Mapped { port, external, .. } => {
            let untranslated = local.map(|ip| (ip, port).into());
            let external = external.or(untranslated);
            external.map_or(MappingState::Asking, MappingState::Mapped)
        }
        State::Failed(known) => match failure {
            Some(Unmapped::NoGateway) => MappingState::NoGateway,
            Some(Unmapped::NoAnswer) => MappingState::NoAnswer,
            Some(Unmapped::Nonsense) => MappingState::Nonsense,
            _ => MappingState::Refused(known),
        },
        State::Withdrawn => MappingState::Off,
    }
}
