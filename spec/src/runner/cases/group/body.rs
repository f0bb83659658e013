//! GROUP_OPERATIONS that must be refused with MALFORMED (`10-encoding` §2 and §5).

use super::super::super::bodies::group::{self, OPERATIONS, Signed};
use super::super::super::breaks::Break;
use super::super::super::case::{Case, Kind};
use super::super::super::frames::{codes, frame};
use super::super::super::group::Company;
use super::super::super::identity::Identity;
use super::inside;
use crate::structure::counted;

const REQ: &[&str] = &["DC-WIRE-017", "DC-WIRE-001"];
const OVER: &[&str] = &["DC-WIRE-007", "DC-WIRE-002"];

pub(super) fn cases() -> Vec<Case> {
    let signed = Signed::over(vec![1; 40], &Identity::new(&[7; 32]));
    let (low, high) = ([1; 32], [2; 32]);
    let body = group::operations(
        &[9; 32],
        &[low, high],
        &[low],
        std::slice::from_ref(&signed),
    );
    let hashes = |hashes: &[[u8; 32]]| {
        let count = (hashes.len() as u64).to_le_bytes();
        [count.as_slice(), hashes.as_flattened()].concat()
    };
    let many = |count: u8| -> Vec<[u8; 32]> { (1..=count).map(|first| [first; 32]).collect() };
    let long = [counted(&[0; 2049]), signed.signature.to_vec()].concat();
    let long = [1_u64.to_le_bytes().as_slice(), &long].concat();
    let one = [counted(&signed.body), signed.signature.to_vec()].concat();
    let too_many = [65_u64.to_le_bytes().to_vec(), one.repeat(65)].concat();
    let heads = "GroupOperations.heads";
    let lacking = "GroupOperations.lacking";
    let operations = "GroupOperations.operations";
    let broken = [
        Break::new(
            "cut",
            "has a byte too few",
            REQ,
            body.bytes[..body.bytes.len() - 1].to_vec(),
        ),
        Break::new(
            "and-more",
            "has a byte too many",
            REQ,
            [body.bytes.as_slice(), &[0]].concat(),
        ),
        Break::new(
            "heads-17",
            "has 17 heads",
            OVER,
            body.replace(heads, &hashes(&many(17))),
        ),
        Break::new(
            "heads-descending",
            "has heads that descend",
            REQ,
            body.replace(heads, &hashes(&[high, low])),
        ),
        Break::new(
            "heads-twice",
            "names a head twice",
            REQ,
            body.replace(heads, &hashes(&[low, low])),
        ),
        Break::new(
            "lacking-17",
            "lacks 17 operations",
            OVER,
            body.replace(lacking, &hashes(&many(17))),
        ),
        Break::new(
            "lacking-descending",
            "has hashes that descend among what it lacks",
            REQ,
            body.replace(lacking, &hashes(&[high, low])),
        ),
        Break::new(
            "operations-65",
            "has 65 operations",
            OVER,
            body.replace(operations, &too_many),
        ),
        Break::new(
            "operation-2049",
            "has an operation of 2049 bytes",
            OVER,
            body.replace(operations, &long),
        ),
    ];
    let refused = |broken: Break| {
        let bytes = frame(OPERATIONS, &broken.bytes);
        inside(
            Kind::Negative,
            format!("operations-{}", broken.slug),
            format!(
                "GROUP_OPERATIONS that {} closes with MALFORMED",
                broken.about
            ),
            broken.req,
            move |company: &mut Company| {
                let bytes = bytes.clone();
                Box::pin(async move {
                    company.founder.line.raw(&bytes).await;
                    company.founder.link.expect_close(codes::MALFORMED).await
                })
            },
        )
    };
    broken.into_iter().map(refused).collect()
}
