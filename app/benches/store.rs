//! What the store costs: `cargo bench -p dchat --bench store`.
//!
//! Builds a history of 100,000 messages (half of them ours, Latin and Chinese words with the
//! uneven frequencies of a language) in one conversation, beside a second one of 1,000, on the
//! disk that `DCHAT_BENCH_DIR` (or the system's temporary directory) is on. Opening and searching
//! are measured with the operating system's cache warm and ours empty: each sample opens the
//! store anew. Targets: open and show the newest 50 in 50 ms, answer a search in 20 ms.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run should say so and stop"
)]

use std::{
    env, fs,
    time::{Duration, Instant},
};

use dchat::{
    home::{FileName, Home, LockedHome},
    store::{LogName, NewEntry, ReceivedEntry, Store},
    vault::{DatabaseKey, Vault},
};

const MESSAGES: u64 = 100_000;
const BESIDE: u64 = 1_000;
const BATCH: u64 = 64;
const SAMPLES: usize = 21;
const NOW: i64 = 1_800_000_000_000;
const ME: [u8; 32] = [1; 32];
const BOB: [u8; 32] = [2; 32];

fn main() {
    // `cargo test --benches` runs this too, to see that it still builds and starts.
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let dir = match env::var_os("DCHAT_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let home = Home::open(dir.path()).unwrap().lock().unwrap();
    let (_, key) = Vault::create(&home, &mut getrandom::fill).unwrap();

    println!("| what | value |\n|---|---|");
    fill(&home, &key);
    reading(&home, &key);
    searching(&home, &key);
    appending(&home, &key);
    row("resident memory at the end", &memory());
}

/// A small generator of its own, so that every run measures the same messages.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Small numbers far more often than large ones, up to about 22,000.
    fn uneven(&mut self) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (unit * 10.0).exp() as u64
    }

    fn message(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..3 + self.next() % 12 {
            match self.next() % 5 {
                0 => {
                    for _ in 0..2 + self.next() % 3 {
                        let c = 0x4e00 + self.uneven() % 3_000;
                        text.extend(u32::try_from(c).ok().and_then(char::from_u32));
                    }
                }
                _ => text.push_str(&word(self.uneven())),
            }
            text.push(' ');
        }
        text
    }
}

/// A pronounceable word for each number, of three syllables or more.
fn word(number: u64) -> String {
    let mut number = number + 100;
    let mut word = String::new();
    loop {
        word.push_str(
            ["ka", "lo", "mi", "ne", "pu", "ra", "so", "ti", "vu", "zen"][(number % 10) as usize],
        );
        number /= 10;
        if number == 0 {
            return word;
        }
    }
}

fn log(conversation: u8, author: [u8; 32]) -> LogName {
    LogName {
        conversation: [conversation; 32],
        author,
        incarnation: [author[0]; 16],
    }
}

fn hash(seq: u64) -> [u8; 32] {
    match seq {
        0 => [0; 32],
        _ => *blake3::hash(&seq.to_le_bytes()).as_bytes(),
    }
}

/// One message of either side into a conversation.
fn append(tx: &dchat::store::Tx<'_>, conversation: u8, number: u64, text: &str) {
    let mut id = [conversation; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    if number.is_multiple_of(2) {
        let entry = NewEntry {
            id,
            kind: 1,
            text,
            sent_at: NOW,
            expires_at: None,
        };
        let log = log(conversation, ME);
        let appended = tx
            .append_own(&log, &entry, NOW, |seq, _| hash(seq))
            .unwrap();
        if appended.seq.is_multiple_of(1_000) {
            tx.acknowledge(&log, appended.seq, dchat::store::Receipt::Delivered)
                .unwrap();
        }
    } else {
        let seq = number / 2 + 1;
        let entry = ReceivedEntry {
            seq,
            id,
            hash: hash(seq),
            prev: hash(seq - 1),
            kind: 1,
            text: Some(text),
            sent_at: NOW,
            expires_at: None,
        };
        tx.append_received(&log(conversation, BOB), &entry, NOW)
            .unwrap();
    }
}

fn fill(home: &LockedHome, key: &DatabaseKey) {
    let mut store = Store::open(home, key).unwrap();
    let mut dice = Dice(42);
    let mut text_bytes = 0;
    let begin = Instant::now();
    for (conversation, messages) in [(2, BESIDE), (1, MESSAGES)] {
        for batch in 0..messages.div_ceil(1_000) {
            store
                .transaction("fill", |tx| {
                    for number in batch * 1_000..((batch + 1) * 1_000).min(messages) {
                        let text = dice.message();
                        text_bytes += text.len();
                        append(tx, conversation, number, &text);
                    }
                    Ok::<_, dchat::store::StoreError>(())
                })
                .unwrap();
        }
    }
    let total = MESSAGES + BESIDE;
    row(
        "filled, batches of 1,000",
        &format!(
            "{:.0} messages/s",
            total as f64 / begin.elapsed().as_secs_f64()
        ),
    );
    store.close().unwrap();
    let file = fs::metadata(home.path(FileName::Database)).unwrap().len();
    row(
        "database file",
        &format!(
            "{:.1} MB, {:.0} bytes a message (text {:.0})",
            file as f64 / 1e6,
            file as f64 / total as f64,
            text_bytes as f64 / total as f64
        ),
    );
}

fn reading(home: &LockedHome, key: &DatabaseKey) {
    sample("open", || {
        Store::open(home, key).unwrap();
    });
    sample("open and newest 50 of 100,000", || {
        let mut store = Store::open(home, key).unwrap();
        let page = store.read(|view| view.history(&[1; 32], None, 50)).unwrap();
        assert_eq!(page.entries.len(), 50);
    });
    sample("open and count 50,000 unread (capped)", || {
        let mut store = Store::open(home, key).unwrap();
        let unread = store.read(|view| view.unread_count(&[1; 32])).unwrap();
        assert_eq!(unread, 10_000);
    });
    row("resident memory after reading", &memory());
}

fn searching(home: &LockedHome, key: &DatabaseKey) {
    let common = word(1);
    let frequent = word(40);
    let rare = word(20_123);
    for (what, conversation, words) in [
        ("rare word", None, rare.as_str()),
        ("rare word, one conversation", Some([1; 32]), &rare),
        ("frequent word", None, &frequent),
        ("word in half of all messages", None, &common),
        ("the same, the small conversation", Some([2; 32]), &common),
        ("the same, the large conversation", Some([1; 32]), &common),
        ("one letter", None, "k"),
        ("beginning of a tenth of all words", None, "kalo"),
        ("two words", None, &format!("{common} {frequent}")),
        ("two Chinese characters, frequent", None, "\u{4e01}\u{4e02}"),
        ("two Chinese characters, rare", None, "\u{5001}\u{4e02}"),
        ("three Chinese characters", None, "\u{4e01}\u{4e02}\u{4e01}"),
        ("one Chinese character, frequent", None, "\u{4e01}"),
        ("nothing to be found", None, "xyzzy"),
    ] {
        let mut hits = 0;
        // Opening is outside of the time, and so is a first search that loads the index's root.
        let mut store = Store::open(home, key).unwrap();
        store.read(|view| view.search(None, "qqq", 1)).unwrap();
        let mut times: Vec<_> = (0..SAMPLES)
            .map(|_| {
                let begin = Instant::now();
                let page = store
                    .read(|view| view.search(conversation.as_ref(), words, 50))
                    .unwrap();
                hits = page.entries.len();
                begin.elapsed()
            })
            .collect();
        let first = times[0];
        times.sort();
        row(
            &format!("search: {what}"),
            &format!(
                "first {}, then {} ({hits} shown)",
                milliseconds(first),
                milliseconds(times[SAMPLES / 2])
            ),
        );
    }
    row("resident memory after searching", &memory());
}

fn appending(home: &LockedHome, key: &DatabaseKey) {
    let mut store = Store::open(home, key).unwrap();
    let mut dice = Dice(7);
    for (what, batch) in [("one by one", 1), ("in batches of 64", BATCH)] {
        let conversation = 100 + batch as u8;
        let begin = Instant::now();
        let mut number = 0;
        let mut slowest = Duration::ZERO;
        while begin.elapsed() < Duration::from_secs(5) {
            let commit = Instant::now();
            store
                .transaction("append", |tx| {
                    for _ in 0..batch {
                        append(tx, conversation, number, &dice.message());
                        number += 1;
                    }
                    Ok::<_, dchat::store::StoreError>(())
                })
                .unwrap();
            slowest = slowest.max(commit.elapsed());
        }
        row(
            &format!("durable appends {what}"),
            &format!(
                "{:.0} messages/s, slowest commit {}",
                number as f64 / begin.elapsed().as_secs_f64(),
                milliseconds(slowest)
            ),
        );
    }
}

fn sample(what: &str, mut work: impl FnMut()) {
    let mut times: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        })
        .collect();
    times.sort();
    row(
        what,
        &format!(
            "median {}, worst of {SAMPLES} {}",
            milliseconds(times[SAMPLES / 2]),
            milliseconds(times[SAMPLES - 1])
        ),
    );
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn memory() -> String {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            status.lines().find_map(|line| {
                line.strip_prefix("VmRSS:")
                    .map(|rest| rest.trim().to_owned())
            })
        })
        .unwrap_or_else(|| "not known on this system".to_owned())
}

fn row(what: &str, value: &str) {
    println!("| {what} | {value} |");
}
