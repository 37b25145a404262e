//! In: requests of agents, over stdio or HTTP. Out: the answers of `operations`, and one line in the audit log for
//! each call. Never: does what no operation does, answers what its caller may not see, or answers without that line.

pub mod audit;
pub mod auth;
pub mod confirm;
pub mod limits;
pub mod roots;
mod settings;
mod size;
mod tls;

pub use self::settings::Settings;
