//! Invite links (`20-identity` §6).

use crate::actor::{ALICE, filler};
use crate::case::{Case, Suite};
use crate::fault;
use crate::structure::{Part, Structure, counted};

use super::address::{direct_v4, direct_v6, longest};
use super::digest::invite_check;
use super::peer_id::small_order;
use super::record::{ISSUED, device_record};

const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

fn invite(version: u8, name: &str, addresses: &[Part], extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .u8("Invite.version", version)
        .push("Invite.peer", &ALICE.part(), true)
        .fixed("Invite.id", &filler(0x80)[..16])
        .fixed("Invite.secret", &filler(0xc0))
        .u64("Invite.expires_at", ISSUED + WEEK)
        .text("Invite.name", name)
        .list("Invite.addresses", addresses, true)
        .push("Invite.device", &device_record(ALICE).part(), false)
        .extensions("Invite.extensions", extensions)
}

/// Unpadded base64url.
fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(6)
        .map(|chunk| {
            let digit = chunk
                .iter()
                .fold(0_usize, |digit, bit| digit << 1 | usize::from(*bit));
            char::from(alphabet[digit << (6 - chunk.len())])
        })
        .collect()
}

fn link(body: &[u8]) -> String {
    format!("dchat:{}", base64url(&[body, &invite_check(body)].concat()))
}

fn plain() -> Structure {
    invite(1, "Alice", &[direct_v4().part()], &[])
}

pub(super) fn suite() -> Suite {
    let mut cases = accepted();
    cases.extend(damaged());
    cases.extend(malformed());
    cases.extend(fault::cuts("invite-body", "Invite", &plain()));
    cases.extend(fault::counts(
        "invite-body",
        "Invite",
        &plain(),
        "Invite.addresses",
        6,
    ));
    Suite {
        name: "invite",
        cases,
    }
}

fn accepted() -> Vec<Case> {
    let read = |slug: &str, text: String, invite: &Structure| {
        Case::valid(
            format!("invite/{slug}"),
            "invite",
            &["DC-ID-028"],
            invite.json(),
        )
        .with("link", text)
    };
    let six: Vec<Part> = (0..6).map(|_| longest().part()).collect();
    let two = [direct_v4().part(), direct_v6().part()];
    let longest_name = "名".repeat(21);
    let all = [
        ("one-address", plain()),
        ("no-address", invite(1, "Alice", &[], &[])),
        ("two-addresses", invite(1, "Alice", &two, &[])),
        ("no-name", invite(1, "", &[direct_v4().part()], &[])),
        ("longest", invite(1, &longest_name, &six, &[])),
        (
            "unknown-extension",
            invite(1, "Alice", &[], &[(5, b"later")]),
        ),
    ];
    let mut cases: Vec<Case> = all
        .iter()
        .map(|(slug, invite)| read(slug, link(&invite.bytes), invite))
        .collect();
    let around = format!(" \t{}\r\n", link(&plain().bytes));
    cases.push(read("space-around", around, &plain()));
    cases
}

fn refused(slug: &str, link: String, error: &'static str) -> Case {
    Case::invalid(format!("invite/{slug}"), "invite", &["DC-ID-028"], error).with("link", link)
}

fn damaged() -> Vec<Case> {
    let good = link(&plain().bytes);
    let content = good.trim_start_matches("dchat:").to_owned();
    let mut mistyped = good.clone().into_bytes();
    mistyped[40] = if mistyped[40] == b'A' { b'B' } else { b'A' };
    let mistyped = String::from_utf8(mistyped).unwrap_or_default();
    // The length of some leaves unused bits in the last digit, which is an even one then.
    let links = ["A", "Al", "Ali"].map(|name| link(&invite(1, name, &[], &[]).bytes));
    let uneven = links
        .iter()
        .find(|link| (link.len() - "dchat:".len()) % 4 != 0);
    let mut unused = uneven.cloned().unwrap_or_default();
    let last = unused.pop().map_or('B', |digit| match digit {
        '-' => '_',
        digit => char::from(digit as u8 + 1),
    });
    unused.push(last);
    vec![
        refused("nothing", String::new(), "not-a-link"),
        refused("no-scheme", content.clone(), "not-a-link"),
        refused("other-scheme", format!("https:{content}"), "not-a-link"),
        refused(
            "upper-case-scheme",
            format!("DCHAT:{content}"),
            "not-a-link",
        ),
        refused("scheme-only", "dchat:".to_owned(), "damaged"),
        refused(
            "check-only",
            format!("dchat:{}", base64url(&invite_check(b""))),
            "damaged",
        ),
        refused("mistyped", mistyped, "damaged"),
        refused("cut", good[..good.len() - 1].to_owned(), "damaged"),
        refused("cut-by-four", good[..good.len() - 4].to_owned(), "damaged"),
        refused("padded", format!("{good}="), "damaged"),
        refused(
            "standard-alphabet",
            format!("dchat:{}", content.replacen(['-', '_'], "+", 1)),
            "damaged",
        ),
        refused(
            "space-inside",
            format!("{} {}", &good[..30], &good[30..]),
            "damaged",
        ),
        refused("unused-bits-set", unused, "damaged"),
        refused("too-long", format!("dchat:{}", "A".repeat(4097)), "damaged"),
        refused("slashes", format!("dchat://{content}"), "damaged"),
    ]
}

fn malformed() -> Vec<Case> {
    let body = plain();
    let newer = |version| link(&invite(version, "Alice", &[], &[]).bytes);
    let seven: Vec<Part> = (0..7).map(|_| direct_v4().part()).collect();
    let alias = body.replace("Invite.peer", &small_order()[9]);
    let critical = invite(1, "Alice", &[], &[(0x8005, &[])]).bytes;
    let long_name = invite(1, &"n".repeat(65), &[], &[]).bytes;
    let more = [body.bytes.as_slice(), &[0]].concat();
    let not_utf8 = body.replace("Invite.name", &counted(&[0xff]));
    vec![
        refused("version-0", newer(0), "newer-version"),
        refused("version-2", newer(2), "newer-version"),
        refused("version-255", newer(255), "newer-version"),
        refused("version-only", link(&[1]), "unexpected-end"),
        refused("body-cut", link(&body.bytes[..100]), "unexpected-end"),
        refused("body-longer", link(&more), "trailing-bytes"),
        refused(
            "seven-addresses",
            link(&invite(1, "", &seven, &[]).bytes),
            "over-limit",
        ),
        refused("long-name", link(&long_name), "over-limit"),
        refused("peer-no-key", link(&alias), "invalid"),
        refused("critical-extension", link(&critical), "invalid"),
        refused("name-not-utf8", link(&not_utf8), "invalid"),
    ]
    .into_iter()
    .map(|case| case.comment("the check is right, so the maker of the link is at fault"))
    .collect()
}
