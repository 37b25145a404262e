//! `[[serve.policy]]`: what a subject may see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use super::{Principal, scopes};
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark};
use crate::operations::{Days, Sight, View};
use crate::period::{Period, Zone};

/// One entry: for whom, and what he may see by it. Somebody for whom several are sees what any of them lets him.
#[derive(Clone, Debug, Default, Deserialize)]
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

/// All entries, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// None at all, and everybody sees everything that his scopes allow.
    entries: Vec<Arc<Entry>>,
    zone: Zone,
}

#[derive(Debug)]
struct Entry {
    groups: Vec<String>,
    subjects: Vec<String>,
    /// None for all of them.
    tools: Option<BTreeSet<String>>,
    vendors: Option<BTreeSet<String>>,
    accounts: Option<BTreeSet<String>>,
    /// As they are written: `last month` is another one each month.
    periods: Option<Vec<String>>,
    most_amount: Option<Decimal>,
}

impl Policy {
    /// The entries of `grants`, about the tools that are `known`; their periods are of `zone`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] with the entry, its key and its value.
    pub fn new(grants: &[Grant], known: &[&str], zone: &Zone, now: SystemTime) -> Result<Self> {
        let entry = |(number, grant)| Entry::new(number, grant, known, zone, now).map(Arc::new);
        let entries = (1..).zip(grants).map(entry).collect::<Result<_>>()?;
        Ok(Self { entries, zone: zone.clone() })
    }
}

impl Entry {
    fn new(number: usize, grant: &Grant, known: &[&str], zone: &Zone, now: SystemTime) -> Result<Self> {
        let place = |key: &str| format!("[[serve.policy]] {number}, {key}");
        let fault = |what: &str, key: &str| Fault::new(Kind::Configuration, what).at(place(key));
        if grant.groups.is_empty() && grant.subjects.is_empty() {
            return Err(fault("this entry is for nobody", "groups")
                .expected("groups = [\"…\"] or subjects = [\"…\"]"));
        }
        if grant.tools.is_empty() {
            return Err(
                fault("this entry allows nothing", "tools").expected("tools = [\"*\"], or names of tools")
            );
        }
        if let Some(tool) = grant.tools.iter().find(|tool| *tool != "*" && !known.contains(&tool.as_str())) {
            return Err(scopes::unknown(fault("there is no such tool", "tools"), tool, known));
        }
        let listed = |key: &str, texts: &Option<Vec<String>>| match texts {
            Some(texts) if texts.is_empty() => Err(fault("this list is empty, so that nothing is seen", key)
                .next("leave the key out for all of them")),
            texts => Ok(texts.clone()),
        };
        let set = |key: &str, texts| Ok(listed(key, texts)?.map(|texts| texts.into_iter().collect()));
        let periods = listed("periods", &grant.periods)?;
        for period in periods.iter().flatten() {
            Period::parse(period, zone, now).map_err(|fault| fault.at(place("periods")))?;
        }
        let most_amount = grant.most_amount.as_deref().map(|text| {
            let parsed = money::parse(text, DecimalMark::Point).ok();
            match parsed.filter(|parsed| parsed.currency.is_none() && !parsed.value.is_sign_negative()) {
                Some(parsed) => Ok(parsed.value),
                None => Err(fault("this is not an amount", "most_amount").value(text).expected(
                    "a decimal in quotes, such as \"1000000\", zero or more; it counts in each line's own currency",
                )),
            }
        });
        Ok(Self {
            groups: grant.groups.clone(),
            subjects: grant.subjects.clone(),
            tools: (!grant.tools.iter().any(|tool| tool == "*"))
                .then(|| grant.tools.iter().cloned().collect()),
            vendors: set("vendors", &grant.vendors)?,
            accounts: set("accounts", &grant.accounts)?,
            periods,
            most_amount: most_amount.transpose()?,
        })
    }

    fn is_for(&self, principal: &Principal) -> bool {
        let is_his = |subject: &String| subject == principal.subject() || subject == principal.client_id();
        self.subjects.iter().any(is_his) || self.groups.iter().any(|group| principal.groups().contains(group))
    }

    fn allows_tool(&self, name: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(name))
    }
}

/// What somebody may see.
#[derive(Clone, Debug)]
pub struct Entitlement {
    owner: String,
    /// The entries that are for him; nothing where there are none. `None` is everything.
    shares: Option<Vec<Share>>,
}

/// An entry, with its periods as they are now.
#[derive(Clone, Debug)]
struct Share {
    entry: Arc<Entry>,
    periods: Option<Vec<Days>>,
}

impl Entitlement {
    /// What `principal` may see at `now`: the union of the entries that are for him.
    #[must_use]
    pub fn of(policy: &Policy, principal: &Principal, now: SystemTime) -> Self {
        let owner = principal.subject().to_owned();
        if principal.is_local() || policy.entries.is_empty() {
            return Self { owner, shares: None };
        }
        // Those of an entry were read when the server started; one that cannot be read now is none.
        let days = |text: &String| {
            Period::parse(text, &policy.zone, now).ok().map(|period| Days::of(&period, &policy.zone))
        };
        let share = |entry: &Arc<Entry>| Share {
            entry: Arc::clone(entry),
            periods: entry.periods.as_ref().map(|periods| periods.iter().filter_map(days).collect()),
        };
        let his = policy.entries.iter().filter(|entry| entry.is_for(principal));
        Self { owner, shares: Some(his.map(share).collect()) }
    }

    /// What he sees by the tool `name`; `None` where he may not call it. An entry for other tools gives nothing to this one.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<View> {
        let owner = self.owner.clone();
        let Some(shares) = &self.shares else { return Some(View { owner, ..View::everything() }) };
        let sight = |Share { entry, periods }: &Share| Sight {
            vendors: entry.vendors.clone(),
            accounts: entry.accounts.clone(),
            periods: periods.clone(),
            most_amount: entry.most_amount,
        };
        let of_tool = shares.iter().filter(|share| share.entry.allows_tool(name));
        let sights: Vec<Sight> = of_tool.map(sight).collect();
        (!sights.is_empty()).then_some(View { owner, sights })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::operations::Facts;
    use crate::serve::auth::principal::Parts;

    const KNOWN: [&str; 3] = ["explain_discrepancy", "list_discrepancies", "reconcile"];

    /// 2026-11-26T00:00:00Z
    const NOW: u64 = 1_795_651_200;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn policy(text: &str) -> Result<Policy, String> {
        #[derive(Deserialize)]
        struct Table {
            #[serde(default)]
            policy: Vec<Grant>,
        }
        let table: Table = toml::from_str(text).unwrap();
        Policy::new(&table.policy, &KNOWN, &Zone::utc(), now()).map_err(|fault| fault.to_string())
    }

    fn somebody(subject: &str, client_id: &str, groups: &[&str]) -> Principal {
        Principal::new(Parts {
            subject: subject.to_owned(),
            client_id: client_id.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Parts::default()
        })
    }

    fn facts(vendor: &'static str, start: &'static str) -> Facts<'static> {
        Facts { vendor, account: "G-1", start, end: "", amount: Some(Decimal::ONE) }
    }

    fn view(policy: &Policy, principal: &Principal, tool: &str) -> Option<View> {
        Entitlement::of(policy, principal, now()).view(tool)
    }

    const DESK: &str = r#"
        [[policy]]
        groups = ["gas-desk"]
        tools = ["list_discrepancies"]
        vendors = ["ALFA GAS"]
        accounts = ["G-1"]
        periods = ["2026-10", "this month"]
        most_amount = "1000.00"
        [[policy]]
        subjects = ["ana", "machine"]
        tools = ["explain_discrepancy"]
        vendors = ["BETA"]
        [[policy]]
        groups = ["audit"]
        tools = ["*"]
    "#;

    #[test]
    fn without_entries_everybody_sees_everything_and_with_some_who_has_none_sees_nothing() {
        let nothing = policy("").unwrap();
        let desk = policy(DESK).unwrap();
        let stranger = somebody("eve", "client", &["power-desk"]);
        let is_everything = |policy: &Policy, principal: &Principal| {
            view(policy, principal, "reconcile").map(|view| view.is_unlimited())
        };
        assert_eq!(is_everything(&nothing, &stranger), Some(true));
        assert_eq!(is_everything(&desk, &stranger), None);
        assert_eq!(is_everything(&desk, &Principal::local()), Some(true));
        assert_eq!(is_everything(&desk, &somebody("", "", &["audit"])), Some(true));
        assert_eq!(is_everything(&desk, &somebody("bo", "client", &["gas-desk"])), None);
    }

    #[test]
    fn several_entries_add_up_but_lend_each_other_nothing() {
        let policy = policy(DESK).unwrap();
        let (alfa, beta) = (facts("ALFA GAS", "2026-10-05"), facts("BETA", "2020-01-01"));
        for somebody in [somebody("ana", "client", &["gas-desk"]), somebody("x", "machine", &["gas-desk"])] {
            let list = view(&policy, &somebody, "list_discrepancies").unwrap();
            assert!(list.sees(&alfa) && !list.sees(&beta), "the other vendor is another tool's");
            assert!(!list.is_unlimited());
            assert_eq!(list.owner, somebody.subject());
            let explain = view(&policy, &somebody, "explain_discrepancy").unwrap();
            assert!(!explain.sees(&alfa) && explain.sees(&beta));
            assert!(view(&policy, &somebody, "reconcile").is_none());
        }
    }

    #[test]
    fn periods_that_are_told_by_today_move_with_it() {
        let policy = policy(DESK).unwrap();
        let bo = somebody("bo", "client", &["gas-desk"]);
        let sees = |days: u64, start| {
            let later = now() + Duration::from_secs(days * 86_400);
            Entitlement::of(&policy, &bo, later)
                .view("list_discrepancies")
                .unwrap()
                .sees(&facts("ALFA GAS", start))
        };
        assert!(sees(0, "2026-11-26") && !sees(0, "2026-12-01"));
        assert!(sees(10, "2026-12-01") && !sees(10, "2026-11-26"));
    }

    #[test]
    fn entries_that_make_no_sense_are_named() {
        let entry = |more: &str| {
            policy(&format!("[[policy]]\ngroups = [\"a\"]\ntools = [\"*\"]\n{more}")).map(|_| ())
        };
        assert_eq!(entry(""), Ok(()));
        for (more, said) in [
            ("vendors = []", "[[serve.policy]] 1, vendors: this list is empty"),
            ("periods = [\"next week\"]", "[[serve.policy]] 1, periods: this is not a period"),
            ("most_amount = \"a lot\"", "[[serve.policy]] 1, most_amount: this is not an amount"),
            ("most_amount = \"-1\"", "[[serve.policy]] 1, most_amount: this is not an amount"),
            ("most_amount = \"USD 1\"", "[[serve.policy]] 1, most_amount: this is not an amount"),
            ("[[policy]]\ntools = [\"*\"]", "[[serve.policy]] 2, groups: this entry is for nobody"),
            ("[[policy]]\nsubjects = [\"a\"]", "[[serve.policy]] 2, tools: this entry allows nothing"),
        ] {
            let fault = entry(more).unwrap_err();
            assert!(fault.starts_with(said), "{more}\n{fault}");
        }
        let unknown = policy("[[policy]]\ngroups = [\"a\"]\ntools = [\"reconcil\"]").unwrap_err();
        assert!(unknown.ends_with("next: did you mean reconcile?"), "{unknown}");
    }
}
