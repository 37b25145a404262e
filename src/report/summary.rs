//! `summary.json`: what was read, what came of it, and control totals that balance.

use std::collections::BTreeMap;
use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Input, Report, as_text, idle};
use crate::judge::{Class, Pattern, Share, Signed, Variances};
use crate::money::{Decimal, Sum};
use crate::normalise::{Inferred, Side, Tally, TaxCounts, TotalCounts};

/// The summary of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// The program and its version.
    pub tieout: &'static str,
    /// The name of the reconciliation.
    pub name: String,
    /// The period, as dates; blank where none is set.
    pub period: String,
    /// SHA-256 over the settings that decide the outcome.
    pub settings_sha256: String,
    /// What was read, with digests.
    pub inputs: Vec<Input>,
    /// Groups that tie exactly, tie within a tolerance, or do not tie.
    pub groups: Groups,
    /// Discrepancies by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// What each pass took.
    pub passes: Vec<PassSummary>,
    /// Groups that tie within each tolerance, by its words.
    pub tolerances: BTreeMap<String, u64>,
    /// Which limb of each tolerance decided, in the order of the configuration.
    pub tolerance_limbs: Vec<LimbSummary>,
    /// Overbilled and underbilled money, by currency.
    pub variance: BTreeMap<String, Direction>,
    /// What is below `[report] minimum` and not listed, where that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immaterial: Option<Immaterial>,
    /// Side → vendor → what rounds its lines, for lines that state quantity, price and amount.
    pub rounding: BTreeMap<&'static str, BTreeMap<String, RoundingSummary>>,
    /// Side → at which rates its lines are taxed, where that is read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub taxes: BTreeMap<&'static str, TaxesSummary>,
    /// Side → what became of the rows that are totals of others, where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<&'static str, TotalsSummary>,
    /// What was converted, where there are rates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<RatesSummary>,
    /// What many discrepancies have in common, the one that explains most money first.
    pub patterns: Vec<PatternSummary>,
    /// Side → how many documents it has, and how many of them tie wholly; none where it states none, or too many to tell apart.
    /// `documents.csv` has each.
    pub documents: BTreeMap<&'static str, Documents>,
    /// Side → currency → class → lines and amount.
    pub control_totals: BTreeMap<&'static str, BTreeMap<String, BTreeMap<&'static str, Total>>>,
}

/// Verdicts, counted.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Groups {
    /// Tie exactly.
    pub matched: u64,
    /// Tie within a tolerance.
    pub within_tolerance: u64,
    /// Do not tie.
    pub discrepancies: u64,
    /// Rows that could not become entries.
    pub rejected_rows: u64,
}

/// What one pass took.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PassSummary {
    /// Its name.
    pub name: String,
    /// Groups made.
    pub groups: u64,
    /// Invoice entries in them.
    pub invoice_entries: u64,
    /// Settlement entries in them.
    pub settlement_entries: u64,
    /// Keys that it left to later passes, since weighing what stands under them takes too long.
    #[serde(skip_serializing_if = "is_zero")]
    pub unweighed_keys: u64,
    /// Where it made no group: why, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_nothing: Option<String>,
}

/// What one limb of a tolerance let pass.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LimbSummary {
    /// The tolerance, in its words.
    pub tolerance: String,
    /// Its number in the configuration, from 1.
    pub number: usize,
    /// The limb that decided.
    pub limb: &'static str,
    /// Groups that tie by it.
    pub groups: u64,
    /// How much more it would have allowed where that was least; blank where that has more than 28 digits.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub least_room: Option<Decimal>,
}

/// What rounds the lines of a vendor.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RoundingSummary {
    /// The lines that state quantity, price and amount.
    pub lines: u64,
    /// Those whose amount is quantity × price to the last digit.
    pub exact: u64,
    /// The most lines that one way of rounding makes.
    pub reproduced: u64,
    /// Every way that makes so many; none where nothing but the exact lines is made.
    pub by: Vec<&'static str>,
    /// To how many digits behind the point.
    pub places: u32,
    /// All of that in words.
    pub told: String,
}

impl From<Inferred> for RoundingSummary {
    fn from(inferred: Inferred) -> Self {
        Self {
            told: inferred.told(["line", "lines"], "line-wise"),
            lines: inferred.lines,
            exact: inferred.exact,
            reproduced: inferred.reproduced,
            by: inferred.ways.iter().map(|way| way.name()).collect(),
            places: inferred.places,
        }
    }
}

/// How the lines of one side are taxed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TaxesSummary {
    /// Lines that state net, tax and gross.
    pub lines: u64,
    /// Those whose net and tax are not their gross.
    pub do_not_add_up: u64,
    /// Those without tax.
    pub untaxed: u64,
    /// Rate in percent → those whose tax that rate alone makes.
    pub by_rate: BTreeMap<String, u64>,
    /// Those at no rate that is configured, or that could be at several.
    pub at_another_rate: u64,
}

impl From<&TaxCounts> for TaxesSummary {
    fn from(counts: &TaxCounts) -> Self {
        let told = counts.untaxed + counts.by_rate.values().sum::<u64>();
        Self {
            lines: counts.lines,
            do_not_add_up: counts.wrong,
            untaxed: counts.untaxed,
            by_rate: counts.by_rate.clone(),
            at_another_rate: counts.lines.saturating_sub(told),
        }
    }
}

/// What became of the totals of one side.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TotalsSummary {
    /// Rows that were left out of the lines.
    pub rows: u64,
    /// Those that are the sum of their lines.
    pub agree: u64,
    /// Those that are not: each is a discrepancy.
    pub differ: u64,
    /// Those that state no amount.
    pub unchecked: u64,
    /// Vendor → what makes its totals of quantity × price of their lines, added up; not of those whose totals all are the
    /// sum of their lines.
    pub rounding: BTreeMap<String, RoundingSummary>,
}

impl TotalsSummary {
    fn of(counts: &TotalCounts) -> Self {
        // Of all vendors together, where they are not told apart.
        let sums = |vendor: &str| match counts.sums_of_lines.get(vendor) {
            Some(sums) => *sums,
            None => counts.sums_of_lines.values().sum(),
        };
        // Where every total is the sum of its lines, nothing was rounded on the total.
        let roundings =
            counts.roundings.all().into_iter().filter(|(vendor, inferred)| sums(vendor) < inferred.lines);
        let told = |vendor: &str, inferred: Inferred| {
            let told = inferred.told(["total", "totals"], "on the total");
            let are = match sums(vendor) {
                1 => "1 is the sum of its lines".to_owned(),
                n => format!("{n} are the sum of their lines"),
            };
            RoundingSummary { told: format!("{told}; {are}"), ..inferred.into() }
        };
        Self {
            rows: counts.rows.lines(),
            agree: counts.agree,
            differ: counts.wrong.len() as u64,
            unchecked: counts.unchecked,
            rounding: roundings.map(|(vendor, of)| (vendor.to_owned(), told(vendor, of))).collect(),
        }
    }
}

/// What rates did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RatesSummary {
    /// Their table.
    pub file: String,
    /// Groups whose sides are in two currencies and that they brought together.
    pub groups_converted: u64,
    /// Those of them for which an earlier day's rate stands in.
    pub by_an_earlier_rate: u64,
}

/// Discrepancies that are counted, but not listed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Immaterial {
    /// Variances below this are immaterial.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub minimum: Option<Decimal>,
    /// How many there are.
    pub discrepancies: u64,
    /// Their money by currency; part of `variance`.
    pub variance: BTreeMap<String, Direction>,
}

/// Variances by their sign; blank where a sum has more than 28 digits.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Direction {
    /// The sum of the positive variances.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub overbilled: Option<Decimal>,
    /// The sum of the negative variances.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub underbilled: Option<Decimal>,
    /// Both together.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub net: Option<Decimal>,
}

/// Documents, counted.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Documents {
    /// How many there are.
    pub all: u64,
    /// Of how many no line is discrepant or rejected.
    pub tie: u64,
}

/// What several discrepancies have in common.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PatternSummary {
    /// In one sentence.
    pub pattern: String,
    /// How many discrepancies have all of it.
    pub discrepancies: u64,
    /// What they share.
    pub shares: Vec<ShareSummary>,
    /// The sum of their variances without signs, by currency.
    pub variance: BTreeMap<String, Explained>,
}

/// One thing that discrepancies share.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShareSummary {
    /// A role, an attribute, `day`, `cause`, or a ratio or a difference of figures.
    pub name: String,
    /// Which one.
    pub value: String,
    /// How common it is among a sample of all lines: how many have it, and of how many; only where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_lines: Option<[u64; 2]>,
}

/// How much money a pattern explains.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Explained {
    /// Of its discrepancies.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub explained: Option<Decimal>,
    /// Of all discrepancies.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub of: Option<Decimal>,
}

/// Lines and their money.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Total {
    /// How many.
    pub lines: u64,
    /// The exact sum; blank where it has more than 28 digits.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub amount: Option<Decimal>,
}

impl From<&Tally> for Total {
    fn from(tally: &Tally) -> Self {
        Self { lines: tally.lines, amount: tally.amount.value() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Summarises a run.
#[must_use]
pub fn summary(report: &Report<'_>) -> Summary {
    let outcome = report.outcome;
    let mut control_totals: BTreeMap<&'static str, BTreeMap<String, BTreeMap<&'static str, Total>>> =
        BTreeMap::new();
    for ((side, currency), balance) in outcome.control.balances() {
        let classes = balance.iter().map(|(class, tally)| (class.name(), Total::from(tally))).collect();
        control_totals.entry(side.name()).or_default().insert(currency.to_owned(), classes);
    }
    // A document may have lines in several currencies.
    let mut ties: BTreeMap<(Side, &str), bool> = BTreeMap::new();
    for ((side, document, _), balance) in outcome.control.documents() {
        let lines = |class| balance.get(&class).map_or(0, |tally| tally.lines);
        if !document.is_empty() && lines(Class::Read) > 0 {
            *ties.entry((side, document)).or_insert(true) &=
                lines(Class::Discrepant) + lines(Class::Rejected) == 0;
        }
    }
    let mut documents: BTreeMap<&'static str, Documents> = BTreeMap::new();
    for ((side, _), ties) in ties {
        let documents = documents.entry(side.name()).or_default();
        documents.all += 1;
        documents.tie += u64::from(ties);
    }
    let immaterial = report.minimum.map(|minimum| {
        let all = || outcome.discrepancies().filter(|of| !of.is_material(report.minimum));
        Immaterial {
            minimum: Some(minimum),
            discrepancies: all().count() as u64,
            variance: directions(&Variances::of(report.book, all())),
        }
    });
    Summary {
        tieout: env!("CARGO_PKG_VERSION"),
        name: report.name.to_owned(),
        period: report.period.to_owned(),
        settings_sha256: report.settings_digest.to_owned(),
        inputs: report.inputs.to_vec(),
        groups: Groups {
            matched: outcome.matched,
            within_tolerance: outcome.within_tolerance(),
            discrepancies: outcome.discrepancies.len() as u64,
            rejected_rows: report.rejected(),
        },
        kinds: outcome.kinds.iter().map(|(kind, &count)| (kind.name(), count)).collect(),
        passes: report
            .passes
            .iter()
            .zip(&outcome.passes)
            .map(|(pass, count)| PassSummary {
                name: pass.name.clone(),
                groups: count.groups,
                invoice_entries: count.invoices,
                settlement_entries: count.settlements,
                unweighed_keys: count.unweighed,
                matched_nothing: count.idle.as_ref().map(idle::told),
            })
            .collect(),
        tolerances: outcome.within.iter().fold(BTreeMap::new(), |mut tolerances, (&number, &count)| {
            let words = report.tolerances.get(number).map(ToString::to_string);
            // Two tolerances that differ in `when` alone have the same words.
            *tolerances.entry(words.unwrap_or_default()).or_default() += count;
            tolerances
        }),
        tolerance_limbs: outcome
            .rooms
            .iter()
            .filter_map(|(&(number, limb), room)| {
                Some(LimbSummary {
                    tolerance: report.tolerances.get(number)?.to_string(),
                    number: number + 1,
                    limb: limb.name(),
                    groups: room.groups,
                    least_room: room.least,
                })
            })
            .collect(),
        variance: directions(&outcome.variances),
        immaterial,
        rounding: [Side::Invoice, Side::Settlement]
            .into_iter()
            .map(|side| {
                let vendors = report.book.ledger(side).counts.roundings.all().into_iter();
                (side.name(), vendors.map(|(vendor, of)| (vendor.to_owned(), of.into())).collect())
            })
            .collect(),
        taxes: [Side::Invoice, Side::Settlement]
            .into_iter()
            .map(|side| (side.name(), TaxesSummary::from(&report.book.ledger(side).counts.taxes)))
            .filter(|(_, taxes)| taxes.lines > 0)
            .collect(),
        totals: [Side::Invoice, Side::Settlement]
            .into_iter()
            .map(|side| (side.name(), TotalsSummary::of(&report.book.ledger(side).counts.totals)))
            .filter(|(_, totals)| totals.rows > 0)
            .collect(),
        rates: report.rates.map(|rates| RatesSummary {
            file: rates.file.clone(),
            groups_converted: outcome.converted,
            by_an_earlier_rate: outcome.by_previous,
        }),
        patterns: outcome.patterns.iter().map(|pattern| pattern_summary(report, pattern)).collect(),
        documents,
        control_totals,
    }
}

fn pattern_summary(report: &Report<'_>, pattern: &Pattern) -> PatternSummary {
    let share = |share: &Share| ShareSummary {
        name: share.name.clone(),
        value: share.value.clone(),
        sampled_lines: share.common,
    };
    let explained = |[own, all]: &[Sum; 2]| Explained { explained: own.value(), of: all.value() };
    PatternSummary {
        pattern: pattern.sentence(report.outcome.discrepancies.len()),
        discrepancies: pattern.discrepancies.len() as u64,
        shares: pattern.shares.iter().map(share).collect(),
        variance: pattern
            .money
            .iter()
            .map(|(currency, money)| (currency.clone(), explained(money)))
            .collect(),
    }
}

fn directions(variances: &Variances) -> BTreeMap<String, Direction> {
    let direction = |signed: &Signed| Direction {
        overbilled: signed.overbilled.value(),
        underbilled: signed.underbilled.value(),
        net: signed.net.value(),
    };
    variances.by_currency().map(|(currency, signed)| (currency.to_owned(), direction(signed))).collect()
}

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &summary(report))?;
    out.write_all(b"\n")?;
    Ok(())
}
