//! Makes strangers' text fit for a terminal.
//!
//! Input: any string. Output: a string without control characters (a terminal obeys them), without
//! characters that reorder or hide their neighbours (bidirectional overrides and isolates, invisible
//! format characters, tag characters), and without towers of combining marks. C0 controls become
//! their visible pictures (`␛`), so that an attack is seen rather than silently dropped; what is
//! invisible anyway is dropped. Letters of every script, emoji and their joiners pass unchanged.
//!
//! Only what people read goes through here: JSON carries the exact text.

use unicode_normalization::char::is_combining_mark;

/// Longest name shown, in characters; names on the wire have at most 64 bytes.
const NAME_CHARS: usize = 64;
/// Combining marks in a row that are shown. No orthography stacks more (Vietnamese and Thai take
/// two, fully pointed Hebrew four), and taller towers overwrite the lines above.
const MARKS: usize = 4;

/// One line: line breaks and tabs become spaces.
#[must_use]
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push(&mut shown, text, |shown, _| shown.push(' '));
    shown
}

/// A display name: one line, trimmed, bounded, never empty.
#[must_use]
pub fn name(text: &str) -> String {
    let shown: String = line(text).trim().chars().take(NAME_CHARS).collect();
    if shown.is_empty() {
        "(no name)".to_owned()
    } else {
        shown
    }
}

/// Several lines: each line break is followed by `indent`, so that no line of the text can pass for
/// one of ours.
#[must_use]
pub fn block(text: &str, indent: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push(&mut shown, text, |shown, control| {
        if control == '\t' {
            shown.push(' ');
        } else {
            shown.push('\n');
            shown.push_str(indent);
        }
    });
    shown
}

/// At most `chars` characters of one line, with `…` where something is missing.
#[must_use]
pub fn excerpt(text: &str, chars: usize) -> String {
    let whole = line(text);
    match whole.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default().trim_end()),
        None => whole,
    }
}

fn push(shown: &mut String, text: &str, space: impl Fn(&mut String, char)) {
    let mut marks = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_invisible(c) {
            continue;
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => space(shown, c),
            '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => shown.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => shown.push('\u{fffd}'),
            _ if marks > MARKS => {}
            _ => shown.push(c),
        }
    }
}

/// Format characters without a place in a chat: they reorder, hide or annotate what is around them.
/// Zero-width joiner and non-joiner stay, which Persian, Indic scripts and emoji are written with,
/// and so do variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What no terminal may be sent, written independently of the function under test.
    fn dangerous(c: char) -> bool {
        let code = u32::from(c);
        c.is_control()
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
            || code == 0x2028
            || code == 0x2029
    }

    /// Text that is mostly trouble.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            proptest::collection::vec(
                prop_oneof![
                    proptest::char::range('\0', '\u{9f}'),
                    proptest::char::range('\u{2000}', '\u{206f}'),
                    proptest::char::range('\u{300}', '\u{36f}'),
                    any::<char>(),
                ],
                0..200
            )
            .prop_map(String::from_iter),
        ]
    }

    proptest! {
        /// Checks DC-WIRE-009 (negative).
        #[test]
        fn no_control_or_reordering_character_gets_through(text in hostile()) {
            prop_assert!(!line(&text).chars().any(dangerous));
            prop_assert!(!name(&text).chars().any(dangerous));
            prop_assert!(!excerpt(&text, 20).chars().any(dangerous));
            prop_assert!(!block(&text, "  ").replace('\n', "").chars().any(dangerous));
        }

        #[test]
        fn every_line_of_a_block_but_the_first_is_indented(text in hostile()) {
            let shown = block(&text, "    ");
            prop_assert!(shown.split('\n').skip(1).all(|line| line.starts_with("    ")));
        }

        #[test]
        fn what_is_clean_stays_as_it_is(text in hostile()) {
            let once = line(&text);
            prop_assert_eq!(line(&once), once);
        }

        #[test]
        fn marks_never_tower(text in hostile()) {
            let mut run = 0;
            for c in line(&text).chars() {
                run = if is_combining_mark(c) { run + 1 } else { 0 };
                prop_assert!(run <= MARKS);
            }
        }
    }

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(line("a\u{1b}[2Jb\u{7f}"), "a␛[2Jb␡");
    }

    #[test]
    fn a_name_cannot_forge_a_second_line() {
        assert_eq!(name("Bob\n[12:00:00] Alice"), "Bob [12:00:00] Alice");
        assert_eq!(name("\u{202e}\u{200b} "), "(no name)");
    }

    /// Checks DC-WIRE-009 (positive).
    #[test]
    fn ordinary_text_of_many_scripts_is_untouched() {
        for text in [
            "héllo wörld",
            "对聊 你好",
            "สวัสดี",
            "می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧",
            "שָׁלוֹם",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn windows_line_ends_are_one_break() {
        assert_eq!(block("a\r\nb", "  "), "a\n  b");
    }

    #[test]
    fn an_excerpt_says_when_it_is_one() {
        assert_eq!(excerpt("hello", 5), "hello");
        assert_eq!(excerpt("hello there", 6), "hello…");
    }
}
