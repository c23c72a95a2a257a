//! Which alerts are published once, again, or not at all.

mod leases;
mod ledger_outages;
mod summaries;
mod thresholds;
