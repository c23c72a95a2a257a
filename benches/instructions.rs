//! Reads a fixed input so that its instructions can be counted: `instructions SHARE TIMES`.

#![allow(
    missing_docs,
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a benchmark that uses only some of the shared code"
)]

mod contenders;
mod inputs;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let [share, times] = arguments.as_slice() else { return };
    let times: usize = times.parse().expect("a number");
    let input = inputs::generated(share, 20);
    for _ in 0..times {
        println!("{} findings of {} bytes", contenders::pipeline(&input), input.inflated);
    }
}
