//! The one form of a room's name, whoever typed it.

use core::fmt;
use core::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_public_assigned;

use crate::limits;

/// A room's name as it is hashed and shown: folded, without a `#` in front.
///
/// Names that differ only in case, in compatible forms of characters, or in characters that cannot
/// be seen are one name. Folded is what Unicode calls caseless: invisible characters are left out,
/// the rest is put into NFKC, every character is made upper case and then lower case, and NFKC is
/// taken again, until nothing changes. Characters without a meaning that every version of Unicode
/// shares (unassigned, private use) are refused, since two versions would fold them differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(String);

/// Text that names no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// Nothing is left of it.
    #[error("the room's name is empty; choose one, such as lobby")]
    Empty,
    /// More than [`limits::NAME`] bytes.
    #[error(
        "the room's name is longer than {} bytes; choose a shorter one",
        limits::NAME
    )]
    TooLong,
    /// White space, a control character, or one that Unicode gives no meaning.
    #[error("a room's name has neither spaces nor control characters; write - instead")]
    Unprintable,
    /// A `#` that is not in front.
    #[error("a room's name has no # but the one in front")]
    Ambiguous,
}

/// How often folding is tried; twice is enough for every character there is, once for nearly all.
const FOLDS: usize = 4;

impl RoomName {
    /// The name that `text` stands for; `#lobby` and `LOBBY` are `lobby`.
    ///
    /// # Errors
    /// [`RoomNameError`].
    pub fn new(text: &str) -> Result<Self, RoomNameError> {
        // No folding makes text shorter than a ninth of it, and none is to be done for nothing.
        if text.len() > 16 * limits::NAME {
            return Err(RoomNameError::TooLong);
        }
        if !text.chars().all(is_public_assigned) {
            return Err(RoomNameError::Unprintable);
        }
        let mut name = fold(text);
        for _ in 0..FOLDS {
            let again = fold(&name);
            if again == name {
                break;
            }
            name = again;
        }
        let name = name.strip_prefix('#').unwrap_or(&name);
        if name.is_empty() {
            return Err(RoomNameError::Empty);
        }
        if name.len() > limits::NAME {
            return Err(RoomNameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(RoomNameError::Unprintable);
        }
        if name.contains('#') {
            return Err(RoomNameError::Ambiguous);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name, without `#`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = RoomNameError;

    fn from_str(text: &str) -> Result<Self, RoomNameError> {
        Self::new(text)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// Characters that join, order or select others and show nothing (Unicode's
/// `Default_Ignorable_Code_Point`).
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFF8 | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_name_has_one_form() {
        for (text, name) in [
            ("lobby", "lobby"),
            ("#Lobby", "lobby"),
            ("＃ＬＯＢＢＹ", "lobby"),
            ("Straße", "strasse"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
            ("Cafe\u{301}", "café"),
            ("lob\u{200b}by", "lobby"),
            ("大厅", "大厅"),
            ("İ", "i\u{307}"),
            ("❤\u{fe0f}", "❤"),
        ] {
            let room = RoomName::new(text).unwrap();
            assert_eq!(room.as_str(), name, "{text}");
            assert_eq!(room.to_string(), name, "{text}");
        }
    }

    /// What is folded away counts for how much is folded at all, and not for the name.
    #[test]
    fn a_text_is_folded_up_to_sixteen_times_the_length_of_a_name() {
        let hidden = |count: usize| "\u{200b}".repeat(count);
        let longest = format!("a{}", hidden(341));
        assert_eq!(longest.len(), 16 * limits::NAME);
        assert_eq!(RoomName::new(&longest).unwrap().as_str(), "a");
        let longer = format!("aa{}", hidden(341));
        assert_eq!(RoomName::new(&longer), Err(RoomNameError::TooLong));
    }

    #[test]
    fn what_names_no_room_is_refused() {
        for (text, error) in [
            ("", RoomNameError::Empty),
            ("#", RoomNameError::Empty),
            ("\u{200b}", RoomNameError::Empty),
            ("two words", RoomNameError::Unprintable),
            ("tab\t", RoomNameError::Unprintable),
            ("\u{e000}", RoomNameError::Unprintable),
            ("\u{378}", RoomNameError::Unprintable),
            ("##lobby", RoomNameError::Ambiguous),
            ("a#b", RoomNameError::Ambiguous),
            (&"é".repeat(33), RoomNameError::TooLong),
            (&"a".repeat(1_000_000), RoomNameError::TooLong),
        ] {
            assert_eq!(RoomName::new(text), Err(error), "{text:.20}");
        }
        assert!(RoomName::new(&"é".repeat(32)).is_ok());
    }

    /// Also beside a letter and a mark, which may be put together with it. Ideographs, of which there
    /// are many, neither fold nor combine.
    #[test]
    fn a_name_names_itself() {
        let ideographs =
            |c: &char| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
        for c in ('\0'..=char::MAX).filter(|c| is_public_assigned(*c) && !ideographs(c)) {
            let Ok(name) = RoomName::new(&format!("\u{3b1}{c}\u{301}")) else {
                continue;
            };
            assert_eq!(RoomName::new(name.as_str()).unwrap(), name, "{c:?}");
            assert!(!name.as_str().chars().any(is_invisible), "{c:?}");
        }
    }
}
