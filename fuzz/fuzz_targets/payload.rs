#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trailwarden_fuzz::run(env!("CARGO_BIN_NAME"), input));
