//! The settlement records of a platform: whom to ask for, and what becomes of the answers.

use std::collections::BTreeMap;
use std::path::Path;

use super::Context;
use crate::config::{Settings, Source};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::intake::Answer;
use crate::normalise::{Field, Ledger, Normaliser, Role, Side};
use crate::platform::{self, Fetched, Manner, Platform};
use crate::report::Input;

/// How the settlements are fetched, if they come from a platform.
pub(super) fn manner<'a>(
    settings: &Settings,
    context: &Context<'a>,
    evidence: Option<&'a Path>,
    refetch: bool,
) -> Result<Manner<'a>> {
    if let (Some(evidence), Source::Files(_)) = (evidence, &settings.settlements.source) {
        return Err(Fault::new(
            Kind::Usage,
            "the settlements come from files, so there are no calls to write down",
        )
        .at("--evidence")
        .value(evidence.display()));
    }
    Ok(Manner { keep: Some(context.now), refetch, evidence, purpose: "", allowance: context.platform_calls })
}

/// Fetches the settlements of `vendors` into `normaliser`. Whoever has all that it needs of them closes the fetch.
pub(super) fn pull(
    platform: &platform::Settings,
    settings: &Settings,
    vendors: &[String],
    manner: &Manner<'_>,
    normaliser: &mut Normaliser<'_>,
    context: &Context<'_>,
) -> Result<(Vec<Input>, Fetched)> {
    let pieces = platform.request.plan(&settings.zone, settings.period.as_ref(), vendors)?;
    let platform = Platform::new(platform, &settings.base)?;
    let mut answer = Answer::new(platform.operation());
    let mut digest = RecordDigest::default();
    let fetched = platform.fetch(&pieces, manner, context.progress, &mut |record| {
        digest.add(record);
        answer.lay_out(record);
        normaliser.accept(answer.origin(), answer.columns(), answer.row());
        Ok(())
    })?;
    // Before it is closed: who corrects a column need not ask for the records again.
    if fetched.records > 0 {
        normaliser.check(answer.origin(), answer.columns())?;
    }
    let (bytes, sha256) = digest.finish();
    let input = Input {
        side: Side::Settlement.name(),
        source: format!("{} ({}, {})", platform.place(), platform.operation(), fetched.origin()),
        bytes,
        sha256,
    };
    Ok((vec![input], fetched))
}

/// SHA-256 over the names and texts of all records: what the platform said, whatever the paging.
#[derive(Default)]
pub(super) struct RecordDigest {
    sha: sha2::Sha256,
    bytes: u64,
}

impl RecordDigest {
    pub(super) fn add(&mut self, record: &platform::Record<'_>) {
        use sha2::Digest as _;
        for (name, value) in record.fields.iter() {
            for text in [name, "\u{1f}", value.unwrap_or("\u{0}"), "\u{1f}"] {
                self.sha.update(text);
                self.bytes += text.len() as u64;
            }
        }
        self.sha.update("\u{1e}");
    }

    pub(super) fn finish(self) -> (u64, String) {
        use sha2::Digest as _;
        (self.bytes, hexadecimal(&self.sha.finalize()))
    }
}

/// Whether the request asks for each vendor by itself.
pub(super) fn asks_by_vendor(platform: &platform::Settings) -> bool {
    platform.request.placeholders().contains(&"vendor")
}

/// The vendors that the invoices name, each once, as the alias table calls them.
pub(super) fn vendors(settings: &Settings, invoices: &Ledger) -> Result<Vec<String>> {
    let Some(field) = Field::of(Role::Vendor) else { return Ok(Vec::new()) };
    let mut by_key: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for entry in 0..invoices.len() {
        if seen.insert(invoices.text_id(field, entry)) {
            let text = invoices.text(field, entry);
            let canonical = settings.keys.canonical(field, text);
            if canonical.is_empty() {
                // To a platform, no vendor means all of them; and without asking, the line would look unsettled.
                return Err(Fault::new(Kind::Input, "the line names no vendor, so that its records cannot be asked for")
                    .at(invoices.source(entry))
                    .next("name the vendor in [invoices.defaults], or ask for all of them at once: a request without {vendor}"));
            }
            by_key
                .entry(settings.keys.key(field, text))
                .and_modify(|name| {
                    // Several spellings of one vendor: the first in order, whatever the order of the files.
                    if canonical < name.as_str() {
                        canonical.clone_into(name);
                    }
                })
                .or_insert_with(|| canonical.to_owned());
        }
    }
    Ok(by_key.into_values().collect())
}
