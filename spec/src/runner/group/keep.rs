//! The task that keeps the streams of a [`Line`](super::line::Line).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use dchat_wire::Frame;
use dchat_wire::gossip::{SignedItem, log_id};
use dchat_wire::group::GroupOperations;
use tokio::time::{Instant, timeout};

use super::super::bodies::group::{self, OPERATIONS, Signed};
use super::super::bodies::room::{self, ASKED, Item, LEAVE, OPEN, parting};
use super::super::frames::{self, codes, frame, ping};
use super::super::journal::{Journal, RawFrame, Stream};
use super::line::{AGAIN, Came, Inner, Open};
use super::story::{Hash, NAMED};

/// How often at most it answers a question about operations: a peer that asks for ever is not followed.
const ANSWERS: usize = 200;

impl Inner {
    pub(super) fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes on the living stream that this side opened last, or else on that of the other (DC-GOSSIP-008).
    pub(super) async fn say(&self, bytes: &[u8]) {
        let mut talks = self.talks.lock().await;
        let journal = self.link.journal();
        let lives = |open: &Open| lives(&journal, open.talk.stream);
        let ours = talks.iter().rposition(|open| open.is_ours && lives(open));
        let place = ours.or_else(|| talks.iter().rposition(lives));
        if let Some(open) = place.and_then(|place| talks.get_mut(place)) {
            open.talk.say(bytes).await;
        }
    }

    fn opening(&self, is_answer: bool) -> Vec<u8> {
        let tag = self.room.tag(&self.link.me.public(), &self.peer);
        frame(OPEN, &room::open(&tag, self.nonce, is_answer, false).bytes)
    }

    /// GROUP_OPERATIONS with the heads of all.
    pub(super) fn operations(&self, lacking: &[Hash], operations: &[Signed]) -> Vec<u8> {
        let mut heads = self.story.story().heads();
        heads.truncate(NAMED);
        group::operations(&self.room.id, &heads, lacking, operations).bytes
    }

    /// The task.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut read: BTreeMap<usize, usize> = BTreeMap::new();
        let mut size = 0;
        let mut opened: Option<Instant> = None;
        loop {
            let over = self.link.quic().close_reason().is_some();
            let journal = self.link.journal();
            self.join(&journal, &mut read).await;
            self.drop_ended(&journal).await;
            for (stream, seen) in &mut read {
                let frames = journal
                    .streams
                    .get(*stream)
                    .map(|stream| stream.frames.as_slice());
                let new = frames
                    .and_then(|frames| frames.get(*seen..))
                    .unwrap_or_default();
                *seen += new.len();
                for frame in new {
                    self.take(*stream, frame).await;
                }
            }
            if over {
                self.came().is_over = true;
                self.news.notify_waiters();
                return;
            }
            let may = opened.is_none_or(|at| at.elapsed() >= AGAIN);
            if may && self.wants.load(Ordering::Relaxed) && self.talks.lock().await.is_empty() {
                opened = Some(Instant::now());
                if let Ok(talk) = self.link.talk(&self.opening(false)).await {
                    read.insert(talk.stream, 0);
                    let open = Open {
                        talk,
                        is_ours: true,
                    };
                    self.talks.lock().await.push(open);
                }
            }
            let more = self.link.until("more", |journal| {
                let now = extent(journal);
                (now > size).then_some(now)
            });
            if let Ok(Ok(now)) = timeout(AGAIN / 5, more).await {
                size = now;
            }
        }
    }

    /// Takes up the streams that the peer has opened: those of the group, and those that are refused.
    async fn join(&self, journal: &Journal, read: &mut BTreeMap<usize, usize>) {
        let theirs = self.room.tag(&self.peer, &self.link.me.public());
        for stream in journal
            .streams
            .iter()
            .filter(|one| one.is_bidirectional && !one.is_ours)
        {
            let Some(first) = stream.first_known() else {
                continue;
            };
            let Some(mut talk) = self.link.join(stream.number) else {
                continue;
            };
            match first.decoded() {
                Some(Frame::GossipOpen(open)) if open.room == theirs => {
                    read.insert(stream.number, 0);
                    let open = Open {
                        talk,
                        is_ours: false,
                    };
                    self.talks.lock().await.push(open);
                }
                Some(Frame::GossipOpen(_)) => {
                    let refusal = room::leave(parting::UNKNOWN_ROOM);
                    talk.say(&frame(LEAVE, &refusal.bytes)).await;
                    talk.finish();
                }
                Some(Frame::Ping(question)) => {
                    talk.say(&frame(frames::PONG, &ping(question.nonce, &[]).bytes))
                        .await;
                    talk.finish();
                }
                _ => talk.reset(codes::UNEXPECTED),
            }
        }
    }

    async fn drop_ended(&self, journal: &Journal) {
        let mut talks = self.talks.lock().await;
        talks.retain_mut(|open| {
            let lives = lives(journal, open.talk.stream);
            if !lives {
                open.talk.finish();
            }
            lives
        });
    }

    async fn take(&self, stream: usize, came: &RawFrame) {
        self.came().frames.push(came.clone());
        match came.decoded() {
            Some(Frame::GossipOpen(open)) => {
                if !open.answer {
                    self.say(&self.opening(true)).await;
                }
                self.greet().await;
            }
            Some(Frame::GossipLeave(_)) => {
                // Others may have been opened since.
                let mut talks = self.talks.lock().await;
                talks.retain_mut(|open| {
                    let is_refused = open.talk.stream == stream;
                    if is_refused {
                        open.talk.finish();
                    }
                    !is_refused
                });
            }
            Some(Frame::GroupOperations(said)) => self.answer(&said).await,
            Some(Frame::GossipPush(push)) => self.hold(*push.item),
            Some(Frame::GossipAnnounce(announce)) => {
                let marks = announce.marks.iter().map(|mark| (mark.log, mark.seq));
                self.pull(marks.collect()).await;
            }
            Some(Frame::GossipPull(pull)) => {
                for want in pull.wants.iter() {
                    self.bring(want.log, want.after, want.upto).await;
                }
            }
            Some(Frame::GossipDigest(_)) => {
                let sketch = room::sketch(1, room::horizon(), 0, &[]);
                self.say(&frame(room::SKETCH, &sketch.bytes)).await;
                self.announce().await;
            }
            Some(Frame::GossipSketch(_)) => self.announce().await,
            _ => {}
        }
        self.news.notify_waiters();
    }

    /// What a link begins with.
    async fn greet(&self) {
        self.say(&frame(OPERATIONS, &self.operations(&[], &[])))
            .await;
        let own = self.came().own.clone();
        for item in own {
            self.say(&item.push(ASKED)).await;
        }
    }

    /// Learns operations, and tells what the peer lacks (DC-GROUP-011).
    async fn answer(&self, said: &GroupOperations) {
        let (lacks, asks) = {
            let mut story = self.story.story();
            if said.group != story.group {
                return;
            }
            for signed in said.operations.iter() {
                story.learn(signed);
            }
            let heads = said.heads.as_slice();
            let asks = said.operations.is_empty() && !heads.iter().all(|head| story.has(head));
            (story.after(heads, said.lacking.as_slice()), asks)
        };
        let may = {
            let mut came = self.came();
            came.answers += 1;
            came.answers <= ANSWERS
        };
        if may && (asks || !lacks.is_empty()) {
            self.say(&frame(OPERATIONS, &self.operations(&[], &lacks)))
                .await;
        }
    }

    fn hold(&self, item: SignedItem) {
        let mut came = self.came();
        if !came.items.contains(&item) {
            came.items.push(item);
        }
    }

    /// Asks for items that were announced and are not here.
    async fn pull(&self, marks: Vec<(u64, u32)>) {
        let wants: Vec<(u64, u32, u32)> = {
            let came = self.came();
            let held = |log: u64| {
                let of_log = came
                    .items
                    .iter()
                    .filter(|item| mark(&self.room.id, item) == log);
                let theirs = of_log.map(|item| item.header.seq).max();
                let own = came
                    .own
                    .iter()
                    .filter(|item| own_mark(&self.room.id, item) == log);
                theirs
                    .max(own.map(|item| item.header.seq).max())
                    .unwrap_or(0)
            };
            let wants = marks.into_iter().map(|(log, seq)| (log, held(log), seq));
            wants.filter(|(_, held, seq)| held < seq).collect()
        };
        if !wants.is_empty() {
            let pull = room::pull(false, &wants);
            self.say(&frame(room::PULL, &pull.bytes)).await;
        }
    }

    /// Brings items of this member that were asked for.
    async fn bring(&self, log: u64, after: u32, upto: u32) {
        let own = self.came().own.clone();
        for item in own {
            let seq = item.header.seq;
            if own_mark(&self.room.id, &item) == log && after < seq && seq <= upto {
                self.say(&item.push(ASKED)).await;
            }
        }
    }

    async fn announce(&self) {
        let mut marks: BTreeMap<u64, u32> = BTreeMap::new();
        for item in &self.came().own {
            let newest = marks.entry(own_mark(&self.room.id, item)).or_default();
            *newest = item.header.seq.max(*newest);
        }
        if !marks.is_empty() {
            let marks: Vec<_> = marks
                .into_iter()
                .map(|(log, seq)| (log, seq, u16::MAX))
                .collect();
            let body = room::announce(&marks);
            self.say(&frame(room::ANNOUNCE, &body.bytes)).await;
        }
    }
}

/// Whether the peer has not ended its side of a stream.
fn lives(journal: &Journal, stream: usize) -> bool {
    let stream = journal.streams.get(stream);
    stream.is_some_and(|stream| stream.end.is_none())
}

/// Grows with everything that comes.
fn extent(journal: &Journal) -> usize {
    let of = |stream: &Stream| 1 + stream.frames.len() + usize::from(stream.end.is_some());
    journal.streams.iter().map(of).sum()
}

/// The beginning of the name of an item's log, as frames name it.
#[must_use]
fn mark(room: &[u8; 32], item: &SignedItem) -> u64 {
    beginning(&log_id(room, &item.header.author, &item.header.incarnation))
}

fn own_mark(room: &[u8; 32], item: &Item) -> u64 {
    beginning(&log_id(room, &item.author, &item.header.incarnation))
}

fn beginning(log: &[u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *log;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
