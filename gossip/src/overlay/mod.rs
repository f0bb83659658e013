//! Who is whose neighbour: a partial view of the room for each topic (after HyParView, Leitão et al.,
//! DSN 2007).
//!
//! A member keeps links to a few neighbours, at least half of which it chose itself, and a cache of
//! others it could link with. Neighbours that go are replaced from the cache; some names are
//! exchanged now and then; and now and then a link is tried with somebody who is no neighbour, above
//! all with those who went without a word, so that the graph stays mixed and the halves of a split
//! room find each other.

mod link;
mod passive;

pub(crate) use link::{Link, State};
pub(crate) use passive::Passive;
