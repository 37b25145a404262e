//! `[[serve.policy]]`: what a subject may see.

use serde::Deserialize;

/// One entry: for whom, and what he may see by it. Somebody for whom several are sees what any of them lets him.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Groups of the token, one of which it must have.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Or subjects, by `sub` or by `client_id`.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// The tools that he may call; `*` is all of them.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The vendors whose lines he sees; all where not given.
    pub vendors: Option<Vec<String>>,
    /// The accounts (deals) whose lines he sees; all where not given.
    pub accounts: Option<Vec<String>>,
    /// The periods whose lines he sees, as `--period` takes them; all where not given.
    pub periods: Option<Vec<String>>,
    /// The largest amount of a line that he sees, as a decimal; all where not given.
    pub most_amount: Option<String>,
}
