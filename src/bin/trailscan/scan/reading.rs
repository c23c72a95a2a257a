//! Counts what a scan reads, and reports problems.

use trailwarden::alert::sanitize;

use crate::diagnostics;
use crate::scan::examine::Ended;

/// Number of objects whose problems are printed and kept. All are counted.
const MAX_DAMAGED: usize = 100;

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Number of objects that were read to their end.
    pub(crate) objects: u64,
    pub(crate) records: u64,
    pub(crate) inflated_bytes: u64,
    /// Number of objects and records that could not be read.
    pub(crate) problems: u64,
    /// The first objects with problems.
    pub(crate) damaged: Vec<Damaged>,
    /// The last object that was read to its end, as were all before it.
    pub(crate) last: Option<String>,
    /// The scan was stopped before the end of an object. Other workers may have read later objects.
    pub(crate) is_stopped: bool,
}

/// An object with problems.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) name: String,
    /// The first problems.
    pub(crate) problems: Vec<String>,
    /// The number of all problems.
    pub(crate) count: u64,
}

impl Reading {
    /// Counts an object that was read, and prints its problems.
    pub(crate) fn end(&mut self, ended: Ended) {
        self.objects += 1;
        self.records += ended.records;
        self.inflated_bytes += ended.inflated_bytes;
        self.last = Some(ended.name.clone());
        if ended.problem_count > 0 {
            self.add(Damaged { name: ended.name, problems: ended.problems, count: ended.problem_count });
        }
    }

    /// Counts an object that cannot be opened, and prints why.
    pub(crate) fn unreadable(&mut self, name: String, problem: String) {
        self.add(Damaged { name, problems: vec![problem], count: 1 });
    }

    fn add(&mut self, damaged: Damaged) {
        self.problems += damaged.count;
        if self.damaged.len() >= MAX_DAMAGED {
            return;
        }
        let Damaged { name, problems, count } = &damaged;
        // A name may contain a line break.
        let name = sanitize::visible(name);
        for problem in problems {
            diagnostics::print(format_args!("{name}: {}", sanitize::visible(problem)));
        }
        let unlisted = count - problems.len() as u64;
        if unlisted > 0 {
            diagnostics::print(format_args!("{name}: and {unlisted} more problems"));
        }
        self.damaged.push(damaged);
        if self.damaged.len() == MAX_DAMAGED {
            diagnostics::print("the problems of further objects are counted but not printed");
        }
    }
}
