//! Who calls, once his token has been checked.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Who calls. Only a verified token makes one, or the local user of a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Parts>);

/// What a token says of its bearer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) subject: String,
    pub(super) client_id: String,
    pub(super) token_id: String,
    pub(super) username: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    pub(super) is_local: bool,
}

impl Principal {
    /// The bearer of a token that holds.
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Whoever started the server, over stdio: what he may do is decided by the operating system.
    #[must_use]
    pub fn local() -> Self {
        Self::new(Parts { subject: "local".to_owned(), is_local: true, ..Parts::default() })
    }

    /// The user, or the client that acts for itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The client that he uses.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The id of the token; empty where it has none.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.0.token_id
    }

    /// The name that he signs in by; empty where the token does not say.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.0.username
    }

    /// What the token may be used for.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.0.scopes
    }

    /// The groups that the issuer says he belongs to.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.0.groups
    }

    /// Whether there is no token, since the server is a pipe of his.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.is_local
    }
}
