//! HELLO (`30-transport` §3).

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::frames::{self, codes, flagged, frame, is_reserved};
use super::super::greeting::Greeting;
use super::super::journal::RawFrame;
use super::super::link::Marker;
use super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::positive(
            "hello/first",
            "HELLO is the first frame of the peer's control stream, for version 1",
            &["DC-CONN-020", "DC-CONN-023"],
            first,
        ),
        Case::positive(
            "hello/reserved",
            "HELLO holds a reserved extension and a reserved frame follows it, drawn anew each time",
            &["DC-CONN-026", "DC-WIRE-025", "DC-WIRE-026"],
            reserved,
        ),
        Case::negative(
            "hello/reserved-for-the-same-hello",
            "who says the same HELLO each time is told other reserved values, and not its own",
            &["DC-CONN-026"],
            reserved_again,
        ),
        Case::positive(
            "hello/instance",
            "the instance is the same on all connections of one run",
            &["DC-CONN-032"],
            instance,
        ),
        Case::positive(
            "hello/critical-flag",
            "every frame of the registry has CRITICAL set and no other flag",
            &["DC-WIRE-010", "DC-WIRE-011"],
            flags,
        ),
        Case::positive(
            "hello/future-versions",
            "a range of versions that reaches into the future gives version 1",
            &["DC-CONN-023"],
            |partner| async move { greeted(partner, |hello| hello.versions = (1, u16::MAX)).await },
        ),
        Case::positive(
            "hello/unknown-roles",
            "unknown bits of roles are ignored",
            &["DC-CONN-025"],
            |partner| async move { greeted(partner, |hello| hello.roles = u64::MAX << 3).await },
        ),
        Case::positive(
            "hello/unknown-capabilities",
            "unknown capabilities are ignored, up to the most there can be",
            &["DC-CONN-025", "DC-WIRE-007"],
            |partner| async move {
                greeted(partner, |hello| {
                    hello.capabilities = core::iter::once(1).chain(65_473..=65_535).collect();
                })
                .await
            },
        ),
        Case::positive(
            "hello/unknown-extension",
            "an extension that is not critical and not known is ignored",
            &["DC-WIRE-022"],
            |partner| async move {
                greeted(partner, |hello| {
                    hello.extensions = vec![(0x7123, vec![1; 99])]
                })
                .await
            },
        ),
        Case::negative(
            "hello/second",
            "a second HELLO closes with UNEXPECTED",
            &["DC-CONN-030"],
            second,
        ),
        Case::negative(
            "hello/versions-above",
            "versions that are all higher close with VERSION",
            &["DC-CONN-024"],
            |partner| async move {
                refused(partner, |hello| hello.versions = (2, 9), codes::VERSION).await
            },
        ),
        Case::negative(
            "hello/none",
            "no HELLO within 5 seconds closes with TIMEOUT",
            &["DC-CONN-022"],
            none,
        )
        .takes(5),
    ]
}

async fn first(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let journal = link.journal();
    let control = journal.control().map(|stream| stream.frames.as_slice());
    let [first, ..] = control.unwrap_or_default() else {
        return Err(Fault::new("a control stream", journal.summary()));
    };
    let expected = "HELLO as the first frame of the control stream";
    expect(
        first.code == frames::HELLO,
        expected,
        frames::name(first.code),
    )?;
    let hello = journal.hello();
    let versions = hello.map(|hello| (hello.versions.low(), hello.versions.high()));
    let holds = |(low, high): (u16, u16)| low <= 1 && 1 <= high;
    let expected = "a range that holds version 1";
    expect(
        versions.is_some_and(holds),
        expected,
        format!("{versions:?}"),
    )?;
    link.leave();
    Ok(())
}

/// The frame behind HELLO and the extensions of HELLO that are reserved, of one connection.
type Reserved = (RawFrame, Vec<(u16, Vec<u8>)>);

async fn reserved_again(partner: Partner) -> Outcome {
    let (me, greeting) = (partner.identity(), Greeting::new(&partner));
    let mut all: Vec<Reserved> = Vec::new();
    for _ in 0..4 {
        let link = partner.link_with(&me, &greeting).await?;
        let journal = link.journal();
        let frames = journal.control().map(|stream| stream.frames.clone());
        let frame = frames.unwrap_or_default().into_iter().nth(1);
        let extensions = journal.hello().map(|hello| hello.extensions);
        let extensions: Vec<(u16, Vec<u8>)> = extensions
            .iter()
            .flat_map(|list| list.as_slice())
            .filter(|item| is_reserved(item.kind))
            .map(|item| (item.kind, item.value.as_slice().to_vec()))
            .collect();
        match frame.filter(|frame| is_reserved(frame.code)) {
            Some(frame) if !extensions.is_empty() => all.push((frame, extensions)),
            _ => {
                let expected = "a reserved extension in HELLO and a reserved frame behind it";
                return Err(Fault::new(expected, journal.summary()));
            }
        }
        link.leave();
    }
    let differ = all.windows(2).any(|pair| pair[0] != pair[1]);
    let seen = "the same ones on four connections of one peer";
    expect(differ, "reserved values drawn for each connection", seen)?;
    let ours = |(frame, extensions): &Reserved| {
        let between = flagged(frame.code, frame.flags, &frame.body);
        between == greeting.between && *extensions == greeting.extensions
    };
    expect(
        !all.iter().all(ours),
        "reserved values of the peer's own",
        "those of this side's HELLO",
    )
}

async fn reserved(partner: Partner) -> Outcome {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let link = partner.link().await?;
        let journal = link.journal();
        let control = journal.control().map(|stream| stream.frames.clone());
        let after_hello = control.unwrap_or_default().into_iter().nth(1);
        let Some(frame) = after_hello.filter(|frame| is_reserved(frame.code)) else {
            let expected = "a frame of a reserved type right behind HELLO";
            return Err(Fault::new(expected, journal.summary()));
        };
        let right = frame.flags == 0 && frame.body.len() <= 32;
        let is = format!("flags {} and {} bytes", frame.flags, frame.body.len());
        let expected = "a reserved frame with flags 0 and at most 32 bytes";
        expect(right, expected, is).map_err(|fault| fault.by("DC-WIRE-025"))?;
        let extensions = journal.hello().map(|hello| hello.extensions);
        let extensions = extensions.map(|list| list.as_slice().to_vec());
        let extensions = extensions.unwrap_or_default();
        let reserved = extensions.iter().filter(|item| is_reserved(item.kind));
        let reserved: Vec<_> = reserved.collect();
        let [extension] = reserved.as_slice() else {
            let expected = "one extension of a reserved kind in HELLO";
            return Err(Fault::new(expected, format!("{} of them", reserved.len())));
        };
        let right = extension.kind & 0x8000 == 0 && extension.value.as_slice().len() <= 32;
        let expected = "a reserved extension that is not critical, of at most 32 bytes";
        let is = format!("{extension:?}");
        expect(right, expected, is).map_err(|fault| fault.by("DC-WIRE-026"))?;
        seen.push((frame, extension.kind));
        link.leave();
    }
    let differ = seen.windows(2).any(|pair| pair[0] != pair[1]);
    expect(
        differ,
        "reserved values drawn for each connection",
        "the same ones three times",
    )
}

async fn instance(partner: Partner) -> Outcome {
    let mut instances = Vec::new();
    for _ in 0..2 {
        let link = partner.link().await?;
        instances.push(link.journal().hello().map(|hello| hello.instance));
        link.leave();
    }
    let same = instances[0].is_some() && instances[0] == instances[1];
    expect(same, "the same instance twice", format!("{instances:?}"))
}

async fn flags(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let pong = link
        .ask(&frame(frames::PING, &frames::ping(7, &[]).bytes))
        .await?;
    let journal = link.journal();
    let streams = journal.streams.iter().flat_map(|stream| &stream.frames);
    for frame in streams.chain(&pong.frames) {
        let known = frames::KINDS.iter().any(|kind| kind.code == frame.code);
        let right = if known {
            frame.flags == 1
        } else {
            frame.flags & !1 == 0
        };
        let seen = format!(
            "{} with flags {:#06x}",
            frames::name(frame.code),
            frame.flags
        );
        expect(right, "CRITICAL on known frames and no other flag", seen)?;
    }
    link.leave();
    Ok(())
}

/// A greeting that is odd and allowed: the peer comes up and answers.
async fn greeted(partner: Partner, change: impl FnOnce(&mut Greeting)) -> Outcome {
    let mut greeting = Greeting::new(&partner);
    change(&mut greeting);
    let link = partner.link_with(&partner.identity(), &greeting).await?;
    link.lives().await?;
    let mut link = link;
    link.reads_on(Marker::Unsupported).await
}

/// A greeting that must be answered with a code.
async fn refused(partner: Partner, change: impl FnOnce(&mut Greeting), code: u64) -> Outcome {
    let mut greeting = Greeting::new(&partner);
    change(&mut greeting);
    let mut link = partner.handshake(&partner.identity()).await?;
    link.control(&greeting.bytes()).await;
    link.expect_close(code).await
}

async fn second(partner: Partner) -> Outcome {
    let mut link = partner.link().await?;
    link.control(&Greeting::new(&partner).hello()).await;
    link.expect_close(codes::UNEXPECTED).await
}

async fn none(partner: Partner) -> Outcome {
    let link = partner.handshake(&partner.identity()).await?;
    link.expect_close(codes::TIMEOUT).await
}
