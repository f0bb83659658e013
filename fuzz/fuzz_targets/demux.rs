//! Fuzzes [`dchat_fuzz::demux`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(demux);
