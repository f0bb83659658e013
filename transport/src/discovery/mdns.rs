//! The task that speaks with the mDNS daemon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_wire::PeerId;
use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent};
use tokio::sync::mpsc;

use super::advert::{SERVICE, ours, theirs};
use super::table::{DiscoveryTable, Output};
use crate::endpoint::{MdnsConfig, Shared, is_alone};
use crate::limits::{MDNS_ANSWER, MDNS_VERIFY};

/// Seconds between the daemon's own looks at the interfaces. It is told when they change; this is
/// for removed ones, and rare enough not to keep a processor awake.
const IP_CHECK_SECONDS: u32 = 30;
/// Wait before the daemon is started again after it failed.
const RESTART: Duration = Duration::from_secs(10);

/// Shows us on the local network and looks for others, until the endpoint closes.
pub(crate) async fn discover(
    shared: Arc<Shared>,
    config: MdnsConfig,
    mut suspects: mpsc::Receiver<PeerId>,
) {
    let closing = shared.closing();
    tokio::pin!(closing);
    loop {
        let session = Session::start(&shared, &config);
        let error = match session {
            Ok(mut session) => tokio::select! {
                error = session.run(&mut suspects) => {
                    session.forget_all();
                    error
                }
                () = &mut closing => {
                    session.goodbye().await;
                    return;
                }
            },
            Err(error) => error,
        };
        tracing::warn!(%error, "discovery on the local network does not work; trying again");
        tokio::select! {
            () = tokio::time::sleep(RESTART) => {}
            () = &mut closing => return,
        }
    }
}

/// One life of the daemon.
struct Session {
    shared: Arc<Shared>,
    daemon: ServiceDaemon,
    browser: mdns_sd::Receiver<ServiceEvent>,
    table: DiscoveryTable,
    loopback_wanted: bool,
    registered: Option<String>,
}

impl Session {
    fn start(shared: &Arc<Shared>, config: &MdnsConfig) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new_with_port(config.port)?;
        daemon.set_ip_check_interval(IP_CHECK_SECONDS)?;
        let browser = daemon.browse(SERVICE)?;
        let mut session = Self {
            table: DiscoveryTable::new(shared.limits.discovered_peers),
            shared: Arc::clone(shared),
            daemon,
            browser,
            loopback_wanted: config.loopback,
            registered: None,
        };
        session.announce()?;
        Ok(session)
    }

    /// Returns only when the daemon fails.
    async fn run(&mut self, suspects: &mut mpsc::Receiver<PeerId>) -> mdns_sd::Error {
        let mut changes = self.shared.interfaces.subscribe();
        loop {
            let due = self.table.poll_timeout();
            let due = due.unwrap_or_else(|| Instant::now() + MDNS_VERIFY);
            let now = Instant::now();
            tokio::select! {
                event = self.browser.recv_async() => match event {
                    Ok(event) => self.handle(event, now),
                    Err(_) => return mdns_sd::Error::Msg("the daemon ended".into()),
                },
                Some(peer) = suspects.recv() => self.table.suspect(&peer, now),
                () = tokio::time::sleep_until(due.into()) => {
                    self.table.handle_timeout(Instant::now());
                }
                _ = changes.changed() => {
                    if let Err(error) = self.announce() {
                        return error;
                    }
                }
            }
            if let Err(error) = self.act() {
                return error;
            }
        }
    }

    fn handle(&mut self, event: ServiceEvent, now: Instant) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                if let Some(record) = theirs(&self.shared.us, &service) {
                    let matters = self.shared.matters(&record.peer);
                    self.table.resolved(record, matters, now);
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => self.table.removed(&name),
            _ => {}
        }
    }

    fn act(&mut self) -> Result<(), mdns_sd::Error> {
        while let Some(output) = self.table.poll_output() {
            match output {
                Output::Found {
                    peer,
                    addrs,
                    instance,
                } => self.shared.found(peer, addrs, instance),
                Output::Gone(peer) => self.shared.expired(peer),
                Output::Verify(name) => match self.daemon.verify(name, MDNS_ANSWER) {
                    // Busy: its turn comes again.
                    Ok(()) | Err(mdns_sd::Error::Again) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Chooses the interfaces and registers our record with the addresses we have now.
    fn announce(&mut self) -> Result<(), mdns_sd::Error> {
        let loopback = self.loopback_wanted || is_alone();
        let kinds = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
        // Each call also makes the daemon look for new interfaces.
        if loopback {
            self.daemon.enable_interface(kinds)?;
        } else {
            self.daemon.disable_interface(kinds)?;
        }
        let addrs = self.shared.listen_addrs();
        if let Some(info) = ours(&self.shared.us, &self.shared.instance, &addrs)? {
            self.registered = Some(info.get_fullname().to_owned());
            self.daemon.register(info)?;
        }
        Ok(())
    }

    /// Withdraws our record and stops the daemon.
    async fn goodbye(&mut self) {
        if let Some(name) = self.registered.take()
            && let Ok(done) = self.daemon.unregister(&name)
        {
            // The daemon has the goodbye or is gone.
            let _ = done.recv_async().await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_async().await;
        }
    }

    /// The daemon is gone, and with it all it knew.
    fn forget_all(&mut self) {
        self.table.clear();
        while let Some(output) = self.table.poll_output() {
            if let Output::Gone(peer) = output {
                self.shared.expired(peer);
            }
        }
    }
}
