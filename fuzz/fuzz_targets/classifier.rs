//! Fuzzes [`dchat_fuzz::classifier`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(classifier);
