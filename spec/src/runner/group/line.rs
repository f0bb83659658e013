//! The streams of a group between one of the runner's members and the peer, kept by a task: it opens them
//! and opens them again, answers those that the peer opens, tells what the peer lacks of the operations and
//! of this member's items, and takes in what the peer sends. What it does is the least that a member does
//! (`80-gossip` §12, `81-groups` §4).

use core::time::Duration;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dchat_wire::gossip::SignedItem;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::super::bodies::group::{OPERATIONS, Signed};
use super::super::bodies::room::{self, Item, Room};
use super::super::case::Fault;
use super::super::frames::frame;
use super::super::journal::RawFrame;
use super::super::link::Link;
use super::super::talk::Talk;
use super::story::{Hash, Story};

/// After which a stream that ended, or was refused, is opened again.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// The operations everybody may know, shared by the members that the runner plays.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Story>>);

impl Shared {
    /// A story.
    #[must_use]
    pub fn new(story: Story) -> Self {
        Self(Arc::new(Mutex::new(story)))
    }

    /// What nothing names, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<Hash> {
        self.story().heads()
    }

    /// It, for a moment: not twice in one statement.
    pub fn story(&self) -> MutexGuard<'_, Story> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams.
pub struct Line {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) link: Arc<Link>,
    pub(super) room: Room,
    pub(super) peer: [u8; 32],
    pub(super) nonce: u64,
    pub(super) story: Shared,
    pub(super) wants: AtomicBool,
    pub(super) talks: tokio::sync::Mutex<Vec<Open>>,
    pub(super) came: Mutex<Came>,
    pub(super) news: Notify,
}

/// A stream of the group.
pub(super) struct Open {
    pub(super) talk: Talk,
    pub(super) is_ours: bool,
}

/// What came, and what this member says.
#[derive(Default)]
pub(super) struct Came {
    pub(super) frames: Vec<RawFrame>,
    pub(super) items: Vec<SignedItem>,
    pub(super) own: Vec<Item>,
    pub(super) answers: usize,
    pub(super) is_over: bool,
}

impl Line {
    /// The streams on a connection. None is opened before [`open`](Self::open).
    #[must_use]
    pub fn new(
        link: &Arc<Link>,
        group: &[u8; 32],
        peer: [u8; 32],
        nonce: u64,
        story: &Shared,
    ) -> Self {
        let inner = Arc::new(Inner {
            link: Arc::clone(link),
            room: Room::of_group(group),
            peer,
            nonce,
            story: story.clone(),
            wants: AtomicBool::new(false),
            talks: tokio::sync::Mutex::default(),
            came: Mutex::default(),
            news: Notify::new(),
        });
        tokio::spawn(Arc::clone(&inner).keep());
        Self { inner }
    }

    /// Opens a stream, and another whenever the last has ended.
    pub fn open(&self) {
        self.inner.wants.store(true, Ordering::Relaxed);
    }

    /// Opens none any more.
    pub fn rest(&self) {
        self.inner.wants.store(false, Ordering::Relaxed);
    }

    /// Sends a frame on the stream of the moment; nothing when there is none.
    pub async fn say(&self, code: u16, body: &[u8]) {
        self.inner.say(&frame(code, body)).await;
    }

    /// Sends any bytes there.
    pub async fn raw(&self, bytes: &[u8]) {
        self.inner.say(bytes).await;
    }

    /// Waits until no stream is left.
    ///
    /// # Errors
    /// A fault when patience ends before.
    pub async fn ended(&self) -> Result<(), Fault> {
        let deadline = Instant::now() + self.inner.link.patience();
        while !self.inner.talks.lock().await.is_empty() {
            if Instant::now() > deadline {
                return Err(Fault::new("the end of the group's streams", self.summary()));
            }
            // The task looks as often.
            tokio::time::sleep(AGAIN / 5).await;
        }
        Ok(())
    }

    /// Sends operations, and the heads of all.
    pub async fn tell(&self, operations: &[Signed]) {
        let body = self.inner.operations(&[], operations);
        self.say(OPERATIONS, &body).await;
    }

    /// Says an item, now and whenever the link begins.
    pub async fn push(&self, item: &Item) {
        self.inner.came().own.push(item.clone());
        self.inner.say(&item.push(0)).await;
    }

    /// All frames of the group so far, in the order in which they came.
    #[must_use]
    pub fn frames(&self) -> Vec<RawFrame> {
        self.inner.came().frames.clone()
    }

    /// How many came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inner.came().frames.len()
    }

    /// The items of the group that came, each once.
    #[must_use]
    pub fn items(&self) -> Vec<SignedItem> {
        self.inner.came().items.clone()
    }

    /// Asks for everything that is said in the group.
    pub async fn compares(&self) {
        let salt = self.count() as u32;
        let sketch = room::sketch(salt, room::horizon(), 0, &[]);
        self.say(room::SKETCH, &sketch.bytes).await;
    }

    /// Waits until `wanted` finds something in what came.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when the connection ends or patience does.
    pub async fn until<T>(
        &self,
        what: &str,
        wanted: impl Fn(&[RawFrame], &[SignedItem]) -> Option<T>,
    ) -> Result<T, Fault> {
        let patience = self.inner.link.patience();
        let deadline = Instant::now() + patience;
        loop {
            let mut news = pin!(self.inner.news.notified());
            news.as_mut().enable();
            {
                let came = self.inner.came();
                if let Some(found) = wanted(&came.frames, &came.items) {
                    return Ok(found);
                }
                if came.is_over {
                    let seen = format!("the end of the connection {}", self.inner.link.closed());
                    return Err(Fault::new(what, seen));
                }
            }
            tokio::select! {
                () = news => {}
                () = sleep_until(deadline) => {
                    let seen = format!("nothing of the kind in {} s, but {}", patience.as_secs(), self.summary());
                    return Err(Fault::new(what, seen));
                }
            }
        }
    }

    /// What came on the group's streams, in short.
    #[must_use]
    pub fn summary(&self) -> String {
        let came = self.inner.came();
        let names: Vec<String> = came
            .frames
            .iter()
            .rev()
            .take(12)
            .map(ToString::to_string)
            .collect();
        format!(
            "{} frames of the group, the last [{}]",
            came.frames.len(),
            names.join(", ")
        )
    }
}
