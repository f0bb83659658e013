//! DChat: direct chat with nobody in between.

pub mod api;
