//! What only the user of an implementation can do: a command does it (`--user`).
//!
//! It is run by `sh` with these words behind it, and ends when it is done:
//!
//! | Words | What the user does |
//! |---|---|
//! | `accept GROUP NAME` | takes the place that was offered |
//! | `say GROUP NAME TEXT` | says something in the group |
//! | `leave GROUP NAME` | goes, or turns the offer down |
//! | `remove GROUP NAME PEER` | puts a member out |
//! | `show GROUP NAME` | prints what it is shown of the group, at least each text on a line of its own |
//!
//! GROUP is the group in 64 hexadecimal digits, NAME what its operations call it, PEER the written form of
//! a PeerId. Exit code 0: done. [`CANNOT`]: the implementation has nothing of the kind, and a case that
//! needs it is unsupported. Any other: it went wrong.

use core::fmt;
use core::time::Duration;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::super::case::Fault;
use super::super::partner::own;

/// Exit code of the command for what an implementation does not offer.
pub const CANNOT: i32 = 77;

/// How much longer than the peer's own answers the command may take.
const TIMES: u32 = 4;
/// Bytes of the command's complaint that a report quotes.
const QUOTED: usize = 400;

/// The command.
#[derive(Clone)]
pub struct User(String);

impl User {
    /// A command line of `sh`.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self(command.to_owned())
    }

    /// Has the user do something; what the command printed. `Err` of the inner result is how it went
    /// wrong.
    ///
    /// # Errors
    /// Unsupported when the implementation has nothing of the kind, there is no such command, or it does
    /// not end.
    pub async fn tries(
        &self,
        words: &[&str],
        patience: Duration,
    ) -> Result<Result<String, String>, Fault> {
        let ran = Command::new("sh")
            .arg("-c")
            .arg(format!("{} \"$@\"", self.0))
            .arg("user")
            .args(words)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let verb = words.first().copied().unwrap_or_default();
        // How long a program takes to start says nothing about a protocol.
        let ended = timeout(TIMES * patience, ran).await;
        let ended = ended.map_err(|_| own(format!("the user's command ({verb}) does not end")))?;
        let ended = ended.map_err(|error| own(error.to_string()))?;
        match ended.status.code() {
            Some(0) => Ok(Ok(String::from_utf8_lossy(&ended.stdout).into_owned())),
            Some(CANNOT) => Err(Fault::unsupported(format!("its user cannot {verb}"))),
            _ => {
                let said: String = String::from_utf8_lossy(&ended.stderr)
                    .chars()
                    .take(QUOTED)
                    .collect();
                Ok(Err(format!("{}: {}", ended.status, said.trim())))
            }
        }
    }

    /// The same when it must go well.
    ///
    /// # Errors
    /// As [`tries`](Self::tries), and a fault when it does not.
    pub async fn does(&self, words: &[&str], patience: Duration) -> Result<String, Fault> {
        let verb = words.first().copied().unwrap_or_default();
        let done = self.tries(words, patience).await?;
        done.map_err(|seen| Fault::new(format!("a user that can {verb}"), seen))
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn exit_codes_say_what_became_of_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let says = User::new("echo a word and");
            let said = says.does(&["say", "two words"], LONG).await.unwrap();
            assert_eq!(said, "a word and say two words\n");
            let fails = User::new("echo no >&2; exit 3; :");
            let seen = fails.tries(&["say"], LONG).await.unwrap().unwrap_err();
            assert!(seen.ends_with(": no"), "{seen}");
            assert!(matches!(
                fails.does(&["say"], LONG).await,
                Err(Fault::Failed { .. })
            ));
            let cannot = User::new("exit 77; :");
            assert!(matches!(
                cannot.tries(&["say"], LONG).await,
                Err(Fault::Unsupported(_))
            ));
        });
    }
}
