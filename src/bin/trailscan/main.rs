//! `trailscan`: what trailwarden finds, in CloudTrail log files on disk.

mod inputs;
mod report;
mod scan;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use trailwarden::detect::Detector;
use trailwarden::rules::{Rules, RulesError};
use trailwarden::trail::EventSources;

/// Finds disabled event source mappings and denied calls in CloudTrail log files.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Scan log files; findings go to standard output, progress and summary to standard error
    Scan(ScanArgs),
    /// Work with rules
    #[command(subcommand)]
    Rules(RulesCommand),
}

#[derive(Debug, Args)]
struct ScanArgs {
    /// Log files, folders that hold *.json and *.json.gz, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is printed: a table, one JSON object a line for each finding, or the text of the alerts
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Watch rules and suppressions
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Services to look at besides AWS Lambda, comma-separated, or * for all
    #[arg(long, value_name = "SOURCES", default_value = "lambda.amazonaws.com")]
    event_sources: EventSources,
    /// Also find event source mappings that users disabled, deleted or enabled
    #[arg(long)]
    esm_changes: bool,
    /// Also find calls with expired or invalid credentials
    #[arg(long)]
    authentication_failures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Jsonl,
    Text,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Check a file of rules, and tell all that is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => run_scan(args),
        Command::Rules(RulesCommand::Check { file }) => check_rules(&file),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("trailscan: {error}");
        ExitCode::FAILURE
    })
}

fn run_scan(args: ScanArgs) -> Result<ExitCode, Failure> {
    let rules = args.rules.as_deref().map_or(Ok(Rules::default()), read_rules)?;
    let detector = Detector {
        event_sources: args.event_sources,
        esm_changes: args.esm_changes,
        authentication_failures: args.authentication_failures,
    };
    let inputs = inputs::collect(&args.paths);
    let mut report = report::Report::new(args.format);
    let written = scan::run(&inputs, &detector, &rules, |scanned| report.take(scanned));
    match written.and_then(|elapsed| report.finish(&inputs, elapsed)) {
        Ok(()) if report.complete() => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        // Whoever reads has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

fn check_rules(file: &std::path::Path) -> Result<ExitCode, Failure> {
    let rules = read_rules(file)?;
    let line = format!("{}: {} watch, {} suppress", file.display(), rules.watch.len(), rules.suppress.len());
    writeln!(std::io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

fn read_rules(file: &std::path::Path) -> Result<Rules, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| Failure::File { file: file.to_owned(), source })?;
    Rules::parse(&text).map_err(|source| Failure::Rules { file: file.to_owned(), source })
}

/// Why `trailscan` ends without doing what it was asked for.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{}: {}", file.display(), problems(source))]
    Rules { file: PathBuf, source: RulesError },
    #[error("output: {0}")]
    Output(#[from] std::io::Error),
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("rules are wrong".to_owned(), |text, line| text + &line)
}
