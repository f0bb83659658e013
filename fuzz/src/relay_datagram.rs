//! Datagrams of a relay, and those that REACH asks for.

use dchat_wire::nat::reach_datagram;
use dchat_wire::relay::datagram::{self, Datagram, Part};

/// Input: a channel (4 bytes), then a datagram.
///
/// What opens is written back as it was; renaming changes the channel and nothing else, and what
/// does not open does not open under another name either. A reach datagram is exactly its token.
///
/// # Panics
/// When it is not so.
pub fn relay_datagram(data: &[u8]) {
    let Some((channel, bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    let channel = u32::from_le_bytes(*channel);
    let opened = Datagram::open(bytes);
    let mut renamed = bytes.to_vec();
    datagram::rename(&mut renamed, channel);
    assert_eq!(renamed.len(), bytes.len());
    match opened {
        None => assert_eq!(Datagram::open(&renamed), None),
        Some(opened) => {
            let mut written = Vec::new();
            opened.append_to(&mut written);
            assert_eq!(written, bytes, "one encoding");
            let again = Datagram::open(&renamed).expect("renamed, it is one still");
            assert_eq!(again.channel(), channel);
            assert_eq!(content(&again), content(&opened));
            assert!(!content(&opened).2.is_empty(), "an empty packet");
        }
    }
    let token = reach_datagram::open(bytes);
    if let Some(token) = token {
        assert_eq!(reach_datagram::seal(&token).as_slice(), bytes);
        assert!(opened.is_none(), "both at once");
    }
    if let Some(token) = bytes.first_chunk::<16>() {
        let sealed = reach_datagram::seal(token);
        assert_eq!(reach_datagram::open(&sealed), Some(*token));
    }
}

/// All but the channel.
fn content<'a>(datagram: &Datagram<'a>) -> (Option<u16>, Option<Part>, &'a [u8]) {
    match *datagram {
        Datagram::Whole { packet, .. } => (None, None, packet),
        Datagram::Part {
            number,
            part,
            bytes,
            ..
        } => (Some(number), Some(part), bytes),
    }
}
