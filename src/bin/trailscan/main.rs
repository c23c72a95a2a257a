//! `trailscan`, the command-line tool: searches log files for what trailwarden alerts on.

mod arguments;
mod commands;
mod diagnostics;
mod examples;
mod explain;
mod failure;
mod manual;
mod output;
mod report;
mod rules_test;
mod scan;
mod search;
mod selection;
mod sources;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::Cli;
use failure::Failure;

fn main() -> ExitCode {
    match commands::run(Cli::parse().command) {
        Ok(code) => code,
        // The reader closed the pipe, as `head` does.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::print(error);
            ExitCode::FAILURE
        }
    }
}
