//! DChat: direct chat with nobody in between.

pub mod api;
pub mod cli;
pub mod control;
pub mod seam;
pub mod settings;
pub mod text;
pub mod time;
