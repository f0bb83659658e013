//! `kill -9` at any moment.
//!
//! The test runs this binary again as a writer that reports every commit on its standard output
//! after it returned, and kills it while it writes. Whatever was reported must be there.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use super::*;
use crate::store::Receipt;

const HOME: &str = "DCHAT_TEST_KILL_HOME";
const KILLS: u64 = 20;

/// The writer: one transaction after the other with an own entry, one of the other side, an
/// acknowledgement and a ratchet state that must all agree.
#[test]
fn kill_child() {
    let Some(dir) = env::var_os(HOME) else {
        return;
    };
    let home = Home::open(dir).unwrap().lock().unwrap();
    let mut store = Store::open(&home, &key(0xab)).unwrap();
    let mut out = std::io::stdout();
    loop {
        let seq = write_one(&mut store);
        writeln!(out, "committed {seq}").unwrap();
        out.flush().unwrap();
    }
}

fn write_one(store: &mut Store) -> u64 {
    let (own, theirs) = (own_log(CHAT), bobs_log(CHAT));
    store
        .transaction("both", |tx| {
            let seq = tx.frontier(&own)?.map_or(1, |at| at.next_seq);
            let text = format!("entry {seq} {}", "x".repeat(seq as usize * 37 % 3000));
            let entry = NewEntry {
                id: id_of(&own, seq),
                kind: 1,
                text: &text,
                sent_at: NOW,
                expires_at: None,
            };
            tx.append_own(&own, &entry, NOW, |seq, _| hash_of(&own, seq))?;
            tx.append_received(&theirs, &received(&theirs, seq, &text), NOW)?;
            tx.acknowledge(&own, seq - 1, Receipt::Delivered)?;
            tx.save_session(&BOB, b"session", &seq.to_le_bytes(), NOW)?;
            Ok::<_, super::super::AppendError>(seq)
        })
        .unwrap()
}

#[test]
fn nothing_committed_is_lost_and_nothing_is_half_there() {
    let profile = Profile::new();
    let dir = profile.dir.path().to_owned();
    // The child needs the lock.
    let Profile {
        dir: _keep,
        home,
        key,
    } = profile;
    drop(home);
    let mut reported = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "store::tests::kill::kill_child", "--nocapture"])
            .env(HOME, &dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Kill after a number of commits that differs each time, at whatever the writer is doing
        // by then; the pipe goes on giving what it wrote before it died.
        let mut seen = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(Ok(line)) = lines.next() {
            if let Some((_, number)) = line.split_once("committed ") {
                reported = number.parse().unwrap();
                seen += 1;
                if seen == 1 + kill * 7 % 11 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen > 0, "the writer never wrote");

        let home = Home::open(&dir).unwrap().lock().unwrap();
        let mut store = Store::open(&home, &key).unwrap();
        store.verify().unwrap();
        check(&mut store, reported);
    }
}

fn check(store: &mut Store, reported: u64) {
    let own = frontier(store, &own_log(CHAT)).unwrap();
    let theirs = frontier(store, &bobs_log(CHAT)).unwrap();
    let last = own.last_seq();
    // One more may have been committed without the writer living to say so.
    assert!(
        last == reported || last == reported + 1,
        "{last} {reported}"
    );
    assert_eq!(theirs.last_seq(), last);
    assert_eq!(own.acked, last - 1);
    let (entries, session) = store
        .read(|view| {
            Ok::<_, StoreError>((
                view.entries_after(&own_log(CHAT), 0, 1_000, usize::MAX)?,
                view.session(&BOB, b"session")?,
            ))
        })
        .unwrap();
    assert_eq!(session.unwrap().state.as_slice(), last.to_le_bytes());
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=last.min(1_000)).collect::<Vec<_>>());
}
