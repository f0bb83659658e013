//! DChat: direct chat with nobody in between.

pub mod api;
pub mod seam;
pub mod text;
pub mod time;
