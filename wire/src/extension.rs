//! The block at the end of every body that lets a v1 body grow without changing.

use crate::codec::{Bytes, List, body, checked_field};
use crate::defect::{self, Defect};
use crate::limits;

body! {
    /// One extension: a type and an opaque value.
    pub struct Extension {
        /// From the registry (spec `registry` §2). The high bit marks it critical.
        pub kind: u16,
        /// What the type says it is.
        pub value: Bytes<{ limits::EXTENSION_VALUE }>,
    }
}

/// A bit of [`Extension::kind`]: who does not know the type must refuse the whole body.
pub const CRITICAL: u16 = 0x8000;

/// Extensions in strictly ascending order of type, so that there is one encoding of a set.
///
/// v1 defines none, so every known one is an unknown one here: a critical one refuses the body, any
/// other is kept and re-encoded but not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(List<Extension, { limits::EXTENSIONS }>);

impl Extensions {
    /// Takes `list`.
    ///
    /// # Errors
    /// The spec's reason: types not strictly ascending, or an unknown critical one.
    pub fn new(list: List<Extension, { limits::EXTENSIONS }>) -> Result<Self, &'static str> {
        let any_order = defect::is(Defect::AcceptsUnorderedExtensions);
        if !any_order && !list.is_sorted_by(|a, b| a.kind < b.kind) {
            return Err("extension types are not strictly ascending");
        }
        let no_critical = !defect::is(Defect::AcceptsCriticalExtension);
        if no_critical && list.iter().any(|extension| extension.kind & CRITICAL != 0) {
            return Err("a critical extension is not known here");
        }
        Ok(Self(list))
    }

    /// The extensions.
    #[must_use]
    pub fn as_slice(&self) -> &[Extension] {
        &self.0
    }

    fn to_repr(&self) -> &List<Extension, { limits::EXTENSIONS }> {
        &self.0
    }

    fn from_repr(list: List<Extension, { limits::EXTENSIONS }>) -> Result<Self, &'static str> {
        Self::new(list)
    }
}
checked_field!(Extensions as List<Extension, { limits::EXTENSIONS }>);
