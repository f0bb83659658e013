//! The command line.
//!
//! What was typed (`args`) becomes what it means (`plan`) before anything happens; then one
//! `session` to a node carries it out. Data goes to standard output, talk to standard error, and
//! the process ends with an [`Exit`].

mod add;
mod args;
mod ask;
mod console;
mod daemon;
mod defect;
mod docs;
mod exit;
mod interactive;
mod join;
mod log;
mod passphrase;
mod plan;
mod qr;
mod recv;
mod run;
mod send;
mod session;
mod signal;
mod words;

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;

use console::Console;
pub use exit::{Exit, Failure};
pub use run::main;
