//! Fuzzes [`dchat_fuzz::relay_datagram`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(relay_datagram);
