//! Fuzzes [`dchat_fuzz::stun`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(stun);
