//! JUnit's XML, which build servers read.

use core::fmt::Write as _;

use super::super::case::Verdict;
use super::{Line, Report, Totals, escaped};

/// A run: a suite for each section, in the order in which they first occur.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut sections: Vec<&str> = Vec::new();
    for line in &report.lines {
        if !sections.contains(&line.section()) {
            sections.push(line.section());
        }
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"dchat-conformance\" {} time=\"{:.3}\">",
        counts(&report.lines),
        report.took.as_secs_f64()
    );
    for section in sections {
        let of_section = |line: &&Line| line.section() == section;
        let lines: Vec<Line> = report.lines.iter().filter(of_section).cloned().collect();
        let seconds: f64 = lines.iter().map(|line| line.took.as_secs_f64()).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" {} time=\"{seconds:.3}\">",
            escaped(section),
            counts(&lines)
        );
        for line in &lines {
            case(&mut xml, line);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn counts(lines: &[Line]) -> String {
    let totals = Totals::of(lines);
    format!(
        "tests=\"{}\" failures=\"{}\" skipped=\"{}\"",
        lines.len(),
        totals.failed,
        totals.unsupported
    )
}

fn case(xml: &mut String, line: &Line) {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(line.section()),
        escaped(&line.id),
        line.took.as_secs_f64()
    );
    let _ = match &line.verdict {
        Verdict::Passed => writeln!(xml, "{head}/>"),
        Verdict::Unsupported(why) => writeln!(
            xml,
            "{head}><skipped message=\"{}\"/></testcase>",
            escaped(why)
        ),
        Verdict::Failed(failure) => writeln!(
            xml,
            "{head}><failure message=\"{}\">{}</failure></testcase>",
            escaped(&format!(
                "{}: expected {}",
                failure.requirement, failure.expected
            )),
            escaped(&failure.to_string())
        ),
    };
}
