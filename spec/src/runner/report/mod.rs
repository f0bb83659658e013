//! What came out of a run, for people and for programs.

mod html;
mod json;
mod junit;

pub use html::html;
pub use json::{catalogue, json};
pub use junit::junit;

use core::time::Duration;

use super::case::{Kind, Verdict};
use super::run::Ran;

/// One line of any report: a case of the network, a scenario or a vector.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its id; with more than one round, the round stands behind a `#`.
    pub id: String,
    /// What is checked.
    pub about: String,
    /// The requirements.
    pub req: Vec<String>,
    /// Whether the partner, or the vector, keeps the rules.
    pub kind: Kind,
    /// The name of the profile, or `vectors`.
    pub profile: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl Line {
    /// The part of the id before the slash.
    #[must_use]
    pub fn section(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }
}

impl From<&Ran> for Line {
    fn from(ran: &Ran) -> Self {
        let id = match ran.round {
            0 => ran.case.id.clone(),
            round => format!("{}#{round}", ran.case.id),
        };
        Self {
            id,
            about: ran.case.about.clone(),
            req: ran.case.req.iter().map(|id| (*id).to_owned()).collect(),
            kind: ran.case.kind,
            profile: ran.case.profile.name(),
            verdict: ran.verdict.clone(),
            took: ran.took,
        }
    }
}

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Neither.
    pub unsupported: usize,
}

impl Totals {
    /// Of these lines.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut totals = Self::default();
        for line in lines {
            match line.verdict {
                Verdict::Passed => totals.passed += 1,
                Verdict::Failed(_) => totals.failed += 1,
                Verdict::Unsupported(_) => totals.unsupported += 1,
            }
        }
        totals
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of what: the address, or the command that was driven.
    pub subject: String,
    /// The seed, to run it again.
    pub seed: u64,
    /// How long it took in all.
    pub took: Duration,
    /// The results.
    pub lines: Vec<Line>,
}

/// Text for XML and HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            // XML 1.0 has no place for them, and a peer's reason phrase may hold any.
            letter if letter.is_control() || letter as u32 & 0xfffe == 0xfffe => {
                escaped.push('\u{fffd}');
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::case::Failure;
    use super::*;

    fn line(id: &str, verdict: Verdict) -> Line {
        Line {
            id: id.to_owned(),
            about: "a <case> & its \"quotes\"".to_owned(),
            req: vec!["DC-CONN-030".to_owned()],
            kind: Kind::Negative,
            profile: "core",
            verdict,
            took: Duration::from_millis(1500),
        }
    }

    fn report() -> Report {
        let failure = Failure {
            requirement: "DC-CONN-030".to_owned(),
            sentence: "A side MUST".to_owned(),
            expected: "a close".to_owned(),
            seen: "\u{1}nothing <here>".to_owned(),
        };
        Report {
            subject: "/ip4/127.0.0.1/udp/4001/quic-v1".to_owned(),
            seed: 7,
            took: Duration::from_secs(2),
            lines: vec![
                line("hello/one", Verdict::Passed),
                line("hello/two", Verdict::Failed(failure)),
                line("ping/three", Verdict::Unsupported("no service".to_owned())),
            ],
        }
    }

    #[test]
    fn every_report_tells_all_three_endings_and_escapes_what_peers_say() {
        let report = report();
        let totals = Totals::of(&report.lines);
        assert_eq!(
            (totals.passed, totals.failed, totals.unsupported),
            (1, 1, 1)
        );
        let xml = junit(&report);
        assert!(
            xml.contains(r#"tests="3" failures="1" skipped="1""#),
            "{xml}"
        );
        assert!(
            xml.contains("&lt;here&gt;") && !xml.contains('\u{1}'),
            "{xml}"
        );
        let page = html(&report);
        assert!(
            page.contains("hello/two") && page.contains("&lt;here&gt;"),
            "{page}"
        );
        let parsed = serde_json::to_value(json(&report)).unwrap_or_default();
        assert_eq!(parsed["cases"][1]["verdict"], "failed");
        assert_eq!(parsed["cases"][1]["seen"], "\u{1}nothing <here>");
        assert_eq!(parsed["totals"]["unsupported"], 1);
    }
}
