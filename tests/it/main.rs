//! The one integration binary: cases, layers, help text, platform, simulator, faults.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod intake;
mod platform;
mod simulator;
