//! The classification of the own NAT.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::classify::{
    Classifier, Config, Input, Output, SERVERS, Server, ServerKind, Setup, Socket,
};
use dchat_nat::stun::{self, Message};
use dchat_wire::nat::{ReachResult, reach_datagram};

use crate::script::{Script, start};

/// What the report is to take at most, and the datagrams (issue and specification).
const DEADLINE: Duration = Duration::from_secs(2);
const PACKETS: u32 = 40;

/// Input: a script. First the servers, our addresses and the gateway; then what comes in: noise,
/// true and false answers of servers, reach datagrams, our own questions back, and time.
///
/// At most 40 datagrams leave, each with a small question, to a server or to where servers said;
/// one report comes, within 2 s, and nothing after it.
///
/// # Panics
/// When it is not so.
pub fn classifier(data: &[u8]) {
    let mut script = Script::new(data);
    let setup = setup(&mut script);
    let now = start();
    let mut run = Run {
        classifier: Classifier::new(Config::default(), &setup, [script.u8(); 32], now),
        servers: setup.servers.iter().map(|s| plain(s.address)).collect(),
        began: now,
        now,
        questions: Vec::new(),
        tokens: Vec::new(),
        named: BTreeMap::new(),
        mapped: BTreeMap::new(),
        sent: 0,
        elsewhere: BTreeMap::new(),
        reported: false,
    };
    run.drain();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
    }
    run.pass(DEADLINE);
    assert!(run.reported, "no report");
    assert_eq!(run.classifier.poll_timeout(), None);
}

fn setup(script: &mut Script<'_>) -> Setup {
    let servers = (0..script.below(SERVERS + 3))
        .map(|_| Server {
            kind: script.one_of(&[ServerKind::Stun, ServerKind::Node]),
            address: script.socket(),
        })
        .collect();
    let locals = (0..script.below(4)).map(|_| script.socket()).collect();
    let gateway = script.flag().then(|| script.socket().ip());
    Setup {
        servers,
        locals,
        gateway,
    }
}

struct Run {
    classifier: Classifier,
    servers: BTreeSet<SocketAddr>,
    began: Instant,
    now: Instant,
    questions: Vec<(Socket, SocketAddr, Vec<u8>)>,
    tokens: Vec<(SocketAddr, SocketAddr, [u8; 16])>,
    /// What answers called another address, and what they called ours, and which hosts did.
    named: BTreeMap<SocketAddr, BTreeSet<IpAddr>>,
    mapped: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    sent: u32,
    elsewhere: BTreeMap<SocketAddr, u32>,
    reported: bool,
}

impl Run {
    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 10 {
            0 => {
                let (socket, from) = (socket(script), script.socket());
                let bytes = script.bytes(200).to_vec();
                self.datagram(socket, from, &bytes);
            }
            1..=3 => self.answer(script),
            4 => {
                let at = usize::from(script.u8());
                if let Some((_, target, token)) = self.tokens.get(at).copied() {
                    let from = script.socket();
                    let to = if script.flag() {
                        Socket::Main
                    } else {
                        Socket::Fresh(script.u8() & 15)
                    };
                    assert_ne!(target.port(), 0);
                    self.datagram(to, from, &reach_datagram::seal(&token));
                }
            }
            5 => {
                // Our own question comes back, as a hairpin or as an attacker's echo.
                let at = usize::from(script.u8());
                if let Some((_, _, bytes)) = self.questions.get(at).cloned() {
                    let (socket, from) = (socket(script), script.socket());
                    self.datagram(socket, from, &bytes);
                }
            }
            6 => {
                let at = usize::from(script.u8());
                if let Some((helper, _, token)) = self.tokens.get(at).copied() {
                    let result = script.one_of(ReachResult::ALL);
                    let input = Input::Reached {
                        helper,
                        token,
                        result,
                    };
                    self.classifier.handle_input(input, self.now);
                    self.drain();
                }
            }
            7 => {
                let input = match script.flag() {
                    true => Input::Gateway(script.socket().ip()),
                    false => Input::Opened {
                        socket: socket(script),
                        port: script.u16(),
                    },
                };
                self.classifier.handle_input(input, self.now);
                self.drain();
            }
            _ => self.pass(Duration::from_millis(script.u8().into())),
        }
    }

    /// An answer to a question of ours: from the server asked or from elsewhere, truthful or not.
    fn answer(&mut self, script: &mut Script<'_>) {
        let at = usize::from(script.u8());
        let Some((socket, server, question)) = self.questions.get(at).cloned() else {
            return;
        };
        let Ok(Message::Request(request)) = stun::decode(&question) else {
            panic!("our question is none");
        };
        let truthful = script.flag();
        let from = if truthful { server } else { script.socket() };
        let mapped = script.socket();
        let other = script.flag().then(|| script.socket());
        self.mapped
            .entry(plain(mapped).ip())
            .or_default()
            .insert(plain(from).ip());
        if let Some(other) = other {
            // Its other port at the same address is asked, too.
            let port = SocketAddr::new(server.ip(), other.port());
            for named in [plain(other), plain(port)] {
                self.named.entry(named).or_default().insert(from.ip());
            }
        }
        let bytes = binding_success(request.id.0, mapped, other);
        self.datagram(socket, from, &bytes);
    }

    fn datagram(&mut self, socket: Socket, from: SocketAddr, bytes: &[u8]) {
        let input = Input::Datagram {
            socket,
            from,
            bytes,
        };
        self.classifier.handle_input(input, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut idle = 0;
        while let Some(due) = self.classifier.poll_timeout().filter(|due| *due <= until) {
            idle = if due <= self.now { idle + 1 } else { 0 };
            assert!(idle < 8, "the timer stands still");
            self.now = self.now.max(due);
            self.classifier.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.classifier.poll_output() {
            assert!(!self.reported, "{output:?} after the report");
            match output {
                Output::Send {
                    socket,
                    to,
                    datagram,
                } => self.sends(socket, to, datagram),
                Output::Reach {
                    helper,
                    target,
                    token,
                    ..
                } => {
                    assert!(self.servers.contains(&helper), "asks a stranger for help");
                    let told = self.mapped.contains_key(&target.ip());
                    assert!(told, "names {target}, which nobody saw");
                    self.tokens.push((helper, target, token));
                    assert!(self.tokens.len() <= PACKETS as usize);
                }
                Output::Finished(report) => {
                    self.reported = true;
                    assert_eq!(report.sent, self.sent);
                    assert_eq!(report.took, self.now.duration_since(self.began));
                    assert!(report.took <= DEADLINE, "after {:?}", report.took);
                }
            }
        }
    }

    fn sends(&mut self, socket: Socket, to: SocketAddr, datagram: Vec<u8>) {
        self.sent += 1;
        assert!(self.sent <= PACKETS, "more than {PACKETS} datagrams");
        assert!(self.now <= self.began + DEADLINE, "too late");
        assert!(datagram.len() <= stun::REQUEST + 8);
        let question = stun::decode(&datagram);
        assert!(matches!(question, Ok(Message::Request(_))));
        if !self.servers.contains(&to) {
            assert!(to.port() != 0);
            let said = self.named.contains_key(&to);
            let home = self.mapped.get(&to.ip()).is_some_and(|by| by.len() >= 2);
            assert!(said || home, "to {to}, which one server at most named");
            let count = self.elsewhere.entry(to).or_default();
            *count += 1;
            assert!(
                home || *count <= 6,
                "{count} to {to}, which one server named"
            );
        }
        self.questions.push((socket, to, datagram));
    }
}

fn socket(script: &mut Script<'_>) -> Socket {
    match script.u8() {
        number @ 128.. => Socket::Fresh(number & 15),
        _ => Socket::Main,
    }
}

fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// A Binding success with XOR-MAPPED-ADDRESS and perhaps OTHER-ADDRESS, as a server writes it.
fn binding_success(id: [u8; 12], mapped: SocketAddr, other: Option<SocketAddr>) -> Vec<u8> {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let mut body = Vec::new();
    let mut attribute = |kind: u16, addr: SocketAddr, mask: [u8; 18]| {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        body.extend(kind.to_be_bytes());
        body.extend((4 + ip.len() as u16).to_be_bytes());
        body.extend([0, if addr.is_ipv4() { 1 } else { 2 }]);
        let plain = addr.port().to_be_bytes().into_iter().chain(ip);
        body.extend(plain.zip(mask).map(|(byte, mask)| byte ^ mask));
    };
    let mut mask = [0; 18];
    mask[..2].copy_from_slice(&COOKIE[..2]);
    mask[2..6].copy_from_slice(&COOKIE);
    mask[6..].copy_from_slice(&id);
    attribute(0x0020, mapped, mask);
    if let Some(other) = other {
        attribute(0x802c, other, [0; 18]);
    }
    let mut message = vec![1, 1];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(COOKIE);
    message.extend(id);
    message.extend(body);
    message
}
