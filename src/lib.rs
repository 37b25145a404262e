//! tieout: does what the vendors billed tie out to what the settlement
//! platform recorded, and where it does not, exactly why, to the cent?
//!
//! Invoice files and the platform's answers become rows ([`intake`]), rows
//! become entries or rejects ([`normalise`]), entries of both sides become
//! groups ([`matching`]), groups get a verdict ([`judge`]), and the outcome is
//! written ([`report`]). One direction; each station owns the type that it
//! hands on. [`operations`] strings the stations together, once for every
//! command and tool; `tests/it/layers.rs` holds who may import whom.

pub mod allowance;
pub mod cli;
pub mod config;
pub mod digest;
pub mod examination;
pub mod fault;
pub mod intake;
pub mod judge;
pub mod matching;
pub mod money;
pub mod normalise;
pub mod operations;
pub mod period;
pub mod platform;
pub mod progress;
pub mod report;
pub mod secret;
pub mod serve;
pub mod sieve;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod spill;
