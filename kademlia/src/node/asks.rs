//! What the upkeep wants to ask, in order, until there is a turn for it.

use std::collections::VecDeque;

use crate::contact::Contact;
use crate::key::Key;

use super::calls::Purpose;

/// Questions of the upkeep under way or waiting at once.
pub const UPKEEP: usize = 24;
/// Newcomers that wait to be verified.
pub const HEARD: usize = 48;

/// Somebody to be verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer<H> {
    pub(super) contact: Contact<H>,
    /// Whether a connection was there lately, so that a ping is cheap.
    pub(super) is_warm: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Asks<H> {
    /// To be asked now.
    pub(super) ready: VecDeque<(Contact<H>, Purpose, Key)>,
    /// To be verified as the budget allows.
    pub(super) heard: VecDeque<Newcomer<H>>,
}

impl<H> Default for Asks<H> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            heard: VecDeque::new(),
        }
    }
}

impl<H: Copy> Asks<H> {
    /// Adds a newcomer; false when it waits already or there is no room. Whoever is warm goes first,
    /// and takes the place of one that is not.
    pub(super) fn hear(&mut self, contact: Contact<H>, is_warm: bool) -> bool {
        let is_there = self
            .heard
            .iter()
            .any(|other| other.contact.at == contact.at);
        if is_there {
            return false;
        }
        if self.heard.len() >= HEARD {
            let is_cold = self.heard.back().is_some_and(|last| !last.is_warm);
            if !is_warm || !is_cold {
                return false;
            }
            self.heard.pop_back();
        }
        let newcomer = Newcomer { contact, is_warm };
        if is_warm {
            self.heard.push_front(newcomer);
        } else {
            self.heard.push_back(newcomer);
        }
        true
    }

    /// Takes the next question that is ready; frees the memory after the last.
    pub(super) fn next(&mut self) -> Option<(Contact<H>, Purpose, Key)> {
        let next = self.ready.pop_front();
        if next.is_none() && self.ready.capacity() > 0 {
            self.ready = VecDeque::new();
        }
        next
    }
}
