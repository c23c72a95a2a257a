//! Errors that end `trailscan`.

use std::io;
use std::path::PathBuf;
use std::str::Utf8Error;

use trailwarden::rules::RulesError;

use crate::diagnostics::io_error;
use crate::explain;

/// An error that ends `trailscan`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}: {}", file.display(), io_error(source))]
    File { file: PathBuf, source: io::Error },
    #[error("{}: invalid UTF-8 at byte {}", file.display(), source.valid_up_to())]
    Utf8 { file: PathBuf, source: Utf8Error },
    #[error("{}: {}", file.display(), problems(source))]
    Rules { file: PathBuf, source: RulesError },
    #[error("cannot handle signals: {}", io_error(_0))]
    Signals(io::Error),
    #[error(transparent)]
    Code(#[from] explain::UnknownCode),
    #[error("cannot write output: {}", io_error(_0))]
    Output(#[from] io::Error),
    #[error("cannot write output: {}; no report was written", io_error(_0))]
    NoReport(io::Error),
    #[error("cannot write the report {}: {}", file.display(), io_error(source))]
    Report { file: PathBuf, source: io::Error },
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("invalid rules".to_owned(), |text, line| text + &line)
}
