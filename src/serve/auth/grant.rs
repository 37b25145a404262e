//! `[[serve.policy]]`: what a subject may see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use super::{Principal, scopes};
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark};
use crate::period::{Instant, Period, Zone};

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

/// What an answer tells of one line, as far as entries speak of it. What a line does not say is not within any limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Whose line it is.
    pub vendor: Option<&'a str>,
    /// Its deal.
    pub account: Option<&'a str>,
    /// When its delivery starts.
    pub start: Option<Instant>,
    /// When it ends.
    pub end: Option<Instant>,
    /// The largest of its amounts, whatever the sign.
    pub amount: Option<Decimal>,
}

/// What somebody may see.
#[derive(Clone, Debug)]
pub struct Entitlement {
    /// The entries that are for him; nothing where there are none. `None` is everything.
    shares: Option<Vec<Share>>,
}

/// An entry, with its periods as they are now.
#[derive(Clone, Debug)]
struct Share {
    entry: Arc<Entry>,
    periods: Option<Vec<Period>>,
}

impl Entitlement {
    /// What `principal` may see at `now`: the union of the entries that are for him.
    #[must_use]
    pub fn of(policy: &Policy, principal: &Principal, now: SystemTime) -> Self {
        if principal.is_local() || policy.entries.is_empty() {
            return Self { shares: None };
        }
        // Those of an entry were read when the server started; one that cannot be read now is none.
        let period = |text: &String| Period::parse(text, &policy.zone, now).ok();
        let share = |entry: &Arc<Entry>| Share {
            entry: Arc::clone(entry),
            periods: entry.periods.as_ref().map(|periods| periods.iter().filter_map(period).collect()),
        };
        let his = policy.entries.iter().filter(|entry| entry.is_for(principal));
        Self { shares: Some(his.map(share).collect()) }
    }

    /// What he may see by the tool `name`: an entry for other tools gives nothing to this one.
    #[must_use]
    pub fn for_tool(&self, name: &str) -> Self {
        let of_tool = |shares: &Vec<Share>| {
            shares.iter().filter(|share| share.entry.allows_tool(name)).cloned().collect()
        };
        Self { shares: self.shares.as_ref().map(of_tool) }
    }

    /// Whether he may call the tool `name`.
    #[must_use]
    pub fn allows_tool(&self, name: &str) -> bool {
        self.any(|share| share.entry.allows_tool(name))
    }

    /// Whether he may see a line. Ask the entitlement of the tool that shows it ([`Entitlement::for_tool`]).
    #[must_use]
    pub fn sees(&self, facts: &Facts<'_>) -> bool {
        self.any(|share| share.sees(facts))
    }

    /// Whether he sees all lines: for tools whose answers cannot be narrowed.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.any(|Share { entry, periods }| {
            entry.vendors.is_none()
                && entry.accounts.is_none()
                && periods.is_none()
                && entry.most_amount.is_none()
        })
    }

    fn any(&self, holds: impl FnMut(&Share) -> bool) -> bool {
        self.shares.as_ref().is_none_or(|shares| shares.iter().any(holds))
    }
}

impl Share {
    fn sees(&self, facts: &Facts<'_>) -> bool {
        let listed = |limit: &Option<BTreeSet<String>>, text: Option<&str>| {
            limit.as_ref().is_none_or(|limit| text.is_some_and(|text| limit.contains(text)))
        };
        let is_within = |period: &Period| {
            facts.start.is_some_and(|start| period.contains(start))
                && facts.end.is_none_or(|end| end <= period.end())
        };
        listed(&self.entry.vendors, facts.vendor)
            && listed(&self.entry.accounts, facts.account)
            && self.periods.as_ref().is_none_or(|periods| periods.iter().any(is_within))
            && self
                .entry
                .most_amount
                .is_none_or(|most| facts.amount.is_some_and(|amount| amount.abs() <= most))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
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

    fn facts(vendor: &'static str, day: i64, amount: &str) -> Facts<'static> {
        let start = Instant(i64::try_from(NOW).unwrap() + day * 86_400);
        Facts {
            vendor: Some(vendor),
            account: Some("G-1"),
            start: Some(start),
            end: Some(Instant(start.0 + 86_400)),
            amount: Some(Decimal::from_str_exact(amount).unwrap()),
        }
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
        let all = |entitlement: &Entitlement| {
            [
                entitlement.allows_tool("reconcile"),
                entitlement.sees(&Facts::default()),
                entitlement.is_unlimited(),
                entitlement.for_tool("reconcile").is_unlimited(),
            ]
        };
        assert_eq!(all(&Entitlement::of(&nothing, &stranger, now())), [true; 4]);
        assert_eq!(all(&Entitlement::of(&desk, &stranger, now())), [false; 4]);
        assert_eq!(all(&Entitlement::of(&desk, &Principal::local(), now())), [true; 4]);
        assert_eq!(all(&Entitlement::of(&desk, &somebody("", "", &["audit"]), now())), [true; 4]);
    }

    #[test]
    fn a_line_is_seen_within_all_limits_of_an_entry() {
        let desk = Entitlement::of(&policy(DESK).unwrap(), &somebody("bo", "client", &["gas-desk"]), now());
        assert!(desk.allows_tool("list_discrepancies") && !desk.allows_tool("reconcile"));
        assert!(!desk.is_unlimited());
        let within = facts("ALFA GAS", 0, "-1000");
        assert!(desk.sees(&within));
        let last = facts("ALFA GAS", 4, "0");
        for (what, line) in [
            ("another vendor", facts("BETA", 0, "0")),
            ("no vendor", Facts { vendor: None, ..within }),
            ("another account", Facts { account: Some("G-2"), ..within }),
            ("before the periods", facts("ALFA GAS", -60, "0")),
            ("behind them", facts("ALFA GAS", 5, "0")),
            ("over their end", Facts { end: last.end.map(|end| Instant(end.0 + 1)), ..last }),
            ("no start", Facts { start: None, ..within }),
            ("too large", facts("ALFA GAS", 0, "1000.01")),
            ("too large, to the other side", facts("ALFA GAS", 0, "-1000.01")),
            ("no amount", Facts { amount: None, ..within }),
        ] {
            assert!(!desk.sees(&line), "{what}");
        }
        assert!(desk.sees(&last));
        assert!(desk.sees(&facts("ALFA GAS", -30, "0")), "the other period");
        assert!(desk.sees(&Facts { end: None, ..within }));
    }

    #[test]
    fn several_entries_add_up_but_lend_each_other_nothing() {
        let policy = policy(DESK).unwrap();
        for somebody in [somebody("ana", "client", &["gas-desk"]), somebody("x", "machine", &["gas-desk"])] {
            let both = Entitlement::of(&policy, &somebody, now());
            let (alfa, beta) = (facts("ALFA GAS", 0, "1"), facts("BETA", 99, "99999"));
            assert!(both.sees(&alfa) && both.sees(&beta) && !both.is_unlimited());
            let list = both.for_tool("list_discrepancies");
            assert!(list.sees(&alfa) && !list.sees(&beta), "the other vendor is another tool's");
            let explain = both.for_tool("explain_discrepancy");
            assert!(!explain.sees(&alfa) && explain.sees(&beta));
            assert!(!both.for_tool("reconcile").sees(&alfa));
        }
    }

    #[test]
    fn periods_that_are_told_by_today_move_with_it() {
        let policy = policy(DESK).unwrap();
        let bo = somebody("bo", "client", &["gas-desk"]);
        let december = Entitlement::of(&policy, &bo, now() + Duration::from_secs(10 * 86_400));
        assert!(december.sees(&facts("ALFA GAS", 5, "0")) && !december.sees(&facts("ALFA GAS", 0, "0")));
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
