//! Asking a neighbour for what it should hold, and giving it what it lacks.

use std::sync::Arc;

use dchat_wire::dht::Refusal;
use dchat_wire::limits::DHT_RECORDS;
use dchat_wire::record::SignedRecord;

use super::{IN_FLIGHT, Repair};
use crate::call::{Answer, Known, Question};
use crate::contact::Contact;
use crate::key::Key;
use crate::record::Notary;
use crate::store::{Put, Shelf, Store};
use crate::time::Time;
use crate::token::Writer;

/// Names a question until it is answered or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u32);

/// A question to be carried out; its outcome goes to [`Repair::handle_answer`] or
/// [`Repair::handle_failure`].
#[derive(Clone, Debug)]
pub struct Ask<H> {
    /// Its name.
    pub id: AskId,
    /// Whom to ask.
    pub to: Contact<H>,
    /// A `Get` or a `Put`.
    pub question: Question,
}

/// A question under way, and what follows it.
#[derive(Debug)]
pub(super) struct Call<H> {
    id: AskId,
    to: Contact<H>,
    slot: u8,
    key: Key,
    /// Whether the question is out; else it is the next to go.
    out: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Asked with the digests of `have` records; of them, those in question.
    Get { have: usize, wanted: Vec<[u8; 8]> },
    /// Puts the last of them.
    Put { token: [u8; 16], left: Vec<[u8; 8]> },
}

impl<H: Copy> Repair<H> {
    /// The next question, while fewer than [`IN_FLIGHT`] are under way. To be called again after
    /// each round's begin, answer and failure, until there is none.
    pub fn poll_ask(&mut self, store: &mut Store) -> Option<Ask<H>> {
        self.next_put(store).or_else(|| self.next_get(store))
    }

    /// Takes the answer to a question. What it holds that is new is checked and stored; whether
    /// anything was.
    pub fn handle_answer<N: Notary + ?Sized>(
        &mut self,
        id: AskId,
        answer: &Answer<H>,
        store: &mut Store,
        notary: &mut N,
        now: Time,
    ) -> bool {
        let Some(index) = self.calls.iter().position(|call| call.id == id) else {
            return false;
        };
        let mut call = self.calls.swap_remove(index);
        match (&mut call.stage, answer) {
            (
                Stage::Get { have, wanted },
                Answer::Values {
                    records,
                    held,
                    token,
                    ..
                },
            ) => {
                let stored = adopt(&call.to, &call.key, records, store, notary, now);
                // The others it has are among those it gave, so the rest of its count is ours.
                let common = usize::from(*held).saturating_sub(records.len());
                let wanted = core::mem::take(wanted);
                if common >= *have {
                    self.mark(&call, &wanted, store);
                } else {
                    call.stage = Stage::Put {
                        token: *token,
                        left: wanted,
                    };
                    call.out = false;
                    self.calls.push(call);
                }
                stored
            }
            (Stage::Put { left, .. }, answer) => {
                let put = left.pop();
                let is_settled = match answer {
                    Answer::Stored { .. } => true,
                    // It would refuse it again in the next round; an audit asks once more.
                    Answer::Refused { reason, .. } => *reason != Refusal::TooMany,
                    _ => false,
                };
                if is_settled {
                    self.mark(&call, put.as_slice(), store);
                    call.out = false;
                    self.calls.push(call);
                } else {
                    self.give_up(call.slot);
                }
                false
            }
            _ => {
                self.give_up(call.slot);
                false
            }
        }
    }

    /// A question failed: the neighbour is left alone until the next round.
    pub fn handle_failure(&mut self, id: AskId) {
        if let Some(index) = self.calls.iter().position(|call| call.id == id) {
            let call = self.calls.swap_remove(index);
            self.give_up(call.slot);
        }
    }

    fn next_put(&mut self, store: &Store) -> Option<Ask<H>> {
        loop {
            let index = self.calls.iter().position(|call| !call.out)?;
            let serial = self.serial.wrapping_add(1);
            let call = self.calls.get_mut(index)?;
            let Stage::Put { token, left } = &mut call.stage else {
                return None;
            };
            let record = loop {
                let Some(digest) = left.last() else {
                    break None;
                };
                // It may be gone by now, or replaced.
                match store.find(&call.key, digest) {
                    Some(record) => break Some(record),
                    None => left.pop(),
                };
            };
            let Some(record) = record else {
                self.calls.swap_remove(index);
                continue;
            };
            self.serial = serial;
            call.id = AskId(serial);
            call.out = true;
            return Some(Ask {
                id: call.id,
                to: call.to,
                question: Question::Put {
                    key: call.key,
                    token: *token,
                    record,
                },
            });
        }
    }

    fn next_get(&mut self, store: &mut Store) -> Option<Ask<H>> {
        if self.calls.len() >= IN_FLIGHT || self.left == 0 {
            return None;
        }
        let shelf = store.shelf_mut()?;
        loop {
            let (to, slot) = *self.targets.last()?;
            let bit = 1 << slot;
            let found = (self.cursor..shelf.len())
                .find(|index| shelf.at(*index).is_some_and(|held| held.wanted & bit != 0));
            let Some(index) = found else {
                self.targets.pop();
                self.cursor = 0;
                continue;
            };
            self.cursor = index;
            let key = shelf.at(index)?.key;
            let (have, wanted) = unmark(shelf, &key, bit);
            self.serial = self.serial.wrapping_add(1);
            self.left -= 1;
            let id = AskId(self.serial);
            let stage = Stage::Get {
                have: have.len(),
                wanted,
            };
            let question = Question::Get {
                key,
                want: 0,
                known: Known::default(),
                have,
            };
            self.calls.push(Call {
                id,
                to,
                slot,
                key,
                out: true,
                stage,
            });
            return Some(Ask { id, to, question });
        }
    }

    /// The neighbour is taken to have these records.
    fn mark(&self, call: &Call<H>, digests: &[[u8; 8]], store: &mut Store) {
        // A round may have begun since, and another neighbour have the slot.
        if self.slot(&call.to.at) != Some(call.slot) {
            return;
        }
        let Some(shelf) = store.shelf_mut() else {
            return;
        };
        let indices: Vec<_> = shelf
            .under(&call.key)
            .filter(|(_, held)| digests.contains(&held.digest))
            .map(|(index, _)| index)
            .collect();
        for index in indices {
            if let Some(held) = shelf.at_mut(index) {
                held.holders |= 1 << call.slot;
            }
        }
    }

    /// Nothing more is asked of a neighbour in this round.
    fn give_up(&mut self, slot: u8) {
        if self.targets.last().is_some_and(|(_, last)| *last == slot) {
            self.cursor = 0;
        }
        self.targets.retain(|(_, target)| *target != slot);
    }
}

/// The digests of the records under `key` that one question can name, those wanted of a neighbour
/// first, and these alone; they are wanted no more.
fn unmark(shelf: &mut Shelf, key: &Key, bit: u64) -> (Vec<[u8; 8]>, Vec<[u8; 8]>) {
    let indices: Vec<_> = shelf.under(key).map(|(index, _)| index).collect();
    let (mut others, mut wanted) = (Vec::new(), Vec::new());
    for index in indices {
        match shelf.at_mut(index) {
            Some(held) if held.wanted & bit == 0 => others.push(held.digest),
            Some(held) if wanted.len() < DHT_RECORDS => {
                held.wanted &= !bit;
                wanted.push(held.digest);
            }
            _ => {}
        }
    }
    let have = wanted.iter().chain(&others).take(DHT_RECORDS);
    (have.copied().collect(), wanted)
}

/// Stores what a neighbour has and we lack; whether there was anything.
fn adopt<H, N: Notary + ?Sized>(
    from: &Contact<H>,
    key: &Key,
    records: &[Arc<SignedRecord>],
    store: &mut Store,
    notary: &mut N,
    now: Time,
) -> bool {
    // By its position, for its key is the driver's to know: quotas need only tell writers apart.
    let writer = Writer {
        id: from.at.0,
        subnet: from.subnet,
    };
    let mut any = false;
    for record in records.iter().take(DHT_RECORDS) {
        let put = Put {
            key: *key,
            record,
            writer,
            near: true,
        };
        any |= store.put(&put, now, notary).is_ok_and(|kept| kept.new);
    }
    any
}
