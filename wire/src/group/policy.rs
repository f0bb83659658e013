//! The policy of a group, as operations set it: one setting at a time, so that two set in a
//! partition both count (spec `81-groups` §6).

use core::fmt;
use core::str::FromStr;

/// What newcomers may read of what was written before they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateJoin {
    /// Nothing: who speaks in a private group knows who hears it.
    #[default]
    None,
    /// The newest so many messages.
    Last(u32),
    /// Everything that is still kept.
    All,
}

/// What members keep, and what newcomers may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For how many seconds messages are kept; `None` for as long as members like.
    pub keep_s: Option<u32>,
    /// What newcomers may read.
    pub late_join: LateJoin,
}

/// One change of a policy. Written `KEY=VALUE` without spaces: `late=none`, `late=all`, `late=N` with
/// `N` from 1, `keep=forever`, `keep=N` with a unit of `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Of [`Policy::keep_s`].
    Keep(Option<u32>),
    /// Of [`Policy::late_join`].
    LateJoin(LateJoin),
}

/// Text that is no setting. An operation with such a text is valid and changes nothing: a later
/// version may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a setting: write late=none, late=N or late=all, or keep=forever, keep=30d, keep=12h or keep=5m"
)]
pub struct SettingError;

/// The longest time messages are kept for when it is limited: a hundred years.
const MAX_KEEP: u32 = 36_500 * 86_400;

impl Policy {
    /// Changes one setting.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Keep(keep_s) => self.keep_s = keep_s,
            Setting::LateJoin(late_join) => self.late_join = late_join,
        }
    }
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text.split_once('=').ok_or(SettingError)? {
            ("late", "none") => Ok(Self::LateJoin(LateJoin::None)),
            ("late", "all") => Ok(Self::LateJoin(LateJoin::All)),
            ("late", count) => Ok(Self::LateJoin(LateJoin::Last(number(count)?))),
            ("keep", "forever") => Ok(Self::Keep(None)),
            ("keep", time) => Ok(Self::Keep(Some(seconds(time)?))),
            _ => Err(SettingError),
        }
    }
}

/// One spelling of a number: digits only, no zero in front, not 0.
fn number(text: &str) -> Result<u32, SettingError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number = text.parse().map_err(|_| SettingError)?;
    if plain { Ok(number) } else { Err(SettingError) }
}

fn seconds(text: &str) -> Result<u32, SettingError> {
    let units = [('d', 86_400), ('h', 3_600), ('m', 60)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let (count, unit) = found.ok_or(SettingError)?;
    let seconds = number(count)?.checked_mul(unit).ok_or(SettingError)?;
    if seconds <= MAX_KEEP {
        Ok(seconds)
    } else {
        Err(SettingError)
    }
}

impl fmt::Display for LateJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Last(count) => write!(f, "{count}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LateJoin(late_join) => write!(f, "late={late_join}"),
            Self::Keep(None) => f.write_str("keep=forever"),
            Self::Keep(Some(seconds)) => match seconds {
                days if days % 86_400 == 0 => write!(f, "keep={}d", days / 86_400),
                hours if hours % 3_600 == 0 => write!(f, "keep={}h", hours / 3_600),
                minutes => write!(f, "keep={}m", minutes / 60),
            },
        }
    }
}

impl fmt::Display for Policy {
    /// All settings, separated by a space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep = Setting::Keep(self.keep_s);
        write!(f, "{} {keep}", Setting::LateJoin(self.late_join))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_setting_reads_as_it_is_written() {
        for text in [
            "late=none",
            "late=all",
            "late=50",
            "keep=forever",
            "keep=30d",
            "keep=12h",
            "keep=90m",
        ] {
            assert_eq!(text.parse::<Setting>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for text in [
            "",
            "late",
            "late=",
            "late=0",
            "late=+5",
            "late=007",
            "keep=5",
            "keep=d",
            "keep=0d",
            "keep=4294967295d",
            "keep=36501d",
            "color=red",
            "Late=none",
            "late=none ",
        ] {
            assert_eq!(text.parse::<Setting>(), Err(SettingError), "{text}");
        }
    }

    #[test]
    fn settings_of_different_keys_both_count() {
        let mut policy = Policy::default();
        policy.set("late=5".parse().unwrap());
        policy.set("keep=7d".parse().unwrap());
        assert_eq!(policy.to_string(), "late=5 keep=7d");
    }
}
