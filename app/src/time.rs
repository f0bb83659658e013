//! Points in time as people and programs read them: RFC 3339 in UTC with milliseconds, and the
//! local time of day.

use jiff::{Timestamp, tz::TimeZone};

/// Now, as `2026-03-14T13:23:15.042Z`.
#[must_use]
pub fn now() -> String {
    format(Timestamp::now())
}

/// Milliseconds since 1970 as `2026-03-14T13:23:15.042Z`. Times beyond the year 9999, which only a
/// wrong clock claims, are shown as its end.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    format(at)
}

/// The time of day of an RFC 3339 time at this place, `14:23:15`, with the date before it unless it
/// is today's. `None` for text that is no time.
#[must_use]
pub fn local(rfc3339: &str) -> Option<String> {
    let at: Timestamp = rfc3339.parse().ok()?;
    Some(at_place(at, Timestamp::now(), &TimeZone::system()))
}

fn format(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn at_place(at: Timestamp, now: Timestamp, place: &TimeZone) -> String {
    let at = at.to_zoned(place.clone());
    let pattern = if at.date() == now.to_zoned(place.clone()).date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    at.strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;
    use jiff::tz::Offset;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_773_494_595_042), "2026-03-14T13:23:15.042Z");
    }

    #[test]
    fn absurd_times_do_not_panic() {
        assert!(rfc3339(u64::MAX).starts_with("9999-12-30"));
        assert_eq!(local("yesterday"), None);
    }

    #[test]
    fn the_date_is_shown_unless_it_is_today() {
        let place = TimeZone::fixed(Offset::constant(1));
        let at: Timestamp = "2026-03-14T13:23:15.042Z".parse().unwrap();
        let later = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            at_place(at, later("2026-03-14T22:59:59Z"), &place),
            "14:23:15"
        );
        assert_eq!(
            at_place(at, later("2026-03-14T23:00:00Z"), &place),
            "2026-03-14 14:23:15"
        );
    }
}
