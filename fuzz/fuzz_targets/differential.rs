//! Fuzzes [`dchat_fuzz::differential`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(differential);
