//! Why a token is not accepted.

use axum::http::StatusCode;

/// Why a request is refused: a word for the audit log, and what the client is told (RFC 6750 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word that stays the same from version to version.
    pub reason: &'static str,
    /// The status of HTTP.
    pub status: StatusCode,
    /// The error code, where the request had a token at all.
    pub error: Option<&'static str>,
    /// For whoever debugs a client; nothing that helps to forge.
    pub description: &'static str,
}

impl Refusal {
    /// There is no token.
    #[must_use]
    pub const fn no_token() -> Self {
        Self { reason: "no-token", status: StatusCode::UNAUTHORIZED, error: None, description: "" }
    }

    /// The token, or the head that it stands in, is none.
    #[must_use]
    pub const fn malformed() -> Self {
        Self::invalid("malformed", "this is no token that this server reads")
    }

    /// The token is one, and not good.
    pub(super) const fn invalid(reason: &'static str, description: &'static str) -> Self {
        Self { reason, status: StatusCode::UNAUTHORIZED, error: Some("invalid_token"), description }
    }

    /// It cannot be told, since the issuer's keys are not to be had.
    pub(super) const fn unavailable() -> Self {
        Self {
            reason: "issuer-unavailable",
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: None,
            description: "the issuer's keys are not to be had",
        }
    }
}
