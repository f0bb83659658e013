//! A node of the hash table that listens.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::{AsyncUdpSocket, TokioRuntime};
use tokio::time::timeout;

use super::super::bodies::dht;
use super::super::case::Fault;
use super::super::cases::dht::greeting;
use super::super::frames::{self, codes, frame};
use super::super::identity::Identity;
use super::super::link::Link;
use super::super::listener::{Listening, server_config};
use super::super::partner::{Partner, endpoint_config, own};
use super::super::tap::Tap;
use super::super::tls::{Dialing, Shown};

/// A node of the hash table that listens where it dials from. It answers as [`Shared`] says.
pub(super) struct Host {
    /// Who it is.
    pub(super) me: Identity,
    /// Where it listens.
    pub(super) at: SocketAddr,
    /// Its position: the puzzle's nonce is 0.
    pub(super) position: [u8; 32],
    endpoint: quinn::Endpoint,
    tap: Arc<Tap>,
    shared: Arc<Shared>,
}

/// Key, socket and position of a host.
type Named = ([u8; 32], SocketAddr, [u8; 32]);
/// Who was asked, the type of the question, and its target.
type Question = ([u8; 32], u16, Vec<u8>);

/// What the answers of all hosts of one scenario follow from.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// All of them.
    nodes: Mutex<Vec<Named>>,
    /// The questions that came.
    asked: Mutex<Vec<Question>>,
    /// Keys of those who leave questions unanswered.
    silent: Mutex<Vec<[u8; 32]>>,
}

impl Shared {
    pub(super) fn asked(&self) -> Vec<Question> {
        lock(&self.asked).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    /// A new one, which answers from now on.
    pub(super) fn new(
        partner: &Partner,
        shared: &Arc<Shared>,
        is_silent: bool,
    ) -> Result<Self, Fault> {
        let me = Identity::new(&partner.fresh());
        let tap = partner.tap()?;
        let at = AsyncUdpSocket::local_addr(&*tap).map_err(|error| own(error.to_string()))?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            endpoint_config(),
            Some(server_config(&Listening::of(&me), &Arc::default())?),
            Arc::clone(&tap) as Arc<dyn AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        )
        .map_err(|error| own(error.to_string()))?;
        let (_, position) = dht::pass(&me.public(), 0);
        if is_silent {
            lock(&shared.silent).push(me.public());
        }
        lock(&shared.nodes).push((me.public(), at, position));
        let host = Self {
            me,
            at,
            position,
            endpoint,
            tap,
            shared: Arc::clone(shared),
        };
        tokio::spawn(accept(
            host.endpoint.clone(),
            host.me.clone(),
            Arc::clone(&host.tap),
            partner.clone(),
            Arc::clone(shared),
        ));
        Ok(host)
    }

    /// Dials the peer, and says that it serves.
    pub(super) async fn joins(&self, partner: &Partner) -> Result<Arc<Link>, Fault> {
        let dialing = Dialing::of(&self.me);
        let (client, shown) = dialing.client().map_err(own)?;
        let connecting = self
            .endpoint
            .connect_with(
                quinn::ClientConfig::new(client),
                partner.subject.address,
                "peer.invalid",
            )
            .map_err(|error| own(error.to_string()))?;
        let connection = timeout(partner.subject.patience, connecting)
            .await
            .map_err(|_| Fault::new("a handshake", "none"))?
            .map_err(|error| Fault::new("a handshake", error.to_string()))?;
        let link = serve(
            &self.endpoint,
            connection,
            &self.me,
            shown,
            &self.tap,
            partner,
            &self.shared,
        )
        .await;
        let claim = dht::server(0, self.at);
        let question = dht::find(&self.position, 20, &[], Some(&claim));
        link.ask(&frame(dht::FIND, &question.bytes)).await?;
        Ok(link)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // As a node that stops does.
        self.endpoint.close(0_u8.into(), b"");
    }
}

async fn accept(
    endpoint: quinn::Endpoint,
    me: Identity,
    tap: Arc<Tap>,
    partner: Partner,
    shared: Arc<Shared>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else {
            continue;
        };
        let _link = serve(
            &endpoint,
            connection,
            &me,
            Shown::default(),
            &tap,
            &partner,
            &shared,
        )
        .await;
    }
}

/// Greets on a connection, and answers its questions as long as it lasts.
async fn serve(
    endpoint: &quinn::Endpoint,
    connection: quinn::Connection,
    me: &Identity,
    shown: Shown,
    tap: &Arc<Tap>,
    partner: &Partner,
    shared: &Arc<Shared>,
) -> Arc<Link> {
    let patience = partner.subject.patience;
    let mut link = Link::new(
        endpoint.clone(),
        connection,
        me.clone(),
        shown,
        Arc::clone(tap),
        patience,
        true,
    );
    link.control(&greeting(partner).bytes()).await;
    let link = Arc::new(link);
    tokio::spawn(answer(Arc::clone(&link), me.clone(), Arc::clone(shared)));
    link
}

async fn answer(link: Arc<Link>, me: Identity, shared: Arc<Shared>) {
    let mut done = 0;
    while link.quic().close_reason().is_none() {
        let next = link.until("another question", |journal| {
            let questions = journal.streams.iter();
            let mut questions =
                questions.filter(|stream| stream.is_bidirectional && !stream.is_ours);
            let stream = questions.nth(done)?;
            Some((stream.number, stream.first_known()?.clone()))
        });
        let Ok((stream, question)) = next.await else {
            continue;
        };
        done += 1;
        let target = question.body.get(..32).unwrap_or_default().to_vec();
        lock(&shared.asked).push((me.public(), question.code, target.clone()));
        let Some(mut talk) = link.join(stream) else {
            continue;
        };
        if lock(&shared.silent).contains(&me.public()) {
            talk.reset(codes::INTERNAL);
            continue;
        }
        let mut near = lock(&shared.nodes).clone();
        near.retain(|(key, _, _)| *key != me.public());
        if let Ok(target) = <[u8; 32]>::try_from(target) {
            near.sort_by_key(|(_, _, position)| dht::distance(position, &target));
        }
        let nodes: Vec<_> = near
            .iter()
            .map(|(key, at, _)| dht::node(key, 0, *at))
            .collect();
        let claim = link.tap_address().ok().map(|at| dht::server(0, at));
        let answer = match question.code {
            dht::FIND => dht::nodes(&nodes, claim.as_ref()),
            dht::GET => dht::values(&[], 0, &[7; 16], &nodes),
            dht::PUT => dht::stored(60),
            frames::PING => {
                let nonce = question.body.first_chunk().copied().unwrap_or_default();
                let pong = frames::ping(u64::from_le_bytes(nonce), &[]);
                frame(frames::PONG, &pong.bytes)
            }
            _ => dht::refused(dht::refusal::NOT_SERVING, 0),
        };
        talk.say(&answer).await;
        talk.finish();
    }
}
