//! A gateway that speaks PCP and NAT-PMP, after RFC 6887 §7 and §11 and RFC 6886 §3, on an address
//! of the loopback net of its own.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::OUTSIDE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Says nothing.
    Silent,
    /// Speaks NAT-PMP only.
    Old,
    /// Says that its owner does not want it.
    Closed,
    /// Answers with bytes of no protocol.
    Nonsense,
    /// Claims to have this address outside.
    Claims([u8; 4]),
}

/// What was asked: version, and lifetime of a mapping.
pub(super) type Asked = (u8, u32);

pub(super) struct Gateway {
    pub(super) ip: Ipv4Addr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// `number` has to be another in each test: the port is fixed.
    pub(super) async fn start(number: u8, manner: Manner) -> Self {
        let ip = Ipv4Addr::new(127, 77, 0, number);
        let socket = UdpSocket::bind((ip, 5351)).await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut bytes = [0; 1100];
            loop {
                let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
                if let Some(answer) = answer(manner, &bytes[..len], &log) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { ip, asked, task }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(manner: Manner, question: &[u8], log: &Mutex<Vec<Asked>>) -> Option<Vec<u8>> {
    let outside = match manner {
        Manner::Silent => return None,
        Manner::Nonsense => return Some(vec![0xff; 61]),
        Manner::Claims(outside) => outside,
        _ => OUTSIDE,
    };
    let denied = u8::from(manner == Manner::Closed) * 2;
    match *question.first()? {
        2 if manner == Manner::Old => Some(vec![0, 0x81, 0, 1, 0, 0, 0, 9]),
        2 => {
            let lifetime = u32::from_be_bytes(question[4..8].try_into().unwrap());
            log.lock().unwrap().push((2, lifetime));
            let mut answer = vec![2, 0x81, 0, denied];
            answer.extend(lifetime.to_be_bytes());
            answer.extend([0, 0, 0, 9]);
            answer.extend([0; 12]);
            // Nonce, protocol, reserved, inside port; then the outside port, one off.
            answer.extend(&question[24..42]);
            let inside = u16::from_be_bytes([question[40], question[41]]);
            answer.extend((inside + 1).to_be_bytes());
            answer.extend(Ipv4Addr::from(outside).to_ipv6_mapped().octets());
            Some(answer)
        }
        0 if question[1] == 0 => {
            let mut answer = vec![0, 0x80, 0, denied, 0, 0, 0, 9];
            answer.extend(outside);
            Some(answer)
        }
        0 => {
            let lifetime = u32::from_be_bytes(question[8..12].try_into().unwrap());
            log.lock().unwrap().push((0, lifetime));
            let inside = u16::from_be_bytes([question[4], question[5]]);
            let port = if lifetime == 0 { 0 } else { inside + 2 };
            let mut answer = vec![0, 0x81, 0, denied, 0, 0, 0, 9];
            answer.extend(inside.to_be_bytes());
            answer.extend(port.to_be_bytes());
            answer.extend(lifetime.to_be_bytes());
            Some(answer)
        }
        _ => None,
    }
}
