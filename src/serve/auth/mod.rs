//! Who calls, and what he may see: tokens checked against the issuer's keys, scopes, and grants.
//!
//! A token becomes a [`Principal`] in [`Verifier`] and nowhere else; what lacks something becomes a [`Refusal`] with a word
//! for the audit log. What a principal may do is decided by two tables: [`Scopes`], which his token has, and [`Policy`].

mod challenge;
mod jwks;
mod policy;
mod principal;
mod refusal;
mod scopes;
mod settings;
mod token;

pub(super) use self::challenge::metadata_path;
pub use self::challenge::{Challenge, metadata};
pub use self::policy::{Grant, Policy};
pub use self::principal::Principal;
pub use self::refusal::Refusal;
pub use self::scopes::Scopes;
pub use self::settings::AuthSettings;
pub use self::token::Verifier;
