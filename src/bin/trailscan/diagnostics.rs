//! Messages on standard error.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

use trailwarden::alert::sanitize;

/// Prints a message on standard error, without hidden characters. A message that cannot be printed is lost, and the
/// program continues.
pub(crate) fn print(message: impl Display) {
    let message = message.to_string();
    let lines: Vec<_> = message.lines().map(sanitize::visible).collect();
    let _ = writeln!(io::stderr(), "trailscan: {}", lines.join("\n"));
}

/// A path or an argument in a message. Control characters, which a terminal would interpret, are replaced.
pub(crate) fn shown(text: impl AsRef<OsStr>) -> String {
    text.as_ref().to_string_lossy().replace(char::is_control, "\u{fffd}")
}

/// The text of an I/O error, without the error number that the standard library appends: `no such file or directory`.
pub(crate) fn io_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match error.raw_os_error() {
        Some(code) => text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text),
        None => &text,
    };
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_no_number() {
        for (error, text) in [
            (io::Error::from_raw_os_error(2), "no such file or directory"),
            (io::Error::from_raw_os_error(13), "permission denied"),
            (io::Error::from_raw_os_error(28), "no space left on device"),
            (io::Error::other("Some text (os error 7)"), "some text (os error 7)"),
        ] {
            assert_eq!(io_error(&error), text);
        }
    }
}
