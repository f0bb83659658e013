//! Fuzzes [`dchat_fuzz::gossip_nodes`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(gossip_nodes);
