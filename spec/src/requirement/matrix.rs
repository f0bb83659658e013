//! The index as one page of HTML that needs nothing else.

use std::fmt::{self, Write as _};

use crate::requirement::index::{Entry, Index};

const HEAD: &str = include_str!("matrix.head.html");
const TAIL: &str = include_str!("matrix.tail.html");

/// The whole page.
///
/// # Errors
/// None is known: it is written to memory.
pub fn page(index: &Index) -> Result<String, fmt::Error> {
    let mut page = String::from(HEAD);
    let count = |has: fn(&Entry) -> bool| index.entries.iter().filter(|entry| has(entry)).count();
    writeln!(
        page,
        "<p>{} requirements; {} with a positive test, {} with a negative test, {} with both.</p>",
        index.entries.len(),
        count(|entry| !entry.positive.is_empty()),
        count(|entry| !entry.negative.is_empty()),
        count(|entry| !entry.positive.is_empty() && !entry.negative.is_empty()),
    )?;
    page.push_str(include_str!("matrix.table.html"));
    for entry in &index.entries {
        row(&mut page, entry)?;
    }
    page.push_str(TAIL);
    Ok(page)
}

fn row(page: &mut String, entry: &Entry) -> fmt::Result {
    let statement = &entry.statement;
    let hole = entry.positive.is_empty() || entry.negative.is_empty();
    writeln!(
        page,
        "<tr data-document=\"{document}\" data-role=\"{role}\" data-level=\"{level}\" data-hole=\"{hole}\">\
         <td id=\"{id}\"><a href=\"#{id}\">{id}</a></td><td>{document} §{section}</td><td>{level}</td><td>{role}</td>\
         <td>{text}</td>{positive}{negative}</tr>",
        document = escaped(&statement.document),
        role = escaped(&statement.role),
        level = statement.level.name(),
        id = escaped(&statement.id),
        section = escaped(&statement.section),
        text = escaped(&statement.text),
        positive = cell(&entry.positive),
        negative = cell(&entry.negative),
    )
}

fn cell(tests: &[String]) -> String {
    if tests.is_empty() {
        return "<td class=\"hole\">none</td>".to_owned();
    }
    let names: Vec<String> = tests
        .iter()
        .map(|test| format!("<li>{}</li>", escaped(test)))
        .collect();
    format!(
        "<td><details><summary>{}</summary><ul>{}</ul></details></td>",
        tests.len(),
        names.concat()
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
