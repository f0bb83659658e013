//! Why a connection or a stream is closed: the application error codes of QUIC (RFC 9000 §20.2).

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// A close code (spec `registry` §3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Code {
            $($(#[$meta])* $name = $value,)*
        }

        impl Code {
            /// All codes, for the registry and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code that `value` stands for.
            #[must_use]
            pub fn from_value(value: u64) -> Option<Self> {
                match value {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What it means, in a few words for a log.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The sender shuts down or no longer needs the connection. Nobody's fault.
    Done = 0x00, "done";
    /// The sender met a fault of its own.
    Internal = 0x01, "internal error";
    /// Bytes that are not a canonical frame.
    Malformed = 0x02, "malformed frame";
    /// A frame that may not come here or now.
    Unexpected = 0x03, "unexpected frame";
    /// No version in common.
    Version = 0x04, "no common version";
    /// A critical frame type that is not known.
    Unsupported = 0x05, "critical frame not supported";
    /// Another connection with the same peer was kept.
    Duplicate = 0x06, "another connection was kept";
    /// More connections, streams or bytes than this node gives.
    Limit = 0x07, "limit exceeded";
    /// HELLO did not come in time.
    Timeout = 0x08, "no HELLO in time";
    /// The receiver wants nothing of this peer.
    Refused = 0x09, "refused";
    /// A peer that connects to its own key.
    Myself = 0x0a, "connected to itself";
}
