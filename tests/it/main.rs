//! The one integration binary: cases, laws, layers, command line, bad input, answers, platform, simulator.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod bad_input;
mod cases;
mod cli;
#[cfg(feature = "simulator")]
mod demo;
mod deploy;
mod docs;
#[cfg(feature = "simulator")]
mod doctor;
mod explain;
mod gas_statement;
mod intake;
mod interop;
mod issuer;
mod large;
mod laws;
mod layers;
mod money;
mod oracle;
mod order;
mod pass_laws;
mod periods;
mod platform;
mod price_laws;
#[cfg(feature = "simulator")]
mod proxy;
mod serve;
mod serve_audit;
mod serve_auth;
mod serve_calls;
mod serve_client;
mod serve_confirm;
mod serve_door;
mod serve_pipe;
mod serve_roots;
mod served;
mod service;
mod simulator;
#[cfg(all(feature = "simulator", target_os = "linux"))]
mod sizes;
mod support;
#[cfg(feature = "simulator")]
mod survive;
mod tools;
mod truth;
mod versions;
