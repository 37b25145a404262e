//! What a person sees of the reports of a run, and of a file.

use std::collections::BTreeMap;

use super::print::{Printer, program, quoted};
use crate::fault::{Result, shown};
use crate::operations::{Exported, Inspected, Listing};
use crate::report::{Direction, table};

impl Printer {
    /// A page of discrepancies.
    pub(super) fn listing(&mut self, listing: &Listing, as_json: bool) -> Result<()> {
        if as_json {
            return self.json(listing);
        }
        let rows = listing.discrepancies.iter().map(|listed| {
            let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
            let cause = listed.cause.as_ref().map(|cause| format!("\n({cause})")).unwrap_or_default();
            [
                listed.discrepancy_id.clone(),
                format!("{}{cause}", listed.kind),
                text(&listed.vendor),
                text(&listed.deal),
                text(&listed.period_start),
                format!("{} {}", text(&listed.variance), text(&listed.currency)).trim().to_owned(),
            ]
        });
        if !listing.discrepancies.is_empty() {
            let header = ["discrepancy", "kind", "vendor", "deal", "start", "variance"];
            self.line(&table(self.width, &header, rows));
        }
        self.totals(listing.count, &listing.totals);
        if let Some(cursor) = &listing.next_cursor {
            self.line(&format!("more: the same again with --cursor {cursor}"));
        } else if let Some(first) = listing.discrepancies.first() {
            let id = quoted(&shown(&first.discrepancy_id));
            self.line(&format!("why one of them came about: {} explain {id}", program()));
        }
        Ok(())
    }

    /// What was exported.
    pub(super) fn exported(&mut self, exported: &Exported, as_json: bool) -> Result<()> {
        if as_json {
            return self.json(exported);
        }
        self.line(&format!("wrote {}", exported.file.display()));
        self.totals(exported.count, &exported.totals);
        Ok(())
    }

    fn totals(&mut self, count: u64, totals: &BTreeMap<String, Direction>) {
        self.line(&format!("{count} {}", if count == 1 { "discrepancy" } else { "discrepancies" }));
        for (currency, direction) in totals {
            self.line(&direction.told(currency));
        }
    }

    /// What a file is.
    pub(super) fn inspected(&mut self, inspected: &Inspected, as_json: bool) -> Result<()> {
        if as_json {
            return self.json(inspected);
        }
        let mut form = vec![inspected.format.to_owned()];
        form.extend(inspected.encoding.map(str::to_owned));
        form.extend(inspected.delimiter.as_ref().map(|delimiter| format!("delimiter {delimiter}")));
        form.extend(
            inspected.sheet.as_ref().map(|sheet| format!("sheet {sheet:?} of {}", inspected.sheets.len())),
        );
        form.push(format!("headers in row {}", inspected.header_row));
        form.push(format!("{} rows", inspected.rows));
        self.line(&format!("{}: {}", inspected.file, form.join(", ")));
        let header = ["column", "looks like", "blank", "examples", "taken for"];
        let columns = inspected.columns.iter().map(|column| {
            let mut look = column.looks_like.name().to_owned();
            if !column.decimal.is_empty() {
                let marks: Vec<String> = column.decimal.iter().map(|mark| format!("{mark:?}")).collect();
                look += &format!(", decimal {}", marks.join(" or "));
            }
            if let [form] = column.dates.as_slice() {
                look += if *form == "none needed" { "" } else { ", " };
                look += if *form == "none needed" { "" } else { form };
            } else if !column.dates.is_empty() {
                look += &format!(", {}", column.dates.join(" or "));
            }
            [
                column.name.clone(),
                look,
                format!("{} %", column.blank_percent),
                column.examples.join("\n"),
                column.roles.join(", "),
            ]
        });
        self.line(&table(self.width, &header, columns));
        for role in inspected.roles.iter().filter(|role| role.found.is_empty() && role.default.is_none()) {
            let near = role.nearest.as_ref().map(|near| format!("; the nearest header is {near:?}"));
            self.line(&format!(
                "missing: {} ({}){}",
                role.role,
                role.headers.join(" or "),
                near.unwrap_or_default()
            ));
        }
        if inspected.side.is_some() && inspected.trouble.is_none() {
            let least = if inspected.rejected_at_least { "at least " } else { "" };
            self.line(&format!(
                "{} lines would be taken, {least}{} rows rejected",
                inspected.lines, inspected.rejected
            ));
        }
        for reject in &inspected.rejects {
            let column = if reject.column.is_empty() {
                String::new()
            } else {
                format!(", column \"{}\"", reject.column)
            };
            let value = if reject.value.is_empty() { String::new() } else { format!(" ({})", reject.value) };
            self.line(&format!("rejected {}{column}: {}{value}", reject.source, reject.reason));
        }
        if let Some(trouble) = &inspected.trouble {
            self.line(trouble);
        }
        for note in &inspected.notes {
            self.note(note);
        }
        Ok(())
    }
}
