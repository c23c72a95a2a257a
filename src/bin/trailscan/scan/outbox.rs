//! Passes updates from a worker to the output.

use std::sync::mpsc::SyncSender;

use crate::scan::examine::{Examine, Update};

/// Size at which updates are passed on: the number of elements that were found, and of objects.
const FULL: usize = 256;

/// Updates of an input that are passed on together, because waking the output costs as much as scanning a few kilobytes.
pub(crate) struct Outbox<'a, E: Examine> {
    updates: Vec<Update<E::Found>>,
    size: usize,
    sender: &'a SyncSender<Vec<Update<E::Found>>>,
    /// Nobody takes the updates any more.
    pub(crate) is_closed: bool,
}

impl<'a, E: Examine> Outbox<'a, E> {
    pub(crate) fn new(sender: &'a SyncSender<Vec<Update<E::Found>>>) -> Self {
        Self { updates: Vec::new(), size: 0, sender, is_closed: false }
    }

    /// Returns true if this much that was found should be added, so that memory stays bounded.
    pub(crate) fn is_full_with(&self, found: &E::Found) -> bool {
        self.size + E::size(found) >= FULL
    }

    /// Adds an update. Passes the updates on if there are many.
    pub(crate) fn add(&mut self, update: Update<E::Found>) {
        self.size += match &update {
            Update::Found(found) | Update::End(found, _) => 1 + E::size(found),
            Update::Unreadable { .. } | Update::Stopped => 1,
        };
        self.updates.push(update);
        if self.size >= FULL {
            self.pass_on();
        }
    }

    /// Passes on the updates. Waits while too many have not been taken.
    pub(crate) fn pass_on(&mut self) {
        if !self.updates.is_empty() {
            self.size = 0;
            self.is_closed |= self.sender.send(std::mem::take(&mut self.updates)).is_err();
        }
    }
}
