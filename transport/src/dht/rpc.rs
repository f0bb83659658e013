//! Questions and answers of the core as frames, and back.
//!
//! * A question is the first frame of a bidirectional stream, its answer the only one back.
//! * What an answer has beyond what was asked is cut: nodes more than wanted, those the asker said it
//!   knows, itself, and any twice.

use dchat_kademlia::Key;
use dchat_kademlia::call::{Known, Question};
use dchat_wire::codec::List;
use dchat_wire::defect::{self, Defect};
use dchat_wire::dht::{
    DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Refusal, Server,
};
use dchat_wire::extension::Extensions;
use dchat_wire::hello::capability;
use dchat_wire::record::SignedRecord;
use dchat_wire::{Frame, FrameReader};
use quinn::RecvStream;

use crate::connection::{Connection, first_frame};

/// The frame of a question. A ping over a connection is a question for no nodes.
pub(super) fn question(question: &Question, us: Key, server: Option<Server>) -> Frame {
    let extensions = Extensions::default();
    match question {
        Question::Ping => Frame::DhtFind(DhtFind {
            target: us.0,
            want: 0,
            known: List::default(),
            server,
            extensions,
        }),
        Question::Find {
            target,
            want,
            known,
        } => Frame::DhtFind(DhtFind {
            target: target.0,
            want: *want,
            known: List::first_of(known.iter()),
            server,
            extensions,
        }),
        Question::Get {
            key,
            want,
            known,
            have,
        } => Frame::DhtGet(DhtGet {
            key: key.0,
            want: *want,
            known: List::first_of(known.iter()),
            have: List::first_of(have.iter().copied()),
            server,
            extensions,
        }),
        Question::Put { key, token, record } => Frame::DhtPut(DhtPut {
            key: key.0,
            token: *token,
            record: SignedRecord::clone(record),
            extensions,
        }),
    }
}

/// An answer whose nodes are still names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Nodes,
    Values {
        records: Vec<SignedRecord>,
        held: u16,
        token: [u8; 16],
    },
    Stored {
        keep_s: u32,
    },
    Refused {
        reason: Refusal,
        retry_after_s: u32,
    },
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// The nodes it names, cut to what was asked.
    pub(super) nodes: Vec<Node>,
    /// What the answerer says of itself.
    pub(super) server: Option<Server>,
}

/// What `frame` means as an answer to `question`; `None` when it is none.
pub(super) fn reply(question: &Question, us: &[u8; 32], frame: Frame) -> Option<Reply> {
    let cut = |nodes: List<Node, _>, want: u8| {
        let mut cut: Vec<Node> = Vec::new();
        for node in nodes.into_vec() {
            let new = cut.len() < usize::from(want) && !cut.iter().any(|one| one.key == node.key);
            if new && node.key != *us {
                cut.push(node);
            }
        }
        cut
    };
    let (answer, nodes, server) = match (question, frame) {
        (_, Frame::DhtRefused(refused)) => {
            let answer = Answer::Refused {
                reason: refused.reason,
                retry_after_s: refused.retry_after_s,
            };
            (answer, Vec::new(), None)
        }
        (Question::Ping, Frame::DhtNodes(found)) => (Answer::Nodes, Vec::new(), found.server),
        (Question::Find { want, .. }, Frame::DhtNodes(found)) => {
            (Answer::Nodes, cut(found.nodes, *want), found.server)
        }
        (Question::Get { want, .. }, Frame::DhtValues(values)) => {
            let answer = Answer::Values {
                records: values.records.into_vec(),
                held: values.held,
                token: values.token,
            };
            (answer, cut(values.nodes, *want), values.server)
        }
        (Question::Put { .. }, Frame::DhtStored(stored)) => {
            let keep_s = stored.keep_s;
            (Answer::Stored { keep_s }, Vec::new(), None)
        }
        _ => return None,
    };
    Some(Reply {
        answer,
        nodes,
        server,
    })
}

/// Whether the peer has a part in the DHT, by its HELLO: no other is asked (DC-DHT-003).
pub(super) fn may_ask(connection: &Connection) -> bool {
    let capabilities = &connection.hello().capabilities;
    capabilities.contains(capability::DHT) || defect::is(Defect::AsksAnybody)
}

/// Asks on a stream of its own. `None` when that cannot be done.
pub(super) async fn ask(connection: &Connection, question: &Frame) -> Option<RecvStream> {
    let (mut send, recv) = connection.open_bi().await.ok()?;
    send.write_all(&question.to_bytes()).await.ok()?;
    if defect::is(Defect::LeavesQuestionsOpen) {
        // Dropped, it would be ended.
        core::mem::forget(send);
        return Some(recv);
    }
    send.finish().ok()?;
    Some(recv)
}

/// Waits for the answer. `None` when there is none; a peer that breaks the rules loses the connection.
pub(super) async fn answer(connection: &Connection, mut recv: RecvStream) -> Option<Frame> {
    match first_frame(&mut recv, &mut FrameReader::new()).await {
        Ok(answer) => answer,
        Err(error) => {
            if let Some(code) = error.code() {
                connection.close(code);
            }
            None
        }
    }
}

/// What others ask, and what they say of themselves.
pub(super) fn asked(frame: Frame) -> Option<(Question, Option<Server>)> {
    Some(match frame {
        Frame::DhtFind(find) => (
            Question::Find {
                target: Key(find.target),
                want: find.want,
                known: known(&find.known),
            },
            find.server,
        ),
        Frame::DhtGet(get) => (
            Question::Get {
                key: Key(get.key),
                want: get.want,
                known: known(&get.known),
                have: get.have.into_vec(),
            },
            get.server,
        ),
        Frame::DhtPut(put) => (
            Question::Put {
                key: Key(put.key),
                token: put.token,
                record: put.record.into(),
            },
            None,
        ),
        _ => return None,
    })
}

fn known<const N: usize>(tails: &List<u32, N>) -> Known {
    let mut known = Known::default();
    for tail in tails.iter() {
        // The list has no more than there is room for.
        known.push(*tail);
    }
    known
}

/// The frame that names nodes.
pub(super) fn nodes(nodes: Vec<Node>, server: Option<Server>) -> Frame {
    Frame::DhtNodes(DhtNodes {
        nodes: List::first_of(nodes),
        server,
        extensions: Extensions::default(),
    })
}

/// The frame with records.
pub(super) fn values(
    records: impl IntoIterator<Item = SignedRecord>,
    (held, token): (u16, [u8; 16]),
    nodes: Vec<Node>,
    server: Option<Server>,
) -> Frame {
    Frame::DhtValues(DhtValues {
        records: List::first_of(records),
        held,
        token,
        nodes: List::first_of(nodes),
        server,
        extensions: Extensions::default(),
    })
}

/// The frame of a record that is kept.
pub(super) fn stored(keep_s: u32) -> Frame {
    Frame::DhtStored(DhtStored {
        keep_s,
        extensions: Extensions::default(),
    })
}

/// The frame that says no.
pub(super) fn refused(reason: Refusal, retry_after_s: u32) -> Frame {
    Frame::DhtRefused(DhtRefused {
        reason,
        retry_after_s,
        extensions: Extensions::default(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed assumption fails the test"
    )]

    use dchat_wire::dht::Socket;

    use super::*;

    fn node(seed: u8) -> Node {
        Node {
            key: [seed; 32],
            nonce: 0,
            socket: Socket::new(([192, 0, 2, seed], 9).into()).unwrap(),
            other: None,
        }
    }

    fn find(want: u8) -> Question {
        Question::Find {
            target: Key([9; 32]),
            want,
            known: Known::default(),
        }
    }

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let mut tails = Known::default();
        tails.push(7);
        let get = Question::Get {
            key: Key([3; 32]),
            want: 5,
            known: tails,
            have: vec![[1; 8]],
        };
        let server = Server {
            nonce: 4,
            socket: node(1).socket,
            other: None,
        };
        let frame = question(&get, Key([0; 32]), Some(server.clone()));
        let Some((
            Question::Get {
                key,
                want,
                known,
                have,
            },
            said,
        )) = asked(frame)
        else {
            panic!("it is a GET");
        };
        assert_eq!((key, want, have), (Key([3; 32]), 5, vec![[1; 8]]));
        assert_eq!(known.iter().collect::<Vec<_>>(), [7]);
        assert_eq!(said, Some(server));
        assert!(asked(refused(Refusal::Full, 0)).is_none());
    }

    /// Checks DC-DHT-019 (positive, negative).
    #[test]
    fn answers_are_cut_to_what_was_asked() {
        let named = vec![node(1), node(2), node(1), node(7), node(3), node(4)];
        let reply = reply(&find(3), &[7; 32], nodes(named, None)).unwrap();
        assert_eq!(reply.nodes, [node(1), node(2), node(3)]);
    }

    #[test]
    fn the_answer_to_another_question_is_none() {
        assert_eq!(reply(&find(3), &[7; 32], stored(9)), None);
        assert_eq!(reply(&Question::Ping, &[7; 32], stored(9)), None);
        let refused = reply(&find(3), &[7; 32], refused(Refusal::TooMany, 5)).unwrap();
        let answer = Answer::Refused {
            reason: Refusal::TooMany,
            retry_after_s: 5,
        };
        assert_eq!(refused.answer, answer);
    }
}
