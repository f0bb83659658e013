//! Lines from standard input: edited at a terminal, or as they come from a pipe.
//!
//! Reading blocks, so it has a thread of its own, which the process does not wait for. A line is
//! handed over when the one before was dealt with: a pipe is read no faster than messages are queued,
//! and a terminal shows its prompt after a command's output.

use std::{
    io::{self, BufRead, Read as _, Write},
    thread,
};

use dchat_wire::limits;
use rustyline::{Config, DefaultEditor, ExternalPrinter, error::ReadlineError};
use tokio::sync::mpsc;

use crate::cli::{Exit, Failure};

/// Bytes of a line that is read whole: the longest message and its line end.
const LINE: u64 = limits::TEXT as u64 + 2;
/// Lines a person can call back. They are in memory only.
const RECALL: usize = 500;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A line.
    Line(String),
    /// A line that cannot be used, and why. Nothing of it is.
    Unusable(String),
    /// The person pressed ctrl-c.
    Interrupted,
    /// There is no more.
    End,
}

/// A source of lines.
pub(crate) struct Input {
    lines: mpsc::Receiver<Typed>,
    /// Tells a terminal to ask for the next line with this prompt.
    asks: Option<std::sync::mpsc::Sender<String>>,
}

/// Where an interactive chat prints.
pub(crate) enum Screen {
    /// Line by line.
    Plain(Box<dyn Write + Send>),
    /// Above the line that is being typed.
    Terminal(Box<dyn ExternalPrinter + Send>),
}

impl Screen {
    /// Prints lines. A screen that is gone is no reason to stop: what is typed still counts.
    pub(crate) fn print(&mut self, lines: &str) {
        let _ = match self {
            Self::Plain(out) => writeln!(out, "{lines}").and_then(|()| out.flush()).is_ok(),
            Self::Terminal(printer) => printer.print(format!("{lines}\n")).is_ok(),
        };
    }
}

impl Input {
    /// Lines of `stream`, as they come.
    pub(crate) fn plain(stream: impl io::Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel(1);
        thread::spawn(move || {
            let mut stream = io::BufReader::new(stream);
            loop {
                let typed = read_line(&mut stream);
                let over = typed == Typed::End;
                if sender.blocking_send(typed).is_err() || over {
                    break;
                }
            }
        });
        Self { lines, asks: None }
    }

    /// Lines typed at the terminal, with editing and recall, and the screen above them.
    ///
    /// # Errors
    /// [`Exit::Failed`] when the terminal cannot be used for it.
    pub(crate) fn terminal() -> Result<(Self, Screen), Failure> {
        let (sender, lines) = mpsc::channel(1);
        let (asks, asked) = std::sync::mpsc::channel();
        let (opened, opening) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut editor = match editor() {
                Ok((editor, printer)) => {
                    let _ = opened.send(Ok(printer));
                    editor
                }
                Err(error) => {
                    let _ = opened.send(Err(error.to_string()));
                    return;
                }
            };
            while let Ok(prompt) = asked.recv() {
                let prompt: String = prompt;
                let typed = match editor.readline(prompt.as_str()) {
                    Ok(line) => {
                        let _ = editor.add_history_entry(line.as_str());
                        usable(line.into_bytes())
                    }
                    Err(ReadlineError::Interrupted) => Typed::Interrupted,
                    Err(_) => Typed::End,
                };
                if sender.blocking_send(typed).is_err() {
                    break;
                }
            }
        });
        match opening.recv() {
            Ok(Ok(printer)) => Ok((
                Self {
                    lines,
                    asks: Some(asks),
                },
                Screen::Terminal(printer),
            )),
            Ok(Err(problem)) => Err(unusable_terminal(&problem)),
            Err(_) => Err(unusable_terminal("it went away")),
        }
    }

    /// Whether a person types.
    pub(crate) fn is_terminal(&self) -> bool {
        self.asks.is_some()
    }

    /// Shows the prompt and lets the next line be typed.
    pub(crate) fn ask(&self, prompt: &str) {
        if let Some(asks) = &self.asks {
            // The thread ends only after `End`, after which nobody asks.
            let _ = asks.send(prompt.to_owned());
        }
    }

    /// The next line. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Typed {
        self.lines.recv().await.unwrap_or(Typed::End)
    }
}

type Printer = Box<dyn ExternalPrinter + Send>;

fn editor() -> rustyline::Result<(DefaultEditor, Printer)> {
    let config = Config::builder().max_history_size(RECALL)?.build();
    let mut editor = DefaultEditor::with_config(config)?;
    let printer = editor.create_external_printer()?;
    Ok((editor, Box::new(printer)))
}

fn unusable_terminal(problem: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot edit lines at this terminal: {problem}. Try 'cat | dchat'."),
    )
}

fn read_line(stream: &mut impl BufRead) -> Typed {
    let mut bytes = Vec::new();
    if stream.take(LINE).read_until(b'\n', &mut bytes).is_err() || bytes.is_empty() {
        return Typed::End;
    }
    if bytes.len() as u64 == LINE && bytes.last() != Some(&b'\n') {
        skip_line(stream);
    } else if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    usable(bytes)
}

fn usable(bytes: Vec<u8>) -> Typed {
    if bytes.len() > limits::TEXT {
        return Typed::Unusable(format!(
            "a line of more than {} bytes was not sent. Send it in parts.",
            limits::TEXT
        ));
    }
    match String::from_utf8(bytes) {
        Ok(line) => Typed::Line(line),
        Err(_) => Typed::Unusable(
            "a line that is not UTF-8 text was not sent. Convert it first.".to_owned(),
        ),
    }
}

/// Reads up to the next line's beginning and keeps nothing.
fn skip_line(stream: &mut impl BufRead) {
    loop {
        let (used, over) = match stream.fill_buf() {
            Ok(buffer) => match buffer.iter().position(|&byte| byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            },
            Err(_) => (0, true),
        };
        stream.consume(used);
        if over {
            return;
        }
    }
}

/// The terminal's settings, put back when dropped: the thread that edits a line changes them, and a
/// process that ends in the middle of a line has to undo it.
#[derive(Debug)]
pub(crate) struct Settings(#[cfg(unix)] Option<rustix::termios::Termios>);

impl Settings {
    /// Remembers how they are.
    #[must_use]
    pub(crate) fn remember() -> Self {
        Self(
            #[cfg(unix)]
            rustix::termios::tcgetattr(io::stdin()).ok(),
        )
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(settings) = &self.0 {
            use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
            let editing =
                tcgetattr(io::stdin()).is_ok_and(|now| now.local_modes != settings.local_modes);
            if editing {
                let _ = tcsetattr(io::stdin(), OptionalActions::Drain, settings);
                // The end of bracketed paste, and of the line that was being typed.
                let _ = io::stdout().write_all(b"\x1b[?2004l\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: Vec<u8>) -> Vec<Typed> {
        let mut input = Input::plain(io::Cursor::new(bytes));
        let mut lines = Vec::new();
        loop {
            match input.next().await {
                Typed::End => return lines,
                typed => lines.push(typed),
            }
        }
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.to_owned())
    }

    #[tokio::test]
    async fn lines_come_in_order_and_the_last_needs_no_end() {
        assert_eq!(
            lines(b"a\n\r\nb c\r\nd".to_vec()).await,
            [line("a"), line(""), line("b c"), line("d")]
        );
    }

    #[tokio::test]
    async fn a_line_that_cannot_be_sent_is_refused_whole_and_the_next_is_read() {
        let mut bytes = vec![b'x'; 3 * limits::TEXT];
        bytes.extend(b"\nnext\n\xff\xfe\nlast\n");
        let lines = lines(bytes).await;
        assert!(matches!(lines.first(), Some(Typed::Unusable(why)) if why.contains("65536")));
        assert_eq!(lines.get(1), Some(&line("next")));
        assert!(matches!(lines.get(2), Some(Typed::Unusable(why)) if why.contains("UTF-8")));
        assert_eq!(lines.get(3), Some(&line("last")));
        assert_eq!(lines.len(), 4);
    }

    #[tokio::test]
    async fn the_longest_message_passes_whatever_its_line_end() {
        let longest = "x".repeat(limits::TEXT);
        for end in ["", "\n", "\r\n"] {
            let lines = lines(format!("{longest}{end}").into_bytes()).await;
            assert_eq!(lines, [line(&longest)], "{end:?}");
        }
    }
}
