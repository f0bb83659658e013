//! `vault.json`, version 1.
//!
//! ```json
//! {"format":"dchat-vault","version":1,"key_id":"<32 hex>","slots":[
//!   {"id":"<32 hex>","source":{"key-file":{}},"nonce":"<base64>","wrapped":"<base64>"},
//!   {"id":"<32 hex>","source":{"passphrase":{"salt":"<base64>",
//!     "cost":{"memory_kib":65536,"passes":3,"lanes":1}}},"nonce":"<base64>","wrapped":"<base64>"}]}
//! ```
//! base64 is RFC 4648 section 4 with padding; hex is lower case. Unknown fields are refused.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Culprit, KeyId, slot::Slot};

/// Longest vault that is read. Eight slots take under 4 KiB.
pub(super) const MAX_BYTES: u64 = 16 * 1024;
/// Most slots in a vault: each costs one key derivation to try.
const MAX_SLOTS: usize = 8;
const FORMAT: &str = "dchat-vault";
const VERSION: u32 = 1;

/// The file as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultFile {
    format: String,
    version: u32,
    #[serde(with = "hex_id")]
    pub(super) key_id: KeyId,
    pub(super) slots: Vec<Slot>,
}

/// What every version has in common.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u32,
}

/// Why bytes are not a vault we can use.
pub(super) enum Refused {
    Newer(u32),
    Foreign(Culprit),
}

impl VaultFile {
    pub(super) fn new(key_id: KeyId, slots: Vec<Slot>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            key_id,
            slots,
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let syntax =
            |error: serde_json::Error| Refused::Foreign(Culprit::Syntax(error.to_string()));
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(syntax)?;
        if preamble.format != FORMAT {
            return Err(syntax(serde_json::Error::custom("another format")));
        }
        if preamble.version != VERSION {
            return Err(Refused::Newer(preamble.version));
        }
        let file: Self = serde_json::from_slice(bytes).map_err(syntax)?;
        if file.slots.is_empty() || file.slots.len() > MAX_SLOTS {
            return Err(Refused::Foreign(Culprit::Slots(file.slots.len())));
        }
        file.slots
            .iter()
            .try_for_each(Slot::check)
            .map_err(Refused::Foreign)?;
        Ok(file)
    }
}

/// Bytes of a fixed length, base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base64<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Serialize for Base64<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Base64<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        let length = bytes.len();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| D::Error::custom(format!("{length} bytes where there are {N}")))
    }
}

/// 16 bytes, hexadecimal in JSON, so that ids can be read and compared by eye.
pub(super) mod hex_id {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(
        id: &[u8; 16],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:032x}", u128::from_be_bytes(*id)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        let canonical = text.len() == 32
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !canonical {
            return Err(D::Error::custom("not 32 hexadecimal digits"));
        }
        u128::from_str_radix(&text, 16)
            .map(u128::to_be_bytes)
            .map_err(D::Error::custom)
    }
}
