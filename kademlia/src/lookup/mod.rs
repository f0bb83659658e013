//! Searches: an iterative [walk](walk) towards a target, and what is done with the nodes it finds.
//!
//! | stage | asks | until |
//! |---|---|---|
//! | walking | the nodes nearest to the target who is nearer | the k nearest answered |
//! | parted | the same on more paths | the paths have closed in as well |
//! | region | around a key crowded with nodes: the branches beside it | all within the radius that k nodes should fill answered |
//! | putting | those nodes to store | all answered |
//!
//! A search parts when its result is implausible: the nodes lie too thin for the size of the
//! network, a get found nothing, or records contradict each other. Where they still lie too thin
//! then, it parts once more, from all of our contacts near the target. A get ends as soon as enough
//! answers in a row brought nothing newer.

mod finds;
mod task;
mod walk;

pub(crate) use task::{Goal, Means, Progress, Reply, Step, Task};
