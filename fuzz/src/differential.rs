//! Three decoders of one format.

use crate::agree::agree;
use crate::bodies::for_every_body;

/// Input: the bytes of any body. The codec, the decoder written by hand and `wincode` must agree,
/// except that `wincode` accepts what only our rules forbid.
///
/// # Panics
/// When they do not.
pub fn differential(data: &[u8]) {
    macro_rules! check {
        ($body:ty) => {
            agree::<$body>(data)
        };
    }
    for_every_body!(check);
}
