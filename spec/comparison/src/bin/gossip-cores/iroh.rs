//! A room of `iroh_gossip::proto::State`s.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use iroh_gossip::proto::state::MessageKind;
use iroh_gossip::proto::{
    Command, Config, Event, InEvent, Message, OutEvent, PeerData, Scope, State, Timer, TopicId,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::{BODY, Count, How, Room, Stopwatch, TURN};

/// As long as a node's name.
type Name = [u8; 32];

struct Iroh {
    nodes: Vec<State<Name, StdRng>>,
    topic: TopicId,
    now: Instant,
    /// By when they end and a number.
    timers: BTreeMap<(Instant, u64), (usize, Timer<Name>)>,
    number: u64,
    inputs: Vec<(usize, Arrival)>,
    /// What this turn takes in and says; kept, so that no time goes into growing them.
    taken: Vec<(usize, Arrival)>,
    outputs: Vec<(usize, OutEvent<Name>)>,
    codec: bool,
    count: Count,
    clock: Stopwatch,
}

enum Arrival {
    Event(InEvent<Name>),
    /// Bytes of a stream.
    Bytes(Name, Vec<u8>),
}

pub fn make(members: usize, how: How) -> Box<dyn Room> {
    let node = |member: usize| {
        let rng = StdRng::seed_from_u64(member as u64);
        State::new(name(member), PeerData::default(), Config::default(), rng)
    };
    let mut room = Iroh {
        nodes: (0..members).map(node).collect(),
        topic: TopicId::from([3; 32]),
        now: Instant::now(),
        timers: BTreeMap::new(),
        number: 0,
        inputs: Vec::new(),
        taken: Vec::new(),
        outputs: Vec::new(),
        codec: how == How::Codec,
        count: Count::default(),
        clock: Stopwatch::default(),
    };
    for member in 0..members {
        // Three that came before.
        let known = [1, 2, 3].map(|step: usize| name(member * step * 7919 % member.max(1)));
        let known = if member == 0 { vec![] } else { known.to_vec() };
        let event = InEvent::Command(room.topic, Command::Join(known));
        room.inputs.push((member, Arrival::Event(event)));
        room.turn();
    }
    Box::new(room)
}

fn name(number: usize) -> Name {
    let mut name = [9; 32];
    name[..8].copy_from_slice(&(number as u64).to_le_bytes());
    name
}

fn number(name: &Name) -> usize {
    u64::from_le_bytes(name[..8].try_into().expect("eight bytes")) as usize
}

impl Room for Iroh {
    fn publish(&mut self, member: usize) {
        self.number += 1;
        let mut body = vec![5; BODY];
        body[..8].copy_from_slice(&self.number.to_le_bytes());
        let command = Command::Broadcast(Bytes::from(body), Scope::Swarm);
        let event = InEvent::Command(self.topic, command);
        self.inputs.push((member, Arrival::Event(event)));
    }

    fn turn(&mut self) {
        self.now += Duration::from_millis(TURN);
        let now = self.now;
        core::mem::swap(&mut self.inputs, &mut self.taken);
        while let Some(first) = self
            .timers
            .first_entry()
            .filter(|first| first.key().0 <= now)
        {
            let (member, timer) = first.remove();
            let event = InEvent::TimerExpired(timer);
            self.taken.push((member, Arrival::Event(event)));
        }
        let (inputs, outputs) = (&mut self.taken, &mut self.outputs);
        let (nodes, codec) = (&mut self.nodes, self.codec);
        let mut sent = Vec::new();
        self.clock.time(|| {
            for (member, arrival) in inputs.drain(..) {
                let event = match arrival {
                    Arrival::Event(event) => event,
                    Arrival::Bytes(from, bytes) => {
                        let message = postcard::from_bytes(&bytes).expect("a message");
                        InEvent::RecvMessage(from, message)
                    }
                };
                for output in nodes[member].handle(event, now, None) {
                    match output {
                        OutEvent::SendMessage(to, message) if codec => {
                            let is_data = matches!(message.kind(), MessageKind::Data);
                            let bytes = postcard::to_stdvec(&message).expect("bytes");
                            sent.push((member, to, is_data, bytes));
                        }
                        output => outputs.push((member, output)),
                    }
                }
            }
        });
        self.count.spent = self.clock.nanos();
        for (member, to, is_data, bytes) in sent {
            self.count.frames += 1;
            self.count.copies += u64::from(is_data);
            let arrival = Arrival::Bytes(name(member), bytes);
            self.inputs.push((number(&to), arrival));
        }
        let mut outputs = core::mem::take(&mut self.outputs);
        for (member, output) in outputs.drain(..) {
            self.carry_out(member, output);
        }
        self.outputs = outputs;
    }

    fn count(&self) -> Count {
        self.count
    }
}

impl Iroh {
    fn carry_out(&mut self, member: usize, output: OutEvent<Name>) {
        match output {
            OutEvent::SendMessage(to, message) => {
                let message: Message<Name> = message;
                self.count.frames += 1;
                self.count.copies += u64::from(matches!(message.kind(), MessageKind::Data));
                let event = InEvent::RecvMessage(name(member), message);
                self.inputs.push((number(&to), Arrival::Event(event)));
            }
            OutEvent::EmitEvent(_, Event::Received(_)) => self.count.delivered += 1,
            OutEvent::ScheduleTimer(after, timer) => {
                self.number += 1;
                let key = (self.now + after, self.number);
                self.timers.insert(key, (member, timer));
            }
            OutEvent::DisconnectPeer(peer) => {
                let event = InEvent::PeerDisconnected(name(member));
                self.inputs.push((number(&peer), Arrival::Event(event)));
            }
            OutEvent::EmitEvent(..) | OutEvent::PeerData(..) => {}
        }
    }
}
