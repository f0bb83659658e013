//! Fuzzes [`dchat_fuzz::round_trip`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(round_trip);
