//! Fuzzes [`dchat_fuzz::group_membership`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(group_membership);
