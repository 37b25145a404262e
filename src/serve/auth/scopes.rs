//! `[serve.scopes]`: what a tool needs of a token.

use std::collections::{BTreeMap, BTreeSet};

use super::{Principal, Refusal};
use crate::fault::{self, Fault, Kind, Result};

/// For each tool that is offered, the scopes that it needs, all of them.
#[derive(Clone, Debug)]
pub struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// The table of the tools that are `offered`, out of those that are `known`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where an offered tool has no entry, an entry is for no tool, or something is not a scope.
    pub fn new(table: &BTreeMap<String, Vec<String>>, known: &[&str], offered: &[&str]) -> Result<Self> {
        let fault = |what: &str, tool: &str| {
            Fault::new(Kind::Configuration, what).at(format!("[serve.scopes] {tool}"))
        };
        for (tool, scopes) in table {
            if !known.contains(&tool.as_str()) {
                return Err(unknown(fault("there is no such tool", tool), tool, known));
            }
            if scopes.is_empty() {
                return Err(fault("a tool that needs no scope is open to every token of the issuer", tool)
                    .expected("the scopes that a token needs for it, all of them: [\"tieout/read\"]"));
            }
            if let Some(wrong) = scopes.iter().find(|scope| !is_scope(scope)) {
                return Err(fault("this is not a scope", tool).value(wrong).expected(
                    "one scope in each text, of visible ASCII without quotes and backslashes (RFC 6749 §3.3)",
                ));
            }
        }
        let entry = |tool: &&str| match table.get(*tool) {
            Some(scopes) => Ok(((*tool).to_owned(), scopes.iter().cloned().collect())),
            None => Err(fault("this tool is offered, and nothing says which scopes it needs", tool)
                .next(format!("write {tool} = [\"…\"] into [serve.scopes]"))),
        };
        offered.iter().map(entry).collect::<Result<_>>().map(Self)
    }

    /// What `tool` needs; none where it is not offered.
    #[must_use]
    pub fn of(&self, tool: &str) -> Option<&BTreeSet<String>> {
        self.0.get(tool)
    }

    /// Whether the token of `principal` is good for `tool`.
    ///
    /// # Errors
    /// [`Refusal`] with all scopes that the tool needs. A tool that is not offered is refused as well, but who calls it
    /// is told that there is none, which is not this table's to say.
    pub fn check(&self, tool: &str, principal: &Principal) -> Result<(), Refusal> {
        match self.of(tool) {
            _ if principal.is_local() => Ok(()),
            Some(needed) if needed.is_subset(principal.scopes()) => Ok(()),
            needed => Err(Refusal::scope(needed.cloned().unwrap_or_default(), principal)),
        }
    }

    /// Whether the token of `principal` is good for anything here: for what is no tool, such as the lists.
    ///
    /// # Errors
    /// [`Refusal`] with the scopes to begin with.
    pub fn check_any(&self, principal: &Principal) -> Result<(), Refusal> {
        let is_enough = |needed: &BTreeSet<String>| needed.is_subset(principal.scopes());
        if principal.is_local() || self.0.values().any(is_enough) {
            return Ok(());
        }
        Err(Refusal::scope(self.least(), principal))
    }

    /// The scopes to begin with: those of the tool that needs the fewest.
    #[must_use]
    pub fn least(&self) -> BTreeSet<String> {
        self.0.values().min_by_key(|scopes| scopes.len()).cloned().unwrap_or_default()
    }

    /// Every scope that some tool needs.
    #[must_use]
    pub fn all(&self) -> BTreeSet<String> {
        self.0.values().flatten().cloned().collect()
    }
}

/// `fault` about a tool that there is not, with the nearest that there is.
pub(super) fn unknown(fault: Fault, tool: &str, known: &[&str]) -> Fault {
    let fault = fault.value(tool).expected(format!("one of {}", known.join(", ")));
    match fault::nearest(tool, known.iter().copied()) {
        Some(near) => fault.next(format!("did you mean {near}?")),
        None => fault,
    }
}

/// RFC 6749 §3.3: `scope-token`.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::serve::auth::principal::Parts;

    const KNOWN: [&str; 3] = ["explain_discrepancy", "list_discrepancies", "reconcile"];

    fn scopes(entries: &[(&str, &[&str])], offered: &[&str]) -> Result<Scopes, String> {
        let texts = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let table = entries.iter().map(|(tool, scopes)| ((*tool).to_owned(), texts(scopes))).collect();
        Scopes::new(&table, &KNOWN, offered).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_tool_without_an_entry_does_not_start_and_an_entry_without_a_tool_names_the_nearest() {
        let read: (&str, &[&str]) = ("list_discrepancies", &["t/read"]);
        let missing = scopes(&[read], &["list_discrepancies", "reconcile"]).unwrap_err();
        assert!(missing.starts_with("[serve.scopes] reconcile: this tool is offered"), "{missing}");
        // An entry for a tool that is not offered, since it writes, is no mistake.
        assert!(scopes(&[read, ("reconcile", &["t/run"])], &["list_discrepancies"]).is_ok());
        let unknown = scopes(&[("list_discrepancy", &["t/read"])], &[]).unwrap_err();
        assert!(unknown.ends_with("next: did you mean list_discrepancies?"), "{unknown}");
        for wrong in ["", "t/read t/run", "t\"", "t\\", "t\u{e9}"] {
            assert!(scopes(&[("reconcile", &[wrong])], &["reconcile"]).is_err(), "{wrong}");
        }
        assert!(scopes(&[("reconcile", &[])], &["reconcile"]).is_err());
    }

    #[test]
    fn all_scopes_of_a_tool_are_needed_and_all_are_named() {
        let table: [(&str, &[&str]); 2] =
            [("list_discrepancies", &["t/read"]), ("reconcile", &["t/run", "t/read"])];
        let scopes = scopes(&table, &["list_discrepancies", "reconcile"]).unwrap();
        let bearer =
            |scope: &str| Principal::new(Parts { scopes: [scope.to_owned()].into(), ..Parts::default() });
        assert_eq!(scopes.check("list_discrepancies", &bearer("t/read")), Ok(()));
        let refusal = scopes.check("reconcile", &bearer("t/read")).unwrap_err();
        assert_eq!((refusal.status, refusal.error), (403, Some("insufficient_scope")));
        assert_eq!(refusal.scopes.iter().collect::<Vec<_>>(), ["t/read", "t/run"]);
        assert!(scopes.check("explain_discrepancy", &bearer("t/read")).is_err());
        assert_eq!(scopes.check_any(&bearer("t/read")), Ok(()));
        let refusal = scopes.check_any(&bearer("t/run")).unwrap_err();
        assert_eq!(refusal.scopes.iter().collect::<Vec<_>>(), ["t/read"]);
        assert_eq!(scopes.check("reconcile", &Principal::local()), Ok(()));
        assert_eq!(scopes.all().len(), 2);
    }
}
