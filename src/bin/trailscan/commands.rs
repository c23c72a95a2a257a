//! The commands.

mod rules;
mod scan;
mod scanning;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::arguments::{Command, RulesCommand};
use crate::failure::Failure;
use crate::{explain, manual};

/// Runs a command. Returns the exit code.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Scan(args) => scan::run(*args),
        Command::Explain { words } => print(explain::text(&words)?.as_bytes()),
        Command::Rules(RulesCommand::Check { file }) => print(rules::checked(&file)?.as_bytes()),
        Command::Rules(RulesCommand::Test(args)) => rules::test(args),
        Command::Completions { shell } => print(&manual::completions(shell)),
        Command::Man { directory } => write_manual(directory.as_deref()),
    }
}

fn write_manual(directory: Option<&Path>) -> Result<ExitCode, Failure> {
    let Some(directory) = directory else { return print(&manual::page()?) };
    manual::write_pages(directory).map_err(|source| Failure::File { file: directory.to_owned(), source })?;
    Ok(ExitCode::SUCCESS)
}

fn print(output: &[u8]) -> Result<ExitCode, Failure> {
    io::stdout().write_all(output)?;
    io::stdout().flush()?;
    Ok(ExitCode::SUCCESS)
}
