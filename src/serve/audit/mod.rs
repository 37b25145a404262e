//! The audit log: one line of JSON for each call, allowed or denied, each with the hash of the one before. A call whose line
//! cannot be written is not answered.

mod chain;
mod line;
mod sink;
mod verify;

pub use self::line::{Line, digest_of};
pub use self::sink::{AuditSettings, Sink};
pub use self::verify::{Verified, Verify};
