//! Fuzzes [`dchat_fuzz::dht_store`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(dht_store);
