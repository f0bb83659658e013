//! Where a command prints: data to standard output, talk to standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::{api::Event, text, time};

/// The two streams of a command, and the form its data takes.
pub(crate) struct Console {
    out: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    json: bool,
    /// Whether a person looks at standard output.
    person: bool,
}

impl Console {
    /// Prints to `out` and `talk`.
    #[must_use]
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        talk: Box<dyn Write + Send>,
        json: bool,
        person: bool,
    ) -> Self {
        Self {
            out,
            talk,
            json,
            person,
        }
    }

    /// Prints to the streams of this process.
    #[must_use]
    pub(crate) fn of_process(json: bool) -> Self {
        use io::IsTerminal as _;
        Self::new(
            Box::new(io::stdout()),
            Box::new(io::stderr()),
            json,
            io::stdout().is_terminal(),
        )
    }

    /// Whether data is JSON.
    #[must_use]
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at standard output.
    #[must_use]
    pub(crate) fn person(&self) -> bool {
        self.person
    }

    /// An object a line.
    ///
    /// # Errors
    /// What standard output says.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }

    /// An event as an object, which happened now.
    ///
    /// # Errors
    /// What standard output says.
    pub(crate) fn event(&mut self, event: &Event, at: &str) -> io::Result<()> {
        self.object(&Stamped::new(event, at))
    }

    /// Lines for people. What strangers wrote in it has been through [`text`] already.
    ///
    /// # Errors
    /// What standard output says.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// A remark beside the data. Nobody may be listening, which is no failure.
    pub(crate) fn remark(&mut self, remark: &str) {
        let _ = writeln!(self.talk, "{remark}");
    }

    /// A remark of one line that may quote strangers.
    pub(crate) fn note(&mut self, note: &str) {
        self.remark(&text::line(note));
    }
}

/// An event with the time it happened.
#[derive(Serialize)]
pub(crate) struct Stamped<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// Absent where the event has a time of its own under this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
}

impl<'a> Stamped<'a> {
    /// `event` happened `at`, in RFC 3339.
    #[must_use]
    pub(crate) fn new(event: &'a Event, at: &'a str) -> Self {
        Self {
            event,
            at: (!matches!(event, Event::Request(_))).then_some(at),
        }
    }

    /// As a line of JSON with its end; events always have one.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Now, for an event that happens now.
#[must_use]
pub(crate) fn now() -> String {
    time::now()
}

#[cfg(test)]
pub(crate) mod captured {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::Console;
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    /// What was printed.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A console, its data and its talk.
    pub(crate) fn console(json: bool) -> (Console, Captured, Captured) {
        let (out, talk) = (Captured::default(), Captured::default());
        let console = Console::new(Box::new(out.clone()), Box::new(talk.clone()), json, false);
        (console, out, talk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Contact, ContactRequest, Message, MessageState, PathKind};

    const AT: &str = "2026-03-14T13:23:15.042Z";

    fn json(event: &Event) -> String {
        Stamped::new(event, AT).to_line()
    }

    #[test]
    fn events_have_exactly_the_members_of_the_contract() {
        let cases = [
            (
                Event::Listening { addr: "A".into() },
                r#"{"event":"listening","addr":"A","at":"AT"}"#,
            ),
            (
                Event::Discovered {
                    peer_id: "P".into(),
                    addr: "A".into(),
                    via: "mdns".into(),
                },
                r#"{"event":"discovered","peer_id":"P","addr":"A","via":"mdns","at":"AT"}"#,
            ),
            (
                Event::Expired {
                    peer_id: "P".into(),
                },
                r#"{"event":"expired","peer_id":"P","at":"AT"}"#,
            ),
            (
                Event::PeerConnected {
                    peer_id: "P".into(),
                    path: PathKind::Direct,
                    addr: "A".into(),
                },
                r#"{"event":"peer_connected","peer_id":"P","path":"direct","addr":"A","at":"AT"}"#,
            ),
            (
                Event::PathChanged {
                    peer_id: "P".into(),
                    path: PathKind::Relay,
                    addr: "A".into(),
                },
                r#"{"event":"path_changed","peer_id":"P","path":"relay","addr":"A","at":"AT"}"#,
            ),
            (
                Event::PeerDisconnected {
                    peer_id: "P".into(),
                    reason: "closed".into(),
                },
                r#"{"event":"peer_disconnected","peer_id":"P","reason":"closed","at":"AT"}"#,
            ),
            (
                Event::Message(Message {
                    conversation: "C".into(),
                    name: None,
                    from: "P".into(),
                    id: "I".into(),
                    seq: 7,
                    text: "a\u{1b}\"\n\u{202e}b".into(),
                    sent_at: "S".into(),
                    state: None,
                    mention: false,
                }),
                "{\"event\":\"message\",\"conversation\":\"C\",\"from\":\"P\",\"id\":\"I\",\
                 \"seq\":7,\"text\":\"a\\u001b\\\"\\n\u{202e}b\",\"sent_at\":\"S\",\"at\":\"AT\"}",
            ),
            (
                Event::MessageState {
                    id: "I".into(),
                    state: MessageState::Delivered,
                },
                r#"{"event":"message_state","id":"I","state":"delivered","at":"AT"}"#,
            ),
            (
                Event::Request(ContactRequest {
                    peer_id: "P".into(),
                    name: "N".into(),
                    at: "T".into(),
                }),
                r#"{"event":"request","peer_id":"P","name":"N","at":"T"}"#,
            ),
            (
                Event::Contact(Contact {
                    peer_id: "P".into(),
                    name: "N".into(),
                    verified: true,
                }),
                r#"{"event":"contact","peer_id":"P","name":"N","verified":true,"at":"AT"}"#,
            ),
            (
                Event::Error {
                    code: "c".into(),
                    message: "m".into(),
                },
                r#"{"event":"error","code":"c","message":"m","at":"AT"}"#,
            ),
            (
                Event::Missed { count: 3 },
                r#"{"event":"missed","count":3,"at":"AT"}"#,
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(
                json(&event),
                expected.replace("\"AT\"", &format!("\"{AT}\"")) + "\n"
            );
        }
    }
}
