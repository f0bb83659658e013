//! Streams of frames: order, skipping, and where reading ends (`10-encoding` §4.1).

use crate::case::{Case, Suite};
use crate::json::Json;

use super::frame::{CRITICAL, TYPES, bodies, frame, header};
use super::hello::{hello_with, versions};
use super::ping::ping;

const PING: u16 = 0x0004;

/// Bytes of a stream, and the frames that come out of them.
struct Stream {
    bytes: Vec<u8>,
    frames: Vec<Json>,
}

impl Stream {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            frames: Vec::new(),
        }
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn skipped(self, code: u16, body: &[u8]) -> Self {
        self.raw(&frame(code, 0, body))
    }

    fn frame(mut self, name: &'static str, code: u16, body: &[u8]) -> Self {
        self.frames.push(Json::Object(vec![
            ("frame", name.into()),
            ("body", Json::bytes(body)),
        ]));
        self.raw(&frame(code, CRITICAL, body))
    }

    fn ping(self, nonce: u64) -> Self {
        self.frame("PING", PING, &ping(nonce, &[]).bytes)
    }

    fn frames(&self) -> Json {
        Json::Object(vec![("frames", Json::List(self.frames.clone()))])
    }

    fn ends(self, id: &str, req: &'static [&'static str]) -> Case {
        Case::valid(format!("stream/{id}"), "stream", req, self.frames())
            .with("bytes", Json::bytes(&self.bytes))
    }

    fn fails(self, id: &str, req: &'static [&'static str], error: &'static str) -> Case {
        Case::invalid(format!("stream/{id}"), "stream", req, error)
            .with("bytes", Json::bytes(&self.bytes))
            .after(self.frames())
    }
}

pub(super) fn suite() -> Suite {
    let mut cases = whole();
    cases.extend(unsupported());
    cases.extend(cut());
    cases.extend(malformed());
    Suite {
        name: "stream",
        cases,
    }
}

fn whole() -> Vec<Case> {
    let split = &["DC-WIRE-018"];
    let skip = &["DC-WIRE-013"];
    let every = TYPES
        .into_iter()
        .zip(bodies())
        .fold(Stream::new(), |stream, ((code, name, _), body)| {
            stream.frame(name, code, &body.bytes)
        });
    let greased = hello_with(&versions(1, 1), 0, &[1], &[(0x0a7a, &[1, 2, 3])]).bytes;
    let [_, identify, ..] = bodies();
    vec![
        Stream::new().ends("nothing", split),
        Stream::new().ping(1).ends("one", split),
        Stream::new().ping(1).ping(2).ping(3).ends("three", split),
        every.ends("every-type", split),
        Stream::new()
            .skipped(0x0a0a, &[])
            .ends("only-a-reserved-one", skip),
        Stream::new()
            .skipped(0x7777, &[9; 40])
            .ping(1)
            .ends("unknown-first", skip),
        Stream::new()
            .ping(1)
            .skipped(0xffff, &[9; 3])
            .ping(2)
            .ends("unknown-between", skip),
        Stream::new()
            .ping(1)
            .skipped(0x0f00, &[])
            .ends("unknown-last-and-empty", skip),
        Stream::new()
            .skipped(0x0000, &[1])
            .ping(1)
            .ends("type-0", skip),
        Stream::new()
            .raw(&frame(0x7777, 0xfffe, &[1]))
            .ping(1)
            .ends("unknown-with-all-other-flags", skip),
        Stream::new()
            .skipped(0x7777, &vec![0; 163_840])
            .ping(1)
            .ends("unknown-at-the-limit", skip),
        Stream::new()
            .skipped(0x0001 | 0x0400, ping(1, &[]).bytes.as_slice())
            .ends("type-is-two-bytes", skip),
        Stream::new()
            .frame("HELLO", 0x0001, &greased)
            .skipped(0x3a5a, &[0xee; 32])
            .frame("IDENTIFY", 0x0002, &identify.bytes)
            .ends("control-stream", &["DC-CONN-026", "DC-CONN-036"]),
    ]
}

fn unsupported() -> Vec<Case> {
    let req = &["DC-WIRE-014"];
    let critical = |code| header(0, code, CRITICAL);
    let fails = |id: &str, stream: Stream| stream.fails(id, req, "unsupported");
    vec![
        fails("critical-unknown", Stream::new().raw(&critical(0x7777))),
        fails("critical-reserved", Stream::new().raw(&critical(0x0a0a))),
        fails("critical-type-0", Stream::new().raw(&critical(0))),
        fails(
            "critical-after-ping",
            Stream::new().ping(5).raw(&critical(0x0013)),
        ),
        fails(
            "critical-and-too-long",
            Stream::new().raw(&header(u32::MAX, 0x7777, CRITICAL)),
        )
        .comment("the type is looked at before the length"),
        fails(
            "critical-among-other-flags",
            Stream::new().raw(&header(0, 0x7777, 0xffff)),
        ),
    ]
}

fn cut() -> Vec<Case> {
    let req = &["DC-WIRE-019"];
    let one = Stream::new().ping(1).bytes;
    let mut cases: Vec<Case> = [1, 4, 7, 8, 9, 23]
        .into_iter()
        .map(|len| {
            let stream = Stream::new().raw(&one[..len]);
            stream.fails(&format!("cut-after-{len}"), req, "truncated")
        })
        .collect();
    let second = Stream::new().ping(1).raw(&one[..10]);
    cases.push(second.fails("cut-in-the-second", req, "truncated"));
    let skipped = Stream::new().raw(&frame(0x7777, 0, &[0; 9])[..16]);
    cases.push(skipped.fails("cut-in-a-skipped-body", req, "truncated"));
    cases
}

fn malformed() -> Vec<Case> {
    let limit = &["DC-WIRE-015"];
    let unknown = &["DC-WIRE-016"];
    let body = &["DC-WIRE-017"];
    let long = |code, len| Stream::new().ping(1).raw(&header(len, code, 0));
    let critical_extension = ping(1, &[(0x8a0a, &[])]).bytes;
    let too_short = ping(1, &[]).bytes[..15].to_vec();
    let bad = |bytes: &[u8]| Stream::new().ping(1).raw(&frame(PING, CRITICAL, bytes));
    vec![
        long(PING, 1025).fails("ping-over-limit", limit, "too-long"),
        long(PING, u32::MAX).fails("longest-length", limit, "too-long"),
        long(0x7777, 163_841).fails("unknown-over-limit", unknown, "too-long"),
        long(PING, 16_u32.swap_bytes()).fails(
            "length-most-significant-first",
            &["DC-WIRE-005", "DC-WIRE-015"],
            "too-long",
        ),
        bad(&critical_extension).fails("critical-extension", body, "invalid"),
        bad(&too_short).fails("body-too-short", body, "unexpected-end"),
        bad(&ping(1, &[(2, &[]), (1, &[])]).bytes).fails("extensions-descending", body, "invalid"),
    ]
}
