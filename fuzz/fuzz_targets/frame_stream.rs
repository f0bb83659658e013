//! Fuzzes [`dchat_fuzz::frame_stream`].
#![cfg_attr(fuzzing, no_main)]

dchat_fuzz::target!(frame_stream);
