//! `codes!` and `refusals!`, which declare enums of registered code points.

/// Declares an enum whose values are the registered ones of an integer. Any other is refused with the
/// spec's reason.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $repr:ident, $reason:literal {
            $($(#[$value_meta:meta])* $value:ident = $code:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($repr)]
        pub enum $name {
            $($(#[$value_meta])* $value = $code,)*
        }

        impl $name {
            /// All values, for the registry and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            fn to_repr(self) -> $repr {
                self as $repr
            }

            fn from_repr(code: $repr) -> Result<Self, &'static str> {
                match code {
                    $($code => Ok(Self::$value),)*
                    _ => Err($reason),
                }
            }
        }
        $crate::codec::checked_field!($name as $repr);
    };
}
pub(crate) use codes;

/// Declares the reasons of a refusal, each with what it means for a person.
macro_rules! refusals {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$value_meta:meta])* $value:ident = $code:literal, $text:literal;)*
        }
    ) => {
        $crate::codec::codes! {
            $(#[$meta])*
            pub enum $name as u16, "the refusal is none that is registered" {
                $($(#[$value_meta])* $value = $code,)*
            }
        }

        impl $name {
            /// What it means, for a person.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}
pub(crate) use refusals;
