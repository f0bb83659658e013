//! What text is found by: folded words, and pairs of characters where words have no spaces.
//!
//! Input: the text of a message, or what a person typed to search. Output: the string FTS5
//! indexes, or an FTS5 expression. Both come from the same segmentation:
//!
//! 1. Text is put into NFKC, case is folded (every character to upper case, then to lower case,
//!    which also joins ß/ss and ς/σ), and NFKC is taken again.
//! 2. Letters, digits and combining marks make *words*. A word is one term (its first 64
//!    characters).
//! 3. Characters of Han, kana, Bopomofo, Hangul, Thai, Lao, Khmer, Myanmar and their neighbours
//!    that are written without spaces, and pictographs, make *runs*. A run `abc` becomes the
//!    terms `ab bc c`: every pair, and the last character alone.
//! 4. Everything else separates.
//!
//! A search finds messages in which every one of its words begins some word (those of one or two
//! characters are some word: too much begins with them to be worth finding), and every one of
//! its runs occurs as written. One character is found as the beginning of a pair (or as the last
//! one), two are one term, more are a phrase of pairs; nothing is ever found by scanning.
//! Hangul is written with spaces but glues particles to nouns, so it is better off as runs.
//!
//! Terms hold nothing that means something to FTS5 and are quoted besides.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::limits::MAX_SEARCH_TERMS;

/// Characters of a word that count.
const MAX_WORD: usize = 64;
/// From so many characters on, a searched word is the beginning of others too. FTS5 puts the
/// lists of all of them together before it gives the first hit, so the shortest cost most.
const MIN_PREFIX: usize = 3;
/// Characters of one searched run that count.
const MAX_SEARCHED_RUN: usize = 64;

/// Changes whenever the same text could be cut differently: with these rules, or with the
/// Unicode tables of the compiler or of the normalisation. The index is rebuilt when it does.
pub fn version() -> String {
    format!(
        "1/{:?}/{:?}",
        char::UNICODE_VERSION,
        unicode_normalization::UNICODE_VERSION
    )
}

/// Text with the differences removed that a search should not see.
pub fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// What is put into the index for a message: terms with spaces between them.
pub fn index(text: &str) -> String {
    let mut terms = String::with_capacity(text.len() + text.len() / 4);
    for segment in segments(&fold(text)) {
        match segment {
            Segment::Word(word) => push(&mut terms, first(word, MAX_WORD)),
            Segment::Run(run) => {
                pairs(run).for_each(|pair| push(&mut terms, pair));
                push(&mut terms, last(run));
            }
        }
    }
    terms
}

/// The FTS5 expression for what was typed, over the column `terms`; `None` when nothing in it
/// could be found.
pub fn query(typed: &str) -> Option<String> {
    let mut conditions: Vec<String> = Vec::new();
    for segment in segments(&fold(typed)).take(MAX_SEARCH_TERMS) {
        let condition = match segment {
            Segment::Word(word) if word.chars().nth(MIN_PREFIX - 1).is_none() => {
                format!("\"{word}\"")
            }
            Segment::Word(word) => format!("\"{}\" *", first(word, MAX_WORD)),
            Segment::Run(run) => {
                let run = first(run, MAX_SEARCHED_RUN);
                let mut phrase = String::new();
                pairs(run).for_each(|pair| push(&mut phrase, pair));
                if phrase.is_empty() {
                    format!("\"{run}\" *")
                } else {
                    format!("\"{phrase}\"")
                }
            }
        };
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}

fn push(terms: &mut String, term: &str) {
    if !terms.is_empty() {
        terms.push(' ');
    }
    terms.push_str(term);
}

/// The first `limit` characters.
fn first(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

fn last(text: &str) -> &str {
    text.char_indices()
        .next_back()
        .and_then(|(start, _)| text.get(start..))
        .unwrap_or(text)
}

/// Every two neighbouring characters.
fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let starts = run.char_indices().map(|(at, _)| at);
    let ends = run
        .char_indices()
        .skip(2)
        .map(|(at, _)| at)
        .chain(std::iter::once(run.len()));
    // A run of one character has a start and an end, but nothing between two characters.
    let single = run.chars().nth(1).is_none();
    starts
        .zip(ends)
        .filter_map(move |(start, end)| run.get(start..end))
        .filter(move |_| !single)
}

/// A stretch of folded text.
#[derive(Debug, PartialEq, Eq)]
enum Segment<'t> {
    Word(&'t str),
    Run(&'t str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Run,
    /// Belongs to whatever is before it.
    Mark,
    Separator,
}

fn segments(folded: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| class(c) == Class::Separator);
        let begin = class(rest.chars().next()?);
        let is_run = begin == Class::Run;
        let end = rest
            .find(|c| match class(c) {
                Class::Word => is_run,
                Class::Run => !is_run,
                Class::Mark => false,
                Class::Separator => true,
            })
            .unwrap_or(rest.len());
        let (segment, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(if is_run {
            Segment::Run(segment)
        } else {
            Segment::Word(segment)
        })
    })
}

fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() {
            Class::Word
        } else {
            Class::Separator
        };
    }
    if is_pictograph(c) {
        return Class::Run;
    }
    if is_combining_mark(c) {
        return if is_spaceless(c) {
            Class::Run
        } else {
            Class::Mark
        };
    }
    match (c.is_alphanumeric(), is_spaceless(c)) {
        (true, true) => Class::Run,
        (true, false) => Class::Word,
        (false, _) => Class::Separator,
    }
}

/// Whether a character is of a script written without spaces between words (Unicode 16, Blocks.txt), or of
/// Hangul.
pub fn is_spaceless(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF       // Thai, Lao
        | 0x1000..=0x109F     // Myanmar
        | 0x1100..=0x11FF     // Hangul Jamo
        | 0x1780..=0x17FF     // Khmer
        | 0x1950..=0x19DF     // Tai Le, New Tai Lue
        | 0x1A20..=0x1AAF     // Tai Tham
        | 0x3005..=0x3007     // Han iteration mark, closing mark, zero
        | 0x3021..=0x312F     // Hangzhou numerals, Hiragana, Katakana, Bopomofo
        | 0x3130..=0x318F     // Hangul Compatibility Jamo
        | 0x31A0..=0x31FF     // Bopomofo Extended, Katakana Phonetic Extensions
        | 0x3400..=0x4DBF     // CJK Extension A
        | 0x4E00..=0x9FFF     // CJK Unified Ideographs
        | 0xA960..=0xA9FF     // Hangul Jamo Extended-A, Javanese, Myanmar Extended-B
        | 0xAA60..=0xAA7F     // Myanmar Extended-A
        | 0xAC00..=0xD7FF     // Hangul Syllables, Jamo Extended-B
        | 0xF900..=0xFAFF     // CJK Compatibility Ideographs
        | 0x1AFF0..=0x1B16F   // Kana Extended-B, Supplement, Extended-A, Small Kana
        | 0x20000..=0x3FFFF   // CJK Extension B and later
    )
}

/// Emoji and their relatives, so that they can be searched for.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0x1F000..=0x1FAFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_folded_and_separated() {
        assert_eq!(index("Hello, WORLD-wide!  ﬁne"), "hello world wide fine");
        assert_eq!(index("Straße Σίσυφος"), "strasse σίσυφοσ");
        assert_eq!(index("ＡＢＣ１２"), "abc12");
        assert_eq!(index("\u{65}\u{301}t\u{e9}"), "été");
    }

    #[test]
    fn runs_become_pairs_and_their_last_character() {
        assert_eq!(index("我们"), "我们 们");
        assert_eq!(index("明天见"), "明天 天见 见");
        assert_eq!(index("用iPhone拍"), "用 iphone 拍");
        assert_eq!(index("ไป"), "ไป ป");
        assert_eq!(index("한국"), "한국 국");
        assert_eq!(index("🎉"), "🎉");
    }

    #[test]
    fn queries_are_prefixes_pairs_and_phrases() {
        assert_eq!(query("Hel wor").unwrap(), "\"hel\" * AND \"wor\" *");
        assert_eq!(query("我").unwrap(), "\"我\" *");
        assert_eq!(query("我们").unwrap(), "\"我们\"");
        assert_eq!(query("明天见").unwrap(), "\"明天 天见\"");
        assert_eq!(query("a a A").unwrap(), "\"a\"");
        assert_eq!(query("ab abc").unwrap(), "\"ab\" AND \"abc\" *");
    }

    #[test]
    fn nothing_to_find_is_no_query() {
        assert_eq!(query(""), None);
        assert_eq!(query(" \"*()-:^{}+' "), None);
    }

    #[test]
    fn long_words_and_long_queries_are_cut() {
        assert_eq!(index(&"x".repeat(100)).len(), MAX_WORD);
        let many: String = (0..100).map(|n| format!("w{n} ")).collect();
        assert_eq!(
            query(&many).unwrap().matches(" AND ").count() + 1,
            MAX_SEARCH_TERMS
        );
    }

    proptest! {
        #[test]
        fn no_term_holds_a_character_of_the_query_language(text in "\\PC{0,60}") {
            for term in index(&text).split(' ') {
                prop_assert!(term.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
            }
        }

        #[test]
        fn folding_twice_cuts_the_same(text in "\\PC{0,60}") {
            prop_assert_eq!(index(&fold(&text)), index(&text));
        }
    }
}
