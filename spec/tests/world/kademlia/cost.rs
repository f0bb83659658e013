//! What the world books for a frame is what the encoder makes of it.

use std::net::SocketAddr;

use dchat_kademlia::call::{Answer, Known, Nodes, Question};
use dchat_kademlia::{Contact, Key, Subnet};
use dchat_spec::sim::kademlia::{EPOCH, cost, records};
use dchat_wire::codec::{Field, List, encoded_len};
use dchat_wire::dht::{
    DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Refusal, Server,
    Socket,
};
use dchat_wire::extension::Extensions;
use dchat_wire::limits::FRAME_HEADER;

fn frame<T: Field>(body: &T) -> u64 {
    (FRAME_HEADER + encoded_len(body)) as u64
}

fn socket() -> Socket {
    Socket::new(SocketAddr::from(([192, 0, 2, 1], 4001))).unwrap()
}

fn known(count: u32) -> (Known, List<u32, 32>) {
    let mut known = Known::default();
    (0..count).for_each(|tail| assert!(known.push(tail)));
    (known, List::first_of(0..count))
}

fn nodes(count: u8) -> (Nodes<u32>, List<Node, 20>) {
    let mut nodes = Nodes::default();
    for number in 0..count {
        let contact = Contact {
            at: Key([number; 32]),
            subnet: Subnet::EXEMPT,
            handle: 0,
        };
        assert!(nodes.push(contact));
    }
    let node = |number| Node {
        key: [number; 32],
        nonce: 1,
        socket: socket(),
        other: None,
    };
    (nodes, List::first_of((0..count).map(node)))
}

#[test]
fn questions_cost_what_they_are_encoded_to() {
    let record = records::file(1, 1, 1, EPOCH).record;
    for count in [0, 1, 32] {
        let (known, tails) = known(count);
        let find = DhtFind {
            target: [1; 32],
            want: 20,
            known: tails.clone(),
            server: None,
            extensions: Extensions::default(),
        };
        let question = Question::Find {
            target: Key([1; 32]),
            want: 20,
            known,
        };
        assert_eq!(cost::question(&question), frame(&find));
        let have = vec![[2; 8]; usize::try_from(count).unwrap()];
        let get = DhtGet {
            key: [1; 32],
            want: 20,
            known: tails,
            have: List::first_of(have.iter().copied()),
            server: None,
            extensions: Extensions::default(),
        };
        let question = Question::Get {
            key: Key([1; 32]),
            want: 20,
            known,
            have,
        };
        assert_eq!(cost::question(&question), frame(&get));
    }
    let put = DhtPut {
        key: [1; 32],
        token: [0; 16],
        record: (*record).clone(),
        extensions: Extensions::default(),
    };
    let question = Question::Put {
        key: Key([1; 32]),
        token: [0; 16],
        record,
    };
    assert_eq!(cost::question(&question), frame(&put));
}

#[test]
fn answers_cost_what_they_are_encoded_to() {
    let record = records::file(1, 1, 1, EPOCH).record;
    for count in [0, 3, 20] {
        let (named, list) = nodes(count);
        let body = DhtNodes {
            nodes: list.clone(),
            server: None,
            extensions: Extensions::default(),
        };
        assert_eq!(cost::answer(&Answer::Nodes(named)), frame(&body));
        let records = vec![record.clone(); usize::from(count)];
        let body = DhtValues {
            records: List::first_of(records.iter().map(|record| (**record).clone())),
            held: 1,
            token: [0; 16],
            nodes: list,
            server: None,
            extensions: Extensions::default(),
        };
        let answer = Answer::Values {
            records,
            held: 1,
            token: [0; 16],
            nodes: named,
        };
        assert_eq!(cost::answer(&answer), frame(&body));
    }
    let body = DhtStored {
        keep_s: 1,
        extensions: Extensions::default(),
    };
    assert_eq!(
        cost::answer::<u32>(&Answer::Stored { keep_s: 1 }),
        frame(&body)
    );
    let body = DhtRefused {
        reason: Refusal::TooMany,
        retry_after_s: 1,
        extensions: Extensions::default(),
    };
    let answer = Answer::<u32>::Refused {
        reason: Refusal::TooMany,
        retry_after_s: 1,
    };
    assert_eq!(cost::answer(&answer), frame(&body));
}

#[test]
fn what_a_server_says_of_itself_costs_what_it_is_encoded_to() {
    let server = Server {
        nonce: 1,
        socket: socket(),
        other: None,
    };
    assert_eq!(cost::SERVER, encoded_len(&server) as u64);
}
