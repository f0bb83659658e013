//! DChat: direct chat with nobody in between.

pub mod api;
pub mod home;
pub mod store;
pub mod vault;
