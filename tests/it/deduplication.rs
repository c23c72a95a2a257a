//! Which alerts are published once, repeatedly or not at all.

mod leases;
mod ledger_outages;
mod summaries;
mod thresholds;
