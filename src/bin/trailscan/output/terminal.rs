//! What the terminal can display.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use comfy_table::Table;

/// When to use colours.
#[allow(clippy::doc_markdown, reason = "the comments are printed as help")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless the environment variable NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How standard output is displayed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Display {
    /// Width of the terminal in columns; `None` if the output goes to a file or a pipe.
    pub(crate) width: Option<u16>,
    /// Colours can be used.
    pub(crate) colours: bool,
}

impl Display {
    /// How standard output is displayed now.
    pub(crate) fn of_stdout(when: When) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let colours = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !is_set("NO_COLOR") && !is_dumb,
        };
        Self { width: Table::new().width().filter(|_| is_terminal), colours }
    }
}
