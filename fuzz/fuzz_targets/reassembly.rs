//! Fuzzes [`dchat_fuzz::reassembly`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(reassembly);
