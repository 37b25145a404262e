//! `[[serve.policy]]`: who may call which tools, and whose lines he sees.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Deserialize;

use super::Principal;
use crate::fault::{Fault, Kind, Result, nearest};
use crate::money::{DecimalMark, parse};
use crate::operations::{Days, Sight, View};
use crate::period::{Period, Zone};

/// One entry: for whom, and what he may see by it. Somebody for whom several are sees what any of them lets him.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Groups, one of which a token must have.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Or subjects, by `sub` or by client.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// The tools that he may call; `*` is all of them.
    pub tools: Vec<String>,
    /// The vendors whose lines he sees; all where not given.
    pub vendors: Option<Vec<String>>,
    /// The accounts (deals) whose lines he sees; all where not given.
    pub accounts: Option<Vec<String>>,
    /// The periods whose lines he sees, as `--period` takes them, in the zone of the reconciliation; all where not given.
    pub periods: Option<Vec<String>>,
    /// The largest amount of a line that he sees, whatever its sign; all where not given.
    pub most_amount: Option<String>,
}

/// What all entries come to.
#[derive(Clone, Debug, Default)]
pub struct Policy(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    groups: BTreeSet<String>,
    subjects: BTreeSet<String>,
    tools: BTreeSet<String>,
    sight: Sight,
}

impl Policy {
    /// Checks the entries. `known` are all tools that there are; `zone` is that of the periods.
    ///
    /// # Errors
    /// [`Kind::Configuration`] naming the entry and the key.
    pub fn new(grants: &[Grant], known: &[&str], zone: &Zone, now: SystemTime) -> Result<Self> {
        let entries = grants.iter().enumerate();
        entries
            .map(|(index, grant)| Entry::new(index + 1, grant, known, zone, now))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// What `principal` sees by calling `tool`; `None` where he may not call it.
    #[must_use]
    pub fn view(&self, principal: &Principal, tool: &str) -> Option<View> {
        // Without a table, scopes decide alone.
        let owner = principal.subject().to_owned();
        if self.0.is_empty() || principal.is_local() {
            return Some(View { owner, ..View::everything() });
        }
        let fits = |entry: &&Entry| {
            let is_subject = entry.subjects.contains(principal.subject())
                || entry.subjects.contains(principal.client_id());
            (is_subject || !entry.groups.is_disjoint(principal.groups()))
                && (entry.tools.contains("*") || entry.tools.contains(tool))
        };
        let sights: Vec<Sight> = self.0.iter().filter(fits).map(|entry| entry.sight.clone()).collect();
        (!sights.is_empty()).then_some(View { owner, sights })
    }
}

impl Entry {
    fn new(number: usize, grant: &Grant, known: &[&str], zone: &Zone, now: SystemTime) -> Result<Self> {
        let fault = |key: &str, what: &str| {
            Fault::new(Kind::Configuration, what.to_owned()).at(format!("[[serve.policy]] {number}: {key}"))
        };
        if grant.groups.is_empty() && grant.subjects.is_empty() {
            return Err(fault("groups", "nothing says for whom this is").expected("groups or subjects"));
        }
        for tool in &grant.tools {
            if tool != "*" && !known.contains(&tool.as_str()) {
                let fault = fault("tools", "there is no such tool").value(tool);
                return Err(match nearest(tool, known.iter().copied()) {
                    Some(near) => fault.next(format!("did you mean {near}?")),
                    None => fault.expected(known.join(", ")),
                });
            }
        }
        let periods = grant.periods.as_ref().map(|periods| {
            let parse = |text: &String| {
                Period::parse(text, zone, now)
                    .map(|period| Days::of(&period, zone))
                    .map_err(|fault| fault.at(format!("[[serve.policy]] {number}: periods")))
            };
            periods.iter().map(parse).collect::<Result<Vec<_>>>()
        });
        let most_amount = grant.most_amount.as_ref().map(|text| match parse(text, DecimalMark::default()) {
            Ok(parsed) if !parsed.value.is_sign_negative() => Ok(parsed.value),
            _ => Err(fault("most_amount", "this is no amount")
                .value(text)
                .expected("a decimal such as \"1000000.00\"")),
        });
        let set = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.iter().cloned().collect());
        Ok(Self {
            groups: grant.groups.iter().cloned().collect(),
            subjects: grant.subjects.iter().cloned().collect(),
            tools: grant.tools.iter().cloned().collect(),
            sight: Sight {
                vendors: set(&grant.vendors),
                accounts: set(&grant.accounts),
                periods: periods.transpose()?,
                most_amount: most_amount.transpose()?,
            },
        })
    }
}
