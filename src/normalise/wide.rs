//! Wide rows: one column for each hour, `Hour1` … `Hour25`. Such a row is as many lines as it has hours that say something;
//! each is read, counted and rejected by itself, and is found again by its row and its column.

use crate::period::Part;

/// A header with a place for the hour: `Hour{hour_ending}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    before: &'a str,
    after: &'a str,
    /// What stands in that place.
    pub part: Part,
}

impl<'a> Template<'a> {
    /// The template that a header is, if it is one.
    #[must_use]
    pub fn of(header: &'a str) -> Option<Self> {
        [Part::HourEnding, Part::HourBeginning, Part::IntervalNumber].into_iter().find_map(|part| {
            let (before, after) = header.split_once(&format!("{{{}}}", part.name()))?;
            Some(Self { before, after, part })
        })
    }

    /// The first hour's header, with and without a nought.
    #[must_use]
    pub fn first(&self) -> [String; 2] {
        ["1", "01"].map(|hour| format!("{}{hour}{}", self.before, self.after))
    }

    /// The hour of a column, as the column calls it.
    #[must_use]
    pub fn label<'c>(&self, column: &'c str) -> Option<&'c str> {
        let label = column.strip_prefix(self.before)?.strip_suffix(self.after)?;
        self.part.is_label(label).then_some(label)
    }
}

/// The columns of one hour.
pub(super) struct Slice {
    pub(super) label: String,
    /// Of quantity, price and amount, those that have a column for each hour.
    pub(super) numbers: [Option<usize>; 3],
}

impl Slice {
    /// The column that stands for the hour in reports.
    pub(super) fn column(&self) -> Option<usize> {
        self.numbers.iter().flatten().copied().min()
    }
}

/// How the rows at hand are wide.
pub(super) struct Wide {
    pub(super) part: Part,
    /// In the order of their columns.
    pub(super) slices: Vec<Slice>,
}

impl Wide {
    /// The hours in `columns`, by the headers of quantity, price and amount.
    pub(super) fn of(columns: &[String], headers: [Option<&str>; 3]) -> Option<Self> {
        let templates = headers.map(|header| header.and_then(Template::of));
        let part = templates.iter().flatten().next()?.part;
        let mut slices: Vec<Slice> = Vec::new();
        for (column, header) in columns.iter().enumerate() {
            for (number, template) in templates.iter().enumerate() {
                let Some(label) = template.and_then(|template| template.label(header)) else { continue };
                let at = slices.iter().position(|slice| slice.label == label).unwrap_or_else(|| {
                    slices.push(Slice { label: label.to_owned(), numbers: [None; 3] });
                    slices.len() - 1
                });
                if let Some(known) = slices.get_mut(at).and_then(|slice| slice.numbers.get_mut(number)) {
                    *known = Some(column);
                }
            }
        }
        Some(Self { part, slices })
    }
}
