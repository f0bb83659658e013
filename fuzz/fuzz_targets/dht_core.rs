//! Fuzzes [`dchat_fuzz::dht_core`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(dht_core);
