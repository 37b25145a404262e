//! Whether the platform may be asked once more: the rooms below ask before each call, whoever calls them decides.

use crate::fault::Result;

/// Whoever decides.
pub trait Allowance: Send + Sync {
    /// Takes one call of those that are left.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Busy`] where none is left, saying when there will be.
    fn take(&self) -> Result<()>;
}

/// Nobody counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Allowance for Unlimited {
    fn take(&self) -> Result<()> {
        Ok(())
    }
}
