//! Fuzzes [`dchat_fuzz::probe`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(probe);
