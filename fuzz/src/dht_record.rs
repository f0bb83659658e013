//! Records as a node that stores them judges them.

use arbitrary::{Result, Unstructured};
use dchat_kademlia::record::validate;
use dchat_kademlia::{Key, Time};
use dchat_wire::dht::Refusal;
use dchat_wire::hash::Context;
use dchat_wire::record::{CLOCK_SKEW, RecordBody, SignedRecord};
use dchat_wire::sign::{self, Identity, Purpose};
use dchat_wire::{Bytes, PeerId, codec, decode};

use crate::build::Build;
use crate::hand;
use crate::samples;

/// Input: which kind of thing follows, then a signed record from a stranger, a body that is signed
/// here, or what a record of any kind is made of.
///
/// A record must be believed exactly when the rules of the specification, written out once more
/// below, say so, and be refused for the reason they say; and never under another key, at another
/// time, or with one bit of it changed.
///
/// # Panics
/// When it is otherwise.
pub fn dht_record(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 4 {
        0 => {
            if let Ok(record) = decode::<SignedRecord>(rest) {
                judge(&record, samples::NOW);
            }
        }
        1 => {
            if let Some(record) = signed(rest.to_vec()) {
                judge(&record, samples::NOW);
            }
        }
        // Bytes that end early make no record.
        _ => drop(built(&mut Build(Unstructured::new(rest)))),
    }
}

fn identity() -> &'static Identity {
    static IDENTITY: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    IDENTITY.get_or_init(|| samples::identity(1))
}

fn signed(body: Vec<u8>) -> Option<SignedRecord> {
    let signature = identity().sign(Purpose::Record, &body);
    let body = Bytes::new(body).ok()?;
    Some(SignedRecord { body, signature })
}

/// A record that is nearly right, judged as it is and with one thing changed.
fn built(build: &mut Build<'_>) -> Result<()> {
    let (kind, payload) = match build.below(9)? {
        0 => (1, codec::encode(&build.address_record()?)),
        1 => (2, codec::encode(&build.device_record()?)),
        2 => (4, codec::encode(&build.relay_advert()?)),
        3 => (5, codec::encode(&build.service_advert()?)),
        4 => (6, codec::encode(&build.mailbox_pointer()?)),
        5 => (7, codec::encode(&build.presence()?)),
        6 => (8, codec::encode(&build.rendezvous()?)),
        7 => (3, codec::encode(&samples::voucher())),
        _ => (build.u64()? as u16, build.u64()?.to_le_bytes().to_vec()),
    };
    let life = build.below(5)?;
    let issued_at = samples::NOW.saturating_add_signed(build.below(3)? as i64 * 600_001 - 600_001);
    let life = [1, 3_600_000, 7_200_000, 86_400_000, 604_800_001][life];
    let Ok(payload) = Bytes::new(payload) else {
        return Ok(());
    };
    let body = RecordBody {
        signer: identity().peer_id(),
        kind,
        sequence: build.u64()?,
        issued_at,
        expires_at: issued_at + life,
        payload,
        extensions: Default::default(),
    };
    let bytes = codec::encode(&body);
    let Some(record) = signed(bytes.clone()) else {
        return Ok(());
    };
    let is_good = judge(&record, samples::NOW);
    let at = build.u64()? as usize;
    let bit = 1 << build.below(8)?;
    if is_good {
        damaged(&record, at, bit);
    }
    // The same change with a signature that fits.
    let mut changed = bytes;
    let place = at % changed.len();
    changed[place] ^= bit;
    if let Some(record) = signed(changed) {
        judge(&record, samples::NOW);
    }
    Ok(())
}

/// Whether the record is believed under its own key; panics when the rules say otherwise, or when it
/// is believed where or when it must not be.
fn judge(record: &SignedRecord, now: u64) -> bool {
    let own = place(record).unwrap_or([7; 32]);
    let verdict = validate(&Key(own), record, Time(now)).map(|meta| meta.digest);
    assert_eq!(
        verdict.as_ref().err(),
        expected(record, &own, now).err().as_ref()
    );
    let Ok(digest) = verdict else {
        return false;
    };
    assert_eq!(
        digest,
        Context::RECORD.digest(&[&record.signature, record.body.as_slice()])
    );
    let mut other = own;
    other[31] ^= 1;
    let refused = |key: [u8; 32], at: u64| validate(&Key(key), record, Time(at)).err();
    assert_eq!(refused(other, now), Some(Refusal::WrongKey));
    let Ok(body) = hand::decode::<RecordBody>(record.body.as_slice()) else {
        panic!("what is believed decodes");
    };
    assert_eq!(refused(own, body.expires_at), Some(Refusal::Expired));
    assert_eq!(refused(own, body.expires_at - 1), None);
    if let Some(early) = body.issued_at.checked_sub(CLOCK_SKEW + 1) {
        assert_eq!(refused(own, early), Some(Refusal::Expired));
    }
    true
}

/// The key of what the record says, if it says anything.
fn place(record: &SignedRecord) -> Option<[u8; 32]> {
    let body = hand::decode::<RecordBody>(record.body.as_slice()).ok()?;
    let payload = body.payload.as_slice();
    let kind = body.kind.to_le_bytes();
    let of = |name: &[u8]| Context::DHT_KEY.digest(&[&kind, name]);
    Some(match body.kind {
        4 => of(&hand::decode::<dchat_wire::advert::RelayAdvert>(payload)
            .ok()?
            .shard
            .to_le_bytes()),
        5 => {
            let advert = hand::decode::<dchat_wire::advert::ServiceAdvert>(payload).ok()?;
            of(advert.name.as_str().as_bytes())
        }
        _ => of(body.signer.public_key()),
    })
}

/// Most bytes of the payload, and milliseconds of life, of a kind; whether the payload is one.
fn rule(kind: u16, payload: &[u8]) -> Option<(usize, u64, bool)> {
    use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
    use dchat_wire::record::{AddressRecord, DeviceRecord};
    fn is<T: hand::ByHand>(payload: &[u8]) -> bool {
        hand::decode::<T>(payload).is_ok()
    }
    const HOUR: u64 = 3_600_000;
    Some(match kind {
        1 => {
            let record = hand::decode::<AddressRecord>(payload);
            let is_somewhere = record.is_ok_and(|record| !record.addresses.is_empty());
            (2304, 24 * HOUR, is_somewhere)
        }
        2 => (4096, 720 * HOUR, is::<DeviceRecord>(payload)),
        4 => {
            let advert = hand::decode::<RelayAdvert>(payload);
            (256, 2 * HOUR, advert.is_ok_and(|advert| advert.shard < 4))
        }
        5 => (1024, 24 * HOUR, is::<ServiceAdvert>(payload)),
        6 => (1024, 168 * HOUR, is::<MailboxPointer>(payload)),
        7 => (1152, HOUR, is::<Presence>(payload)),
        8 => (1152, 2 * HOUR, is::<Rendezvous>(payload)),
        _ => return None,
    })
}

/// The rules of the specification in their order.
fn expected(record: &SignedRecord, key: &[u8; 32], now: u64) -> core::result::Result<(), Refusal> {
    let bytes = record.body.as_slice();
    let body = hand::decode::<RecordBody>(bytes).map_err(|_| Refusal::BadRecord)?;
    let payload = body.payload.as_slice();
    let (most, life, is_payload) = rule(body.kind, payload).ok_or(Refusal::BadRecord)?;
    if payload.len() > most || bytes.len() > most + 256 {
        return Err(Refusal::BadRecord);
    }
    let lived = body.expires_at.checked_sub(body.issued_at);
    if !lived.is_some_and(|lived| lived >= 1 && lived <= life) {
        return Err(Refusal::Expired);
    }
    if !is_payload {
        return Err(Refusal::BadRecord);
    }
    if place(record) != Some(*key) {
        return Err(Refusal::WrongKey);
    }
    if body.expires_at <= now || body.issued_at > now.saturating_add(CLOCK_SKEW) {
        return Err(Refusal::Expired);
    }
    let signer: PeerId = body.signer;
    sign::verify(&signer, Purpose::Record, bytes, &record.signature)
        .map_err(|_| Refusal::BadSignature)
}

/// One bit changed, of the body or of the signature, and no new signature: it must not be believed.
fn damaged(record: &SignedRecord, at: usize, bit: u8) {
    let key = Key(place(record).unwrap_or_default());
    let now = Time(samples::NOW);
    let mut signature = record.signature;
    signature[at % 64] ^= bit;
    let forged = SignedRecord {
        signature,
        body: record.body.clone(),
    };
    assert_eq!(
        validate(&key, &forged, now).err(),
        Some(Refusal::BadSignature)
    );
    assert_ne!(forged.digest(), record.digest());
    let mut body = record.body.clone().into_vec();
    let place = at % body.len();
    body[place] ^= bit;
    if let Ok(body) = Bytes::new(body) {
        let forged = SignedRecord {
            body,
            signature: record.signature,
        };
        assert!(validate(&key, &forged, now).is_err());
    }
}
