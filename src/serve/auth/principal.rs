//! Who calls, once his token has been checked.

use std::collections::BTreeSet;

/// Who calls. Only a verified token makes one, or the local user of a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    subject: String,
    client_id: String,
    token_id: String,
    scopes: BTreeSet<String>,
    groups: BTreeSet<String>,
    is_local: bool,
}

impl Principal {
    /// Whoever started the server, over stdio: what he may do is decided by the operating system.
    #[must_use]
    pub fn local() -> Self {
        let nothing = BTreeSet::new;
        Self {
            subject: "local".to_owned(),
            client_id: String::new(),
            token_id: String::new(),
            scopes: nothing(),
            groups: nothing(),
            is_local: true,
        }
    }

    /// Whom a token names that has been verified.
    pub(super) const fn verified(
        subject: String,
        client_id: String,
        token_id: String,
        scopes: BTreeSet<String>,
        groups: BTreeSet<String>,
    ) -> Self {
        Self { subject, client_id, token_id, scopes, groups, is_local: false }
    }

    /// The user, or the client that acts for itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The client that he uses.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The id of the token.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// What the token may be used for.
    #[must_use]
    pub const fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }

    /// The groups that the issuer says he belongs to.
    #[must_use]
    pub const fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Whether there is no token, since the server is a pipe of his.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.is_local
    }
}
