//! Scans the inputs on all cores, and passes what was found to the output in the order of the inputs.

pub(crate) mod examine;
pub(crate) mod interrupt;
mod outbox;
pub(crate) mod progress;
pub(crate) mod reading;
mod worker;

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::ProgressBar;

use self::examine::{Event, Examine, Update};
use self::worker::Worker;
use crate::sources::Source;

/// Number of inputs per worker that may be started before the oldest one has been taken completely.
const AHEAD: usize = 4;
/// Number of updates of an input that wait to be taken. The worker of the input waits when there are more.
const WAITING: usize = 2;
/// Time without updates after which the output prints what it has.
const IDLE: Duration = Duration::from_millis(20);

/// Scans the sources and passes updates to `take`, in the order of the sources, and [`Event::Idle`] when no
/// update has arrived for a while. Ends early
/// when `stop` is set. The progress is hidden while a problem is printed, and also while findings are taken if
/// `prints_findings`.
pub(crate) fn run<E: Examine>(
    sources: impl Iterator<Item = Source> + Send,
    examiner: &E,
    progress: &ProgressBar,
    prints_findings: bool,
    stop: &AtomicBool,
    mut take: impl FnMut(Event<Update<E::Found>>) -> io::Result<()>,
) -> io::Result<()> {
    let worker = || {
        let mut worker = Worker::new(examiner, progress, stop);
        move |source, updates: &_| worker.scan(source, updates)
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    in_order(sources, workers, stop, worker, |event| match event {
        Event::Idle => take(Event::Idle),
        Event::Update(updates) => updates.into_iter().try_for_each(|update| {
            if prints_findings || update.has_problem() {
                progress.suspend(|| take(Event::Update(update)))
            } else {
                take(Event::Update(update))
            }
        }),
    })
}

/// Processes inputs on `workers` threads, and passes their updates to `take` in the order of the inputs. Each thread
/// uses its own function, which `worker` returns.
///
/// Memory is bounded: at most [`AHEAD`] × `workers` inputs are being processed or have updates that have not been
/// taken, and at most [`WAITING`] updates of each wait. If `take` fails, `stop` is set.
fn in_order<I: Send, U: Send, W: FnMut(I, &SyncSender<U>)>(
    inputs: impl Iterator<Item = I> + Send,
    workers: usize,
    stop: &AtomicBool,
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(Event<U>) -> io::Result<()>,
) -> io::Result<()> {
    // The updates of one more input are being taken.
    let (started, results) = mpsc::sync_channel(AHEAD * workers - 1);
    let queue = Arc::new(Mutex::new(Queue { inputs, started }));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, worker) = (Arc::clone(&queue), &worker);
            scope.spawn(move || {
                let mut process = worker();
                while let Some((input, updates)) = next_job(&queue, stop) {
                    process(input, &updates);
                }
            });
        }
        // The results end when the last worker drops the queue.
        drop(queue);
        let outcome = take_all(&results, &mut take);
        if outcome.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        drop(results);
        outcome
    })
}

/// The inputs that have not been started.
struct Queue<I, U> {
    inputs: I,
    /// Takes the updates of each input that is started.
    started: SyncSender<Receiver<U>>,
}

/// Starts the next input. Waits while too many inputs have been started; `None` if there are no more.
fn next_job<I: Iterator, U>(queue: &Mutex<Queue<I, U>>, stop: &AtomicBool) -> Option<(I::Item, SyncSender<U>)> {
    let mut queue = queue.lock().ok()?;
    let input = queue.inputs.next().filter(|_| !stop.load(Ordering::Relaxed))?;
    let (sender, updates) = mpsc::sync_channel(WAITING);
    queue.started.send(updates).ok()?;
    Some((input, sender))
}

fn take_all<U>(results: &Receiver<Receiver<U>>, take: &mut impl FnMut(Event<U>) -> io::Result<()>) -> io::Result<()> {
    while let Some(updates) = receive(results, take)? {
        while let Some(update) = receive(&updates, take)? {
            take(Event::Update(update))?;
        }
    }
    Ok(())
}

/// Waits for a value; `None` if there are no more.
fn receive<T, U>(receiver: &Receiver<T>, take: &mut impl FnMut(Event<U>) -> io::Result<()>) -> io::Result<Option<T>> {
    match receiver.recv_timeout(IDLE) {
        Ok(value) => Ok(Some(value)),
        Err(RecvTimeoutError::Disconnected) => Ok(None),
        Err(RecvTimeoutError::Timeout) => {
            take(Event::Idle)?;
            Ok(receiver.recv().ok())
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn stopping() -> AtomicBool {
        AtomicBool::new(false)
    }

    #[test]
    fn updates_come_in_the_order_of_the_inputs() {
        for (inputs, workers) in [(0, 1), (1, 1), (100, 1), (100, 7)] {
            let mut taken = Vec::new();
            let take = |event| {
                if let Event::Update(update) = event {
                    taken.push(update);
                }
                Ok(())
            };
            let process = |input: usize, updates: &SyncSender<_>| {
                for part in 0..input % 10 {
                    updates.send((input, part)).expect("taken");
                }
            };
            in_order(0..inputs, workers, &stopping(), || process, take).expect("taken");
            let expected: Vec<_> =
                (0..inputs).flat_map(|input| (0..input % 10).map(move |part| (input, part))).collect();
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn workers_stay_close_to_the_slowest_input() {
        const WORKERS: usize = 3;
        let (started, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let most_ahead = AtomicUsize::new(0);
        let process = |input: usize, updates: &SyncSender<()>| {
            started.fetch_add(1, Ordering::SeqCst);
            most_ahead.fetch_max(input + 1 - taken.load(Ordering::SeqCst), Ordering::SeqCst);
            // The first input waits until the other workers reach the limit, and long enough for them to exceed it.
            while input == 0 && started.load(Ordering::SeqCst) < AHEAD * WORKERS {
                std::thread::yield_now();
            }
            if input == 0 {
                std::thread::sleep(Duration::from_millis(50));
            }
            updates.send(()).expect("taken");
        };
        let take = |event| {
            taken.fetch_add(usize::from(matches!(event, Event::Update(()))), Ordering::SeqCst);
            Ok(())
        };
        in_order(0..1_000, WORKERS, &stopping(), || process, take).expect("taken");
        assert_eq!(taken.load(Ordering::SeqCst), 1_000);
        let most_ahead = most_ahead.load(Ordering::SeqCst);
        // The input that is being taken may have ended.
        assert!((AHEAD * WORKERS..=AHEAD * WORKERS + 1).contains(&most_ahead), "{most_ahead}");
    }

    #[test]
    fn a_worker_waits_until_its_updates_are_taken() {
        let sent = AtomicUsize::new(0);
        let most_waiting = AtomicUsize::new(0);
        let process = |_: usize, updates: &SyncSender<()>| {
            for _ in 0..100 {
                updates.send(()).expect("taken");
                sent.fetch_add(1, Ordering::SeqCst);
            }
        };
        let mut taken = 0;
        let take = |_| {
            std::thread::sleep(Duration::from_micros(100));
            taken += 1;
            most_waiting.fetch_max(sent.load(Ordering::SeqCst).saturating_sub(taken), Ordering::SeqCst);
            Ok(())
        };
        in_order(0..1, 1, &stopping(), || process, take).expect("taken");
        let most_waiting = most_waiting.load(Ordering::SeqCst);
        assert!((1..=WAITING).contains(&most_waiting), "{most_waiting}");
    }

    #[test]
    fn idleness_is_reported_once_when_nothing_arrives() {
        let process = |_, updates: &SyncSender<()>| {
            updates.send(()).ok();
            std::thread::sleep(5 * IDLE);
            updates.send(()).ok();
        };
        let mut events = String::new();
        let take = |event| {
            events.push(if matches!(event, Event::Idle) { 'i' } else { 'u' });
            Ok(())
        };
        in_order(0..1, 1, &stopping(), || process, take).expect("taken");
        assert_eq!(events.trim_start_matches('i'), "uiu");
    }

    #[test]
    fn workers_stop_when_an_update_cannot_be_written() {
        let (started, stop) = (AtomicUsize::new(0), stopping());
        let process = |_, updates: &SyncSender<_>| {
            updates.send(started.fetch_add(1, Ordering::SeqCst)).ok();
        };
        let outcome = in_order(0..1_000, 2, &stop, || process, |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
        assert!(stop.load(Ordering::SeqCst));
        assert!(started.load(Ordering::SeqCst) <= 2 * AHEAD + 1);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_a_worker_does_not_hang_the_others() {
        let process = |input, updates: &SyncSender<()>| {
            assert!(input != 500, "a bug");
            updates.send(()).ok();
        };
        in_order(0..1_000, 2, &stopping(), || process, |_| Ok(())).ok();
    }
}
