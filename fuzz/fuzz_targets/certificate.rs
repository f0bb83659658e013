//! Fuzzes [`dchat_fuzz::certificate`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(certificate);
