//! Fuzzes [`dchat_fuzz::gossip_sketch`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(gossip_sketch);
