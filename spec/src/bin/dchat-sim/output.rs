//! Numbers and objects as they are printed.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

/// Prints an object to stdout: as one line of JSON, or as a field a line, with its name padded to
/// `width` columns.
pub(crate) fn print(object: &Value, as_json: bool, width: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return writeln!(out, "{object}");
    }
    for (name, value) in object.as_object().into_iter().flatten() {
        writeln!(out, "{name:width$} {value}")?;
    }
    Ok(())
}

/// Rounded to so many digits after the point, so that lines stay readable.
pub(crate) fn rounded(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    json!((value * scale).round() / scale)
}

/// In milliseconds.
pub(crate) fn ms(span: Duration) -> Value {
    rounded(span.as_secs_f64() * 1000.0, 3)
}

/// `part` of `whole`, 0 of none.
pub(crate) fn fraction(part: usize, whole: u64) -> Value {
    rounded(part as f64 / whole.max(1) as f64, 6)
}

/// As hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a line of `/proc/self/status`; 0 where there is none.
pub(crate) fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = found.and_then(|text| text.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
