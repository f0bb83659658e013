//! What may travel: the sealed set of field types, and `body!`, which declares a struct of them.

use super::bincode::{Decode, Encode};
use super::error::Trail;

/// A type that may stand in a body. Sealed: the spec lists them all.
#[allow(
    private_bounds,
    reason = "the bound on a private trait is what seals the set"
)]
pub trait Field: Encode + Decode<Trail> + sealed::Sealed {
    /// Fewest bytes an encoded value takes: bounds how many items the bytes at hand can hold.
    const MIN_LEN: usize;
}

/// A struct declared with `body!`: the content of a frame, a record or a parcel.
pub trait Body: Field {
    /// The name in the spec's registries.
    const NAME: &'static str;
}

pub(crate) mod sealed {
    pub(crate) trait Sealed {}
}

macro_rules! primitive {
    ($($t:ty),*) => {$(
        impl sealed::Sealed for $t {}
        impl Field for $t {
            const MIN_LEN: usize = size_of::<$t>();
        }
    )*};
}
primitive!(u8, u16, u32, u64, bool);

impl<const N: usize> sealed::Sealed for [u8; N] {}
impl<const N: usize> Field for [u8; N] {
    const MIN_LEN: usize = N;
}

impl<T: sealed::Sealed> sealed::Sealed for Option<T> {}
impl<T: Field> Field for Option<T> {
    const MIN_LEN: usize = 1;
}

/// Encoded like what is in it.
impl<T: sealed::Sealed> sealed::Sealed for Box<T> {}
impl<T: Field> Field for Box<T> {
    const MIN_LEN: usize = T::MIN_LEN;
}

/// Declares a struct whose encoding is its fields in order, decoded with each field named in errors.
macro_rules! body {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::codec::sealed::Sealed for $name {}
        impl $crate::codec::Field for $name {
            const MIN_LEN: usize = 0 $(+ <$type as $crate::codec::Field>::MIN_LEN)*;
        }
        impl $crate::codec::Body for $name {
            const NAME: &'static str = stringify!($name);
        }
        impl $crate::codec::bincode::Encode for $name {
            fn encode<E: $crate::codec::bincode::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), $crate::codec::bincode::EncodeError> {
                $($crate::codec::bincode::Encode::encode(&self.$field, encoder)?;)*
                Ok(())
            }
        }
        impl $crate::codec::bincode::Decode<$crate::codec::Trail> for $name {
            fn decode<D: $crate::codec::bincode::Decoder<Context = $crate::codec::Trail>>(
                decoder: &mut D,
            ) -> Result<Self, $crate::codec::bincode::DecodeError> {
                $(
                    let $field = <$type as $crate::codec::bincode::Decode<
                        $crate::codec::Trail,
                    >>::decode(decoder)
                    .inspect_err(|_| {
                        decoder
                            .context()
                            .name(concat!(stringify!($name), ".", stringify!($field)));
                    })?;
                )*
                Ok(Self { $($field),* })
            }
        }
    };
}
pub(crate) use body;

/// Makes `$name` a field encoded as `$repr`: `$name::to_repr` gives the representation, owned or
/// borrowed, and `$name::from_repr` accepts or refuses it with the spec's reason.
macro_rules! checked_field {
    ($name:ty as $repr:ty) => {
        impl $crate::codec::sealed::Sealed for $name {}
        impl $crate::codec::Field for $name {
            const MIN_LEN: usize = <$repr as $crate::codec::Field>::MIN_LEN;
        }
        impl $crate::codec::bincode::Encode for $name {
            fn encode<E: $crate::codec::bincode::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), $crate::codec::bincode::EncodeError> {
                $crate::codec::bincode::Encode::encode(&self.to_repr(), encoder)
            }
        }
        impl $crate::codec::bincode::Decode<$crate::codec::Trail> for $name {
            fn decode<D: $crate::codec::bincode::Decoder<Context = $crate::codec::Trail>>(
                decoder: &mut D,
            ) -> Result<Self, $crate::codec::bincode::DecodeError> {
                let repr = <$repr as $crate::codec::bincode::Decode<$crate::codec::Trail>>::decode(
                    decoder,
                )?;
                Self::from_repr(repr).map_err(|reason| decoder.context().invalid(reason))
            }
        }
    };
}
pub(crate) use checked_field;
