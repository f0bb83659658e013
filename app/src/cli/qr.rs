//! An invite as a QR code, for a telephone or a camera to read off the screen.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::Console;

/// Quiet zone on both sides together, in modules (ISO/IEC 18004: four on each side).
const QUIET: usize = 8;

/// Shows the code beside the data, when a person looks and the terminal is wide enough.
pub(crate) fn remark(link: &str, console: &mut Console) {
    if !console.person() {
        return;
    }
    // The lowest level of correction makes the smallest code, and a screen has no stains.
    let Ok(code) = QrCode::with_error_correction_level(link, EcLevel::L) else {
        return;
    };
    let width = code.width() + QUIET;
    match columns() {
        Some(columns) if columns < width => console.remark(&format!(
            "Make the terminal {width} columns wide to see the invite as a QR code."
        )),
        _ => console.remark(&render(&code)),
    }
}

/// Half blocks in black on white, whatever the terminal's own colours are.
fn render(code: &QrCode) -> String {
    let blocks = code.render::<Dense1x2>().quiet_zone(true).build();
    blocks
        .lines()
        .map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;

    #[test]
    fn the_blocks_spell_the_modules() {
        let code = QrCode::with_error_correction_level("dchat:AAAA", EcLevel::L).unwrap();
        let shown = render(&code);
        let width = code.width();
        let rows: Vec<Vec<char>> = shown
            .lines()
            .map(|line| {
                let line = line.strip_prefix("\u{1b}[30;107m").unwrap();
                line.strip_suffix("\u{1b}[0m").unwrap().chars().collect()
            })
            .collect();
        let dark = |x: usize, y: usize| match rows[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        for y in 0..width {
            for x in 0..width {
                let expected = code[(x, y)] == qrcode::Color::Dark;
                assert_eq!(dark(x + QUIET / 2, y + QUIET / 2), expected, "{x},{y}");
            }
        }
        assert!(rows.iter().all(|row| row.len() == width + QUIET));
    }
}
