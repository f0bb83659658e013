//! Fuzzes [`dchat_fuzz::agent`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(agent);
