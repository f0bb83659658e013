//! JSON, for programs.

use serde_json::{Value, json};

use super::super::case::{Case, Verdict};
use super::{Line, Report, Totals};

/// A run.
#[must_use]
pub fn json(report: &Report) -> Value {
    let totals = Totals::of(&report.lines);
    json!({
        "subject": report.subject,
        "seed": report.seed,
        "seconds": report.took.as_secs_f64(),
        "totals": {
            "passed": totals.passed,
            "failed": totals.failed,
            "unsupported": totals.unsupported,
        },
        "cases": report.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn line(line: &Line) -> Value {
    let mut value = json!({
        "id": line.id,
        "about": line.about,
        "req": line.req,
        "kind": line.kind.name(),
        "profile": line.profile,
        "verdict": line.verdict.name(),
        "seconds": line.took.as_secs_f64(),
    });
    match &line.verdict {
        Verdict::Passed => {}
        Verdict::Unsupported(why) => value["why"] = json!(why),
        Verdict::Failed(failure) => {
            value["requirement"] = json!(failure.requirement);
            value["sentence"] = json!(failure.sentence);
            value["expected"] = json!(failure.expected);
            value["seen"] = json!(failure.seen);
        }
    }
    value
}

/// The cases there are, without running them.
#[must_use]
pub fn catalogue(cases: &[&Case]) -> Value {
    let cases = cases.iter().map(|case| {
        json!({
            "id": case.id,
            "about": case.about,
            "req": case.req,
            "kind": case.kind.name(),
            "profile": case.profile.name(),
        })
    });
    json!({ "cases": cases.collect::<Vec<_>>() })
}
