//! The way to the host: its addresses, and whether they take a connection.

use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::examination::{Checked, Finding};
use crate::fault::{Fault, Kind};
use crate::platform::Platform;

pub(super) fn resolve(platform: &Platform) -> Checked<Vec<SocketAddr>> {
    let host = platform.endpoint.host_str().unwrap_or_default();
    let unknown = || Fault::new(Kind::Platform, format!("the name {host} is not known here"));
    let next = "check the host in [platform] endpoint, and the name service or VPN";
    let addresses =
        platform.endpoint.socket_addrs(|| None).map_err(|error| unknown().because(error).next(next))?;
    if addresses.is_empty() {
        return Err(unknown().value("no address").next(next));
    }
    let mut shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    shown.dedup();
    Ok(Finding::pass(addresses, format!("{host}: {}", shown.join(", "))))
}

/// Connects to the first address that takes a connection; says how all of those before it fared.
pub(super) fn connect(platform: &Platform, addresses: &[SocketAddr]) -> Checked<TcpStream> {
    let mut lines = Vec::new();
    let mut last = None;
    for address in addresses {
        let started = Instant::now();
        match TcpStream::connect_timeout(address, platform.read_timeout) {
            Ok(stream) => {
                // Without limits nothing that follows would ever end where nobody answers.
                let limited = stream
                    .set_read_timeout(Some(platform.read_timeout))
                    .and_then(|()| stream.set_write_timeout(Some(platform.read_timeout)));
                limited.map_err(|error| {
                    Fault::new(Kind::Platform, "the connection cannot be used").at(address).because(error)
                })?;
                lines.push(format!("{address} in {} ms", started.elapsed().as_millis()));
                let is_second = lines.len() > 1;
                let finding = Finding::pass(stream, lines.join("\n"));
                return Ok(if is_second {
                    finding.next("every connection may lose that time: have the dead address removed from the name service, or use the live one")
                } else {
                    finding
                });
            }
            Err(error) => {
                lines.push(format!("{address}: {error} after {} ms", started.elapsed().as_millis()));
                last = Some(error);
            }
        }
    }
    let is_refused = last.as_ref().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    let (what, next) = if is_refused {
        (
            "the host refuses connections",
            "check host and port in [platform] endpoint, and whether the platform is running",
        )
    } else {
        (
            "the host does not take connections",
            "check the network, VPN and firewall, or raise [platform] timeout_seconds",
        )
    };
    // Not by `value`, which is cut to one line.
    Err(Fault::new(Kind::Platform, format!("{what}: {}", lines.join("; "))).next(next))
}
