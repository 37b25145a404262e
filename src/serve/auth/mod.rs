//! Who calls, and what he may see: tokens checked against the issuer's keys, scopes, and grants.

mod grant;
mod principal;
mod settings;

pub use self::grant::Grant;
pub use self::principal::Principal;
pub use self::settings::AuthSettings;
