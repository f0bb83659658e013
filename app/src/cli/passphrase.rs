//! Where passphrases come from: never from arguments, which every process of the machine can read.
//!
//! In this order: the file of `--passphrase-file`, the variable `DCHAT_PASSPHRASE`, the file of
//! `DCHAT_PASSPHRASE_FILE` or `config.toml`, the person at the terminal.

use std::{
    fs::File,
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::{Exit, Failure};
use crate::{api::Secret, seam::OpenError};

/// Longest passphrase, in bytes.
const MAX_BYTES: u64 = 1024;
/// How often a person may try.
const TRIES: u8 = 3;

/// Asks for passphrases, as often as it makes sense.
#[derive(Clone, Debug)]
pub(crate) struct Passphrases {
    tries: u8,
    given: bool,
}

impl Passphrases {
    /// `given` tells whether the first one was not typed, so that a wrong one is not asked for again.
    #[must_use]
    pub(crate) fn new(given: bool) -> Self {
        Self { tries: 0, given }
    }

    /// The passphrase to try after `refusal`; `None` when there is none and nobody to ask.
    ///
    /// # Errors
    /// [`Exit::Locked`] when the person gave up or had enough tries.
    pub(crate) fn after(&mut self, refusal: &OpenError) -> Result<Option<Secret>, Failure> {
        if self.given {
            return Ok(None);
        }
        let prompt = match refusal {
            OpenError::WrongPassphrase if self.tries >= TRIES => return Ok(None),
            OpenError::WrongPassphrase => "This is not it. Passphrase: ",
            _ => "Passphrase: ",
        };
        self.tries += 1;
        ask(prompt)
    }
}

/// What was given without asking anybody.
///
/// # Errors
/// When the file cannot be read or holds no passphrase.
pub(crate) fn given(
    flag: Option<&Path>,
    variable: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Failure> {
    match (flag, variable, file) {
        (Some(file), _, _) | (None, None, Some(file)) => read(file).map(Some),
        (None, Some(passphrase), _) => Ok(Some(Secret::new(passphrase.to_owned()))),
        (None, None, None) => Ok(None),
    }
}

/// A new passphrase: typed twice by a person, or the first line of a standard input that is no
/// terminal.
///
/// # Errors
/// When the two differ, or it is empty or too long.
pub(crate) fn new() -> Result<Secret, Failure> {
    let typed = if io::stdin().is_terminal() {
        typed_twice()?
    } else {
        first_line()?
    };
    check(typed)
}

fn typed_twice() -> Result<Secret, Failure> {
    let nobody = || {
        Failure::usage(
            "there is no terminal to type the new passphrase at. Run this in a terminal, or give \
             it on standard input.",
        )
    };
    let new = ask("New passphrase: ")?.ok_or_else(nobody)?;
    let again = ask("Again: ")?.ok_or_else(nobody)?;
    if new == again {
        Ok(new)
    } else {
        Err(Failure::usage(
            "the two are not the same. Nothing was changed; try again.",
        ))
    }
}

fn first_line() -> Result<Secret, Failure> {
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_BYTES + 3)
        .read_line(&mut line)
        .map_err(|error| {
            Failure::usage(format!(
                "cannot read the new passphrase from standard input: {error}. Try again."
            ))
        })?;
    Ok(Secret::new(without_end(&line).to_owned()))
}

fn check(passphrase: Secret) -> Result<Secret, Failure> {
    match passphrase.expose().len() as u64 {
        0 => Err(Failure::usage(
            "the new passphrase is empty. To have none, use 'dchat passphrase remove'.",
        )),
        1..=MAX_BYTES => Ok(passphrase),
        _ => Err(too_long("the new passphrase")),
    }
}

/// Asks at the controlling terminal, whatever the standard streams are; `None` without one.
///
/// # Errors
/// [`Exit::Locked`] when the person ends the input instead.
pub(crate) fn ask(prompt: &str) -> Result<Option<Secret>, Failure> {
    if !has_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(prompt)
        .map(|typed| Some(Secret::new(typed)))
        .map_err(|_| Failure::new(Exit::Locked, "no passphrase was typed. Try again."))
}

/// Whether somebody sees the question and can answer it: a program that has taken standard error
/// is told instead.
fn has_terminal() -> bool {
    io::stderr().is_terminal() && File::open("/dev/tty").is_ok()
}

/// Reads a passphrase file; one line break at its end is not part of it.
fn read(path: &Path) -> Result<Secret, Failure> {
    let failed = |problem: String| {
        Failure::new(
            Exit::Failed,
            format!(
                "cannot read the passphrase from {}: {problem}. Check the file.",
                path.display()
            ),
        )
    };
    let mut text = Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 3).read_to_string(&mut text))
        .map_err(|error| failed(error.to_string()))?;
    let typed = without_end(&text);
    if typed.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    if typed.len() as u64 > MAX_BYTES {
        return Err(too_long("the passphrase in the file"));
    }
    Ok(Secret::new(typed.to_owned()))
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn too_long(what: &str) -> Failure {
    Failure::usage(format!(
        "{what} is longer than {MAX_BYTES} bytes. Choose a shorter one."
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;
    use std::path::PathBuf;

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_it() {
        for (content, passphrase) in [
            ("a b", "a b"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
        ] {
            let (_dir, path) = file(content);
            assert_eq!(read(&path).unwrap().expose(), passphrase);
        }
    }

    #[test]
    fn a_file_without_a_passphrase_is_refused() {
        let (_dir, path) = file("\n");
        assert!(read(&path).unwrap_err().message.contains("empty"));
        let (_dir, path) = file(&"x".repeat(2000));
        assert!(
            read(&path)
                .unwrap_err()
                .message
                .contains("longer than 1024")
        );
        assert_eq!(
            read(Path::new("/nowhere/at/all")).unwrap_err().exit,
            Exit::Failed
        );
    }

    #[test]
    fn the_flag_goes_before_the_variable_before_the_other_files() {
        let (_flag, flag) = file("flag");
        let (_other, other) = file("other");
        let given = |flag: Option<&Path>, variable, file: Option<&Path>| {
            given(flag, variable, file)
                .unwrap()
                .map(|secret| secret.expose().to_owned())
        };
        assert_eq!(
            given(Some(&flag), Some("v"), Some(&other)).as_deref(),
            Some("flag")
        );
        assert_eq!(given(None, Some("v"), Some(&other)).as_deref(), Some("v"));
        assert_eq!(given(None, None, Some(&other)).as_deref(), Some("other"));
        assert_eq!(given(None, None, None), None);
    }

    #[test]
    fn a_new_passphrase_is_neither_empty_nor_endless() {
        assert!(check(Secret::new(String::new())).is_err());
        assert!(check(Secret::new("x".repeat(1024))).is_ok());
        assert!(check(Secret::new("x".repeat(1025))).is_err());
    }

    #[test]
    fn a_wrong_passphrase_that_was_given_is_not_asked_for_again() {
        let mut passphrases = Passphrases::new(true);
        assert_eq!(
            passphrases.after(&OpenError::WrongPassphrase).unwrap(),
            None
        );
    }
}
