//! Fuzzes [`dchat_fuzz::strict_decode`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(strict_decode);
