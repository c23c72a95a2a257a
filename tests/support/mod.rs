//! What the tests share: doubles of the ports, and log objects to read.

#![allow(dead_code, unreachable_pub, reason = "each test takes a part of it")]

pub mod generator;
pub mod memory;
pub mod oracle;
pub mod server;
