//! `trailscan rules`.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use trailwarden::rules::Rules;

use super::scanning::{Inputs, exit_code, scan};
use crate::arguments::RulesTestArgs;
use crate::failure::Failure;
use crate::output::summary;
use crate::rules_test::{Matches, RulesTest};
use crate::scan::examine::{Event, Update};
use crate::scan::reading::Reading;
use crate::sources::{Narrowing, Profile, Sources};

/// Checks a rules file.
pub(super) fn checked(file: &Path) -> Result<String, Failure> {
    let rules = read(file)?;
    let (watch, suppress) = (rules.watch.rules().len(), rules.suppress.len());
    Ok(format!("{}: valid; watch rules: {watch}, suppressions: {suppress}\n", file.display()))
}

/// Applies a rules file to log files.
pub(super) fn test(args: RulesTestArgs) -> Result<ExitCode, Failure> {
    let test = RulesTest::new(read(&args.rules)?, args.event_sources);
    let mut matches = Matches::default();
    let mut reading = Reading::default();
    let take = |event| {
        match event {
            Event::Idle => {}
            Event::Update(_) if reading.is_stopped => {}
            Event::Update(Update::Found(found)) => matches.extend(found),
            Event::Update(Update::End(found, ended)) => {
                matches.extend(found);
                reading.end(ended);
            }
            Event::Update(Update::Unreadable { name, problem }) => reading.unreadable(name, problem),
            Event::Update(Update::Stopped) => reading.is_stopped = true,
        }
        Ok(())
    };
    let sources = Sources::at(&args.inputs.paths);
    let profile = Profile(args.inputs.profile);
    let inputs = Inputs { sources, narrowing: Narrowing::default(), profile, prints_findings: false };
    let scanned = scan(inputs, &test, take)?;
    io::stdout().write_all(matches.text(&test.rules).as_bytes())?;
    write!(io::stderr(), "{}", summary::of_reading(&reading, matches.findings, scanned.skipped)).ok();
    Ok(exit_code(&scanned, &reading))
}

/// Reads a rules file.
pub(super) fn read(file: &Path) -> Result<Rules, Failure> {
    let bytes = std::fs::read(file).map_err(|source| Failure::File { file: file.to_owned(), source })?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Utf8 { file: file.to_owned(), source: error.utf8_error() })?;
    Rules::parse(&text).map_err(|source| Failure::Rules { file: file.to_owned(), source })
}
