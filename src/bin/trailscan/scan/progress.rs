//! The progress of a scan.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the rate is updated while no bytes arrive.
const TICK: Duration = Duration::from_millis(200);

/// Creates the progress bar of a scan of `bytes` bytes; `None` if their number is unknown. It is drawn on standard error,
/// if that is a terminal.
pub(crate) fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {bytes}/{total_bytes} read, {bytes_per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} read, {bytes_per_sec}, {elapsed} elapsed"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bar.with_style(style);
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}
