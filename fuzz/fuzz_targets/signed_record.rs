//! Fuzzes [`dchat_fuzz::signed_record`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(signed_record);
