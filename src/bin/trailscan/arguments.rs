//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use trailwarden::detect::EventSources;

use crate::report::Format;
use crate::selection::Selection;

/// Find disabled event source mappings and denied calls in AWS CloudTrail log files.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search log files and print findings
    ///
    /// Findings are printed to standard output. Progress and a summary are printed to standard error.
    Scan(Box<ScanArgs>),
    /// Work with rules files
    #[command(subcommand)]
    Rules(RulesCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Log files or directories to search, or - for standard input
    ///
    /// Directories are searched recursively for *.json and *.json.gz files. Digest files are skipped.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Apply the watch rules and suppressions in FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Services to examine in addition to AWS Lambda, separated by commas, or * for all
    ///
    /// SOURCES are values of the eventSource field in CloudTrail records, such as s3.amazonaws.com.
    #[arg(long, value_name = "SOURCES", default_value = "lambda.amazonaws.com")]
    pub(crate) event_sources: EventSources,
    /// Also report event source mappings that users disabled, deleted or enabled
    #[arg(long)]
    pub(crate) esm_changes: bool,
    /// Also report calls with expired or invalid credentials
    #[arg(long)]
    pub(crate) authentication_failures: bool,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a rules file and report every problem in it
    Check {
        /// Rules file to check
        file: PathBuf,
    },
}
