//! What public address a mapping made just now gets, for the prediction of the next one.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::stun::{Change, Config, Input, MAX_DATAGRAM, Output, Retry, Transactions};

use super::fresh;

/// A prediction is worth the less the older it is.
pub(crate) const SAMPLE: Duration = Duration::from_millis(300);
/// Asked at 0, 60 and 180 ms.
const RETRY: Retry = Retry {
    first: Duration::from_millis(60),
    sends: 3,
    patience: 2,
};

/// Asks `reflector` from a fresh socket at `local`; `None` without an answer within [`SAMPLE`]. `seed`
/// has to be used once.
pub(crate) async fn sample(
    local: IpAddr,
    reflector: SocketAddr,
    seed: [u8; 32],
) -> Option<SocketAddr> {
    let asked = ask(local, reflector, seed);
    tokio::time::timeout(SAMPLE, asked).await.ok().flatten()
}

async fn ask(local: IpAddr, reflector: SocketAddr, seed: [u8; 32]) -> Option<SocketAddr> {
    let socket = fresh::open(local).ok()?;
    let mut questions = Transactions::new(Config::default(), seed);
    let asked = questions.ask((), reflector, Change::Nothing, RETRY, Instant::now());
    asked.ok()?;
    let mut bytes = [0; MAX_DATAGRAM];
    loop {
        while let Some(output) = questions.poll_output() {
            match output {
                Output::Send { to, datagram, .. } => {
                    fresh::send(&socket, to, &datagram).await;
                }
                Output::Answered { answer, .. } => return Some(answer.mapped),
                Output::Failed { .. } => return None,
            }
        }
        let due = questions.poll_timeout()?;
        tokio::select! {
            received = socket.recv_from(&mut bytes) => {
                // An error is an ICMP message's; the next repetition tells.
                if let Ok((length, from)) = received {
                    let bytes = bytes.get(..length).unwrap_or_default();
                    let input = Input::Datagram { socket: (), from, bytes };
                    questions.handle_input(input, Instant::now());
                }
            }
            () = tokio::time::sleep_until(due.into()) => {
                questions.handle_timeout(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    #[tokio::test]
    async fn the_reflectors_word_is_the_sample() {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let reflector = server.local_addr().unwrap();
        let serve = async {
            let mut bytes = [0; MAX_DATAGRAM];
            let (length, from) = server.recv_from(&mut bytes).await.unwrap();
            let answer = dchat_nat::stun::answer(&bytes[..length], from).unwrap();
            server.send_to(&answer, from).await.unwrap();
            from
        };
        let (sampled, from) = tokio::join!(sample(reflector.ip(), reflector, [3; 32]), serve);
        assert_eq!(sampled, Some(from));
    }

    #[tokio::test]
    async fn silence_ends_in_time() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let reflector = silent.local_addr().unwrap();
        assert_eq!(sample(reflector.ip(), reflector, [3; 32]).await, None);
    }
}
