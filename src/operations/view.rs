//! What a caller may see of the discrepancies.

use std::collections::BTreeSet;

use crate::fault::{Fault, Kind, Result};
use crate::money::Decimal;
use crate::normalise::{Field, KeyRules, Role};
use crate::period::{Period, Zone};

/// What is known of a discrepancy, as the reports say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The vendor, or several joined by `; `.
    pub vendor: &'a str,
    /// The account (the deal), or several.
    pub account: &'a str,
    /// When it starts, in ISO 8601.
    pub start: &'a str,
    /// When it ends; midnight is the end of the day before.
    pub end: &'a str,
    /// The larger of the two amounts, without its sign.
    pub amount: Option<Decimal>,
}

/// Days in a row, in ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    first: String,
    last: String,
    /// The day after the last: what ends with its first moment lies within.
    after: String,
}

impl Days {
    /// The days of a period.
    #[must_use]
    pub fn of(period: &Period, zone: &Zone) -> Self {
        let day = |at| zone.show(at, false);
        Self { first: day(period.start()), last: day(period.last_day()), after: day(period.end()) }
    }

    fn hold(&self, start: &str, end: &str) -> bool {
        let day = |at: &str| at.get(..10).map(str::to_owned);
        let Some(start) = day(start) else { return false };
        let is_within = |day: &String| (&self.first..=&self.last).contains(&day);
        let is_midnight =
            |at: &str| at.get(10..).is_some_and(|time| time.is_empty() || time.starts_with("T00:00:00"));
        is_within(&start)
            && (end.is_empty()
                || day(end).is_some_and(|day| is_within(&day) || (day == self.after && is_midnight(end))))
    }
}

/// One grant: all of what it limits must be met; what it does not limit is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The vendors, as the reports name them.
    pub vendors: Option<BTreeSet<String>>,
    /// The accounts (deals), as the reports name them.
    pub accounts: Option<BTreeSet<String>>,
    /// The days within which a discrepancy lies.
    pub periods: Option<Vec<Days>>,
    /// The largest amount of either side.
    pub most_amount: Option<Decimal>,
}

impl Sight {
    /// What is limited and not known is not seen.
    fn sees(&self, facts: &Facts<'_>) -> bool {
        let names = |allowed: &Option<BTreeSet<String>>, said: &str| {
            allowed.as_ref().is_none_or(|allowed| {
                allowed.contains(said)
                    || (!said.is_empty() && said.split("; ").all(|one| allowed.contains(one)))
            })
        };
        names(&self.vendors, facts.vendor)
            && names(&self.accounts, facts.account)
            && self
                .periods
                .as_ref()
                .is_none_or(|all| all.iter().any(|days| days.hold(facts.start, facts.end)))
            && self.most_amount.is_none_or(|most| facts.amount.is_some_and(|amount| amount.abs() <= most))
    }

    fn is_unlimited(&self) -> bool {
        let Self { vendors, accounts, periods, most_amount } = self;
        vendors.is_none() && accounts.is_none() && periods.is_none() && most_amount.is_none()
    }
}

/// What a caller may see: what any of his grants lets him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whose view it is: a cursor of somebody else's is refused.
    pub owner: String,
    /// The grants; without any, nothing is seen.
    pub sights: Vec<Sight>,
}

impl View {
    /// Everything, as whoever sits at the machine sees it.
    #[must_use]
    pub fn everything() -> Self {
        Self { owner: String::new(), sights: vec![Sight::default()] }
    }

    /// Whether a discrepancy is seen.
    #[must_use]
    pub fn sees(&self, facts: &Facts<'_>) -> bool {
        self.sights.iter().any(|sight| sight.sees(facts))
    }

    /// Whether everything is.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.sights.iter().any(Sight::is_unlimited)
    }

    /// The same view, by what names are compared as: whoever may see a vendor may see it by each of its names.
    #[must_use]
    pub fn keyed<'k>(&self, keys: &'k KeyRules) -> Keyed<'k> {
        let by_key = |role: Role, names: &Option<BTreeSet<String>>| {
            names.as_ref().map(|names| names.iter().map(|name| key(keys, role, name)).collect())
        };
        let sight = |sight: &Sight| Sight {
            vendors: by_key(Role::Vendor, &sight.vendors),
            accounts: by_key(Role::Deal, &sight.accounts),
            ..sight.clone()
        };
        Keyed {
            view: Self { owner: self.owner.clone(), sights: self.sights.iter().map(sight).collect() },
            keys,
        }
    }
}

/// A view whose names are what they are compared as.
pub struct Keyed<'k> {
    view: View,
    keys: &'k KeyRules,
}

fn key(keys: &KeyRules, role: Role, name: &str) -> String {
    Field::of(role).map_or_else(|| name.to_owned(), |field| keys.key(field, name))
}

impl Keyed<'_> {
    /// Whether a discrepancy is seen, or a row.
    #[must_use]
    pub fn sees(&self, facts: &Facts<'_>) -> bool {
        let by_key = |role, said: &str| {
            said.split("; ").map(|name| key(self.keys, role, name)).collect::<Vec<_>>().join("; ")
        };
        self.view.sees(&Facts {
            vendor: &by_key(Role::Vendor, facts.vendor),
            account: &by_key(Role::Deal, facts.account),
            ..*facts
        })
    }

    /// Whether all that a vendor has is seen, whatever the account, the period and the amount.
    ///
    /// # Errors
    /// [`Kind::Denied`] where it is not.
    pub fn check_vendor(&self, vendor: &str) -> Result<()> {
        let own = key(self.keys, Role::Vendor, vendor);
        let is_seen = |sight: &Sight| {
            sight.vendors.as_ref().is_none_or(|vendors| vendors.contains(&own))
                && Sight { vendors: None, ..sight.clone() }.is_unlimited()
        };
        if self.view.sights.iter().any(is_seen) {
            return Ok(());
        }
        Err(Fault::new(Kind::Denied, "the records of this vendor may not be seen by whoever asks")
            .value(vendor)
            .next("ask for a vendor that you may see, or ask the operator of this server for access"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn seen(sight: Sight, facts: &Facts<'_>) -> bool {
        View { owner: String::new(), sights: vec![sight] }.sees(facts)
    }

    #[test]
    fn what_is_limited_and_not_known_is_not_seen() {
        let facts = Facts {
            vendor: "A; B",
            account: "D-1",
            start: "2026-10-31",
            end: "2026-11-01",
            amount: Some(Decimal::new(-500, 2)),
        };
        let vendors = |names: &[&str]| Sight {
            vendors: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..Sight::default()
        };
        assert!(seen(vendors(&["A", "B"]), &facts) && seen(vendors(&["A; B"]), &facts));
        assert!(!seen(vendors(&["A"]), &facts) && !seen(vendors(&[]), &facts));
        assert!(!seen(vendors(&["A"]), &Facts::default()));
        let most = |most| Sight { most_amount: Some(Decimal::new(most, 0)), ..Sight::default() };
        assert!(seen(most(5), &facts) && !seen(most(4), &facts) && !seen(most(4), &Facts::default()));
        let now = std::time::UNIX_EPOCH;
        let days = |text| Days::of(&Period::parse(text, &Zone::utc(), now).unwrap(), &Zone::utc());
        let period = |text| Sight { periods: Some(vec![days(text)]), ..Sight::default() };
        assert!(seen(period("2026-10"), &facts) && !seen(period("2026-10-30"), &facts));
        let longer = Facts { end: "2026-11-01T01:00:00-05:00", ..facts };
        assert!(!seen(period("2026-10"), &longer) && seen(period("2026-10-01..2026-11-01"), &longer));
        assert!(!seen(period("2026-10"), &Facts { start: "", ..facts }));
        assert!(!View { owner: String::new(), sights: Vec::new() }.sees(&facts));
    }

    #[test]
    fn a_vendor_is_seen_whole_only_where_nothing_else_is_limited() {
        let of = |sights| View { owner: String::new(), sights };
        let vendor = Sight { vendors: Some(["A".to_owned()].into()), ..Sight::default() };
        let less = Sight { most_amount: Some(Decimal::ONE), ..vendor.clone() };
        let keys = KeyRules::default();
        let check = |view: View, vendor: &str| view.keyed(&keys).check_vendor(vendor);
        assert!(check(of(vec![less.clone(), vendor]), " A ").is_ok());
        assert_eq!(check(of(vec![less]), "A").unwrap_err().kind(), Kind::Denied);
        assert!(check(View::everything(), "Z").is_ok());
    }
}
