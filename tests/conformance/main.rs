//! The official conformance suite's other end: the tools, resources and prompts that its scenarios call, behind the same door,
//! front and gate as tieout's own, so that what the suite says of the protocol is said of the server that is shipped.
//!
//!     cargo test --test conformance -- TIEOUT.TOML
//!
//! `.ci/mcp/run` builds and starts it. It is a test target without tests, so that nothing of it is in the program.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "says where it listens, or why it does not")]

mod asks;
mod fixture;
mod lists;
mod rounds;

use std::path::PathBuf;
use std::process::ExitCode;

use tieout::fault::Result;
use tieout::serve::{Server, Settings};

fn main() -> ExitCode {
    let Some(config) = std::env::args_os().nth(1) else {
        eprintln!("usage: conformance TIEOUT.TOML");
        return ExitCode::from(2);
    };
    match serve(config.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// The fixture's tools on the server as it is shipped.
fn serve(config: PathBuf) -> Result<()> {
    let server = Server::new(Settings::load(&config)?, config)?;
    server.http_of(fixture::Fixture::new(), false, &mut |listening| {
        if let Some(address) = listening.address {
            println!("{address}");
        }
    })
}
