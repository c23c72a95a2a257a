//! A Lambda API in memory.

/// Event source mappings and functions.
#[derive(Debug, Default)]
pub(crate) struct MemoryApi {}
