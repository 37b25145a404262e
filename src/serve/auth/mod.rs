//! Who calls, and what he may see: tokens checked against the issuer's keys, scopes, and grants.
//!
//! A token becomes a [`Principal`] by a [`Verifier`] and in no other way; what fails is a [`Refusal`], whose reason is
//! a word that the audit log keeps. [`Scopes`] says what a tool needs of a token, a [`Policy`] what of the answers its
//! bearer sees ([`Entitlement`]). [`Challenge`] and [`Metadata`] tell a client how to come by the right token.

mod cache;
mod challenge;
mod claims;
mod grant;
mod issuer;
mod jwks;
mod keys;
mod metadata;
mod principal;
mod refusal;
mod scopes;
mod settings;
mod token;

pub use self::challenge::Challenge;
pub use self::grant::{Entitlement, Grant, Policy};
pub use self::metadata::Metadata;
pub use self::principal::Principal;
pub use self::refusal::{Known, Refusal, bearer};
pub use self::scopes::Scopes;
pub(in crate::serve) use self::settings::is_loopback;
pub use self::settings::{AuthSettings, Provider, Rules};
pub use self::token::Verifier;
