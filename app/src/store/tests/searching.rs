//! Finding messages.

use proptest::prelude::*;

use super::*;
use crate::store::{MetaKey, terms};

fn found(store: &mut Store, conversation: Option<&ConversationId>, words: &str) -> Vec<u64> {
    store
        .read(|view| view.search(conversation, words, 100))
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.seq)
        .collect()
}

fn filled(messages: &[&str]) -> (Profile, Store) {
    let profile = Profile::new();
    let mut store = profile.open();
    for text in messages {
        say(&mut store, &own_log(CHAT), text, None);
    }
    (profile, store)
}

#[test]
fn words_are_found_whole_or_by_their_beginning_in_any_case() {
    let (_profile, mut store) = filled(&["Hello World", "help the WORLD", "unhelpful"]);
    assert_eq!(found(&mut store, None, "hello"), [1]);
    assert_eq!(found(&mut store, None, "HEL"), [2, 1]);
    assert_eq!(found(&mut store, None, "world hel"), [2, 1]);
    assert_eq!(found(&mut store, None, "world hello"), [1]);
    assert_eq!(found(&mut store, None, "worlds"), [0; 0]);
}

#[test]
fn a_word_of_one_or_two_letters_is_found_whole_only() {
    let (_profile, mut store) = filled(&["it is in", "items inside"]);
    assert_eq!(found(&mut store, None, "it"), [1]);
    assert_eq!(found(&mut store, None, "ite"), [2]);
    assert_eq!(found(&mut store, None, "i"), [0; 0]);
}

#[test]
fn chinese_thai_japanese_and_korean_are_found_inside_a_sentence() {
    let (_profile, mut store) = filled(&[
        "我们明天去北京大学见面",
        "วันนี้เราไปเที่ยวทะเลกัน",
        "明日は学校に行きます",
        "한국어를공부합니다",
        "京北",
    ]);
    for (words, message) in [
        ("明天", 1),
        ("北京", 1),
        ("北京大学", 1),
        ("见面", 1),
        ("面", 1),
        ("ไป", 2),
        ("ทะเล", 2),
        ("学校", 3),
        ("きます", 3),
        ("한국", 4),
        ("공부", 4),
        ("京北", 5),
    ] {
        assert_eq!(found(&mut store, None, words), [message], "{words}");
    }
    // All pairs are there, but not in this order.
    assert_eq!(found(&mut store, None, "大学北京"), [0; 0]);
    assert_eq!(found(&mut store, None, "京"), [5, 1]);
}

#[test]
fn a_search_can_be_kept_to_one_conversation() {
    let (_profile, mut store) = filled(&["needle", "hay"]);
    hear(&mut store, &bobs_log(OTHER_CHAT), 1, "needle");
    hear(&mut store, &bobs_log(OTHER_CHAT), 2, "needle 1");
    // Only of one conversation, what somebody says who is no contact is found.
    assert_eq!(found(&mut store, None, "needle"), [1]);
    add_bob(&mut store);
    assert_eq!(found(&mut store, Some(&CHAT), "needle"), [1]);
    assert_eq!(found(&mut store, Some(&OTHER_CHAT), "needle"), [2, 1]);
    assert_eq!(found(&mut store, None, "needle"), [2, 1, 1]);
    assert_eq!(found(&mut store, Some(&[99; 32]), "needle"), [0; 0]);
    // The number that stands for a conversation inside is no word of its messages.
    assert_eq!(found(&mut store, None, "1"), [2]);
}

#[test]
fn the_newest_come_first_and_no_more_than_asked() {
    let messages: Vec<_> = (0..30).map(|n| format!("same {n}")).collect();
    let messages: Vec<_> = messages.iter().map(String::as_str).collect();
    let (_profile, mut store) = filled(&messages);
    let page = store.read(|view| view.search(None, "same", 3)).unwrap();
    let numbers: Vec<_> = page.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [30, 29, 28]);
    assert!(page.more);
}

#[test]
fn the_language_of_the_index_is_no_language_of_the_user() {
    let (_profile, mut store) = filled(&["plain text near or not and"]);
    for typed in [
        "\"",
        "*",
        "conversation:1",
        "terms : x",
        "text OR nothing",
        "NOT",
        "text NOT plain",
        "NEAR(plain text)",
        "^plain",
        "a\" OR \"b",
        "{conversation}: 1",
        "-text",
        "(((",
        "text)",
        "'; DROP TABLE entries; --",
        "\0",
    ] {
        store
            .read(|view| view.search(Some(&CHAT), typed, 10))
            .unwrap();
    }
    assert_eq!(found(&mut store, None, "plain NOT text"), [1]);
    assert_eq!(found(&mut store, None, "plain OR missing"), [0; 0]);
    assert_eq!(found(&mut store, None, "***"), [0; 0]);
}

#[test]
fn an_expired_message_leaves_no_word_in_the_index() {
    let (_profile, mut store) = filled(&["kept wormwood"]);
    say(&mut store, &own_log(CHAT), "xylophone 明天", Some(NOW + 1));
    assert_eq!(found(&mut store, None, "xylophone"), [2]);
    assert!(index_holds(&store, "xylophone"));
    commit(&mut store, |tx| tx.expire(NOW + 1)).unwrap();
    for word in ["xylophone", "明天", "明"] {
        assert_eq!(found(&mut store, None, word), [0; 0]);
    }
    assert!(!index_holds(&store, "xylophone"));
    assert!(!index_holds(&store, "明天"));
    assert_eq!(found(&mut store, None, "wormwood"), [1]);
    store.verify().unwrap();
}

/// Whether the pages of the index hold the bytes of a term. Terms that share a beginning with
/// the one before them are stored without it, so the terms asked for here share none.
fn index_holds(store: &Store, term: &str) -> bool {
    let mut statement = store.conn.prepare("SELECT block FROM search_data").unwrap();
    let blocks = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
    blocks
        .map(Result::unwrap)
        .any(|block| block.windows(term.len()).any(|at| at == term.as_bytes()))
}

#[test]
fn an_index_cut_by_other_rules_is_built_anew() {
    let (profile, mut store) = filled(&["one alpha", "two beta"]);
    say(&mut store, &own_log(CHAT), "expired alpha", Some(NOW + 1));
    commit(&mut store, |tx| {
        tx.expire(NOW + 1)?;
        tx.set_meta(MetaKey::new("search_terms"), b"other rules")
    })
    .unwrap();
    behind(&store, "INSERT INTO search (search) VALUES ('delete-all')");
    assert_eq!(found(&mut store, None, "alpha"), [0; 0]);
    drop(store);
    let mut store = profile.open();
    assert_eq!(found(&mut store, None, "alpha"), [1]);
    assert_eq!(found(&mut store, Some(&CHAT), "two"), [2]);
    let version = store
        .read(|view| view.meta(MetaKey::new("search_terms")))
        .unwrap();
    assert_eq!(version.unwrap().as_slice(), terms::version().as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_is_found_by_any_two_neighbouring_characters_of_a_run(
        runs in prop::collection::vec("[\u{4e00}-\u{4e05}\u{e01}-\u{e05}a]{1,6}", 1..4),
    ) {
        let (_profile, mut store) = filled(&[&runs.join(" "), "其他"]);
        for run in &runs {
            let chars: Vec<char> = run.chars().collect();
            for pair in chars.windows(2) {
                // Across a Latin letter it is two searches: for a word and for a run.
                if pair.contains(&'a') {
                    continue;
                }
                let pair: String = pair.iter().collect();
                prop_assert!(found(&mut store, Some(&CHAT), &pair).contains(&1), "{}", pair);
            }
        }
    }

    #[test]
    fn any_words_can_be_searched(typed in "\\PC{0,40}") {
        let (_profile, mut store) = filled(&["x"]);
        found(&mut store, None, &typed);
        say(&mut store, &own_log(CHAT), &typed, None);
        let segments = terms::query(&typed).is_some();
        prop_assert_eq!(found(&mut store, Some(&CHAT), &typed).contains(&2), segments);
    }
}
