//! Fuzzes [`dchat_fuzz::address_invite`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(address_invite);
