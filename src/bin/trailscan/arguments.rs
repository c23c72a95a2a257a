//! The command line.

#![allow(clippy::doc_markdown, reason = "the comments of arguments are printed as help")]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use trailwarden::detect::EventSources;

use crate::examples;
use crate::output::Format;
use crate::output::terminal::When;
use crate::selection::Selection;

/// Find disabled event source mappings and denied calls in AWS CloudTrail log files.
#[derive(Debug, Parser)]
#[command(name = "trailscan", version, max_term_width = 100, after_long_help = examples::TRAILSCAN)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search log files and print findings
    ///
    /// Findings are printed to standard output. Progress and a summary are printed to standard error.
    #[command(after_long_help = examples::SCAN)]
    Scan(Box<ScanArgs>),
    /// Explain a code in an alert or a record, and what to do about it
    ///
    /// Without a code, lists all codes.
    #[command(after_long_help = examples::EXPLAIN)]
    Explain {
        /// Alert type, category, policy type or error code
        ///
        /// The reason for which AWS disabled a mapping, and the message of a denied call, are also accepted.
        #[arg(value_name = "CODE")]
        words: Vec<String>,
    },
    /// Work with rules files
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Print a script that completes the command line in a shell
    #[command(after_long_help = examples::COMPLETIONS)]
    Completions { shell: Shell },
    /// Print the man page, or write a man page for each command to a directory
    #[command(after_long_help = examples::MAN)]
    Man {
        /// Directory for the man pages; created if it does not exist
        directory: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// When to colour table output
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(crate) color: When,
    /// Also write a report for web browsers to FILE
    ///
    /// The report is one HTML page, which needs no other file and no network. An existing file is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
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
    /// Show likely causes in table output; always on with --format text and --report
    ///
    /// This examines the records of other services, too, and makes the scan about 15 % slower.
    #[arg(long)]
    pub(crate) causes: bool,
    /// Also report calls with expired or invalid credentials
    #[arg(long)]
    pub(crate) authentication_failures: bool,
    /// Only objects in Amazon S3 after this one, to continue an interrupted scan
    #[arg(long, value_name = "OBJECT", value_parser = object, help_heading = "Amazon S3")]
    pub(crate) start_after: Option<String>,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// Log files, folders, s3://bucket/prefix, or - for standard input
    ///
    /// Folders are searched recursively for *.json and *.json.gz files, and for *.tar, *.tar.gz and *.tgz archives of
    /// them. Digest files are skipped. Objects in Amazon S3 are read with your own credentials.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
    /// Profile of the AWS CLI that provides the credentials for Amazon S3
    #[arg(long, value_name = "NAME", help_heading = "Amazon S3")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RulesTestArgs {
    /// Rules file to test
    pub(crate) rules: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Services to examine in addition to AWS Lambda, separated by commas, or * for all
    #[arg(long, value_name = "SOURCES", default_value = "*")]
    pub(crate) event_sources: EventSources,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a rules file and report every problem in it
    #[command(after_long_help = examples::RULES_CHECK)]
    Check {
        /// Rules file to check
        file: PathBuf,
    },
    /// Apply a rules file to log files and show what each rule matches
    ///
    /// For each watch rule, prints the number of records that it matches, and for each suppression the number of findings that
    /// it suppresses, with an example. Event source mappings that users changed and calls with invalid credentials count as
    /// findings, as with the options --esm-changes and --authentication-failures of scan.
    #[command(after_long_help = examples::RULES_TEST)]
    Test(RulesTestArgs),
}

/// Parses the location of an object in Amazon S3.
fn object(text: &str) -> Result<String, String> {
    match text.strip_prefix("s3://").and_then(|it| it.split_once('/')) {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(text.to_owned()),
        _ => Err("expected s3://bucket/key".to_owned()),
    }
}
