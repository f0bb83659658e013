//! Fuzzes [`dchat_fuzz::handshake`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(handshake);
