//! Whether a message names somebody: `@name`, or a PeerId.
//!
//! Input: the text, what the person is called, and what others are called where it was said. Output: yes or
//! no, decided where it is read: nothing of it travels, so nobody can make a message name more people than
//! it does.
//!
//! Names are compared as everywhere ([`fold`]): case and compatible forms of characters do not count. A name
//! is meant as a whole. So the `@` does not continue a word (`bob@alice.example` is an address), and behind
//! the name no word goes on (`@alice.example`, `@alices` and `@alice@example` name nobody called Alice).
//! Where somebody else's name begins with this one and stands there in full, that one is meant. Scripts
//! written without spaces have no such edges: beside their characters a name begins and ends anywhere.

use unicode_normalization::char::is_combining_mark;

use crate::store::terms::{fold, is_spaceless};

/// Whether `text` names the person with the PeerId `peer` who is called one of `names`. `others` is asked for
/// what other people there are called, once one of the names was found.
#[must_use]
pub fn is_named<N: AsRef<str>>(
    text: &str,
    peer: &str,
    names: &[N],
    others: impl FnOnce() -> Vec<String>,
) -> bool {
    if has_peer_id(text, peer) {
        return true;
    }
    // `@`, and what folds to it.
    if !text.contains(['@', '\u{ff20}', '\u{fe6b}']) {
        return false;
    }
    let text = fold(text);
    let names = names.iter().map(|name| folded(name.as_ref()));
    let names: Vec<String> = names.filter(|name| !name.trim().is_empty()).collect();
    let mut found = Vec::new();
    for (at, sign) in text.match_indices('@') {
        let (before, after) = (text.get(..at), text.get(at + sign.len()..));
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        if may_begin(before) {
            let name = names.iter().filter(|name| stands(after, name));
            found.extend(name.max_by_key(|name| name.len()).map(|name| (after, name)));
        }
    }
    if found.is_empty() {
        return false;
    }
    let others: Vec<String> = others().iter().map(|other| folded(other)).collect();
    found.into_iter().any(|(after, name)| {
        let mut longer = others.iter().filter(|other| other.len() > name.len());
        !longer.any(|other| stands(after, other))
    })
}

/// Trimmed before it is folded: there are letters that fold to a space and more, in the text as well.
fn folded(name: &str) -> String {
    fold(name.trim())
}

/// Whether a name stands in `after`, which is what follows an `@`.
fn stands(after: &str, name: &str) -> bool {
    after
        .strip_prefix(name)
        .is_some_and(|rest| may_end(name, rest))
}

/// Whether an `@` behind `before` begins a name.
fn may_begin(before: &str) -> bool {
    before.chars().next_back().is_none_or(|last| {
        is_spaceless(last)
            || !(is_word(last) || matches!(last, '@' | '-' | '+' | '%' | '/' | '=' | '&'))
    })
}

/// Whether `name` ends before `rest`.
fn may_end(name: &str, rest: &str) -> bool {
    let mut rest = rest.chars();
    let goes_on =
        |next: Option<char>| next.is_some_and(|next| is_word(next) && !is_spaceless(next));
    match rest.next() {
        None => true,
        Some('@') => false,
        Some('.' | '-' | '/') => !goes_on(rest.next()),
        Some(next) if is_combining_mark(next) => false,
        Some(next) if is_spaceless(next) => true,
        Some(next) => !is_word(next) || name.chars().next_back().is_some_and(is_spaceless),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || c == '_'
}

/// Whether `peer` stands alone in `text`, not as a part of an address.
fn has_peer_id(text: &str, peer: &str) -> bool {
    !peer.is_empty()
        && text.match_indices(peer).any(|(at, found)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + found.len()..);
            let after = after.and_then(|after| after.chars().next());
            !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '/')
                && !after.is_some_and(|c| c.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn names(text: &str, name: &str) -> bool {
        is_named(text, PEER, &[name], Vec::new)
    }

    #[test]
    fn a_name_behind_an_at_sign_is_meant_however_it_is_written() {
        for text in [
            "@alice",
            "@Alice hello",
            "hello @ALICE!",
            "(@alice)",
            "hi,@alice: look",
            "well.@alice",
            "first line\n@alice",
            "@alice's turn",
            "@alice, @bob",
            "@bob and @alice.",
            "\u{ff20}ＡＬＩＣＥ",
            "好@alice",
            "@alice好",
            "@alice-",
        ] {
            assert!(names(text, "Alice"), "{text}");
        }
        assert!(names("look, @ann SMITH!", "Ann Smith"));
        assert!(names("@STRASSE", "Straße"));
    }

    #[test]
    fn a_part_of_a_word_or_of_an_address_is_nobodys_name() {
        for text in [
            "alice",
            "@",
            "@ alice",
            "bob@alice",
            "mail bob@alice.example",
            "mail bob+x-@alice.example",
            "é@alice",
            "@alices",
            "@alice2",
            "@alice_b",
            "@alice.example",
            "@alice-ann",
            "@alice@example",
            "@@alice",
            "https://example.org/@alice",
            "@alice/tool",
            "@alic",
            "@alice\u{301}",
        ] {
            assert!(!names(text, "Alice"), "{text}");
        }
        assert!(!names("@ann smithson", "Ann Smith"));
        assert!(!names("@ann", "Ann Smith"));
        assert!(!names("anything @ all", ""));
    }

    #[test]
    fn scripts_without_spaces_have_no_edges() {
        assert!(names("你好@小明你好", "小明"));
        assert!(names("@小明hello", "小明"));
        assert!(names("สวัสดี@สมชาย", "สมชาย"));
        assert!(!names("小明", "小明"));
    }

    #[test]
    fn somebody_elses_longer_name_is_theirs() {
        let others = || vec!["Ann Smith".to_owned(), "小明你".to_owned()];
        let named = |text, name| is_named(text, PEER, &[name], others);
        assert!(!named("@ann smith", "Ann"));
        assert!(named("@ann smiths", "Ann"));
        assert!(named("@ann smith and @ann", "Ann"));
        assert!(!named("@小明你好", "小明"));
    }

    #[test]
    fn of_several_names_any_counts() {
        assert!(is_named("@bea", PEER, &["Ann", "Bea"], Vec::new));
        assert!(!is_named("@cem", PEER, &["Ann", "Bea"], Vec::new));
    }

    #[test]
    fn a_letter_that_folds_to_a_space_and_more_is_part_of_the_name() {
        assert!(names("hello @\u{37a}", "\u{37a}"));
    }

    #[test]
    fn a_peer_id_that_stands_alone_is_meant() {
        for text in [
            PEER.to_owned(),
            format!("@{PEER} hello"),
            format!("ask {PEER}, not me"),
        ] {
            assert!(names(&text, "Alice"), "{text}");
        }
        for text in [
            format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{PEER}"),
            format!("{PEER}x"),
            format!("x{PEER}"),
            PEER.to_lowercase(),
        ] {
            assert!(!names(&text, "Alice"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_name_is_judged(text in "\\PC{0,40}", name in "\\PC{0,8}") {
            names(&text, &name);
        }

        #[test]
        fn a_name_alone_behind_the_sign_is_meant(name in "[\\p{L}\\p{N}]{1,12}( [\\p{L}\\p{N}]{1,5})?") {
            let text = format!("hello @{name}");
            prop_assert!(names(&text, &name));
        }

        #[test]
        fn without_the_sign_nobody_is(text in "[^@\u{ff20}\u{fe6b}]{0,40}", name in "\\PC{1,8}") {
            prop_assert!(!names(&text, &name));
        }
    }
}
