//! Fuzzes [`dchat_fuzz::dht_record`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(dht_record);
