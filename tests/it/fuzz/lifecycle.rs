//! The alerts about a mapping that stops and is enabled again, whatever the order of events and sweeps.

use tokio::runtime::Builder;

use super::Input;
use crate::pipeline::lifecycle::{Event, assert_true_state};
use crate::pipeline::sweep::truth::{Change, STORY, Story, assert_true_story};

pub(super) fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    if input.flag() {
        runtime.block_on(assert_true_story(&story(&mut input)));
    } else {
        runtime.block_on(assert_true_state(&deliveries(&mut input)));
    }
    true
}

/// Up to eight stops and ends, which alternate, with late, repeated and lost events, and up to twelve sweeps.
fn story(input: &mut Input<'_>) -> Story {
    let is_logged = input.flag();
    let mut minute = 0;
    let changes = (0..input.below(9)).map(|n| {
        minute += 1 + u64::from(input.below(29));
        let delivered = (0..input.below(3)).map(|_| minute + u64::from(input.below(60))).collect();
        Change { minute, is_stop: n % 2 == 0, delivered }
    });
    let changes = changes.collect();
    let sweep = |_| (1 + u64::from(input.byte()) % (STORY - 1), input.below(3) == 0);
    let sweeps = (0..12).map(sweep).take_while(|(minute, _)| *minute > 1).collect();
    Story { changes, sweeps, is_logged }
}

/// Events of alternating stops and ends, delivered in any order, some of them repeated or lost.
fn deliveries(input: &mut Input<'_>) -> Vec<Event> {
    let first = input.flag();
    let mut deliveries = Vec::new();
    while !input.is_empty() && deliveries.len() < 12 {
        let minute = u64::from(input.below(8));
        deliveries.push(Event { minute, is_stop: first == (minute % 2 == 0) });
    }
    deliveries
}
