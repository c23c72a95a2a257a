//! Ctrl+C and requests to terminate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::iterator::Signals;

use crate::diagnostics;

/// Exit code of an interrupted scan, as of a program that SIGINT ended: 128 + 2.
pub(crate) const EXIT_CODE: u8 = 130;

/// Creates a flag that a signal sets, so that the scan ends early and prints what it has found. This takes until the next
/// bytes of the input arrive. A second signal ends the program immediately.
pub(crate) fn flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new(TERM_SIGNALS)?;
    let flag = Arc::clone(&stop);
    std::thread::Builder::new().spawn(move || {
        for _ in signals.forever() {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            diagnostics::print("interrupting; press Ctrl+C again to end immediately");
        }
    })?;
    Ok(stop)
}
