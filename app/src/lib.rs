//! DChat: direct chat with nobody in between.

pub mod api;
pub mod cli;
pub mod control;
pub mod conversation;
pub mod e2ee;
pub mod group;
pub mod home;
pub mod mention;
mod node;
pub mod seam;
pub mod settings;
pub mod store;
pub mod text;
pub mod time;
pub mod vault;

pub use node::Peer;
