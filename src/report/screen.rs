//! What a person sees at the end of a run: control totals, verdict, notes, discrepancies.

use super::rejects::first_rejects;
use super::summary::{Direction, RoundingSummary, TaxesSummary, TotalsSummary};
use super::table::{discrepancy_table, summary_table};
use super::{Report, Summary, idle, summary};
use crate::fault::{shown, shown_lines};
use crate::judge::Class;
use crate::money::{self, Decimal};
use crate::normalise::Side;

/// How many patterns are shown.
const PATTERNS: usize = 5;

/// How many rejects are shown; `rejects.csv` has all.
const REJECTS: usize = 5;

/// The outcome, `width` columns wide, with at most `limit` discrepancies.
#[must_use]
pub fn screen(report: &Report<'_>, width: u16, limit: usize) -> String {
    let summary = summary(report);
    let title = [report.name, report.period].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let mut lines = vec![title.join(", "), summary_table(report, width), verdict(&summary)];
    lines.extend(summary.variance.iter().map(|(currency, variance)| variance.told(currency)));
    let immaterial = summary.immaterial.as_ref().filter(|immaterial| immaterial.discrepancies > 0);
    lines.extend(immaterial.map(|immaterial| {
        let of = immaterial.variance.iter().map(|(currency, variance)| variance.told(currency));
        format!(
            "{} below {} and not listed: {}",
            counted(immaterial.discrepancies, "discrepancy", "discrepancies"),
            immaterial.minimum.map(money::grouped).unwrap_or_default(),
            of.collect::<Vec<_>>().join("; ")
        )
    }));
    lines.extend(roundings(&summary));
    lines.extend(summary.taxes.iter().map(taxes));
    lines.extend(totals(&summary));
    lines.extend(conversions(&summary));
    lines.extend(summary.documents.iter().map(|(side, of)| {
        format!(
            "{} of {} of the {side} side {} wholly",
            of.tie,
            counted(of.all, "document", "documents"),
            if of.tie == 1 { "ties" } else { "tie" }
        )
    }));
    lines.extend(patterns(&summary));
    lines.extend(notes(report, &summary));
    let listed = summary.groups.discrepancies - immaterial.map_or(0, |immaterial| immaterial.discrepancies);
    if listed > 0 && limit > 0 {
        lines.extend([String::new(), discrepancy_table(report, width, limit)]);
        let hidden = usize::try_from(listed).unwrap_or(usize::MAX).saturating_sub(limit);
        if hidden > 0 {
            lines.push(format!("… and {hidden} more: see the report, or give --limit"));
        }
    }
    lines.extend(first_rejects(report, REJECTS));
    lines.join("\n")
}

impl Direction {
    /// In words.
    #[must_use]
    pub fn told(&self, currency: &str) -> String {
        let shown = |value: Option<Decimal>| match value.map(money::grouped) {
            None => "over 28 digits".to_owned(),
            Some(amount) if currency.is_empty() => amount,
            Some(amount) => format!("{amount} {currency}"),
        };
        format!(
            "overbilled {}, underbilled {}, net {}",
            shown(self.overbilled),
            shown(self.underbilled.map(|value| value.abs())),
            shown(self.net)
        )
    }
}

fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn verdict(summary: &Summary) -> String {
    let groups = summary.groups;
    let mut text = format!(
        "{} matched, {} within tolerance, {}",
        groups.matched,
        groups.within_tolerance,
        counted(groups.discrepancies, "discrepancy", "discrepancies")
    );
    if !summary.kinds.is_empty() {
        let kinds: Vec<String> =
            summary.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        text = format!("{text} ({})", kinds.join(", "));
    }
    if groups.rejected_rows > 0 {
        text = format!("{text}, {} rejected", counted(groups.rejected_rows, "row", "rows"));
    }
    text
}

/// What rounds each vendor's lines, those with the most lines first, where one way makes nine tenths of them; `summary.json` says
/// of all vendors what can be said.
fn roundings(summary: &Summary) -> Vec<String> {
    /// So many are shown; `summary.json` has all.
    const SHOWN: usize = 5;
    let mut all: Vec<(&str, &str, &RoundingSummary)> = summary
        .rounding
        .iter()
        .flat_map(|(&side, vendors)| vendors.iter().map(move |(vendor, of)| (side, vendor.as_str(), of)))
        .filter(|(_, _, of)| stands_out(of))
        .collect();
    all.sort_by_key(|&(side, vendor, of)| (std::cmp::Reverse(of.lines), side, vendor));
    let mut told: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|(side, vendor, of)| match *vendor {
            "" => format!("rounding, {side}: {}", of.told),
            vendor => format!("rounding, {side}, vendor {}: {}", shown(vendor), of.told),
        })
        .collect();
    let more = all.len().saturating_sub(SHOWN);
    if more > 0 {
        told.push(format!(
            "… and of {} in summary.json",
            counted(more as u64, "more vendor", "more vendors")
        ));
    }
    told
}

/// Whether anything is rounded, and one way of rounding makes nine tenths.
const fn stands_out(of: &RoundingSummary) -> bool {
    of.exact < of.lines && of.by.len() == 1 && of.reproduced * 10 >= of.lines * 9
}

/// At which rates the lines of a side are taxed.
fn taxes((side, taxes): (&&str, &TaxesSummary)) -> String {
    let rates = taxes.by_rate.iter().map(|(rate, lines)| format!("{lines} at {rate} %"));
    let others =
        [(taxes.untaxed, "without tax"), (taxes.at_another_rate, "at a rate that is not configured")];
    let others =
        others.into_iter().filter(|(lines, _)| *lines > 0).map(|(lines, what)| format!("{lines} {what}"));
    let wrong = match taxes.do_not_add_up {
        0 => String::new(),
        wrong => format!("; of {} net + tax is not gross", counted(wrong, "line", "lines")),
    };
    let told: Vec<String> = rates.chain(others).collect();
    format!("taxes, {side}: {}: {}{wrong}", counted(taxes.lines, "line", "lines"), told.join(", "))
}

/// How many rows were left out as totals, and what came of them.
fn totals(summary: &Summary) -> Vec<String> {
    let told = |(side, totals): (&&str, &TotalsSummary)| {
        let mut text = format!(
            "{} of the {side} side left out as totals: {} with the sum of {}",
            counted(totals.rows, "row", "rows"),
            counted(totals.agree, "agrees", "agree"),
            if totals.agree == 1 { "its lines" } else { "their lines" }
        );
        if totals.differ > 0 {
            text += &format!(", {}", counted(totals.differ, "does not", "do not"));
        }
        if totals.unchecked > 0 {
            text += &format!(", {} no amount", counted(totals.unchecked, "states", "state"));
        }
        let rounded = totals.rounding.iter().filter(|(_, of)| stands_out(of)).map(|(vendor, of)| {
            let vendor =
                if vendor.is_empty() { String::new() } else { format!(", vendor {}", shown(vendor)) };
            format!("rounding, {side}{vendor}: {}", of.told)
        });
        std::iter::once(text).chain(rounded.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    summary.totals.iter().flat_map(told).collect()
}

fn conversions(summary: &Summary) -> Option<String> {
    let rates = summary.rates.as_ref()?;
    let earlier = match rates.by_an_earlier_rate {
        0 => String::new(),
        earlier => format!(", {earlier} of them by an earlier day's rate"),
    };
    Some(format!(
        "{} converted by {}{earlier}",
        counted(rates.groups_converted, "group", "groups"),
        rates.file
    ))
}

/// What discrepancies have in common; `summary.json` has all of it.
fn patterns(summary: &Summary) -> impl Iterator<Item = String> {
    summary
        .patterns
        .iter()
        .take(PATTERNS)
        .map(|pattern| format!("pattern: {}", shown_lines(&pattern.pattern).replace('\n', " ")))
}

/// What is no discrepancy, but may be a mistake: a side without entries, a pass without a group.
fn notes(report: &Report<'_>, summary: &Summary) -> Vec<String> {
    let control = &report.outcome.control;
    let empty =
        [Side::Invoice, Side::Settlement].into_iter().filter(|&side| control.lines(side, Class::Read) == 0);
    let mut notes: Vec<String> = empty
        .map(|side| {
            let outside = match control.lines(side, Class::OutsidePeriod) {
                0 => String::new(),
                outside => format!("; all {outside} lines start outside the period"),
            };
            format!("note: the {} side has nothing to reconcile{outside}", side.name())
        })
        .collect();
    if notes.is_empty() {
        let counts = report.outcome.passes.iter().zip(&summary.passes);
        notes.extend(counts.filter_map(|(count, pass)| {
            let level = idle::level(count.idle.as_ref()?);
            let why = pass.matched_nothing.as_deref().unwrap_or_default();
            Some(format!("{level}: the pass \"{}\" matched nothing: {why}", shown(&pass.name)))
        }));
    }
    notes.extend(summary.passes.iter().filter(|pass| pass.unweighed_keys > 0).map(|pass| {
        format!(
            "warning: the pass \"{}\" left {} to later passes, since weighing what stands there takes too long; give it a finer key",
            shown(&pass.name),
            counted(pass.unweighed_keys, "key", "keys")
        )
    }));
    notes
}
