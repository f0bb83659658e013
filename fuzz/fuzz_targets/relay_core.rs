//! Fuzzes [`dchat_fuzz::relay_core`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(relay_core);
