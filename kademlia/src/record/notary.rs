//! Whether a record is to be believed.

use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::dht::Refusal;
use dchat_wire::record::{CLOCK_SKEW, SignedRecord};
use dchat_wire::statement::Statement;

use super::rule::rule;
use crate::key::Key;
use crate::time::Time;

/// What a record is, apart from what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The key it belongs under.
    pub key: Key,
    /// Its kind.
    pub kind: u16,
    /// Who signed it.
    pub signer: PeerId,
    /// Which of the signer's records of this kind: zeros but for a rendezvous.
    pub slot: [u8; 16],
    /// A higher one replaces it.
    pub sequence: u64,
    /// By the signer's clock.
    pub issued: Time,
    /// By the signer's clock.
    pub expires: Time,
    /// Of the signed bytes and the signature.
    pub digest: [u8; 32],
}

impl Meta {
    /// The first bytes of the digest, by which questions name the record.
    #[must_use]
    pub fn short_digest(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        [a, b, c, d, e, f, g, h]
    }

    /// Whether the record belongs under `key` and its time has come and is not over at `now`.
    ///
    /// # Errors
    /// [`Refusal::WrongKey`] or [`Refusal::Expired`].
    pub fn check(&self, key: &Key, now: Time) -> Result<(), Refusal> {
        if self.key != *key && !defect::is(Defect::StoresUnderAnyKey) {
            return Err(Refusal::WrongKey);
        }
        let in_time = self.expires > now && self.issued.0 <= now.0.saturating_add(CLOCK_SKEW);
        if !in_time && !defect::is(Defect::StoresExpired) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

/// Who reads records and verifies their signatures. The world of the simulator has one that
/// remembers its verdicts by digest, for there the same record is checked a thousand times; all
/// else that can go wrong with a record is checked anew each time.
pub trait Notary {
    /// What the record is: all that its bytes tell, without its signature.
    ///
    /// # Errors
    /// [`Refusal::BadRecord`] when it is malformed, of no kind that is stored, or too large;
    /// [`Refusal::Expired`] when it would live longer than its kind may, or not at all.
    fn read(&mut self, record: &SignedRecord) -> Result<Meta, Refusal>;

    /// Whether its signer signed it.
    ///
    /// # Errors
    /// [`Refusal::BadSignature`].
    fn verify(&mut self, record: &SignedRecord, meta: &Meta) -> Result<(), Refusal>;

    /// All checks of a record found under `key`.
    ///
    /// # Errors
    /// The first check that fails, the cheap ones first.
    fn validate(&mut self, key: &Key, record: &SignedRecord, now: Time) -> Result<Meta, Refusal> {
        let meta = self.read(record)?;
        meta.check(key, now)?;
        self.verify(record, &meta)?;
        Ok(meta)
    }
}

/// Checks everything every time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strict;

impl Notary for Strict {
    fn read(&mut self, record: &SignedRecord) -> Result<Meta, Refusal> {
        let body = record.unverified().map_err(|_| Refusal::BadRecord)?;
        let rule = rule(body.kind).ok_or(Refusal::BadRecord)?;
        let payload = body.payload.as_slice();
        if payload.len() > rule.payload || record.body.as_slice().len() > rule.body {
            return Err(Refusal::BadRecord);
        }
        // Against its own clock: whether it is over is another question, asked each time.
        body.check_times(rule.lifetime, body.issued_at)
            .map_err(|_| Refusal::Expired)?;
        let statement = Statement::read(body.kind, payload).map_err(|_| Refusal::BadRecord)?;
        Ok(Meta {
            key: Key(statement.key(&body.signer)),
            kind: body.kind,
            signer: body.signer,
            slot: statement.slot(),
            sequence: body.sequence,
            issued: Time(body.issued_at),
            expires: Time(body.expires_at),
            digest: record.digest(),
        })
    }

    fn verify(&mut self, record: &SignedRecord, meta: &Meta) -> Result<(), Refusal> {
        if defect::is(Defect::StoresUnsigned) {
            return Ok(());
        }
        record
            .verify(&meta.signer)
            .map_err(|_| Refusal::BadSignature)
    }
}

/// All checks of a record found under `key`, by [`Strict`].
///
/// # Errors
/// The first check that fails, the cheap ones first; the record is to be dropped.
pub fn validate(key: &Key, record: &SignedRecord, now: Time) -> Result<Meta, Refusal> {
    Strict.validate(key, record, now)
}
