//! Counts what a scan reads, and reports problems.

use crate::diagnostics;
use crate::scan::Ended;

/// Number of objects whose problems are printed. All are counted.
const MAX_WITH_PROBLEMS: u64 = 100;

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Number of objects that were read to their end.
    pub(crate) objects: u64,
    pub(crate) records: u64,
    pub(crate) inflated_bytes: u64,
    /// Number of objects and records that could not be read.
    pub(crate) problems: u64,
    /// Number of objects with problems.
    with_problems: u64,
    /// The last object that was read to its end.
    pub(crate) last: Option<String>,
}

impl Reading {
    /// Counts an object that was read, and prints its problems.
    pub(crate) fn end(&mut self, ended: Ended) {
        self.objects += 1;
        self.records += ended.records;
        self.inflated_bytes += ended.inflated_bytes;
        self.report(&ended.name, &ended.problems, ended.problem_count);
        self.last = Some(ended.name);
    }

    /// Counts an object that cannot be opened, and prints why.
    pub(crate) fn unreadable(&mut self, name: &str, problem: String) {
        self.report(name, &[problem], 1);
    }

    fn report(&mut self, name: &str, problems: &[String], count: u64) {
        self.problems += count;
        self.with_problems += u64::from(count > 0);
        if count == 0 || self.with_problems > MAX_WITH_PROBLEMS {
            return;
        }
        for problem in problems {
            diagnostics::print(format_args!("{name}: {problem}"));
        }
        let unlisted = count - problems.len() as u64;
        if unlisted > 0 {
            diagnostics::print(format_args!("{name}: and {unlisted} more problems"));
        }
        if self.with_problems == MAX_WITH_PROBLEMS {
            diagnostics::print("the problems of further objects are counted but not printed");
        }
    }
}
