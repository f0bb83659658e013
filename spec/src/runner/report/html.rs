//! A page for people: what failed first, then everything by section.

use core::fmt::Write as _;

use super::super::case::Verdict;
use super::{Line, Report, Totals, escaped};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2em .6em;\
border-bottom:1px solid #8884}.passed{color:#080}.failed{color:#c00;font-weight:bold}\
.unsupported{color:#888}pre{white-space:pre-wrap;margin:0}code{font-size:13px}\
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}.passed{color:#6c6}.failed{color:#f66}}";

/// A run.
#[must_use]
pub fn html(report: &Report) -> String {
    let totals = Totals::of(&report.lines);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <title>DChat conformance</title><style>{STYLE}</style>\
         <h1>DChat conformance</h1><p><code>{}</code>, seed {}, {:.1} s: \
         <span class=\"passed\">{} passed</span>, <span class=\"failed\">{} failed</span>, \
         <span class=\"unsupported\">{} unsupported</span></p>\n",
        escaped(&report.subject),
        report.seed,
        report.took.as_secs_f64(),
        totals.passed,
        totals.failed,
        totals.unsupported,
    );
    page.push_str(
        "<table><tr><th>Case<th>Kind<th>Profile<th>Requirements<th>Result<th>Seconds</tr>\n",
    );
    let is_failed = |line: &&Line| matches!(line.verdict, Verdict::Failed(_));
    let (failed, others): (Vec<&Line>, Vec<&Line>) = report.lines.iter().partition(is_failed);
    for line in failed.into_iter().chain(others) {
        row(&mut page, line);
    }
    page.push_str("</table></html>\n");
    page
}

fn row(page: &mut String, line: &Line) {
    let result = match &line.verdict {
        Verdict::Passed => String::new(),
        Verdict::Unsupported(why) => format!(": {}", escaped(why)),
        Verdict::Failed(failure) => format!("<pre>{}</pre>", escaped(&failure.to_string())),
    };
    let verdict = line.verdict.name();
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "<tr><td><code>{}</code><br>{}<td>{}<td>{}<td>{}<td><span class=\"{verdict}\">{verdict}</span>\
         {result}<td>{:.2}</tr>",
        escaped(&line.id),
        escaped(&line.about),
        line.kind.name(),
        line.profile,
        escaped(&line.req.join(" ")),
        line.took.as_secs_f64(),
    );
}
