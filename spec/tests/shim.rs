//! The program `dchat-vectors`, asked every vector by the runner as anybody's program would be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use dchat_spec::runner::Verdict;
use dchat_spec::runner::vectors::{drive, load};

#[test]
fn the_reference_implementation_answers_every_vector_as_it_says() {
    let command = [env!("CARGO_BIN_EXE_dchat-vectors").to_owned()];
    let vectors = load().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = runtime.block_on(drive(&command, &vectors, |_| {})).unwrap();
    assert_eq!(lines.len(), vectors.len());
    let wrong: Vec<_> = lines
        .iter()
        .filter(|line| !matches!(line.verdict, Verdict::Passed))
        .map(|line| format!("{}: {:?}", line.id, line.verdict))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
