//! Two peers behind a relay, which is the implementation (`60-relay`): what one's QUIC says reaches the
//! other's through it, whole and in both directions, until one dies.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, TokioRuntime, UdpPoller};
use tokio::time::timeout;

use super::super::bodies::relay::{self, Carried, refusal};
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::cases::relay::{Side, at_relay, between, expect_refused, reserved};
use super::super::listener::{Listening, server_config};
use super::super::partner::{Partner, endpoint_config, own};
use super::super::tls::Dialing;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::positive(
            "relayed/end-to-end",
            "two peers make a connection of their own over a channel, and say 200 KiB each way",
            &["DC-RELAY-012", "DC-RELAY-014", "DC-RELAY-021"],
            end_to_end,
        ),
        Case::negative(
            "relayed/one-dies",
            "one of two peers vanishes: the other hears ENDED, and a new channel is possible",
            &["DC-RELAY-008"],
            one_dies,
        ),
        Case::negative(
            "relayed/crowd",
            "ten pairs at a time: each hears its own and nothing of the others",
            &["DC-RELAY-021"],
            crowd,
        ),
    ];
    let of_relays = |case: Case| case.profile(Profile::Relay);
    cases.into_iter().map(of_relays).collect()
}

/// A socket whose packets travel in datagrams of a channel. There is one address at its other end.
#[derive(Debug)]
struct Channel {
    quic: quinn::Connection,
    sends: u32,
    came: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<Vec<u8>>>,
    here: SocketAddr,
    there: SocketAddr,
}

/// Packets that wait to be read.
const WAITING: usize = 4096;
/// Parts that wait for their other halves.
const HALVES: usize = 64;
/// Until a datagram that has not come is sent once more.
const AGAIN: Duration = Duration::from_millis(500);

impl Channel {
    fn new(side: &Side, here: u16, there: u16) -> Self {
        let (packets, came) = tokio::sync::mpsc::channel(WAITING);
        let (link, channel) = (Arc::clone(&side.link), side.channel);
        tokio::spawn(async move {
            let mut halves: Vec<(bool, u16, Vec<u8>)> = Vec::new();
            while let Ok(datagram) = link.quic().read_datagram().await {
                let packet = match Carried::read(&datagram) {
                    Some(Carried::Whole {
                        channel: at,
                        packet,
                    }) if at == channel => packet,
                    Some(Carried::Part {
                        is_second,
                        channel: at,
                        number,
                        part,
                    }) if at == channel => {
                        let other = halves
                            .iter()
                            .position(|(second, its, _)| *its == number && *second != is_second);
                        match other {
                            Some(other) if is_second => [halves.remove(other).2, part].concat(),
                            Some(other) => [part, halves.remove(other).2].concat(),
                            None => {
                                if halves.len() == HALVES {
                                    halves.remove(0);
                                }
                                halves.push((is_second, number, part));
                                continue;
                            }
                        }
                    }
                    _ => continue,
                };
                // A full queue loses a packet, as a network does.
                let _full = packets.try_send(packet);
            }
        });
        Self {
            quic: side.link.quic().clone(),
            sends: side.channel,
            came: tokio::sync::Mutex::new(came),
            here: (Ipv4Addr::LOCALHOST, here).into(),
            there: (Ipv4Addr::LOCALHOST, there).into(),
        }
    }
}

impl AsyncUdpSocket for Channel {
    fn create_io_poller(self: Arc<Self>) -> core::pin::Pin<Box<dyn UdpPoller>> {
        Box::pin(Ready)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        for packet in transmit.contents.chunks(size) {
            let whole = relay::whole(self.sends, packet);
            // What does not fit is split; here packets of 1200 bytes never do.
            if self.quic.send_datagram(whole.into()).is_err() {
                let (first, second) = packet.split_at(packet.len().div_ceil(2));
                let number = u16::from_le_bytes([packet[packet.len() - 1], packet[1]]) & 0x7fff;
                for (is_second, half) in [(false, first), (true, second)] {
                    let part = relay::part(is_second, self.sends, number, half);
                    let _lost = self.quic.send_datagram(part.into());
                }
            }
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Ok(mut came) = self.came.try_lock() else {
            return Poll::Pending;
        };
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Pending;
        };
        match came.poll_recv(cx) {
            Poll::Ready(Some(packet)) => {
                let len = packet.len().min(buf.len());
                buf[..len].copy_from_slice(&packet[..len]);
                *meta = RecvMeta {
                    addr: self.there,
                    len,
                    stride: len,
                    ecn: None,
                    dst_ip: None,
                };
                Poll::Ready(Ok(1))
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.here)
    }
}

/// It never has to wait.
#[derive(Debug)]
struct Ready;

impl UdpPoller for Ready {
    fn poll_writable(self: core::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn pair(partner: &Partner) -> Result<(Side, Side), Fault> {
    let one = Arc::new(at_relay(partner, &partner.identity()).await?);
    let other = Arc::new(at_relay(partner, &partner.identity()).await?);
    reserved(&other, 600).await?;
    between(&one, &other, 0).await
}

/// A connection of the two, over the channel: the dialer's and the listener's end.
async fn inner(
    partner: &Partner,
    one: &Side,
    other: &Side,
) -> Result<(quinn::Connection, quinn::Connection, [quinn::Endpoint; 2]), Fault> {
    let endpoint = |socket, server| {
        quinn::Endpoint::new_with_abstract_socket(
            endpoint_config(),
            server,
            Arc::new(socket),
            Arc::new(TokioRuntime),
        )
        .map_err(|error| own(error.to_string()))
    };
    let listens = endpoint(
        Channel::new(other, 2, 1),
        Some(server_config(
            &Listening::of(&other.link.me),
            &Arc::default(),
        )?),
    )?;
    let dials = endpoint(Channel::new(one, 1, 2), None)?;
    let dialing = Dialing::of(&one.link.me);
    let (client, shown) = dialing.client().map_err(own)?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 2));
    let connecting = dials
        .connect_with(quinn::ClientConfig::new(client), to, "peer.invalid")
        .map_err(|error| own(error.to_string()))?;
    let both = async {
        let accepted = async { listens.accept().await?.await.ok() };
        tokio::join!(connecting, accepted)
    };
    let what = "a handshake of the two peers over the channel";
    match timeout(partner.subject.patience, both).await {
        Ok((Ok(dialed), Some(accepted))) => {
            let seen = "another key than the peer's";
            let right = shown.peer() == Some(other.link.me.public());
            expect(right, "the peer that the channel leads to", seen)?;
            Ok((dialed, accepted, [dials, listens]))
        }
        Ok((Err(error), _)) => Err(Fault::new(what, error.to_string())),
        Ok((_, None)) => Err(Fault::new(what, "it failed at the listener")),
        Err(_) => Err(Fault::new(what, "none")),
    }
}

/// Sends `bytes` on a stream from one end, and reads it at the other.
async fn says(
    partner: &Partner,
    from: &quinn::Connection,
    to: &quinn::Connection,
    bytes: &[u8],
) -> Outcome {
    let send = async {
        let mut stream = from.open_uni().await.ok()?;
        stream.write_all(bytes).await.ok()?;
        stream.finish().ok()
    };
    let read = async {
        let mut stream = to.accept_uni().await.ok()?;
        stream.read_to_end(bytes.len() + 1).await.ok()
    };
    let both = timeout(partner.subject.patience, async { tokio::join!(send, read) }).await;
    let came = both.ok().and_then(|(sent, came)| sent.and(came));
    let seen = came.as_ref().map_or("nothing".to_owned(), |came| {
        format!("{} of {} bytes, or others", came.len(), bytes.len())
    });
    expect(
        came.as_deref() == Some(bytes),
        "what the other end said",
        seen,
    )
}

async fn end_to_end(partner: Partner) -> Outcome {
    let (one, other) = pair(&partner).await?;
    let (dialed, accepted, _endpoints) = inner(&partner, &one, &other).await?;
    let bytes = partner.bytes(200 * 1024);
    says(&partner, &dialed, &accepted, &bytes).await?;
    let bytes = partner.bytes(200 * 1024);
    says(&partner, &accepted, &dialed, &bytes).await
}

async fn one_dies(partner: Partner) -> Outcome {
    let (one, other) = pair(&partner).await?;
    let (dialed, accepted, _endpoints) = inner(&partner, &one, &other).await?;
    says(&partner, &dialed, &accepted, b"still here").await?;
    one.link.leave();
    expect_refused(&other.talk, 1, refusal::ENDED).await?;
    let again = Arc::new(at_relay(&partner, &partner.identity()).await?);
    let (again, there) = between(&again, &other.link, 1).await?;
    let packet = partner.bytes(100);
    let passed = async {
        // Packets of the connection that died may be on their way under the channel of before.
        loop {
            match there.next().await? {
                Carried::Whole {
                    channel,
                    packet: came,
                } if channel == there.channel => {
                    return expect(came == packet, "the packet of the new channel", "another");
                }
                _ => {}
            }
        }
    };
    tokio::pin!(passed);
    loop {
        // A datagram may be lost, as where the other side of a machine that is busy has no room for it.
        again.send(&relay::whole(again.channel, &packet))?;
        if let Ok(outcome) = timeout(AGAIN, &mut passed).await {
            return outcome;
        }
    }
}

async fn crowd(partner: Partner) -> Outcome {
    let mut pairs = Vec::new();
    for _ in 0..10 {
        pairs.push(pair(&partner).await?);
    }
    for round in 0..8_u8 {
        for (number, (one, _)) in (0_u8..).zip(&pairs) {
            one.send(&relay::whole(one.channel, &[number, round, 7]))?;
        }
        for (number, (_, other)) in (0_u8..).zip(&pairs) {
            other.expect(&[number, round, 7]).await?;
        }
    }
    Ok(())
}
