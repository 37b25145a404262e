//! Tables for people: the summary and the discrepancies, fitted to the terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table};

use super::Report;
use super::line::Lines;
use crate::fault::shown_lines;
use crate::judge::{Class, Discrepancy};
use crate::money;
use crate::normalise::Tally;

fn bare(width: u16, header: &[(&str, CellAlignment)]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header.iter().map(|(name, alignment)| Cell::new(name).set_alignment(*alignment)));
    for (column, (_, alignment)) in table.column_iter_mut().zip(header) {
        column.set_cell_alignment(*alignment);
        // A number that is broken over two lines is misread.
        if *alignment == RIGHT {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

const LEFT: CellAlignment = CellAlignment::Left;
const RIGHT: CellAlignment = CellAlignment::Right;

/// A table whose rows are ruled off from each other only where one takes more than a line.
fn airy(table: &mut Table) -> String {
    /// The lines above and below the table and its header, and the header itself.
    const AROUND: usize = 4;
    let ruled = table.trim_fmt();
    let bare = table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none())).trim_fmt();
    if bare.lines().count() == table.row_iter().count() + AROUND { bare } else { ruled }
}

/// Characters of a cell that are shown. Nobody reads more in a table, and to break many more into lines takes longer than the run.
const SHOWN: usize = 4_000;

/// A text as it stands in a cell of a table.
fn in_cell(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => shown_lines(text),
        Some((end, _)) => {
            let all = money::whole(text.chars().count() as u64);
            format!("{} … ({all} characters)", shown_lines(text.get(..end).unwrap_or_default()))
        }
    }
}

/// A table of texts.
#[must_use]
pub fn table<const N: usize>(
    width: u16,
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let header = header.map(|name| (name, LEFT));
    let mut table = bare(width, &header);
    for row in rows {
        table.add_row(row.map(|cell| in_cell(&cell)));
    }
    airy(&mut table)
}

/// A table of records, each a list of names and values: a column for each name where there is room for them, else a
/// table for each record. The values of a name that repeats are joined by `; `; null is `-`.
#[must_use]
pub fn records_table(width: u16, records: &[Vec<(String, Option<String>)>]) -> String {
    /// What a column takes at least.
    const COLUMN: usize = 12;
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in records.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |record: &[(String, Option<String>)], name: &str| {
        let values = record.iter().filter(|(known, _)| known == name);
        let values: Vec<&str> = values.map(|(_, value)| value.as_deref().unwrap_or("-")).collect();
        in_cell(&values.join("; "))
    };
    if names.len() * COLUMN <= usize::from(width) {
        let header: Vec<String> = names.iter().map(|name| shown_lines(name)).collect();
        let header: Vec<(&str, CellAlignment)> = header.iter().map(|name| (name.as_str(), LEFT)).collect();
        let mut table = bare(width, &header);
        for record in records {
            table.add_row(names.iter().map(|name| cell(record, name)));
        }
        return airy(&mut table);
    }
    let each = records.iter().zip(1..).map(|(record, number)| {
        let number = format!("record {number}");
        let mut table = bare(width, &[(number.as_str(), LEFT), ("", LEFT)]);
        for name in names.iter().filter(|name| record.iter().any(|(known, _)| known == *name)) {
            table.add_row([shown_lines(name), cell(record, name)]);
        }
        airy(&mut table)
    });
    each.collect::<Vec<_>>().join("\n\n")
}

/// The control totals of each side and currency: a line each where the terminal is wide enough, else one for each class.
#[must_use]
pub(super) fn summary_table(report: &Report<'_>, width: u16) -> String {
    /// What the wide form takes with amounts of nine digits.
    const WIDE: u16 = 100;
    let balances = report.outcome.control.balances();
    let has = |class: Class| {
        balances.values().any(|balance| balance.get(&class).is_some_and(|tally| tally.lines > 0))
    };
    let amount =
        |tally: &Tally| tally.amount.value().map_or_else(|| "over 28 digits".to_owned(), money::grouped);
    let named = |currency: &str| if currency.is_empty() { "-".to_owned() } else { currency.to_owned() };
    if width < WIDE {
        let mut table = bare(
            width,
            &[("side", LEFT), ("currency", LEFT), ("", LEFT), ("lines", RIGHT), ("amount", RIGHT)],
        );
        for ((side, currency), balance) in &balances {
            for (class, tally) in
                balance.iter().filter(|(class, tally)| tally.lines > 0 || **class == Class::Read)
            {
                let cells = [class.label(), tally.lines.to_string(), amount(tally)];
                table.add_row([side.name().to_owned(), named(currency)].into_iter().chain(cells));
            }
        }
        return table.trim_fmt();
    }
    let seldom = [Class::OutsidePeriod, Class::Superseded, Class::Totals];
    let shown = Class::ALL.into_iter().filter(|class| !seldom.contains(class) || has(*class));
    let shown: Vec<Class> = shown.collect();
    let labels: Vec<String> = shown.iter().map(|class| class.label()).collect();
    let mut header = vec![("side", LEFT), ("currency", LEFT)];
    header.extend(labels.iter().map(|label| (label.as_str(), RIGHT)));
    let mut table = bare(width, &header);
    for ((side, currency), balance) in &balances {
        let cells = shown.iter().filter_map(|class| balance.get(class));
        let cells = cells.map(|tally| format!("{}\n{}", lines(tally.lines), amount(tally)));
        table.add_row([side.name().to_owned(), named(currency)].into_iter().chain(cells));
    }
    table.trim_fmt()
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// The discrepancies, the largest variance first, at most `limit` of them.
#[must_use]
pub(super) fn discrepancy_table(report: &Report<'_>, width: u16, limit: usize) -> String {
    let header = [
        ("kind", LEFT),
        ("vendor", LEFT),
        ("deal", LEFT),
        ("charge", LEFT),
        ("location", LEFT),
        ("period", LEFT),
        ("variance", RIGHT),
        ("explanation", LEFT),
    ];
    // A narrow terminal shows what identifies a discrepancy and why; the rest is in the files.
    let keep: &[usize] = match width {
        0..100 => &[0, 2, 6, 7],
        100..140 => &[0, 2, 4, 5, 6, 7],
        _ => &[0, 1, 2, 3, 4, 5, 6, 7],
    };
    let pick = |cells: &[(String, CellAlignment)]| {
        keep.iter().filter_map(|&at| cells.get(at).cloned()).collect::<Vec<_>>()
    };
    let header = pick(&header.map(|(name, at)| (name.to_owned(), at)));
    let header: Vec<(&str, CellAlignment)> = header.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    let mut table = bare(width, &header);
    let shown: Vec<&Discrepancy> = report.listed().take(limit).collect();
    let cells = Lines::of(report).cells(&shown);
    for (number, discrepancy) in shown.into_iter().enumerate() {
        let cells: Vec<&str> = cells.line(number).collect();
        let [_, kind, cause, vendor, _, deal, charge, location, start, end, .., explanation, _, _] =
            cells.as_slice()
        else {
            continue;
        };
        let variance = discrepancy.variance.map_or_else(|| "-".to_owned(), |v| money::grouped(v.total));
        let kind = if cause.is_empty() { (*kind).to_owned() } else { format!("{kind}\n({cause})") };
        let is_short = start == end || end.is_empty();
        let period = if is_short { (*start).to_owned() } else { format!("{start}\n{end}") };
        let cells = [kind.as_str(), vendor, deal, charge, location, &period, &variance, explanation];
        table.add_row(pick(&cells.map(|cell| (in_cell(cell), LEFT))).into_iter().map(|(cell, _)| cell));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_so_much_of_a_text_and_says_how_long_it_is() {
        let exact = "é".repeat(SHOWN);
        assert_eq!(in_cell(&exact), exact);
        assert_eq!(in_cell(&"é".repeat(312_004)), format!("{exact} … (312,004 characters)"));
    }
}
