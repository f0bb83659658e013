//! Logs: to standard error, without secrets, and without addresses below debug.
//!
//! An address tells where a person is. Our own code logs it at debug and below only; other crates do
//! as they please, so the text of every line above debug is searched for IP addresses, which become
//! `<address>`. Control characters never reach the terminal, whoever wrote them.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
    },
    registry::LookupSpan,
};

use super::Failure;
use crate::text;

/// Starts logging as `directives` say, once in a process.
///
/// # Errors
/// A usage error when they cannot be understood.
pub(crate) fn start(directives: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        Failure::usage(format!(
            "cannot log '{directives}': {error}. Try info, debug or trace."
        ))
    })?;
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Redacted(Format::default()))
        .try_init();
    // A program that uses the library may log in its own way already.
    drop(started);
    Ok(())
}

/// Formats a line and takes out what must not be in it.
struct Redacted<F>(F);

impl<S, N, F> FormatEvent<S, N> for Redacted<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let line = text::line(line.trim_end());
        if *event.metadata().level() <= Level::INFO {
            writeln!(writer, "{}", redact(&line))
        } else {
            writeln!(writer, "{line}")
        }
    }
}

/// The text with every IP address, and its port, replaced.
fn redact(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find(|c| !in_address(c)).unwrap_or(rest.len());
        if length == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let word = rest.get(..length).unwrap_or_default();
        let before = text.get(..at).unwrap_or_default();
        if !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && let Some(length) = address_length(word)
        {
            kept.push_str(text.get(done..at).unwrap_or_default());
            kept.push_str("<address>");
            done = at + length;
        }
        at += length;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(kept)
}

fn in_address(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')
}

/// How much of a word is an address, when punctuation at its end is not counted.
fn address_length(word: &str) -> Option<usize> {
    let mut word = word;
    loop {
        let bare = word.trim_start_matches('[').trim_end_matches(']');
        if word.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok() {
            return Some(word.len());
        }
        // "::" alone is an address and, far more often, a path in Rust.
        word = word.strip_suffix(['.', ':', ']'])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn addresses_in_every_form_are_taken_out() {
        for (line, redacted) in [
            ("to 192.0.2.1:4001.", "to <address>."),
            ("peer=10.0.0.1: refused", "peer=<address>: refused"),
            ("[2001:db8::1]:4001 is new", "<address> is new"),
            ("/ip6/2001:db8::1/udp/1", "/ip6/<address>/udp/1"),
            ("a 1.2.3.4 b ::1", "a <address> b <address>"),
        ] {
            assert_eq!(redact(line), redacted);
        }
    }

    #[test]
    fn what_only_looks_like_an_address_stays() {
        for line in [
            "dchat::cafe::bee",
            "at 12:34:56",
            "version 1.2.3",
            "deadbeef",
            "…",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    proptest! {
        #[test]
        fn no_address_survives_among_words(
            v4 in any::<u32>(), v6 in any::<u128>(), port in any::<u16>(), word in "[ ,;=(/]{1,3}"
        ) {
            let v4 = IpAddr::from(Ipv4Addr::from(v4));
            let v6 = IpAddr::from(Ipv6Addr::from(v6));
            for address in [v4, v6] {
                let socket = SocketAddr::new(address, port);
                let line = format!("x{word}{address}{word}{socket}{word}");
                let expected = format!("x{word}<address>{word}<address>{word}");
                prop_assert_eq!(redact(&line), expected);
            }
        }

        #[test]
        fn any_text_is_searched_without_panic(text in any::<String>()) {
            let _ = redact(&text);
        }
    }
}
