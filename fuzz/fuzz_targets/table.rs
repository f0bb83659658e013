//! Fuzzes [`dchat_fuzz::table`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(table);
