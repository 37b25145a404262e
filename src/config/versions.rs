//! `[settlements.versions]`: which version of a restated line counts.

use serde::Deserialize;

use crate::fault::{Fault, Kind, Result};
use crate::matching::{KeyPart, Pass};
use crate::normalise::{Field, Fields, KeyRules, Reading, Restatement, Role, VersionSettings};
use crate::period::{Period, Zone};

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keep {
    #[default]
    All,
    Latest,
    #[serde(rename = "as of")]
    AsOf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionsFile {
    #[serde(default)]
    keep: Keep,
    kind: Option<Restatement>,
    order: Option<Vec<String>>,
    as_of: Option<String>,
    published: Option<String>,
}

impl VersionsFile {
    /// The name of the attribute that it reads.
    pub(super) fn published(&self) -> Option<&str> {
        self.published.as_deref()
    }

    /// The attribute that it reads, which must be known before the columns are checked.
    pub(super) fn attribute(&self, fields: &mut Fields) -> Result<()> {
        let Some(name) = &self.published else { return Ok(()) };
        match Role::named(name) {
            None => {
                fields.add(name);
                Ok(())
            }
            Some(_) => Err(fault("the day of publication is an attribute of its own, no role")
                .value(name)
                .expected("published = \"published\", and its header in [settlements.columns]")),
        }
    }

    /// The settings; none where every version counts.
    pub(super) fn checked(
        self,
        fields: &Fields,
        keys: &KeyRules,
        passes: &[Pass],
        reading: &Reading,
        zone: &Zone,
    ) -> Result<Option<VersionSettings>> {
        if self.keep == Keep::All {
            let stray = [
                ("kind", self.kind.is_some()),
                ("order", self.order.is_some()),
                ("as_of", self.as_of.is_some()),
                ("published", self.published.is_some()),
            ];
            return match stray.into_iter().find(|(_, stray)| *stray) {
                None => Ok(None),
                Some((key, _)) => Err(fault("every version is kept, so that this says nothing")
                    .value(key)
                    .expected("keep = \"latest\", or keep = \"as of\"")),
            };
        }
        if !reading.columns.contains_key(Role::Version.name()) {
            return Err(fault("a version is chosen, but nothing says which column holds it")
                .expected("[settlements.columns] version = \"…\", a header"));
        }
        let version = Field::of(Role::Version);
        if let Some(pass) = passes
            .iter()
            .find(|pass| pass.key.iter().any(|part| matches!(part, KeyPart::Text(f) if Some(*f) == version)))
        {
            return Err(fault("one version is chosen, but a pass has the version in its key, where other versions never meet it")
                .value(format!("[[pass]] {:?}", pass.name))
                .next("take version out of the key, or keep = \"all\""));
        }
        let one_by_one = passes.iter().find(|pass| !pass.is_exact());
        if let (Some(Restatement::Delta), Some(pass)) = (self.kind, one_by_one) {
            return Err(fault("deltas of one line count only together, but a pass with a window or of sub-sets takes records one by one")
                .value(format!("[[pass]] {:?}", pass.name))
                .next("compare totals in that pass, or remove it"));
        }
        let mut order = Vec::new();
        for name in self.order.iter().flatten() {
            let key = version.map_or_else(String::new, |field| keys.key(field, name));
            if key.is_empty() || order.contains(&key) {
                return Err(fault("the order names a version twice, or none")
                    .value(name)
                    .expected("each version once, the first one first"));
            }
            order.push(key);
        }
        if self.order.is_some() && order.is_empty() {
            return Err(fault("the order is empty").expected(
                "order = [\"initial\", \"final\", \"true-up\"], or no order for numbers and dates",
            ));
        }
        let before = match (self.keep, &self.as_of, &self.published) {
            (Keep::AsOf, Some(day), Some(_)) => {
                // The clock has no say: a day that moves would change past results.
                let period = Period::parse(day, zone, std::time::UNIX_EPOCH)
                    .ok()
                    .filter(|period| day.len() == 10 && period.start() == period.last_day());
                Some(
                    period
                        .ok_or_else(|| {
                            fault("this is not a day").value(day).expected("as_of = \"2026-10-31\"")
                        })?
                        .end(),
                )
            }
            (Keep::AsOf, None, _) => {
                return Err(fault("nothing says as of which day").expected("as_of = \"2026-10-31\""));
            }
            (Keep::AsOf, _, None) => {
                return Err(fault("nothing says when a version was published")
                    .expected("published = \"published\", and its header in [settlements.columns]"));
            }
            (_, Some(day), _) => {
                return Err(fault("a day is given, but the latest version is kept")
                    .value(day)
                    .next("write keep = \"as of\", or leave as_of out"));
            }
            _ => None,
        };
        let published = self.published.as_deref().and_then(|name| fields.find(name));
        Ok(Some(VersionSettings { kind: self.kind.unwrap_or_default(), order, published, before }))
    }
}

pub(super) fn refuse_for_invoices() -> Fault {
    Fault::new(Kind::Configuration, "versions are chosen among settlements, not among invoices")
        .at("[invoices.versions]")
        .next("write the table as [settlements.versions]")
}

fn fault(what: &str) -> Fault {
    Fault::new(Kind::Configuration, what).at("[settlements.versions]")
}
