//! Every vector, as it lies in its file, against the reference implementation.
//!
//! The vectors were made without `dchat-wire`; its answers are those of `dchat_spec::reference`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod load;

use std::collections::BTreeSet;

use dchat_spec::reference::{Refusal, Unanswered, Vector, answer};
use serde_json::json;

use load::{Case, load_all};

/// What is wrong with the answer, if anything.
fn verdict(case: &Case) -> Result<(), String> {
    match (answer(&case.vector), &case.error) {
        (Ok(output), None) => match &case.expected {
            Some(expected) if *expected == output => Ok(()),
            expected => Err(format!("{output} instead of {expected:?}")),
        },
        (Ok(_), Some(error)) => Err(format!("accepted instead of {error}")),
        (Err(Unanswered::Refused(refusal)), Some(error)) => {
            let field_agrees = case.field.is_none() || refusal.field == case.field;
            let before_agrees = case.expected.is_none() || refusal.before == case.expected;
            let Refusal { error: ours, .. } = &refusal;
            (ours == error && field_agrees && before_agrees)
                .then_some(())
                .ok_or(format!("{refusal:?} instead of {error} {:?}", case.field))
        }
        (Err(unanswered), _) => Err(format!("{unanswered:?}")),
    }
}

/// Checks DC-GEN-002 (positive, negative).
#[test]
fn every_vector_gets_its_answer() {
    let failures: Vec<String> = load_all()
        .iter()
        .filter_map(|case| {
            let reason = verdict(case).err()?;
            Some(format!("{}: {:.400}", case.vector.id, reason))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn there_is_a_valid_and_an_invalid_vector_of_every_operation_that_can_fail() {
    let of = |invalid: bool| -> BTreeSet<String> {
        load_all()
            .into_iter()
            .filter(|case| case.error.is_some() == invalid)
            .map(|case| case.vector.op)
            .collect()
    };
    let never_fails = BTreeSet::from(["signed-bytes".to_owned()]);
    assert_eq!(&of(true) | &never_fails, of(false));
}

#[test]
fn questions_that_nobody_asks_are_answered_too() {
    for (line, unsupported) in [
        (json!({ "id": "a", "op": "fly", "input": {} }), true),
        (
            json!({ "id": "a", "op": "decode", "input": { "type": "Bird", "bytes": "" } }),
            true,
        ),
        (
            json!({ "id": "a", "op": "decode", "input": { "type": "Ping" } }),
            false,
        ),
        (
            json!({ "id": "a", "op": "decode", "input": { "type": "Ping", "bytes": "0" } }),
            false,
        ),
        (
            json!({ "id": "a", "op": "decode", "input": { "type": "Ping", "bytes": "zz" } }),
            false,
        ),
        (
            json!({ "id": "a", "op": "span", "input": { "items": [], "span": [], "salt": "1" } }),
            false,
        ),
        (
            json!({ "id": "a", "op": "position", "input": { "key": "00", "nonce": "1" } }),
            false,
        ),
    ] {
        let vector = Vector::read(&line).unwrap();
        match answer(&vector) {
            Err(Unanswered::Unsupported) => assert!(unsupported, "{line}"),
            Err(Unanswered::Failed(_)) => assert!(!unsupported, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn pieces_that_make_no_bytes_are_no_question() {
    for bytes in [
        json!([{ "repeat": "00", "times": u64::MAX }]),
        json!([{ "repeat": 0, "times": 1 }]),
        json!([{ "repeat": "00" }]),
        json!(["00", { "repeat": "00", "times": 2 }, 7]),
    ] {
        let line =
            json!({ "id": "a", "op": "decode", "input": { "type": "Ping", "bytes": bytes } });
        assert!(Vector::read(&line).is_none(), "{line}");
    }
}
