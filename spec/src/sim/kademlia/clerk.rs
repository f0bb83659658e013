//! Signatures, verified once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dchat_kademlia::record::{Meta, Notary, Strict};
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

/// Verdicts remembered; more are verified each time.
const REMEMBERED: usize = 1 << 20;

/// The notary of all nodes of a world. A record is verified by the production code when anybody
/// meets it first, and the verdict remembered by its digest, which covers signature and body; all
/// other checks are made anew each time.
#[derive(Clone, Debug, Default)]
pub struct Clerk(Rc<RefCell<BTreeMap<[u8; 32], bool>>>);

impl Notary for Clerk {
    fn read(&mut self, record: &SignedRecord) -> Result<Meta, Refusal> {
        Strict.read(record)
    }

    fn verify(&mut self, record: &SignedRecord, meta: &Meta) -> Result<(), Refusal> {
        let mut verdicts = self.0.borrow_mut();
        let valid = match verdicts.get(&meta.digest) {
            Some(valid) => *valid,
            None => {
                let valid = Strict.verify(record, meta).is_ok();
                if verdicts.len() < REMEMBERED {
                    verdicts.insert(meta.digest, valid);
                }
                valid
            }
        };
        valid.then_some(()).ok_or(Refusal::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kademlia::{EPOCH, records};

    #[test]
    fn a_forged_signature_is_refused_the_first_time_and_the_second() {
        let mut clerk = Clerk::default();
        let record = records::file(1, 1, 1, EPOCH).record;
        let mut forged = SignedRecord::clone(&record);
        forged.signature[3] ^= 1;
        for (record, verdict) in [(&*record, Ok(())), (&forged, Err(Refusal::BadSignature))] {
            for _ in 0..2 {
                let read = clerk.read(record);
                assert_eq!(read.and_then(|meta| clerk.verify(record, &meta)), verdict);
            }
        }
    }
}
