//! What tieout can do: one file for each operation, one struct for its
//! parameters, which is the subcommand's arguments and the agent's tool alike.

mod arguments;
mod call;
#[cfg(feature = "simulator")]
mod demo;
mod describe;
mod discrepancies;
mod explain;
mod export;
mod fetch;
mod inspect;
mod platform_doctor;
mod reconcile;
mod reports;
mod settlements;
mod sifted;
#[cfg(feature = "simulator")]
mod simulate;
mod tool;
mod view;

use std::path::PathBuf;
use std::time::SystemTime;

use crate::progress::Progress;

pub use self::call::{Asked, Call};
#[cfg(feature = "simulator")]
pub use self::demo::{Demo, Shown};
pub(crate) use self::describe::answers;
pub use self::describe::{Described, Operations};
pub use self::discrepancies::{Discrepancies, Listing, Which};
pub use self::explain::Explain;
pub use self::export::{Export, Exported};
pub use self::fetch::{Fetch, Pulled};
pub use self::inspect::{Inspect, Inspected};
pub use self::platform_doctor::{Diagnosis, PlatformDoctor};
pub use self::reconcile::{Finding, Reconcile, Reconciled};
pub use self::reports::{ReportFile, ReportPage, Reports};
#[cfg(feature = "simulator")]
pub use self::simulate::Simulate;
pub use self::tool::{Effect, FileArgument, Purpose, Tool};
pub use self::view::{Days, Facts, Keyed, Sight, View};
pub use crate::allowance::{Allowance, Unlimited};
pub use crate::platform::wsdl::Operation;

/// The configuration that is meant where none is named.
#[must_use]
pub fn default_config() -> PathBuf {
    "tieout.toml".into()
}

/// What an operation runs in.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// What relative periods are seen from.
    pub now: SystemTime,
    /// What whoever asks may see.
    pub view: &'a View,
    /// Asked before each call of the platform.
    pub platform_calls: &'a dyn Allowance,
}
