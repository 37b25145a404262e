//! `[serve.scopes]`: which scopes a token needs for which tool.

use std::collections::{BTreeMap, BTreeSet};

use super::Principal;
use crate::fault::{Fault, Kind, Result, nearest};

/// By tool, the scopes that it needs, all of them.
#[derive(Clone, Debug, Default)]
pub struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// The table, for the tools that are offered; `known` are all that there are.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a tool has no entry or an entry no tool, and where a scope is none (RFC 6749 §3.3).
    pub fn new(table: &BTreeMap<String, Vec<String>>, offered: &[&str], known: &[&str]) -> Result<Self> {
        let fault = |what: &str| Fault::new(Kind::Configuration, what.to_owned()).at("[serve.scopes]");
        for (tool, scopes) in table {
            if !known.contains(&tool.as_str()) {
                let fault = fault("there is no such tool").value(tool);
                return Err(match nearest(tool, known.iter().copied()) {
                    Some(near) => fault.next(format!("did you mean {near}?")),
                    None => fault.expected(known.join(", ")),
                });
            }
            if scopes.is_empty() {
                return Err(fault("a tool that any token may call is not served")
                    .value(tool)
                    .expected("at least one scope"));
            }
            let is_scope = |scope: &String| {
                !scope.is_empty() && scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
            };
            if let Some(wrong) = scopes.iter().find(|scope| !is_scope(scope)) {
                return Err(fault("this is no scope")
                    .value(wrong)
                    .expected("printable characters without space, quote and backslash"));
            }
        }
        if let Some(open) = offered.iter().find(|tool| !table.contains_key(**tool)) {
            return Err(fault("a tool without an entry is not served")
                .value(open)
                .next(format!("write {open} = [\"…\"], with the scopes that a token needs for it")));
        }
        Ok(Self(
            table.iter().map(|(tool, scopes)| (tool.clone(), scopes.iter().cloned().collect())).collect(),
        ))
    }

    /// All scopes that `tool` needs, in one line, where `principal` lacks one of them. Nobody needs any on his own machine.
    #[must_use]
    pub fn missing(&self, principal: &Principal, tool: &str) -> Option<String> {
        let needed = self.0.get(tool).filter(|_| !principal.is_local())?;
        (!needed.is_subset(principal.scopes())).then(|| line(needed))
    }

    /// All scopes that there are, each once.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.0.values().flatten().collect();
        all.into_iter().cloned().collect()
    }
}

fn line(scopes: &BTreeSet<String>) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}
