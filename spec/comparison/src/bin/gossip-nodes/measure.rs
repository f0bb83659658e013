//! What is measured of a network, whatever it is.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{FLIGHT, Fallible, MANY, NODES, SINGLE, WARM_UP};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two messages that go one at a time.
const PAUSE: Duration = Duration::from_millis(5);
/// For what comes after everybody has everything.
const LATE: Duration = Duration::from_millis(500);

/// Ten nodes that are connected.
pub struct Network {
    /// Has a node write the message of this number.
    pub say: Box<dyn Fn(usize, u64) + Send + Sync>,
    /// Numbers of messages that have come to a node other than their author, with when.
    pub heard: mpsc::UnboundedReceiver<(u64, Instant)>,
    /// Copies of messages that came to any node; where it is not known, the messages that came.
    pub copies: Arc<AtomicU64>,
    /// What has to live as long.
    pub _alive: Box<dyn Any + Send>,
}

/// The body of the message `number`: text, as a room wants it.
pub fn body(number: u64) -> String {
    format!("{number:0width$}", width = super::BODY)
}

/// The number of the message with this body.
pub fn number(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.parse().ok()
}

#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Milliseconds.
    pub median: f64,
    pub p95: f64,
    pub copies: f64,
    /// Messages a second.
    pub rate: f64,
    /// Microseconds of the processor for a message at a node.
    pub processor: f64,
}

impl Figures {
    pub fn parse(text: &str) -> Fallible<Self> {
        let figures: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
        match figures?[..] {
            [median, p95, copies, rate, processor] => Ok(Self {
                median,
                p95,
                copies,
                rate,
                processor,
            }),
            _ => Err(format!("no figures: {text}").into()),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            median,
            p95,
            copies,
            rate,
            processor,
        } = self;
        write!(f, "{median} {p95} {copies} {rate} {processor}")
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub async fn measure(mut network: Network) -> Fallible<Figures> {
    let mut number = 0;
    let mut times = Vec::new();
    for _ in 0..WARM_UP + SINGLE {
        number += 1;
        let begun = Instant::now();
        (network.say)(number as usize % NODES, number);
        let mut last = begun;
        for _ in 1..NODES {
            last = last.max(network.hear(Some(number)).await?.1);
        }
        times.push((last - begun).as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    let mut times = times.split_off(WARM_UP as usize);
    times.sort_by(f64::total_cmp);

    tokio::time::sleep(LATE).await;
    let (copies, used, begun) = (
        network.copies.load(Ordering::SeqCst),
        used(),
        Instant::now(),
    );
    network.all_at_once(number).await?;
    let (took, used) = (begun.elapsed().as_secs_f64(), self::used() - used);
    // Copies that are still under way, and counters that are read now and then.
    tokio::time::sleep(LATE).await;
    let arrivals = (MANY * (NODES as u64 - 1)) as f64;
    let copies = network.copies.load(Ordering::SeqCst) - copies;
    Ok(Figures {
        median: times[times.len() / 2],
        p95: times[times.len() * 95 / 100],
        copies: copies as f64 / arrivals,
        rate: MANY as f64 / took,
        processor: used / arrivals * 1e6,
    })
}

impl Network {
    async fn hear(&mut self, wanted: Option<u64>) -> Fallible<(u64, Instant)> {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
        let heard = heard.map_err(|_| format!("message {wanted:?} does not come"))?;
        let (number, at) = heard.ok_or("the nodes are gone")?;
        match wanted {
            Some(wanted) if wanted != number => {
                Err(format!("message {number} came instead of {wanted}").into())
            }
            _ => Ok((number, at)),
        }
    }

    /// Has everybody write, with at most [`FLIGHT`] messages under way.
    async fn all_at_once(&mut self, last: u64) -> Fallible<()> {
        let mut waiting: VecDeque<u64> = (last + 1..=last + MANY).collect();
        let mut missing: BTreeMap<u64, usize> = BTreeMap::new();
        loop {
            while missing.len() < FLIGHT
                && let Some(number) = waiting.pop_front()
            {
                missing.insert(number, NODES - 1);
                (self.say)(number as usize % NODES, number);
            }
            if missing.is_empty() {
                return Ok(());
            }
            let (number, _) = self.hear(None).await?;
            let left = missing.get_mut(&number).ok_or("a message came twice")?;
            *left -= 1;
            if *left == 0 {
                missing.remove(&number);
            }
        }
    }
}

/// Seconds of processor time of this process so far.
fn used() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
