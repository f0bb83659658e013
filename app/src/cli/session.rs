//! One command's hold on a node, wherever it runs.
//!
//! State: a client of the process that has the home, or a node in this process, which then has the
//! home itself and, when it uses the network, serves the control socket to others. The two look the
//! same to a command. When the process behind it ends, or a daemon asks this process for the home,
//! the session moves: it lets go and attaches to whoever has the home next, or takes it.
//!
//! Invariant: a request is carried out at most once. What a dead process may or may not have done is
//! asked again only where asking twice does no harm, as it is for a message sent under a token.
//!
//! Bounds: [`PATIENCE`] for a home that is in use and not served, [`HANDOVER`] for a process that was
//! asked to let go of it.

use core::time::Duration;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::{Exit, Failure, passphrase::Passphrases};
use crate::{
    api::{Event, MessageState, Reply, Request, Secret, Sent},
    control::{CallError, Client, ControlError, Role, Server},
    seam::{Node, OpenError, OpenNode, PeerConfig, Subscription},
};

/// How long a home may be in use by a process that serves nobody: one that opens, reads or ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a process that was asked may take to let go of the home: it finishes what it was asked.
pub(crate) const HANDOVER: Duration = Duration::from_secs(12);
/// How long a moving session leaves the home to others, so that a daemon that restarts gets it.
const COURTESY: Duration = Duration::from_secs(2);
/// Between two looks at a home that is in use.
const PAUSE: Duration = Duration::from_millis(25);

/// A node to ask.
pub(crate) struct Session<O: OpenNode> {
    opener: Arc<O>,
    config: PeerConfig,
    passphrases: Passphrases,
    role: Role,
    link: Link<O::Node>,
    subscribed: bool,
}

enum Link<N> {
    Attached(Client),
    Hosted(Host<N>),
    Closed,
}

struct Host<N> {
    node: Arc<N>,
    server: Option<Server>,
    events: Option<Subscription>,
}

/// What became of a request.
enum Attempt {
    /// It was answered.
    Answered(Box<Result<Reply, Failure>>),
    /// It was not carried out, and the session has to move.
    Moved,
    /// The process died over it.
    Unknown,
}

/// What comes next of a session's events.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// An event.
    Event(Event),
    /// The process behind the session has ended or has to let go: [`Session::reopen`] goes on.
    Moving,
}

impl<O: OpenNode> Session<O> {
    /// Attaches to whoever serves the home, or takes it.
    ///
    /// # Errors
    /// [`Exit::Locked`] when the home stays in use for [`PATIENCE`] or does not open; whatever the
    /// node says when it cannot start.
    pub(crate) async fn open(
        opener: Arc<O>,
        config: PeerConfig,
        passphrases: Passphrases,
    ) -> Result<Self, Failure> {
        let mut session = Self::closed(opener, config, passphrases, Role::Guest);
        session.acquire(Duration::ZERO).await?;
        Ok(session)
    }

    /// Takes the home for a daemon: from a command that has it for a while, never from another
    /// daemon.
    ///
    /// # Errors
    /// [`Exit::Locked`] with the process id when a daemon has it; otherwise as [`open`](Self::open).
    pub(crate) async fn take(
        opener: Arc<O>,
        config: PeerConfig,
        passphrases: Passphrases,
    ) -> Result<Self, Failure> {
        let mut session = Self::closed(opener, config, passphrases, Role::Daemon);
        let mut deadline = Instant::now() + PATIENCE;
        let mut asked = None;
        loop {
            match Client::connect(&session.config.home).await {
                Ok(Some(client)) if client.hello().role == Role::Daemon => {
                    return Err(Failure::new(
                        Exit::Locked,
                        format!(
                            "a daemon already runs on this home (process {}). Stop it first, or \
                             choose another home with --home.",
                            client.hello().process
                        ),
                    ));
                }
                Ok(Some(mut guest)) => {
                    let process = guest.hello().process;
                    if asked != Some(process) && guest.call(&Request::Shutdown).await.is_ok() {
                        asked = Some(process);
                        deadline = Instant::now() + HANDOVER;
                    }
                }
                Ok(None) => {
                    if session.host(&mut deadline).await? {
                        return Ok(session);
                    }
                }
                Err(error) => give_up_at(deadline, error)?,
            }
            in_use_at(deadline, &session.config)?;
            sleep(PAUSE).await;
        }
    }

    fn closed(opener: Arc<O>, config: PeerConfig, passphrases: Passphrases, role: Role) -> Self {
        Self {
            opener,
            config,
            passphrases,
            role,
            link: Link::Closed,
            subscribed: false,
        }
    }

    /// Whether the node runs in this process and ends with it.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self.link, Link::Hosted(_))
    }

    /// The passphrase a node in this process was opened with.
    pub(crate) fn passphrase(&self) -> Option<Secret> {
        self.config.passphrase.clone()
    }

    /// Asks, and moves as often as it takes to get an answer. Not to be dropped halfway.
    ///
    /// # Errors
    /// What the node says, or that it died over a request that must not be asked twice.
    pub(crate) async fn call(&mut self, request: Request) -> Result<Reply, Failure> {
        loop {
            match self.attempt(&request).await {
                Attempt::Answered(answer) => return *answer,
                Attempt::Unknown if !may_be_asked_twice(&request) => {
                    return Err(Failure::new(
                        Exit::Failed,
                        "the dchat process of this home died before it answered. Look whether it \
                         was done before you try again.",
                    ));
                }
                Attempt::Moved | Attempt::Unknown => self.reopen().await?,
            }
        }
    }

    /// Queues a message, once, whatever becomes of the process behind the session: asking again
    /// under the same token tells of the message that was queued before.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`Exit::Failed`] where the system gives no random bytes.
    pub(crate) async fn send(
        &mut self,
        to: &str,
        text: &str,
        ttl_s: Option<u64>,
    ) -> Result<Sent, Failure> {
        let request = Request::Send {
            to: to.to_owned(),
            text: text.to_owned(),
            ttl_s,
            token: Some(token()?),
        };
        match self.call(request).await? {
            Reply::Sent(sent) => Ok(sent),
            _ => Err(ControlError::Foreign.into()),
        }
    }

    /// Waits until a message reaches `state` or time runs out, and says how far it came.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn wait(
        &mut self,
        id: &str,
        state: MessageState,
        timeout: Duration,
    ) -> Result<Sent, Failure> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let request = Request::Wait {
                id: id.to_owned(),
                state,
                timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            };
            match self.attempt(&request).await {
                Attempt::Answered(answer) => {
                    return match *answer {
                        Ok(Reply::Sent(sent)) => Ok(sent),
                        Ok(_) => Err(ControlError::Foreign.into()),
                        Err(failure) => Err(failure),
                    };
                }
                Attempt::Moved | Attempt::Unknown => self.reopen().await?,
            }
        }
    }

    /// From now on events are kept for [`next`](Self::next), across moves.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn subscribe(&mut self) -> Result<(), Failure> {
        self.subscribed = true;
        if let Link::Hosted(host) = &mut self.link {
            host.events = Some(host.node.subscribe());
            return Ok(());
        }
        self.call(Request::Subscribe).await.map(drop)
    }

    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When what answers cannot be understood.
    pub(crate) async fn next(&mut self) -> Result<Next, Failure> {
        match &mut self.link {
            Link::Attached(client) => match client.next_event().await {
                Ok(event) => Ok(Next::Event(event)),
                Err(CallError::Gone | CallError::Lost) => Ok(Next::Moving),
                Err(CallError::Refused(error)) => Err(error.into()),
                Err(CallError::Control(error)) => Err(error.into()),
            },
            Link::Hosted(host) => Ok(host.next().await),
            Link::Closed => Ok(Next::Moving),
        }
    }

    /// Lets go of what is behind the session and finds the home's next holder.
    ///
    /// # Errors
    /// As [`open`](Self::open); a daemon that is asked to let go ends instead.
    pub(crate) async fn reopen(&mut self) -> Result<(), Failure> {
        self.release().await;
        self.acquire(COURTESY).await?;
        if self.subscribed {
            Box::pin(self.subscribe()).await?;
        }
        Ok(())
    }

    /// Ends the session; a node in this process ends with everything on disk.
    pub(crate) async fn close(mut self) {
        self.release().await;
    }

    async fn attempt(&mut self, request: &Request) -> Attempt {
        match &mut self.link {
            Link::Attached(client) => match client.call(request).await {
                Ok(reply) => Attempt::Answered(Box::new(Ok(reply))),
                Err(CallError::Refused(error)) => Attempt::Answered(Box::new(Err(error.into()))),
                Err(CallError::Gone) => Attempt::Moved,
                Err(CallError::Lost) => Attempt::Unknown,
                Err(CallError::Control(error)) => Attempt::Answered(Box::new(Err(error.into()))),
            },
            Link::Hosted(host) => host.call(request).await,
            Link::Closed => Attempt::Moved,
        }
    }

    /// Attaches or takes the home; takes it no sooner than after `courtesy`.
    async fn acquire(&mut self, courtesy: Duration) -> Result<(), Failure> {
        let polite_until = Instant::now() + courtesy;
        let mut deadline = polite_until + PATIENCE;
        loop {
            match Client::connect(&self.config.home).await {
                Ok(Some(client)) => {
                    self.link = Link::Attached(client);
                    return Ok(());
                }
                Ok(None) if Instant::now() < polite_until => {}
                Ok(None) => {
                    if self.host(&mut deadline).await? {
                        return Ok(());
                    }
                }
                Err(error) => give_up_at(deadline, error)?,
            }
            in_use_at(deadline, &self.config)?;
            sleep(PAUSE).await;
        }
    }

    /// Starts a node in this process; `false` when somebody else has the home.
    async fn host(&mut self, deadline: &mut Instant) -> Result<bool, Failure> {
        loop {
            match self.opener.open(self.config.clone()).await {
                Ok(node) => {
                    self.link = Link::Hosted(self.serve(node).await?);
                    return Ok(true);
                }
                Err(OpenError::InUse { .. }) => return Ok(false),
                Err(error @ (OpenError::PassphraseNeeded | OpenError::WrongPassphrase)) => {
                    let Some(passphrase) = self.passphrases.after(&error)? else {
                        return Err(error.into());
                    };
                    self.config.passphrase = Some(passphrase);
                    // A person took that time, not the home's holder.
                    *deadline = Instant::now() + PATIENCE;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A node without the network is here for a moment, and others wait for it to end; one with it
    /// may be here for long, and serves them.
    async fn serve(&self, node: O::Node) -> Result<Host<O::Node>, Failure> {
        let node = Arc::new(node);
        let server = if self.config.online {
            match Server::start(&self.config.home, Arc::clone(&node), self.role) {
                Ok(server) => Some(server),
                Err(error) => {
                    node.shutdown().await;
                    return Err(error.into());
                }
            }
        } else {
            None
        };
        Ok(Host {
            node,
            server,
            events: None,
        })
    }

    async fn release(&mut self) {
        if let Link::Hosted(host) = core::mem::replace(&mut self.link, Link::Closed) {
            if let Some(server) = host.server {
                server.stop().await;
            }
            host.node.shutdown().await;
        }
    }
}

impl<N: Node> Host<N> {
    async fn call(&mut self, request: &Request) -> Attempt {
        let Self { node, server, .. } = self;
        let waits = matches!(request, Request::Wait { .. });
        tokio::select! {
            biased;
            answer = node.call(request.clone()) => {
                Attempt::Answered(Box::new(answer.map_err(Failure::from)))
            }
            () = asked_to_end(server), if waits => Attempt::Moved,
        }
    }

    async fn next(&mut self) -> Next {
        let Self { server, events, .. } = self;
        tokio::select! {
            biased;
            event = next_of(events) => event.map_or(Next::Moving, Next::Event),
            () = asked_to_end(server) => Next::Moving,
        }
    }
}

async fn asked_to_end(server: &mut Option<Server>) {
    match server {
        Some(server) => server.asked_to_end().await,
        None => core::future::pending().await,
    }
}

async fn next_of(events: &mut Option<Subscription>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => core::future::pending().await,
    }
}

/// Names one wish to send.
fn token() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message =
            format!("the operating system gives no random bytes ({error}). Nothing was sent.");
        Failure::new(Exit::Failed, message)
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Whether a second time changes nothing that the first one did not.
fn may_be_asked_twice(request: &Request) -> bool {
    !matches!(
        request,
        Request::Send { token: None, .. }
            | Request::Invite
            | Request::Accept { .. }
            | Request::Refuse { .. }
            | Request::RenameContact { .. }
            | Request::RemoveContact { .. }
            | Request::LeaveRoom { .. }
            | Request::CreateGroup { .. }
            | Request::InviteMember { .. }
            | Request::RemoveMember { .. }
            | Request::PromoteMember { .. }
            | Request::AcceptGroup { .. }
            | Request::LeaveGroup { .. }
            | Request::RenameGroup { .. }
            | Request::SetPassphrase { .. }
    )
}

fn give_up_at(deadline: Instant, error: ControlError) -> Result<(), Failure> {
    match error {
        // It may be about to answer, or about to die.
        ControlError::Silent if Instant::now() < deadline => Ok(()),
        error => Err(error.into()),
    }
}

fn in_use_at(deadline: Instant, config: &PeerConfig) -> Result<(), Failure> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Locked,
        format!(
            "{} is in use by another dchat process that does not answer. Stop it, or choose \
             another home with --home.",
            config.home.display()
        ),
    ))
}
