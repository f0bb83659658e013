//! What the own NATs do, found out in at most 2 s and 40 datagrams.

mod event;
mod report;

pub use event::{Config, FRESH, Input, Output, SERVERS, Server, ServerKind, Setup, Socket};
pub use report::{FamilyReport, Fault, FaultKind, Lacking, Report, ServerReport};
