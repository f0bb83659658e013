//! `dchat send`, and reading one text from standard input.

use std::io::Read;

use dchat_wire::limits;

use super::{
    Console, Exit, Failure,
    plan::{self, Send},
    session::Session,
};
use crate::{
    api::{MessageState, Sent},
    seam::OpenNode,
    text,
};

/// Queues the message, waits as told, and says how far it came.
///
/// # Errors
/// [`Exit::Queued`] when time runs out with the message queued, or it expires; what the node says.
pub(crate) async fn run<O: OpenNode>(
    send: Send,
    text: String,
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<(), Failure> {
    let queued = session.send(&send.to, &text, send.ttl_s).await?;
    let sent = if reached(&queued, send.wait) || queued.state == MessageState::Failed {
        queued
    } else {
        session.wait(&queued.id, send.wait, send.timeout).await?
    };
    if console.json() {
        console.object(&sent)?;
    } else {
        console.line(&format!(
            "{}  {}",
            text::line(&sent.id),
            super::words::state_word(sent.state)
        ))?;
    }
    if reached(&sent, send.wait) {
        return Ok(());
    }
    let many = send.to.starts_with(['#', '@']);
    let what_now = match (sent.state, session.is_host()) {
        (MessageState::Failed, _) => "the message expired before it was delivered.",
        (_, false) if many => "it is queued and goes out as soon as another member is online.",
        (_, true) if many => {
            "it is queued and goes out once you and another member are online: run 'dchat daemon' or \
             'dchat'."
        }
        (_, false) => "it is queued and goes out as soon as the recipient is online.",
        (_, true) => {
            "it is queued and goes out once both of you are online: run 'dchat daemon' or 'dchat'."
        }
    };
    Err(Failure::new(
        Exit::Queued,
        format!("not delivered to {}: {what_now}", send.to),
    ))
}

/// A text that failed has not reached any later state, whatever the order of states says.
fn reached(sent: &Sent, state: MessageState) -> bool {
    sent.state >= state && sent.state != MessageState::Failed
}

/// Reads standard input as one message; one line break at its end is not part of it.
///
/// # Errors
/// A usage error when it is empty, too long or not UTF-8.
pub(crate) fn read_message(input: impl Read) -> Result<String, Failure> {
    plan::message(read_text(input, limits::TEXT, "the message")?)
}

/// Reads at most `limit` bytes of text to the end of the input, less one line break.
///
/// # Errors
/// A usage error when there is more, or it is not UTF-8.
pub(crate) fn read_text(input: impl Read, limit: usize, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // Two more than the limit for the line break, and one to see that there is too much.
    input
        .take(limit as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot read {what} from standard input: {error}. Try again."),
            )
        })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() > limit {
        return Err(Failure::usage(format!(
            "{what} on standard input is longer than {limit} bytes. Nothing was sent; make it \
             shorter."
        )));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!(
            "{what} on standard input is not UTF-8 text. Nothing was sent; convert it first."
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_removed_and_no_other() {
        for (input, text) in [
            ("hi", "hi"),
            ("hi\n", "hi"),
            ("hi\r\n", "hi"),
            ("a\nb\n\n", "a\nb\n"),
            (" \n", " "),
        ] {
            assert_eq!(read_message(input.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn the_limit_counts_the_text_without_its_line_break() {
        let longest = "x".repeat(limits::TEXT);
        assert_eq!(read_message(longest.as_bytes()).unwrap(), longest);
        assert_eq!(
            read_message(format!("{longest}\n").as_bytes()).unwrap(),
            longest
        );
        let error = read_message(format!("{longest}x\n").as_bytes()).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("longer than 65536 bytes"));
    }

    #[test]
    fn endless_input_is_not_read_to_its_end() {
        assert!(read_message(std::io::repeat(b'x')).is_err());
    }

    #[test]
    fn what_is_not_text_or_nothing_is_refused() {
        assert!(
            read_message(&b"\xff\xfe"[..])
                .unwrap_err()
                .message
                .contains("UTF-8")
        );
        assert!(
            read_message(&b"\n"[..])
                .unwrap_err()
                .message
                .contains("empty")
        );
    }

    #[test]
    fn a_failed_message_has_reached_nothing() {
        let sent = |state| Sent {
            id: "1".into(),
            state,
        };
        assert!(reached(&sent(MessageState::Read), MessageState::Delivered));
        assert!(!reached(&sent(MessageState::Queued), MessageState::Stored));
        assert!(!reached(
            &sent(MessageState::Failed),
            MessageState::Delivered
        ));
    }
}
