//! One discrepancy, explained: for people as text, for programs as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::{RateUsed, table};
use crate::money::{self, Decimal};

/// All that there is to say of one discrepancy. Decimals are texts, as they are shown.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Explained {
    /// Its identity.
    pub id: String,
    /// What differs.
    pub kind: String,
    /// Why, where exact arithmetic shows it.
    pub cause: Option<String>,
    /// In a sentence or two, as in the reports.
    pub explanation: String,
    /// How its group came about.
    pub group: String,
    /// What the sources say.
    pub sources: Vec<Source>,
    /// Which passes tried, and what came of it.
    pub passes: Vec<Tried>,
    /// How its figures compare, and by which tolerance.
    pub compared: Vec<Compared>,
    /// The rates that brought its records into the invoice's currency.
    pub rates: Vec<RateUsed>,
    /// The cause as an equation.
    pub cause_arithmetic: Option<String>,
    /// Invoiced less settled, and its parts, which sum to it.
    pub variance: Vec<Part>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// One row, as it stands in its file or in the platform's answer.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Source {
    /// Whose row it is.
    pub side: &'static str,
    /// Where it stands.
    pub place: String,
    /// Of its file, or of all records of the platform.
    pub sha256: String,
    /// Whether that is what the last run read; `null` where no run left a summary to compare it with.
    pub unchanged: Option<bool>,
    /// Its cells in order, then the values that come from no cell.
    pub cells: Vec<Cell>,
}

/// One cell, and what became of it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Cell {
    /// The header; blank for a default.
    pub column: String,
    /// What stands there.
    pub text: String,
    /// What it was taken for; blank where nothing reads it.
    pub role: String,
    /// The typed value.
    pub value: String,
    /// What it is compared as, by the rules of keys and units.
    pub compared_as: String,
}

/// What one pass could do with one row.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Tried {
    /// The pass.
    pub pass: String,
    /// Its key, as configured.
    pub key: Vec<String>,
    /// The row.
    pub place: String,
    /// What came of it.
    pub outcome: String,
}

/// One field of both sides.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Compared {
    /// Amount, quantity or price.
    pub field: &'static str,
    /// The subtraction.
    pub arithmetic: String,
    /// The tolerance, its limbs, and what room is left or by how much they are exceeded.
    pub tolerance: Vec<String>,
    /// What came of it.
    pub verdict: &'static str,
}

/// A part of the variance.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Part {
    /// Volume, price, rounding, currency, other; the total comes first.
    pub part: &'static str,
    /// How much.
    pub amount: String,
    /// Where it comes from.
    pub arithmetic: String,
}

impl Explained {
    /// For people, `width` columns wide.
    #[must_use]
    pub fn text(&self, width: u16) -> String {
        let cause = self.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
        let mut lines =
            vec![format!("{}: {}{cause}", self.id, self.kind), self.explanation.clone(), self.group.clone()];
        for source in &self.sources {
            let state = match source.unchanged {
                Some(true) => "as the last run read it",
                Some(false) => "CHANGED since the last run",
                None => "no earlier run to compare it with",
            };
            let title = format!("\n{} {}", source.side, source.place);
            let digest = match source.sha256.get(..16) {
                Some(start) => format!(" (SHA-256 {start}…, {state})"),
                None => String::new(),
            };
            lines.push(title + &digest);
            let rows = source.cells.iter().map(|cell| {
                let column = if cell.column.is_empty() { "(default)" } else { &cell.column };
                [column, &cell.text, &cell.role, &cell.value, &cell.compared_as].map(str::to_owned)
            });
            lines.push(table(width, &["column", "as it stands", "role", "read as", "compared as"], rows));
        }
        if !self.passes.is_empty() {
            lines.push("\npasses".to_owned());
        }
        let mut last = "";
        for tried in &self.passes {
            if tried.pass != last {
                lines.push(format!("  \"{}\": {}", tried.pass, tried.key.join(", ")));
                last = &tried.pass;
            }
            lines.push(format!("    {}: {}", tried.place, tried.outcome));
        }
        if !self.compared.is_empty() {
            lines.push("\ntolerances".to_owned());
        }
        for compared in &self.compared {
            lines.push(format!("  {}: {}: {}", compared.field, compared.arithmetic, compared.verdict));
            lines.extend(compared.tolerance.iter().map(|limb| format!("    {limb}")));
        }
        if !self.rates.is_empty() {
            lines.push("\nrates".to_owned());
        }
        lines.extend(self.rates.iter().map(|used| {
            let stands_in = if used.date == used.date_wanted {
                String::new()
            } else {
                format!(": {} has none, and this is the last before it", used.date_wanted)
            };
            let shown = |value: Option<Decimal>| value.map_or_else(|| "nothing".to_owned(), money::shown);
            format!(
                "  {}: {} {} × {} = {} {}, at the rate of {}{stands_in}",
                used.place,
                shown(used.amount),
                used.from,
                used.rate,
                shown(used.converted),
                used.to,
                used.date
            )
        }));
        if let (Some(cause), Some(arithmetic)) = (&self.cause, &self.cause_arithmetic) {
            lines.push(format!("\ncause: {cause}: {arithmetic}"));
        }
        if !self.variance.is_empty() {
            lines.push("\nvariance".to_owned());
            lines.extend(self.variance.iter().map(|part| {
                let arithmetic = match part.arithmetic.as_str() {
                    "" => String::new(),
                    arithmetic => format!(" = {arithmetic}"),
                };
                format!("  {:<8} {}{arithmetic}", part.part, part.amount)
            }));
        }
        if !self.notes.is_empty() {
            lines.push(String::new());
            lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        }
        lines.join("\n")
    }
}

/// Side, source and SHA-256 of each input, as a `summary.json` has them; `None` where it is no such file.
#[must_use]
pub fn inputs_of(summary: &str) -> Option<Vec<[String; 3]>> {
    let summary: serde_json::Value = serde_json::from_str(summary).ok()?;
    let text = |input: &serde_json::Value, name: &str| Some(input.get(name)?.as_str()?.to_owned());
    let inputs = summary.get("inputs")?.as_array()?;
    inputs.iter().map(|i| Some([text(i, "side")?, text(i, "source")?, text(i, "sha256")?])).collect()
}
