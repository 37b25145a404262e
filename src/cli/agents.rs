//! What a person sees of the server for agents.

use super::McpCommand;
use super::print::Printer;
use crate::fault::{Result, shown_lines};
use crate::report::to_json;

/// Runs a command of `tieout mcp`.
pub(super) fn dispatch(command: &McpCommand, printer: &mut Printer) -> Result<u8> {
    match command {
        McpCommand::Serve(serve) => {
            serve.run(&mut |listening| {
                let at = |address: Option<std::net::SocketAddr>| {
                    address.map(|at| format!(" at {at}")).unwrap_or_default()
                };
                printer.line(&format!("serving {}{}", listening.url, at(listening.address)));
                if listening.admin.is_some() {
                    printer.line(&format!("healthz, readyz and metrics{}", at(listening.admin)));
                }
            })?;
            Ok(0)
        }
        McpCommand::Doctor(doctor) => {
            let examination = doctor.run();
            if doctor.json {
                printer.line(&to_json(&examination)?);
            } else {
                printer.line(&format!("tieout {}, mcp doctor", examination.tieout));
                if let Some(endpoint) = &examination.endpoint {
                    printer.line(endpoint);
                }
                printer.checks(&examination.checks);
                printer.line(&examination.summary());
            }
            Ok(examination.exit_code())
        }
        McpCommand::Login(login) => {
            let logged_in = login.run(&mut |address| {
                printer.ask(&format!("open this address in a browser of this machine:\n  {address}"))
            })?;
            if login.json {
                printer.line(&to_json(&logged_in)?);
            } else {
                let ends =
                    logged_in.expires_in.map(|seconds| format!(", for {seconds} s")).unwrap_or_default();
                printer.line(&format!(
                    "signed in at {} as a person of the client {}{ends}",
                    logged_in.issuer, logged_in.client_id
                ));
                printer.line(&format!("scopes: {}", shown_lines(&logged_in.scope)));
                printer.line(&format!(
                    "{} lists {} tools: {}",
                    logged_in.endpoint,
                    logged_in.tools.len(),
                    logged_in.tools.join(", ")
                ));
            }
            Ok(0)
        }
        McpCommand::ClientConfig(sheet) => {
            let made = sheet.run()?;
            let text = if sheet.json { to_json(&made)? } else { made.text()? };
            printer.line(&text);
            Ok(0)
        }
    }
}
