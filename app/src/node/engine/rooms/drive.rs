//! A node's turns, and what it has to say after each.

use std::collections::VecDeque;
use std::sync::Arc;

use dchat_gossip::log::{Item, Proof};
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Input, LogId, Message};
use dchat_wire::gossip::{Contact, SignedItem};
use dchat_wire::{Address, Bytes, List, PeerId, codec, limits};

use super::book::bare;
use super::room::Turn;
use crate::api::Event;
use crate::node::engine::Session;
use crate::node::engine::effect::{Command, Effects};
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, StoredItem, Tx, UnixMillis};

impl Session {
    /// Gives a room's node a turn, and does what it says until it says nothing more.
    pub(super) fn drive(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        turn: Turn,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let time = self.rooms.clock.now(now);
        let mut turns = VecDeque::from([turn]);
        while let Some(turn) = turns.pop_front() {
            let Some(room) = self.rooms.rooms.get_mut(id) else {
                return Ok(());
            };
            room.turn(tx, turn, time)?;
            let mut outputs = Vec::new();
            while let Some(output) = room.node.poll_output() {
                outputs.push(output);
            }
            for output in outputs {
                if let Some(input) = self.carry_out(tx, id, output, now, out)? {
                    turns.push_back(Turn::Input(input));
                }
            }
        }
        self.rooms.touched.insert(*id);
        Ok(())
    }

    /// Does one thing a node wants; what it has to be told of it at once.
    fn carry_out(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        output: Output<PeerId>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Option<Input<PeerId>>, Fault> {
        match output {
            Output::Send { to, message } => {
                if self.send_message(id, &to, &message, out) {
                    let (peer, congested) = (to, true);
                    return Ok(Some(Input::Congested { peer, congested }));
                }
            }
            Output::Deliver { item, from } => self.delivered(tx, id, &item, from, now, out)?,
            Output::Early { item, .. } => self.shown_early(tx, id, &item, now, out)?,
            Output::Connect(peer) => return self.connect(tx, id, peer, now, out),
            Output::Release(peer) => {
                self.rooms.reaching.remove(&peer);
                self.release(id, &peer, out);
            }
            Output::Load(load) => return Ok(Some(self.load(tx, id, load)?)),
            Output::Clash { log, seq, item } => {
                let stored = self.load_items(tx, id, &log, (seq.saturating_sub(1), seq), 1)?;
                let contradiction = |one| Input::Contradiction { one, other: item };
                return Ok(stored.into_iter().next().map(contradiction));
            }
            Output::Evidence(proof) => self.closed(tx, id, &proof, out)?,
            Output::Shunned(peer) => {
                let room = self.rooms.rooms.get(id).map(super::Room::title);
                tracing::debug!(%peer, ?room, "a neighbour misbehaved and is shunned for a while");
            }
        }
        Ok(None)
    }

    /// True when the neighbour takes no more for now.
    fn send_message(
        &mut self,
        id: &ConversationId,
        to: &PeerId,
        message: &Message<PeerId>,
        out: &mut Effects,
    ) -> bool {
        let me = self.rooms.me;
        let Some((link, path)) = self.rooms.links.get(to) else {
            return false;
        };
        let (link, local) = (*link, path.socket().ip().is_loopback());
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return false;
        };
        let opens = matches!(message, Message::Open { .. });
        let line = room.lines.entry(*to).or_default();
        let stream = match line.out {
            Some(stream) => stream,
            // Nothing else can begin a stream: what it is about was said on one that is over.
            None if !opens => return false,
            None => {
                let stream = 2 * self.rooms.next_stream + 1;
                self.rooms.next_stream += 1;
                self.rooms.streams.insert(stream, (*id, *to));
                line.out = Some(stream);
                stream
            }
        };
        let (links, book, own) = (&self.rooms.links, &self.rooms.book, &self.addresses);
        let contact = |peer: &PeerId| {
            let live = links.get(peer).map(|(_, path)| *path);
            let ours = own.iter().copied().filter(|_| *peer == me);
            let known = live.into_iter().chain(ours).chain(book.to_tell(peer));
            // Who is elsewhere can do nothing with addresses of this machine alone.
            let of_use = known.filter(|address| {
                address.names_one_socket() && (local || !address.socket().ip().is_loopback())
            });
            let mut addresses: Vec<Address> = of_use.map(bare).collect();
            addresses.dedup();
            Contact {
                peer: *peer,
                addresses: List::first_of(addresses),
            }
        };
        let frame = message.to_frame(room.kind.tag(&me, to), contact);
        out.room_frame(link, stream, frame);
        let enough = room
            .lines
            .get_mut(to)
            .is_some_and(|line| line.sent(message.frame_len()));
        if let Some(greeting) = self.greeting(id).filter(|_| opens) {
            out.room_frame(link, stream, greeting);
        }
        if enough {
            out.command(Command::TellRoom { link, stream });
        }
        enough
    }

    fn connect(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        peer: PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Option<Input<PeerId>>, Fault> {
        let time = self.rooms.clock.now(now);
        let may = self
            .rooms
            .rooms
            .get(id)
            .is_some_and(|room| room.may_ask(&peer, time));
        if !may {
            return Ok(Some(Input::Down(peer)));
        }
        if self.rooms.links.contains_key(&peer) {
            return Ok(Some(Input::Up(peer)));
        }
        if self.rooms.reaching.insert(peer) {
            let mut addresses = self.rooms.book.addresses(&peer).to_vec();
            let stored = tx.addresses(peer.public_key())?;
            let stored = stored
                .iter()
                .filter_map(|text| text.parse::<Address>().ok());
            addresses.extend(stored);
            let room = self.rooms.rooms.get(id);
            let member = room.is_some_and(|room| room.kind.group().is_some());
            out.command(Command::Reach {
                peer,
                addresses,
                member,
            });
        }
        Ok(None)
    }

    /// Ends the streams with `peer`, after all that was sent on them.
    pub(super) fn release(&mut self, id: &ConversationId, peer: &PeerId, out: &mut Effects) {
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return;
        };
        room.lines.remove(peer);
        let link = self.rooms.links.get(peer).map(|(link, _)| *link);
        self.rooms.streams.retain(|stream, (of, with)| {
            let ends = of == id && with == peer;
            if let Some(link) = link.filter(|_| ends) {
                let stream = *stream;
                out.command(Command::EndStream { link, stream });
            }
            !ends
        });
    }

    fn load(
        &self,
        tx: &Tx<'_>,
        id: &ConversationId,
        load: Load<PeerId>,
    ) -> Result<Input<PeerId>, Fault> {
        match load {
            Load::Items {
                peer,
                log,
                after,
                upto,
                most_bytes,
            } => {
                let items = self.load_items(tx, id, &log, (after, upto), most_bytes)?;
                Ok(Input::Loaded { peer, items })
            }
            Load::Newest {
                peer,
                from,
                to,
                most,
                most_bytes,
            } => {
                let items = self.newest_items(tx, id, (from, to), most, most_bytes)?;
                Ok(Input::LoadedNewest { peer, items })
            }
            Load::Row { most } => Ok(Input::LoadedRow(self.row(tx, id, most)?)),
            Load::Proof { peer, log } => {
                let proof = tx.proof(id, &log.0)?;
                let parts = proof.and_then(|(one, other)| {
                    let room = self.rooms.rooms.get(id)?.kind.id();
                    let item = |bytes: &[u8]| Item::new(&room, codec::decode(bytes).ok()?).ok();
                    Some((item(&one)?, item(&other)?))
                });
                Ok(match parts {
                    Some((one, other)) => Input::LoadedProof { peer, one, other },
                    None => Input::Loaded {
                        peer,
                        items: Vec::new(),
                    },
                })
            }
        }
    }

    fn load_items(
        &self,
        tx: &Tx<'_>,
        id: &ConversationId,
        log: &LogId,
        (after, upto): (u32, u32),
        bytes: usize,
    ) -> Result<Vec<Arc<Item>>, Fault> {
        let Some(room) = self.rooms.rooms.get(id).map(|room| room.kind.id()) else {
            return Ok(Vec::new());
        };
        let stored = tx.items(id, &log.0, (after.into(), upto.into()), bytes)?;
        // What was stored was an item.
        Ok(stored
            .into_iter()
            .map_while(|stored| item_of(&room, stored))
            .collect())
    }

    /// An author contradicted itself: what it said in this log is gone for everybody.
    fn closed(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        proof: &Proof,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let (one, other) = proof.items();
        let stubs = [one, other].map(|item| codec::encode(&item.stub()));
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        let known = room.authors.get(&proof.log()).map(|known| known.author);
        let own = room.own.contains(&proof.log());
        let item = super::deliver::new_item(id, other, known, own);
        tx.close_room_log(&item.as_new(), (&stubs[0], &stubs[1]))?;
        room.full = tx.full_items(id)?;
        let title = room.title();
        let who = known
            .and_then(|author| PeerId::from_public_key(author).ok())
            .map_or_else(|| "somebody".to_owned(), |peer| peer.short().to_string());
        out.event(Event::Error {
            code: "room".to_owned(),
            message: format!(
                "{title}: {who} wrote two different messages in one place; none of that log count \
                 any more."
            ),
        });
        let room_log = self.rooms.rooms.get(id).map(|room| room.log);
        if room_log == Some(proof.log()) {
            self.begin_log(tx, id)?;
        }
        Ok(())
    }
}

/// The item that was stored.
pub(super) fn item_of(room: &[u8; 32], stored: StoredItem) -> Option<Arc<Item>> {
    let body = stored
        .body
        .map(Bytes::<{ limits::ENTRY_BODY }>::new)
        .transpose()
        .ok()?;
    let signed = SignedItem {
        header: codec::decode(&stored.header).ok()?,
        signature: stored.signature,
        body,
    };
    Item::new(room, signed).ok()
}
