//! What a parcel of the peer's changes.

use dchat_wire::defect::{self, Defect};
use dchat_wire::parcel::{Frontier, Parcel};

use super::divergence::{Step, move_entries};
use super::exchange::Conversation;
use super::window::Window;
use super::{
    Author, Error, Ledger, Log, Message, Misbehaviour, Output, Receipt, Received, State, Warning,
    entry,
};

/// Own logs of one conversation. Each is a restored or copied home, so a few are honest; a peer that
/// lies about ours gets no more, and as many are what the other side keeps of an author.
pub const MAX_OWN_LOGS: usize = 256;

impl Conversation {
    /// Takes a decrypted parcel: frontiers first, since they tell what the entries continue.
    pub(super) fn receive<L: Ledger>(
        &mut self,
        ledger: &mut L,
        parcel: &Parcel,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        if !parcel.entries.is_empty() && !self.sync_sent {
            return Err(Misbehaviour::EntriesTooEarly.into());
        }
        let logs = ledger.logs().map_err(Error::Ledger)?;
        let current = logs.iter().rfind(|log| log.author == Author::Own);
        if !self.peer_synced {
            self.peer_synced = true;
            // What the peer does not mention it does not hold.
            self.outgoing = current.map(|log| (log.incarnation, Window::starting_at(0)));
        }
        for frontier in parcel.frontiers.iter() {
            check(frontier)?;
            if frontier.author == *self.pair.own() {
                self.peer_holds(ledger, &logs, frontier)?;
            } else if frontier.author == *self.pair.peer() {
                self.peer_wrote(ledger, &logs, frontier)?;
            } else if !defect::is(Defect::AcceptsForeignFrontier) {
                return Err(Misbehaviour::ForeignFrontier.into());
            }
        }
        if let Some(current) = current {
            let own = logs.iter().filter(|log| log.author == Author::Own);
            self.follow_divergence(ledger, current, own.count())?;
        }
        self.receive_entries(ledger, parcel, now)
    }

    /// A statement about a log of ours: an acknowledgement if it is true of ours too.
    fn peer_holds<L: Ledger>(
        &mut self,
        ledger: &mut L,
        logs: &[Log],
        frontier: &Frontier,
    ) -> Result<(), Error<L::Error>> {
        let mut own = logs.iter().filter(|log| log.author == Author::Own).rev();
        let current = own.clone().next();
        let Some(log) = own.find(|log| log.incarnation == frontier.incarnation) else {
            return Ok(());
        };
        let is_current = current.is_some_and(|current| current.incarnation == log.incarnation);
        let held = frontier.held;
        if held != 0 && self.hash_of(ledger, log, held)? != Some(frontier.tip) {
            if is_current {
                self.divergence.differs_at(held.min(log.last_seq + 1));
            }
            return Ok(());
        }
        if is_current {
            self.divergence.agrees_at(held);
            if let Some((_, window)) = &mut self.outgoing {
                window.acknowledge(held);
            }
        }
        for (through, receipt, state) in [
            (held, Receipt::Delivered, State::Delivered),
            (frontier.read, Receipt::Read, State::Read),
        ] {
            if through == 0 {
                continue;
            }
            let changed = ledger
                .acknowledge(&log.incarnation, through, receipt)
                .map_err(Error::Ledger)?;
            let changed = changed
                .into_iter()
                .map(|id| Output::StateChanged { id, state });
            self.staged.extend(changed);
        }
        Ok(())
    }

    /// What the peer says of a log of its own. If we hold more, it continued from an old copy, and
    /// our answer lets it find where.
    fn peer_wrote<L: Ledger>(
        &mut self,
        ledger: &mut L,
        logs: &[Log],
        frontier: &Frontier,
    ) -> Result<(), Error<L::Error>> {
        let mut peers = logs.iter().filter(|log| log.author == Author::Peer);
        let Some(log) = peers.find(|log| log.incarnation == frontier.incarnation) else {
            return Ok(());
        };
        if frontier.held != 0 && frontier.held <= log.last_seq {
            let known = self.hash_of(ledger, log, frontier.held)?;
            let behind = frontier.held < log.last_seq;
            if let Some(tip) = known.filter(|tip| behind || *tip != frontier.tip) {
                self.reports.state(&self.pair, log, frontier.held, tip);
            }
        }
        Ok(())
    }

    fn hash_of<L: Ledger>(
        &self,
        ledger: &mut L,
        log: &Log,
        seq: u64,
    ) -> Result<Option<[u8; 32]>, Error<L::Error>> {
        if seq == log.last_seq {
            return Ok(Some(log.tip));
        }
        if seq > log.last_seq {
            return Ok(None);
        }
        ledger
            .hash_at(log.author, &log.incarnation, seq)
            .map_err(Error::Ledger)
    }

    /// Asks on, or begins a new log once it is known where the old one parts.
    fn follow_divergence<L: Ledger>(
        &mut self,
        ledger: &mut L,
        current: &Log,
        own_logs: usize,
    ) -> Result<(), Error<L::Error>> {
        match self.divergence.step(current.acked.min(current.last_seq)) {
            Step::None => Ok(()),
            Step::Ask(seq) if self.asked == Some(seq) => Ok(()),
            Step::Ask(seq) => {
                self.asked = Some(seq);
                if let Some(tip) = self.hash_of(ledger, current, seq)? {
                    self.reports.state(&self.pair, current, seq, tip);
                }
                Ok(())
            }
            Step::PartsAfter(_) if own_logs >= MAX_OWN_LOGS => {
                Err(Misbehaviour::TooManyDivergences.into())
            }
            Step::PartsAfter(agreed) => {
                let fresh = self.fresh.take().ok_or(Misbehaviour::DivergedTwice)?;
                let from = &current.incarnation;
                let renamed = move_entries(ledger, &self.pair, from, agreed, &fresh)
                    .map_err(Error::Ledger)?;
                let moved = renamed.len() as u64;
                self.staged.push(Output::Warn(Warning::Diverged { moved }));
                self.staged.extend(renamed);
                self.divergence = Default::default();
                self.asked = None;
                self.outgoing = Some((fresh, Window::starting_at(0)));
                // An old copy holds old ratchets, whose keys the peer has seen used.
                self.renew_session();
                Ok(())
            }
        }
    }

    fn receive_entries<L: Ledger>(
        &mut self,
        ledger: &mut L,
        parcel: &Parcel,
        now: u64,
    ) -> Result<(), Error<L::Error>> {
        for sent in parcel.entries.iter() {
            let (incarnation, seq) = (sent.incarnation, sent.seq);
            let stored = entry::from_wire(sent, &self.pair, now)?;
            let received = ledger
                .append_received(&incarnation, &stored, now)
                .map_err(Error::Ledger)?;
            let warning = match received {
                Received::Appended => {
                    self.notices.extend(entry::notice(sent));
                    self.staged.extend(stored.text.map(|text| {
                        Output::Message(Message {
                            id: stored.id,
                            incarnation,
                            seq,
                            text,
                            sent_at: stored.sent_at,
                            expires_at: stored.expires_at,
                        })
                    }));
                    None
                }
                Received::Duplicate => None,
                Received::Gap { next_seq } => Some(Warning::Gap {
                    seq,
                    expected: next_seq,
                }),
                Received::Fork => Some(Warning::Fork { seq }),
                Received::TooManyIncarnations => {
                    self.staged.push(Output::Warn(Warning::TooManyIncarnations));
                    return Ok(());
                }
            };
            if !defect::is(Defect::AcknowledgesNothing) {
                self.reports.log(Author::Peer, incarnation);
            }
            if let Some(warning) = warning {
                // What follows an entry that was refused cannot be next.
                self.staged.push(Output::Warn(warning));
                return Ok(());
            }
        }
        Ok(())
    }
}

fn check(frontier: &Frontier) -> Result<(), Misbehaviour> {
    let tip_fits = (frontier.held == 0) == (frontier.tip == [0; 32]);
    let is_bad = frontier.read > frontier.held || !tip_fits;
    if is_bad && !defect::is(Defect::AcceptsBadFrontier) {
        return Err(Misbehaviour::BadFrontier);
    }
    Ok(())
}
