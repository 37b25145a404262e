//! Where a request comes from, and what it is called.

use std::net::{IpAddr, Ipv4Addr};

/// Where a request comes from, and what it is called in the log, in the audit and in the answer's head.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The id of the request.
    pub(super) request_id: String,
    /// The trace that it is part of (W3C Trace Context §3.2.2.3), or nothing.
    pub(super) trace_id: String,
    /// The address that is connected.
    pub(super) proxy: IpAddr,
    /// The address that it speaks for, where it is a proxy that may say so; else the same.
    pub(super) client: IpAddr,
}

impl Default for Origin {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { request_id: id(), trace_id: String::new(), proxy: nowhere, client: nowhere }
    }
}

/// A new id of a request.
pub(super) fn id() -> String {
    let mut bytes = [0_u8; 12];
    // An id is for finding lines that belong together; nothing rests on nobody guessing it.
    let _ = getrandom::fill(&mut bytes);
    crate::digest::hexadecimal(&bytes)
}

/// Whether somebody else's id may be ours: short, and nothing that means anything in a log.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The trace of a `traceparent` header (W3C Trace Context §3.2): `00-` trace `-` parent `-` flags.
pub(super) fn trace_id(parent: &str) -> Option<&str> {
    let trace = parent.split('-').nth(1)?;
    let is_trace =
        trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()) && trace.bytes().any(|b| b != b'0');
    is_trace.then_some(trace)
}
