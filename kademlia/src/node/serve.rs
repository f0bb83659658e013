//! Answers to the questions of others.

use std::sync::Arc;

use dchat_wire::defect::{self, Defect};
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use crate::call::{Answer, K, Known, Nodes, Question};
use crate::key::Key;
use crate::pace::Meters;
use crate::record::Notary;
use crate::store::Put;
use crate::table::seconds;
use crate::time::Time;
use crate::token::Writer;

use super::Node;
use super::io::Asker;

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// What we answer to `question` of `from`. Allocates nothing but for records.
    pub fn answer(&mut self, from: &Asker<H>, question: &Question, now: Time) -> Answer<H> {
        self.advance_clock(now);
        if !self.serving {
            return refused(Refusal::NotServing, 0);
        }
        let rates = (self.config.asker_rate, self.config.subnet_rate);
        let meters = self
            .meters
            .get_or_insert_with(|| Box::new(Meters::new(rates.0, rates.1)));
        if !meters.admits(from.subnet, &from.id, now) && !defect::is(Defect::ServesAnyRate) {
            self.refused += 1;
            return refused(Refusal::TooMany, 1);
        }
        self.answered += 1;
        if let Some(contact) = &from.contact {
            self.notice(contact, true);
        }
        match question {
            Question::Ping => Answer::Pong,
            Question::Find {
                target,
                want,
                known,
            } => Answer::Nodes(self.unknown(target, *want, known, from)),
            Question::Get {
                key,
                want,
                known,
                have,
            } => {
                let values = self.store.values(key, have, self.now);
                Answer::Values {
                    records: values.records,
                    held: values.held,
                    token: self.tokens.issue(&writer(from), key, self.now),
                    nodes: self.unknown(key, *want, known, from),
                }
            }
            Question::Put { key, token, record } => self.keep(from, key, token, record),
        }
    }

    /// The nearest we may name, without those the asker knows and itself.
    fn unknown(&self, target: &Key, want: u8, known: &Known, from: &Asker<H>) -> Nodes<H> {
        let (now, all) = (seconds(self.now), !self.config.maintain);
        let asker = from.contact.as_ref().map(|contact| contact.at);
        let mut tails = [0; dchat_wire::limits::DHT_KNOWN];
        let mut len = 0;
        for (place, tail) in tails.iter_mut().zip(known.iter()) {
            *place = tail;
            len += 1;
        }
        let tails = tails.get(..len).unwrap_or_default();
        self.table
            .closest(target, usize::from(want).min(K), |entry| {
                (all || entry.is_fresh(now))
                    && asker != Some(entry.at)
                    && !tails.contains(&entry.at.tail())
            })
    }

    fn keep(
        &mut self,
        from: &Asker<H>,
        key: &Key,
        token: &[u8; 16],
        record: &Arc<SignedRecord>,
    ) -> Answer<H> {
        let writer = writer(from);
        if !self.tokens.check(token, &writer, key, self.now) {
            return refused(Refusal::BadToken, 0);
        }
        let put = Put {
            key: *key,
            record,
            writer,
            near: self.is_near(key),
        };
        match self.store.put(&put, self.now, &mut self.notary) {
            Ok(kept) => {
                self.repair.handle_stored(self.now);
                Answer::Stored {
                    keep_s: kept.keep_s,
                }
            }
            Err(no) => refused(no.reason, no.retry_after_s),
        }
    }
}

fn writer<H>(from: &Asker<H>) -> Writer {
    Writer {
        id: from.id,
        subnet: from.subnet,
    }
}

fn refused<H>(reason: Refusal, retry_after_s: u32) -> Answer<H> {
    Answer::Refused {
        reason,
        retry_after_s,
    }
}
