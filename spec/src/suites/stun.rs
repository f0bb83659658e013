//! STUN messages: which requests are answered, and how answers are read (`50-nat` §2; RFC 8489).

use crate::case::{Case, Suite};
use crate::json::Json;

const ID: [u8; 12] = [
    0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c,
];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

const MAPPED: u16 = 0x0001;
const CHANGE_REQUEST: u16 = 0x0003;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED: u16 = 0x0020;
const SOFTWARE: u16 = 0x8022;
const FINGERPRINT: u16 = 0x8028;
/// One that has to be understood and that nobody has assigned.
const REQUIRED: u16 = 0x7777;
/// One that may be ignored and that nobody has assigned.
const OPTIONAL: u16 = 0xf777;

const V4: &str = "192.0.2.7:4001";
const V6: &str = "[2001:db8::7]:4001";

/// A message with attributes that are written one after another, each padded with zeros.
#[derive(Clone)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16) -> Self {
        let mut bytes = [kind.to_be_bytes(), [0; 2]].concat();
        bytes.extend(COOKIE);
        bytes.extend(ID);
        Self { bytes }
    }

    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend((value.len() as u16).to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.lengthen(0)
    }

    /// Writes the length of a message that will be so much longer.
    fn lengthen(mut self, more: usize) -> Self {
        let length = (self.bytes.len() + more - 20) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    /// Pads with SOFTWARE to so many bytes.
    fn padded(self, len: usize) -> Self {
        let dashes = len - self.bytes.len() - 4;
        self.with(SOFTWARE, &vec![b'-'; dashes])
    }

    fn fingerprint(self) -> Self {
        let covered = self.lengthen(8);
        let sum = crc32(&covered.bytes) ^ 0x5354_554e;
        covered.with(FINGERPRINT, &sum.to_be_bytes())
    }
}

/// CRC-32 of ISO 3309 (RFC 8489 §14.7).
fn crc32(bytes: &[u8]) -> u32 {
    let of = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 * (sum & 1))
        })
    };
    !bytes.iter().fold(u32::MAX, of)
}

/// The value of an address attribute. `mask` is zeros for MAPPED-ADDRESS.
fn address(ip: &[u8], port: u16, mask: &[u8]) -> Vec<u8> {
    let family = if ip.len() == 4 { 1 } else { 2 };
    let plain = [&port.to_be_bytes(), ip].concat();
    let mask = [&mask[..2], mask].concat();
    let masked = plain.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
    [0, family].into_iter().chain(masked).collect()
}

const IP4: [u8; 4] = [192, 0, 2, 7];
const IP6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

fn plain(ip: &[u8]) -> Vec<u8> {
    address(ip, 4001, &[0; 16])
}

fn xor(ip: &[u8]) -> Vec<u8> {
    address(ip, 4001, &[&COOKIE[..], &ID].concat())
}

fn error_code(code: u16) -> [u8; 4] {
    [0, 0, (code / 100) as u8, (code % 100) as u8]
}

fn said(mapped: Option<&str>, code: Option<u32>) -> Json {
    Json::Object(vec![
        ("transaction", Json::bytes(&ID)),
        ("mapped", mapped.map_or(Json::Null, Json::from)),
        ("code", code.map_or(Json::Null, Json::Number)),
    ])
}

pub(super) fn suite() -> Suite {
    let mut cases = answered();
    cases.extend(refused_with_420());
    cases.extend(unanswered());
    cases.extend(damaged());
    cases.extend(read());
    cases.extend(unread());
    Suite {
        name: "stun",
        cases,
    }
}

fn asked(case: Case, datagram: &[u8], from: &str) -> Case {
    case.with("datagram", Json::bytes(datagram))
        .with("from", from)
}

fn answer(slug: &str, message: &Message, from: &str, mapped: &str) -> Case {
    let req = &["DC-NAT-002", "DC-NAT-003"];
    let id = format!("stun/{slug}");
    asked(
        Case::valid(id, "stun-answer", req, said(Some(mapped), None)),
        &message.bytes,
        from,
    )
}

fn refusal(slug: &str, message: &Message, from: &str) -> Case {
    let req = &["DC-NAT-020"];
    let id = format!("stun/{slug}");
    asked(
        Case::valid(id, "stun-answer", req, said(None, Some(420))),
        &message.bytes,
        from,
    )
}

fn silence(slug: &str, req: &'static [&'static str], bytes: &[u8], from: &str) -> Case {
    let id = format!("stun/{slug}");
    asked(
        Case::invalid(id, "stun-answer", req, "no-meaning"),
        bytes,
        from,
    )
}

fn request() -> Message {
    Message::new(REQUEST)
}

fn answered() -> Vec<Case> {
    let ours = request().padded(56).fingerprint();
    let others = request().with(OPTIONAL, &[1, 2, 3]).padded(64);
    let mut most = request();
    for _ in 0..32 {
        most = most.with(OPTIONAL, &[]);
    }
    let longest = request().padded(1500);
    let odd = request().with(SOFTWARE, b"odd").padded(64);
    let behind = request()
        .with(INTEGRITY, &[7; 20])
        .with(REQUIRED, &[])
        .padded(64);
    vec![
        answer("ours-v4", &ours, V4, V4),
        answer("ours-v6", &ours, V6, V6),
        answer("mapped-v4-is-v4", &ours, "[::ffff:192.0.2.7]:4001", V4),
        answer("highest-port", &ours, "192.0.2.7:65535", "192.0.2.7:65535"),
        answer("lowest-port", &ours, "192.0.2.7:1", "192.0.2.7:1"),
        answer("without-fingerprint", &request().padded(64), V4, V4),
        answer("room-for-v4-alone", &request().padded(32), V4, V4),
        answer("room-for-v6-alone", &request().padded(44), V6, V6),
        answer("unknown-optional-attribute", &others, V4, V4),
        answer("attribute-of-three-bytes", &odd, V4, V4),
        answer(
            "change-of-nothing",
            &request().with(CHANGE_REQUEST, &[0; 4]).padded(64),
            V4,
            V4,
        ),
        answer("behind-integrity-is-ignored", &behind, V4, V4),
        answer("most-attributes", &most, V4, V4),
        answer("longest", &longest, V4, V4),
    ]
}

fn refused_with_420() -> Vec<Case> {
    let change = |flags: u8| request().with(CHANGE_REQUEST, &[0, 0, 0, flags]).padded(64);
    vec![
        refusal("change-of-port", &change(2), V4),
        refusal("change-of-address", &change(4), V4),
        refusal("change-of-both", &change(6), V6),
        refusal(
            "unknown-required-attribute",
            &request().with(REQUIRED, &[]).padded(64),
            V4,
        ),
        refusal(
            "unknown-required-attribute-and-fingerprint",
            &request().with(REQUIRED, &[]).padded(56).fingerprint(),
            V4,
        ),
    ]
}

fn unanswered() -> Vec<Case> {
    let short = &["DC-NAT-003"];
    let other = &["DC-NAT-004"];
    let bytes = |message: Message| message.bytes;
    let v4 = Message::new(SUCCESS)
        .with(XOR_MAPPED, &xor(&IP4))
        .padded(64);
    let error = Message::new(ERROR)
        .with(ERROR_CODE, &error_code(400))
        .padded(64);
    vec![
        silence("no-room-for-v4", short, &bytes(request().padded(28)), V4),
        silence("no-room-for-v6", short, &bytes(request().padded(40)), V6),
        silence("header-alone", short, &bytes(request()), V4),
        silence(
            "no-room-for-420",
            &["DC-NAT-020"],
            &bytes(request().with(REQUIRED, &[])),
            V4,
        ),
        silence(
            "indication",
            other,
            &bytes(Message::new(INDICATION).padded(64)),
            V4,
        ),
        silence("success", other, &bytes(v4), V4),
        silence("error", other, &bytes(error), V4),
        silence(
            "allocate",
            other,
            &bytes(Message::new(0x0003).padded(64)),
            V4,
        ),
        silence(
            "method-0",
            other,
            &bytes(Message::new(0x0000).padded(64)),
            V4,
        ),
    ]
}

fn damaged() -> Vec<Case> {
    let drop = |slug: &str, bytes: &[u8]| silence(slug, &["DC-NAT-019"], bytes, V4);
    let other = |slug: &str, bytes: &[u8]| silence(slug, &["DC-NAT-004"], bytes, V4);
    let good = request().padded(56).fingerprint().bytes;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut many = request();
    for _ in 0..33 {
        many = many.with(OPTIONAL, &[]);
    }
    let mut runs_out = request().padded(64).bytes;
    runs_out[22..24].copy_from_slice(&41_u16.to_be_bytes());
    let mut short_fingerprint = request().padded(56).with(FINGERPRINT, &[0; 4]).bytes;
    short_fingerprint[58..60].copy_from_slice(&3_u16.to_be_bytes());
    vec![
        drop("empty", &[]),
        drop("cut-in-the-header", &good[..19]),
        drop("cut", &good[..60]),
        drop("a-byte-more", &[good.as_slice(), &[0]].concat()),
        drop("four-bytes-more", &[good.as_slice(), &[0; 4]].concat()),
        drop("length-field-less", &with(3, 40)),
        drop("length-field-more", &with(3, 48)),
        drop("length-field-odd", &with(3, 43)),
        other("quic-bit", &with(0, 0x40)),
        other("first-bit", &with(0, 0x80)),
        other("cookie-first-byte", &with(4, 0x20)),
        other("cookie-last-byte", &with(7, 0x43)),
        drop("fingerprint-changed", &with(63, good[63] ^ 1)),
        drop("covered-byte-changed", &with(40, b'+')),
        drop("fingerprint-short", &short_fingerprint),
        drop("33-attributes", &many.bytes),
        drop("1504-bytes", &request().padded(1504).bytes),
        drop("attribute-runs-out", &runs_out),
    ]
}

fn success() -> Message {
    Message::new(SUCCESS)
}

fn read() -> Vec<Case> {
    let req = &["DC-NAT-002"];
    let reads = |slug: &str, message: Message, mapped: Option<&str>, code: Option<u32>| {
        let id = format!("stun/read-{slug}");
        Case::valid(id, "stun-read", req, said(mapped, code))
            .with("datagram", Json::bytes(&message.bytes))
    };
    let both = success()
        .with(MAPPED, &plain(&[198, 51, 100, 1]))
        .with(XOR_MAPPED, &xor(&IP4));
    let error = |code| Message::new(ERROR).with(ERROR_CODE, &error_code(code));
    vec![
        reads("v4", success().with(XOR_MAPPED, &xor(&IP4)), Some(V4), None),
        reads("v6", success().with(XOR_MAPPED, &xor(&IP6)), Some(V6), None),
        reads(
            "fingerprint",
            success().with(XOR_MAPPED, &xor(&IP4)).fingerprint(),
            Some(V4),
            None,
        ),
        reads(
            "old-server",
            success().with(MAPPED, &plain(&IP4)),
            Some(V4),
            None,
        ),
        reads("xor-counts-more", both, Some(V4), None),
        reads(
            "optional",
            success().with(OPTIONAL, &[9]).with(XOR_MAPPED, &xor(&IP4)),
            Some(V4),
            None,
        ),
        reads("error-420", error(420), None, Some(420)),
        reads("error-300", error(300), None, Some(300)),
        reads("error-699", error(699), None, Some(699)),
    ]
}

fn unread() -> Vec<Case> {
    let unread = |slug: &str, message: Message| {
        let id = format!("stun/read-{slug}");
        let req: &'static [&'static str] = match slug {
            "fingerprint-wrong" => &["DC-NAT-019"],
            _ => &["DC-NAT-002"],
        };
        Case::invalid(id, "stun-read", req, "no-meaning")
            .with("datagram", Json::bytes(&message.bytes))
    };
    let mut broken = success().with(XOR_MAPPED, &xor(&IP4)).fingerprint();
    broken.bytes[24] ^= 1;
    let mut family = xor(&IP4);
    family[1] = 3;
    vec![
        unread("request", request().padded(64)),
        unread("without-address", success()),
        unread("error-without-code", Message::new(ERROR)),
        unread(
            "address-of-7-bytes",
            success().with(XOR_MAPPED, &xor(&IP4)[..7]),
        ),
        unread("family-3", success().with(XOR_MAPPED, &family)),
        unread(
            "family-2-in-8-bytes",
            success().with(XOR_MAPPED, &{
                let mut value = xor(&IP4);
                value[1] = 2;
                value
            }),
        ),
        unread(
            "required",
            success().with(REQUIRED, &[]).with(XOR_MAPPED, &xor(&IP4)),
        ),
        unread("fingerprint-wrong", broken),
        unread(
            "error-299",
            Message::new(ERROR).with(ERROR_CODE, &error_code(299)),
        ),
        unread(
            "error-700",
            Message::new(ERROR).with(ERROR_CODE, &error_code(700)),
        ),
    ]
}
